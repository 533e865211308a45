/** Immediates against the fields they would go into. */
import type { Slot } from "./kinds.ts";
import type { Pattern } from "./patterns.ts";
import type { AsmOperand } from "./types.ts";

type Immediate = Extract<AsmOperand, { kind: "imm" }>;
export type Fit = "yes" | "no" | "cut";

const ORDER: readonly Fit[] = ["yes", "cut", "no"];
const fitsSigned = (value: bigint, bits: number): boolean => BigInt.asIntN(bits, value) === value;
const fitsEither = (value: bigint, bits: number): boolean =>
  fitsSigned(value, bits) || BigInt.asUintN(bits, value) === value;

function extended(value: bigint, width: number, extend: number): Fit {
  if (!fitsEither(value, extend)) return width === 8 ? "no" : "cut";
  if (fitsSigned(BigInt.asIntN(extend, value), width)) return "yes";
  return width === 8 ? "no" : "cut";
}

function immediateFit(slot: Slot, operand: Immediate): Fit {
  const value = operand.value.known;
  const width = slot.bytes * 8;
  if (slot.place !== "imm") return "yes";
  if (value === undefined) return width === 8 && slot.extend !== 0 && operand.size !== 8 ? "no" : "yes";
  if (slot.extend !== 0)
    return operand.size === 8 && !fitsSigned(value, 8) && width === 8 ? "cut" : extended(value, width, slot.extend);
  return fitsEither(value, width) ? "yes" : "cut";
}

/** "cut": fits in shape, but its value loses bits. */
export function valuesFit(pattern: Pattern, operands: readonly AsmOperand[]): Fit {
  let worst = 0;
  const { slots } = pattern.form;
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]!;
    const index = pattern.from[i]!;
    if (index < 0) continue;
    const operand = operands[index]!;
    if (slot.constant !== undefined && operand.kind === "imm") {
      if (operand.value.known !== slot.constant) return "no";
    } else if (operand.kind === "imm") worst = Math.max(worst, ORDER.indexOf(immediateFit(slot, operand)));
  }
  return ORDER[worst]!;
}
