/**
 * Files that a document includes: open documents first, then what the client has read for us. The assembler is
 * synchronous, so a file that is not there yet is noted, asked for, and the document assembled again.
 */
import type { SourceText } from "../types.ts";

/** A file's bytes, or undefined if there is no such file. */
export type ReadFile = (uri: string) => Promise<Uint8Array | undefined>;

/** `name` as the file `from` means it: relative to its folder. */
export function resolveUri(name: string, from: string): string | undefined {
  try {
    return new URL(name.replaceAll("\\", "/"), from).toString();
  } catch {
    return undefined;
  }
}

export class FileCache {
  readonly #read: ReadFile;
  readonly #open: (uri: string) => string | undefined;
  readonly #files = new Map<string, Uint8Array | undefined>();
  readonly #wanted = new Set<string>();

  constructor(read: ReadFile, open: (uri: string) => string | undefined) {
    this.#read = read;
    this.#open = open;
  }

  include(name: string, from: string, used: Set<string>): SourceText | undefined {
    const uri = resolveUri(name, from);
    if (!uri) return undefined;
    used.add(uri);
    const text = this.#open(uri);
    if (text !== undefined) return { uri, text };
    const bytes = this.#bytes(uri);
    return bytes && { uri, text: new TextDecoder().decode(bytes) };
  }

  includeBytes(name: string, from: string, used: Set<string>): Uint8Array | undefined {
    const uri = resolveUri(name, from);
    if (!uri) return undefined;
    used.add(uri);
    return this.#bytes(uri);
  }

  #bytes(uri: string): Uint8Array | undefined {
    if (!this.#files.has(uri)) this.#wanted.add(uri);
    return this.#files.get(uri);
  }

  /** Reads what was asked for; true if there was anything. */
  async fetch(): Promise<boolean> {
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    await Promise.all(
      wanted.map(async (uri) => {
        this.#files.set(uri, await this.#read(uri).catch(() => undefined));
      }),
    );
    return wanted.length > 0;
  }

  forget(uri: string): void {
    this.#files.delete(uri);
  }

  /** Files on disk may have changed. */
  clear(): void {
    this.#files.clear();
  }
}
