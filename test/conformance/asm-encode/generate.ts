/** Makes lines: a form of iced's tables, an operand list that fits it (or nearly), the mnemonic as the dialect spells it. */
import { type Form, formsNamed, mnemonics } from "../../../src/asmlang/encode/forms.ts";
import type { Bits, Dialect } from "../../../src/asmlang/types.ts";
import { decorate, disturbDecorations } from "./decorations.ts";
import type { AsmOperand, EncodeRequest, Line, Syntax } from "./line.ts";
import { anyMemory, anyRegister, operandFor } from "./operands.ts";
import { printRequest } from "./print.ts";
import type { Random } from "./random.ts";

const VECTOR = new Set(["mm", "xmm", "ymm", "zmm", "k", "tmm"]);

/** Takes AT&T's general suffixes. */
function isInteger(form: Form): boolean {
  if (form.slots.some((slot) => VECTOR.has(slot.reg ?? "")) || form.encoding === "3dnow") return false;
  const opcode = form.opcode[0]!;
  return form.escape.length > 0 || form.vex !== undefined || opcode < 0xd8 || opcode > 0xdf;
}

export function allForms(dialect: Dialect): readonly Form[] {
  return [...mnemonics()].flatMap(formsNamed).filter((form) => (form.dialect ?? dialect) === dialect);
}

const LETTERS: Readonly<Record<number, string>> = { 8: "b", 16: "w", 32: "l", 64: "q" };
const CLASS_BITS: Readonly<Record<string, number>> = { r8: 8, r16: 16, r32: 32, r64: 64 };

function suffixOf(form: Form): string {
  if (form.operandSize !== 0) return LETTERS[form.operandSize]!;
  const slot = form.slots.find((candidate) => CLASS_BITS[candidate.reg ?? ""] !== undefined);
  return slot === undefined ? "" : LETTERS[CLASS_BITS[slot.reg!]!]!;
}

const ATT_NAMES: Readonly<Record<string, string>> = {
  pushad: "pushal",
  popad: "popal",
  iretd: "iretl",
  pushfd: "pushfl",
  popfd: "popfl",
  retf: "lret",
};
const UNSUFFIXED = /^(j|loop|set|cmov[a-z]+$)/;

function x87Suffix(form: Form): string {
  if (form.memoryClass !== "float" && form.memoryClass !== "integer") return "";
  if (!form.slots.some((slot) => slot.mem)) return "";
  const table: Record<number, string> = form.mnemonic.startsWith("fi")
    ? { 2: "s", 4: "l", 8: "ll" }
    : { 4: "s", 8: "l", 10: "t" };
  return /^f(ld|st|stp|ild|ist|istp|isttp|i?add|i?sub|i?subr|i?mul|i?div|i?divr|i?comp?)$/.test(form.mnemonic)
    ? (table[form.memoryBytes] ?? "")
    : "";
}

/** Conversions to half the length, where only the memory operand could tell 128 from 256 and 512 bits. */
const LENGTH_SUFFIXED =
  /^v(cvtt?pd2u?dq|cvtpd2ps|cvtu?qq2ps|fpclassp[hsd]|cvtpd2ph|cvtu?qq2ph|cvtneps2bf16|cvtps2phx|cvtu?dq2ph)$/;

function lengthSuffix(random: Random, form: Form, operands: readonly AsmOperand[]): string {
  if (/^vcvtt?(s[ishd]2u?si|u?si2s[shd])$/.test(form.mnemonic) && random.chance(0.5)) return suffixOf(form);
  const memory = operands.some((operand) => operand.kind === "mem");
  if (!LENGTH_SUFFIXED.test(form.mnemonic) || !random.chance(memory ? 0.85 : 0.2)) return "";
  return "xyz"[form.vex!.l]!;
}

function attMnemonic(random: Random, form: Form, operands: readonly AsmOperand[]): string {
  const { mnemonic } = form;
  const memory = operands.some((operand) => operand.kind === "mem");
  if (
    form.slots.some((slot) => slot.string !== undefined) &&
    /^(movs|cmps|stos|lods|scas|ins|outs)[bwdq]$/.test(mnemonic)
  ) {
    return mnemonic.replace(/d$/, "l");
  }
  if (mnemonic === "movzx" || mnemonic === "movsx") {
    const from = form.memoryBytes === 1 ? "b" : "w";
    return random.chance(0.7) || memory ? mnemonic.slice(0, 4) + from + suffixOf(form) : mnemonic;
  }
  if (mnemonic === "movsxd" && random.chance(0.8)) return form.operandSize === 64 ? "movslq" : "movsxd";
  if ((mnemonic === "call" || mnemonic === "jmp") && (form.memoryClass === "far" || form.slots[0]?.place === "far")) {
    return `l${mnemonic}${suffixOf(form)}`;
  }
  if (form.vex !== undefined) return mnemonic + lengthSuffix(random, form, operands);
  if (form.opcode[0]! >= 0xd8 && form.opcode[0]! <= 0xdf && form.escape.length === 0)
    return memory ? mnemonic + x87Suffix(form) : mnemonic;
  if (Object.hasOwn(ATT_NAMES, mnemonic)) return ATT_NAMES[mnemonic]! + (mnemonic === "retf" ? suffixOf(form) : "");
  const wanted = memory ? 0.85 : 0.3;
  return !UNSUFFIXED.test(mnemonic) && isInteger(form) && random.chance(wanted) ? mnemonic + suffixOf(form) : mnemonic;
}

function mnemonicFor(random: Random, form: Form, operands: readonly AsmOperand[], syntax: Syntax): string {
  return syntax === "att" ? attMnemonic(random, form, operands) : form.mnemonic;
}

/** One operand becomes something else: another class, unsized memory, an immediate. Most such lines must be rejected. */
function disturb(random: Random, operands: AsmOperand[], bits: Bits, syntax: Syntax): void {
  if (operands.length === 0) return;
  const at = random.below(operands.length);
  const old = operands[at]!;
  const kind = random.below(4);
  if (kind === 0)
    operands[at] = {
      kind: "reg",
      reg: anyRegister(random, random.pick(["r8", "r16", "r32", ...(bits === 64 ? ["r64"] : [])]), bits),
    };
  else if (kind === 1 && old.kind === "mem") operands[at] = { ...old, size: 0 };
  else if (kind === 2) operands[at] = { kind: "imm", value: { known: BigInt(random.below(300)) } };
  else operands[at] = anyMemory(random, bits, syntax === "att" ? 0 : random.pick([0, 1, 2, 4, 8]), syntax);
}

const PREFIXES: Readonly<Record<Syntax, readonly string[]>> = {
  nasm: ["lock", "rep", "repne", "o16", "o32", "a16", "a32", "es", "fs"],
  att: ["lock", "rep", "repne", "data16", "addr32", "es", "fs"],
  intel: ["lock", "rep", "repne", "data16", "addr32"],
};

function prefixesFor(random: Random, form: Form, operands: readonly AsmOperand[], syntax: Syntax): string[] {
  const memory = operands.some((operand) => operand.kind === "mem");
  if (form.lockable && memory && operands[0]?.kind === "mem" && random.chance(0.15)) return ["lock"];
  if (form.slots.some((slot) => slot.string !== undefined) && random.chance(0.4))
    return [random.pick(["rep", "repe", "repne"])];
  return random.chance(0.02) ? [random.pick(PREFIXES[syntax])] : [];
}

function operandsOf(random: Random, form: Form, bits: Bits, syntax: Syntax): AsmOperand[] {
  const string = form.slots.some((slot) => slot.string !== undefined);
  if (string && (syntax === "nasm" || random.chance(0.7))) {
    return form.slots
      .filter((slot) => slot.place !== "implied")
      .map((slot) => operandFor(random, form, slot, bits, syntax));
  }
  return form.slots.map((slot) => operandFor(random, form, slot, bits, syntax));
}

export interface GenerateOptions {
  readonly random: Random;
  readonly syntax: Syntax;
  readonly bits: Bits;
  /** Probability of a disturbed line. */
  readonly noise: number;
}

const HINTS: Readonly<Record<Syntax, readonly string[]>> = {
  nasm: ["evex", "vex", "vex2", "vex3", "rex"],
  att: ["evex", "vex", "vex2", "vex3", "load", "store", "disp8", "disp32", "rex"],
  intel: ["evex", "vex", "vex2", "vex3", "load", "store", "disp8", "disp32", "rex"],
};

export function lineFor(form: Form, { random, syntax, bits, noise }: GenerateOptions): Line {
  const operands = operandsOf(random, form, bits, syntax);
  const branch = form.slots.some((slot) => slot.place === "rel") || /^(call|jmpe?)$/.test(form.mnemonic);
  const noisy = !branch && random.chance(noise);
  const vector = form.vex !== undefined;
  let rounding = decorate(random, form, operands, syntax);
  if (noisy && vector && random.chance(0.5)) rounding = disturbDecorations(random, operands, rounding);
  else if (noisy) disturb(random, operands, bits, syntax);
  const request: EncodeRequest = {
    dialect: syntax === "nasm" ? "nasm" : "gas",
    intelMnemonics: syntax === "intel",
    bits,
    mnemonic: mnemonicFor(random, form, operands, syntax),
    operands,
    prefixes: prefixesFor(random, form, operands, syntax),
    hints: random.chance(vector ? 0.15 : 0.03) ? [random.pick(HINTS[syntax])] : [],
    ...(rounding && { rounding }),
  };
  return { syntax, bits, text: printRequest(request, syntax) };
}
