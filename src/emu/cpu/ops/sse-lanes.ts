/**
 * Vector operands: XMM, MMX and memory as lanes in scratch buffers, with the checks that come before any vector instruction.
 * A helper runs to its end before the next one starts, so the two scratch buffers are shared by all.
 */
import type { Cpu } from "../cpu.ts";
import { Fault, gp, nm, ud, VECTOR } from "../fault.ts";
import { CR0, CR4, OFF } from "../layout.ts";
import type { Insn, Operand } from "../operation.ts";
import { firstIndex, sourceIndex, vexBytes } from "./vex.ts";

/** 128 bits, perhaps with the upper half of a YMM register. */
export class Lanes {
  readonly upper: Lanes | undefined;
  readonly u8: Uint8Array;
  readonly i8: Int8Array;
  readonly u16: Uint16Array;
  readonly i16: Int16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
  readonly f32: Float32Array;
  readonly f64: Float64Array;

  constructor(upper?: Lanes) {
    this.upper = upper;
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
export const DST = new Lanes(new Lanes());
export const SRC = new Lanes(new Lanes());
/** The upper halves of YMM operands. */
export const DST_UP: Lanes = DST.upper!;
export const SRC_UP: Lanes = SRC.upper!;

/** Index into cpu.i32 of an XMM register. */
export const xmmIndex = (cpu: Cpu, reg: number): number => (cpu.base + OFF.YMM + reg * 32) >> 2;
const mmIndex = (cpu: Cpu, reg: number): number => (cpu.base + OFF.X87 + reg * 16) >> 2;

export function checkSse(cpu: Cpu): void {
  const cr0 = cpu.get32(OFF.CR0);
  if (cr0 & CR0.EM) throw ud("SSE instruction with CR0.EM set");
  if (!(cpu.get32(OFF.CR4) & CR4.OSFXSR)) throw ud("SSE instruction with CR4.OSFXSR clear");
  if (cr0 & CR0.TS) throw nm("SSE instruction with CR0.TS set");
}

/** XCR0 bits of XMM and of upper YMM state. */
const AVX_STATE = 6;

/** VEX vector instructions need an operating system that switches the state; CR0.EM does not matter. */
export function checkAvx(cpu: Cpu): void {
  if (!(cpu.get32(OFF.CR4) & CR4.OSXSAVE)) throw ud("AVX instruction with CR4.OSXSAVE clear");
  if ((cpu.get32(OFF.XCR0) & AVX_STATE) !== AVX_STATE)
    throw ud("AVX instruction with the AVX state not enabled in XCR0");
  if (cpu.get32(OFF.CR0) & CR0.TS) throw nm("AVX instruction with CR0.TS set");
}

/** The checks of an instruction on XMM or YMM registers. */
export function checkWide(cpu: Cpu, insn: Insn): void {
  if (vexBytes(insn) === 0) checkSse(cpu);
  else checkAvx(cpu);
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
  if (vexBytes(insn) !== 0) {
    checkAvx(cpu);
    return;
  }
  if (insn.ops.some((op) => op.kind === "xmm")) checkSse(cpu);
  if (usesMmx(insn)) enterMmx(cpu);
}

/** Legacy SSE memory operands of 16 bytes must lie on a 16-byte boundary, the unaligned moves excepted; so must aligned moves. */
export function checkAligned(cpu: Cpu, insn: Insn, op: Operand & { kind: "mem" }, i: number, size = 16): void {
  const low = cpu.effectiveAddress(insn, i);
  const base = insn.bits === 64 && op.seg < 4 ? 0 : cpu.segBase(op.seg);
  if ((low + (base | 0)) & (size - 1)) throw gp(0, `${size}-byte memory operand not on a ${size}-byte boundary`);
}

/** Reads `bytes` (4, 8 or 16; 1 and 2 zero-extended) of operand i into lanes, and clears the rest of 16 bytes. */
export function loadLanes(cpu: Cpu, insn: Insn, i: number, lanes: Lanes, bytes: number, aligned: boolean): void {
  const op = insn.ops[i]!;
  const to = lanes.i32;
  if (op.kind === "xmm" || op.kind === "mm" || op.kind === "ymm") {
    const at = op.kind === "mm" ? mmIndex(cpu, op.reg) : xmmIndex(cpu, op.reg);
    to[0] = cpu.i32[at]!;
    to[1] = cpu.i32[at + 1]!;
    to[2] = op.kind === "mm" ? 0 : cpu.i32[at + 2]!;
    to[3] = op.kind === "mm" ? 0 : cpu.i32[at + 3]!;
    return;
  }
  if (op.kind === "mem") {
    if (bytes === 16) {
      if (aligned) checkAligned(cpu, insn, op, i);
      const low = cpu.effectiveAddress(insn, i);
      const high = cpu.high;
      cpu.checkSeg(op.seg, low, high, 16, false);
      loadHalf(cpu, insn, op, lanes, low, high);
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

type Memory = Operand & { kind: "mem" };

/** Sixteen bytes at an offset, checked already. */
function loadHalf(cpu: Cpu, insn: Insn, op: Memory, lanes: Lanes, low: number, high: number): void {
  const to = lanes.i32;
  to[0] = cpu.loadSeg(op.seg, low, high, 8, 1);
  to[1] = cpu.high;
  const next = nextOffset(insn, low, high);
  to[2] = cpu.loadSeg(op.seg, next, nextHigh, 8, 1);
  to[3] = cpu.high;
}

function storeHalf(cpu: Cpu, insn: Insn, op: Memory, lanes: Lanes, low: number, high: number): void {
  const from = lanes.i32;
  cpu.storeSeg(op.seg, low, high, 8, from[0]!, from[1]!, 1);
  const next = nextOffset(insn, low, high);
  cpu.storeSeg(op.seg, next, nextHigh, 8, from[2]!, from[3]!, 1);
}

/** Both halves of a YMM operand or of 32 bytes of memory. */
export function loadWide(cpu: Cpu, insn: Insn, i: number, lanes: Lanes, aligned = false): void {
  const op = insn.ops[i]!;
  const upper = lanes.upper!;
  if (op.kind !== "mem") {
    loadLanes(cpu, insn, i, lanes, 16, false);
    if (op.kind !== "ymm") throw new Error(`a wide operand cannot be ${op.kind}`);
    const at = xmmIndex(cpu, op.reg) + 4;
    for (let word = 0; word < 4; word++) upper.i32[word] = cpu.i32[at + word]!;
    return;
  }
  if (aligned) checkAligned(cpu, insn, op, i, 32);
  const low = cpu.effectiveAddress(insn, i);
  const high = cpu.high;
  cpu.checkSeg(op.seg, low, high, 32, false);
  loadHalf(cpu, insn, op, lanes, low, high);
  const next = nextOffset(insn, low, high, 16);
  loadHalf(cpu, insn, op, upper, next, nextHigh);
}

export function storeWide(cpu: Cpu, insn: Insn, i: number, lanes: Lanes, aligned = false): void {
  const op = insn.ops[i]!;
  if (op.kind === "ymm") {
    writeVex(cpu, op.reg, lanes, lanes.upper);
    return;
  }
  if (op.kind !== "mem") throw new Error(`wide store to ${op.kind}`);
  if (aligned) checkAligned(cpu, insn, op, i, 32);
  const low = cpu.effectiveAddress(insn, i);
  const high = cpu.high;
  cpu.checkSeg(op.seg, low, high, 32, true);
  storeHalf(cpu, insn, op, lanes, low, high);
  const next = nextOffset(insn, low, high, 16);
  storeHalf(cpu, insn, op, lanes.upper!, next, nextHigh);
}

/** A whole register as VEX forms write it: what is above comes from `upper`, or becomes zero. */
export function writeVex(cpu: Cpu, reg: number, lanes: Lanes, upper: Lanes | undefined): void {
  const at = xmmIndex(cpu, reg);
  for (let i = 0; i < 4; i++) {
    cpu.i32[at + i] = lanes.i32[i]!;
    cpu.i32[at + 4 + i] = upper ? upper.i32[i]! : 0;
  }
}

/**
 * The operands of a computation: what a legacy form overwrites into DST, the last source into SRC. Gives the number of 128-bit
 * halves. A VEX form with one source leaves DST as it is.
 */
export function loadPair(cpu: Cpu, insn: Insn, bytes: number, aligned: boolean): 1 | 2 {
  const vex = vexBytes(insn);
  const source = sourceIndex(insn);
  const first = firstIndex(insn);
  if (vex === 32 && bytes >= 16) {
    loadWide(cpu, insn, source, SRC);
    if (first !== source) loadWide(cpu, insn, first, DST);
    return 2;
  }
  loadLanes(cpu, insn, source, SRC, bytes, aligned && vex === 0);
  if (first !== source) loadLanes(cpu, insn, first, DST, 16, false);
  return 1;
}

/** Offset of the bytes `by` further on, wrapped at the address size; its upper half in nextHigh. */
let nextHigh = 0;
function nextOffset(insn: Insn, low: number, high: number, by = 8): number {
  const next = (low >>> 0) + by;
  nextHigh = insn.addrSize === 64 && next > 0xffff_ffff ? (high + 1) | 0 : high;
  return insn.addrSize === 16 ? next & 0xffff : next | 0;
}

/** Writes `bytes` (4, 8 or 16) of lanes to operand i; to a register, only those bytes. */
export function storeLanes(cpu: Cpu, insn: Insn, i: number, lanes: Lanes, bytes: number, aligned = false): void {
  const op = insn.ops[i]!;
  const from = lanes.i32;
  if (op.kind === "xmm") {
    if (vexBytes(insn) !== 0) writeVex(cpu, op.reg, lanes, undefined);
    else writeXmm(cpu, op.reg, lanes, bytes);
    return;
  }
  if (op.kind === "ymm") {
    writeVex(cpu, op.reg, lanes, lanes.upper);
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
  storeHalf(cpu, insn, op, lanes, low, high);
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
