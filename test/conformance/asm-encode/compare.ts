/** Our bytes of a line against the tool's, and the tally. */
import { type Encoding, encode } from "../../../src/asmlang/encode/index.ts";
import type { Line } from "./line.ts";
import type { ToolAnswer } from "./tools.ts";

export type Verdict = "same" | "both-reject" | "different" | "we-reject" | "we-accept" | "tool-lacks";

export interface Outcome {
  readonly line: Line;
  readonly verdict: Verdict;
  readonly ours: string;
  readonly theirs: string;
}

/** GNU as lists the addend of a relocation in the field in 32-bit objects, which have nowhere else for it. */
const addendInField = (line: Line): boolean => line.syntax !== "nasm" && line.request.bits !== 64;

/** Branches to the instruction itself are resolved, other fields stay zero, as the tools list them. */
function resolved(line: Line, encoding: Encoding): string {
  const bytes = Uint8Array.from(encoding.bytes);
  for (const { offset, size, addend, kind, operand } of encoding.fixups) {
    const target = line.request.operands[operand];
    if (kind !== "pcrel" || target?.kind !== "target") continue;
    const itself = target.value.known !== undefined;
    if (!itself && !addendInField(line)) continue;
    const value = BigInt(itself ? addend - offset : addend);
    for (let i = 0; i < size; i++) bytes[offset + i] = Number((BigInt.asUintN(64, value) >> BigInt(8 * i)) & 255n);
  }
  return Buffer.from(bytes).toString("hex");
}

const isSymbolicTarget = (line: Line): boolean =>
  line.request.operands.some((operand) => operand.kind === "target" && operand.value.known === undefined);

/** The tool does not know the mnemonic at all: an instruction of odd processors, or newer than the tool. */
const UNKNOWN = /no such instruction|instruction expected|taken for a label|label alone/;

export function compareLine(line: Line, answer: ToolAnswer): Outcome {
  const result = encode(line.request);
  const chosen = result.ok ? (isSymbolicTarget(line) ? (result.long ?? result.best) : result.best) : undefined;
  const ours = result.ok ? resolved(line, chosen!) : `error: ${result.message}`;
  const theirs = answer.hex ?? answer.message ?? "";
  if (answer.hex === undefined) {
    const accepted = UNKNOWN.test(theirs) ? "tool-lacks" : "we-accept";
    return { line, ours, theirs, verdict: result.ok ? accepted : "both-reject" };
  }
  if (!result.ok) return { line, ours, theirs, verdict: "we-reject" };
  return { line, ours, theirs, verdict: ours === answer.hex ? "same" : "different" };
}
