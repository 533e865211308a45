/** DWARF 5 for assembly: one compilation unit with its functions and line table; nothing is said of data and frames. */

import { ByteBuffer, littleEndian } from "../core/buffer.ts";
import { leb128 } from "../core/fragment.ts";
import { percentDecoded } from "../core/uri.ts";
import type { DebugRow } from "../types.ts";
import { lineProgram } from "./dwarf-lines.ts";
import { FORM } from "./dwarf-numbers.ts";

/** An address: in a section of an object, or absolute. */
export interface DebugAddress {
  readonly section?: string;
  readonly value: bigint;
}

/** Code without gaps, with its rows by address. */
export interface DebugRange {
  readonly start: DebugAddress;
  readonly size: number;
  readonly rows: readonly (Pick<DebugRow, "file" | "line" | "column" | "statement" | "mark"> & {
    readonly offset: number;
  })[];
}

export interface DebugFunction {
  readonly name: string;
  readonly external: boolean;
  readonly start: DebugAddress;
  readonly size: bigint;
}

export interface DebugUnit {
  /** The source's URI or path. */
  readonly file: string;
  readonly ranges: readonly DebugRange[];
  readonly functions: readonly DebugFunction[];
}

/** A reference to another section that a linker may move. */
export interface DebugReference {
  readonly offset: number;
  readonly size: 4 | 8;
  readonly section: string;
  readonly addend: bigint;
}

export interface DebugSection {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly references: readonly DebugReference[];
  /** Strings, which a linker may merge. */
  readonly strings: boolean;
}

/** A section under construction. */
export class DebugBuilder {
  readonly #buffer = new ByteBuffer();
  readonly #references: DebugReference[] = [];
  readonly name: string;
  readonly wide: boolean;

  constructor(name: string, wide: boolean) {
    this.name = name;
    this.wide = wide;
  }

  get length(): number {
    return this.#buffer.length;
  }

  number(size: number, value: number | bigint): this {
    this.#buffer.push(littleEndian(size, BigInt(value)));
    return this;
  }

  bytes(...values: number[]): this {
    this.#buffer.push(values);
    return this;
  }

  byte(value: number): this {
    this.#buffer.byte(value);
    return this;
  }

  unsigned(value: number | bigint): this {
    if (value >= 0 && value < 0x80) return this.byte(Number(value));
    this.#buffer.push(leb128(BigInt(value), false));
    return this;
  }

  signed(value: number): this {
    this.#buffer.push(leb128(BigInt(value), true));
    return this;
  }

  text(value: string): this {
    this.#buffer.push(new TextEncoder().encode(`${value}\0`));
    return this;
  }

  address({ section, value }: DebugAddress): this {
    const size = this.wide ? 8 : 4;
    if (section !== undefined) this.#references.push({ offset: this.length, size, section, addend: value });
    return this.number(size, value);
  }

  /** An offset in another section of debug information. */
  place(section: string, offset: number): this {
    this.#references.push({ offset: this.length, size: 4, section, addend: BigInt(offset) });
    return this.number(4, offset);
  }

  /** What follows an `initial length`, which is put before it. */
  sized(body: () => void): this {
    const at = this.length;
    this.number(4, 0);
    body();
    this.#buffer.view().set(littleEndian(4, BigInt(this.length - at - 4)), at);
    return this;
  }

  finish(): DebugSection {
    return { name: this.name, bytes: this.#buffer.view().slice(), references: this.#references, strings: false };
  }
}

/** `.debug_line_str`: each string once. */
export class DebugStrings {
  readonly #builder = new DebugBuilder(".debug_line_str", false);
  readonly #offsets = new Map<string, number>();

  add(text: string): number {
    let offset = this.#offsets.get(text);
    if (offset === undefined) {
      offset = this.#builder.length;
      this.#offsets.set(text, offset);
      this.#builder.text(text);
    }
    return offset;
  }

  finish(): DebugSection {
    return { ...this.#builder.finish(), strings: true };
  }
}

/** Folder and name of a file, by URI or path. */
export function pathOf(file: string): { folder: string; name: string } {
  const path = file.startsWith("file://") ? percentDecoded(file.slice("file://".length)) : file;
  const slash = path.lastIndexOf("/");
  return slash < 0 ? { folder: ".", name: path } : { folder: path.slice(0, slash) || "/", name: path.slice(slash + 1) };
}

const TAG = { compileUnit: 0x11, subprogram: 0x2e } as const;
const UNIT = [0x25, FORM.STRING, 0x13, FORM.DATA2, 0x03, FORM.LINE_STRP, 0x1b, FORM.LINE_STRP, 0x10, FORM.SEC_OFFSET];
const LOW_AND_HIGH = [0x11, FORM.ADDR, 0x12, FORM.UDATA];
const LOW_AND_RANGES = [0x11, FORM.ADDR, 0x55, FORM.SEC_OFFSET];
const FUNCTION = [0x03, FORM.STRING, 0x3f, FORM.FLAG, ...LOW_AND_HIGH];
const ASSEMBLER = 0x8001;
const PRODUCER = "Ringside";
const RANGE_LIST = 12;

/** Sections for an ELF file of this class; none if there are no rows. */
export function debugSections(unit: DebugUnit, wide: boolean): DebugSection[] {
  if (!unit.ranges.some((range) => range.rows.length > 0)) return [];
  const strings = new DebugStrings();
  const lines = lineProgram(unit, strings, wide);
  const made = [information(unit, strings, wide), abbreviations(unit), lines, strings.finish()];
  return unit.ranges.length === 1 ? made : [...made, rangeLists(unit, wide)];
}

function abbreviations({ ranges, functions }: DebugUnit): DebugSection {
  const out = new DebugBuilder(".debug_abbrev", false);
  const addresses = ranges.length === 1 ? LOW_AND_HIGH : LOW_AND_RANGES;
  out.bytes(1, TAG.compileUnit, Number(functions.length > 0), ...UNIT, ...addresses, 0, 0);
  out.bytes(2, TAG.subprogram, 0, ...FUNCTION, 0, 0, 0);
  return out.finish();
}

function information({ file, ranges, functions }: DebugUnit, strings: DebugStrings, wide: boolean): DebugSection {
  const out = new DebugBuilder(".debug_info", wide);
  const { folder, name } = pathOf(file);
  const [only] = ranges;
  out.sized(() => {
    out.number(2, 5).bytes(1, wide ? 8 : 4);
    out.place(".debug_abbrev", 0);
    out.bytes(1).text(PRODUCER).number(2, ASSEMBLER);
    out.place(".debug_line_str", strings.add(name)).place(".debug_line_str", strings.add(folder));
    out.place(".debug_line", 0);
    if (ranges.length === 1) out.address(only!.start).unsigned(only!.size);
    else out.address({ value: 0n }).place(".debug_rnglists", RANGE_LIST);
    for (const { name, external, start, size } of functions)
      out.bytes(2).text(name).bytes(Number(external)).address(start).unsigned(size);
    if (functions.length > 0) out.bytes(0);
  });
  return out.finish();
}

function rangeLists({ ranges }: DebugUnit, wide: boolean): DebugSection {
  const out = new DebugBuilder(".debug_rnglists", wide);
  const startLength = 7;
  out.sized(() => {
    out
      .number(2, 5)
      .bytes(wide ? 8 : 4, 0)
      .number(4, 0);
    for (const { start, size } of ranges) out.bytes(startLength).address(start).unsigned(size);
    out.bytes(0);
  });
  return out.finish();
}
