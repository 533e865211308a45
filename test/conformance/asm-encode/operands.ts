/** Random operands for a slot of a form: registers of its class, memory of every addressing kind, values at the edges of fields. */
import type { Form } from "../../../src/asmlang/encode/forms.ts";
import type { Slot } from "../../../src/asmlang/encode/kinds.ts";
import type { Bits } from "../../../src/asmlang/types.ts";
import { Register } from "../../../src/emu/cpu/iced.ts";
import type { AsmOperand, Memory, Syntax } from "./line.ts";
import type { Random } from "./random.ts";

const RUNS: Readonly<Record<string, readonly [number, number]>> = {
  r16: [Register.AX, 16],
  r32: [Register.EAX, 16],
  r64: [Register.RAX, 16],
  seg: [Register.ES, 6],
  k: [Register.K0, 8],
  bnd: [Register.BND0, 4],
  cr: [Register.CR0, 9],
  dr: [Register.DR0, 8],
  st: [Register.ST0, 8],
  mm: [Register.MM0, 8],
  tr: [Register.TR0, 8],
  tmm: [Register.TMM0, 8],
};
const CONTROL = [0, 2, 3, 4];

const VECTORS: Readonly<Record<string, number>> = { xmm: Register.XMM0, ymm: Register.YMM0, zmm: Register.ZMM0 };

/** `high`: registers 16 to 31 too, where the mode has them. */
export function anyRegister(random: Random, kind: string, bits: Bits, high = false): number {
  const vector = VECTORS[kind];
  if (vector !== undefined) return vector + random.below(bits !== 64 ? 8 : high && random.chance(0.6) ? 32 : 16);
  if (kind === "r8") {
    const low = Register.AL + random.below(8);
    return bits === 64 && random.chance(0.5) ? Register.SPL + random.below(12) : low;
  }
  const [first, count] = RUNS[kind] ?? RUNS.r32!;
  if (kind === "cr") return first + (bits === 64 ? random.pick([...CONTROL, 8]) : random.pick(CONTROL));
  return first + random.below(bits === 64 ? count : Math.min(count, 8));
}

const EDGES = [
  0n,
  1n,
  -1n,
  2n,
  5n,
  0x7fn,
  0x80n,
  -0x80n,
  -0x81n,
  0xffn,
  0x100n,
  0x7fffn,
  0x8000n,
  0xff80n,
  0xffffn,
  -0x8000n,
  0x12345n,
];
const EDGES_32 = [0x7fffffffn, 0x80000000n, 0xffffff80n, 0xffffffffn, -0x80000000n, 0x12345678n];
const EDGES_64 = [
  0x100000000n,
  0x7fffffffffffffffn,
  0xffffffffffffff80n,
  0xffffffff80000000n,
  -0x80000001n,
  0x123456789abcdefn,
];

function valuesUpTo(width: number): readonly bigint[] {
  if (width <= 8)
    return EDGES.filter((value) => BigInt.asIntN(8, value) === value || BigInt.asUintN(8, value) === value);
  if (width <= 16)
    return EDGES.filter((value) => BigInt.asIntN(16, value) === value || BigInt.asUintN(16, value) === value);
  return width <= 32 ? [...EDGES, ...EDGES_32] : [...EDGES, ...EDGES_32, ...EDGES_64];
}

function immediate(random: Random, form: Form, slot: Slot, bits: Bits, syntax: Syntax): AsmOperand {
  if (slot.constant !== undefined) return { kind: "imm", value: { known: slot.constant } };
  const width = slot.extend !== 0 ? slot.extend : slot.bytes * 8;
  const symbolic =
    random.chance(0.08) && (width === 32 || width === 64 || (width === 16 && bits === 16)) && form.mnemonic !== "ret";
  if (symbolic) return { kind: "imm", value: { known: undefined } };
  const known = random.pick(valuesUpTo(width === 64 && random.chance(0.7) ? 32 : width));
  if (syntax === "nasm" && random.chance(0.15)) {
    const size = random.chance(0.3) && BigInt.asIntN(8, known) === known ? 8 : (Math.min(width, 32) as 8 | 16 | 32);
    return random.chance(0.5)
      ? { kind: "imm", value: { known }, size, strict: true }
      : { kind: "imm", value: { known }, size };
  }
  return { kind: "imm", value: { known } };
}

const DISPLACEMENTS = [0n, 1n, -1n, 4n, 0x7fn, 0x80n, -0x80n, -0x81n, 0x1234n, -0x1234n];
const WIDE = [0x12345678n, 0x7fffffffn, -0x80000000n];
const PAIRS_16: readonly (readonly [number, number])[] = [
  [Register.BX, Register.SI],
  [Register.BX, Register.DI],
  [Register.BP, Register.SI],
  [Register.BP, Register.DI],
  [Register.SI, 0],
  [Register.DI, 0],
  [Register.BP, 0],
  [Register.BX, 0],
];

/** Around the ends of what EVEX compresses into 8 bits. */
const UNITS = [1, 2, -1, 127, 128, -128, -129];

function displacement(random: Random, width: Bits, bare: boolean, unit = 1): Memory["displacement"] {
  if (!bare && random.chance(0.35)) return undefined;
  if (random.chance(0.12)) return { known: undefined };
  if (unit > 1 && random.chance(0.6))
    return { known: BigInt(unit * random.pick(UNITS) + (random.chance(0.2) ? 1 : 0)) };
  return { known: random.pick(width === 16 ? DISPLACEMENTS : [...DISPLACEMENTS, ...WIDE]) };
}

function registersOf(random: Random, width: Bits, bits: Bits): Pick<Memory, "base" | "index" | "scale"> {
  if (width === 16) {
    const [base, index] = random.pick(PAIRS_16);
    return { base, index, scale: 1 };
  }
  const first = width === 32 ? Register.EAX : Register.RAX;
  const any = (): number => first + random.below(bits === 64 ? 16 : 8);
  const stack = first + 4;
  let base = random.chance(0.85) ? any() : 0;
  let index = random.chance(0.45) ? any() : 0;
  if (index === stack) index = 0;
  if (base === 0 && index === 0) base = any();
  return { base, index, scale: index === 0 ? 1 : random.pick([1, 2, 4, 8]) };
}

/** Any addressing kind of the mode; `size` as a keyword, 0 none. */
export function anyMemory(random: Random, bits: Bits, size: number, syntax: Syntax, unit = 1): Memory {
  const width = random.chance(0.85) ? bits : bits === 32 ? 16 : 32;
  const segment = random.chance(0.1) ? anyRegister(random, "seg", bits) : 0;
  const bare = random.chance(0.15);
  const none = { base: 0, index: 0, scale: 1 as const };
  const common = { kind: "mem" as const, segment, size };
  if (bare && bits === 64 && random.chance(0.5))
    return { ...common, ...none, displacement: { known: undefined }, relative: true };
  if (bare) return { ...common, ...none, displacement: displacement(random, bits === 16 ? 16 : 32, true) };
  const memory: Memory = {
    ...common,
    ...registersOf(random, width, bits),
    displacement: displacement(random, width, false, unit),
  };
  const forced = syntax === "nasm" && memory.displacement !== undefined && random.chance(0.1);
  const known = memory.displacement?.known;
  if (!forced || known === undefined) return memory;
  return {
    ...memory,
    displacementSize: known >= -0x80n && known <= 0x7fn && random.chance(0.5) ? 8 : width === 16 ? 16 : 32,
  };
}

const KEYWORDS = new Set([1, 2, 4, 8, 10, 16, 32, 64]);

function memoryOperand(random: Random, form: Form, slot: Slot, bits: Bits, syntax: Syntax): AsmOperand {
  const plain = form.memoryClass === "integer" || form.memoryClass === "float";
  const keyword =
    plain && syntax !== "att" && KEYWORDS.has(form.memoryBytes) && random.chance(0.75) ? form.memoryBytes : 0;
  const far = form.memoryClass === "far" && (form.mnemonic === "call" || form.mnemonic === "jmp");
  const size = far && syntax !== "att" ? (syntax === "nasm" ? form.memoryBytes - 2 : form.memoryBytes) : keyword;
  if (slot.place === "moffs") {
    const none = { segment: 0, base: 0, index: 0, scale: 1 as const };
    return { kind: "mem", ...none, displacement: displacement(random, bits === 16 ? 16 : 32, true), size };
  }
  const memory = anyMemory(random, bits, size, syntax, form.evex?.unit);
  if (slot.vsib !== undefined) {
    const base =
      memory.base !== 0 && memory.displacementSize === undefined
        ? memory.base
        : bits === 64
          ? Register.RBX
          : Register.EBX;
    const wide = base >= Register.EAX ? base : Register.EBX;
    return {
      ...memory,
      base: wide,
      index: anyRegister(random, slot.vsib, bits, form.evex !== undefined),
      relative: undefined as never,
      scale: random.pick([1, 2, 4, 8]),
    };
  }
  return far && syntax === "nasm" ? { ...memory, far } : memory;
}

function implied(random: Random, slot: Slot, bits: Bits, size: number): AsmOperand {
  const first = bits === 16 ? Register.AX : bits === 32 ? Register.EAX : Register.RAX;
  const number = slot.string === "si" ? 6 : slot.string === "di" ? 7 : 3;
  const segment = slot.string === "di" ? Register.ES : random.chance(0.3) ? anyRegister(random, "seg", bits) : 0;
  return { kind: "mem", segment, base: first + number, index: 0, scale: 1, displacement: undefined, size };
}

export function operandFor(random: Random, form: Form, slot: Slot, bits: Bits, syntax: Syntax): AsmOperand {
  if (slot.string !== undefined) return implied(random, slot, bits, syntax === "intel" ? form.memoryBytes : 0);
  if (slot.only !== 0) return { kind: "reg", reg: slot.only };
  if (slot.place === "rel") {
    const distance =
      slot.bytes === 1 && form.addressSize === 0 && random.chance(0.5) && syntax === "nasm" ? "short" : undefined;
    return { kind: "target", value: { known: slot.bytes === 1 ? 0n : undefined }, ...(distance ? { distance } : {}) };
  }
  if (slot.place === "far") {
    const size = (slot.bytes * 8) as 16 | 32;
    return {
      kind: "far",
      selector: { known: BigInt(random.below(0x10000)) },
      offset: { known: BigInt(random.below(0x10000)) },
      ...(syntax === "nasm" ? { size } : {}),
    };
  }
  if (slot.place === "imm" || slot.constant !== undefined) return immediate(random, form, slot, bits, syntax);
  const memory = slot.mem && (slot.reg === undefined || random.chance(0.6));
  if (memory) return memoryOperand(random, form, slot, bits, syntax);
  return { kind: "reg", reg: anyRegister(random, slot.reg ?? "r32", bits, form.evex !== undefined) };
}
