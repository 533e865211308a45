/**
 * Assembling needs included files at once, and files come by asking a client. So: assemble, collect what was missing, fetch it,
 * assemble again, until nothing new is missing.
 */
import type { AssembleOptions, AssembleResult, SourceText } from "../../asmlang/types.ts";
import { type LoadedProgram, loadProgram } from "../../emu/kernel/program.ts";
import type { FileSystem } from "./files.ts";

/** Rounds of fetching: a chain of includes deeper than this is taken for a loop. */
const MOST_ROUNDS = 64;

export const loadProgramFrom = (
  files: FileSystem,
  uri: string,
  bytes: Uint8Array,
  options: AssembleOptions,
): Promise<LoadedProgram> => withIncludes(files, (include) => loadProgram({ uri, bytes }, { ...options, ...include }));

export const assembleWithIncludes = (
  files: FileSystem,
  source: SourceText,
  options: AssembleOptions,
  assemble: (source: SourceText, options: AssembleOptions) => AssembleResult,
): Promise<AssembleResult> => withIncludes(files, (include) => assemble(source, { ...options, ...include }));

type IncludeOptions = Required<Pick<AssembleOptions, "include" | "includeBytes">>;

export async function withIncludes<T>(files: FileSystem, attempt: (include: IncludeOptions) => T): Promise<T> {
  const known = new Map<string, Uint8Array | undefined>();
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
