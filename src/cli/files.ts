/** The host's files, for the commands only: the core never sees a path. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Diagnostic, SourceText } from "../asmlang/types.ts";
import { UsageError } from "./usage.ts";

/** @throws UsageError with one line when the file cannot be read. */
export function readFile(name: string): Uint8Array {
  try {
    return readFileSync(name);
  } catch (error) {
    throw new UsageError(`cannot read ${name}: ${reason(error)}`);
  }
}

/** All of standard input, for the guest; nothing if it is a terminal or closed. */
export function readStdin(): Uint8Array {
  try {
    return process.stdin.isTTY ? new Uint8Array() : readFileSync(0);
  } catch {
    return new Uint8Array();
  }
}

export function writeFile(name: string, bytes: Uint8Array | string, mode = 0o644): void {
  try {
    writeFileSync(name, bytes, { mode });
  } catch (error) {
    throw new UsageError(`cannot write ${name}: ${reason(error)}`);
  }
}

export function reason(error: unknown): string {
  const { code } = error as { code?: string };
  const words: Record<string, string> = {
    ENOENT: "no such file",
    EISDIR: "it is a directory",
    EACCES: "permission denied",
    ENOTDIR: "not a directory",
  };
  return words[code ?? ""] ?? (error as Error).message;
}

export const uriOf = (name: string): string => pathToFileURL(name).href;
export const pathOf = (uri: string): string => (uri.startsWith("file:") ? fileURLToPath(uri) : uri);

/** No source may need more of one file. */
const MOST_BYTES = 256 * 2 ** 20;

/** What a source may name: devices and pipes may never end, and are nobody's text. */
export const isReadable = (found: { isFile(): boolean; size: number }): boolean =>
  found.isFile() && found.size <= MOST_BYTES;

/** Included files: next to the including file, then in `dirs`. */
export function includeBytes(dirs: readonly string[]): (name: string, from: string) => Uint8Array | undefined {
  return (name, from) => {
    for (const dir of [path.dirname(pathOf(from)), ...dirs]) {
      const place = path.resolve(dir, name);
      try {
        if (isReadable(statSync(place))) return readFileSync(place);
      } catch {
        // the next place
      }
    }
    return undefined;
  };
}

export function includeText(dirs: readonly string[]): (name: string, from: string) => SourceText | undefined {
  const bytes = includeBytes(dirs);
  return (name, from) => {
    const found = bytes(name, from);
    const uri = uriOf(path.resolve(path.dirname(pathOf(from)), name));
    return found === undefined ? undefined : { uri, text: new TextDecoder().decode(found) };
  };
}

/** FILE:LINE:COL: error|warning: TEXT, one-based; related places follow as notes. */
export function diagnosticLines({ severity, message, range, related }: Diagnostic): string[] {
  const at = (r: Diagnostic["range"]) => {
    const name = pathOf(r.uri);
    const relative = path.relative(process.cwd(), name);
    return `${relative.startsWith("..") ? name : relative}:${r.line + 1}:${r.column + 1}`;
  };
  return [`${at(range)}: ${severity}: ${message}`, ...(related ?? []).map((r) => `${at(r.range)}: note: ${r.message}`)];
}
