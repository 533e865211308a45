/**
 * Images as text: how a build carries the kernel and vDSO images that it has assembled. The big table of lines is a text of its own and
 * is only read when someone asks for it: a run without a debugger needs none, nor does a debugger's first stop.
 */
import type { Image } from "../../../asmlang/types.ts";
import { later } from "../../cpu/later.ts";

/** What the kernel, and a debugger of it, needs of a linked image. */
export interface LinkedImage extends Pick<Image, "segments" | "symbols" | "lines" | "entry" | "bits"> {
  /** Those of its symbols that are no addresses. */
  readonly constants: ReadonlySet<string>;
}
type Line = LinkedImage["lines"][number];

/** Texts: segments and symbols, lines. */
export type PackedImage = readonly [core: string, lines: string];

interface Core {
  readonly segments: readonly (Omit<Image["segments"][number], "address" | "bytes"> & {
    readonly address: string;
    readonly bytes: string;
  })[];
  readonly symbols: readonly (readonly [string, string])[];
  readonly constants: readonly string[];
  readonly entry: string;
  readonly bits: Image["bits"];
}

export const packBytes = (bytes: Uint8Array): string =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
export function unpackBytes(text: string): Uint8Array {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

export function packImage(image: LinkedImage): PackedImage {
  const core: Core = {
    segments: image.segments.map((s) => ({ ...s, address: String(s.address), bytes: packBytes(s.bytes) })),
    symbols: [...image.symbols].map(([name, value]) => [name, String(value)] as const),
    constants: [...image.constants],
    entry: String(image.entry),
    bits: image.bits,
  };
  return [JSON.stringify(core), packLines(image.lines)];
}

export function unpackImage([core, lines]: PackedImage): LinkedImage {
  const { segments, symbols, constants, entry, bits } = JSON.parse(core) as Core;
  const rows = later(() => unpackLines(lines));
  return {
    segments: segments.map((s) => ({ ...s, address: BigInt(s.address), bytes: unpackBytes(s.bytes) })),
    symbols: new Map(symbols.map(([name, value]) => [name, BigInt(value)])),
    constants: new Set(constants),
    entry: BigInt(entry),
    bits,
    get lines() {
      return rows();
    },
  };
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
  return JSON.stringify({ uris, base: String(base), rows, bodies });
}

export function unpackLines(text: string): Line[] {
  const { uris, base, rows, bodies } = JSON.parse(text) as {
    uris: string[];
    base: string;
    rows: number[];
    bodies: number[];
  };
  const lines: Line[] = [];
  let address = BigInt(base);
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
