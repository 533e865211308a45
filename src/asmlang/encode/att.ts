/** AT&T suffixes: the letter a mnemonic ends in, against the width that a form works on. */
import { Register } from "../../emu/cpu/iced.ts";
import type { Bits } from "../types.ts";
import type { Form } from "./forms.ts";

const GENERAL: Readonly<Record<string, number>> = { b: 8, w: 16, l: 32, q: 64 };
const FLOATS: Readonly<Record<string, number>> = { s: 4, l: 8, t: 10 };
const INTEGERS: Readonly<Record<string, number>> = { s: 2, l: 4, q: 8, ll: 8 };
const FIXED_WIDTHS: Readonly<Record<number, number>> = {
  [Register.AL]: 8,
  [Register.AX]: 16,
  [Register.EAX]: 32,
  [Register.RAX]: 64,
};
const CLASS_WIDTHS: Readonly<Record<string, number>> = { r8: 8, r16: 16, r32: 32, r64: 64 };

function isX87(form: Form): boolean {
  const opcode = form.opcode[0]!;
  return form.escape.length === 0 && opcode >= 0xd8 && opcode <= 0xdf;
}

/** Bits of the operation. */
export function widthOf(form: Form): number {
  if (form.mnemonic === "crc32") return form.memoryBytes * 8;
  if (form.operandSize !== 0) return form.operandSize;
  if (form.slots.some((slot) => slot.string !== undefined)) return form.memoryBytes * 8;
  for (const slot of form.slots) {
    const width = slot.only !== 0 ? FIXED_WIDTHS[slot.only] : CLASS_WIDTHS[slot.reg ?? ""];
    if (width !== undefined) return width;
  }
  return form.memoryBytes * 8;
}

/** What a mnemonic without suffix means when no operand has a width. */
export function defaultSuffix(form: Form, bits: Bits): string {
  if (isX87(form)) return "s";
  if (form.slots[0]?.reg === "r64" && form.mnemonic === "crc32") return "q";
  return bits === 16 ? "w" : "l";
}

/** A selector or machine status word in memory, whatever the operand size. */
function readsOrWritesWord(form: Form): boolean {
  const selector = form.slots[0]?.reg === "seg" || form.slots[1]?.reg === "seg";
  return form.memoryBytes === 2 && (selector || (form.operandSize > 16 && form.slots.length === 1));
}

/** Names that tell their width, and instructions that take it from the mode: GNU as knows no suffix for them. */
const NEVER_SUFFIXED =
  /^(prefetch(w|wt1)?|vpbroadcast[bw]|cmpn?[a-z]+xadd|rd(rand|seed|pid|ssp[dq]|[fg]sbase)|wr(u?ss[dq]|[fg]sbase)|incssp[dq]|tpause|umonitor|umwait|inv(ept|vpid|pcid)|movdir64b|enqcmds?|lwp(ins|val)|bnd..|xbegin|f?x(save|rstor).*64|c(bw|wd|dq|qo|dqe|wde)|getsec|a(add|and|or|xor)|cmpxchg16b|senduipi|j(?!mp)[a-z]+|encodekey.*|clflush(opt)?|clwb|cldemote|clrssbsy|rstorssp|[ls]lwpcb|v?(ld|st)mxcsr|(ld|st)tilecfg|vcvtt?s[dh]2usi|vcvtt?ss2usi|vcvtt?sh2si)$/;

/** Only the length of a vector in memory tells these conversions and classifications apart: X, Y and Z say it. */
const LENGTHS: Readonly<Record<string, RegExp>> = {
  x: /^(vcvtt?pd2u?dq|vcvtpd2ps|vcvtu?qq2ps|vfpclassp[hsd]|vcvtpd2ph|vcvtu?qq2ph|vcvtneps2bf16|vcvtps2phx|vcvtu?dq2ph)$/,
  z: /^(vfpclassp[hsd]|vcvtpd2ph|vcvtu?qq2ph)$/,
};

const fitsLength = (form: Form, letter: string): boolean =>
  (LENGTHS[letter === "y" ? "x" : letter]?.test(form.mnemonic) ?? false) && "xyz"[form.vex?.l ?? 3] === letter;

/** Of instructions on vectors these take the suffix of the general register or memory they work with. */
const VECTOR_SUFFIXED = /^v?(cvtt?s[dsh]2u?si|cvtu?si2s[dsh]|movmskp[ds]|pcmp[ei]str[im](64)?|p(extr|insr)w|pmovmskb)$/;
const VECTORS = new Set(["mm", "xmm"]);

/** GNU as lets an L go where the operand is a stack register. */
const REGISTER_LONG = /^f(ld|stp?|comp?)$/;

/** Bytes of the x87 state, or of its environment, with 16-bit and 32-bit operand size. */
const STATES: Readonly<Record<string, readonly number[]>> = { s: [14, 94], l: [28, 108] };

export function fitsSuffix(form: Form, suffix: string, memory: boolean): boolean {
  if (NEVER_SUFFIXED.test(form.mnemonic) || (form.mnemonic === "nop" && form.slots.length === 0)) return false;
  if (/[xyz]/.test(suffix)) return fitsLength(form, suffix);
  if (form.slots.some(({ reg }) => VECTORS.has(reg ?? "")) && !VECTOR_SUFFIXED.test(form.mnemonic)) return false;
  if (form.mnemonic === "movsxd" && suffix === "w") return false;
  if (form.slots[0]?.place === "rel" && form.addressSize !== 0) return GENERAL[suffix] === form.addressSize;
  const unsized = form.memoryClass === "structure" || form.memoryClass === "address";
  if (memory && unsized && form.modes === 64 && form.operandSize === 0) return suffix === "q";
  if (memory && readsOrWritesWord(form)) return suffix === "w";
  if (isX87(form)) {
    if (!memory && suffix === "l" && REGISTER_LONG.test(form.mnemonic)) return true;
    if (form.memoryClass === "structure") return STATES[suffix]?.includes(form.memoryBytes) ?? false;
    if (memory && /[cs]w$/.test(form.mnemonic)) return suffix === "w";
    const table = form.mnemonic.startsWith("fi") ? INTEGERS : FLOATS;
    return form.memoryBytes !== 0 && table[suffix] === form.memoryBytes;
  }
  return GENERAL[suffix] === widthOf(form);
}
