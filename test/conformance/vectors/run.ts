/**
 * Single-instruction tests recorded from real processors (SingleStepTests, README in the vectors' folder), run in real mode.
 * A vector ends with the HLT after the instruction; ours stops before it, so its IP is one less than the recorded one.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { Cpu } from "../../../src/emu/cpu/cpu.ts";
import { GPR, OFF, SEG, type SegIndex } from "../../../src/emu/cpu/layout.ts";
import { CoreMemory, PAGE_SIZE } from "../../../src/emu/cpu/memory.ts";
import { factsOf } from "../../../src/emu/cpu/model.ts";
import { setSegmentRaw } from "../../../src/emu/cpu/system/segment.ts";

type Pair = readonly [address: number, byte: number];
export interface Vector {
  readonly op: string;
  readonly name: string;
  /** Hexadecimal, the final HLT included. */
  readonly bytes: string;
  readonly mask: number;
  readonly regs: Readonly<Record<string, number>>;
  readonly ram: readonly Pair[];
  readonly regsAfter: Readonly<Record<string, number>>;
  readonly ramAfter: readonly Pair[];
  readonly exception?: { readonly vector: number; readonly flagsAddress: number };
}

const RAM = 0x100_0000;
const REGISTERS: Readonly<Record<string, number>> = {
  ...{ ax: GPR.RAX, cx: GPR.RCX, dx: GPR.RDX, bx: GPR.RBX },
  sp: GPR.RSP,
  bp: GPR.RBP,
  si: GPR.RSI,
  di: GPR.RDI,
};
const SEGMENTS: Readonly<Record<string, SegIndex>> = { es: SEG.ES, cs: SEG.CS, ss: SEG.SS, ds: SEG.DS };
const REAL = { attr: 0x93, limit: 0xffff };
/** The recorder's random flags name bits that a 286 cannot have set in real mode: IOPL, NT and bit 15. */
const FLAGS_IN_REAL_MODE = 0x0fff;
/** A long repeat takes several calls. */
const MOST_CALLS = 64;

/** Why a vector cannot be run here at all; undefined for all that can. Nothing is skipped for how it ends. */
export function skipReason({ regs }: Vector): string | undefined {
  if (regs?.ax === undefined || regs.ip === undefined) return "not a vector of a 16-bit processor: no AX or IP";
  return undefined;
}

export class VectorMachine {
  private readonly core = new CoreMemory(1, RAM);
  private readonly cpu: Cpu;

  constructor(model: "286" | "386") {
    this.cpu = new Cpu(this.core, 0, { vendor: "intel", model, quirks: [] });
  }

  private poke([address, byte]: Pair): void {
    this.cpu.physWrite(address % RAM, 1, byte);
  }

  private load({ regs, ram }: Vector): void {
    const { cpu } = this;
    cpu.set64(OFF.CR0, BigInt(factsOf(cpu).cr0Fixed));
    cpu.set32(OFF.CPL, 0);
    cpu.set32(OFF.ACTIVITY, 0);
    cpu.setAddr(OFF.IDTR_BASE, 0);
    cpu.set32(OFF.IDTR_LIMIT, 0x3ff);
    for (const [name, reg] of Object.entries(REGISTERS)) cpu.setGpr(reg, BigInt(regs[name]!));
    for (const [name, seg] of Object.entries(SEGMENTS)) {
      setSegmentRaw(cpu, seg, { ...REAL, selector: regs[name]!, base: regs[name]! * 16 });
    }
    cpu.setFlagsRaw(regs.flags! & FLAGS_IN_REAL_MODE);
    cpu.setRip(regs.ip!, 0);
    for (const pair of ram) this.poke(pair);
    cpu.stateReplaced();
  }

  /** What is wrong after the vector; empty when it passes. */
  run(vector: Vector): string[] {
    this.core.takeDirty();
    this.load(vector);
    const { cpu } = this;
    cpu.run(1);
    for (let i = 1; i < MOST_CALLS && this.repeats(vector); i++) cpu.run(1);
    const wrong = this.compare(vector);
    for (const [address] of [...vector.ram, ...vector.ramAfter]) this.poke([address, 0]);
    return [...wrong, ...this.unrecordedWrites()];
  }

  /** Memory is all zeros between vectors: what is not by now was written without being recorded. */
  private unrecordedWrites(): string[] {
    const { u8, dirty, ramBase } = this.core;
    const wrong: string[] = [];
    for (let page = dirty.indexOf(1); page >= 0; page = dirty.indexOf(1, page + 1)) {
      const bytes = u8.subarray(ramBase + page * PAGE_SIZE, ramBase + (page + 1) * PAGE_SIZE);
      const at = bytes.findIndex((byte) => byte !== 0);
      if (at >= 0) wrong.push(`[${(page * PAGE_SIZE + at).toString(16)}]: written, and not recorded`);
      bytes.fill(0);
    }
    return wrong;
  }

  /** Still at a string instruction whose repeat is not done. */
  private repeats(vector: Vector): boolean {
    return (
      /^(26|2e|36|3e|f0)*f[23]/.test(vector.bytes) &&
      cpuAt(this.cpu) === vector.regs.ip &&
      vector.regs.cx !== 0 &&
      cx(this.cpu) !== 0
    );
  }

  private compare(vector: Vector): string[] {
    const { cpu } = this;
    const wrong: string[] = [];
    const check = (what: string, ours: number, theirs: number) => {
      if (ours !== theirs) wrong.push(`${what}: ours ${ours.toString(16)}, recorded ${theirs.toString(16)}`);
    };
    const expected = { ...vector.regs, ...vector.regsAfter };
    for (const [name, reg] of Object.entries(REGISTERS)) check(name, cpu.gprLow(reg) & 0xffff, expected[name]!);
    for (const [name, seg] of Object.entries(SEGMENTS)) check(name, cpu.selector(seg), expected[name]!);
    const halted = vector.op === "F4" ? 0 : 1;
    check("ip", (cpuAt(cpu) + halted) & 0xffff, expected.ip!);
    const { mask } = vector;
    check("flags", cpu.getFlags() & mask, expected.flags! & mask);
    this.compareMemory(vector, check);
    return wrong;
  }

  private compareMemory(vector: Vector, check: (what: string, ours: number, theirs: number) => void): void {
    const after = new Map([...vector.ram, ...vector.ramAfter]);
    // Where the flags were pushed; the recorded address is rounded down to an even one.
    const { ss, sp } = vector.regs;
    const flagsAt = vector.exception ? ss! * 16 + ((sp! - 2) & 0xffff) : undefined;
    for (const [address, byte] of after) {
      const ours = this.cpu.physRead(address % RAM, 1);
      let mask = 0xff;
      if (address === flagsAt) mask = vector.mask & 0xff;
      else if (flagsAt !== undefined && address === flagsAt + 1) mask = vector.mask >> 8;
      check(`[${address.toString(16)}]`, ours & mask, byte & mask);
    }
  }
}

const cpuAt = (cpu: Cpu): number => Number(cpu.rip & 0xffffn);
const cx = (cpu: Cpu): number => cpu.gprLow(GPR.RCX) & 0xffff;

export function readVectors(file: string): Vector[] {
  const text = gunzipSync(readFileSync(file)).toString("utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Vector);
}
