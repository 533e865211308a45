/** Random masks, broadcasts and rounding: those that a form takes, and others. */
import type { Form } from "../../../src/asmlang/encode/forms.ts";
import { Register } from "../../../src/emu/cpu/iced.ts";
import type { AsmOperand, EncodeRequest, Syntax } from "./line.ts";
import type { Random } from "./random.ts";

type Rounding = NonNullable<EncodeRequest["rounding"]>;

const MODES = ["rn-sae", "rd-sae", "ru-sae", "rz-sae"] as const;
const anyMask = (random: Random): number => Register.K1 + random.below(7);

function maskFirst(random: Random, form: Form, operands: AsmOperand[]): void {
  const first = operands[0];
  if ((first?.kind !== "reg" && first?.kind !== "mem") || !form.evex!.mask) return;
  if (!form.evex!.masked && !random.chance(0.45)) return;
  const zeroing = form.evex!.zeroing && first.kind === "reg" && random.chance(0.4);
  operands[0] = { ...first, mask: { opmask: anyMask(random), zeroing } };
}

function broadcastMemory(random: Random, form: Form, operands: AsmOperand[], syntax: Syntax): void {
  const { unit, element } = form.evex!;
  const at = operands.findIndex(({ kind }) => kind === "mem");
  const memory = operands[at];
  if (memory?.kind !== "mem" || element === 0 || !random.chance(0.45)) return;
  const size = syntax !== "att" && random.chance(0.3) ? element : 0;
  const broadcast = syntax === "intel" && size !== 0 && random.chance(0.5) ? "bcst" : unit / element;
  operands[at] = { ...memory, broadcast, size };
}

/** Rounding follows the last vector register. */
function afterVectors(operands: readonly AsmOperand[]): number {
  const isGeneral = (reg: number): boolean => reg >= Register.AX && reg <= Register.R15;
  return operands.findLastIndex((operand) => operand.kind === "reg" && !isGeneral(operand.reg)) + 1;
}

/** Decorates operands in place; the result is the statement's rounding. */
export function decorate(random: Random, form: Form, operands: AsmOperand[], syntax: Syntax): Rounding | undefined {
  if (form.evex === undefined) return undefined;
  maskFirst(random, form, operands);
  broadcastMemory(random, form, operands, syntax);
  const takes = form.evex.rounding || form.evex.sae;
  if (!takes || operands.some(({ kind }) => kind === "mem") || !random.chance(0.5)) return undefined;
  return { mode: form.evex.sae ? "sae" : random.pick(MODES), after: afterVectors(operands) };
}

/** Decorations that most statements do not take: masks elsewhere, other broadcasts, rounding of the other kind. */
export function disturbDecorations(
  random: Random,
  operands: AsmOperand[],
  rounding: Rounding | undefined,
): Rounding | undefined {
  const kind = random.below(3);
  const at = random.below(Math.max(1, operands.length));
  const operand = operands[at];
  if (kind === 0 && (operand?.kind === "reg" || operand?.kind === "mem"))
    operands[at] = { ...operand, mask: { opmask: anyMask(random), zeroing: random.chance(0.5) } };
  else if (kind === 1 && operand?.kind === "mem")
    operands[at] = { ...operand, broadcast: random.pick([2, 4, 8, 16, 32]) };
  else if (kind === 2) return { mode: random.pick([...MODES, "sae"]), after: afterVectors(operands) };
  return rounding;
}
