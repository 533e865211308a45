/** GNU pseudo-prefixes in braces ({load}, {disp32}, {rex}, {vex}): they choose among encodings of the same statement. */
import { lookUp } from "../core/look-up.ts";
import type { Pattern } from "./patterns.ts";
import type { AsmOperand, EncodeRequest } from "./types.ts";

const DISPLACEMENTS: Readonly<Record<string, 8 | 16 | 32>> = { disp8: 8, disp16: 16, disp32: 32 };
const DIRECTIONS = new Set(["load", "store", "swap"]);
const ENCODINGS = ["rex", "vex", "vex2", "vex3", "evex"];
const KNOWN = {
  nasm: new Set(ENCODINGS),
  gas: new Set([...Object.keys(DISPLACEMENTS), "load", "store", "nooptimize", ...ENCODINGS]),
};

/** The text is the error. */
export function checkHints({ hints, dialect }: EncodeRequest): string | undefined {
  const unknown = hints.find((hint) => !KNOWN[dialect].has(hint));
  return unknown === undefined ? undefined : `{${unknown}} is not supported`;
}

function withDisplacement(operand: AsmOperand, size: 8 | 16 | 32): AsmOperand {
  return operand.kind === "mem" && operand.displacementSize === undefined
    ? { ...operand, displacementSize: size }
    : operand;
}

const SUFFIXES: Readonly<Record<string, string>> = { s: "swap", d8: "disp8", d32: "disp32" };

/** GNU as's older spelling of hints: `mov.s`, `mov.d8`, `mov.d32`. */
export function suffixHints(request: EncodeRequest): EncodeRequest {
  const { mnemonic, hints, dialect } = request;
  const dot = dialect === "gas" ? mnemonic.lastIndexOf(".") : -1;
  const hint = dot > 0 ? lookUp(SUFFIXES, mnemonic.slice(dot + 1)) : undefined;
  return hint === undefined ? request : { ...request, mnemonic: mnemonic.slice(0, dot), hints: [...hints, hint] };
}

/** The request as the hints change it. */
export function applyHints(request: EncodeRequest): EncodeRequest {
  let { operands, prefixes } = request;
  for (const hint of request.hints) {
    const size = DISPLACEMENTS[hint];
    if (size !== undefined) operands = operands.map((operand) => withDisplacement(operand, size));
    if (hint === "rex") prefixes = [...prefixes, "rex"];
  }
  return { ...request, operands, prefixes };
}

/** Both a register in ModRM.reg and an operand in ModRM.rm, so that there may be a twin the other way round. */
const hasDirection = ({ form }: Pattern): boolean => {
  const [first, second] = form.slots;
  const placed = first?.place === "reg" || first?.place === "rm";
  return placed && second?.place !== "imm" && second?.place !== "implied" && form.encoding !== "xop";
};

/** XOP's rotations and shifts with W1, arithmetic to any x87 register: the other way round without ModRM.reg. */
const isTwin = ({ form, arity, from }: Pattern): boolean =>
  form.encoding === "xop"
    ? form.vex!.w === 1 && arity === 3
    : arity === 2 && from.length === 2 && form.slots[0]!.reg === "st" && form.slots[1]!.only !== 0;

/** Where the first operand as written goes: of two that play the same part (TEST, XCHG) either may be the destination. */
const firstPlace = ({ form, from }: Pattern) => form.slots[from.indexOf(0)]?.place;

/** {load}: the destination is in ModRM.reg; {store}: the source is, and XCHG with the accumulator has a ModRM too. */
export function byDirection(patterns: readonly Pattern[], hints: readonly string[]): readonly Pattern[] {
  const hint = hints.find((one) => DIRECTIONS.has(one));
  if (hint === "store" && patterns.some(isTwin)) return patterns.filter(isTwin);
  const turned = patterns[0]?.form.mnemonic === "xchg" && patterns[0].swapped && hint !== "load";
  const usual = turned ? patterns.find(hasDirection) : patterns[0];
  if (hint === undefined || usual === undefined || !hasDirection(usual)) return patterns;
  const place = hint === "load" || (hint === "swap" && firstPlace(usual) === "rm") ? "reg" : "rm";
  const meant = patterns.filter((pattern) => hasDirection(pattern) && firstPlace(pattern) === place);
  return meant.length === 0 ? patterns : meant;
}
