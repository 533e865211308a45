/**
 * Operands as text, by kind: registers of every class, memory with every size keyword, immediates with and without one.
 * What a slot of an instruction's form takes is one of these kinds; a wrong operand is of any other.
 */
import type { Slot } from "../../../src/asmlang/encode/kinds.ts";
import type { Bits } from "../../../src/asmlang/types.ts";
import type { Syntax } from "../asm-encode/line.ts";
import type { Random } from "../asm-encode/random.ts";

type Kinds = Readonly<Record<string, readonly string[]>>;

const numbered = (stem: string, ...numbers: number[]): string[] => numbers.map((number) => stem + number);

/** Registers outside 64-bit mode, without a sigil. */
const REGISTERS: Kinds = {
  r8: ["al", "cl", "bl", "dh", "ah"],
  r16: ["ax", "cx", "dx", "si", "bp"],
  r32: ["eax", "ecx", "ebx", "esi", "esp"],
  seg: ["es", "cs", "ss", "ds", "fs", "gs"],
  cr: numbered("cr", 0, 2, 3, 4),
  dr: numbered("dr", 0, 3, 7),
  mm: numbered("mm", 0, 1, 7),
  xmm: numbered("xmm", 0, 1, 7),
  ymm: numbered("ymm", 0, 1, 7),
  zmm: numbered("zmm", 0, 1, 7),
  k: numbered("k", 0, 1, 7),
  bnd: numbered("bnd", 0, 3),
};

const REGISTERS_64: Kinds = {
  r8: ["al", "cl", "ah", "sil", "r9b"],
  r16: ["ax", "dx", "si", "r10w"],
  r32: ["eax", "ecx", "esp", "r11d"],
  r64: ["rax", "rcx", "rdx", "rsp", "r12"],
  cr: numbered("cr", 0, 3, 8),
  xmm: numbered("xmm", 0, 1, 9, 17),
  ymm: numbered("ymm", 0, 1, 9, 17),
  zmm: numbered("zmm", 0, 1, 9, 17),
  tmm: numbered("tmm", 0, 1, 7),
};

const ADDRESSES: Readonly<Record<Syntax, Readonly<Record<Bits, readonly string[]>>>> = {
  nasm: {
    16: ["[bx]", "[bp+si+8]", "[0x1234]", "[eax+4]"],
    32: ["[ebx]", "[ebp+esi*4+8]", "[0x1234]", "[bx]"],
    64: ["[rbx]", "[rbp+rsi*4+8]", "[rel ext]", "[r13d]", "[0x1234]"],
  },
  intel: {
    16: ["[bx]", "[bp+si+8]", "ds:0x1234", "[eax+4]"],
    32: ["[ebx]", "[ebp+esi*4+8]", "ds:0x1234", "[bx]"],
    64: ["[rbx]", "[rbp+rsi*4+8]", "ext[rip]", "[r13d]", "ds:0x1234"],
  },
  att: {
    16: ["(%bx)", "8(%bp,%si)", "0x1234", "4(%eax)"],
    32: ["(%ebx)", "8(%ebp,%esi,4)", "0x1234", "(%bx)"],
    64: ["(%rbx)", "8(%rbp,%rsi,4)", "ext(%rip)", "(%r13d)", "0x1234"],
  },
};

/** Addresses with a vector as index. */
const VECTOR_ADDRESSES: Readonly<Record<Syntax, (vector: string, bits: Bits) => string>> = {
  nasm: (vector, bits) => `[${bits === 64 ? "rbx" : "ebx"}+${vector}1*4]`,
  intel: (vector, bits) => `[${bits === 64 ? "rbx" : "ebx"}+${vector}1*4]`,
  att: (vector, bits) => `(%${bits === 64 ? "rbx" : "ebx"},%${vector}1,4)`,
};

const SIZES = ["byte", "word", "dword", "qword", "tword", "oword", "yword", "zword"];
const INTEL_SIZES = ["byte", "word", "dword", "qword", "tbyte", "xmmword", "ymmword", "zmmword"];
const VALUES = ["0", "1", "5", "-1", "0x7f", "0x80", "0x1234", "0x12345678", "ext"];

function memory(syntax: Syntax, bits: Bits): Kinds {
  const addresses = ADDRESSES[syntax][bits];
  const kinds: Record<string, readonly string[]> = { mem: addresses };
  for (const vector of ["xmm", "ymm", "zmm"]) kinds[`vsib-${vector}`] = [VECTOR_ADDRESSES[syntax](vector, bits)];
  if (syntax === "att") return kinds;
  const words = syntax === "nasm" ? SIZES : INTEL_SIZES.map((word) => `${word} ptr`);
  for (const [i, word] of words.entries()) kinds[`mem-${i}`] = addresses.map((address) => `${word} ${address}`);
  return kinds;
}

const TARGETS = ["short $", "near $", "byte $", "word $", "dword $", "qword $", "near dword $", "strict $", "far ext"];

function immediates(syntax: Syntax): Kinds {
  const imm = syntax === "att" ? VALUES.map((value) => `$${value}`) : VALUES;
  if (syntax !== "nasm") return { imm, target: ["."] };
  const sized = ["byte 5", "word 5", "dword 5", "qword 5"];
  const target = ["$", "$", "$", "$", ...TARGETS];
  return { imm, sized, strict: sized.map((value) => `strict ${value}`), target, far: ["0x10:0x1234", "dword 5:6"] };
}

const STACK: Readonly<Record<Syntax, readonly string[]>> = {
  nasm: ["st0", "st1", "st7"],
  intel: ["st", "st(1)", "st(7)"],
  att: ["st", "st(1)", "st(7)"],
};

/** Every kind of operand that the mode has, each with a few texts. */
export function operandKinds(syntax: Syntax, bits: Bits): Kinds {
  const registers: Kinds = { ...REGISTERS, ...(bits === 64 && REGISTERS_64), st: STACK[syntax] };
  const sigil = syntax === "att" ? "%" : "";
  const written = Object.entries(registers).map(([kind, names]) => [kind, names.map((name) => sigil + name)] as const);
  return { ...Object.fromEntries(written), ...memory(syntax, bits), ...immediates(syntax) };
}

const KEYWORD_BYTES = [1, 2, 4, 8, 10, 16, 32, 64];

/** A kind that the slot takes; `bytes` of memory there. */
export function kindFor(slot: Slot, bytes: number, random: Random): string {
  if (slot.vsib !== undefined) return `vsib-${slot.vsib}`;
  if (slot.place === "rel" || slot.place === "far") return slot.place === "far" ? "far" : "target";
  if (slot.place === "imm" || slot.constant !== undefined) return random.chance(0.2) ? "sized" : "imm";
  if (slot.mem && (slot.reg === undefined || random.chance(0.5))) {
    const keyword = KEYWORD_BYTES.indexOf(bytes);
    return keyword >= 0 && random.chance(0.7) ? `mem-${keyword}` : "mem";
  }
  return slot.reg ?? "imm";
}
