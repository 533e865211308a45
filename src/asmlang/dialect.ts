/** Which dialect a source is written in, and whether its text looks like the other one. */
import type { AssembleOptions, Dialect, SourceText } from "./types.ts";

/** A first line may say it: `; dialect: nasm`, `# -*- gas -*-`. */
const HINT = /^\s*(?:;|#|\/\/|\/\*)\s*(?:-\*-\s*)?(?:mode:\s*|dialect:\s*|syntax:\s*)?(nasm|gas|gnu)\b/i;

export function dialectOf(source: SourceText, asked: AssembleOptions["dialect"]): Dialect {
  if (asked !== "auto") return asked;
  const hint = HINT.exec(source.text.slice(0, 200).split("\n", 1)[0]!)?.[1]?.toLowerCase();
  if (hint) return hint === "nasm" ? "nasm" : "gas";
  if (/\.s$/i.test(source.uri)) return "gas";
  if (/\.(asm|nasm|inc)$/i.test(source.uri)) return "nasm";
  return looksLike(source.text) ?? "nasm";
}

const GAS_SIGNS =
  /^\s*\.(globl|global|text|data|section|code(16|32|64)|intel_syntax|att_syntax|macro|long|quad|ascii|asciz|byte|set|p2align)\b|%[re]?(ax|bx|cx|dx|si|di|sp|bp)\b|\$0x[\da-f]+\s*,/i;
const NASM_SIGNS =
  /^\s*(section\s+\.|segment\s|global\s|extern\s|bits\s+\d|use(16|32|64)\b|default\s+rel|org\s|%(define|macro|include|if|assign)\b)|^\s*[\w.$?@]*:?\s+(d[bwdq]|res[bwdq]|equ|times)\s/i;

/** The dialect that the text itself speaks, by counting lines that only one of them would have. */
export function looksLike(text: string): Dialect | undefined {
  let gas = 0;
  let nasm = 0;
  for (const line of text.slice(0, 100_000).split("\n")) {
    if (GAS_SIGNS.test(line)) gas++;
    if (NASM_SIGNS.test(line)) nasm++;
  }
  if (gas === nasm) return undefined;
  return gas > 2 * nasm ? "gas" : nasm > 2 * gas ? "nasm" : undefined;
}
