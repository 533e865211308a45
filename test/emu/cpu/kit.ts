/**
 * A processor alone with its RAM in a flat 16-, 32- or 64-bit mode, for tests of instructions: load bytes, run, look. No OS, no
 * descriptor tables; 64-bit mode has identity page tables of 2 MiB pages at the top of RAM.
 */
import { Cpu, type CpuHooks, type CpuModel, type CpuStop } from "../../../src/emu/cpu/cpu.ts";
import { CR0, CR4, EFER, EFLAGS, GPR, OFF, SEG, type SegIndex, STATE_BYTES } from "../../../src/emu/cpu/layout.ts";
import { CoreMemory } from "../../../src/emu/cpu/memory.ts";
import type { Addr } from "../../../src/emu/cpu/state.ts";
import { setSegmentRaw } from "../../../src/emu/cpu/system/segment.ts";

export type Bits = 16 | 32 | 64;
export const INTEL: CpuModel = { vendor: "intel", model: "current", quirks: [] };
export const AMD: CpuModel = { vendor: "amd", model: "current", quirks: [] };

export interface MachineOptions {
  readonly bits: Bits;
  readonly model?: CpuModel;
  readonly ram?: number;
  readonly hooks?: Partial<CpuHooks>;
  /** 0 (default) or 3. */
  readonly cpl?: 0 | 3;
  /** Compile code to WebAssembly when it is met for the nth time. */
  readonly hotAfter?: number;
}

export const CODE = 0x10000;
export const STACK = 0x80000;

const G_D = 0xc000;
const L = 0x2000;

export class TestMachine {
  readonly core: CoreMemory;
  readonly cpu: Cpu;
  readonly bits: Bits;

  constructor(options: MachineOptions) {
    const { bits, model = INTEL, ram = 0x400000, hooks = {}, cpl = 0 } = options;
    this.bits = bits;
    this.core = new CoreMemory(1, ram);
    this.cpu = new Cpu(this.core, 0, model, hooks, options.hotAfter ? { tier1: true, hotAfter: options.hotAfter } : {});
    this.setUp(cpl);
  }

  private setUp(cpl: number): void {
    const { cpu, bits } = this;
    cpu.set32(OFF.CR0, bits === 16 ? CR0.ET : CR0.ET | CR0.PE);
    cpu.setFlagsRaw(EFLAGS.FIXED);
    cpu.set32(OFF.CPL, cpl);
    if (bits === 64) this.longMode();
    if (bits === 16) cpu.set32(OFF.IDTR_LIMIT, 0x3ff);
    const dpl = cpl << 5;
    for (let seg = 0; seg < 6; seg++) {
      const code = seg === SEG.CS;
      const type = code && bits !== 16 ? 0x9b : 0x93;
      const wide = bits === 16 ? 0 : bits === 64 && code ? 0x8000 | L : G_D;
      const limit = bits === 16 ? 0xffff : 0xffffffff;
      setSegmentRaw(cpu, seg as SegIndex, {
        // In real mode a selector is its base.
        selector: bits === 16 ? 0 : (code ? 8 : 16) | cpl,
        attr: type | dpl | wide,
        base: 0,
        limit,
      });
    }
    cpu.setGpr(GPR.RSP, BigInt(bits === 16 ? 0x8000 : STACK));
    cpu.updateMode();
  }

  /** Identity map of the first GiB, user-accessible. */
  private longMode(): void {
    const { cpu } = this;
    const top = this.core.ramSize - 0x4000;
    const put = (at: number, low: number) => cpu.physWrite(at, 8, low, 0);
    put(top, (top + 0x1000) | 7);
    put(top + 0x1000, (top + 0x2000) | 7);
    for (let i = 0; i < 512; i++) put(top + 0x2000 + i * 8, (i * 0x200000) | 0x87);
    cpu.set64(OFF.CR3, BigInt(top));
    cpu.set32(OFF.CR4, CR4.PAE);
    cpu.set64(OFF.EFER, BigInt(EFER.LME | EFER.LMA | EFER.SCE | EFER.NXE));
    cpu.set32(OFF.CR0, CR0.PE | CR0.PG | CR0.ET | CR0.WP);
    cpu.flushTlb();
  }

  load(code: string | Uint8Array, at: Addr = this.bits === 16 ? 0x1000 : CODE): this {
    const bytes = typeof code === "string" ? fromHex(code) : code;
    for (let i = 0; i < bytes.length; i++) this.cpu.physWrite(at + i, 1, bytes[i]!);
    this.cpu.setAddr(OFF.RIP, at);
    return this;
  }

  run(instructions: number): CpuStop {
    return this.cpu.run(instructions);
  }
  get(reg: keyof typeof GPR): bigint {
    return this.cpu.gpr(GPR[reg]);
  }
  set(reg: keyof typeof GPR, value: bigint | number): this {
    this.cpu.setGpr(GPR[reg], BigInt(value));
    return this;
  }
  flag(name: keyof typeof EFLAGS): boolean {
    return (this.cpu.getFlags() & EFLAGS[name]) !== 0;
  }
  read(at: Addr, size: 1 | 2 | 4): number {
    return this.cpu.physRead(at, size);
  }

  fingerprint(): Fingerprint {
    return fingerprint(this.cpu);
  }
}

/** Everything a program could tell apart: state bytes with settled flags, and a hash of RAM. */
export interface Fingerprint {
  readonly state: string;
  readonly memory: number;
}
export function fingerprint(cpu: Cpu): Fingerprint {
  cpu.settleFlags();
  const skip = new Set([OFF.BUDGET, OFF.TLB_BASE, OFF.MODE]);
  const words: string[] = [];
  for (let at = 0; at < STATE_BYTES; at += 4) {
    const value = cpu.get32(at);
    if (value !== 0 && !skip.has(at as never)) words.push(`${at.toString(16)}:${(value >>> 0).toString(16)}`);
  }
  const { i32, ramBase, ramSize } = cpu.core;
  let hash = 0x811c9dc5;
  for (let i = ramBase >> 2; i < (ramBase + ramSize) >> 2; i++)
    if (i32[i] !== 0) hash = Math.imul(hash ^ i32[i]! ^ i, 0x01000193);
  return { state: words.join(" "), memory: hash };
}

export const fromHex = (hex: string): Uint8Array =>
  Uint8Array.from((hex.replace(/\s+/g, "").match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16)));
