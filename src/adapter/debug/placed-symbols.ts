/** Names and source lines of one address space: program, kernel and vDSO, each an index that counts from where it has been put. */
import type { Addr } from "../../emu/cpu/state.ts";
import type { LineSpan, NamedAddress, SymbolIndex } from "./symbols.ts";

export interface Placed {
  /** What it is and where: equal in every address space that holds the same there. */
  readonly key: string;
  readonly index: SymbolIndex;
  readonly base: Addr;
}

type Near = NamedAddress & { readonly offset: number };

export class PlacedSymbols {
  /** Of a name that several of them have, the first one's counts. */
  readonly parts: readonly Placed[];
  #all: readonly NamedAddress[] | undefined;

  constructor(parts: readonly Placed[]) {
    this.parts = parts;
  }

  get all(): readonly NamedAddress[] {
    return (this.#all ??= this.parts.flatMap(({ index, base }) => index.all.map((symbol) => moved(symbol, base))));
  }

  /** Whether it is made of one of those. */
  holds(keys: ReadonlySet<string>): boolean {
    return this.parts.some(({ key }) => keys.has(key));
  }

  get count(): number {
    return this.parts.reduce((sum, { index }) => sum + index.all.length, 0);
  }

  address(name: string): Addr | undefined {
    for (const part of this.parts) {
      const address = addressIn(part, name);
      if (address !== undefined) return address;
    }
    return undefined;
  }

  /** The nearest symbol at or below `address`. */
  nearest(address: Addr): Near | undefined {
    let best: Near | undefined;
    for (const { index, base } of this.parts) {
      const near = index.nearest(address - base);
      if (near !== undefined && near.offset < (best?.offset ?? Number.POSITIVE_INFINITY)) best = moved(near, base);
    }
    return best;
  }

  /** `name` or `name+0x12`; undefined where nothing is near. */
  describe(address: Addr): string | undefined {
    const near = this.nearest(address);
    if (near === undefined) return undefined;
    return near.offset === 0 ? near.name : `${near.name}+0x${near.offset.toString(16)}`;
  }

  lineAt(address: Addr): LineSpan | undefined {
    for (const { index, base } of this.parts) {
      const span = index.lineAt(address - base);
      if (span !== undefined) return base === 0 ? span : { ...span, start: span.start + base, end: span.end + base };
    }
    return undefined;
  }

  /** The line of `uri` at or below `line` that has code, and where that begins. */
  linePlaces(uri: string, line: number): { readonly line: number; readonly addresses: readonly Addr[] } | undefined {
    const found = placesOnLine(this.parts, uri, line);
    return found && { line: found.line, addresses: found.places.map(({ address }) => address) };
  }

  get sources(): readonly string[] {
    return [...new Set(this.parts.flatMap(({ index }) => index.sources))];
  }

  /** Sources that something in [start, end) comes from. */
  sourcesIn(start: Addr, end: Addr): readonly string[] {
    return [...new Set(this.parts.flatMap(({ index, base }) => index.sourcesIn(start - base, end - base)))];
  }
}

const moved = <T extends NamedAddress>(symbol: T, base: Addr): T =>
  base === 0 || symbol.constant === true ? symbol : { ...symbol, address: symbol.address + base };

function addressIn({ index, base }: Placed, name: string): Addr | undefined {
  const symbol = index.find(name);
  return symbol && moved(symbol, base).address;
}

/** An address in what holds it: code at the same address in another program is not meant. */
export interface PlaceIn {
  readonly address: Addr;
  readonly key: string;
}

/** Addresses, and the keys of what is meant at each. */
export function inPrograms(places: readonly PlaceIn[]) {
  const within = new Map<Addr, Set<string>>();
  for (const { address, key } of places) within.set(address, (within.get(address) ?? new Set()).add(key));
  return { addresses: [...within.keys()], within };
}

/** Where a name is, in each of `parts` that has it. */
export const placesOfName = (parts: readonly Placed[], name: string): PlaceIn[] =>
  parts.flatMap((part) => {
    const address = addressIn(part, name);
    return address === undefined ? [] : [{ address, key: part.key }];
  });

/** As SymbolIndex.breakpointPlaces(), over all of `parts`. */
export function placesOnLine(
  parts: readonly Placed[],
  uri: string,
  line: number,
): { readonly line: number; readonly places: readonly PlaceIn[] } | undefined {
  const found = parts.flatMap(({ key, index, base }) => {
    const inPart = index.breakpointPlaces(uri, line);
    return inPart === undefined ? [] : [{ key, base, ...inPart }];
  });
  if (found.length === 0) return undefined;
  const first = Math.min(...found.map((each) => each.line));
  const places = found
    .filter((each) => each.line === first)
    .flatMap(({ key, base, addresses }) => addresses.map((address) => ({ key, address: address + base })));
  return { line: first, places };
}
