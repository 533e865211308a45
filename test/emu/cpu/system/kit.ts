/**
 * A machine in miniature for the system instructions: descriptor tables, task state segments and stacks at fixed places in
 * guest memory, for every mode. `exec` decodes bytes and runs the one operation, as the run loop would, and gives its fault.
 */
import { expect } from "vitest";
import { Cpu, type CpuOptions, type TransferEvent } from "../../../../src/emu/cpu/cpu.ts";
import { InsnStream } from "../../../../src/emu/cpu/decode.ts";
import { Fault } from "../../../../src/emu/cpu/fault.ts";
import { CR0, CR4, EFER, EFLAGS, GPR, OFF, SEG, SEG_NULL, type SegIndex } from "../../../../src/emu/cpu/layout.ts";
import { CoreMemory } from "../../../../src/emu/cpu/memory.ts";
import { modeBits, modeStack } from "../../../../src/emu/cpu/mode.ts";
import { operationOf } from "../../../../src/emu/cpu/ops/index.ts";
import { setSegmentRaw } from "../../../../src/emu/cpu/system/segment.ts";

export type Vendor = "intel" | "amd";
export type Mode = "real" | "protected" | "v86" | "long" | "compat";
export const VENDORS: readonly Vendor[] = ["intel", "amd"];

/** Selectors of the GDT, RPL 0. In long mode TSS, LDT and call gate take 16 bytes. */
export const S = {
  CODE0: 0x08,
  DATA0: 0x10,
  CODE3: 0x18,
  DATA3: 0x20,
  CODE0_64: 0x28,
  CODE3_64: 0x30,
  STACK3_16: 0x38,
  CONFORMING: 0x40,
  LDT: 0x48,
  TSS: 0x58,
  GATE: 0x68,
  CODE1: 0x78,
  DATA1: 0x80,
  ABSENT_DATA3: 0x88,
  ABSENT_CODE3: 0x90,
  CODE0_16: 0x98,
  DATA0_16: 0xa0,
  CODE3_16: 0xa8,
  TSS_B: 0xb0,
  TASK_GATE: 0xb8,
  READ_ONLY3: 0xc0,
  EXEC_ONLY3: 0xc8,
  TSS16: 0xd0,
  LD_CODE: 0xd8,
  EXPAND_DOWN3: 0xe0,
  /** In the LDT, which has one code and one 16-bit stack segment of DPL 3. */
  LDT_CODE: 0x07,
  LDT_STACK: 0x0f,
} as const;

export const AT = {
  GDT: 0x1000,
  IDT: 0x2000,
  TSS: 0x3000,
  TSS_B: 0x3400,
  TSS16: 0x3800,
  LDT: 0x4000,
  STACK0: 0x8000,
  IST1: 0x9000,
  STACK1: 0xa000,
  TABLES: 0x10000,
  CODE: 0x20000,
  STACK3: 0x30000,
  HANDLERS: 0x50000,
  GATE_TARGET: 0x60000,
  RAM: 0x200000,
} as const;
export const handler = (vector: number): number => AT.HANDLERS + vector * 16;

const FLAGS_32 = 0xc;
/** access: type, S, DPL, P. flags: G D L AVL. */
const descriptor = (access: number, flags: number, base = 0, limit = 0xfffff): bigint => {
  const low = (limit & 0xffff) | ((base & 0xffff) << 16);
  const high = ((base >>> 16) & 0xff) | (access << 8) | (limit & 0xf0000) | (flags << 20) | (base & 0xff000000);
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
};

export class Bench {
  readonly cpu: Cpu;
  readonly core: CoreMemory;
  readonly events: TransferEvent[] = [];
  readonly ports: { port: number; size: number; value?: number }[] = [];
  readonly long: boolean;

  constructor(mode: Mode, vendor: Vendor = "intel", options: CpuOptions = {}) {
    this.core = new CoreMemory(1, AT.RAM);
    this.long = mode === "long" || mode === "compat";
    this.cpu = new Cpu(
      this.core,
      0,
      { vendor, model: "current", quirks: [] },
      {
        transfer: (_, event) => void this.events.push(event),
        random: () => 0x12345678,
        portIn: (port, size) => {
          this.ports.push({ port, size });
          return 0xa5a5a5a5;
        },
        portOut: (port, size, value) => void this.ports.push({ port, size, value }),
      },
      options,
    );
    if (mode !== "real") this.buildTables();
    this.enter(mode);
  }

  // ---- memory

  write(address: number, size: 1 | 2 | 4 | 8, value: number | bigint): void {
    const v = BigInt.asUintN(64, BigInt(value));
    for (let i = 0; i < size; i++) this.core.u8[this.core.ramBase + address + i] = Number((v >> BigInt(i * 8)) & 0xffn);
  }
  read(address: number, size: 1 | 2 | 4 | 8): number {
    return Number(this.read64(address) & ((1n << BigInt(size * 8)) - 1n));
  }
  read64(address: number): bigint {
    return this.core.view.getBigUint64(this.core.ramBase + address, true);
  }
  /** `count` words upwards from the stack pointer. */
  stack(size: 2 | 4 | 8, count: number, at = Number(this.cpu.gpr(GPR.RSP))): number[] {
    return Array.from({ length: count }, (_, i) => this.read(at + i * size, size));
  }
  pushAll(size: 2 | 4 | 8, words: readonly (number | bigint)[], at: number): void {
    words.forEach((w, i) => void this.write(at + i * size, size, w));
    this.cpu.setGpr(GPR.RSP, BigInt(at));
  }
  setDescriptor(selector: number, value: bigint): void {
    this.write(AT.GDT + (selector & 0xfff8), 8, value);
  }
  descriptorAccess(selector: number): number {
    const table = (selector & 4) === 0 ? AT.GDT : AT.LDT;
    return this.read(table + (selector & 0xfff8) + 5, 1);
  }
  changeAccess(selector: number, access: number): void {
    const table = (selector & 4) === 0 ? AT.GDT : AT.LDT;
    this.write(table + (selector & 0xfff8) + 5, 1, access);
  }

  // ---- tables

  private buildTables(): void {
    const code = (dpl: number, flags = FLAGS_32) => descriptor(0x9a | (dpl << 5), flags);
    const data = (dpl: number, flags = FLAGS_32) => descriptor(0x92 | (dpl << 5), flags);
    const table: [number, bigint][] = [
      [S.CODE0, code(0)],
      [S.DATA0, data(0)],
      [S.CODE3, code(3)],
      [S.DATA3, data(3)],
      [S.CODE0_64, code(0, 0xa)],
      [S.CODE3_64, code(3, 0xa)],
      [S.STACK3_16, data(3, 0)],
      [S.CONFORMING, descriptor(0x9e, this.long ? 0xa : FLAGS_32)],
      [S.CODE1, code(1, this.long ? 0xa : FLAGS_32)],
      [S.DATA1, data(1)],
      [S.ABSENT_DATA3, descriptor(0x72, FLAGS_32)],
      [S.ABSENT_CODE3, descriptor(0x7a, FLAGS_32)],
      [S.CODE0_16, code(0, 0)],
      [S.DATA0_16, data(0, 0)],
      [S.CODE3_16, code(3, 0)],
      [S.READ_ONLY3, descriptor(0xf0, FLAGS_32)],
      [S.EXEC_ONLY3, descriptor(0xf8, FLAGS_32)],
      [S.LD_CODE, code(3, 0xe)],
      [S.EXPAND_DOWN3, descriptor(0xf6, 4, 0, 0xfff)],
    ];
    for (const [selector, value] of table) this.setDescriptor(selector, value);
    this.setDescriptor(S.LDT, descriptor(0x82, 0, AT.LDT, 0x17));
    this.setDescriptor(S.TSS, descriptor(0x89, 0, AT.TSS, 0x3ff));
    if (!this.long) {
      this.setDescriptor(S.TSS_B, descriptor(0x89, 0, AT.TSS_B, 0x67));
      this.setDescriptor(S.TSS16, descriptor(0x81, 0, AT.TSS16, 0x2b));
      this.setDescriptor(S.TASK_GATE, (0xe500n << 32n) | (BigInt(S.TSS_B) << 16n));
    }
    this.write(AT.LDT, 8, code(3, 0));
    this.write(AT.LDT + 8, 8, data(3, 0));
    this.callGate(this.long ? S.CODE0_64 : S.CODE0, AT.GATE_TARGET, 0);
    for (let v = 0; v < 48; v++) this.gate(v, { dpl: v === 3 || v === 4 || v >= 32 ? 3 : 0 });
    this.buildTss();
    if (this.long) this.buildPages();
  }

  callGate(selector: number, offset: number, parameters: number, access = 0xec): void {
    const low = (offset & 0xffff) | (selector << 16);
    this.write(AT.GDT + S.GATE, 4, low);
    this.write(AT.GDT + S.GATE + 4, 4, (offset & 0xffff0000) | (access << 8) | parameters);
    if (this.long) this.write(AT.GDT + S.GATE + 8, 8, 0);
  }

  gate(
    vector: number,
    options: { type?: number; dpl?: number; selector?: number; ist?: number; present?: boolean; offset?: number } = {},
  ): void {
    const { type = 0xe, dpl = 0, ist = 0, present = true, offset = handler(vector) } = options;
    const selector = options.selector ?? (this.long ? S.CODE0_64 : S.CODE0);
    const access = (present ? 0x80 : 0) | (dpl << 5) | type;
    const at = AT.IDT + vector * (this.long ? 16 : 8);
    this.write(at, 4, (offset & 0xffff) | (selector << 16));
    this.write(at + 4, 4, (offset & 0xffff0000) | (access << 8) | ist);
    if (this.long) this.write(at + 8, 8, 0);
  }

  private buildTss(): void {
    if (this.long) {
      this.write(AT.TSS + 4, 8, AT.STACK0);
      this.write(AT.TSS + 0xc, 8, AT.STACK1);
      this.write(AT.TSS + 0x24, 8, AT.IST1);
    } else {
      this.write(AT.TSS + 4, 4, AT.STACK0);
      this.write(AT.TSS + 8, 4, S.DATA0);
      this.write(AT.TSS + 0xc, 4, AT.STACK1);
      this.write(AT.TSS + 0x10, 4, S.DATA1 | 1);
    }
    this.write(AT.TSS + 0x66, 2, 0x200);
    for (let i = 0; i < 0x1ff; i++) this.write(AT.TSS + 0x200 + i, 1, 0xff);
  }

  /** All of RAM identity-mapped by one large page that user code may use. */
  private buildPages(): void {
    this.write(AT.TABLES, 8, AT.TABLES + 0x1000 + 7);
    this.write(AT.TABLES + 0x1000, 8, AT.TABLES + 0x2000 + 7);
    this.write(AT.TABLES + 0x2000, 8, AT.TABLES + 0x3000 + 7);
    for (let i = 0; i < 512; i++) this.write(AT.TABLES + 0x3000 + i * 8, 8, i * 0x1000 + 7);
  }
  /** Page-table entry of a page below 2 MiB; `flags` 0 = not present. */
  mapPage(address: number, flags: number): void {
    this.write(AT.TABLES + 0x3000 + (address >> 12) * 8, 8, flags === 0 ? 0 : (address & ~0xfff) + flags);
    this.cpu.flushTlb();
  }

  // ---- state

  private enter(mode: Mode): void {
    const { cpu } = this;
    cpu.set32(OFF.IDTR_LIMIT, mode === "real" ? 0x3ff : 0xfff);
    cpu.set32(OFF.CR0, CR0.ET | (mode === "real" ? 0 : CR0.PE) | (this.long ? CR0.PG | CR0.WP : 0));
    cpu.set32(OFF.CR4, this.long ? CR4.PAE : 0);
    cpu.set32(OFF.CR3, this.long ? AT.TABLES : 0);
    cpu.set32(OFF.EFER, this.long ? EFER.LMA | EFER.LME | EFER.SCE : 0);
    cpu.setFlagsRaw(EFLAGS.IF);
    if (mode === "real") {
      for (const seg of [SEG.ES, SEG.CS, SEG.SS, SEG.DS, SEG.FS, SEG.GS]) this.paragraph(seg, 0, 0x93);
    } else {
      cpu.setAddr(OFF.GDTR_BASE, AT.GDT);
      cpu.set32(OFF.GDTR_LIMIT, 0xff);
      cpu.setAddr(OFF.IDTR_BASE, AT.IDT);
      setSegmentRaw(cpu, SEG.LDTR, { selector: S.LDT, attr: 0x82, base: AT.LDT, limit: 0x17 });
      setSegmentRaw(cpu, SEG.TR, { selector: S.TSS, attr: 0x8b, base: AT.TSS, limit: 0x3ff });
      this.changeAccess(S.TSS, 0x8b);
      this.atCpl(0, mode);
    }
  }

  paragraph(seg: SegIndex, selector: number, attr = 0xf3): void {
    setSegmentRaw(this.cpu, seg, { selector, attr, base: selector * 16, limit: 0xffff });
  }

  load(seg: SegIndex, selector: number): void {
    const table = (selector & 4) === 0 ? AT.GDT : AT.LDT;
    const at = table + (selector & 0xfff8);
    const low = this.read(at, 4);
    const high = this.read(at + 4, 4);
    const attr = (high >>> 8) & 0xf0ff;
    const limit20 = (low & 0xffff) | (high & 0xf0000);
    const limit = attr & 0x8000 ? ((limit20 << 12) | 0xfff) >>> 0 : limit20;
    const base = ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0;
    setSegmentRaw(this.cpu, seg, { selector, attr: attr | 1, base, limit });
    this.changeAccess(selector, this.read(at + 5, 1) | 1);
  }
  null(seg: SegIndex): void {
    setSegmentRaw(this.cpu, seg, { selector: 0, attr: SEG_NULL, base: 0, limit: 0 });
  }

  /** Code, stack and data segments of this privilege, stack pointer included. */
  atCpl(cpl: 0 | 3, mode: Mode): void {
    const { cpu } = this;
    cpu.set32(OFF.CPL, cpl);
    if (mode === "v86") {
      this.atV86();
      return;
    }
    const wide = mode === "long";
    const code = cpl === 0 ? (wide ? S.CODE0_64 : S.CODE0) : wide ? S.CODE3_64 : S.CODE3;
    const data = (cpl === 0 ? S.DATA0 : S.DATA3) | cpl;
    this.load(SEG.CS, code | cpl);
    for (const seg of [SEG.SS, SEG.DS, SEG.ES] as const) this.load(seg, data);
    for (const seg of [SEG.FS, SEG.GS] as const) this.null(seg);
    cpu.setGpr(GPR.RSP, BigInt(cpl === 0 ? AT.STACK0 : AT.STACK3));
    cpu.setRip(AT.CODE, 0);
    cpu.updateMode();
  }
  private atV86(): void {
    const { cpu } = this;
    cpu.setFlagsRaw(EFLAGS.VM | EFLAGS.IF);
    cpu.set32(OFF.CPL, 3);
    this.paragraph(SEG.CS, 0x2000);
    this.paragraph(SEG.SS, 0x3000);
    this.paragraph(SEG.DS, 0x1111);
    this.paragraph(SEG.ES, 0x2222);
    this.paragraph(SEG.FS, 0x3333);
    this.paragraph(SEG.GS, 0x4444);
    cpu.setGpr(GPR.RSP, 0x1000n);
    cpu.setRip(0x100, 0);
    cpu.updateMode();
  }
  setFlags(flags: number): void {
    this.cpu.setFlagsRaw(flags);
    this.cpu.updateMode();
  }

  /** Runs the instruction `bytes` as if it were at RIP. A fault leaves RIP at it. */
  exec(...bytes: number[]): Fault | undefined {
    const { cpu } = this;
    const low = cpu.get32(OFF.RIP);
    const high = cpu.get32(OFF.RIP + 4);
    const context = {
      bits: modeBits(cpu.mode),
      stackSize: modeStack(cpu.mode),
      real: (cpu.get32(OFF.CR0) & CR0.PE) === 0 || (cpu.get32(OFF.EFLAGS) & EFLAGS.VM) !== 0,
      amd: cpu.model.vendor === "amd",
    };
    const stream = new InsnStream(Uint8Array.from(bytes), low, high, context);
    const insn = stream.next();
    stream.free();
    if (insn === undefined || insn.length !== bytes.length) throw new Error("not one whole instruction");
    const operation = operationOf(insn);
    if (!("helper" in operation)) throw new Error("not a helper");
    cpu.setRip((low + insn.length) | 0, high);
    try {
      operation.helper(cpu, insn);
      cpu.updateMode();
      return undefined;
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      cpu.setRip(low, high);
      return thrown;
    }
  }

  /** Registers (not TLBs) and RAM, except accessed and dirty bits of the page tables. */
  image(): { registers: Uint8Array; ram: Uint8Array } {
    this.cpu.settleFlags();
    const { u8, ramBase, ramSize } = this.core;
    const ram = u8.slice(ramBase, ramBase + ramSize);
    ram.fill(0, AT.TABLES, AT.TABLES + 0x4000);
    return { registers: u8.slice(this.cpu.base, this.cpu.base + OFF.TLB), ram };
  }

  /** Remembers registers, tables and low memory; the result puts them back. */
  saved(): () => void {
    const { u8, ramBase } = this.core;
    const registers = u8.slice(this.cpu.base, this.cpu.base + OFF.TLB);
    const ram = u8.slice(ramBase, ramBase + AT.CODE);
    return () => {
      u8.set(registers, this.cpu.base);
      u8.set(ram, ramBase);
      this.cpu.stateReplaced();
    };
  }

  /** The instruction faults with this vector and error code, and nothing at all has changed. */
  expectFault(vector: number, errorCode: number, why: RegExp, ...bytes: number[]): void {
    const before = this.image();
    const fault = this.exec(...bytes);
    expect(fault, "no fault").toBeDefined();
    expect({ vector: fault!.vector, errorCode: fault!.errorCode, why: fault!.why }).toEqual({
      vector,
      errorCode,
      why: expect.stringMatching(why),
    });
    const after = this.image();
    expect(Buffer.compare(before.registers, after.registers), "registers changed").toBe(0);
    expect(Buffer.compare(before.ram, after.ram), "memory changed").toBe(0);
  }

  get rip(): number {
    return Number(BigInt.asIntN(64, this.cpu.rip));
  }
  get rsp(): number {
    return Number(this.cpu.gpr(GPR.RSP));
  }
  get flags(): number {
    return this.cpu.getFlags();
  }
  selectors(...segs: SegIndex[]): number[] {
    return segs.map((seg) => this.cpu.selector(seg));
  }
}

export const V = { DE: 0, DB: 1, BP: 3, OF: 4, BR: 5, UD: 6, DF: 8, TS: 10, NP: 11, SS: 12, GP: 13, PF: 14 } as const;
export const INSN = {
  IRETW: [0x66, 0xcf],
  IRETD: [0xcf],
  IRETQ: [0x48, 0xcf],
  RETF: [0xcb],
  RETFQ: [0x48, 0xcb],
  SYSCALL: [0x0f, 0x05],
  SYSRET: [0x0f, 0x07],
  SYSRETQ: [0x48, 0x0f, 0x07],
  SYSENTER: [0x0f, 0x34],
  SYSEXIT: [0x0f, 0x35],
  SYSEXITQ: [0x48, 0x0f, 0x35],
} as const;
export const farJump = (selector: number, offset: number): number[] => [
  0xea,
  ...dword(offset),
  selector & 0xff,
  selector >> 8,
];
export const farCall = (selector: number, offset: number): number[] => [
  0x9a,
  ...dword(offset),
  selector & 0xff,
  selector >> 8,
];
const dword = (v: number): number[] => [v & 0xff, (v >> 8) & 0xff, (v >> 16) & 0xff, (v >> 24) & 0xff];

export { EFLAGS, GPR, OFF, SEG, SEG_NULL };
