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
  GOT32X: { 4: 43 },
};

/** Those that need no name in expressions; `.reloc` names them all. */
const PLAIN: Readonly<Record<string, readonly [number, number, number]>> = {
  NONE: [0, 0, 4],
  "64": [1, -1, 8],
  PC32: [2, 2, 4],
  "32": [10, 1, 4],
  "32S": [11, -1, 4],
  "16": [12, 20, 2],
  PC16: [13, 21, 2],
  "8": [14, 22, 1],
  PC8: [15, 23, 1],
  PC64: [24, -1, 8],
};

/** Bytes of the field that a relocation of this name, as ELF has it, is about. */
export function relocationSize(type: string, wide: boolean): 1 | 2 | 4 | 8 | undefined {
  const plain = Object.hasOwn(PLAIN, type) ? PLAIN[type]! : undefined;
  if (plain) return plain[wide ? 0 : 1]! >= 0 ? (plain[2] as 1 | 2 | 4 | 8) : undefined;
  const table = wide ? X86_64 : I386;
  const sizes = Object.hasOwn(table, type) ? table[type] : undefined;
  return sizes && (sizes[4] !== undefined ? 4 : 8);
}

/** ELF's number; undefined: the machine has none for a field of this width. */
export function relocationNumber(type: string, size: number, wide: boolean): number | undefined {
  const plain = Object.hasOwn(PLAIN, type) ? PLAIN[type]! : undefined;
  return plain ? plain[wide ? 0 : 1] : (wide ? X86_64 : I386)[type]?.[size as 4 | 8];
}

/** Is the name one of a relocation at all? */
export const isRelocation = (type: string, wide: boolean): boolean => Object.hasOwn(wide ? X86_64 : I386, type);

/** The symbol is thread-local. */
export const isThreadLocal = (type: string): boolean => /^TLS|TPOFF$|^DTPOFF$/.test(type);

export const GLOBAL_OFFSET_TABLE = "_GLOBAL_OFFSET_TABLE_";
