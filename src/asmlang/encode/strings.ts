/** Implied memory operands (string instructions, XLAT): which address size their written form asks for. */
import { Register } from "../../emu/cpu/iced.ts";
import type { Bits, Dialect } from "../types.ts";
import type { MemoryOperand } from "./address.ts";
import type { Slot } from "./kinds.ts";
import { regInfo } from "./registers.ts";

const NUMBERS: Readonly<Record<NonNullable<Slot["string"]>, number>> = { si: 6, di: 7, bx: 3 };

/** The segment that applies without an override. */
export function implicitSegment(base: number): number {
  const info = base === 0 ? undefined : regInfo(base);
  return info !== undefined && (info.number === 4 || info.number === 5) && info.class !== "ip"
    ? Register.SS
    : Register.DS;
}

/** Is it the operand that the instruction implies, and nothing else? */
export function isImplied(memory: MemoryOperand, which: NonNullable<Slot["string"]>): boolean {
  const plain = memory.displacement === undefined && memory.base !== 0 && memory.index === 0;
  return plain && regInfo(memory.base)?.number === NUMBERS[which];
}

/** Its address size; GNU as takes other registers too, for the size alone. undefined: not the operand that is implied. */
export function stringAddressSize(
  memory: MemoryOperand,
  bits: Bits,
  which: NonNullable<Slot["string"]>,
  dialect: Dialect,
): Bits | undefined {
  const vector = memory.index !== 0 && /mm$/.test(regInfo(memory.index)?.class ?? "");
  if (vector) return undefined;
  const base = regInfo(memory.base !== 0 ? memory.base : memory.index);
  if (base === undefined && dialect === "gas") return bits;
  if (base === undefined || (dialect === "nasm" && base.number !== NUMBERS[which])) return undefined;
  const size = (base.size * 8) as Bits;
  return (size === 64) === (bits === 64) || (size === 32 && bits === 64) ? size : undefined;
}
