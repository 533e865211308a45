/** Reads the symbols of an ELF file, for the debugger. Damaged files give what could be read. */
import type { ImageSymbol } from "../types.ts";

const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;
const MAX_SYMBOLS = 1_000_000;

class Reader {
  readonly #view: DataView;
  readonly wide: boolean;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.wide = bytes[4] === 2;
  }

  get(offset: number, size: 1 | 2 | 4 | 8): bigint {
    if (offset < 0 || offset + size > this.#view.byteLength) return 0n;
    if (size === 8) return this.#view.getBigUint64(offset, true);
    return BigInt(
      size === 4
        ? this.#view.getUint32(offset, true)
        : size === 2
          ? this.#view.getUint16(offset, true)
          : this.#view.getUint8(offset),
    );
  }

  number(offset: number, size: 1 | 2 | 4 | 8): number {
    return Number(this.get(offset, size));
  }

  /** An address-sized field. */
  word(offset: number): number {
    return this.number(offset, this.wide ? 8 : 4);
  }
}

interface Header {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

function sectionHeaders(reader: Reader): Header[] {
  const table = reader.word(reader.wide ? 0x28 : 0x20);
  const entry = reader.number(reader.wide ? 0x3a : 0x2e, 2);
  const count = reader.number(reader.wide ? 0x3c : 0x30, 2);
  return Array.from({ length: count }, (_, i) => {
    const at = table + i * entry;
    return {
      type: reader.number(at + 4, 4),
      offset: reader.word(at + (reader.wide ? 0x18 : 0x10)),
      size: reader.word(at + (reader.wide ? 0x20 : 0x14)),
      link: reader.number(at + (reader.wide ? 0x28 : 0x18), 4),
    };
  });
}

/** Defined symbols of `.symtab`, or of `.dynsym` if there is no `.symtab`. */
export function loadElfSymbols(bytes: Uint8Array): ImageSymbol[] {
  if (bytes.length < 52 || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46) return [];
  const reader = new Reader(bytes);
  const headers = sectionHeaders(reader);
  const table = headers.find((one) => one.type === SHT_SYMTAB) ?? headers.find((one) => one.type === SHT_DYNSYM);
  const strings = table && headers[table.link];
  if (!table || !strings) return [];
  const size = reader.wide ? 24 : 16;
  const symbols: ImageSymbol[] = [];
  const count = Math.min(MAX_SYMBOLS, Math.floor(Math.min(table.size, bytes.length) / size));
  for (let i = 1; i < count; i++) {
    const symbol = readSymbol(reader, bytes, table.offset + i * size, strings);
    if (symbol) symbols.push(symbol);
  }
  return symbols;
}

function readSymbol(reader: Reader, bytes: Uint8Array, at: number, strings: Header): ImageSymbol | undefined {
  const { wide } = reader;
  const info = reader.number(at + (wide ? 4 : 12), 1);
  const section = reader.number(at + (wide ? 6 : 14), 2);
  const type = info & 15;
  if (section === 0 || type > 2) return undefined;
  const start = strings.offset + reader.number(at, 4);
  const end = bytes.indexOf(0, start);
  const name = new TextDecoder().decode(bytes.subarray(start, end < 0 ? start : end));
  if (name === "") return undefined;
  return {
    name,
    address: reader.get(at + (wide ? 8 : 4), wide ? 8 : 4),
    size: reader.get(at + (wide ? 16 : 8), wide ? 8 : 4),
    type: type === 2 ? "func" : type === 1 ? "object" : "notype",
    binding: info >> 4 === 0 ? "local" : info >> 4 === 2 ? "weak" : "global",
    absolute: section === 0xfff1,
  };
}
