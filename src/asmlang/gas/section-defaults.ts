/** What ELF's well-known section names mean when the source does not say: type, flag letters, size of an entry. */

export interface SectionDefaults {
  readonly type: string;
  readonly letters: string;
  readonly entries?: "address" | "rela" | "dynamic" | "hash";
}

type Rule = readonly [pattern: RegExp, type: string, letters: string, entries?: SectionDefaults["entries"]];

const RULES: readonly Rule[] = [
  [/^\.text(\.|$)|^\.(init|fini|plt)$/, "progbits", "ax"],
  [/^\.data(\.|$)|^\.data1$|^\.gnu\.linkonce\.p(\.|$)|^\.got$/, "progbits", "aw"],
  [/^\.rodata(\.|$)|^\.rodata1$/, "progbits", "a"],
  [/^\.bss(\.|$)|^\.gnu\.linkonce\.[bn](\.|$)|^\.noinit(\.|$)|^\.persistent\.bss$/, "nobits", "aw"],
  [/^\.persistent(\.|$)/, "progbits", "aw"],
  [/^\.tdata(\.|$)/, "progbits", "awT"],
  [/^\.tbss(\.|$)/, "nobits", "awT"],
  [/^\.init_array(\.|$)/, "init_array", "aw", "address"],
  [/^\.fini_array(\.|$)/, "fini_array", "aw", "address"],
  [/^\.preinit_array(\.|$)/, "preinit_array", "aw", "address"],
  [/^\.note\.GNU-stack$|^\.(comment|debug|line|interp|shstrtab)$/, "progbits", ""],
  [/^\.note/, "note", ""],
  [/^\.gnu\.lto_/, "progbits", "e"],
  [/^\.(stabstr|strtab|dynstr)$/, "3", ""],
  [/^\.dynamic$/, "6", "a", "dynamic"],
  [/^\.hash$/, "5", "a", "hash"],
  [/^\.rela/, "4", "", "rela"],
  [/^\.rel/, "9", "", "dynamic"],
];

/** Sections beyond the first two gigabytes: x86-64 only. */
const LARGE: readonly Rule[] = [
  [/^\.(lbss|gnu\.linkonce\.lb)(\.|$)/, "nobits", "awl"],
  [/^\.(ldata|gnu\.linkonce\.l)(\.|$)/, "progbits", "awl"],
  [/^\.(lrodata|gnu\.linkonce\.lr)(\.|$)/, "progbits", "al"],
  [/^\.gnu\.linkonce\.lt(\.|$)/, "progbits", "axl"],
];

export function sectionDefaults(name: string, wide: boolean): SectionDefaults | undefined {
  const matches = ([pattern]: Rule) => pattern.test(name);
  const rule = RULES.find(matches) ?? (wide ? LARGE.find(matches) : undefined);
  return rule && { type: rule[1], letters: rule[2], ...(rule[3] && { entries: rule[3] }) };
}

/** Bytes of one entry of a table. */
export function entryBytes(entries: SectionDefaults["entries"], wide: boolean): number | undefined {
  if (entries === undefined) return undefined;
  const [wideBytes, narrow] = { address: [8, 4], rela: [24, 12], dynamic: [16, 8], hash: [4, 4] }[entries] as [
    number,
    number,
  ];
  return wide ? wideBytes : narrow;
}
