/** ELF constants and a writer of headers in both classes. */
import { ByteBuffer, littleEndian } from "../core/buffer.ts";
import type { Section } from "../types.ts";

/** No file needs more alignment than a page has, whatever its sections want in memory. */
const PAGE = 4096;

export const SHT = {
  null: 0,
  progbits: 1,
  symtab: 2,
  strtab: 3,
  rela: 4,
  note: 7,
  nobits: 8,
  rel: 9,
  initArray: 14,
  finiArray: 15,
  preinitArray: 16,
  group: 17,
} as const;
export const SHF = {
  write: 1,
  alloc: 2,
  exec: 4,
  merge: 0x10,
  strings: 0x20,
  infoLink: 0x40,
  linkOrder: 0x80,
  group: 0x200,
  tls: 0x400,
  retain: 0x200000,
  mbind: 0x1000000,
  large: 0x10000000,
  exclude: 0x80000000,
} as const;
export const SHN_ABS = 0xfff1;
export const SHN_COMMON = 0xfff2;
/** Common, but beyond the first two gigabytes. */
export const SHN_X86_64_LCOMMON = 0xff02;

export interface SectionHeader {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address?: bigint;
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly link?: number;
  readonly info?: number;
  readonly align: number;
  readonly entrySize?: number;
  /** Where the bytes already are in the file; else they are appended. */
  readonly offset?: number;
}

export interface ProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: bigint;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly align: number;
}

/** Strings with a NUL after each; the empty one first. */
export class StringTable {
  readonly #buffer = new ByteBuffer();
  readonly #offsets = new Map<string, number>();

  constructor() {
    this.add("");
  }

  add(text: string): number {
    let offset = this.#offsets.get(text);
    if (offset === undefined) {
      offset = this.#buffer.length;
      this.#buffer.push(new TextEncoder().encode(`${text}\0`));
      this.#offsets.set(text, offset);
    }
    return offset;
  }

  bytes(): Uint8Array {
    return this.#buffer.view().slice();
  }
}

/** Packs fields: `[bytes, value]` pairs. */
export function pack(fields: readonly (readonly [number, number | bigint])[]): Uint8Array {
  const out = new ByteBuffer();
  for (const [size, value] of fields) out.push(littleEndian(size, BigInt(value)));
  return out.view().slice();
}

export interface ElfSymbol {
  readonly name: string;
  readonly value: bigint;
  readonly size: bigint;
  readonly info: number;
  readonly other: number;
  readonly section: number;
}

export function symbolEntry(symbol: ElfSymbol, name: number, wide: boolean): Uint8Array {
  const { value, size, info, other, section } = symbol;
  return wide
    ? pack([
        [4, name],
        [1, info],
        [1, other],
        [2, section],
        [8, value],
        [8, size],
      ])
    : pack([
        [4, name],
        [4, value],
        [4, size],
        [1, info],
        [1, other],
        [2, section],
      ]);
}

const BINDING = { local: 0, global: 1, weak: 2, unique: 10 } as const;
const TYPE = { notype: 0, object: 1, func: 2, tls: 6, ifunc: 10 } as const;

export function symbolInfo(binding: keyof typeof BINDING, type: keyof typeof TYPE): number {
  return (BINDING[binding] << 4) | TYPE[type];
}

/** Sizes of header, program header and section header. */
export const sizes = (wide: boolean) =>
  wide ? { header: 64, program: 56, section: 64, symbol: 24 } : { header: 52, program: 32, section: 40, symbol: 16 };

/** Writes a whole file: `body` already holds what program headers and offsets speak of, from the file's start. */
export function finishElf(
  wide: boolean,
  type: 1 | 2,
  entry: bigint,
  programs: readonly ProgramHeader[],
  sections: readonly SectionHeader[],
  body: ByteBuffer,
): Uint8Array {
  const names = new StringTable();
  const all: SectionHeader[] = [
    { name: "", type: SHT.null, flags: 0, size: 0, bytes: new Uint8Array(0), align: 0 },
    ...sections,
  ];
  for (const section of all) names.add(section.name);
  names.add(".shstrtab");
  const table = names.bytes();
  all.push({ name: ".shstrtab", type: SHT.strtab, flags: 0, size: table.length, bytes: table, align: 1 });
  const offsets = all.map((section) => section.offset ?? append(body, section));
  pad(body, wide ? 8 : 4);
  const headers = body.length;
  for (const [i, section] of all.entries())
    body.push(sectionHeader(section, names.add(section.name), offsets[i]!, wide));
  const file = body.view().slice();
  file.set(fileHeader(wide, type, entry, programs.length, all.length, headers), 0);
  for (const [i, program] of programs.entries())
    file.set(programHeader(program, wide), sizes(wide).header + i * sizes(wide).program);
  return file;
}

function append(body: ByteBuffer, section: SectionHeader): number {
  if (section.type === SHT.null) return 0;
  pad(body, Math.min(PAGE, Math.max(1, section.align)));
  const offset = body.length;
  if (section.type !== SHT.nobits) body.push(section.bytes);
  return offset;
}

export function pad(body: ByteBuffer, align: number): void {
  body.skip((align - (body.length % align)) % align);
}

function fileHeader(
  wide: boolean,
  type: number,
  entry: bigint,
  programs: number,
  sections: number,
  headers: number,
): Uint8Array {
  const word = wide ? 8 : 4;
  const size = sizes(wide);
  return pack([
    [4, 0x464c457f],
    [1, wide ? 2 : 1],
    [1, 1],
    [1, 1],
    [9, 0],
    [2, type],
    [2, wide ? 62 : 3],
    [4, 1],
    [word, entry],
    [word, programs > 0 ? size.header : 0],
    [word, headers],
    [4, 0],
    [2, size.header],
    [2, programs > 0 ? size.program : 0],
    [2, programs],
    [2, size.section],
    [2, sections],
    [2, sections - 1],
  ]);
}

function programHeader(p: ProgramHeader, wide: boolean): Uint8Array {
  return wide
    ? pack([
        [4, p.type],
        [4, p.flags],
        [8, p.offset],
        [8, p.address],
        [8, p.address],
        [8, p.fileSize],
        [8, p.memorySize],
        [8, p.align],
      ])
    : pack([
        [4, p.type],
        [4, p.offset],
        [4, p.address],
        [4, p.address],
        [4, p.fileSize],
        [4, p.memorySize],
        [4, p.flags],
        [4, p.align],
      ]);
}

function sectionHeader(s: SectionHeader, name: number, offset: number, wide: boolean): Uint8Array {
  const word = wide ? 8 : 4;
  return pack([
    [4, name],
    [4, s.type],
    [word, s.flags],
    [word, s.address ?? 0n],
    [word, offset],
    [word, s.size],
    [4, s.link ?? 0],
    [4, s.info ?? 0],
    [word, s.align],
    [word, s.entrySize ?? 0],
  ]);
}

export const isThreadLocalSection = ({ name, elf }: Section): boolean =>
  elf?.flags?.includes("T") === true || /^\.t(data|bss)/.test(name);
