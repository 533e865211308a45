/** Prefixes as written in front of an instruction, told apart into what each of them is about. */
import { Register } from "../../emu/cpu/iced.ts";
import type { Bits } from "../types.ts";

export interface Prefixes {
  wait: boolean;
  lock: boolean;
  /** F2, F3 or 0: REP, REPNE, XACQUIRE, XRELEASE, BND. */
  rep: number;
  /** Why there is an F2 or F3: repetition, lock elision, or MPX. */
  repKind: "rep" | "hle" | "bnd" | undefined;
  /** Segment override byte, or 0. */
  segment: number;
  operandSize: Bits | undefined;
  addressSize: Bits | undefined;
  /** REX bits written out (GNU `rex.w`), or -1. */
  rex: number;
}

export const SEGMENT_BYTES: Readonly<Record<number, number>> = {
  [Register.ES]: 0x26,
  [Register.CS]: 0x2e,
  [Register.SS]: 0x36,
  [Register.DS]: 0x3e,
  [Register.FS]: 0x64,
  [Register.GS]: 0x65,
};

const SEGMENTS: Readonly<Record<string, number>> = { es: 0x26, cs: 0x2e, ss: 0x36, ds: 0x3e, fs: 0x64, gs: 0x65 };
const REPEATS: Readonly<Record<string, number>> = {
  rep: 0xf3,
  repe: 0xf3,
  repz: 0xf3,
  xrelease: 0xf3,
  repne: 0xf2,
  repnz: 0xf2,
  xacquire: 0xf2,
  bnd: 0xf2,
};
const HINTS: Readonly<Record<string, number>> = { notrack: 0x3e, ht: 0x3e, hnt: 0x2e, pt: 0x3e, pn: 0x2e };
const OPERAND_SIZES: Readonly<Record<string, Bits>> = { o16: 16, o32: 32, o64: 64, data16: 16, data32: 32 };
const ADDRESS_SIZES: Readonly<Record<string, Bits>> = { a16: 16, a32: 32, a64: 64, addr16: 16, addr32: 32 };

export function rexBits(word: string): number | undefined {
  const old = /^rex(64)?(x?)(y?)(z?)$/.exec(word);
  if (old !== null && word !== "rex") return (old[1] ? 8 : 0) | (old[2] ? 4 : 0) | (old[3] ? 2 : 0) | (old[4] ? 1 : 0);
  const match = /^rex(?:\.?(w?r?x?b?))?$/.exec(word);
  if (match === null) return undefined;
  const letters = match[1] ?? "";
  return (
    (letters.includes("w") ? 8 : 0) |
    (letters.includes("r") ? 4 : 0) |
    (letters.includes("x") ? 2 : 0) |
    (letters.includes("b") ? 1 : 0)
  );
}

function apply(prefixes: Prefixes, word: string): boolean {
  const rep = REPEATS[word];
  const segment = SEGMENTS[word] ?? HINTS[word];
  const operandSize = OPERAND_SIZES[word];
  const addressSize = ADDRESS_SIZES[word];
  const rex = rexBits(word);
  if (word === "nobnd") return true;
  if (word === "lock") prefixes.lock = true;
  else if (word === "wait" || word === "fwait") prefixes.wait = true;
  else if (rep !== undefined) {
    prefixes.rep = rep;
    prefixes.repKind = word === "bnd" ? "bnd" : word.startsWith("x") ? "hle" : "rep";
  } else if (segment !== undefined) prefixes.segment = segment;
  else if (operandSize !== undefined) prefixes.operandSize = operandSize;
  else if (addressSize !== undefined) prefixes.addressSize = addressSize;
  else if (rex !== undefined) prefixes.rex = rex;
  else return false;
  return true;
}

/** Is the word a prefix in NASM's dialect? */
export function isNasmPrefix(word: string): boolean {
  return NASM_PREFIX.test(word);
}

const NASM_PREFIX = /^(lock|rep(n?[ez])?|xacquire|xrelease|(no)?bnd|[ao](16|32|64)|[c-gs]s)$/;

export function noPrefixes(): Prefixes {
  return {
    wait: false,
    lock: false,
    rep: 0,
    repKind: undefined,
    segment: 0,
    operandSize: undefined,
    addressSize: undefined,
    rex: -1,
  };
}

const NONE: Readonly<Prefixes> = noPrefixes();

/** The text is the error. */
export function parsePrefixes(words: readonly string[]): Readonly<Prefixes> | string {
  if (words.length === 0) return NONE;
  const prefixes = noPrefixes();
  for (const word of words) if (!apply(prefixes, word)) return `unknown prefix "${word}"`;
  return prefixes;
}
