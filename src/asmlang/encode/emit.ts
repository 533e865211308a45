/** Bytes of a form whose operands have been matched: prefixes in the tool's order, REX or VEX, opcode, ModRM, immediates. */
import { Register } from "../../emu/cpu/iced.ts";
import type { Bits, Dialect } from "../types.ts";
import { type Address, cutsDisplacement, encodeAddress, type MemoryOperand } from "./address.ts";
import { evexBytes, maskOf } from "./evex.ts";
import type { Form } from "./forms.ts";
import type { Slot } from "./kinds.ts";
import type { Pattern } from "./patterns.ts";
import { type Prefixes, SEGMENT_BYTES } from "./prefixes.ts";
import { regInfo } from "./registers.ts";
import { implicitSegment, isImplied, stringAddressSize } from "./strings.ts";
import type { AsmOperand, Encoding, Fixup, Rounding } from "./types.ts";

export interface EmitContext {
  readonly dialect: Dialect;
  readonly bits: Bits;
  readonly operands: readonly AsmOperand[];
  readonly prefixes: Prefixes;
  readonly rounding: Rounding | undefined;
  /** {vex3}, {vex2}. */
  readonly hints: readonly string[];
}

/** What goes wrong only here. */
export interface EmitError {
  readonly message: string;
  readonly operand: number;
}

interface Draft {
  readonly form: Form;
  readonly context: EmitContext;
  readonly bytes: number[];
  readonly fixups: { offset: number; fixup: Omit<Fixup, "offset" | "addend"> }[];
  readonly warnings: string[];
  address: Address | undefined;
  /** Operand index of the memory operand. */
  memory: number;
  addressSize: Bits;
  /** Of a string instruction's first address. */
  stringSize: Bits | undefined;
  lock: boolean;
  segment: number;
  /** REX.WRXB; -1 in high: a register that cannot go with REX. */
  rexNeeded: boolean;
  rexForbidden: number;
  r: number;
  x: number;
  b: number;
  reg: number;
  rm: number;
  vvvv: number;
  is4: number;
  opcodeLow: number;
}

type Failure = EmitError | undefined;

function takeRegister(draft: Draft, slot: Slot, register: number, operand: number): Failure {
  const info = regInfo(register)!;
  if (info.rex === "needs") draft.rexNeeded = true;
  if (info.rex === "no") draft.rexForbidden = operand;
  const { bits } = draft.context;
  const byLock = bits !== 64 && draft.form.lockIsBit && info.class === "cr" && info.number === 8;
  if (byLock) draft.lock = true;
  else if (bits !== 64 && (info.number > 7 || info.rex === "needs")) {
    return { message: `register is not available in ${bits}-bit mode`, operand };
  }
  if (slot.place === "reg") {
    draft.reg = info.number & 7;
    draft.r = byLock ? 0 : info.number >> 3;
  } else if (slot.place === "rm") {
    draft.rm = info.number & 7;
    draft.b = (info.number >> 3) & 1;
    draft.x = info.number >> 4;
  } else if (slot.place === "opcode") {
    draft.opcodeLow = info.number & 7;
    draft.b = info.number >> 3;
  } else if (slot.place === "vvvv") draft.vvvv |= info.number;
  else if (slot.place === "is4") draft.is4 = info.number;
  return undefined;
}

function overrideOf(draft: Draft, memory: MemoryOperand): number {
  if (memory.segment === 0) return 0;
  if (draft.context.dialect === "gas" && memory.segment === implicitSegment(memory.base)) return 0;
  return SEGMENT_BYTES[memory.segment] ?? 0;
}

/** GNU as takes one segment, whether from a prefix or from the operand. */
function segmentClash({ context, segment }: Draft, operand: number): Failure {
  const written = context.prefixes.segment;
  const clash = context.dialect === "gas" && written !== 0 && segment !== 0 && written !== segment;
  return clash ? { message: "same type of prefix used twice", operand } : undefined;
}

/** NASM lets the memory's address be of another width than the register's, which is an address too. */
const isLoose = ({ form, context }: Draft): boolean =>
  context.dialect === "nasm" && /^(movdir64b|enqcmds?)$/.test(form.mnemonic);

function takeMemory(draft: Draft, slot: Slot, memory: MemoryOperand, operand: number): Failure {
  const { context } = draft;
  if (slot.string !== undefined) {
    const size = stringAddressSize(memory, context.bits, slot.string, context.dialect);
    const several = draft.form.slots.filter(({ string }) => string !== undefined).length > 1;
    const numberAlone = memory.base === 0 && memory.index === 0 && slot.string !== "di" && !several;
    if (size === undefined || numberAlone) return { message: "invalid combination of opcode and operands", operand };
    if (context.dialect === "gas" && !isImplied(memory, slot.string))
      draft.warnings.push("this address is not valid here: the instruction implies its own registers");
    const said = context.dialect === "gas" ? context.prefixes.addressSize : undefined;
    if (said !== undefined && said !== size && several)
      return { message: "this address has another width than the prefix says", operand };
    if (context.dialect === "gas" && draft.stringSize !== undefined && draft.stringSize !== size)
      return { message: "both addresses of a string instruction have the same width", operand };
    draft.stringSize = size;
    draft.addressSize = said ?? size;
    if (slot.string === "di" && context.dialect === "gas" && memory.segment !== 0 && memory.segment !== Register.ES)
      if (!draft.form.mnemonic.includes("maskmov"))
        return { message: `"${draft.form.mnemonic}" writes to and reads from %es only`, operand };
    if (slot.string !== "di") draft.segment = overrideOf(draft, memory);
    return segmentClash(draft, operand);
  }
  const { vsib, addressing } = slot;
  const address = encodeAddress(memory, {
    dialect: context.dialect,
    bits: context.bits,
    forced: draft.form.addressSize !== 0 && !isLoose(draft) ? draft.form.addressSize : context.prefixes.addressSize,
    vsib,
    addressing,
    unit: draft.form.evex === undefined ? 1 : memory.broadcast ? draft.form.evex.element : draft.form.evex.unit,
  });
  if (typeof address === "string") return { message: address, operand };
  const wraps = slot.place === "moffs" || (draft.form.mnemonic === "lea" && draft.form.operandSize < 64);
  if (!wraps && cutsDisplacement(memory, address.size, context.dialect))
    return { message: "the displacement does not fit in 32 bits", operand };
  draft.memory = operand;
  draft.address = address;
  draft.addressSize = address.size;
  draft.segment = overrideOf(draft, memory);
  const clash = segmentClash(draft, operand);
  if (clash !== undefined) return clash;
  draft.x = address.indexHigh & 1;
  if (vsib !== undefined) draft.vvvv |= (address.indexHigh >> 1) << 4;
  if (slot.place === "rm") draft.b = address.baseHigh;
  if (address.warning !== undefined) draft.warnings.push(address.warning);
  return undefined;
}

function take(draft: Draft, pattern: Pattern): Failure {
  for (let i = 0; i < pattern.from.length; i++) {
    const index = pattern.from[i]!;
    if (index < 0) continue;
    const operand = draft.context.operands[index]!;
    const slot = draft.form.slots[i]!;
    let failure: Failure;
    if (operand.kind === "reg") failure = takeRegister(draft, slot, operand.reg, index);
    else if (operand.kind === "mem") failure = takeMemory(draft, slot, operand, index);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

/** Does this form, as written, need the operand-size prefix? A written prefix overrides the form's for NASM. */
function operandSizePrefix(form: Form, bits: Bits, asked: Bits | undefined, dialect: Dialect): boolean {
  const size = form.operandSize === 0 || (dialect === "nasm" && asked !== undefined) ? asked : form.operandSize;
  if (size === undefined || size === 64) return false;
  return (size === 16) !== (bits === 16);
}

/** VIA's instructions: their F3 is REP, which may be written or not. */
const PADLOCK = /^(xcrypt.*|xsha.*|xstore|montmul|ccs_.*)$/;

function legacyPrefixes(draft: Draft): void {
  const { form, context, bytes } = draft;
  const { prefixes, bits } = context;
  const asked = prefixes.operandSize;
  const segment = draft.segment !== 0 ? draft.segment : prefixes.segment;
  const repeats = form.mandatory === 0xf3 && PADLOCK.test(form.mnemonic);
  const data = operandSizePrefix(form, bits, asked, context.dialect) || (asked === 16 && bits !== 16);
  const asWritten = context.dialect === "gas" && form.mnemonic === "umonitor" && prefixes.addressSize !== undefined;
  const otherRegister = isLoose(draft) && form.addressSize !== bits;
  const address = draft.addressSize !== bits || asWritten || otherRegister;
  if (prefixes.wait || form.wait) bytes.push(0x9b);
  const push = (wanted: boolean, byte: number): void => {
    if (wanted) bytes.push(byte);
  };
  if (context.dialect === "nasm") {
    // A short JMP drops BND.
    const dropped = prefixes.repKind === "bnd" && form.mnemonic === "jmp" && form.slots[0]?.bytes === 1;
    const rep = dropped ? 0 : prefixes.rep !== 0 ? prefixes.rep : repeats ? 0xf3 : 0;
    push(rep !== 0, rep);
    push(draft.lock, 0xf0);
    push(segment !== 0, segment);
    push(data, 0x66);
    push(address, 0x67);
    push(form.mandatory !== 0 && form.vex === undefined && !repeats, form.mandatory);
    return;
  }
  push(segment !== 0, segment);
  push(address, 0x67);
  push(data || (form.mandatory === 0x66 && form.vex === undefined), 0x66);
  push(form.mandatory > 0x66 && form.vex === undefined, form.mandatory);
  push(prefixes.rep !== 0 && !repeats, prefixes.rep);
  push(draft.lock, 0xf0);
}

/** NASM puts the REX.W that is asked for there, though these are 64 bits wide without. */
const isNearReturn = (form: Form): boolean => /^(ret|mov)$/.test(form.mnemonic) || form.slots[0]?.place === "rel";

function rexPrefix(draft: Draft): Failure {
  const { form, context } = draft;
  const wide =
    (form.operandSize === 64 && !form.default64) ||
    (context.prefixes.operandSize === 64 &&
      (form.operandSize !== 64 || (context.dialect === "nasm" && isNearReturn(form))));
  const written = context.prefixes.rex;
  const needed = (wide ? 8 : 0) | (draft.r << 2) | (draft.x << 1) | draft.b;
  if (context.dialect === "gas" && written > 0 && ((needed & written & 8) !== 0 || (needed & 7 && written & 7)))
    return { message: "same type of prefix used twice", operand: -1 };
  const rex = needed | Math.max(written, 0);
  if (rex === 0 && !draft.rexNeeded && written < 0) return undefined;
  if (draft.rexForbidden >= 0 && rex === 0 && !draft.rexNeeded && context.dialect === "gas") return undefined;
  if (draft.rexForbidden >= 0)
    return {
      message: "cannot use high byte register in an instruction that requires a REX prefix",
      operand: draft.rexForbidden,
    };
  draft.bytes.push(0x40 | rex);
  return undefined;
}

/** VEX.pp of a mandatory prefix. */
const PP: Readonly<Record<number, number>> = { 0: 0, 102: 1, 243: 2, 242: 3 };

function evexPrefix(draft: Draft): void {
  const { form, context, r, x, b, vvvv } = draft;
  const { operands, rounding } = context;
  const mask = operands[0] && maskOf(operands[0]);
  const broadcast = operands.some((operand) => operand.kind === "mem" && operand.broadcast !== undefined);
  draft.bytes.push(...evexBytes(form, { reg: r, x, b, vvvv, pp: PP[form.mandatory]!, mask, broadcast, rounding }));
}

function vexPrefix(draft: Draft): Failure {
  const { form, bytes } = draft;
  const { hints } = draft.context;
  const { w, l } = form.vex!;
  const pp = PP[form.mandatory]!;
  const tail = ((~draft.vvvv & 15) << 3) | (l << 2) | pp;
  const short = form.encoding === "vex" && form.map === 1 && w === 0 && draft.x === 0 && draft.b === 0;
  if (short && !hints.includes("vex3")) {
    bytes.push(0xc5, ((draft.r ^ 1) << 7) | tail);
    return undefined;
  }
  if (hints.includes("vex2") && draft.context.dialect === "nasm")
    return { message: "instruction not encodable with {vex2} prefix", operand: -1 };
  const high = ((draft.r ^ 1) << 7) | ((draft.x ^ 1) << 6) | ((draft.b ^ 1) << 5) | form.map;
  bytes.push(form.encoding === "xop" ? 0x8f : 0xc4, high, (w << 7) | tail);
  return undefined;
}

function opcodeBytes(draft: Draft): void {
  const { form, bytes } = draft;
  if (form.encoding === "3dnow") {
    bytes.push(0x0f, 0x0f);
    return;
  }
  for (const byte of form.escape) bytes.push(byte);
  for (const byte of form.opcode) bytes.push(byte);
  if (draft.opcodeLow > 0) bytes[bytes.length - 1]! += draft.opcodeLow;
}

function pushNumber(bytes: number[], value: bigint, count: number): void {
  let low = Number(BigInt.asIntN(32, value));
  for (let i = 0; i < count && i < 4; i++, low >>= 8) bytes.push(low & 255);
  if (count === 8) pushNumber(bytes, value >> 32n, 4);
}

/** A field with a value, or zeros and a fixup. */
function field(draft: Draft, value: bigint | undefined, fixup: Omit<Fixup, "offset" | "addend">): void {
  if (value === undefined) draft.fixups.push({ offset: draft.bytes.length, fixup });
  pushNumber(draft.bytes, value ?? 0n, fixup.size);
}

function modrmBytes(draft: Draft): void {
  const { form, bytes, address } = draft;
  const reg = form.digit >= 0 ? form.digit : draft.reg;
  if (address === undefined) {
    bytes.push(0xc0 | (reg << 3) | (form.rmDigit >= 0 ? form.rmDigit : draft.rm));
    return;
  }
  bytes.push((address.mod << 6) | (reg << 3) | address.rm);
  if (address.sib >= 0) bytes.push(address.sib);
  if (address.displacementBytes === 0) return;
  const size = address.displacementBytes as 1 | 2 | 4;
  const kind = address.ripRelative ? "pcrel" : "abs";
  const signed = size === 1 || address.ripRelative || (draft.context.bits === 64 && address.size === 64);
  field(draft, address.displacement, { size, kind, signed, operand: draft.memory, part: "displacement" });
}

function farPointer(draft: Draft, operand: Extract<AsmOperand, { kind: "far" }>, index: number, bytes: number): void {
  const common = { kind: "abs", signed: false, operand: index } as const;
  field(draft, operand.offset.known, { ...common, size: bytes as 2 | 4, part: "offset" });
  field(draft, operand.selector.known, { ...common, size: 2, part: "selector" });
}

function moffs(draft: Draft, operand: MemoryOperand, index: number): void {
  const size = (draft.addressSize / 8) as 2 | 4 | 8;
  const known = operand.displacement === undefined ? 0n : operand.displacement.known;
  field(draft, known, { size, kind: "abs", signed: false, operand: index, part: "displacement" });
}

function trailing(draft: Draft, pattern: Pattern): void {
  const { slots } = draft.form;
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]!;
    const index = pattern.from[i]!;
    if (index < 0) continue;
    const operand = draft.context.operands[index]!;
    if (slot.place === "far" && operand.kind === "far") farPointer(draft, operand, index, slot.bytes);
    else if (slot.place === "moffs" && operand.kind === "mem") moffs(draft, operand, index);
    else if (slot.place === "imm" && operand.kind === "imm") immediate(draft, slot, operand.value.known, index);
    else if (slot.place === "rel") branch(draft, slot, index);
  }
  if (draft.is4 >= 0) mergeIs4(draft);
  if (draft.form.encoding === "3dnow") draft.bytes.push(draft.form.opcode[0]!);
}

function immediate(draft: Draft, slot: Slot, value: bigint | undefined, operand: number): void {
  const size = slot.bytes as 1 | 2 | 4 | 8;
  field(draft, value, { size, kind: "abs", signed: slot.extend !== 0, operand, part: "value" });
}

function branch(draft: Draft, slot: Slot, operand: number): void {
  // Outside 64-bit mode addresses wrap, so that every place is in reach of as many bits.
  const signed = slot.bytes === 1 || draft.context.bits === 64;
  field(draft, undefined, { size: slot.bytes as 1 | 2 | 4, kind: "pcrel", signed, operand, part: "value" });
}

/** The register in the high half of an immediate byte that may also carry a value in its low half. */
function mergeIs4(draft: Draft): void {
  const hasImmediate = draft.form.slots.some((slot) => slot.place === "imm");
  if (hasImmediate) draft.bytes[draft.bytes.length - 1]! |= draft.is4 << 4;
  else draft.bytes.push(draft.is4 << 4);
}

function start(pattern: Pattern, context: EmitContext): Draft {
  const { form } = pattern;
  const asked = context.prefixes.addressSize;
  // GNU as puts a prefix that says otherwise in front of a branch on the counter, too.
  const turned = context.dialect === "gas" && asked !== undefined && form.slots[0]?.place === "rel";
  return {
    form,
    context,
    bytes: [],
    fixups: [],
    warnings: [],
    address: undefined,
    memory: -1,
    addressSize: form.addressSize !== 0 && !turned ? form.addressSize : (asked ?? context.bits),
    stringSize: undefined,
    segment: 0,
    lock: context.prefixes.lock,
    rexNeeded: false,
    rexForbidden: -1,
    r: 0,
    x: 0,
    b: 0,
    reg: 0,
    rm: 0,
    vvvv: 0,
    is4: -1,
    opcodeLow: 0,
  };
}

const NO_FIXUPS: readonly Fixup[] = [];

function finish(draft: Draft): Encoding {
  const { bytes, warnings } = draft;
  const { length } = bytes;
  if (draft.fixups.length === 0) return { bytes, fixups: NO_FIXUPS, warnings };
  const fixups = draft.fixups.map(({ offset, fixup }) => ({
    ...fixup,
    offset,
    addend: fixup.kind === "pcrel" ? offset - length : 0,
  }));
  return { bytes, fixups, warnings };
}

function prefix(draft: Draft): Failure {
  const { form } = draft;
  if (form.evex !== undefined) evexPrefix(draft);
  else if (form.vex !== undefined) return vexPrefix(draft);
  else return rexPrefix(draft);
  return undefined;
}

export function emit(pattern: Pattern, context: EmitContext): Encoding | EmitError {
  const draft = start(pattern, context);
  const failure = take(draft, pattern);
  if (failure !== undefined) return failure;
  legacyPrefixes(draft);
  if (draft.form.vex !== undefined) {
    if (draft.rexForbidden >= 0)
      return { message: "invalid combination of opcode and operands", operand: draft.rexForbidden };
  }
  const bad = prefix(draft);
  if (bad !== undefined) return bad;
  opcodeBytes(draft);
  if (draft.form.modrm) modrmBytes(draft);
  trailing(draft, pattern);
  return finish(draft);
}
