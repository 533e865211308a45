/** Which forms an operand list fits, best first. What depends on values (widths of immediates) is decided after this, per call. */
import { Register } from "../../emu/cpu/iced.ts";
import type { Bits, Dialect } from "../types.ts";
import { fitsSuffix, widthOf } from "./att.ts";
import { decorationMisfit, maskOf, namesHighRegister, needsEvex } from "./evex.ts";
import { type Form, formsNamed } from "./forms.ts";
import type { Slot } from "./kinds.ts";
import { nasmTakesSize, nasmTakesValueSize } from "./nasm-sizes.ts";
import { type Pattern, patternsOf } from "./patterns.ts";
import { regInfo } from "./registers.ts";
import type { AsmOperand, Rounding } from "./types.ts";

/** A mnemonic resolved: iced's names, and what the spelling says about size. */
export interface Query {
  readonly names: readonly string[];
  /** AT&T suffix letter(s), or "". */
  readonly suffix: string;
  /** lcall, `jmp far`: only far forms. */
  readonly far: boolean;
  /** movabs: only 64-bit immediates and offsets without ModRM. */
  readonly absolute: boolean;
  /** Bytes of an unsized memory source (movzb, movsl). */
  readonly sourceBytes: number;
  /** Its destination is wider than that: MOVSW is not MOVSXW. */
  readonly widens: boolean;
  /** A string instruction's other name: MOVS is not the MOVSD of vectors. */
  readonly string?: boolean;
  /** AT&T names fsub and fsubr (fdiv, fdivr) crosswise where the stack register is the destination; "" otherwise. */
  readonly crossed: string;
}

export interface Candidates {
  /** Best first. */
  readonly patterns: readonly Pattern[];
  /** Those that are meant when no prefix says otherwise. */
  readonly natural: readonly Pattern[];
  /** The operands fit forms of several widths and nothing says which. */
  readonly ambiguous: boolean;
  /** Forms that fit but not in this mode. */
  readonly otherMode: boolean;
}

export interface Shape {
  readonly dialect: Dialect;
  readonly bits: Bits;
  readonly operands: readonly AsmOperand[];
  readonly rounding?: Rounding;
  /** {evex} {vex} {vex2} {vex3} among others. */
  readonly hints: readonly string[];
}

type Memory = Extract<AsmOperand, { kind: "mem" }>;
type Immediate = Extract<AsmOperand, { kind: "imm" }>;

const isOffsetOnly = (memory: Memory): boolean =>
  memory.base === 0 && memory.index === 0 && memory.noIndex === undefined && memory.relative !== true;

function shapeOf(operand: AsmOperand): string {
  const mask = maskOf(operand);
  const high = namesHighRegister(operand) ? "+" : "";
  if (mask === undefined) return plainShape(operand) + high;
  return `${plainShape(operand)}${high}${mask.opmask === 0 ? "" : "{k}"}${mask.zeroing ? "{z}" : ""}`;
}

function plainShape(operand: AsmOperand): string {
  switch (operand.kind) {
    case "reg":
      return regInfo(operand.reg)?.shape ?? "?";
    case "mem": {
      const offset = isOffsetOnly(operand) ? "o" : operand.noIndex === undefined ? "" : "e";
      const wide = operand.displacementSize === 64 ? "q" : "";
      return `m${operand.size}${offset}${wide}${operand.far ? "f" : ""}${operand.broadcast ? `b${operand.broadcast}` : ""}`;
    }
    case "imm":
      return operand.size === undefined
        ? operand.value.known === 1n
          ? "i1,"
          : "i,"
        : `i${operand.strict ? "s" : "z"}${operand.size},`;
    case "target":
      return `t${operand.distance ?? ""}${operand.size ?? ""}${operand.strict ? "s" : ""}`;
    case "far":
      return `f${operand.size ?? ""}`;
  }
}

function registerFits(slot: Slot, register: number): boolean {
  return slot.only !== 0 ? slot.only === register : slot.reg !== undefined && slot.reg === regInfo(register)?.class;
}

/** Structures that GNU as takes by the size keyword of their one size; for the others there is none. */
const SIZED_STRUCTURE = /^(bound|[ls][gi]dt|fbld|fbstp)$/;
const GNU_UNSIZED = /^(movdir64b|enqcmds?)$/;

/** A size keyword against a descriptor, a save area, a tile. */
function structureSizeFits(form: Form, size: number): boolean {
  // A descriptor of six bytes asks for the operand size that reads all of it.
  const whole = form.mnemonic === "bound" || form.operandSize !== 16;
  return SIZED_STRUCTURE.test(form.mnemonic) && whole && size === form.memoryBytes;
}

/** A size keyword against what the form reads or writes there. */
function memorySizeFits(form: Form, memory: Memory, { sourceBytes, far: farName }: Query, dialect: Dialect): boolean {
  const { size } = memory;
  const far = memory.far === true;
  if (memory.broadcast !== undefined) return size === 0 || size === form.evex?.element;
  const nasm = dialect === "nasm" ? nasmTakesSize(form, size) : undefined;
  if (nasm !== undefined) return nasm;
  if (form.memoryClass === "far")
    return size === 0 || (!farName && size === (far ? form.memoryBytes - 2 : form.memoryBytes));
  if (size === 0) return sourceBytes === 0 || sourceBytes === form.memoryBytes;
  if (form.memoryClass === "structure") return structureSizeFits(form, size);
  if (dialect === "gas" && GNU_UNSIZED.test(form.mnemonic)) return false;
  return form.memoryClass === "address" || form.memoryBytes === 0 || size === form.memoryBytes;
}

function memoryFits(form: Form, slot: Slot, memory: Memory, query: Query, dialect: Dialect): boolean {
  if (!slot.mem) return false;
  if (slot.place === "moffs") {
    if (!isOffsetOnly(memory)) return false;
  } else if (memory.displacementSize === 64 || (query.absolute && slot.string === undefined)) return false;
  return memorySizeFits(form, memory, query, dialect);
}

/** `byte 5`, `strict dword 5`: the width in the instruction, or that of the operation it is extended to. */
function immediateSizeFits(form: Form, slot: Slot, operand: Immediate): boolean {
  const size = operand.size;
  if (size === undefined) return true;
  const nasm = nasmTakesValueSize(form, size);
  if (nasm !== undefined) return nasm;
  const width = slot.bytes * 8;
  if (slot.extend === 64 && size === 32) {
    if (operand.strict && width !== 32) return false;
    return form.mnemonic === "push" || (width === 32 && (form.mnemonic === "mov" || form.mnemonic === "imul"));
  }
  if (operand.strict)
    return size === width || (size === 64 && slot.extend === 64 && width === 32 && form.mnemonic !== "mov");
  return size === width || size === slot.extend;
}

function immediateFits(form: Form, slot: Slot, operand: Immediate, query: Query): boolean {
  if (slot.constant !== undefined) return operand.size === undefined && operand.value.known === slot.constant;
  if (slot.place === "rel") return operand.size === undefined;
  if (slot.place !== "imm") return false;
  return (!query.absolute || slot.bytes === 8) && immediateSizeFits(form, slot, operand);
}

/** Branches of one width are not asked for it. */
const ONE_WIDTH = /^(loop.*|j[er]?cxz)$/;

/** NASM: `jmp dword x` is the near one of that operand size; of a conditional jump that is said with `near`. */
function targetFits(form: Form, slot: Slot, target: Extract<AsmOperand, { kind: "target" }>): boolean {
  const { distance, size, strict } = target;
  if (slot.place !== "rel" || distance === "far") return false;
  if (ONE_WIDTH.test(form.mnemonic)) return distance === undefined && size === undefined;
  if (strict && distance === undefined && slot.bytes === 1) return false;
  const sized = distance === "near" || /^(call|jmp|xbegin)$/.test(form.mnemonic);
  if (size !== undefined && (slot.bytes === 1 || form.operandSize !== size || !sized)) return false;
  return distance === undefined || (distance === "short") === (slot.bytes === 1);
}

function operandFits(form: Form, slot: Slot, operand: AsmOperand, query: Query, dialect: Dialect): boolean {
  switch (operand.kind) {
    case "reg":
      return registerFits(slot, operand.reg);
    case "mem":
      return memoryFits(form, slot, operand, query, dialect);
    case "imm":
      return immediateFits(form, slot, operand, query);
    case "target":
      return targetFits(form, slot, operand);
    case "far":
      return slot.place === "far" && (operand.size === undefined || operand.size / 8 === slot.bytes);
  }
}

/** NASM: a sized immediate gives an unsized memory operand its size, where no register does. */
function immediateSaysSize(pattern: Pattern, operands: readonly AsmOperand[]): boolean {
  const immediate = operands.find(
    (operand): operand is Immediate => operand.kind === "imm" && operand.size !== undefined,
  );
  if (operands.some(({ kind }) => kind === "reg")) return true;
  if (immediate === undefined || !operands.some((operand) => operand.kind === "mem" && operand.size === 0)) return true;
  const slot = pattern.form.slots.find((candidate) => candidate.place === "imm");
  if (immediate.size === 64) return false;
  return (
    slot === undefined || slot.extend === immediate.size || (slot.extend === 0 && slot.bytes * 8 === immediate.size)
  );
}

/** In 64-bit code 90 is NOP, which leaves the upper half of RAX alone: EAX with itself is exchanged by 87. */
function wouldBeNop(form: Form, { bits, operands }: Shape): boolean {
  if (bits !== 64 || form.opcode[0] !== 0x90 || form.operandSize !== 32 || operands.length !== 2) return false;
  return operands.every((operand) => operand.kind === "reg" && operand.reg === Register.EAX);
}

function patternFits(pattern: Pattern, shape: Shape, query: Query): boolean {
  const { form } = pattern;
  if (wouldBeNop(form, shape)) return false;
  if (pattern.arity !== shape.operands.length) return false;
  if (query.sourceBytes !== 0 && query.sourceBytes !== form.memoryBytes) return false;
  if (query.widens && query.sourceBytes * 8 >= form.operandSize) return false;
  for (let i = 0; i < form.slots.length; i++) {
    const index = pattern.from[i]!;
    if (index >= 0 && !operandFits(form, form.slots[i]!, shape.operands[index]!, query, shape.dialect)) return false;
  }
  if (decorationMisfit(form, shape.operands, shape.rounding, shape.dialect === "gas") !== undefined) return false;
  const memory = shape.operands.some((operand) => operand.kind === "mem");
  if (query.suffix !== "" && !fitsSuffix(form, query.suffix, memory)) return false;
  return shape.dialect !== "nasm" || immediateSaysSize(pattern, shape.operands);
}

const isBranch = (form: Form): boolean => form.mnemonic === "call" || form.mnemonic === "jmp";

/** GNU Intel syntax tells a far pointer by its size. */
const FAR_SIZES: Readonly<Record<Bits, readonly number[]>> = { 16: [4, 6], 32: [6], 64: [4, 6, 10] };

function isFar(operand: AsmOperand, { dialect, bits }: Shape): boolean {
  if (operand.kind === "far") return true;
  if (operand.kind !== "mem") return false;
  return operand.far === true || (dialect === "gas" && FAR_SIZES[bits].includes(operand.size));
}

function formAllowed(form: Form, query: Query, shape: Shape): boolean {
  if (query.string && form.encoding === "legacy" && form.slots.some(({ reg }) => reg === "xmm")) return false;
  if (query.absolute && shape.operands.every(({ kind }) => kind === "reg")) return false;
  if (query.crossed !== "" && (form.slots[0]?.reg === "st") === (form.mnemonic === query.crossed)) return false;
  if (form.dialect !== undefined && form.dialect !== shape.dialect) return false;
  if (isBranch(form)) {
    const far = form.memoryClass === "far" || form.slots[0]?.place === "far";
    const wanted = query.far || shape.operands.some((operand) => isFar(operand, shape));
    if (far !== wanted) return false;
  }
  return true;
}

const extendsByte = (pattern: Pattern): number =>
  pattern.form.slots.some((slot) => slot.bytes === 1 && slot.extend !== 0) ? 0 : 1;
const opcodeOf = (form: Form): number => form.opcode.reduce((sum, byte) => sum * 256 + byte, 0);

/** Of the two ways to place the last two of four registers GNU as takes W1 for FMA4, NASM for VPPERM. */
function fourthOperandCost(form: Form, dialect: Dialect, operands: readonly AsmOperand[]): number {
  if (form.slots.length !== 4 || !operands.every(({ kind }) => kind === "reg")) return 0;
  const preferred = dialect === "gas" ? form.encoding === "vex" : form.mnemonic === "vpperm";
  return preferred && form.vex?.w === 1 ? -1 : 0;
}

/** NASM puts the first of two exchanged registers into ModRM.reg, and takes `fadd st0, st0` as one to the stack. */
function orderCost(pattern: Pattern, { dialect, operands }: Shape): number {
  const reversed =
    dialect === "nasm" && pattern.form.mnemonic === "xchg" && operands.every(({ kind }) => kind === "reg");
  const toStack = dialect === "nasm" && operands.length === 2 && pattern.form.slots[0]?.reg === "st" ? -1 : 0;
  return Number(pattern.swapped !== reversed) + toStack + fourthOperandCost(pattern.form, dialect, operands);
}

/** Instructions that had EVEX forms first: their VEX forms have to be asked for. */
const LATE_VEX = /^(vpdp(bu|ws)sds?|vpmadd52[lh]uq|vcvtneps2bf16)$/;

/** Of several vector lengths that `qword bcst [...]` leaves open, GNU as takes the largest. */
function lengthRank({ evex, vex }: Form, { operands }: Shape): number {
  const open = evex !== undefined && operands.some((operand) => operand.kind === "mem" && operand.broadcast === "bcst");
  return open ? -vex!.l : 0;
}

/** VEX goes before EVEX, with few exceptions; NASM stores VMOVQ by 7E with EVEX. */
function encodingRank({ encoding, mnemonic, opcode }: Form, dialect: Dialect): number {
  if (dialect === "nasm" && encoding === "evex" && mnemonic === "vmovq" && opcode[0] === 0xd6) return 2;
  return Number((encoding === "evex") !== LATE_VEX.test(mnemonic));
}

/** The mode's own operand size first, and shortest; then the sign-extended byte, the manual's operand order, the lower opcode. */
function compare(a: Pattern, b: Pattern, shape: Shape): number {
  const { bits } = shape;
  return (
    Number(a.form.obsolete) - Number(b.form.obsolete) ||
    encodingRank(a.form, shape.dialect) - encodingRank(b.form, shape.dialect) ||
    a.form.sizePrefix(bits) - b.form.sizePrefix(bits) ||
    a.form.weight(bits) - b.form.weight(bits) ||
    extendsByte(a) - extendsByte(b) ||
    orderCost(a, shape) - orderCost(b, shape) ||
    lengthRank(a.form, shape) - lengthRank(b.form, shape) ||
    (shape.dialect === "gas" ? a.form.map - b.form.map : 0) ||
    opcodeOf(a.form) - opcodeOf(b.form) ||
    a.form.code - b.form.code
  );
}

/** GNU: `in $5`, `outs`: the accumulator, or the memory operand, is left out. */
function leavesAccumulatorOut(patterns: readonly Pattern[]): boolean {
  const widths = new Set<number>();
  for (const { form, from } of patterns)
    if (WITHOUT_WIDTH.test(form.mnemonic) && from.includes(-1)) widths.add(widthOf(form));
  return widths.size > 1;
}

const WITHOUT_WIDTH = /^(in|out|(ins|outs|cmps|movs|lods|scas|stos)[bwdq])$/;

/** Only unsized integer and floating-point memory can be of several widths. */
function isAmbiguous(patterns: readonly Pattern[], shape: Shape): boolean {
  if (shape.dialect === "gas" && shape.operands.every(({ kind }) => kind !== "mem"))
    return leavesAccumulatorOut(patterns);
  if (!shape.operands.some((operand) => operand.kind === "mem" && operand.size === 0)) return false;
  const sizes = new Set<number>();
  for (const { form } of patterns) {
    if (form.memoryClass === "integer" || form.memoryClass === "float") sizes.add(form.memoryBytes);
    else if (form.memoryClass === "far" && isBranch(form)) sizes.add(form.memoryBytes);
  }
  return sizes.size > 1;
}

/** Where no operand has a width (push 5, ret), only the mode's own operand size is meant, whatever the value. */
function ofNaturalSize(patterns: readonly Pattern[], { bits, operands }: Shape): readonly Pattern[] {
  const first = patterns[0];
  if (first === undefined || operands.length !== 1 || operands[0]!.kind !== "imm") return patterns;
  const least = first.form.sizePrefix(bits);
  return patterns.filter(({ form }) => form.sizePrefix(bits) === least);
}

/** NASM knows these with VEX, and only where {vex} says so. */
const ONLY_ASKED = /^v(pdpb[su][su]ds?|cvtne[eo](bf16|ph)2ps|bcstne(bf16|sh)2ps)$/;

/** The encodings that decorations, registers 16 to 31 and hints leave. */
function encodingAllowed({ encoding, mnemonic }: Form, { dialect, operands, rounding, hints }: Shape): boolean {
  if (encoding === "evex") return !hints.some((hint) => hint.startsWith("vex"));
  if (rounding !== undefined || hints.includes("evex") || operands.some(needsEvex)) return false;
  if (dialect === "nasm" && ONLY_ASKED.test(mnemonic) && !mnemonic.startsWith("vpdpbusd")) {
    if (!hints.some((hint) => hint.startsWith("vex"))) return false;
  }
  return encoding === "vex" || encoding === "xop" || !hints.some((hint) => hint.startsWith("vex"));
}

function search(query: Query, shape: Shape): Candidates {
  const found: Pattern[] = [];
  let otherMode = false;
  for (const name of query.names) {
    for (const form of formsNamed(name)) {
      if (!formAllowed(form, query, shape) || !encodingAllowed(form, shape)) continue;
      for (const pattern of patternsOf(form, shape.dialect)) {
        if (!patternFits(pattern, shape, query)) continue;
        if ((form.modes & shape.bits) !== 0) found.push(pattern);
        else otherMode = true;
      }
    }
  }
  found.sort((a, b) => compare(a, b, shape));
  return { patterns: found, natural: ofNaturalSize(found, shape), ambiguous: isAmbiguous(found, shape), otherMode };
}

/** Index of the operand that keeps most forms from fitting; -1 when none takes this number of operands. */
export function misfit(query: Query, shape: Shape): number {
  let furthest = -1;
  for (const form of query.names.flatMap(formsNamed)) {
    for (const pattern of patternsOf(form, shape.dialect)) {
      if (pattern.arity !== shape.operands.length || (form.modes & shape.bits) === 0) continue;
      furthest = Math.max(furthest, firstMisfit(pattern, shape, query));
    }
  }
  return furthest;
}

function firstMisfit({ form, from }: Pattern, shape: Shape, query: Query): number {
  const bad = shape.operands.findIndex((operand, index) =>
    from.some(
      (source, slot) => source === index && !operandFits(form, form.slots[slot]!, operand, query, shape.dialect),
    ),
  );
  return bad < 0 ? shape.operands.length - 1 : bad;
}

/** By query (one object for each spelling) and shape. */
const cache = new WeakMap<Query, Map<string, Candidates>>();

export function candidates(query: Query, shape: Shape): Candidates {
  let key = shape.dialect === "nasm" ? `n${shape.bits}` : `g${shape.bits}`;
  for (const operand of shape.operands) key += shapeOf(operand);
  if (shape.rounding !== undefined) key += `{${shape.rounding.mode}@${shape.rounding.after}}`;
  for (const hint of shape.hints) key += `{${hint}}`;
  let shapes = cache.get(query);
  if (shapes === undefined) cache.set(query, (shapes = new Map()));
  let result = shapes.get(key);
  if (result === undefined) shapes.set(key, (result = search(query, shape)));
  return result;
}
