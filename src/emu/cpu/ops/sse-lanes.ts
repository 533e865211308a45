/**
 * Vector operands: XMM, MMX and memory as lanes in scratch buffers, with the checks that come before any vector instruction.
 * A helper runs to its end before the next one starts, so the two scratch buffers are shared by all.
 */
import type { Cpu } from "../cpu.ts";
import { Fault, gp, nm, ud, VECTOR } from "../fault.ts";
import { CR0, CR4, OFF } from "../layout.ts";
import type { Insn, Operand } from "../operation.ts";

export class Lanes {
  readonly u8: Uint8Array;
  readonly i8: Int8Array;
  readonly u16: Uint16Array;
  readonly i16: Int16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
  readonly f32: Float32Array;
  readonly f64: Float64Array;

  constructor() {
    const buffer = new ArrayBuffer(16);
    this.u8 = new Uint8Array(buffer);
    this.i8 = new Int8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i16 = new Int16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.f32 = new Float32Array(buffer);
    this.f64 = new Float64Array(buffer);
  }
}

/** The destination's and the source's lanes of the instruction being run. */
export const DST = new Lanes();
export const SRC = new Lanes();

/** Index into cpu.i32 of an XMM register. */
export const xmmIndex = (cpu: Cpu, reg: number): number => (cpu.base + OFF.YMM + reg * 32) >> 2;
const mmIndex = (cpu: Cpu, reg: number): number => (cpu.base + OFF.X87 + reg * 16) >> 2;

export function checkSse(cpu: Cpu): void {
  const cr0 = cpu.get32(OFF.CR0);
  if (cr0 & CR0.EM) throw ud("SSE instruction with CR0.EM set");
  if (!(cpu.get32(OFF.CR4) & CR4.OSFXSR)) throw ud("SSE instruction with CR4.OSFXSR clear");
  if (cr0 & CR0.TS) throw nm("SSE instruction with CR0.TS set");
}

/** Before an instruction that touches MMX registers: the x87 stack becomes eight valid registers with TOP 0. */
export function enterMmx(cpu: Cpu): void {
  const cr0 = cpu.get32(OFF.CR0);
  if (cr0 & CR0.EM) throw ud("MMX instruction with CR0.EM set");
  if (cr0 & CR0.TS) throw nm("MMX instruction with CR0.TS set");
  const status = cpu.get32(OFF.FSW);
  if (status & 0x80) throw new Fault(VECTOR.MF, 0, "pending unmasked x87 exception");
}

/** TOP becomes 0: for stores even if they then fault. */
export function resetTop(cpu: Cpu): void {
  cpu.set32(OFF.FSW, cpu.get32(OFF.FSW) & ~0x3800);
}

/** TOP becomes 0 and all registers valid. Done only once nothing can fault any more. */
export function commitMmx(cpu: Cpu): void {
  resetTop(cpu);
  cpu.set32(OFF.FTW, 0);
}

export const usesMmx = (insn: Insn): boolean => insn.ops.some((op) => op.kind === "mm");

/** The checks for whichever register files the operands name. */
export function checkVector(cpu: Cpu, insn: Insn): void {
  if (insn.ops.some((op) => op.kind === "xmm")) checkSse(cpu);
  if (usesMmx(insn)) enterMmx(cpu);
}

/** Legacy SSE memory operands of 16 bytes must lie on a 16-byte boundary, the unaligned moves excepted. */
export function checkAligned(cpu: Cpu, insn: Insn, op: Operand & { kind: "mem" }, i: number): void {
  const low = cpu.effectiveAddress(insn, i);
  const base = insn.bits === 64 && op.seg < 4 ? 0 : cpu.segBase(op.seg);
  if ((low + (base | 0)) & 15) throw gp(0, "16-byte memory operand not on a 16-byte boundary");
}

/** Reads `bytes` (4, 8 or 16; 1 and 2 zero-extended) of operand i into lanes, and clears the rest of 16 bytes. */
export function loadLanes(cpu: Cpu, insn: Insn, i: number, lanes: Lanes, bytes: number, aligned: boolean): void {
  const op = insn.ops[i]!;
  const to = lanes.i32;
  if (op.kind === "xmm" || op.kind === "mm") {
    const at = op.kind === "xmm" ? xmmIndex(cpu, op.reg) : mmIndex(cpu, op.reg);
    to[0] = cpu.i32[at]!;
    to[1] = cpu.i32[at + 1]!;
    to[2] = op.kind === "xmm" ? cpu.i32[at + 2]! : 0;
    to[3] = op.kind === "xmm" ? cpu.i32[at + 3]! : 0;
    return;
  }
  if (op.kind === "mem") {
    if (bytes === 16) {
      if (aligned) checkAligned(cpu, insn, op, i);
      const low = cpu.effectiveAddress(insn, i);
      const high = cpu.high;
      cpu.checkSeg(op.seg, low, high, 16, false);
      to[0] = cpu.loadSeg(op.seg, low, high, 8);
      to[1] = cpu.high;
      const next = nextOffset(insn, low, high);
      to[2] = cpu.loadSeg(op.seg, next, nextHigh, 8);
      to[3] = cpu.high;
      return;
    }
    const low = cpu.effectiveAddress(insn, i);
    to[0] = cpu.loadSeg(op.seg, low, cpu.high, bytes as 8);
    to[1] = bytes === 8 ? cpu.high : 0;
  } else {
    to[0] = cpu.readOp(insn, i);
    to[1] = bytes === 8 ? cpu.high : 0;
  }
  to[2] = 0;
  to[3] = 0;
}

let nextHigh = 0;
/** Offset of the upper eight bytes, wrapped at the address size; its upper half in nextHigh. */
function nextOffset(insn: Insn, low: number, high: number): number {
  const next = (low >>> 0) + 8;
  nextHigh = insn.addrSize === 64 && next > 0xffff_ffff ? (high + 1) | 0 : high;
  return insn.addrSize === 16 ? next & 0xffff : next | 0;
}

/** Writes `bytes` (4, 8 or 16) of lanes to operand i; to a register, only those bytes. */
export function storeLanes(cpu: Cpu, insn: Insn, i: number, lanes: Lanes, bytes: number, aligned = false): void {
  const op = insn.ops[i]!;
  const from = lanes.i32;
  if (op.kind === "xmm") {
    writeXmm(cpu, op.reg, lanes, bytes);
    return;
  }
  if (op.kind === "mm") {
    writeMm(cpu, op.reg, lanes);
    return;
  }
  if (op.kind === "reg") {
    cpu.writeOp(insn, i, from[0]!, op.size === 64 ? from[1]! : 0);
    return;
  }
  if (op.kind !== "mem") throw new Error(`vector store to ${op.kind}`);
  if (bytes === 16 && aligned) checkAligned(cpu, insn, op, i);
  const low = cpu.effectiveAddress(insn, i);
  const high = cpu.high;
  if (bytes !== 16) {
    cpu.storeSeg(op.seg, low, high, bytes as 8, from[0]!, from[1]!);
    return;
  }
  cpu.checkSeg(op.seg, low, high, 16, true);
  cpu.storeSeg(op.seg, low, high, 8, from[0]!, from[1]!);
  const next = nextOffset(insn, low, high);
  cpu.storeSeg(op.seg, next, nextHigh, 8, from[2]!, from[3]!);
}

export function writeXmm(cpu: Cpu, reg: number, lanes: Lanes, bytes: number): void {
  const at = xmmIndex(cpu, reg);
  const words = bytes >> 2;
  for (let i = 0; i < words; i++) cpu.i32[at + i] = lanes.i32[i]!;
}

/** MMX registers are the significands of the x87's; a write sets sign and exponent to all ones. */
export function writeMm(cpu: Cpu, reg: number, lanes: Lanes): void {
  const at = mmIndex(cpu, reg);
  cpu.i32[at] = lanes.i32[0]!;
  cpu.i32[at + 1] = lanes.i32[1]!;
  cpu.i32[at + 2] = 0xffff;
}

/** Bytes of a vector register operand. */
export const widthOf = (op: Operand | undefined): 8 | 16 => (op?.kind === "mm" ? 8 : 16);

/** Bytes to read for a source operand: a memory operand's own size, else the register's. */
export const sourceBytes = (insn: Insn, i: number): number => {
  const op = insn.ops[i]!;
  return op.kind === "mem" ? op.size : widthOf(op);
};

/** The immediate that ends the operand list, if there is one. */
export function immediate(insn: Insn): number {
  const last = insn.ops[insn.ops.length - 1]!;
  return last.kind === "imm" ? last.low & 0xff : 0;
}
