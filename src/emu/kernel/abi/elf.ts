/** ELF headers as structures, and the constants a loader needs. Source: uapi/linux/elf.h, elf-em.h; System V ABI. */
import { blob, struct, u8, u16, u32, u64 } from "./struct.ts";

const ident = {
  ei_mag: blob(4),
  ei_class: u8,
  ei_data: u8,
  ei_version: u8,
  ei_osabi: u8,
  ei_abiversion: u8,
  ei_pad: blob(7),
};
const tail = {
  e_flags: u32,
  e_ehsize: u16,
  e_phentsize: u16,
  e_phnum: u16,
  e_shentsize: u16,
  e_shnum: u16,
  e_shstrndx: u16,
};
export const ELF64_EHDR = struct({
  ...ident,
  e_type: u16,
  e_machine: u16,
  e_version: u32,
  e_entry: u64,
  e_phoff: u64,
  e_shoff: u64,
  ...tail,
});
export const ELF32_EHDR = struct({
  ...ident,
  e_type: u16,
  e_machine: u16,
  e_version: u32,
  e_entry: u32,
  e_phoff: u32,
  e_shoff: u32,
  ...tail,
});
export const ELF64_PHDR = struct({
  p_type: u32,
  p_flags: u32,
  p_offset: u64,
  p_vaddr: u64,
  p_paddr: u64,
  p_filesz: u64,
  p_memsz: u64,
  p_align: u64,
});
export const ELF32_PHDR = struct({
  p_type: u32,
  p_offset: u32,
  p_vaddr: u32,
  p_paddr: u32,
  p_filesz: u32,
  p_memsz: u32,
  p_flags: u32,
  p_align: u32,
});
export const ELF64_SHDR = struct({
  sh_name: u32,
  sh_type: u32,
  sh_flags: u64,
  sh_addr: u64,
  sh_offset: u64,
  sh_size: u64,
  sh_link: u32,
  sh_info: u32,
  sh_addralign: u64,
  sh_entsize: u64,
});
export const ELF32_SHDR = struct({
  sh_name: u32,
  sh_type: u32,
  sh_flags: u32,
  sh_addr: u32,
  sh_offset: u32,
  sh_size: u32,
  sh_link: u32,
  sh_info: u32,
  sh_addralign: u32,
  sh_entsize: u32,
});
export const ELF64_SYM = struct({
  st_name: u32,
  st_info: u8,
  st_other: u8,
  st_shndx: u16,
  st_value: u64,
  st_size: u64,
});
export const ELF32_SYM = struct({
  st_name: u32,
  st_value: u32,
  st_size: u32,
  st_info: u8,
  st_other: u8,
  st_shndx: u16,
});
export const ELF64_DYN = struct({ d_tag: u64, d_val: u64 });
export const ELF32_DYN = struct({ d_tag: u32, d_val: u32 });

export const ELF_MAGIC = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46);
export const ELFCLASS32 = 1;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;
export const ET = { ET_NONE: 0, ET_REL: 1, ET_EXEC: 2, ET_DYN: 3, ET_CORE: 4 } as const;
export const EM = { EM_386: 3, EM_486: 6, EM_X86_64: 62 } as const;
export const PT = {
  PT_NULL: 0,
  PT_LOAD: 1,
  PT_DYNAMIC: 2,
  PT_INTERP: 3,
  PT_NOTE: 4,
  PT_SHLIB: 5,
  PT_PHDR: 6,
  PT_TLS: 7,
  PT_GNU_EH_FRAME: 0x6474e550,
  PT_GNU_STACK: 0x6474e551,
  PT_GNU_RELRO: 0x6474e552,
  PT_GNU_PROPERTY: 0x6474e553,
} as const;
export const PF = { PF_X: 1, PF_W: 2, PF_R: 4 } as const;
export const SHT = {
  SHT_NULL: 0,
  SHT_PROGBITS: 1,
  SHT_SYMTAB: 2,
  SHT_STRTAB: 3,
  SHT_NOBITS: 8,
  SHT_DYNSYM: 11,
} as const;
export const DT = {
  DT_NULL: 0,
  DT_HASH: 4,
  DT_STRTAB: 5,
  DT_SYMTAB: 6,
  DT_STRSZ: 10,
  DT_SYMENT: 11,
  DT_SONAME: 14,
  DT_VERSYM: 0x6ffffff0,
  DT_VERDEF: 0x6ffffffc,
  DT_VERDEFNUM: 0x6ffffffd,
} as const;
