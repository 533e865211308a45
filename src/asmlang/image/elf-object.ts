/** Relocatable ELF objects: what `as` and `nasm -f elf` write, for `ld` to link. */
import { ByteBuffer, putLittleEndian } from "../core/buffer.ts";
import { isMark, isThreadLocal, relocationNumber } from "../core/relocations.ts";
import type { AssembleResult, Relocation, Section, SymbolInfo } from "../types.ts";
import { asSection, unitOfResult } from "./debug-unit.ts";
import { debugSections } from "./dwarf.ts";
import {
  type ElfSymbol,
  finishElf,
  isThreadLocalSection,
  pack,
  type SectionHeader,
  SHF,
  SHN_ABS,
  SHN_COMMON,
  SHN_X86_64_LCOMMON,
  SHT,
  StringTable,
  sizes,
  symbolEntry,
  symbolInfo,
} from "./elf.ts";

/** Relocation type by field size: x86-64 absolute, relative; i386 absolute, relative. */
const TYPES_64 = { abs: { 1: 14, 2: 12, 4: 10, 8: 1 }, pcrel: { 1: 15, 2: 13, 4: 2, 8: 24 } } as const;
const TYPES_32 = { abs: { 1: 22, 2: 20, 4: 1, 8: 0 }, pcrel: { 1: 23, 2: 21, 4: 2, 8: 0 } } as const;
const R_X86_64_32S = 11;

function relocationType({ kind, size, signed, type }: Relocation, wide: boolean): number {
  const particular = type === undefined ? undefined : relocationNumber(type, size, wide);
  if (particular !== undefined) return particular;
  if (!wide) return TYPES_32[kind][size];
  return kind === "abs" && size === 4 && signed ? R_X86_64_32S : TYPES_64[kind][size];
}

/** `wide`: ELF64 for x86-64; else ELF32 for i386. `debug`: with a line table, unless the source brings its own. */
export function writeElfObject(
  assembled: AssembleResult,
  wide = assembled.bits === 64,
  { debug = false } = {},
): Uint8Array {
  const result = debug ? withDebug(assembled, wide) : assembled;
  const sections = result.sections.filter(
    ({ name, size, relocations }) =>
      result.dialect === "gas" ||
      size > 0 ||
      relocations.length > 0 ||
      !/^\.(text|data|bss)$/.test(name) ||
      isNamed(result, name),
  );
  const groups = groupsOf(sections);
  const index = new Map(sections.map((section, i) => [section.name, groups.length + i + 1]));
  const table = symbolTable(result, sections, groups, index, wide);
  const headers: SectionHeader[] = sections.map((section) => sectionOf(section, wide, index));
  const relocated = sections.filter((section) => section.relocations.length > 0);
  const symtab = groups.length + headers.length + 1 + relocated.length;
  const relocations = new Map(relocated.map((section, i) => [section.name, groups.length + headers.length + 1 + i]));
  for (const section of relocated)
    headers.push(relocationSection(section, index.get(section.name)!, symtab, table.indexes, wide));
  // A group's header stands before those of its members.
  headers.unshift(
    ...groups.map((group) =>
      groupSection(group, [index, relocations], symtab, table.indexes.get(group.signature) ?? 0),
    ),
  );
  const { bytes } = table;
  headers.push({
    name: ".symtab",
    type: SHT.symtab,
    flags: 0,
    size: bytes.length,
    bytes,
    link: symtab + 1,
    info: table.locals,
    align: wide ? 8 : 4,
    entrySize: sizes(wide).symbol,
  });
  headers.push({
    name: ".strtab",
    type: SHT.strtab,
    flags: 0,
    size: table.strings.length,
    bytes: table.strings,
    align: 1,
  });
  const body = new ByteBuffer();
  body.skip(sizes(wide).header);
  return finishElf(wide, 1, 0n, [], headers, body);
}

/** A compiler's output describes itself, but for the lines that its `.loc` give. */
function withDebug(result: AssembleResult, wide: boolean): AssembleResult {
  const unit = unitOfResult(result);
  const own = new Set(result.sections.filter(({ size }) => size > 0).map(({ name }) => name));
  const made = (unit ? debugSections(unit, wide) : []).filter(
    ({ name }) => !own.has(name) && (!own.has(".debug_info") || name.startsWith(".debug_line")),
  );
  const names = new Set(made.map(({ name }) => name));
  const kept = result.sections.filter(({ name }) => !names.has(name));
  return { ...result, sections: [...kept, ...made.map(asSection)] };
}

interface Group {
  readonly signature: string;
  readonly comdat: boolean;
  readonly members: string[];
}

/** Groups by their signatures, in order of appearance. */
function groupsOf(sections: readonly Section[]): Group[] {
  const groups = new Map<string, Group>();
  for (const { name, elf } of sections) {
    if (!elf?.group) continue;
    const group = groups.get(elf.group.signature) ?? { ...elf.group, members: [] };
    group.members.push(name);
    groups.set(group.signature, group);
  }
  return [...groups.values()];
}

const GRP_COMDAT = 1;

/** `tables`: indexes of sections and of their relocations, which belong to the group too. */
function groupSection(
  { comdat, members }: Group,
  tables: readonly ReadonlyMap<string, number>[],
  symtab: number,
  signature: number,
): SectionHeader {
  const indexes = members.flatMap((name) => tables.flatMap((table) => table.get(name) ?? []));
  const bytes = pack([comdat ? GRP_COMDAT : 0, ...indexes].map((value) => [4, value] as const));
  const size = bytes.length;
  return {
    name: ".group",
    type: SHT.group,
    flags: 0,
    size,
    bytes,
    link: symtab,
    info: signature,
    align: 4,
    entrySize: 4,
  };
}

const isNamed = (result: AssembleResult, name: string): boolean =>
  result.symbols.some((symbol) => symbol.section === name);

const SECTION_TYPES: Readonly<Record<string, number>> = {
  progbits: SHT.progbits,
  nobits: SHT.nobits,
  note: SHT.note,
  init_array: SHT.initArray,
  fini_array: SHT.finiArray,
  preinit_array: SHT.preinitArray,
};
const LETTERS: Readonly<Record<string, number>> = {
  M: SHF.merge,
  S: SHF.strings,
  o: SHF.linkOrder,
  R: SHF.retain,
  d: SHF.mbind,
  l: SHF.large,
  e: SHF.exclude,
};

function sectionFlags(section: Section): number {
  const { flags, elf } = section;
  let bits =
    (elf?.flagBits ?? 0) |
    (flags.write ? SHF.write : 0) |
    (flags.alloc ? SHF.alloc : 0) |
    (flags.exec ? SHF.exec : 0) |
    (elf?.group ? SHF.group : 0) |
    (isThreadLocalSection(section) ? SHF.tls : 0);
  for (const letter of elf?.flags ?? "") bits |= LETTERS[letter] ?? 0;
  return bits >>> 0;
}

function sectionType({ name, flags, elf }: Section): number {
  if (flags.nobits) return SHT.nobits;
  const number = /^\d+$/.test(elf?.type ?? "") ? Number(elf!.type) : SECTION_TYPES[elf?.type ?? ""];
  return number ?? (name.startsWith(".note") && name !== ".note.GNU-stack" ? SHT.note : SHT.progbits);
}

function sectionOf(section: Section, wide: boolean, index: ReadonlyMap<string, number>): SectionHeader {
  const { elf } = section;
  return {
    name: elf?.name ?? section.name,
    type: sectionType(section),
    flags: sectionFlags(section),
    size: section.size,
    bytes: wide ? section.bytes : withAddends(section),
    align: section.align,
    ...(elf?.entrySize && { entrySize: elf.entrySize }),
    ...(elf?.linkedTo && { link: index.get(elf.linkedTo) ?? 0 }),
    ...(elf?.info && { info: elf.info }),
  };
}

/** i386 keeps addends in the fields themselves. */
function withAddends(section: Section): Uint8Array {
  const bytes = section.bytes.slice();
  for (const { offset, size, addend, type } of section.relocations)
    if (!isMark(type)) putLittleEndian(bytes, offset, size, addend);
  return bytes;
}

function relocationSection(
  section: Section,
  target: number,
  symtab: number,
  indexes: ReadonlyMap<string, number>,
  wide: boolean,
): SectionHeader {
  const out = new ByteBuffer();
  for (const relocation of section.relocations) {
    const symbol = indexes.get(relocation.symbol) ?? 0;
    const type = relocationType(relocation, wide);
    if (wide)
      out.push(
        pack([
          [8, relocation.offset],
          [4, type],
          [4, symbol],
          [8, relocation.addend],
        ]),
      );
    else
      out.push(
        pack([
          [4, relocation.offset],
          [1, type],
          [3, symbol],
        ]),
      );
  }
  const bytes = out.view().slice();
  return {
    name: `${wide ? ".rela" : ".rel"}${section.elf?.name ?? section.name}`,
    type: wide ? SHT.rela : SHT.rel,
    flags: SHF.infoLink | (section.elf?.group ? SHF.group : 0),
    size: bytes.length,
    bytes,
    link: symtab,
    info: target,
    align: wide ? 8 : 4,
    entrySize: wide ? 24 : 8,
  };
}

function symbolTable(
  result: AssembleResult,
  sections: readonly Section[],
  groups: readonly Group[],
  index: ReadonlyMap<string, number>,
  wide: boolean,
) {
  const strings = new StringTable();
  const firstIndex = groups.length + 1;
  const entries: { key: string; symbol: ElfSymbol }[] = [
    { key: "", symbol: { name: "", value: 0n, size: 0n, info: 0, other: 0, section: 0 } },
  ];
  for (const [i, section] of sections.entries())
    entries.push({
      key: section.name,
      symbol: { name: "", value: 0n, size: 0n, info: 3, other: 0, section: firstIndex + i },
    });
  const threadLocal = threadLocals(result);
  const add = (symbol: SymbolInfo) =>
    entries.push({ key: symbol.name, symbol: elfSymbol(symbol, index, threadLocal.has(symbol.name)) });
  for (const symbol of result.symbols) if (symbol.binding === "local") add(symbol);
  // A group whose signature is no symbol of the source has one of its own.
  const names = new Set(result.symbols.map(({ name }) => name));
  for (const [i, { signature }] of groups.entries())
    if (!names.has(signature) && !index.has(signature))
      entries.push({
        key: signature,
        symbol: { name: signature, value: 0n, size: 0n, info: 0, other: 0, section: i + 1 },
      });
  const locals = entries.length;
  for (const symbol of result.symbols) if (symbol.binding !== "local") add(symbol);
  const out = new ByteBuffer();
  const indexes = new Map<string, number>();
  entries.forEach(({ key, symbol }, i) => {
    out.push(symbolEntry(symbol, strings.add(symbol.name), wide));
    if (!indexes.has(key)) indexes.set(key, i);
  });
  return { bytes: out.view().slice(), strings: strings.bytes(), indexes, locals };
}

/** Symbols of thread-local sections, and those that thread-local relocations name. */
function threadLocals({ sections, symbols, dialect }: AssembleResult): ReadonlySet<string> {
  const tls = new Set(sections.filter(isThreadLocalSection).map(({ name }) => name));
  const names = new Set<string>();
  for (const { name, section } of symbols) if (section !== undefined && tls.has(section)) names.add(name);
  for (const { relocations } of sections)
    for (const { symbol, type } of relocations)
      if (type !== undefined && isThreadLocal(type) && !(dialect === "nasm" && type === "INDNTPOFF")) names.add(symbol);
  return names;
}

const VISIBILITY = { default: 0, internal: 1, hidden: 2, protected: 3 } as const;

function elfSymbol(symbol: SymbolInfo, index: ReadonlyMap<string, number>, threadLocal: boolean): ElfSymbol {
  const section =
    symbol.section === undefined
      ? 0
      : symbol.section === "*ABS*"
        ? SHN_ABS
        : symbol.section === "*COM*"
          ? symbol.particular === "large"
            ? SHN_X86_64_LCOMMON
            : SHN_COMMON
          : (index.get(symbol.section) ?? 0);
  return {
    name: symbol.name,
    value: symbol.value,
    size: symbol.size,
    info: symbolInfo(
      symbol.particular === "unique" && symbol.section !== undefined ? "unique" : symbol.binding,
      threadLocal || symbol.particular === "tls" ? "tls" : symbol.particular === "ifunc" ? "ifunc" : symbol.type,
    ),
    other: VISIBILITY[symbol.visibility ?? "default"],
    section,
  };
}
