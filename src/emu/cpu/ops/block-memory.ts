/** Memory operands longer than eight bytes, piece by piece: images of the x87 and SSE state, 80-bit numbers, packed decimals. */
import type { Cpu } from "../cpu.ts";
import { Fault, gp, VECTOR } from "../fault.ts";
import { SEG } from "../layout.ts";
import { MODE } from "../mode.ts";
import type { Insn } from "../operation.ts";
import { big, bigHigh, bigLow } from "./implied.ts";

/** Offset of `by` bytes into memory operand `i`, wrapped at the address size: low half, cpu.high the second. */
function offsetInto(cpu: Cpu, insn: Insn, i: number, by: number): number {
  const low = cpu.effectiveAddress(insn, i);
  const sum = (low >>> 0) + by;
  if (insn.addrSize === 16) return sum & 0xffff;
  if (insn.addrSize === 64 && sum > 0xffff_ffff) cpu.high = (cpu.high + 1) | 0;
  return sum | 0;
}

const segOf = (insn: Insn, i: number) => {
  const op = insn.ops[i];
  if (op?.kind !== "mem") throw new Error("operand is not in memory");
  return op.seg;
};

/** All checks of an access to the whole of the operand's `size` bytes, alignment to `align` among them. */
export function checkBlock(cpu: Cpu, insn: Insn, i: number, size: number, write: boolean, align = 1): void {
  const low = cpu.effectiveAddress(insn, i);
  const high = cpu.high;
  const room = insn.addrSize === 16 ? 0x10000 - low : size;
  // A 16-bit offset wraps round within the segment, but only from piece to piece: an 80-bit number is one of eight bytes and one of two.
  const wraps = room < size && size > 8 && (size > 10 || room === 8);
  cpu.checkSeg(segOf(insn, i), low, high, wraps ? room : size, write, align);
  if (wraps) cpu.checkSeg(segOf(insn, i), 0, 0, size - room, write, 1);
}

/** Piece at `by`, wherever that is: low half, cpu.high the second. */
export function loadAt(cpu: Cpu, insn: Insn, by: number, size: 1 | 2 | 4 | 8, i = 0): number {
  const low = offsetInto(cpu, insn, i, by);
  return cpu.loadSeg(segOf(insn, i), low, cpu.high, size, 1);
}

export function storeAt(cpu: Cpu, insn: Insn, by: number, size: 1 | 2 | 4 | 8, low: number, high = 0, i = 0): void {
  const at = offsetInto(cpu, insn, i, by);
  cpu.storeSeg(segOf(insn, i), at, cpu.high, size, low, high, 1);
}

export function loadBig(cpu: Cpu, insn: Insn, by: number, i = 0): bigint {
  const low = loadAt(cpu, insn, by, 8, i);
  return big(low, cpu.high);
}
export function storeBig(cpu: Cpu, insn: Insn, by: number, value: bigint, i = 0): void {
  storeAt(cpu, insn, by, 8, bigLow(value), bigHigh(value), i);
}

/**
 * Images that must lie on a boundary: #AC comes first where it is due, which is for an address that is not a multiple of four
 * (measured), then #GP.
 */
export function checkBoundary(cpu: Cpu, insn: Insn, boundary: number, name: string): void {
  const seg = segOf(insn, 0);
  const base = insn.bits === 64 && seg < SEG.FS ? 0 : cpu.segBase(seg);
  const low = cpu.effectiveAddress(insn, 0) + (base | 0);
  if ((low & (boundary - 1)) === 0) return;
  if (cpu.mode & MODE.ALIGN && low & 3)
    throw new Fault(VECTOR.AC, 0, `${name}: misaligned with CR0.AM and EFLAGS.AC set at CPL 3`);
  throw gp(0, `${name} is not on a ${boundary}-byte boundary`);
}

/** A number of 2, 4, 8 or 10 bytes. */
export function storeNumber(cpu: Cpu, insn: Insn, bytes: number, value: bigint): void {
  if (bytes !== 10) {
    storeAt(cpu, insn, 0, bytes as 8, bigLow(value), bigHigh(value));
    return;
  }
  storeBig(cpu, insn, 0, value);
  storeAt(cpu, insn, 8, 2, Number(BigInt.asUintN(16, value >> 64n)));
}
