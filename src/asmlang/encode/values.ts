/** Immediates against the fields they would go into. */
import type { Dialect } from "../types.ts";
import { widthOf } from "./att.ts";
import type { Form } from "./forms.ts";
import type { Slot } from "./kinds.ts";
import type { Pattern } from "./patterns.ts";
import type { AsmOperand } from "./types.ts";

type Immediate = Extract<AsmOperand, { kind: "imm" }>;
/** "cut": fits in shape, but its value loses bits, and the tool goes on with a warning. */
export type Fit = "yes" | "no" | "cut";

const ORDER: readonly Fit[] = ["yes", "cut", "no"];
const fitsSigned = (value: bigint, bits: number): boolean => BigInt.asIntN(bits, value) === value;
const fitsEither = (value: bigint, bits: number): boolean =>
  fitsSigned(value, bits) || BigInt.asUintN(bits, value) === value;

/** Sign-extended fields. NASM takes a 64-bit operation's value as the 32 bits that get encoded; GNU as rejects a wider one. */
function extended(value: bigint, slot: Slot, operand: Immediate, dialect: Dialect): Fit {
  const width = slot.bytes * 8;
  if (operand.size === 8 && width === 8) return fitsSigned(value, 8) ? "yes" : "cut";
  if (dialect === "gas" && slot.extend === 16 && width === 8 && fitsEither(value, 32))
    return fitsSigned(BigInt.asIntN(32, value), 8) || (fitsEither(value, 16) && fitsSigned(BigInt.asIntN(16, value), 8))
      ? "yes"
      : "no";
  const lenient = slot.extend === 64 && dialect === "nasm";
  const fits = fitsSigned(BigInt.asIntN(lenient ? 32 : slot.extend, value), width);
  if (!fits || (dialect === "gas" && width === 8 && !fitsEither(value, slot.extend))) return "no";
  return (lenient ? fitsSigned(BigInt.asIntN(64, value), 32) : fitsEither(value, slot.extend)) ? "yes" : "cut";
}

/** GNU as cuts only what is as wide as the operation; NASM cuts everything. */
function plain(value: bigint, form: Form, slot: Slot, dialect: Dialect): Fit {
  const width = slot.bytes * 8;
  if (dialect === "gas" && form.encoding === "xop" && form.vex!.w === 1 && width === 32)
    return fitsSigned(value, 32) ? "yes" : "no";
  if (fitsEither(value, width)) return "yes";
  // Instructions of 16- and 32-bit modes only: values count modulo 2^32 there.
  if (dialect === "gas" && width === 8 && (form.modes & 64) === 0 && form.slots.length === 1 && fitsEither(value, 32))
    return fitsSigned(BigInt.asIntN(32, value), 8) ? "yes" : "no";
  return dialect === "nasm" || widthOf(form) === width ? "cut" : "no";
}

function immediateFit(form: Form, slot: Slot, operand: Immediate, dialect: Dialect): Fit {
  const value = operand.value.known;
  if (slot.place !== "imm") return "yes";
  if (value === undefined) return slot.bytes === 1 && slot.extend !== 0 && operand.size !== 8 ? "no" : "yes";
  return slot.extend !== 0 ? extended(value, slot, operand, dialect) : plain(value, form, slot, dialect);
}

export function valuesFit(pattern: Pattern, operands: readonly AsmOperand[], dialect: Dialect): Fit {
  let worst = 0;
  const { form, from } = pattern;
  for (let i = 0; i < from.length; i++) {
    const operand = operands[from[i]!];
    if (operand?.kind !== "imm") continue;
    worst = Math.max(worst, ORDER.indexOf(immediateFit(form, form.slots[i]!, operand, dialect)));
  }
  return ORDER[worst]!;
}

/** Whether cutting is worth a warning: not if the cut bits only repeat a sign, as in `$~0x80000000`. */
export function losesBits(pattern: Pattern, operands: readonly AsmOperand[], dialect: Dialect): boolean {
  const { form, from } = pattern;
  return form.slots.some((slot, i) => {
    const operand = operands[from[i]!];
    if (operand?.kind !== "imm" || immediateFit(form, slot, operand, dialect) !== "cut") return false;
    if (dialect === "nasm" && slot.extend === 64) return true;
    const value = operand.value.known!;
    const range = 1n << BigInt(slot.extend > 0 ? slot.extend : slot.bytes * 8);
    return value >= range || value < -range || (value === -range && dialect === "gas");
  });
}
