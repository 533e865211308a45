/**
 * Static linking: places the sections of one or more results at addresses as `ld` does by default (or where the caller
 * says), resolves symbols across results, and applies relocations.
 */
import { putLittleEndian } from "../core/buffer.ts";
import { GLOBAL_OFFSET_TABLE } from "../core/relocations.ts";
import type {
  AssembleResult,
  Diagnostic,
  Image,
  ImageSymbol,
  Range,
  Relocation,
  Section,
  SymbolInfo,
} from "../types.ts";
import { isThreadLocalSection } from "./elf.ts";

import { StaticTables } from "./particular.ts";

export interface LinkOptions {
  /** Address of the first section; default: what `ld` uses for a static program. */
  readonly base?: bigint;
  /** Address of a section by name; those not named follow in the usual order. */
  readonly sectionBase?: Readonly<Record<string, bigint>>;
  /** Symbol or address; default `_start`, else the start of the code. */
  readonly entry?: string | bigint;
}

/** One result's section, placed. */
export interface Placed {
  readonly section: Section;
  readonly address: bigint;
  readonly bytes: Uint8Array;
}

const PAGE = 0x1000n;
const NOWHERE: Range = { uri: "", line: 0, column: 0, endLine: 0, endColumn: 0 };

export const alignUp = (value: bigint, align: bigint): bigint => ((value + align - 1n) / align) * align;

export class Linker {
  readonly diagnostics: Diagnostic[] = [];
  readonly placed: Map<string, Placed>[];
  readonly #results: readonly AssembleResult[];
  readonly #globals = new Map<string, { address: bigint; weak: boolean; range: Range | undefined }>();
  readonly symbols: ImageSymbol[] = [];
  /** Are values that do not fit their fields cut, as NASM does it in its flat files? */
  cuts = false;

  constructor(results: readonly AssembleResult[]) {
    this.#results = results;
    this.placed = results.map(() => new Map());
  }

  error(message: string, range: Range = NOWHERE, related?: Diagnostic["related"]): void {
    this.#report("error", message, range, related);
  }

  #report(severity: Diagnostic["severity"], message: string, range: Range, related?: Diagnostic["related"]): void {
    if (this.diagnostics.length < 100) this.diagnostics.push({ severity, message, range, ...(related && { related }) });
  }

  place(result: number, section: Section, address: bigint): void {
    this.placed[result]!.set(section.name, { section, address, bytes: section.bytes.slice() });
  }

  /** Collects symbols; everything must be placed. */
  collect(commonBase: ReadonlyMap<string, bigint>): void {
    this.#results.forEach((result, index) => {
      for (const symbol of result.symbols) {
        const address = this.#addressOf(symbol, index, commonBase);
        if (address === undefined) continue;
        this.symbols.push({
          name: symbol.name,
          address,
          size: symbol.size,
          type: symbol.type,
          binding: symbol.binding,
          absolute: symbol.section === "*ABS*",
        });
        if (symbol.binding !== "local") this.#define(symbol, address);
      }
    });
  }

  #addressOf(symbol: SymbolInfo, index: number, commonBase: ReadonlyMap<string, bigint>): bigint | undefined {
    if (symbol.section === undefined) return undefined;
    if (symbol.section === "*ABS*") return symbol.value;
    if (symbol.section === "*COM*") return commonBase.get(symbol.name);
    const placed = this.placed[index]!.get(symbol.section);
    return placed && placed.address + symbol.value;
  }

  #define(symbol: SymbolInfo, address: bigint): void {
    const before = this.#globals.get(symbol.name);
    const weak = symbol.binding === "weak" || symbol.section === "*COM*";
    if (before && !before.weak && !weak)
      this.error(
        `symbol '${symbol.name}' is defined more than once`,
        symbol.range,
        before.range && [{ message: "first defined here", range: before.range }],
      );
    if (!before || (before.weak && !weak)) this.#globals.set(symbol.name, { address, weak, range: symbol.range });
  }

  /** A name that the linker itself gives a value. */
  defineName(name: string, address: bigint): void {
    if (!this.#globals.has(name)) this.#globals.set(name, { address, weak: true, range: undefined });
  }

  globalAddress(name: string): bigint | undefined {
    return this.#globals.get(name)?.address;
  }

  /** Applies all relocations of placed sections. `tables`: of a static program; a flat binary has none. */
  relocate(tables?: StaticTables): void {
    this.#results.forEach((result, index) => {
      const locals = new Map(result.symbols.map((symbol) => [symbol.name, symbol]));
      for (const placed of this.placed[index]!.values())
        for (const relocation of placed.section.relocations) this.#apply(placed, relocation, index, locals, tables);
    });
  }

  #apply(
    placed: Placed,
    relocation: Relocation,
    index: number,
    locals: ReadonlyMap<string, SymbolInfo>,
    tables: StaticTables | undefined,
  ): void {
    const { type } = relocation;
    if (type?.endsWith("_NONE")) return;
    const table = type !== undefined && relocation.symbol === GLOBAL_OFFSET_TABLE ? tables?.base : undefined;
    const target = table ?? this.#resolve(relocation.symbol, index, locals);
    if (target === undefined) {
      this.error(`symbol '${relocation.symbol}' is not defined`, relocation.range);
      return;
    }
    const place = placed.address + BigInt(relocation.offset);
    const relative = relocation.kind === "pcrel";
    const raw =
      type === undefined
        ? target + relocation.addend - (relative ? place : 0n)
        : tables?.value(type, target, relocation.addend, place, relative);
    if (raw === undefined) {
      this.error(`relocation '${type}' is for objects: it has no meaning in this output`, relocation.range);
      return;
    }
    const value = BigInt.asIntN(64, raw);
    if (!fits(value, relocation)) {
      const what = relocation.kind === "pcrel" ? "the distance to" : "the address of";
      const shown = `${value < 0n ? "-" : ""}0x${(value < 0n ? -value : value).toString(16)}`;
      const text = `${what} '${relocation.symbol}' (${shown}) does not fit in ${relocation.size * 8} bits`;
      if (!this.cuts) {
        this.error(text, relocation.range);
        return;
      }
      this.#report("warning", `${text} and is cut`, relocation.range);
    }
    putLittleEndian(placed.bytes, relocation.offset, relocation.size, value);
  }

  #resolve(name: string, index: number, locals: ReadonlyMap<string, SymbolInfo>): bigint | undefined {
    if (name === "*ABS*") return 0n;
    const section = this.placed[index]!.get(name);
    if (section) return section.address;
    const symbol = locals.get(name);
    if (symbol?.binding === "local" && symbol.section !== undefined)
      return symbol.section === "*ABS*"
        ? symbol.value
        : this.placed[index]!.get(symbol.section)!.address + symbol.value;
    const found = this.#globals.get(name)?.address;
    return found ?? (symbol?.binding === "weak" ? 0n : undefined);
  }
}

/** A 64-bit address in a 4-byte field wraps in 16- and 32-bit code: both readings of the field are fine there. */
function fits(value: bigint, { size, kind, signed }: Relocation): boolean {
  const bits = size * 8;
  if (size === 8) return true;
  const asSigned = BigInt.asIntN(bits, value) === value;
  const asUnsigned = BigInt.asUintN(bits, value) === value;
  if (kind === "pcrel") return asSigned || size === 2;
  return signed ? asSigned : asUnsigned || asSigned;
}

type Group = "code" | "read-only" | "writable" | "zeroed";

function groupOf({ flags }: Section): Group {
  if (flags.exec) return "code";
  if (!flags.write) return "read-only";
  return flags.nobits ? "zeroed" : "writable";
}

const GROUPS: readonly Group[] = ["code", "read-only", "writable", "zeroed"];

export function link(results: readonly AssembleResult[], options: LinkOptions = {}): Image {
  const linker = new Linker(results);
  const bits = results[0]?.bits ?? 64;
  const base = options.base ?? (bits === 64 ? 0x401000n : bits === 32 ? 0x8049000n : 0n);
  const end = placeAll(linker, results, base, options);
  const commons = placeCommons(results, end);
  linker.collect(commons.addresses);
  const tables = new StaticTables(linker, commons.end, bits);
  linker.relocate(tables);
  const segments = placedSegments(linker);
  if (tables.size > 0)
    segments.push({
      address: tables.base,
      bytes: tables.bytes(),
      memorySize: tables.size,
      flags: { write: true, exec: false },
      section: ".got",
    });
  if (commons.size > 0n)
    segments.push({
      address: end,
      bytes: new Uint8Array(0),
      memorySize: Number(commons.end - end),
      flags: { write: true, exec: false },
      section: "COMMON",
    });
  segments.sort((a, b) => Number(a.address - b.address));
  checkOverlap(linker, segments);
  return {
    segments,
    ...namesAndLines(linker, results),
    entry: entryOf(linker, results, options, base),
    bits,
    execStack: !results.every((result) => result.sections.some((section) => section.name === ".note.GNU-stack")),
    diagnostics: linker.diagnostics,
  };
}

/** Every placed section as a segment. */
export const placedSegments = (linker: Linker): Image["segments"][number][] =>
  linker.placed
    .flatMap((map) => [...map.values()])
    .map(({ section, address, bytes }) => ({
      address,
      bytes,
      memorySize: section.size,
      flags: { write: section.flags.write, exec: section.flags.exec },
      section: section.name,
    }));

/** What a debugger wants to know of a linked image. Everything must be placed and collected. */
export const namesAndLines = (linker: Linker, results: readonly AssembleResult[]) => ({
  symbols: symbolMap(linker.symbols),
  symbolTable: linker.symbols,
  lines: lineTable(linker, results),
  debug: { uri: results[0]?.debug?.uri ?? "", rows: debugTable(linker, results) },
});

/** Names of an image that are no addresses. */
export const constantsOf = ({ symbolTable = [] }: Pick<Image, "symbolTable">): ReadonlySet<string> =>
  new Set(symbolTable.filter(({ absolute }) => absolute).map(({ name }) => name));

/** Places sections group by group; gives the address after the last one. */
function placeAll(linker: Linker, results: readonly AssembleResult[], base: bigint, options: LinkOptions): bigint {
  let at = base;
  let previous: Group | undefined;
  for (const group of GROUPS) {
    for (const { section, index } of membersOf(results, group)) {
      const fixed = options.sectionBase?.[section.name] ?? (options.base === undefined ? section.address : undefined);
      // Zeroed data follows the writable data in its pages; every other group starts a page.
      const newPage = previous !== undefined && previous !== group && !(group === "zeroed" && previous === "writable");
      at = fixed ?? alignUp(newPage ? alignUp(at, PAGE) : at, BigInt(section.align));
      previous = group;
      linker.place(index, section, at);
      at += BigInt(section.size);
    }
  }
  return alignUp(at, 16n);
}

/** Sections of a group: those of one name together, in the order of their first appearance. */
function membersOf(results: readonly AssembleResult[], group: Group): { section: Section; index: number }[] {
  const byName = new Map<string, { section: Section; index: number }[]>();
  results.forEach((result, index) => {
    for (const section of result.sections) {
      if (!section.flags.alloc || groupOf(section) !== group) continue;
      // Empty sections take part: symbols may stand in them.
      byName.set(section.name, [...(byName.get(section.name) ?? []), { section, index }]);
    }
  });
  // Thread-local data lies together: last of what is written, first of what is zeroed.
  const rank = ({ section }: { section: Section }) =>
    Number(isThreadLocalSection(section)) * (group === "zeroed" ? -1 : 1);
  return [...byName.values()].flat().sort((a, b) => rank(a) - rank(b));
}

function placeCommons(results: readonly AssembleResult[], from: bigint) {
  const addresses = new Map<string, bigint>();
  const sizes = new Map<string, { size: bigint; align: bigint }>();
  for (const symbol of results.flatMap((result) => result.symbols)) {
    if (symbol.section !== "*COM*") continue;
    const before = sizes.get(symbol.name) ?? { size: 0n, align: 1n };
    sizes.set(symbol.name, { size: max(before.size, symbol.size), align: max(before.align, symbol.value) });
  }
  let at = from;
  for (const [name, { size, align }] of sizes) {
    at = alignUp(at, align);
    addresses.set(name, at);
    at += size;
  }
  return { addresses, size: at - from, end: at };
}

export const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

function checkOverlap(linker: Linker, segments: Image["segments"]): void {
  let before: Image["segments"][number] | undefined;
  for (const segment of segments) {
    if (segment.memorySize === 0) continue;
    if (before && segment.address < before.address + BigInt(before.memorySize))
      linker.error(
        `section ${segment.section} at 0x${segment.address.toString(16)} overlaps section ${before.section}`,
      );
    before = segment;
  }
}

/** Local symbols come first, as in an ELF file's table; of one name a global one counts, else the first. */
function symbolMap(symbols: readonly ImageSymbol[]): Map<string, bigint> {
  const isLocal = ({ binding }: ImageSymbol) => binding === "local";
  const globals = symbols.filter((symbol) => !isLocal(symbol));
  const taken = new Set(globals.map(({ name }) => name));
  const map = new Map<string, bigint>();
  for (const { name, address } of symbols.filter(isLocal))
    if (!taken.has(name) && !map.has(name)) map.set(name, address);
  for (const { name, address } of globals) map.set(name, address);
  return map;
}

function lineTable(linker: Linker, results: readonly AssembleResult[]): Image["lines"] {
  const lines: Image["lines"][number][] = [];
  results.forEach((result, index) => {
    for (const { section, offset, ...row } of result.lines) {
      const placed = linker.placed[index]!.get(section);
      if (placed && offset < placed.section.size) lines.push({ address: placed.address + BigInt(offset), ...row });
    }
  });
  return lines.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
}

function debugTable(linker: Linker, results: readonly AssembleResult[]): NonNullable<Image["debug"]>["rows"] {
  return results.flatMap((result, index) =>
    (result.debug?.rows ?? []).flatMap(({ section, offset, ...row }) => {
      const placed = linker.placed[index]!.get(section);
      return placed ? [{ ...row, address: placed.address + BigInt(offset) }] : [];
    }),
  );
}

function entryOf(linker: Linker, results: readonly AssembleResult[], options: LinkOptions, base: bigint): bigint {
  const { entry } = options;
  if (typeof entry === "bigint") return entry;
  const names = entry === undefined ? ["_start"] : [entry];
  for (const name of names) {
    const found = linker.globalAddress(name) ?? linker.symbols.find((symbol) => symbol.name === name)?.address;
    if (found !== undefined) return found;
  }
  if (entry !== undefined) linker.error(`entry symbol '${entry}' is not defined`);
  for (const [index, result] of results.entries())
    for (const section of result.sections)
      if (section.flags.exec && section.flags.alloc && section.size > 0)
        return linker.placed[index]!.get(section.name)!.address;
  return base;
}
