/** Names and source lines of addresses, and back, of one image: a program, the kernel or a vDSO. Where images are: placed-symbols.ts. */
import type { Image } from "../../asmlang/types.ts";
import { type Addr, bigToAddr } from "../../emu/cpu/state.ts";
import { canonicalUri } from "./uris.ts";

export interface LineSpan {
  /** First byte, and the first byte after it. */
  readonly start: Addr;
  readonly end: Addr;
  readonly uri: string;
  /** Zero-based. */
  readonly line: number;
  /** Mode the bytes were assembled for; undefined for data. */
  readonly bits: 16 | 32 | 64 | undefined;
  /** Lines of macros' bodies that gave these bytes: breakpoints can be on them. */
  readonly bodies?: readonly { readonly uri: string; readonly line: number }[];
}

export interface NamedAddress {
  readonly name: string;
  readonly address: Addr;
  /** A constant (`equ`): found by name, but no address is named after it. */
  readonly constant?: boolean;
}

/** Where a section or segment is: [start, end). */
export interface Extent {
  readonly start: Addr;
  readonly end: Addr;
}

/** How far beyond a symbol an address may be and still be named after it; and never beyond the section that the symbol is in. */
const NAMED_WITHIN = 0x10_0000;

export class SymbolIndex {
  readonly #symbols: readonly NamedAddress[];
  /** What is named after each of these ends there. */
  readonly #ends: readonly Addr[];
  readonly #byName: ReadonlyMap<string, NamedAddress>;
  readonly #readSpans: () => Iterable<LineSpan>;
  /** These and #lines are made when first asked for: a run without breakpoints in sources needs none. */
  #sorted: readonly LineSpan[] | undefined;
  #lines: ReadonlyMap<string, readonly Lined[]> | undefined;

  constructor(symbols: Iterable<NamedAddress>, spans: () => Iterable<LineSpan>, extents?: readonly Extent[]) {
    const all = [...symbols];
    this.#symbols = all.filter(({ constant }) => constant !== true).sort((a, b) => a.address - b.address);
    this.#ends = namedEnds(this.#symbols, extents);
    this.#byName = new Map(all.map((symbol) => [symbol.name, symbol]));
    this.#readSpans = spans;
  }

  get #spans(): readonly LineSpan[] {
    return (this.#sorted ??= [...this.#readSpans()].sort((a, b) => a.start - b.start));
  }

  get #byLine(): ReadonlyMap<string, readonly Lined[]> {
    return (this.#lines ??= groupByUri(this.#spans));
  }

  get all(): readonly NamedAddress[] {
    return this.#symbols;
  }

  find(name: string): NamedAddress | undefined {
    return this.#byName.get(name);
  }

  /** The nearest symbol at or below `address`. */
  nearest(address: Addr): (NamedAddress & { readonly offset: number }) | undefined {
    const [first, last] = [this.#symbols[0], this.#symbols.at(-1)];
    // most of what is asked about, by the words of a stack, is far off
    if (first === undefined || address < first.address || address - last!.address > NAMED_WITHIN) return undefined;
    const i = lastAtOrBelow(this.#symbols, (symbol) => symbol.address, address);
    const symbol = this.#symbols[i];
    if (symbol === undefined || address >= this.#ends[i]!) return undefined;
    return { ...symbol, offset: address - symbol.address };
  }

  lineAt(address: Addr): LineSpan | undefined {
    const spans = this.#spans;
    const first = spans[0];
    if (first === undefined || address < first.start || address >= spans.at(-1)!.end) return undefined;
    const span = spans[lastAtOrBelow(spans, (s) => s.start, address)];
    return span !== undefined && address < span.end ? span : undefined;
  }

  /**
   * Where a breakpoint on a line goes: the start of each run of code that comes from it (a macro gives several), or of the next
   * line of that file that has code. `line` is the line that was found.
   */
  breakpointPlaces(
    uri: string,
    line: number,
  ): { readonly line: number; readonly addresses: readonly Addr[] } | undefined {
    const spans = (this.#byLine.get(uri) ?? []).filter((span) => span.bits !== undefined);
    const found = Math.min(...spans.filter((span) => span.line >= line).map((span) => span.line));
    if (!Number.isFinite(found)) return undefined;
    const onLine = spans.filter((span) => span.line === found);
    // a line's spans that follow each other are one run, but each time a body is gone through begins one
    const addresses = onLine
      .filter((span) => span.inBody || !onLine.some((other) => !other.inBody && other.end === span.start))
      .map((span) => span.start);
    return { line: found, addresses: [...new Set(addresses)] };
  }

  /** Lines of `uri` in [first, last] that have code. */
  codeLines(uri: string, first: number, last: number): readonly number[] {
    const spans = (this.#byLine.get(uri) ?? []).filter(
      (span) => span.bits !== undefined && span.line >= first && span.line <= last,
    );
    return [...new Set(spans.map((span) => span.line))].sort((a, b) => a - b);
  }

  get sources(): readonly string[] {
    return [...this.#byLine.keys()];
  }

  /** Sources that something in [start, end) comes from. */
  sourcesIn(start: Addr, end: Addr): readonly string[] {
    return this.sources.filter((uri) => this.#byLine.get(uri)!.some((span) => isIn(span, start, end)));
  }
}

/**
 * Of a symbol that is in no section, as one behind the last byte of one, only its own address. Where a section ends is still named after what
 * is in it: code without a return runs there. Symbols are sorted.
 */
function namedEnds(symbols: readonly NamedAddress[], extents: readonly Extent[] | undefined): Addr[] {
  if (extents === undefined) return symbols.map(({ address }) => address + NAMED_WITHIN);
  const sorted = extents.filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start);
  let i = 0;
  return symbols.map(({ address }) => {
    while (i < sorted.length && sorted[i]!.end <= address) i++;
    const extent = sorted[i];
    return extent === undefined || extent.start > address
      ? address + 1
      : Math.min(extent.end + 1, address + NAMED_WITHIN);
  });
}

const isIn = ({ start }: LineSpan, from: Addr, to: Addr): boolean => start >= from && start < to;

/** A span as one of its lines has it: its own, or one of a body's. */
type Lined = LineSpan & { readonly inBody: boolean };

function groupByUri(spans: readonly LineSpan[]): Map<string, Lined[]> {
  const groups = new Map<string, Lined[]>();
  const add = (span: Lined): void => {
    const group = groups.get(span.uri);
    if (group === undefined) groups.set(span.uri, [span]);
    else group.push(span);
  };
  for (const span of spans) {
    add({ ...span, inBody: false });
    for (const body of span.bodies ?? []) add({ ...span, ...body, inBody: true });
  }
  return groups;
}

/** Index of the last item whose key is at or below `key`, -1 if none. Items are sorted by key. */
function lastAtOrBelow<T>(items: readonly T[], keyOf: (item: T) => number, key: number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keyOf(items[middle]!) <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** An image's symbols; `toAddress` makes its 32- or 64-bit values addresses. Of several at one address the last gives it its name. */
export const imageNames = (
  symbols: Image["symbols"],
  constants: ReadonlySet<string>,
  toAddress: (value: bigint) => Addr,
): NamedAddress[] =>
  [...symbols].map(([name, value]) => ({ name, address: toAddress(value), constant: constants.has(name) }));

interface Segmented {
  readonly segments: readonly Pick<Image["segments"][number], "address" | "memorySize">[];
}

type LinedImage = Pick<Image, "lines"> & Segmented;

export const imageExtents = ({ segments }: Segmented): Extent[] =>
  segments.map(({ address, memorySize }) => ({ start: bigToAddr(address), end: bigToAddr(address) + memorySize }));

/** An image's line table as spans: each row ends where the next begins, or where its segment ends. */
export function lineSpans({ lines, segments }: LinedImage): LineSpan[] {
  const ends = imageExtents({ segments });
  const canonical = new Map<string, string>();
  const uriOf = (uri: string): string => {
    const known = canonical.get(uri) ?? canonicalUri(uri);
    canonical.set(uri, known);
    return known;
  };
  const rows = lines.map((row) => ({ ...row, start: bigToAddr(row.address) })).sort((a, b) => a.start - b.start);
  return rows.flatMap(({ start, uri, line, bits, bodies }, i) => {
    const segment = ends.find((each) => start >= each.start && start < each.end);
    if (segment === undefined) return [];
    const end = Math.min(segment.end, rows[i + 1]?.start ?? segment.end);
    if (end <= start) return [];
    const inBodies = bodies?.map((body) => ({ uri: uriOf(body.uri), line: body.line }));
    const span = { start, end, uri: uriOf(uri), line, bits };
    return [inBodies === undefined ? span : { ...span, bodies: inBodies }];
  });
}
