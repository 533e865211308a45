/** What an ELF file's sections tell of its addresses: names (.symtab, else .dynsym), source lines (.debug_line), frame information (.eh_frame). */
import { type Addr, bigToAddr } from "../../emu/cpu/state.ts";
import { isElf } from "../../emu/kernel/program.ts";
import { dwarfLines } from "./dwarf/lines.ts";
import { type ElfFile, readElf, type Section, sectionNamed, textAt } from "./elf-sections.ts";
import type { Extent, LineSpan, NamedAddress } from "./symbols.ts";

const SHT_SYMTAB = 2;
/** What a stripped library still has. */
const SHT_DYNSYM = 11;
/** Types that name code and data: none, object, function. */
const MOST_NAMED_TYPE = 2;
/** GNU's indirect functions: their address is the resolver's. */
const STT_GNU_IFUNC = 10;

/** Sections' flags: it is in memory; it is a thread's own, and its address is only a template's. */
const SHF_ALLOC = 2;
const SHF_TLS = 0x400;

/** Labels that assemblers drop but in what other files refer to. */
const COMPILERS_OWN = ".L";

export interface ElfNames {
  readonly symbols: readonly NamedAddress[];
  /** Sections in memory; undefined if the file does not tell. */
  readonly extents: readonly Extent[] | undefined;
  /** Source lines, read when they are first asked for. */
  readonly lines: () => readonly LineSpan[];
  /** Position independent: addresses count from wherever the program is put. */
  readonly relocatable: boolean;
  readonly ehFrame?: Addr | undefined;
}

const NOTHING: ElfNames = { symbols: [], extents: undefined, lines: () => [], relocatable: false };

/** Nothing of a file that is cut short or makes no sense: the loader has the word on whether it runs. */
export const elfNames = (bytes: Uint8Array): ElfNames =>
  isElf(bytes) ? unlessCutShort(() => readNames(readElf(bytes)), NOTHING) : NOTHING;

function unlessCutShort<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) return otherwise;
    throw error;
  }
}

function readNames(elf: ElfFile): ElfNames {
  const table =
    elf.sections.find(({ type }) => type === SHT_SYMTAB) ?? elf.sections.find(({ type }) => type === SHT_DYNSYM);
  const strings = table && elf.sections[table.link];
  return {
    symbols: strings === undefined ? [] : namesOf(elf, table!, strings),
    extents: extentsOf(elf),
    lines: () => unlessCutShort(() => dwarfLines(elf), []),
    relocatable: elf.relocatable,
    ehFrame: sectionNamed(elf, ".eh_frame")?.address,
  };
}

const extentsOf = ({ sections }: ElfFile): Extent[] =>
  sections
    .filter(({ flags }) => (flags & (SHF_ALLOC | SHF_TLS)) === SHF_ALLOC)
    .map(({ address, size }) => ({ start: address, end: address + size }));

function namesOf({ view, bits }: ElfFile, table: Section, strings: Section): NamedAddress[] {
  const wide = bits === 64;
  const step = wide ? 24 : 16;
  const found: NamedAddress[] = [];
  for (let at = table.offset + step; at + step <= table.offset + table.size; at += step) {
    const type = view.getUint8(at + (wide ? 4 : 12)) & 15;
    const section = view.getUint16(at + (wide ? 6 : 14), true);
    if ((type > MOST_NAMED_TYPE && type !== STT_GNU_IFUNC) || section === 0) continue;
    const name = textAt(view, strings.offset + view.getUint32(at, true));
    const value = wide ? bigToAddr(view.getBigUint64(at + 8, true)) : view.getUint32(at + 4, true);
    if (name !== "" && !name.startsWith(COMPILERS_OWN)) found.push({ name, address: value });
  }
  return found;
}
