/** NASM's decorators: masks and broadcasts after an operand, rounding as an item of the operand list. */
import { Register } from "../../emu/cpu/iced.ts";
import { SourceError } from "../core/diagnostics.ts";
import type { PlacedOperand } from "../core/instruction.ts";
import type { AsmOperand, Mask, Rounding } from "../encode/types.ts";
import type { TokenCursor } from "./expressions.ts";
import { registerNamed } from "./operands.ts";

/** The text between the braces that open here, and the number of tokens; undefined: there is no closing one. */
function inBraces(cursor: TokenCursor): { text: string; length: number } | undefined {
  if (!cursor.is("{")) return undefined;
  let text = "";
  for (let length = 1; ; length++) {
    const token = cursor.peek(length);
    if (token === undefined) return undefined;
    if (token.text === "}") return { text: text.toLowerCase(), length: length + 1 };
    text += token.text;
  }
}

export function readRounding(cursor: TokenCursor): Rounding["mode"] | undefined {
  const found = inBraces(cursor);
  if (found === undefined || !/^(r[nduz]-)?sae$/.test(found.text)) return undefined;
  cursor.at += found.length;
  return found.text as Rounding["mode"];
}

function masked(operand: AsmOperand, change: Partial<Mask>): AsmOperand | undefined {
  if (operand.kind !== "reg" && operand.kind !== "mem") return undefined;
  const { opmask = 0, zeroing = false } = operand.mask ?? {};
  return change.opmask !== undefined && opmask !== 0 ? undefined : { ...operand, mask: { opmask, zeroing, ...change } };
}

function decorated(operand: AsmOperand, text: string): AsmOperand | string {
  if (text === "z") return masked(operand, { zeroing: true }) ?? "zeroing does not belong here";
  const elements = /^1to(2|4|8|16|32)$/.exec(text)?.[1];
  if (elements !== undefined) {
    return operand.kind === "mem"
      ? { ...operand, broadcast: Number(elements) }
      : "only a memory operand can be broadcast";
  }
  const register = registerNamed(text);
  if (register === undefined || register <= Register.K0 || register > Register.K7)
    return `{${text}} is no decorator of an operand`;
  return masked(operand, { opmask: register }) ?? "there is a mask already";
}

/** The operand with the decorators that follow it. */
export function decorate(cursor: TokenCursor, { operand, span }: PlacedOperand): PlacedOperand {
  if (!cursor.is("{")) return { operand, span };
  const start = cursor.at;
  let result = operand;
  while (cursor.is("{")) {
    const found = inBraces(cursor);
    const next = found === undefined ? "expected a decorator and '}'" : decorated(result, found.text);
    if (typeof next === "string") throw new SourceError(cursor.here(), next);
    result = next;
    cursor.at += found!.length;
  }
  return { operand: result, span: { ...span, end: cursor.spanFrom(start).end } };
}
