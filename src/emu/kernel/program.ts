/** From a file's bytes to a loadable program: ELF as it is, source through the assembler, all problems as data. */
import { fileNameOf } from "../../asmlang/core/uri.ts";
import { assemble, link } from "../../asmlang/index.ts";
import type { AssembleOptions, AssembleResult, Diagnostic } from "../../asmlang/types.ts";
import type { Program } from "./types.ts";

export type LoadedProgram =
  | { readonly ok: true; readonly program: Program; readonly warnings: readonly Diagnostic[] }
  /** problem: one line when the file is unusable as a whole; otherwise the diagnostics say it. */
  | { readonly ok: false; readonly problem?: string; readonly diagnostics: readonly Diagnostic[] };

export const isElf = (bytes: Uint8Array): boolean =>
  bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

export const isSourceName = (name: string): boolean => /\.(s|S|asm|nasm|inc)$/.test(name);
/** Text has no NUL; a binary that is no ELF nearly always has one. */
const looksLikeText = (bytes: Uint8Array): boolean => !bytes.subarray(0, 4096).includes(0);

export function loadProgram(file: { uri: string; bytes: Uint8Array }, options: AssembleOptions): LoadedProgram {
  const name = fileNameOf(file.uri);
  if (isElf(file.bytes)) return { ok: true, program: { kind: "elf", name, bytes: file.bytes }, warnings: [] };
  if (file.bytes.length === 0) return problem(`${name} is empty`);
  if (!looksLikeText(file.bytes)) return problem(`${name} is no program: neither an ELF file nor assembly source`);
  if (!isSourceName(name) && options.dialect === "auto") {
    return problem(
      `${name} is no program: not an ELF file, and no source by its name (.s .S .asm .nasm); name the dialect if it is source`,
    );
  }
  const result = assemble({ uri: file.uri, text: new TextDecoder().decode(file.bytes) }, options);
  return linkProgram(name, result);
}

function linkProgram(name: string, result: AssembleResult): LoadedProgram {
  if (hasErrors(result.diagnostics)) return { ok: false, diagnostics: result.diagnostics };
  const image = link([result]);
  const diagnostics = [...result.diagnostics, ...image.diagnostics];
  if (hasErrors(diagnostics)) return { ok: false, diagnostics };
  return { ok: true, program: { kind: "image", name, image }, warnings: diagnostics };
}

const hasErrors = (diagnostics: readonly Diagnostic[]) => diagnostics.some(({ severity }) => severity === "error");
const problem = (text: string): LoadedProgram => ({ ok: false, problem: text, diagnostics: [] });
