/** Sections of an ELF file by name. Reading beyond the file throws a RangeError: a file may be cut short or make no sense. */
import { type Addr, bigToAddr } from "../../emu/cpu/state.ts";
import { ELF32_EHDR, ELF64_EHDR, ELFCLASS64, ET } from "../../emu/kernel/abi/elf.ts";

export interface Section {
  readonly name: string;
  readonly address: Addr;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

export interface ElfFile {
  readonly bits: 32 | 64;
  /** Position independent: addresses count from wherever the program is put. */
  readonly relocatable: boolean;
  readonly view: DataView;
  readonly sections: readonly Section[];
}

export function readElf(bytes: Uint8Array): ElfFile {
  const bits = bytes[4] === ELFCLASS64 ? 64 : 32;
  const header = (bits === 64 ? ELF64_EHDR : ELF32_EHDR).at(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [at, size] = [Number(header.big("e_shoff")), header.get("e_shentsize")];
  const sections = Array.from({ length: header.get("e_shnum") }, (_, i) => sectionAt(view, at + i * size, bits));
  const names = sections[header.get("e_shstrndx")]?.offset;
  return {
    bits,
    relocatable: header.get("e_type") === ET.ET_DYN,
    view,
    sections:
      names === undefined
        ? sections
        : sections.map((section) => ({ ...section, name: textAt(view, names + section.nameAt) })),
  };
}

export const sectionNamed = ({ sections }: ElfFile, name: string): Section | undefined =>
  sections.find((section) => section.name === name);

/** Its bytes in the file. */
export function contentsOf({ view }: ElfFile, { offset, size }: Section): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, size);
}

function sectionAt(view: DataView, at: number, bits: 32 | 64): Section & { readonly nameAt: number } {
  const wide = bits === 64;
  const word = (offset32: number, offset64: number) =>
    wide ? Number(view.getBigUint64(at + offset64, true)) : view.getUint32(at + offset32, true);
  return {
    nameAt: view.getUint32(at, true),
    name: "",
    type: view.getUint32(at + 4, true),
    flags: word(8, 8),
    address: wide ? bigToAddr(view.getBigUint64(at + 16, true)) : view.getUint32(at + 12, true),
    offset: word(16, 24),
    size: word(20, 32),
    link: view.getUint32(at + (wide ? 40 : 24), true),
  };
}

/** Text up to its zero. */
export function textAt(view: DataView, at: number): string {
  let end = at;
  while (view.getUint8(end) !== 0) end++;
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at, end - at));
}
