/** The operand lists by which a form may be written: in full, without what the opcode implies, and the usual short forms. */
import { Register } from "../../emu/cpu/iced.ts";
import type { Dialect } from "../types.ts";
import type { Form } from "./forms.ts";

export interface Pattern {
  readonly form: Form;
  /** For each slot the operand that fills it, or -1. */
  readonly from: readonly number[];
  /** Number of operands written. */
  readonly arity: number;
  /** Two registers in the other order than the manual's: used when nothing else fits. */
  readonly swapped: boolean;
}

/** Both operands play the same part, so either may be the memory operand or the accumulator. */
const SYMMETRIC = new Set(["test", "xchg", "fxch"]);
/** Arithmetic with ST0 as the one that is left out: `fadd st1`. */
const identity = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Numbers the slots that `keep` keeps. */
function keeping(form: Form, keep: (slot: number) => boolean): Pattern {
  let arity = 0;
  const from = form.slots.map((_, slot) => (keep(slot) ? arity++ : -1));
  return { form, from, arity, swapped: false };
}

function stringPatterns(form: Form, dialect: Dialect): Pattern[] {
  const { slots } = form;
  if (!slots.some((slot) => slot.string !== undefined)) return [];
  const bare = keeping(form, (slot) => slots[slot]!.place !== "implied");
  if (bare.arity > 0 || dialect === "nasm") return [bare];
  if (/^(ins|outs)/.test(form.mnemonic)) return [bare];
  const memoryOnly = keeping(form, (slot) => slots[slot]!.mem);
  return memoryOnly.arity === slots.length ? [bare] : [bare, memoryOnly];
}

function shortPatterns(form: Form, dialect: Dialect): Pattern[] {
  const { slots, mnemonic } = form;
  const found: Pattern[] = [];
  const first = slots[0];
  const last = slots[slots.length - 1];
  if (dialect === "gas" && (mnemonic === "in" || mnemonic === "out")) {
    found.push(keeping(form, (slot) => slots[slot]!.place === "imm" || slots[slot]!.only === Register.DX));
  }
  if (dialect === "gas" && slots.length === 3 && last?.only === Register.CL)
    found.push(keeping(form, (slot) => slot < 2));
  if (last?.constant !== undefined && dialect === "gas") found.push(keeping(form, (slot) => slot !== slots.length - 1));
  if (mnemonic === "imul" && slots.length === 3) found.push({ form, from: [0, 0, 1], arity: 2, swapped: false });
  const both = dialect === "gas" && mnemonic.startsWith("fcmov");
  if (slots.length === 2 && first?.reg === undefined && first?.only !== 0 && slots[1]?.reg === "st" && !both) {
    found.push(keeping(form, (slot) => slot === 1));
  }
  if (slots.length === 2 && first?.reg === "st" && /^f.*p$/.test(mnemonic))
    found.push(keeping(form, (slot) => slot === 0));
  return found;
}

const isVector = (reg: string | undefined): boolean => reg === "xmm" || reg === "ymm" || reg === "zmm";

/** Instructions whose three operands NASM wants in full: their destination is a source already, or a scalar conversion's is not. */
const IN_FULL =
  /^v(fn?m(add|sub)(add|sub)?\d+[ps][sd]|p?blendm.+|perm[it]2.+|pmadd52.+|pternlog.|maskmovp[sd]|4fn?madd[ps]s|p4dpwssds?|get(exp|mant)s[sd])$/;
const IN_FULL_WITH_EVEX = /^vcvt(sd2ss|ss2sd|u?si2s[hsd])$/;

/** NASM lets the first source of a vector instruction be left out where it is the destination. */
function destructivePattern(form: Form): Pattern[] {
  const { slots, encoding, mnemonic } = form;
  const [first, second] = slots;
  const least = encoding === "xop" ? 2 : 3;
  const vector = encoding !== "legacy" && encoding !== "3dnow" && slots.length >= least;
  const full = IN_FULL.test(mnemonic) || (encoding === "evex" && IN_FULL_WITH_EVEX.test(mnemonic));
  if (!vector || full || !isVector(first?.reg) || first!.reg !== second?.reg) return [];
  if (encoding !== "xop" && first!.place !== "vvvv" && second!.place !== "vvvv") return [];
  const from = slots.map((_, slot) => Math.max(0, slot - 1));
  return [{ form, from, arity: slots.length - 1, swapped: true }];
}

/** GNU as: the first operand is never written. NASM: neither is any that the opcode implies. */
const NEVER_FULL = /^v?maskmov(q|dqu)$|^(fu?comp?|fxch)$/;

function neverFull({ slots, mnemonic }: Form, dialect: Dialect): boolean {
  if (dialect === "gas") return slots.length > 1 && NEVER_FULL.test(mnemonic);
  return slots.some(({ string }) => string !== undefined);
}

function build(form: Form, dialect: Dialect): Pattern[] {
  const { length } = form.slots;
  const full: Pattern = { form, from: identity(length), arity: length, swapped: false };
  const partial = [...stringPatterns(form, dialect), ...shortPatterns(form, dialect)];
  const patterns = neverFull(form, dialect) ? partial : [full, ...partial];
  if (dialect === "nasm") patterns.push(...destructivePattern(form));
  const values = form.slots.some(({ place }) => place === "imm");
  const symmetric = SYMMETRIC.has(form.mnemonic) && patterns.includes(full) && !values;
  if (dialect === "gas" && form.slots[0]?.reg === "st" && /^f(add|mul)p$/.test(form.mnemonic))
    patterns.push({ form, from: [1, 0], arity: 2, swapped: true });
  if (symmetric && form.slots.length === 2) patterns.push({ form, from: [1, 0], arity: 2, swapped: true });
  return patterns;
}

const cache: Record<Dialect, Map<Form, Pattern[]>> = { gas: new Map(), nasm: new Map() };

export function patternsOf(form: Form, dialect: Dialect): readonly Pattern[] {
  let patterns = cache[dialect].get(form);
  if (patterns === undefined) {
    patterns = build(form, dialect);
    cache[dialect].set(form, patterns);
  }
  return patterns;
}
