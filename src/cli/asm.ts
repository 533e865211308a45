/** `ringside asm`: assemble to a file. */
import { assemble, link, writeElfExecutable, writeElfObject, writeFlatBinary, writeListing } from "../asmlang/index.ts";
import type { AssembleResult, Diagnostic } from "../asmlang/types.ts";
import { diagnosticLines, includeBytes, includeText, readFile, uriOf, writeFile } from "./files.ts";
import { bitsOption, choice, dialectOption, pairs, parse, text, texts as textsOf } from "./options.ts";
import { UsageError } from "./usage.ts";

const FORMATS = ["elf", "object", "bin", "listing"] as const;
type Format = (typeof FORMATS)[number];

export function asm(args: readonly string[]): number {
  const parsed = parse(args, {
    output: { type: "string", short: "o" },
    format: { type: "string" },
    bits: { type: "string" },
    dialect: { type: "string" },
    include: { type: "string", short: "I", multiple: true },
    define: { type: "string", short: "D", multiple: true },
  });
  const [name, ...rest] = parsed.positionals;
  const output = text(parsed, "output");
  if (name === undefined || rest.length > 0) throw new UsageError("asm takes one PROGRAM");
  if (output === undefined) throw new UsageError("asm needs -o OUT");
  const format = choice(parsed, "format", FORMATS, "elf");
  const dirs = textsOf(parsed, "include");
  const source = { uri: uriOf(name), text: new TextDecoder().decode(readFile(name)) };
  const texts = new Map([[source.uri, source.text]]);
  const include = includeText(dirs);
  const result = assemble(source, {
    dialect: dialectOption(parsed),
    bits: bitsOption(parsed),
    output: format === "bin" ? "flat" : format === "object" ? "object" : undefined,
    defines: pairs(parsed, "define"),
    include: (name, from) => {
      const found = include(name, from);
      if (found !== undefined) texts.set(found.uri, found.text);
      return found;
    },
    includeBytes: includeBytes(dirs),
  });
  if (report(result.diagnostics)) return 1;
  const made = produce(format, result, texts);
  if (report(made.diagnostics)) return 1;
  writeFile(output, made.bytes, format === "elf" ? 0o755 : 0o644);
  return 0;
}

function produce(
  format: Format,
  result: AssembleResult,
  texts: ReadonlyMap<string, string>,
): { bytes: Uint8Array | string; diagnostics: readonly Diagnostic[] } {
  if (format === "object") return { bytes: writeElfObject(result, undefined, { debug: true }), diagnostics: [] };
  if (format === "listing") return { bytes: writeListing(result, texts), diagnostics: [] };
  if (format === "bin") return writeFlatBinary(result);
  const image = link([result]);
  return { bytes: writeElfExecutable(image, { debug: true }), diagnostics: image.diagnostics };
}

/** Prints diagnostics; true if there is an error among them. */
export function report(diagnostics: readonly Diagnostic[]): boolean {
  for (const diagnostic of diagnostics) process.stderr.write(`${diagnosticLines(diagnostic).join("\n")}\n`);
  return diagnostics.some(({ severity }) => severity === "error");
}
