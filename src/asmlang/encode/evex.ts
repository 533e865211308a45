/** EVEX: which decorations (masks, broadcasts, rounding) a form takes, and its prefix. */
import type { Form } from "./forms.ts";
import { regInfo } from "./registers.ts";
import type { AsmOperand, Mask, Rounding } from "./types.ts";

type Memory = Extract<AsmOperand, { kind: "mem" }>;

export const maskOf = (operand: AsmOperand): Mask | undefined =>
  operand.kind === "reg" || operand.kind === "mem" ? operand.mask : undefined;

const isHigh = (register: number): boolean => (regInfo(register)?.number ?? 0) > 15;

/** Registers 16 to 31. */
export const namesHighRegister = (operand: AsmOperand): boolean =>
  operand.kind === "reg" ? isHigh(operand.reg) : operand.kind === "mem" && operand.index !== 0 && isHigh(operand.index);

/** Elements of the form's broadcast. */
export const broadcastCount = (form: Form): number =>
  form.evex === undefined || form.evex.element === 0 ? 0 : form.evex.unit / form.evex.element;

/** Does only EVEX have what this operand asks for? */
export function needsEvex(operand: AsmOperand): boolean {
  if (namesHighRegister(operand) || maskOf(operand) !== undefined) return true;
  return operand.kind === "mem" && operand.broadcast !== undefined;
}

/** What about the decoration a form does not take; undefined: it takes it. */
export type Misfit = "mask" | "zeroing" | "unmasked" | "broadcast" | "rounding" | "placement";

function maskMisfit(form: Form, operands: readonly AsmOperand[], gas: boolean): Misfit | undefined {
  const evex = form.evex!;
  const at = operands.findIndex((operand) => maskOf(operand) !== undefined);
  if (at < 0) return evex.masked && gas ? "unmasked" : undefined;
  const mask = maskOf(operands[at]!)!;
  if (at !== 0 || operands.findLastIndex((operand) => maskOf(operand) !== undefined) !== 0 || !evex.mask) return "mask";
  if (mask.zeroing && (!evex.zeroing || operands[0]!.kind === "mem")) return "zeroing";
  return undefined;
}

function roundingMisfit(form: Form, operands: readonly AsmOperand[], rounding: Rounding): Misfit | undefined {
  const { sae, rounding: full } = form.evex!;
  const taken = rounding.mode === "sae" ? sae : full;
  return taken && operands.every(({ kind }) => kind !== "mem") ? undefined : "rounding";
}

/** Rounding stands after the last vector register; GNU as lets a general register come before or after it. */
function misplaced(operands: readonly AsmOperand[], after: number, gas: boolean): boolean {
  const general = (operand: AsmOperand): boolean =>
    operand.kind === "reg" && /^r\d/.test(regInfo(operand.reg)?.class ?? "");
  const vectors = operands.findLastIndex((operand) => operand.kind === "reg" && !general(operand)) + 1;
  const registers = operands.findLastIndex((operand) => operand.kind === "reg") + 1;
  return after !== vectors && !(gas && after === registers);
}

/** Does a form with EVEX take what the operands are decorated with? */
export function decorationMisfit(
  form: Form,
  operands: readonly AsmOperand[],
  rounding: Rounding | undefined,
  gas: boolean,
): Misfit | undefined {
  if (form.evex === undefined) return undefined;
  const memory = operands.find((operand): operand is Memory => operand.kind === "mem");
  if (typeof memory?.broadcast === "number" && memory.broadcast !== broadcastCount(form)) return "broadcast";
  if (memory?.broadcast === "bcst" && (form.evex.element === 0 || memory.size !== form.evex.element))
    return "broadcast";
  const masked = maskMisfit(form, operands, gas);
  if (masked !== undefined || rounding === undefined) return masked;
  return (
    roundingMisfit(form, operands, rounding) ?? (misplaced(operands, rounding.after, gas) ? "placement" : undefined)
  );
}

const ROUNDINGS: Readonly<Record<Rounding["mode"], number>> = {
  "rn-sae": 0,
  "rd-sae": 1,
  "ru-sae": 2,
  "rz-sae": 3,
  sae: 0,
};

/** Register numbers split into bits as the prefix takes them. */
export interface EvexFields {
  /** Bits 3 and 4 of ModRM.reg. */
  readonly reg: number;
  /** EVEX.X and EVEX.B: index and base, or bits 4 and 3 of a register in ModRM.rm. */
  readonly x: number;
  readonly b: number;
  /** VEX.vvvv with its fifth bit, which a vector index may have instead. */
  readonly vvvv: number;
  readonly pp: number;
  readonly mask: Mask | undefined;
  readonly broadcast: boolean;
  readonly rounding: Rounding | undefined;
}

export function evexBytes(form: Form, fields: EvexFields): readonly number[] {
  const { w, l } = form.vex!;
  const { reg, x, b, vvvv, mask, rounding } = fields;
  const length = rounding === undefined ? l : ROUNDINGS[rounding.mode];
  const extra = fields.broadcast || rounding !== undefined ? 1 : 0;
  const opmask = mask === undefined || mask.opmask === 0 ? 0 : regInfo(mask.opmask)!.number;
  return [
    0x62,
    ((~reg & 1) << 7) | ((~x & 1) << 6) | ((~b & 1) << 5) | ((~(reg >> 1) & 1) << 4) | form.map,
    (w << 7) | ((~vvvv & 15) << 3) | 4 | fields.pp,
    (mask?.zeroing ? 0x80 : 0) | (length << 5) | (extra << 4) | ((~(vvvv >> 4) & 1) << 3) | opmask,
  ];
}
