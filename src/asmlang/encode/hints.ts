/** GNU pseudo-prefixes in braces ({load}, {disp32}, {rex}, {vex}): they choose among encodings of the same statement. */
import type { Pattern } from "./patterns.ts";
import type { AsmOperand, EncodeRequest } from "./types.ts";

const DISPLACEMENTS: Readonly<Record<string, 8 | 16 | 32>> = { disp8: 8, disp16: 16, disp32: 32 };
const DIRECTIONS = new Set(["load", "store"]);
const KNOWN = new Set([...Object.keys(DISPLACEMENTS), ...DIRECTIONS, "rex", "vex", "vex2", "vex3"]);

/** The text is the error. */
export function checkHints(hints: readonly string[]): string | undefined {
  const unknown = hints.find((hint) => !KNOWN.has(hint));
  return unknown === undefined ? undefined : `{${unknown}} is not supported`;
}

function withDisplacement(operand: AsmOperand, size: 8 | 16 | 32): AsmOperand {
  return operand.kind === "mem" && operand.displacementSize === undefined
    ? { ...operand, displacementSize: size }
    : operand;
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

/** {load}: the destination is in ModRM.reg; {store}: the source is. */
export function byDirection(patterns: readonly Pattern[], hints: readonly string[]): readonly Pattern[] {
  const hint = hints.find((one) => DIRECTIONS.has(one));
  if (hint === undefined) return patterns;
  const place = hint === "load" ? "reg" : "rm";
  const meant = patterns.filter(({ form }) => form.slots[0]?.place === place);
  return meant.length === 0 ? patterns : meant;
}
