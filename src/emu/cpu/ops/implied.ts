/** Small helpers that the computing operations share: sizes of operands, implied registers, halves and BigInts. */
import { GPR } from "../layout.ts";
import type { Insn, Operand } from "../operation.ts";
import type { CpuState } from "../state.ts";

export type OpSize = 8 | 16 | 32 | 64;

export const readAh = (cpu: CpuState): number => (cpu.gprLow(GPR.RAX) >> 8) & 0xff;

/** Size in bits of an operand; a memory operand's is that of its access. */
export function operandSize(op: Operand | undefined): OpSize {
  if (op?.kind === "reg" || op?.kind === "imm") return op.size;
  if (op?.kind === "mem") return (op.size * 8) as OpSize;
  throw new Error(`operand of kind ${op?.kind} has no integer size`);
}

export const sizeOf = (insn: Insn, i: number): OpSize => operandSize(insn.ops[i]);

/** Halves to an unsigned 64-bit BigInt. */
export const big = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
export const bigLow = (value: bigint): number => Number(BigInt.asIntN(32, value));
export const bigHigh = (value: bigint): number => Number(BigInt.asIntN(32, value >> 32n));
