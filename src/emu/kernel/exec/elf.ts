/** Reading ELF executables, 32 and 64 bit, and our own assembler's images, into one shape: what is to be in memory. */
import type { Image } from "../../../asmlang/types.ts";
import {
  ELF_MAGIC,
  ELF32_EHDR,
  ELF32_PHDR,
  ELF64_EHDR,
  ELF64_PHDR,
  ELFCLASS32,
  ELFCLASS64,
  EM,
  ET,
  PF,
  PT,
} from "../abi/elf.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import type { Program } from "../types.ts";

export interface LoadSegment {
  readonly address: number;
  /** Where its bytes are in the file, if they come from one. */
  readonly offset?: number;
  readonly bytes: Uint8Array;
  readonly memorySize: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly exec: boolean;
}

export interface Loadable {
  readonly bits: 32 | 64;
  readonly entry: number;
  /** Position independent: addresses count from wherever it is put. */
  readonly relocatable: boolean;
  /** The largest alignment that a segment asks for, in bytes. */
  readonly alignment: number;
  readonly segments: readonly LoadSegment[];
  /** Program headers in memory, for AT_PHDR; 0 = not loaded. */
  readonly phdr: number;
  readonly phent: number;
  readonly phnum: number;
  readonly interpreter: string | undefined;
  /** PT_GNU_STACK asks for an executable stack, or is missing where that means so. */
  readonly execStack: boolean;
}

/** A loadable program, or one sentence about why it is none. */
export function readProgram(program: Program): Loadable | string {
  return program.kind === "image" ? fromImage(program.image) : readElf(program.bytes);
}

function fromImage(image: Image): Loadable {
  return {
    bits: image.bits === 64 ? 64 : 32,
    entry: Number(image.entry),
    relocatable: false,
    alignment: PAGE_SIZE,
    segments: image.segments.map((s) => ({
      address: Number(s.address),
      bytes: s.bytes,
      memorySize: Math.max(s.memorySize, s.bytes.length),
      read: true,
      write: s.flags.write,
      exec: s.flags.exec,
    })),
    phdr: 0,
    phent: image.bits === 64 ? ELF64_PHDR.size : ELF32_PHDR.size,
    phnum: 0,
    interpreter: undefined,
    execStack: false,
  };
}

function readElf(bytes: Uint8Array): Loadable | string {
  if (bytes.length < ELF32_EHDR.size || !ELF_MAGIC.every((byte, i) => bytes[i] === byte)) return "not an ELF file";
  const elfClass = bytes[4];
  if (elfClass !== ELFCLASS32 && elfClass !== ELFCLASS64) return "an ELF file of unknown class";
  const bits = elfClass === ELFCLASS64 ? 64 : 32;
  const ehdrType = bits === 64 ? ELF64_EHDR : ELF32_EHDR;
  if (bytes.length < ehdrType.size) return "an ELF file cut short";
  const ehdr = (ehdrType as typeof ELF64_EHDR).at(bytes);
  const machine = ehdr.get("e_machine");
  if (machine !== (bits === 64 ? EM.EM_X86_64 : EM.EM_386))
    return `an ELF file for another machine (e_machine ${machine})`;
  const type = ehdr.get("e_type");
  if (type !== ET.ET_EXEC && type !== ET.ET_DYN)
    return "an ELF file that is no executable (an object file must be linked first)";
  const headers = readHeaders(bytes, bits, ehdr.get("e_phoff"), ehdr.get("e_phnum"), ehdr.get("e_phentsize"));
  if (typeof headers === "string") return headers;
  return describe(bytes, bits, type === ET.ET_DYN, ehdr.get("e_entry"), ehdr.get("e_phoff"), headers);
}

interface Header {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: number;
}

function readHeaders(bytes: Uint8Array, bits: 32 | 64, offset: number, count: number, size: number): Header[] | string {
  const phdrType = (bits === 64 ? ELF64_PHDR : ELF32_PHDR) as typeof ELF64_PHDR;
  if (count === 0) return "an ELF file without program headers";
  if (size !== phdrType.size) return "an ELF file with program headers of a wrong size";
  if (offset + count * size > bytes.length) return "an ELF file whose program headers lie outside it";
  return Array.from({ length: count }, (_, i) => {
    const view = phdrType.at(bytes, offset + i * size);
    return {
      type: view.get("p_type"),
      flags: view.get("p_flags"),
      offset: view.get("p_offset"),
      vaddr: view.get("p_vaddr"),
      filesz: view.get("p_filesz"),
      memsz: view.get("p_memsz"),
      align: view.get("p_align"),
    };
  });
}

function describe(
  bytes: Uint8Array,
  bits: 32 | 64,
  dyn: boolean,
  entry: number,
  phoff: number,
  headers: Header[],
): Loadable | string {
  const loads = headers.filter((h) => h.type === PT.PT_LOAD && h.memsz > 0);
  if (loads.length === 0) return "an ELF file with nothing to load";
  for (const h of loads) {
    if (h.offset + h.filesz > bytes.length) return "an ELF file cut short: a segment lies outside it";
    if (h.filesz > h.memsz) return "an ELF file with a segment larger in the file than in memory";
    if (h.offset % PAGE_SIZE !== h.vaddr % PAGE_SIZE)
      return "an ELF file with a segment that is not aligned as its file offset";
  }
  const holder = loads.find((h) => phoff >= h.offset && phoff < h.offset + h.filesz);
  const interp = headers.find((h) => h.type === PT.PT_INTERP);
  const stack = headers.find((h) => h.type === PT.PT_GNU_STACK);
  return {
    bits,
    entry,
    relocatable: dyn,
    alignment: Math.max(PAGE_SIZE, ...loads.map((h) => h.align)),
    segments: loads.map((h) => ({
      address: h.vaddr,
      offset: h.offset,
      bytes: bytes.subarray(h.offset, h.offset + h.filesz),
      memorySize: h.memsz,
      read: (h.flags & PF.PF_R) !== 0,
      write: (h.flags & PF.PF_W) !== 0,
      exec: (h.flags & PF.PF_X) !== 0,
    })),
    phdr: holder === undefined ? 0 : phoff - holder.offset + holder.vaddr,
    phent: bits === 64 ? ELF64_PHDR.size : ELF32_PHDR.size,
    phnum: headers.length,
    interpreter:
      interp === undefined
        ? undefined
        : new TextDecoder().decode(bytes.subarray(interp.offset, interp.offset + interp.filesz - 1)),
    execStack: stack === undefined ? bits === 32 : (stack.flags & PF.PF_X) !== 0,
  };
}
