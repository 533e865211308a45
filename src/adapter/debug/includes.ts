/**
 * Assembling needs included files at once, and files come by asking a client. So: fetch what the text names, assemble, collect what was
 * missing, fetch it, assemble again, until nothing new is missing.
 */
import type { AssembleOptions, AssembleResult, SourceText } from "../../asmlang/types.ts";
import { isElf, type LoadedProgram, loadProgram } from "../../emu/kernel/program.ts";
import type { FileSystem } from "./files.ts";

/** Rounds of fetching: a chain of includes deeper than this is taken for a loop. */
const MOST_ROUNDS = 64;

export const loadProgramFrom = (
  files: FileSystem,
  uri: string,
  bytes: Uint8Array,
  options: AssembleOptions,
): Promise<LoadedProgram> =>
  withIncludes(files, isElf(bytes) ? undefined : { uri, text: new TextDecoder().decode(bytes) }, (include) =>
    loadProgram({ uri, bytes }, { ...options, ...include }),
  );

export const assembleWithIncludes = (
  files: FileSystem,
  source: SourceText,
  options: AssembleOptions,
  assemble: (source: SourceText, options: AssembleOptions) => AssembleResult,
): Promise<AssembleResult> => withIncludes(files, source, (include) => assemble(source, { ...options, ...include }));

type IncludeOptions = Required<Pick<AssembleOptions, "include" | "includeBytes">>;

type Known = Map<string, Uint8Array | undefined>;

/** @param source where to look for names of files beforehand. */
export async function withIncludes<T>(
  files: FileSystem,
  source: SourceText | undefined,
  attempt: (include: IncludeOptions) => T,
): Promise<T> {
  const known: Known = new Map();
  if (source !== undefined) await readNamed(files, known, source);
  for (let round = 0; ; round++) {
    const missing = new Set<string>();
    const find = (name: string, from: string): { uri: string; bytes: Uint8Array } | undefined => {
      const uri = resolveUri(from, name);
      if (!known.has(uri)) missing.add(uri);
      const bytes = known.get(uri);
      return bytes === undefined ? undefined : { uri, bytes };
    };
    const result = attempt({
      include: (name, from) => {
        const found = find(name, from);
        return found && { uri: found.uri, text: new TextDecoder().decode(found.bytes) };
      },
      includeBytes: (name, from) => find(name, from)?.bytes,
    });
    if (missing.size === 0 || round === MOST_ROUNDS) return result;
    for (const uri of missing) known.set(uri, await files.read(uri));
  }
}

/** A line that most likely includes a file. Another way to write it, or a name that a macro makes, costs a round more, nothing else. */
const INCLUSION = /^[ \t]*(?:([%.]include|#[ \t]*include)|\.?incbin)[ \t]+["'`<]([^"'`>\n]+)/gim;

/** Reads what a source names, and what that names in turn. */
async function readNamed(files: FileSystem, known: Known, { uri, text }: SourceText): Promise<void> {
  const reading = [...text.matchAll(INCLUSION)].map(async ([, isSource, name]) => {
    const named = resolveUri(uri, name!);
    if (known.has(named)) return;
    known.set(named, undefined);
    const bytes = await files.read(named);
    known.set(named, bytes);
    if (bytes === undefined || isSource === undefined) return;
    await readNamed(files, known, { uri: named, text: new TextDecoder().decode(bytes) });
  });
  await Promise.all(reading);
}

/** `name` beside the file `from`; both may hold any URI scheme. */
export function resolveUri(from: string, name: string): string {
  if (/^[a-z][\w+.-]+:/i.test(name)) return name;
  const match = /^([a-z][\w+.-]*:(?:\/\/[^/]*)?)?(.*)$/i.exec(from)!;
  const base = name.startsWith("/") ? [] : match[2]!.split("/").slice(0, -1);
  const parts: string[] = [];
  for (const part of [...base, ...name.split("/")]) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return `${match[1] ?? ""}/${parts.join("/")}`;
}
