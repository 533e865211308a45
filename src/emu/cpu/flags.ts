/**
 * Lazy flags and the sixteen conditions. An operation leaves its kind, result and inputs in the CPU's state; the formulas here say
 * what the six arithmetic flags are. Formulas are written once over an algebra of words: TypeScript evaluates them on numbers,
 * compiled code turns the same text into its own instructions.
 */
import { ARITH_FLAGS, EFLAGS, OFF } from "./layout.ts";
import type { CpuState } from "./state.ts";

/** Kinds of lazy operation. INC and DEC are ADD and SUB with b = 1 and without CF; NEG is SUB with a = 0. */
export const LF = { ADD: 0, ADC: 1, SUB: 2, SBB: 3, LOGIC: 4 } as const;
export type LazyKind = (typeof LF)[keyof typeof LF];
export type OpSize = 8 | 16 | 32 | 64;

const LOG2_BYTES: Record<OpSize, number> = { 8: 0, 16: 1, 32: 2, 64: 3 };
export const lazyOp = (kind: LazyKind, size: OpSize): number => (kind << 2) | LOG2_BYTES[size];
export const lazyKind = (op: number): LazyKind => (op >> 2) as LazyKind;
export const lazySize = (op: number): OpSize => (8 << (op & 3)) as OpSize;

/** What a formula needs of its words. */
export interface WordAlgebra<W> {
  and(a: W, b: W): W;
  or(a: W, b: W): W;
  xor(a: W, b: W): W;
  not(a: W): W;
  zero: W;
}

const isAdd = (kind: LazyKind) => kind === LF.ADD || kind === LF.ADC;

/** A word whose top bit (of the operation's size) is CF. Needs only the words that hold the operands' top bits. */
export function carryWord<W>(g: WordAlgebra<W>, kind: LazyKind, r: W, a: W, b: W): W {
  if (kind === LF.LOGIC) return g.zero;
  if (isAdd(kind)) return g.or(g.and(a, b), g.and(g.or(a, b), g.not(r)));
  return g.or(g.and(g.not(a), b), g.and(g.not(g.xor(a, b)), r));
}

/** A word whose top bit is OF. */
export function overflowWord<W>(g: WordAlgebra<W>, kind: LazyKind, r: W, a: W, b: W): W {
  if (kind === LF.LOGIC) return g.zero;
  const signs = isAdd(kind) ? g.not(g.xor(a, b)) : g.xor(a, b);
  return g.and(signs, g.xor(a, r));
}

/** A word whose bit 4 is AF. Needs the operands' low words. */
export function adjustWord<W>(g: WordAlgebra<W>, kind: LazyKind, r: W, a: W, b: W): W {
  return kind === LF.LOGIC ? g.zero : g.xor(g.xor(a, b), r);
}

const NUMBERS: WordAlgebra<number> = {
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  not: (a) => ~a,
  zero: 0,
};

/** PF: 1 when the low byte has an even number of ones. */
export function parity(word: number): number {
  const folded = (word ^ (word >> 4)) & 0xf;
  return (0x9669 >> folded) & 1;
}

/** The six flags of one operation, as an EFLAGS image. The words are the low and high halves of result and inputs. */
export function arithFlags(op: number, rl: number, rh: number, al: number, ah: number, bl: number, bh: number): number {
  const kind = lazyKind(op);
  const wide = (op & 3) === 3;
  const top = wide ? 31 : (8 << (op & 3)) - 1;
  const r = wide ? rh : rl;
  const a = wide ? ah : al;
  const b = wide ? bh : bl;
  const mask = top === 31 ? -1 : (1 << (top + 1)) - 1;
  let flags = parity(rl) << 2;
  if ((carryWord(NUMBERS, kind, r, a, b) >>> top) & 1) flags |= EFLAGS.CF;
  if ((overflowWord(NUMBERS, kind, r, a, b) >>> top) & 1) flags |= EFLAGS.OF;
  if ((r >>> top) & 1) flags |= EFLAGS.SF;
  if (((r & mask) | (wide ? rl : 0)) === 0) flags |= EFLAGS.ZF;
  return flags | (adjustWord(NUMBERS, kind, rl, al, bl) & EFLAGS.AF);
}

/** All six flags of the last lazy operation; which of them count is for LF_MASK to say. */
export function readLazyFlags(state: CpuState): number {
  const { i32 } = state;
  const at = (state.base + OFF.LF_OP) >> 2;
  const res = (state.base + OFF.LF_RES) >> 2;
  return arithFlags(i32[at]!, i32[res]!, i32[res + 1]!, i32[res + 2]!, i32[res + 3]!, i32[res + 4]!, i32[res + 5]!);
}

/** Condition codes in encoding order (low 4 bits of Jcc's opcode); an odd one is the negation of the even one before it. */
export const CC = {
  O: 0,
  NO: 1,
  B: 2,
  AE: 3,
  E: 4,
  NE: 5,
  BE: 6,
  A: 7,
  S: 8,
  NS: 9,
  P: 10,
  NP: 11,
  L: 12,
  GE: 13,
  LE: 14,
  G: 15,
} as const;
export type Condition = number;

/** Flags that each pair of conditions reads. */
const CONDITION_FLAGS = [
  EFLAGS.OF,
  EFLAGS.CF,
  EFLAGS.ZF,
  EFLAGS.CF | EFLAGS.ZF,
  EFLAGS.SF,
  EFLAGS.PF,
  EFLAGS.SF | EFLAGS.OF,
  EFLAGS.ZF | EFLAGS.SF | EFLAGS.OF,
] as const;
export const conditionReads = (cc: Condition): number => CONDITION_FLAGS[cc >> 1]!;

/** The conditions on an EFLAGS image. */
export function conditionHolds(cc: Condition, flags: number): boolean {
  const base = cc & ~1;
  const signed = ((flags >> 7) ^ (flags >> 11)) & 1;
  let holds: boolean;
  if (base === CC.L) holds = signed === 1;
  else if (base === CC.LE) holds = signed === 1 || (flags & EFLAGS.ZF) !== 0;
  else holds = (flags & CONDITION_FLAGS[cc >> 1]!) !== 0;
  return holds !== ((cc & 1) === 1);
}

/** A condition as one comparison of the lazy operation's words: a with b, or the result with zero. */
export interface DirectCondition {
  readonly relation: "eq" | "ne" | "ltu" | "geu" | "leu" | "gtu" | "lts" | "ges" | "les" | "gts";
  readonly of: "ab" | "r0";
}

const SUB_DIRECT: Record<number, DirectCondition> = {
  [CC.B]: { relation: "ltu", of: "ab" },
  [CC.AE]: { relation: "geu", of: "ab" },
  [CC.BE]: { relation: "leu", of: "ab" },
  [CC.A]: { relation: "gtu", of: "ab" },
  [CC.L]: { relation: "lts", of: "ab" },
  [CC.GE]: { relation: "ges", of: "ab" },
  [CC.LE]: { relation: "les", of: "ab" },
  [CC.G]: { relation: "gts", of: "ab" },
};
const RESULT_DIRECT: Record<number, DirectCondition> = {
  [CC.E]: { relation: "eq", of: "r0" },
  [CC.NE]: { relation: "ne", of: "r0" },
  [CC.S]: { relation: "lts", of: "r0" },
  [CC.NS]: { relation: "ges", of: "r0" },
};
/** After AND, OR, XOR and TEST: OF = 0, so "less" is "negative". */
const LOGIC_DIRECT: Record<number, DirectCondition> = {
  [CC.BE]: { relation: "eq", of: "r0" },
  [CC.A]: { relation: "ne", of: "r0" },
  [CC.L]: { relation: "lts", of: "r0" },
  [CC.GE]: { relation: "ges", of: "r0" },
  [CC.LE]: { relation: "les", of: "r0" },
  [CC.G]: { relation: "gts", of: "r0" },
};

/** The comparison that equals condition `cc` after a lazy operation of this kind that set the flags it reads, if there is one. */
export function directCondition(cc: Condition, kind: LazyKind): DirectCondition | undefined {
  if (kind === LF.SUB && SUB_DIRECT[cc]) return SUB_DIRECT[cc];
  if (kind === LF.LOGIC && LOGIC_DIRECT[cc]) return LOGIC_DIRECT[cc];
  return RESULT_DIRECT[cc];
}

/** CF alone: what INC and DEC must keep. */
function lazyCarry(state: CpuState): number {
  const op = state.get32(OFF.LF_OP);
  const wide = (op & 3) === 3 ? 4 : 0;
  const r = state.get32(OFF.LF_RES + wide);
  const top = wide ? 31 : (8 << (op & 3)) - 1;
  return (carryWord(NUMBERS, lazyKind(op), r, state.get32(OFF.LF_A + wide), state.get32(OFF.LF_B + wide)) >>> top) & 1;
}

/** Puts those of the pending lazy flags that are in `which` into EFLAGS. */
export function settleSome(state: CpuState, which: number): void {
  const mask = state.get32(OFF.LF_MASK) & which & ARITH_FLAGS;
  if (mask === 0) return;
  const flags = mask === EFLAGS.CF ? lazyCarry(state) : readLazyFlags(state) & mask;
  state.set32(OFF.EFLAGS, (state.get32(OFF.EFLAGS) & ~mask) | flags);
  state.set32(OFF.LF_MASK, state.get32(OFF.LF_MASK) & ~mask);
}
