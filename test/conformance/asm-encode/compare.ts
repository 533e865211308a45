/** Our bytes of a line against the tool's. */
import type { Line } from "./line.ts";
import { assembleOurs, type OurAnswer } from "./ours.ts";
import type { ToolAnswer } from "./tools.ts";

export type Verdict = "same" | "both-reject" | "different" | "we-reject" | "we-accept";

export interface Outcome {
  readonly line: Line;
  readonly verdict: Verdict;
  readonly ours: string;
  readonly theirs: string;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Relocated fields become zero. */
function masked(bytes: Uint8Array, fields: OurAnswer["fields"]): string {
  const copy = Uint8Array.from(bytes);
  for (const { offset, size } of fields)
    copy.fill(0, Math.min(offset, copy.length), Math.min(offset + size, copy.length));
  return hexOf(copy);
}

export function compareLine(line: Line, answer: ToolAnswer): Outcome {
  const { bytes, message, fields } = assembleOurs(line);
  const ours = bytes === undefined ? `error: ${message}` : masked(bytes, fields);
  const theirs = answer.hex === undefined ? (answer.message ?? "") : masked(Buffer.from(answer.hex, "hex"), fields);
  if (answer.hex === undefined)
    return { line, ours, theirs, verdict: bytes === undefined ? "both-reject" : "we-accept" };
  if (bytes === undefined) return { line, ours, theirs, verdict: "we-reject" };
  return { line, ours, theirs, verdict: ours === theirs ? "same" : "different" };
}
