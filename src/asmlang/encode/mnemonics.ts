/** From a mnemonic as written to iced's names. Only names that iced lacks are listed here; condition codes are made. */
import { lookUp } from "../core/look-up.ts";
import { formsNamed } from "./forms.ts";
import type { Query } from "./match.ts";
import { NASM_NAMES } from "./nasm-names.ts";
import type { EncodeRequest } from "./types.ts";

/** iced's name of each condition first. */
/** iced names the conditions of CMPccXADD by their negations. */
const ADD_CONDITIONS: readonly (readonly string[])[] = [
  ["nb", "ae", "nc"],
  ["b", "c", "nae"],
  ["z", "e"],
  ["nz", "ne"],
  ["be", "na"],
  ["nbe", "a"],
  ["p", "pe"],
  ["np", "po"],
  ["l", "nge"],
  ["nl", "ge"],
  ["le", "ng"],
  ["nle", "g"],
];

const CONDITIONS: readonly (readonly string[])[] = [
  ["o"],
  ["no"],
  ["b", "c", "nae"],
  ["ae", "nb", "nc"],
  ["e", "z"],
  ["ne", "nz"],
  ["be", "na"],
  ["a", "nbe"],
  ["s"],
  ["ns"],
  ["p", "pe"],
  ["np", "po"],
  ["l", "nge"],
  ["ge", "nl"],
  ["le", "ng"],
  ["g", "nle"],
];

type Names = Readonly<Record<string, readonly string[]>>;

function conditional(): Record<string, readonly string[]> {
  const names: Record<string, readonly string[]> = {};
  for (const [first, ...others] of CONDITIONS) {
    for (const other of others) for (const stem of ["j", "set", "cmov"]) names[stem + other] = [stem + first];
  }
  for (const [first, ...others] of ADD_CONDITIONS)
    for (const other of others) names[`cmp${other}xadd`] = [`cmp${first}xadd`];
  return names;
}

/** Names of both dialects; an instruction whose width iced has in its name is every one of them, and the mode decides. */
const COMMON: Names = {
  ...conditional(),
  loopz: ["loope"],
  loopnz: ["loopne"],
  sal: ["shl"],
  pusha: ["pusha", "pushad"],
  popa: ["popa", "popad"],
  pushaw: ["pusha"],
  popaw: ["popa"],
  pushf: ["pushf", "pushfd", "pushfq"],
  popf: ["popf", "popfd", "popfq"],
  pushfw: ["pushf"],
  popfw: ["popf"],
  iret: ["iret", "iretd", "iretq"],
  iretw: ["iret"],
  xlat: ["xlatb"],
  icebp: ["int1"],
  fwait: ["wait"],
  ud2a: ["ud2"],
  ud2b: ["ud1"],
};

const NASM: Names = {
  int03: ["int3"],
  int01: ["int1"],
  smi: ["int1"],
  retn: ["ret"],
  pmulhrwa: ["pmulhrw"],
  ...NASM_NAMES,
};

/** GNU names in both syntaxes. */
const GAS: Names = {
  movs: ["movsb", "movsw", "movsd", "movsq"],
  cmps: ["cmpsb", "cmpsw", "cmpsd", "cmpsq"],
  stos: ["stosb", "stosw", "stosd", "stosq"],
  lods: ["lodsb", "lodsw", "lodsd", "lodsq"],
  scas: ["scasb", "scasw", "scasd", "scasq"],
  ins: ["insb", "insw", "insd"],
  outs: ["outsb", "outsw", "outsd"],
  scmp: ["cmpsb", "cmpsw", "cmpsd", "cmpsq"],
  smov: ["movsb", "movsw", "movsd", "movsq"],
  ssto: ["stosb", "stosw", "stosd", "stosq"],
  slod: ["lodsb", "lodsw", "lodsd", "lodsq"],
  ssca: ["scasb", "scasw", "scasd", "scasq"],
  xstorerng: ["xstore"],
  fcompi: ["fcomip"],
  fucompi: ["fucomip"],
  fcmova: ["fcmovnbe"],
  fcmovae: ["fcmovnb"],
  fcmovna: ["fcmovbe"],
  fcmovnae: ["fcmovb"],
  sysexitl: ["sysexit"],
  sysretl: ["sysret"],
  lret: ["retf"],
};

/** SSE4.2's string comparisons: with Q the lengths are 64 bits wide. */
function stringComparisons(letter: "l" | "d"): Names {
  const names: Record<string, readonly string[]> = {};
  for (const name of ["pcmpestri", "pcmpestrm", "vpcmpestri", "vpcmpestrm"]) {
    names[`${name}${letter}`] = [name];
    names[`${name}q`] = [`${name}64`];
  }
  return names;
}

const ATT: Names = {
  movsl: ["movsd"],
  cmpsl: ["cmpsd"],
  stosl: ["stosd"],
  lodsl: ["lodsd"],
  scasl: ["scasd"],
  insl: ["insd"],
  outsl: ["outsd"],
  pushal: ["pushad"],
  popal: ["popad"],
  pushfl: ["pushfd"],
  popfl: ["popfd"],
  iretl: ["iretd"],
  cbtw: ["cbw"],
  cwtl: ["cwde"],
  cltq: ["cdqe"],
  cwtd: ["cwd"],
  cltd: ["cdq"],
  cqto: ["cqo"],
  xsaveq: ["xsave64"],
  xsaveoptq: ["xsaveopt64"],
  xrstorq: ["xrstor64"],
  fxsaveq: ["fxsave64"],
  fxrstorq: ["fxrstor64"],
  ...stringComparisons("l"),
};

const FAR: Readonly<Record<string, string>> = { lcall: "call", ljmp: "jmp" };
const PLAIN: Omit<Query, "names"> = {
  suffix: "",
  far: false,
  absolute: false,
  sourceBytes: 0,
  widens: false,
  crossed: "",
};
const SOURCE_BYTES: Readonly<Record<string, number>> = { b: 1, w: 2, l: 4 };

function known(table: readonly Names[], name: string): readonly string[] | undefined {
  for (const names of table) {
    const found = lookUp(names, name);
    if (found !== undefined) return found;
  }
  return formsNamed(name).length > 0 ? [name] : undefined;
}

/** movzbl, movswq, movslq, movzb: extension from one width, perhaps to another. */
function extension(name: string): Query[] {
  const match = /^mov([zs])x?([bwl])([wlq]?)$/.exec(name);
  if (match === null) return [];
  const [, how, from, to] = match as unknown as [string, string, string, string];
  if ((from === "l" && how === "z") || from === to) return [];
  const names = [from === "l" ? "movsxd" : `mov${how}x`];
  return [{ ...PLAIN, names, suffix: to, sourceBytes: SOURCE_BYTES[from]!, widens: name[4] !== "x" }];
}

/** Other names of MOVSD and CMPSD, which are vector instructions too. */
const STRING_ALIAS = /^(movs|smov|cmps|scmp|movsl|cmpsl)$/;

/** AT&T syntax has L for these. */
const INTEL_ONLY = /^((ins|outs|stos|lods|scas|iret)d|(push|pop)[af]d)$/;

function attNames(name: string): Query[] {
  const tables = [ATT, GAS, COMMON];
  const queries: Query[] = [];
  const exact = INTEL_ONLY.test(name) ? undefined : known(tables, name);
  const crossed = /^(f(?:sub|div))(r?)(p?)$/.exec(name);
  if (crossed)
    queries.push({ ...PLAIN, names: [name, `${crossed[1]}${crossed[2] ? "" : "r"}${crossed[3]}`], crossed: name });
  else if (exact !== undefined)
    queries.push({ ...PLAIN, names: exact, ...(STRING_ALIAS.test(name) && { string: true }) });
  queries.push(...extension(name));
  const far = lookUp(FAR, name);
  if (far !== undefined) queries.push({ ...PLAIN, names: [far], far: true });
  if (name === "movabs") queries.push({ ...PLAIN, names: ["mov"], absolute: true });
  return queries;
}

/** Suffixes of these are about their source. */
const NO_SUFFIX = /^mov(sxd|[sz]x)$/;
const SIZED_STRING = /^(movs|cmps|stos|lods|scas|ins|outs)[bwldq]$/;
const SUFFIX = /^(.+?)(ll|[bwlqstxyz])$/;

function att(name: string): Query[] {
  const queries = attNames(name);
  for (const letters of [1, 2]) {
    const suffix = name.slice(-letters);
    if (!SUFFIX.test(name) || !/^(?:ll|[bwlqstxyz])$/.test(suffix)) continue;
    if (NO_SUFFIX.test(name.slice(0, -letters)) || SIZED_STRING.test(name.slice(0, -letters))) continue;
    for (const query of attNames(name.slice(0, -letters))) {
      if (query.suffix === "" && query.sourceBytes !== SOURCE_BYTES[suffix]) queries.push({ ...query, suffix });
    }
  }
  return queries;
}

function nasm(name: string): Query[] {
  const sized = /^ret(n|f)?([wdq])$/.exec(name);
  if (sized === null) return plain([NASM, COMMON], name);
  const letter = sized[2] === "d" ? "l" : sized[2]!;
  return [{ ...PLAIN, names: [sized[1] === "f" ? "retf" : "ret"], suffix: letter }];
}

function plain(tables: readonly Names[], name: string): Query[] {
  const names = known(tables, name);
  return names === undefined ? [] : [{ ...PLAIN, names }];
}

const caches = {
  nasm: new Map<string, readonly Query[]>(),
  intel: new Map<string, readonly Query[]>(),
  att: new Map<string, readonly Query[]>(),
  uncrossed: new Map<string, readonly Query[]>(),
};

/** AT&T syntax with the manuals' names; FSUB and its kin must have operands then. */
const uncrossed = (name: string): Query[] =>
  att(name).map((query) => (query.crossed === "" ? query : { ...query, names: [query.crossed], crossed: "" }));

const RESOLVERS = { nasm, intel, att, uncrossed };

/** What the mnemonic may mean, most exact first; empty: unknown. */
export function resolveMnemonic(
  request: Pick<EncodeRequest, "dialect" | "intelMnemonics" | "mnemonic" | "uncrossed">,
): readonly Query[] {
  const { dialect, intelMnemonics, mnemonic } = request;
  const syntax = dialect === "nasm" ? "nasm" : intelMnemonics ? "intel" : request.uncrossed ? "uncrossed" : "att";
  const cache = caches[syntax];
  let queries = cache.get(mnemonic);
  if (queries === undefined) {
    queries = RESOLVERS[syntax](mnemonic);
    cache.set(mnemonic, queries);
  }
  return queries;
}

/** What AT&T calls these is known in Intel syntax, too. */
const BOTH: Names = Object.fromEntries(
  ["cbtw", "cwtl", "cltq", "cwtd", "cltd", "cqto", "fxsaveq", "fxrstorq", "xsaveq", "xsaveoptq", "xrstorq"].map(
    (name) => [name, ATT[name]!],
  ),
);

const INTEL: Names = { ...BOTH, ...stringComparisons("d"), sysretd: ["sysret"], sysexitd: ["sysexit"] };

/** MOVSBD, MOVZXW: as AT&T has them, with D for 32 bits. */
const INTEL_EXTENSION = /^mov[sz]x?[bwl][wdq]?$/;

function intelNames(name: string): Query[] {
  const queries = plain([INTEL, GAS, COMMON], name).map((query) =>
    STRING_ALIAS.test(name) ? { ...query, string: true } : query,
  );
  const far = lookUp(FAR, name);
  if (far !== undefined) queries.push({ ...PLAIN, names: [far], far: true });
  if (name === "movabs") queries.push({ ...PLAIN, names: ["mov"], absolute: true });
  if (INTEL_EXTENSION.test(name)) queries.push(...extension(name.replace(/d$/, "l")));
  // MOVD and MOVQ that fit no vector are a MOV with a letter.
  if (name === "movd" || name === "movq")
    queries.push({ ...PLAIN, names: ["mov"], suffix: name === "movd" ? "l" : "q" });
  return queries;
}

const X87 = /^f(?!x|wait)/;
const X87_STATE = /^f(ldenv|rstor|n?stenv|n?save)$/;

/** The letter that AT&T has for it: of x87's numbers D is for 32 bits, Q for 64, W for integers and states of 16. */
function letterOf(stem: string, letter: string): string | undefined {
  if (!X87.test(stem)) return letter === "t" ? undefined : letter === "d" ? "l" : letter;
  if (/^fn?st[cs]w$|^fldcw$/.test(stem)) return undefined;
  if (letter === "t") return /^f(ld|stp)$/.test(stem) ? "t" : undefined;
  const integer = stem.startsWith("fi");
  if (letter === "w") return "s";
  if (X87_STATE.test(stem)) return letter === "d" ? "l" : undefined;
  return letter === "d" ? (integer ? "l" : "s") : letter === "q" ? (integer ? "q" : "l") : undefined;
}

/** GNU as takes size letters in Intel syntax too, D for 32 bits. */
function intel(name: string): Query[] {
  const queries = intelNames(name);
  const letter = /[bwdqt]$|(?<=^vfpclassp[sd])[xyz]$/.exec(name)?.[0];
  const stem = name.slice(0, -1);
  if (queries.length > 0 || letter === undefined || SIZED_STRING.test(stem)) return queries;
  const suffix = letterOf(stem, letter);
  return suffix === undefined
    ? []
    : intelNames(stem).flatMap((query) => (query.suffix === "" ? { ...query, suffix } : []));
}
