/** ELF's particular relocations, by the name of what they ask for: number by width of the field, for each machine. */

type Numbers = Readonly<Record<string, { readonly 4?: number; readonly 8?: number }>>;

const X86_64: Numbers = {
  GOT: { 4: 3, 8: 27 },
  PLT: { 4: 4 },
  GOTPCREL: { 4: 9, 8: 28 },
  DTPOFF: { 4: 21, 8: 17 },
  TPOFF: { 4: 23, 8: 18 },
  TLSGD: { 4: 19 },
  TLSLD: { 4: 20 },
  GOTTPOFF: { 4: 22 },
  GOTOFF: { 8: 25 },
  GOTPC: { 4: 26, 8: 29 },
  GOTPLT: { 8: 30 },
  PLTOFF: { 8: 31 },
  SIZE: { 4: 32, 8: 33 },
  TLSDESC: { 4: 34 },
  TLSCALL: { 4: 35 },
  GOTPCRELX: { 4: 41 },
  REX_GOTPCRELX: { 4: 42 },
};
const I386: Numbers = {
  GOT: { 4: 3 },
  PLT: { 4: 4 },
  GOTOFF: { 4: 9 },
  GOTPC: { 4: 10 },
  INDNTPOFF: { 4: 15 },
  GOTNTPOFF: { 4: 16 },
  NTPOFF: { 4: 17 },
  TLSGD: { 4: 18 },
  TLSLDM: { 4: 19 },
  DTPOFF: { 4: 32 },
  GOTTPOFF: { 4: 33 },
  TPOFF: { 4: 34 },
  SIZE: { 4: 38 },
  TLSDESC: { 4: 39 },
  TLSCALL: { 4: 40 },
  GOT32X: { 4: 43 },
};

/** ELF's own names, by number, without `R_X86_64_` and `R_386_`: `.reloc` takes them all. */
const ELF_64 =
  "NONE 64 PC32 GOT32 PLT32 COPY GLOB_DAT JUMP_SLOT RELATIVE GOTPCREL 32 32S 16 PC16 8 PC8 DTPMOD64 DTPOFF64 TPOFF64 TLSGD TLSLD DTPOFF32 GOTTPOFF TPOFF32 PC64 GOTOFF64 GOTPC32 GOT64 GOTPCREL64 GOTPC64 GOTPLT64 PLTOFF64 SIZE32 SIZE64 GOTPC32_TLSDESC TLSDESC_CALL TLSDESC IRELATIVE RELATIVE64 PC32_BND PLT32_BND GOTPCRELX REX_GOTPCRELX".split(
    " ",
  );
const ELF_32 =
  "NONE 32 PC32 GOT32 PLT32 COPY GLOB_DAT JUMP_SLOT RELATIVE GOTOFF GOTPC - - - TLS_TPOFF TLS_IE TLS_GOTIE TLS_LE TLS_GD TLS_LDM 16 PC16 8 PC8 - - - - - - - - TLS_LDO_32 TLS_IE_32 TLS_LE_32 TLS_DTPMOD32 TLS_DTPOFF32 TLS_TPOFF32 SIZE32 TLS_GOTDESC TLS_DESC_CALL TLS_DESC IRELATIVE GOT32X".split(
    " ",
  );
const EIGHT_BYTES = /64$|^(GLOB_DAT|JUMP_SLOT|RELATIVE|TLSDESC|IRELATIVE)$/;

/** The number of `R_X86_64_...` or `R_386_...`. */
function numberOfName(name: string, wide: boolean): number | undefined {
  const prefix = wide ? "R_X86_64_" : "R_386_";
  if (!name.startsWith(prefix)) return undefined;
  const rest = name.slice(prefix.length);
  if (rest === "GNU_VTINHERIT" || rest === "GNU_VTENTRY") return rest === "GNU_VTENTRY" ? 251 : 250;
  const number = rest === "-" ? -1 : (wide ? ELF_64 : ELF_32).indexOf(rest);
  return number < 0 ? undefined : number;
}

/** Bytes of the field that a relocation of this name, as ELF has it, is about; undefined: there is none. */
export function relocationSize(name: string, wide: boolean): 1 | 2 | 4 | 8 | undefined {
  if (numberOfName(name, wide) === undefined) return undefined;
  const type = name.replace(/^R_(X86_64|386)_/, "");
  if (/^(PC)?8$/.test(type)) return 1;
  if (/^(PC)?16$/.test(type)) return 2;
  return wide && EIGHT_BYTES.test(type) ? 8 : 4;
}

/** ELF's number; undefined: the machine has none for a field of this width. */
export function relocationNumber(type: string, size: number, wide: boolean): number | undefined {
  return numberOfName(type, wide) ?? (wide ? X86_64 : I386)[type]?.[size as 4 | 8];
}

/** The name that this module's other functions know it by, where it has one. */
export function ownName(name: string, wide: boolean): string {
  const number = numberOfName(name, wide);
  const size = relocationSize(name, wide);
  const own = Object.entries(wide ? X86_64 : I386).find(([, sizes]) => sizes[size as 4 | 8] === number);
  return own?.[0] ?? name;
}

/** Is the name one of a relocation at all? */
export const isRelocation = (type: string, wide: boolean): boolean => Object.hasOwn(wide ? X86_64 : I386, type);

/** It changes nothing in the place that it is about. */
export const isMark = (type: string | undefined): boolean =>
  type !== undefined && (type === "TLSCALL" || /_NONE$|_GNU_VT/.test(type));

/** The symbol is thread-local. */
export const isThreadLocal = (type: string): boolean => /^TLS|TPOFF$|^DTPOFF$/.test(type);

export const GLOBAL_OFFSET_TABLE = "_GLOBAL_OFFSET_TABLE_";
