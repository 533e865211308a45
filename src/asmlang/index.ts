/** The assembler: source text to sections, symbols, lines and diagnostics; and from there to images and files. */
import { onlyDiagnostics } from "./core/diagnostics.ts";
import { dialectOf, looksLike } from "./dialect.ts";
import { assembleGas } from "./gas/assembler.ts";
import { assembleNasm } from "./nasm/assembler.ts";
import type { AssembleOptions, AssembleResult, Diagnostic, Dialect, SourceText } from "./types.ts";

export { dialectOf } from "./dialect.ts";
export { writeElfExecutable } from "./image/elf-executable.ts";
export { writeElfObject } from "./image/elf-object.ts";
export { writeFlatBinary } from "./image/flat.ts";
export { constantsOf, type LinkOptions, link } from "./image/link.ts";
export { writeListing } from "./image/listing.ts";

const MAX_SOURCE = 16 * 1024 * 1024;
const MAX_LINES = 2_000_000;

/** Never throws: whatever the source is, the result says what is wrong with it. */
export function assemble(source: SourceText, options: AssembleOptions): AssembleResult {
  const dialect = dialectOf(source, options.dialect);
  if (source.text.length > MAX_SOURCE)
    return failed(dialect, options, source, `the source is larger than ${MAX_SOURCE} characters`);
  if (linesOf(source.text) > MAX_LINES)
    return failed(dialect, options, source, `the source has more than ${MAX_LINES} lines`);
  try {
    const result = dialect === "gas" ? assembleGas(source, options) : assembleNasm(source, options);
    return withDialectHint(result, source);
  } catch (error) {
    const message =
      error instanceof RangeError
        ? "the source is nested too deeply"
        : `internal error of the assembler: ${String(error)}`;
    return failed(dialect, options, source, message);
  }
}

/** Ends of lines, roughly: those that count as one end may count twice. */
function linesOf(text: string): number {
  let lines = 0;
  for (const end of ["\n", "\r"]) for (let at = text.indexOf(end); at >= 0; at = text.indexOf(end, at + 1)) lines++;
  return lines;
}

function failed(dialect: Dialect, options: AssembleOptions, source: SourceText, message: string): AssembleResult {
  const range = { uri: source.uri, line: 0, column: 0, endLine: 0, endColumn: 1 };
  return onlyDiagnostics(dialect, options.bits ?? 64, [{ severity: "error", message, range }]);
}

const NAMES = { gas: "GNU assembler", nasm: "NASM" } as const;

/** A file full of errors that reads like the other dialect: say so first. */
function withDialectHint(result: AssembleResult, source: SourceText): AssembleResult {
  if (!result.diagnostics.some((one) => one.severity === "error")) return result;
  const seems = looksLike(source.text);
  if (seems === undefined || seems === result.dialect) return result;
  const hint: Diagnostic = {
    severity: "error",
    message: `this file looks like ${NAMES[seems]} source, but it is read as ${NAMES[result.dialect]} source: choose the dialect '${seems}', or say so in its first line`,
    range: { uri: source.uri, line: 0, column: 0, endLine: 0, endColumn: Math.max(1, source.text.search(/[\r\n]|$/)) },
  };
  return { ...result, diagnostics: [hint, ...result.diagnostics] };
}
