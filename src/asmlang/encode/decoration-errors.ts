/** What is wrong with a statement that would fit but for its decorations and hints. */
import { Register } from "../../emu/cpu/iced.ts";
import { broadcastCount, decorationMisfit, type Misfit, maskOf } from "./evex.ts";
import type { Form } from "./forms.ts";
import { candidates, type Query } from "./match.ts";
import type { AsmOperand, EncodeRequest } from "./types.ts";

function undecorated(operand: AsmOperand): AsmOperand {
  if (operand.kind === "reg") return { kind: "reg", reg: operand.reg };
  if (operand.kind !== "mem") return operand;
  const { mask, broadcast, ...plain } = operand;
  return broadcast === undefined ? plain : { ...plain, size: 0 };
}

function withMask([first, ...others]: readonly AsmOperand[]): readonly AsmOperand[] {
  const mask = { opmask: Register.K1, zeroing: false };
  return first?.kind === "reg" || first?.kind === "mem" ? [{ ...first, mask }, ...others] : [];
}

function roundings({ evex }: Form): string {
  if (evex?.rounding) return "{rn-sae}, {rd-sae}, {ru-sae} or {rz-sae}, between registers";
  return evex?.sae ? "{sae}, between registers" : "no rounding";
}

function text(misfit: Misfit, form: Form, name: string): string {
  const count = broadcastCount(form);
  switch (misfit) {
    case "mask":
      return form.evex!.mask
        ? `the write mask of "${name}" belongs to its destination`
        : `"${name}" takes no write mask`;
    case "zeroing":
      return form.evex!.zeroing ? "a destination in memory cannot be zeroed" : `"${name}" takes no {z}`;
    case "unmasked":
      return `"${name}" needs a write mask, k1 to k7`;
    case "broadcast":
      return count === 0 ? `"${name}" takes no broadcast` : `"${name}" takes {1to${count}} here`;
    case "rounding":
      return `"${name}" takes ${roundings(form)}`;
    case "placement":
      return "rounding stands after the last vector register";
  }
}

function guilty(misfit: Misfit, operands: readonly AsmOperand[]): number {
  if (misfit === "broadcast") return operands.findIndex(({ kind }) => kind === "mem");
  return misfit === "mask" ? operands.findLastIndex((operand) => maskOf(operand) !== undefined) : -1;
}

/** undefined: the operands themselves do not fit. */
export function decorationError(
  request: EncodeRequest,
  queries: readonly Query[],
): { readonly message: string; readonly operand: number } | undefined {
  const { mnemonic, dialect, operands, rounding, hints } = request;
  const shape = { dialect, bits: request.bits, operands: operands.map(undecorated), hints: [] };
  const fitting = queries.flatMap((query) => candidates(query, shape).patterns);
  const masked = queries.flatMap(
    (query) => candidates(query, { ...shape, operands: withMask(shape.operands) }).patterns,
  );
  if (fitting.length === 0 && masked.length > 0)
    return { message: `"${mnemonic}" needs a write mask, k1 to k7`, operand: 0 };
  const withVex = queries.flatMap((query) => candidates(query, { ...shape, hints: ["vex"] }).patterns);
  if (fitting.length === 0 && withVex.length > 0)
    return { message: `"${mnemonic}" is encoded only where {vex} is written in front of it`, operand: -1 };
  const form = fitting.find((pattern) => pattern.form.evex !== undefined)?.form;
  const misfit = form && decorationMisfit(form, operands, rounding, dialect === "gas");
  if (misfit !== undefined) return { message: text(misfit, form!, mnemonic), operand: guilty(misfit, operands) };
  const hint = hints.find((one) => /^e?vex/.test(one));
  return fitting.length > 0 && hint !== undefined
    ? { message: `"${mnemonic}" with these operands cannot be encoded with {${hint}}`, operand: -1 }
    : undefined;
}
