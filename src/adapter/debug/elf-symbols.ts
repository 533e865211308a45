/** What an ELF executable's sections tell: the names of its symbol table (.symtab), and where its frame information (.eh_frame) will be. */
import { type Addr, bigToAddr } from "../../emu/cpu/state.ts";
import { ELF32_EHDR, ELF64_EHDR, ELFCLASS64, ET } from "../../emu/kernel/abi/elf.ts";
import { isElf } from "../../emu/kernel/program.ts";
import type { NamedAddress } from "./symbols.ts";

const SHT_SYMTAB = 2;
/** What a stripped library still has. */
const SHT_DYNSYM = 11;
/** Types that name code and data: none, object, function. */
const MOST_NAMED_TYPE = 2;

interface Section {
  /** Offset in the sections' names. */
  readonly name: number;
  readonly address: Addr;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

export interface ElfNames {
  readonly symbols: readonly NamedAddress[];
  /** Position independent: addresses count from wherever the program is put. */
  readonly relocatable: boolean;
  readonly ehFrame?: Addr | undefined;
}

/** None of a file that is cut short or makes no sense: the loader has the word on whether it runs. */
export function elfNames(bytes: Uint8Array): ElfNames {
  try {
    return isElf(bytes) ? readNames(bytes) : { symbols: [], relocatable: false };
  } catch (error) {
    if (error instanceof RangeError) return { symbols: [], relocatable: false };
    throw error;
  }
}

function readNames(bytes: Uint8Array): ElfNames {
  const wide = bytes[4] === ELFCLASS64;
  const header = (wide ? ELF64_EHDR : ELF32_EHDR).at(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [at, size] = [Number(header.big("e_shoff")), header.get("e_shentsize")];
  const sections = Array.from({ length: header.get("e_shnum") }, (_, i) => sectionAt(view, at + i * size, wide));
  const table = [SHT_SYMTAB, SHT_DYNSYM].flatMap((wanted) => sections.filter(({ type }) => type === wanted))[0];
  const strings = table && sections[table.link];
  const symbols = strings === undefined ? [] : namesOf(view, table!, strings, wide);
  const names = sections[header.get("e_shstrndx")];
  const ehFrame = names && sections.find(({ name }) => textAt(view, names.offset + name) === ".eh_frame");
  return { symbols, relocatable: header.get("e_type") === ET.ET_DYN, ehFrame: ehFrame?.address };
}

function sectionAt(view: DataView, at: number, wide: boolean): Section {
  const word = (offset32: number, offset64: number) =>
    wide ? Number(view.getBigUint64(at + offset64, true)) : view.getUint32(at + offset32, true);
  const link = view.getUint32(at + (wide ? 40 : 24), true);
  const address = wide ? bigToAddr(view.getBigUint64(at + 16, true)) : view.getUint32(at + 12, true);
  const name = view.getUint32(at, true);
  return { name, address, type: view.getUint32(at + 4, true), offset: word(16, 24), size: word(20, 32), link };
}

function namesOf(view: DataView, table: Section, strings: Section, wide: boolean): NamedAddress[] {
  const step = wide ? 24 : 16;
  const found: NamedAddress[] = [];
  for (let at = table.offset + step; at + step <= table.offset + table.size; at += step) {
    const info = view.getUint8(at + (wide ? 4 : 12));
    const section = view.getUint16(at + (wide ? 6 : 14), true);
    if ((info & 15) > MOST_NAMED_TYPE || section === 0) continue;
    const name = textAt(view, strings.offset + view.getUint32(at, true));
    const value = wide ? bigToAddr(view.getBigUint64(at + 8, true)) : view.getUint32(at + 4, true);
    if (name !== "") found.push({ name, address: value });
  }
  return found;
}

function textAt(view: DataView, at: number): string {
  let end = at;
  while (view.getUint8(end) !== 0) end++;
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at, end - at));
}
