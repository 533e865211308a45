/**
 * ELF's particular relocations in a static program: a PLT entry is the function itself, the global offset table one of
 * addresses that are known, and thread-local storage ends where the thread pointer points.
 */
import { littleEndian } from "../core/buffer.ts";
import { isThreadLocalSection } from "./elf.ts";
import { alignUp, type Linker } from "./link.ts";

export class StaticTables {
  readonly base: bigint;
  readonly #entrySize: 4 | 8;
  readonly #entries = new Map<bigint, number>();
  readonly #threadPointer: bigint;

  constructor(linker: Linker, base: bigint, bits: number) {
    this.base = alignUp(base, 8n);
    this.#entrySize = bits === 64 ? 8 : 4;
    this.#threadPointer = threadPointer(linker);
  }

  get size(): number {
    return this.#entries.size * this.#entrySize;
  }

  #entry(value: bigint): bigint {
    let index = this.#entries.get(value);
    if (index === undefined) this.#entries.set(value, (index = this.#entries.size));
    return this.base + BigInt(index * this.#entrySize);
  }

  /** The field's value; undefined: not for static programs. `symbol` is its address, `place` the field's. */
  value(type: string, symbol: bigint, addend: bigint, place: bigint, relative: boolean): bigint | undefined {
    const from = relative ? place : 0n;
    switch (type) {
      case "PLT":
        return symbol + addend - place;
      case "GOTPCREL":
      case "GOTPCRELX":
      case "REX_GOTPCRELX":
        return this.#entry(symbol) + addend - place;
      case "GOT":
      case "GOT32X":
        return this.#entry(symbol) - this.base + addend;
      case "GOTOFF":
        return symbol + addend - this.base;
      case "GOTPC":
        return this.base + addend - place;
      case "TPOFF":
        return this.#entrySize === 4 ? this.#threadPointer - symbol + addend : symbol - this.#threadPointer + addend;
      case "NTPOFF":
        return symbol - this.#threadPointer + addend;
      case "GOTTPOFF":
      case "INDNTPOFF":
        return this.#entry(symbol - this.#threadPointer) + addend - from;
      default:
        return undefined;
    }
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.size);
    for (const [value, index] of this.#entries)
      bytes.set(littleEndian(this.#entrySize, value), index * this.#entrySize);
    return bytes;
  }
}

function threadPointer(linker: Linker): bigint {
  let end = 0n;
  let align = 1n;
  for (const { section, address } of linker.placed.flatMap((map) => [...map.values()])) {
    if (!isThreadLocalSection(section)) continue;
    const last = address + BigInt(section.size);
    if (last > end) end = last;
    if (BigInt(section.align) > align) align = BigInt(section.align);
  }
  return alignUp(end, align);
}
