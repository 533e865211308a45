/** What the assembler has to say, in one line. */
import { fileNameOf } from "../../asmlang/core/uri.ts";
import type { Diagnostic } from "../../asmlang/types.ts";

/** "hello.asm has 2 errors: 3:5: unknown mnemonic ..." */
export function errorSummary(uri: string, diagnostics: readonly Diagnostic[]): string {
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const first = errors[0]!;
  const count = errors.length === 1 ? "an error" : `${errors.length} errors`;
  return `${fileNameOf(uri)} has ${count}: ${first.range.line + 1}:${first.range.column + 1}: ${first.message}`;
}
