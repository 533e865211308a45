/** Static ELF executables made from a linked image. */
import { ByteBuffer } from "../core/buffer.ts";
import type { Image } from "../types.ts";
import { unitOfImage } from "./debug-unit.ts";
import { type DebugSection, debugSections } from "./dwarf.ts";
import {
  finishElf,
  type ProgramHeader,
  type SectionHeader,
  SHF,
  SHN_ABS,
  SHT,
  StringTable,
  sizes,
  symbolEntry,
  symbolInfo,
} from "./elf.ts";

const PAGE = 0x1000n;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;

type Segment = Image["segments"][number];

/** Consecutive sections with the same rights, loaded together. */
function groupsOf(segments: readonly Segment[]): Segment[][] {
  const groups: Segment[][] = [];
  for (const segment of segments) {
    if (segment.memorySize === 0) continue;
    const last = groups.at(-1)?.at(-1);
    const joins =
      last !== undefined &&
      last.flags.write === segment.flags.write &&
      last.flags.exec === segment.flags.exec &&
      segment.address - (last.address + BigInt(last.memorySize)) < PAGE &&
      !(last.bytes.length < last.memorySize && segment.bytes.length > 0);
    if (joins) groups.at(-1)!.push(segment);
    else groups.push([segment]);
  }
  return groups;
}

/** `debug`: with a line table for debuggers. */
export function writeElfExecutable(image: Image, { debug = false } = {}): Uint8Array {
  const wide = image.bits === 64;
  const groups = groupsOf(image.segments);
  const body = new ByteBuffer();
  body.skip(sizes(wide).header + (groups.length + 1) * sizes(wide).program);
  const programs: ProgramHeader[] = [];
  const sections: SectionHeader[] = [];
  for (const group of groups) programs.push(load(group, body, sections));
  programs.push({
    type: PT_GNU_STACK,
    flags: image.execStack === false ? 6 : 7,
    offset: 0,
    address: 0n,
    fileSize: 0,
    memorySize: 0,
    align: 16,
  });
  sections.push(...symbolSections(image, sections, wide));
  const unit = debug ? unitOfImage(image) : undefined;
  if (unit) sections.push(...debugSections(unit, wide).map(debugHeader));
  return finishElf(wide, 2, image.entry, programs, sections, body);
}

const debugHeader = ({ name, bytes, strings }: DebugSection): SectionHeader => ({
  name,
  type: SHT.progbits,
  flags: strings ? SHF.merge | SHF.strings : 0,
  size: bytes.length,
  bytes,
  align: 1,
  ...(strings && { entrySize: 1 }),
});

/** Writes a group's bytes at a file offset that is its address modulo the page size. */
function load(group: readonly Segment[], body: ByteBuffer, sections: SectionHeader[]): ProgramHeader {
  const { address, flags } = group[0]!;
  const congruent = Number((address - BigInt(body.length)) % PAGE);
  body.skip(congruent < 0 ? congruent + Number(PAGE) : congruent);
  const offset = body.length;
  for (const segment of group) {
    const at = offset + Number(segment.address - address);
    const nobits = segment.bytes.length === 0;
    if (!nobits) {
      body.skip(Math.max(0, at - body.length));
      body.push(segment.bytes);
    }
    sections.push({
      name: segment.section,
      type: nobits ? SHT.nobits : SHT.progbits,
      flags: SHF.alloc | (segment.flags.write ? SHF.write : 0) | (segment.flags.exec ? SHF.exec : 0),
      address: segment.address,
      size: segment.memorySize,
      bytes: segment.bytes,
      align: 1,
      offset: at,
    });
  }
  const last = group.at(-1)!;
  return {
    type: PT_LOAD,
    flags: 4 | (flags.write ? 2 : 0) | (flags.exec ? 1 : 0),
    offset,
    address,
    fileSize: body.length - offset,
    memorySize: Number(last.address - address) + last.memorySize,
    align: Number(PAGE),
  };
}

function symbolSections(image: Image, sections: readonly SectionHeader[], wide: boolean): SectionHeader[] {
  const strings = new StringTable();
  const out = new ByteBuffer();
  out.push(symbolEntry({ name: "", value: 0n, size: 0n, info: 0, other: 0, section: 0 }, 0, wide));
  const sectionAt = (address: bigint) =>
    sections.findIndex(
      (one) => one.address !== undefined && address >= one.address && address <= one.address + BigInt(one.size),
    ) + 1;
  const all = image.symbolTable ?? [];
  const locals = all.filter((symbol) => symbol.binding === "local");
  for (const symbol of [...locals, ...all.filter((one) => one.binding !== "local")]) {
    const { name, address, size } = symbol;
    const section = symbol.absolute ? SHN_ABS : sectionAt(address) || SHN_ABS;
    out.push(
      symbolEntry(
        { name, value: address, size, info: symbolInfo(symbol.binding, symbol.type), other: 0, section },
        strings.add(name),
        wide,
      ),
    );
  }
  const bytes = out.view().slice();
  const text = strings.bytes();
  return [
    {
      name: ".symtab",
      type: SHT.symtab,
      flags: 0,
      size: bytes.length,
      bytes,
      link: sections.length + 2,
      info: locals.length + 1,
      align: wide ? 8 : 4,
      entrySize: sizes(wide).symbol,
    },
    { name: ".strtab", type: SHT.strtab, flags: 0, size: text.length, bytes: text, align: 1 },
  ];
}
