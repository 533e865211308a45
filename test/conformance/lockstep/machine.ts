/**
 * Our processor with nothing around it but what a user program under Linux sees: the same windows at the same addresses, the same
 * selectors, CPL 3 in long mode. Exceptions are delivered for real, to a kernel page of HLTs, and read back from their frame.
 */
import { Cpu } from "../../../src/emu/cpu/cpu.ts";
import { VECTOR } from "../../../src/emu/cpu/fault.ts";
import { CR0, CR4, EFER, EFLAGS, GPR, OFF, SEG, SEG_NULL, type SegIndex } from "../../../src/emu/cpu/layout.ts";
import { CoreMemory } from "../../../src/emu/cpu/memory.ts";
import { setSegmentRaw } from "../../../src/emu/cpu/system/segment.ts";
import type { Bits } from "./forms.ts";
import {
  CODE,
  CODE_SIZE,
  DATA,
  DATA_SIZE,
  FX_BYTES,
  READ_ONLY,
  type Register,
  type Registers,
  UPPER,
} from "./native.ts";

const PHYSICAL = {
  PML4: 0x1000,
  TABLES: 0x2000,
  GDT: 0x10000,
  IDT: 0x11000,
  TSS: 0x12000,
  HANDLER: 0x13000,
  STACK: 0x14000,
  CODE: 0x100000,
  DATA: 0x110000,
  READ_ONLY: 0x120000,
};
const KERNEL = -0x8000_0000;
const STACK_TOP = 0x1000;

/** Encoding order of the general registers, as names of the tracer's structure. */
export const GPR_NAMES: readonly Register[] = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
];

const FLAT_DATA = { attr: 0xc0f3, base: 0, limit: 0xffff_ffff };
const FLAT_CODE = { attr: 0xc0fb, base: 0, limit: 0xffff_ffff };
const SMALL_DATA = { attr: 0x00f3, base: DATA, limit: 0xffff };
const SMALL_CODE = { attr: 0x00fb, base: CODE, limit: 0xffff };
const NULL = { attr: SEG_NULL, base: 0, limit: 0 };

/** Selectors and hidden parts of each mode; the tracer's LDT has the same. */
export const SEGMENTS: Readonly<
  Record<
    Bits,
    Readonly<
      Record<"cs" | "ss" | "ds" | "es" | "fs" | "gs", { selector: number; attr: number; base: number; limit: number }>
    >
  >
> = {
  64: {
    cs: { selector: 0x33, ...FLAT_CODE, attr: 0xa0fb },
    ss: { selector: 0x2b, ...FLAT_DATA },
    ds: { selector: 0, ...NULL },
    es: { selector: 0, ...NULL },
    fs: { selector: 0, ...NULL },
    gs: { selector: 0, ...NULL },
  },
  32: {
    cs: { selector: 0x23, ...FLAT_CODE },
    ss: { selector: 0x2b, ...FLAT_DATA },
    ds: { selector: 0x2b, ...FLAT_DATA },
    es: { selector: 0x2b, ...FLAT_DATA },
    fs: { selector: 0x2b, ...FLAT_DATA },
    gs: { selector: 0x0f, ...SMALL_DATA },
  },
  16: {
    cs: { selector: 0x07, ...SMALL_CODE },
    ss: { selector: 0x0f, ...SMALL_DATA },
    ds: { selector: 0x0f, ...SMALL_DATA },
    es: { selector: 0x0f, ...SMALL_DATA },
    fs: { selector: 0x0f, ...SMALL_DATA },
    gs: { selector: 0x2b, ...FLAT_DATA },
  },
};
const SEG_INDEX: Readonly<Record<string, SegIndex>> = {
  cs: SEG.CS,
  ss: SEG.SS,
  ds: SEG.DS,
  es: SEG.ES,
  fs: SEG.FS,
  gs: SEG.GS,
};

export interface Stop {
  readonly vector: number;
  readonly errorCode: number;
  readonly address: bigint;
  readonly why: string;
}

const HAS_ERROR_CODE = new Set<number>([
  VECTOR.DF,
  VECTOR.TS,
  VECTOR.NP,
  VECTOR.SS,
  VECTOR.GP,
  VECTOR.PF,
  VECTOR.AC,
  VECTOR.CP,
]);

export class Machine {
  readonly cpu: Cpu;
  private readonly core: CoreMemory;
  private readonly bits: Bits;
  private nextTable = PHYSICAL.TABLES;
  private stop: Stop | undefined;
  private readonly copy = Buffer.alloc(DATA_SIZE);
  private readonly data: Buffer;

  constructor(bits: Bits, vendor: "intel" | "amd") {
    this.bits = bits;
    this.core = new CoreMemory(1, 0x200000);
    const hooks = {
      portIn: () => 0,
      portOut: () => {},
      random: () => 0,
      transfer: (_cpu: Cpu, event: { kind: string; vector?: number; errorCode?: number; why?: string }) => {
        if (event.kind === "exception" || event.kind === "software-int") {
          this.stop = {
            vector: event.vector ?? -1,
            errorCode: event.errorCode ?? 0,
            address: this.cpu.get64(OFF.CR2),
            why: event.why ?? "",
          };
        }
      },
    };
    this.cpu = new Cpu(this.core, 0, { vendor, model: "current", quirks: [] }, hooks as never);
    this.data = Buffer.from(this.core.wasm.buffer, this.core.ramBase + PHYSICAL.DATA, DATA_SIZE);
    this.buildMemory();
  }

  private ram64(pa: number, value: bigint): void {
    this.core.view.setBigUint64(this.core.ramBase + pa, BigInt.asUintN(64, value), true);
    this.core.noteWrite(pa, 8);
  }

  private map(address: number, pa: number, flags: number): void {
    const linear = BigInt.asUintN(48, BigInt(address));
    let table = PHYSICAL.PML4;
    for (let shift = 39n; shift > 12n; shift -= 9n) {
      const at = table + Number((linear >> shift) & 511n) * 8;
      let entry = this.core.view.getBigUint64(this.core.ramBase + at, true);
      if (entry === 0n) {
        entry = BigInt(this.nextTable | 7);
        this.nextTable += 0x1000;
        this.ram64(at, entry);
      }
      table = Number(entry & ~0xfffn);
    }
    this.ram64(table + Number((linear >> 12n) & 511n) * 8, BigInt(pa | flags));
  }

  private buildMemory(): void {
    for (let pa = PHYSICAL.GDT; pa < PHYSICAL.CODE; pa += 0x1000) this.map(KERNEL + pa, pa, 3);
    for (let at = 0; at < CODE_SIZE; at += 0x1000) this.map(CODE + at, PHYSICAL.CODE + at, 5);
    for (let at = 0; at < DATA_SIZE; at += 0x1000) this.map(DATA + at, PHYSICAL.DATA + at, 7);
    this.map(READ_ONLY, PHYSICAL.READ_ONLY, 5);
    this.ram64(PHYSICAL.GDT + 0x10, 0x00af_9b00_0000_ffffn);
    this.ram64(PHYSICAL.TSS + 4, BigInt(KERNEL + PHYSICAL.STACK + STACK_TOP));
    for (let vector = 0; vector < 256; vector++) {
      const handler = BigInt.asUintN(64, BigInt(KERNEL + PHYSICAL.HANDLER));
      const low = (handler & 0xffffn) | (0x10n << 16n) | (0xee00n << 32n) | (((handler >> 16n) & 0xffffn) << 48n);
      this.ram64(PHYSICAL.IDT + vector * 16, low);
      this.ram64(PHYSICAL.IDT + vector * 16 + 8, handler >> 32n);
    }
    this.core.u8.fill(0xf4, this.core.ramBase + PHYSICAL.HANDLER, this.core.ramBase + PHYSICAL.HANDLER + 0x1000);
    this.core.noteWrite(PHYSICAL.HANDLER, 0x1000);
  }

  /** Everything, from scratch: registers, segments, system registers, the data window. */
  load(registers: Registers, fx: Uint8Array, image: Uint8Array): void {
    const { cpu } = this;
    cpu.set64(OFF.CR0, BigInt((CR0.PE | CR0.MP | CR0.ET | CR0.NE | CR0.WP | CR0.AM | CR0.PG) >>> 0));
    cpu.set64(OFF.CR3, BigInt(PHYSICAL.PML4));
    cpu.set64(OFF.CR4, BigInt(CR4.PAE | CR4.PGE | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE));
    cpu.set64(OFF.XCR0, 7n);
    cpu.set64(OFF.EFER, BigInt(EFER.SCE | EFER.LME | EFER.LMA | EFER.NXE));
    cpu.setAddr(OFF.GDTR_BASE, KERNEL + PHYSICAL.GDT);
    cpu.set32(OFF.GDTR_LIMIT, 0x7f);
    cpu.setAddr(OFF.IDTR_BASE, KERNEL + PHYSICAL.IDT);
    cpu.set32(OFF.IDTR_LIMIT, 0xfff);
    setSegmentRaw(cpu, SEG.TR, { selector: 0x40, attr: 0x8b, base: KERNEL + PHYSICAL.TSS, limit: 0x67 });
    setSegmentRaw(cpu, SEG.LDTR, { selector: 0, ...NULL });
    for (const [name, value] of Object.entries(SEGMENTS[this.bits])) setSegmentRaw(cpu, SEG_INDEX[name]!, value);
    if (this.bits === 64) {
      setSegmentRaw(cpu, SEG.FS, { ...NULL, selector: 0, base: Number(registers.fs_base) });
      setSegmentRaw(cpu, SEG.GS, { ...NULL, selector: 0, base: Number(registers.gs_base) });
    }
    cpu.set32(OFF.CPL, 3);
    cpu.set32(OFF.ACTIVITY, 0);
    GPR_NAMES.forEach((name, reg) => {
      cpu.setGpr(reg, registers[name]);
    });
    cpu.setFlagsRaw(Number(registers.eflags));
    this.loadFx(fx);
    this.data.set(image);
    this.copy.set(image);
    this.core.u8.set(image.subarray(0, 0x1000), this.core.ramBase + PHYSICAL.READ_ONLY);
    cpu.flushTlb();
    cpu.updateMode();
  }

  loadFx(fx: Uint8Array): void {
    const { cpu } = this;
    const view = new DataView(fx.buffer, fx.byteOffset, FX_BYTES);
    cpu.set32(OFF.FCW, view.getUint16(0, true));
    cpu.set32(OFF.FSW, view.getUint16(2, true));
    cpu.set32(OFF.FCS, 0);
    cpu.set32(OFF.FDS, 0);
    cpu.set32(OFF.FOP, view.getUint16(6, true));
    cpu.set64(OFF.FIP, view.getBigUint64(8, true));
    cpu.set64(OFF.FDP, view.getBigUint64(16, true));
    cpu.set32(OFF.MXCSR, view.getUint32(24, true));
    const top = (view.getUint16(2, true) >> 11) & 7;
    let tags = 0;
    for (let i = 0; i < 8; i++) {
      const physical = (top + i) & 7;
      const at = (cpu.base + OFF.X87 + physical * 16) >> 3;
      cpu.u64[at] = view.getBigUint64(32 + i * 16, true);
      cpu.u64[at + 1] = BigInt(view.getUint16(40 + i * 16, true));
    }
    for (let i = 0; i < 8; i++) if (!((view.getUint8(4) >> i) & 1)) tags |= 3 << (i * 2);
    cpu.set32(OFF.FTW, tags);
    for (let i = 0; i < 16; i++) {
      const at = (cpu.base + OFF.YMM + i * 32) >> 3;
      cpu.u64[at] = view.getBigUint64(160 + i * 16, true);
      cpu.u64[at + 1] = view.getBigUint64(168 + i * 16, true);
      cpu.u64[at + 2] = view.getBigUint64(UPPER + i * 16, true);
      cpu.u64[at + 3] = view.getBigUint64(UPPER + 8 + i * 16, true);
    }
  }

  fx(): Uint8Array {
    const { cpu } = this;
    // From Node's pool: a buffer of its own for every step keeps the garbage collector busier than the processor.
    const image = Buffer.allocUnsafe(FX_BYTES).fill(0);
    const view = new DataView(image.buffer, image.byteOffset, FX_BYTES);
    view.setUint16(0, cpu.get32(OFF.FCW), true);
    view.setUint16(2, cpu.get32(OFF.FSW), true);
    const tags = cpu.get32(OFF.FTW);
    for (let i = 0; i < 8; i++) if (((tags >> (i * 2)) & 3) !== 3) image[4]! |= 1 << i;
    view.setUint16(6, cpu.get32(OFF.FOP), true);
    view.setBigUint64(8, cpu.get64(OFF.FIP), true);
    view.setBigUint64(16, cpu.get64(OFF.FDP), true);
    view.setUint32(24, cpu.get32(OFF.MXCSR), true);
    view.setUint32(28, 0xffff, true);
    const top = (cpu.get32(OFF.FSW) >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      const at = (cpu.base + OFF.X87 + ((top + i) & 7) * 16) >> 3;
      view.setBigUint64(32 + i * 16, cpu.u64[at]!, true);
      view.setUint16(40 + i * 16, Number(cpu.u64[at + 1]! & 0xffffn), true);
    }
    for (let i = 0; i < 16; i++) {
      const at = (cpu.base + OFF.YMM + i * 32) >> 3;
      view.setBigUint64(160 + i * 16, cpu.u64[at]!, true);
      view.setBigUint64(168 + i * 16, cpu.u64[at + 1]!, true);
      view.setBigUint64(UPPER + i * 16, cpu.u64[at + 2]!, true);
      view.setBigUint64(UPPER + 8 + i * 16, cpu.u64[at + 3]!, true);
    }
    return image;
  }

  /** Registers now; after a fault, those of its frame. */
  registers(): Registers {
    const { cpu } = this;
    const out = {} as Registers;
    GPR_NAMES.forEach((name, reg) => {
      out[name] = cpu.gpr(reg);
    });
    for (const [name, seg] of Object.entries(SEG_INDEX)) out[name as Register] = BigInt(cpu.selector(seg));
    out.fs_base = BigInt(cpu.segBase(SEG.FS));
    out.gs_base = BigInt(cpu.segBase(SEG.GS));
    out.rip = cpu.rip;
    out.eflags = BigInt(cpu.getFlags());
    out.orig_rax = -1n;
    if (this.stop) this.readFrame(out, this.stop.vector);
    return out;
  }

  private readFrame(out: Registers, vector: number): void {
    const at = this.core.ramBase + PHYSICAL.STACK + STACK_TOP - 40;
    const word = (i: number) => this.core.view.getBigUint64(at + i * 8, true);
    [out.rip, out.cs, out.eflags, out.rsp, out.ss] = [word(0), word(1), word(2), word(3), word(4)];
    if (HAS_ERROR_CODE.has(vector) && this.stop) {
      const code = this.core.view.getUint32(at - 8, true);
      this.stop = { ...this.stop, errorCode: code };
    }
  }

  /** The stop with the error code that the frame holds; call after `registers`. */
  lastStop(): Stop | undefined {
    return this.stop;
  }

  setGpr(name: Register, value: bigint): void {
    this.cpu.setGpr(GPR_NAMES.indexOf(name), value);
  }
  gpr(reg: number): bigint {
    return this.cpu.gpr(reg);
  }

  /** Runs one instruction, placed at `offset` of the code window. */
  step(code: Uint8Array, offset: number, repeats: boolean): Stop | undefined {
    const { cpu } = this;
    code.forEach((byte, i) => {
      cpu.physWrite(PHYSICAL.CODE + offset + i, 1, byte);
    });
    const ip = this.bits === 16 ? offset : CODE + offset;
    cpu.setRip(ip, 0);
    this.stop = undefined;
    const before = cpu.gpr(GPR.RCX);
    cpu.run(1);
    // A long repeat may need several slices; it stays at its own address meanwhile.
    for (let i = 0; repeats && i < 64 && !this.stop && cpu.rip === BigInt(ip) && cpu.gpr(GPR.RCX) !== before; i++)
      cpu.run(1);
    code.forEach((_byte, i) => {
      cpu.physWrite(PHYSICAL.CODE + offset + i, 1, 0);
    });
    return this.stop;
  }

  /** Bytes of the data window that changed since the last call, as (offset << 8 | value). */
  changes(): number[] {
    const list: number[] = [];
    if (this.data.equals(this.copy)) return list;
    for (let i = 0; i < DATA_SIZE; i++) {
      if (this.data[i] === this.copy[i]) continue;
      list.push(((i << 8) | this.data[i]!) >>> 0);
      this.copy[i] = this.data[i]!;
    }
    return list;
  }
}

export const trapFlag = (eflags: bigint): boolean => (eflags & BigInt(EFLAGS.TF)) !== 0n;
