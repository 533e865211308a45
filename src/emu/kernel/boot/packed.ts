/**
 * Images as text: how a build carries the kernel and vDSO images that it has assembled. The big tables are texts of their own and
 * are only read when someone asks for them: a run without a debugger needs neither lines nor the symbol table.
 */
import type { Image, ImageSymbol } from "../../../asmlang/types.ts";

/** What the kernel needs of a linked image. */
export type LinkedImage = Pick<Image, "segments" | "symbols" | "symbolTable" | "lines" | "entry" | "bits">;
type Line = LinkedImage["lines"][number];

/** Texts: segments and symbols, lines, symbol table. */
export type PackedImage = readonly [core: string, lines: string, symbolTable: string];

interface Core {
  readonly segments: readonly (Omit<Image["segments"][number], "address" | "bytes"> & {
    readonly address: string;
    readonly bytes: string;
  })[];
  readonly symbols: readonly (readonly [string, string])[];
  readonly entry: string;
  readonly bits: Image["bits"];
}

const number = (value: bigint): string => value.toString(36);
/** Base 36, sign included, of any size. */
function bigintOf(text: string): bigint {
  if (text.startsWith("-")) return -bigintOf(text.slice(1));
  // Ten digits stay below 2^53.
  let value = 0n;
  for (let i = 0; i < text.length; i += 10) {
    const part = text.slice(i, i + 10);
    value = value * BigInt(36 ** part.length) + BigInt(Number.parseInt(part, 36));
  }
  return value;
}

export const packBytes = (bytes: Uint8Array): string =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
export const unpackBytes = (text: string): Uint8Array => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

export function packImage(image: LinkedImage): PackedImage {
  const core: Core = {
    segments: image.segments.map((s) => ({ ...s, address: number(s.address), bytes: packBytes(s.bytes) })),
    symbols: [...image.symbols].map(([name, value]) => [name, number(value)] as const),
    entry: number(image.entry),
    bits: image.bits,
  };
  return [JSON.stringify(core), packLines(image.lines), packSymbolTable(image.symbolTable ?? [])];
}

export function unpackImage([core, lines, symbolTable]: PackedImage): LinkedImage {
  const { segments, symbols, entry, bits } = JSON.parse(core) as Core;
  const rows = later(() => unpackLines(lines));
  const table = later(() => unpackSymbolTable(symbolTable));
  return {
    segments: segments.map((s) => ({ ...s, address: bigintOf(s.address), bytes: unpackBytes(s.bytes) })),
    symbols: new Map(symbols.map(([name, value]) => [name, bigintOf(value)])),
    entry: bigintOf(entry),
    bits,
    get lines() {
      return rows();
    },
    get symbolTable() {
      return table();
    },
  };
}

/** Made when first asked for. */
export function later<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/**
 * Rows as flat numbers (file, line, mode or 0, distance from the row before), so that they cost little to read; lines of macros' bodies
 * by the number of their row, as file and line.
 */
export function packLines(lines: readonly Line[]): string {
  const uris = [...new Set(lines.flatMap(({ uri, bodies = [] }) => [uri, ...bodies.map((body) => body.uri)]))];
  const base = lines[0]?.address ?? 0n;
  let at = base;
  const rows = lines.flatMap(({ address, uri, line, bits }) => {
    const step = Number(address - at);
    at = address;
    return [uris.indexOf(uri), line, bits ?? 0, step];
  });
  const bodies = lines.flatMap((row, i) => (row.bodies ?? []).flatMap(({ uri, line }) => [i, uris.indexOf(uri), line]));
  return JSON.stringify({ uris, base: number(base), rows, bodies });
}

export function unpackLines(text: string): Line[] {
  const { uris, base, rows, bodies } = JSON.parse(text) as {
    uris: string[];
    base: string;
    rows: number[];
    bodies: number[];
  };
  const lines: Line[] = [];
  let address = bigintOf(base);
  for (let i = 0; i < rows.length; i += 4) {
    address += BigInt(rows[i + 3]!);
    const bits = rows[i + 2] === 0 ? undefined : (rows[i + 2] as Image["bits"]);
    lines.push({ address, uri: uris[rows[i]!]!, line: rows[i + 1]!, bits });
  }
  for (let i = 0; i < bodies.length; i += 3) {
    const row = lines[bodies[i]!]!;
    const body = { uri: uris[bodies[i + 1]!]!, line: bodies[i + 2]! };
    lines[bodies[i]!] = { ...row, bodies: [...(row.bodies ?? []), body] };
  }
  return lines;
}

const packSymbolTable = (table: readonly ImageSymbol[]): string =>
  JSON.stringify(table.map((s) => ({ ...s, address: number(s.address), size: number(s.size) })));
const unpackSymbolTable = (text: string): ImageSymbol[] =>
  (JSON.parse(text) as (ImageSymbol & { address: never; size: never })[]).map((s) => ({
    ...s,
    address: bigintOf(s.address),
    size: bigintOf(s.size),
  }));
