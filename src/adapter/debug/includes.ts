/**
 * Assembling needs included files at once, and files come by asking a client. So: assemble, collect what was missing, fetch it,
 * assemble again, until nothing new is missing.
 */
import type { AssembleOptions, SourceText } from "../../asmlang/types.ts";
import { type LoadedProgram, loadProgram } from "../../emu/kernel/program.ts";
import type { FileSystem } from "./files.ts";

/** Rounds of fetching: a chain of includes deeper than this is taken for a loop. */
const MOST_ROUNDS = 64;

export async function loadProgramFrom(
  files: FileSystem,
  uri: string,
  bytes: Uint8Array,
  options: AssembleOptions,
): Promise<LoadedProgram> {
  const known = new Map<string, Uint8Array | undefined>();
  for (let round = 0; ; round++) {
    const missing = new Set<string>();
    const find = (name: string, from: string): { uri: string; bytes: Uint8Array } | undefined => {
      const target = resolveUri(from, name);
      if (!known.has(target)) missing.add(target);
      const found = known.get(target);
      return found === undefined ? undefined : { uri: target, bytes: found };
    };
    const include = (name: string, from: string): SourceText | undefined => {
      const found = find(name, from);
      return found && { uri: found.uri, text: new TextDecoder().decode(found.bytes) };
    };
    const loaded = loadProgram(
      { uri, bytes },
      { ...options, include, includeBytes: (name, from) => find(name, from)?.bytes },
    );
    if (missing.size === 0 || round === MOST_ROUNDS) return loaded;
    for (const each of missing) known.set(each, await files.read(each));
  }
}

/** `name` beside the file `from`; both may hold any URI scheme. */
export function resolveUri(from: string, name: string): string {
  if (/^[a-z][\w+.-]+:/i.test(name)) return name;
  const match = /^([a-z][\w+.-]*:(?:\/\/[^/]*)?)?(.*)$/i.exec(from)!;
  const prefix = match[1] ?? "";
  const base = name.startsWith("/") ? [] : match[2]!.split("/").slice(0, -1);
  const parts: string[] = [];
  for (const part of [...base, ...name.split("/")]) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return `${prefix}/${parts.join("/")}`;
}
