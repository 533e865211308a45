/**
 * Our processor with nothing around it but what a user program under Linux sees: the same windows at the same addresses, the same
 * selectors, CPL 3 in long mode. Exceptions are delivered for real, to a kernel page of HLTs, and read back from their frame. States
 * are words of layout.ts; nothing is allocated for a step.
 */
import { Cpu, type Vendor } from "../../../src/emu/cpu/cpu.ts";
import { VECTOR } from "../../../src/emu/cpu/fault.ts";
import {
  CR0,
  CR4,
  EFER,
  EFLAGS,
  GPR,
  OFF,
  SEG,
  SEG_NULL,
  SEG_STRIDE,
  SEGF,
  type SegIndex,
} from "../../../src/emu/cpu/layout.ts";
import { CoreMemory } from "../../../src/emu/cpu/memory.ts";
import { ATTR } from "../../../src/emu/cpu/mode.ts";
import { setSegmentRaw } from "../../../src/emu/cpu/system/segment.ts";
import { type Bits, CODE, CODE_SIZE, DATA, DATA_SIZE, READ_ONLY, READ_ONLY_SIZE, WORD } from "./layout.ts";

const PHYSICAL = {
  PML4: 0x1000,
  TABLES: 0x2000,
  GDT: 0x10000,
  IDT: 0x11000,
  TSS: 0x12000,
  HANDLER: 0x13000,
  STACK: 0x14000,
  LDT: 0x15000,
  CODE: 0x100000,
  DATA: 0x110000,
  READ_ONLY: 0x120000,
};
const KERNEL = -0x8000_0000;
const STACK_TOP = 0x1000;

const FLAT_DATA = { attr: 0xc0f3, base: 0, limit: 0xffff_ffff };
const FLAT_CODE = { attr: 0xc0fb, base: 0, limit: 0xffff_ffff };
const SMALL_DATA = { attr: 0x00f3, base: DATA, limit: 0xffff };
const SMALL_CODE = { attr: 0x00fb, base: CODE, limit: 0xffff };
const NULL = { attr: SEG_NULL, base: 0, limit: 0 };

/** The user's descriptors in Linux's GDT by selector, of which the last one's limit is the processor's number, and the program's LDT. */
const GDT_USER = [
  [0x20, FLAT_CODE],
  [0x28, FLAT_DATA],
  [0x30, { ...FLAT_CODE, attr: 0xa0fb }],
  [0x78, { base: 0, limit: 0, attr: 0x40f5 }],
] as const;
const LDT = [
  { ...SMALL_CODE, attr: 0x00fb },
  { ...SMALL_DATA, attr: 0x00f3 },
  { ...SMALL_CODE, attr: 0x40fb },
  { ...SMALL_DATA, attr: 0x40f3 },
];

function descriptor({ base, limit, attr }: Omit<Segment, "selector">): bigint {
  const units = attr & ATTR.G ? limit >>> 12 : limit;
  const low = BigInt(units & 0xffff) | (BigInt(base & 0xff_ffff) << 16n);
  const high = (attr & 0xf0ff) | ((units >>> 8) & 0xf00) | ((base >>> 8) & 0xff_0000);
  return low | (BigInt(high >>> 0) << 40n);
}

interface Segment {
  readonly selector: number;
  readonly attr: number;
  readonly base: number;
  readonly limit: number;
}

/** Selectors and hidden parts of each mode, in SEG order; the program's LDT has the same. */
export const SEGMENTS: Readonly<Record<Bits, readonly Segment[]>> = {
  64: [
    { selector: 0, ...NULL },
    { selector: 0x33, ...FLAT_CODE, attr: 0xa0fb },
    { selector: 0x2b, ...FLAT_DATA },
    { selector: 0, ...NULL },
    { selector: 0, ...NULL },
    { selector: 0, ...NULL },
  ],
  32: [
    { selector: 0x2b, ...FLAT_DATA },
    { selector: 0x23, ...FLAT_CODE },
    { selector: 0x2b, ...FLAT_DATA },
    { selector: 0x2b, ...FLAT_DATA },
    { selector: 0x2b, ...FLAT_DATA },
    { selector: 0x0f, ...SMALL_DATA },
  ],
  16: [
    { selector: 0x0f, ...SMALL_DATA },
    { selector: 0x07, ...SMALL_CODE },
    { selector: 0x0f, ...SMALL_DATA },
    { selector: 0x0f, ...SMALL_DATA },
    { selector: 0x0f, ...SMALL_DATA },
    { selector: 0x2b, ...FLAT_DATA },
  ],
};

const FLUSH_AFTER = 8;
const BASES = [
  [WORD.FS_BASE, SEG.FS],
  [WORD.GS_BASE, SEG.GS],
] as const;

/** Word index of a field of the processor's state. */
const at = (offset: number): number => offset >> 2;

export class Machine {
  readonly cpu: Cpu;
  readonly code: Uint8Array;
  readonly data: Buffer;
  readonly readOnly: Uint8Array;
  /** Vector of the exception that ended the last step, or -1, and why it was raised. */
  vector = -1;
  why = "";
  /** Counts that the last step took. */
  counts = 0;
  private readonly core: CoreMemory;
  private readonly bits: Bits;
  private readonly wide: boolean;
  private sequences = 0;
  private nextTable = PHYSICAL.TABLES;
  private readonly copy = Buffer.alloc(DATA_SIZE);
  private readonly ymm: Int32Array;
  private readonly lowYmm: Int32Array;
  private readonly dataWords: Int32Array;
  private readonly copyWords = new Int32Array(this.copy.buffer, this.copy.byteOffset, DATA_SIZE >> 2);

  constructor(bits: Bits, vendor: Vendor) {
    this.bits = bits;
    this.wide = bits === 64;
    this.core = new CoreMemory(1, 0x200000);
    const transfer = (_cpu: Cpu, event: { kind: string; vector?: number; why?: string }) => {
      if (event.kind !== "exception" && event.kind !== "software-int") return;
      this.vector = event.vector ?? -1;
      this.why = event.why ?? "";
    };
    this.cpu = new Cpu(this.core, 0, { vendor, model: "current", quirks: [] }, { transfer });
    const window = (pa: number, size: number) =>
      this.core.u8.subarray(this.core.ramBase + pa, this.core.ramBase + pa + size);
    this.code = window(PHYSICAL.CODE, CODE_SIZE);
    this.readOnly = window(PHYSICAL.READ_ONLY, READ_ONLY_SIZE);
    this.data = Buffer.from(this.core.wasm.buffer, this.core.ramBase + PHYSICAL.DATA, DATA_SIZE);
    this.dataWords = new Int32Array(this.core.wasm.buffer, this.core.ramBase + PHYSICAL.DATA, DATA_SIZE >> 2);
    const ymm = (this.cpu.base + OFF.YMM) >> 2;
    this.ymm = this.core.i32.subarray(ymm, ymm + 128);
    this.lowYmm = this.ymm.subarray(0, 64);
    this.buildMemory();
    this.buildSystem();
  }

  private ram64(pa: number, value: bigint): void {
    this.core.view.setBigUint64(this.core.ramBase + pa, BigInt.asUintN(64, value), true);
  }

  private map(address: number, pa: number, flags: number): void {
    const linear = BigInt.asUintN(48, BigInt(address));
    let table = PHYSICAL.PML4;
    for (let shift = 39n; shift > 12n; shift -= 9n) {
      const slot = table + Number((linear >> shift) & 511n) * 8;
      let entry = this.core.view.getBigUint64(this.core.ramBase + slot, true);
      if (entry === 0n) {
        entry = BigInt(this.nextTable | 7);
        this.nextTable += 0x1000;
        this.ram64(slot, entry);
      }
      table = Number(entry & ~0xfffn);
    }
    this.ram64(table + Number((linear >> 12n) & 511n) * 8, BigInt(pa | flags));
  }

  private buildMemory(): void {
    for (let pa = PHYSICAL.GDT; pa < PHYSICAL.CODE; pa += 0x1000) this.map(KERNEL + pa, pa, 3);
    for (let page = 0; page < CODE_SIZE; page += 0x1000) this.map(CODE + page, PHYSICAL.CODE + page, 5);
    for (let page = 0; page < DATA_SIZE; page += 0x1000) this.map(DATA + page, PHYSICAL.DATA + page, 7);
    this.map(READ_ONLY, PHYSICAL.READ_ONLY, 5);
    this.ram64(PHYSICAL.GDT + 0x10, 0x00af_9b00_0000_ffffn);
    // No I/O permission map inside the TSS's limit.
    this.ram64(PHYSICAL.TSS + 0x60, 0xffffn << 48n);
    this.ram64(PHYSICAL.TSS + 4, BigInt(KERNEL + PHYSICAL.STACK + STACK_TOP));
    for (const [selector, segment] of GDT_USER) this.ram64(PHYSICAL.GDT + selector, descriptor(segment));
    for (const [i, segment] of LDT.entries()) this.ram64(PHYSICAL.LDT + i * 8, descriptor(segment));
    for (let vector = 0; vector < 256; vector++) {
      // Breakpoints and overflow are the program's to raise.
      const gate = vector === VECTOR.BP || vector === VECTOR.OF ? 0xee00n : 0x8e00n;
      const handler = BigInt.asUintN(64, BigInt(KERNEL + PHYSICAL.HANDLER));
      const low = (handler & 0xffffn) | (0x10n << 16n) | (gate << 32n) | (((handler >> 16n) & 0xffffn) << 48n);
      this.ram64(PHYSICAL.IDT + vector * 16, low);
      this.ram64(PHYSICAL.IDT + vector * 16 + 8, handler >> 32n);
    }
    this.core.u8.fill(0xf4, this.core.ramBase + PHYSICAL.HANDLER, this.core.ramBase + PHYSICAL.HANDLER + 0x1000);
  }

  private buildSystem(): void {
    const { cpu } = this;
    cpu.set64(OFF.CR0, BigInt((CR0.PE | CR0.MP | CR0.ET | CR0.NE | CR0.WP | CR0.AM | CR0.PG) >>> 0));
    cpu.set64(OFF.CR3, BigInt(PHYSICAL.PML4));
    cpu.set64(OFF.CR4, BigInt(CR4.PAE | CR4.PGE | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.FSGSBASE | CR4.OSXSAVE));
    cpu.set64(OFF.XCR0, 7n);
    cpu.set64(OFF.EFER, BigInt(EFER.SCE | EFER.LME | EFER.LMA | EFER.NXE));
    cpu.setAddr(OFF.GDTR_BASE, KERNEL + PHYSICAL.GDT);
    cpu.set32(OFF.GDTR_LIMIT, 0x7f);
    cpu.setAddr(OFF.IDTR_BASE, KERNEL + PHYSICAL.IDT);
    cpu.set32(OFF.IDTR_LIMIT, 0xfff);
    setSegmentRaw(cpu, SEG.TR, { selector: 0x40, attr: 0x8b, base: KERNEL + PHYSICAL.TSS, limit: 0x67 });
    setSegmentRaw(cpu, SEG.LDTR, {
      selector: 0x50,
      attr: 0x82,
      base: KERNEL + PHYSICAL.LDT,
      limit: LDT.length * 8 - 1,
    });
    cpu.flushTlb();
  }

  /** The code window holds a new program. */
  forgetCode(): void {
    this.code.fill(0xf4);
    this.cpu.flushCode();
  }

  /** Back in the program, at the beginning of a sequence: `image` in memory, all registers from words `from` of `states`. */
  begin(states: Int32Array, from: number, image: Uint8Array): void {
    const { cpu } = this;
    for (const [seg, value] of SEGMENTS[this.bits].entries()) setSegmentRaw(cpu, seg as SegIndex, value);
    if (this.wide) {
      setSegmentRaw(cpu, SEG.FS, { ...NULL, selector: 0, base: states[from + WORD.FS_BASE]! >>> 0 });
      setSegmentRaw(cpu, SEG.GS, { ...NULL, selector: 0, base: states[from + WORD.GS_BASE]! >>> 0 });
    }
    cpu.set32(OFF.CPL, 3);
    cpu.set32(OFF.ACTIVITY, 0);
    this.loadRegisters(states, from);
    this.data.set(image);
    this.copy.set(image);
    cpu.set32(OFF.PENDING, 0);
    cpu.set32(OFF.SHADOW_KIND, 0);
    // Finding a block takes longer the more there are on its page.
    if (++this.sequences % FLUSH_AFTER === 0) cpu.flushCode();
  }

  private loadRegisters(states: Int32Array, from: number): void {
    const { cpu } = this;
    const { i32, base32 } = cpu;
    for (let i = 0; i < 34; i++) i32[base32 + i] = states[from + i]!;
    cpu.setFlagsRaw(states[from + WORD.EFLAGS]!);
    i32[base32 + at(OFF.FCW)] = states[from + WORD.FCW]!;
    i32[base32 + at(OFF.FSW)] = states[from + WORD.FSW]!;
    i32[base32 + at(OFF.MXCSR)] = states[from + WORD.MXCSR]!;
    let tags = 0;
    for (let i = 0; i < 8; i++) if (!((states[from + WORD.FTW]! >> i) & 1)) tags |= 3 << (i * 2);
    i32[base32 + at(OFF.FTW)] = tags;
    for (let i = at(OFF.FOP); i < at(OFF.MXCSR); i++) i32[base32 + i] = 0;
    for (let i = 0; i < 32; i++) i32[base32 + at(OFF.X87) + i] = states[from + WORD.X87 + i]!;
    for (let i = 0; i < 128; i++) i32[base32 + at(OFF.YMM) + i] = states[from + WORD.YMM + i]!;
  }

  /** Registers now, to words `to` of `states`; after an exception, those of its frame. */
  save(states: Int32Array, to: number): void {
    const { cpu, wide } = this;
    const { i32, base32 } = cpu;
    if (wide) for (let i = 0; i < 34; i++) states[to + i] = i32[base32 + i]!;
    else this.saveNarrow(states, to);
    states[to + WORD.EFLAGS] = cpu.getFlags();
    states[to + WORD.FCW] = i32[base32 + at(OFF.FCW)]!;
    states[to + WORD.FSW] = i32[base32 + at(OFF.FSW)]!;
    states[to + WORD.MXCSR] = i32[base32 + at(OFF.MXCSR)]!;
    const tags = i32[base32 + at(OFF.FTW)]!;
    let abridged = 0;
    for (let i = 0; i < 8; i++) if (((tags >> (i * 2)) & 3) !== 3) abridged |= 1 << i;
    states[to + WORD.FTW] = abridged;
    states.fill(0, to + WORD.SELECTORS, to + WORD.X87);
    for (let seg = 0; seg < 6; seg++) {
      const selector = cpu.selector(seg as SegIndex);
      // Null selectors are alike: the host's kernel makes zeros of them when it switches tasks.
      states[to + WORD.SELECTORS + seg] = selector < 4 ? 0 : selector;
    }
    for (const [word, seg] of BASES) {
      const from = base32 + at(OFF.SEG + seg * SEG_STRIDE + SEGF.BASE);
      states[to + word] = i32[from]!;
      states[to + word + 1] = i32[from + 1]!;
    }
    for (let i = 0; i < 32; i += 4) {
      const from = base32 + at(OFF.X87) + i;
      states[to + WORD.X87 + i] = i32[from]!;
      states[to + WORD.X87 + i + 1] = i32[from + 1]!;
      states[to + WORD.X87 + i + 2] = i32[from + 2]! & 0xffff;
      states[to + WORD.X87 + i + 3] = 0;
    }
    states.set(wide ? this.ymm : this.lowYmm, to + WORD.YMM);
    if (!wide) states.fill(0, to + WORD.YMM + 64, to + WORD.YMM + 128);
    if (this.vector >= 0) this.readFrame(states, to);
  }

  private saveNarrow(states: Int32Array, to: number): void {
    const { i32, base32 } = this.cpu;
    states.fill(0, to, to + 34);
    for (let i = 0; i < 16; i += 2) states[to + i] = i32[base32 + i]!;
    states[to + WORD.RIP] = i32[base32 + at(OFF.RIP)]!;
  }

  private readFrame(states: Int32Array, to: number): void {
    states[to + WORD.RIP] = this.frameWord(0);
    states[to + WORD.RIP + 1] = this.frameWord(1);
    states[to + WORD.SELECTORS + SEG.CS] = this.frameWord(2);
    states[to + WORD.EFLAGS] = this.frameWord(4);
    states[to + GPR.RSP * 2] = this.frameWord(6);
    states[to + GPR.RSP * 2 + 1] = this.frameWord(7);
    states[to + WORD.SELECTORS + SEG.SS] = this.frameWord(8);
  }

  /** Runs the one instruction at RIP, with its exception if it raises one. */
  step(repeats: boolean): void {
    const { cpu } = this;
    const low = cpu.get32(OFF.RIP);
    const count = cpu.gprLow(GPR.RCX);
    this.vector = -1;
    // With RF set the processor looks at every instruction for itself, and decodes no further.
    cpu.set32(OFF.EFLAGS, cpu.get32(OFF.EFLAGS) | EFLAGS.RF);
    cpu.run(1);
    this.counts = 1;
    if (!repeats) return;
    // A long repeat may need several slices; it stays at its own address meanwhile.
    while (this.counts < 64 && this.vector < 0 && cpu.get32(OFF.RIP) === low && cpu.gprLow(GPR.RCX) !== count) {
      cpu.run(1);
      this.counts++;
    }
  }

  /** Runs `count` instructions at once. */
  run(count: number): void {
    this.vector = -1;
    this.cpu.run(count);
  }

  /** Appends bytes of the data window that have changed since the last call as (offset << 8 | value); gives the list's new length. */
  changes(list: Uint32Array, length: number): number {
    if (this.data.equals(this.copy)) return length;
    const { dataWords, copyWords, data, copy } = this;
    let n = length;
    for (let w = 0; w < dataWords.length; w++) {
      if (dataWords[w] === copyWords[w]) continue;
      for (let i = w * 4; i < w * 4 + 4; i++) if (data[i] !== copy[i]) list[n++] = (i << 8) | data[i]!;
      copyWords[w] = dataWords[w]!;
    }
    return n;
  }

  private frameWord(i: number): number {
    return this.core.i32[((this.core.ramBase + PHYSICAL.STACK + STACK_TOP - 40) >> 2) + i]!;
  }
  /** Of the last page fault. */
  get errorCode(): number {
    return this.frameWord(-2);
  }
  /** RIP in the frame of the last exception. */
  get framePointer(): bigint {
    return (BigInt(this.frameWord(1)) << 32n) | BigInt(this.frameWord(0) >>> 0);
  }
  /** Address of the last page fault. */
  get faultAddress(): bigint {
    return this.cpu.get64(OFF.CR2);
  }
}
