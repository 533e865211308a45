/** Instruction forms: what iced's tables say of every Code, made of it at the first use of their mnemonic. */
import {
  Code,
  EncodingKind,
  MandatoryPrefix,
  MemorySize,
  MemorySizeExt,
  Mnemonic,
  OpCodeTableKind,
  TupleType,
} from "../../emu/cpu/iced.ts";
import { type OpCodeFacts, opCodes } from "../../emu/cpu/opcodes.ts";
import { lookUp } from "../core/look-up.ts";
import type { Bits, Dialect } from "../types.ts";
import { type Slot, slotOfKind } from "./kinds.ts";
import { asWritten } from "./written.ts";

export interface Form {
  readonly code: number;
  /** iced's name, lower case. */
  readonly mnemonic: string;
  readonly encoding: "legacy" | "vex" | "xop" | "evex" | "3dnow";
  /** Escape: "" 0F 0F38 0F3A as bytes (legacy), map number (VEX and XOP). */
  readonly escape: readonly number[];
  readonly map: number;
  /** One or two bytes, high first. */
  readonly opcode: readonly number[];
  /** 66 F2 F3 or 0. */
  readonly mandatory: number;
  /** ModRM.reg and ModRM.rm digits, -1 none. */
  readonly digit: number;
  readonly rmDigit: number;
  readonly slots: readonly Slot[];
  readonly modrm: boolean;
  /** In bits; 0: no matter. */
  readonly operandSize: 0 | 16 | 32 | 64;
  readonly addressSize: 0 | 16 | 32 | 64;
  /** 64-bit operands without REX.W. */
  readonly default64: boolean;
  readonly modes: number;
  /** Bytes of the memory operand, 0 none or not of one size; `structure`: a descriptor, a save area, a far pointer. */
  readonly memoryBytes: number;
  readonly memoryClass: MemoryClass;
  readonly wait: boolean;
  readonly lockable: boolean;
  /** Outside 64-bit mode LOCK stands for the fourth bit of the register number (AMD: CR8). */
  readonly lockIsBit: boolean;
  /** Takes REP, REPE or REPNE. */
  readonly repeatable: boolean;
  /** Takes F2 as BND; F2 or F3 as XACQUIRE or XRELEASE. */
  readonly boundable: boolean;
  readonly elidable: boolean;
  /** Only old or odd processors decode it: never chosen over another form. */
  readonly obsolete: boolean;
  /** Written in this dialect only. */
  readonly dialect: Dialect | undefined;
  readonly vex: { readonly w: number; readonly l: number; readonly wig: boolean; readonly lig: boolean } | undefined;
  readonly evex: Evex | undefined;
  /** Length without what all forms of one request share. */
  readonly weight: (bits: Bits) => number;
  /** Bytes of operand-size prefix or REX.W. */
  readonly sizePrefix: (bits: Bits) => number;
}

/** What decorations an EVEX form takes. */
export interface Evex {
  /** What an 8-bit displacement counts in: bytes of the memory operand, of a broadcast element (0: no broadcast). */
  readonly unit: number;
  readonly element: number;
  readonly mask: boolean;
  /** The mask is a must, and not K0. */
  readonly masked: boolean;
  readonly zeroing: boolean;
  readonly rounding: boolean;
  readonly sae: boolean;
}

/** address: nothing is read or written there, or any bytes. structure: a descriptor, a save area. */
export type MemoryClass = "none" | "integer" | "float" | "far" | "structure" | "address";

const ENCODINGS: Readonly<Record<number, Form["encoding"]>> = {
  [EncodingKind.Legacy]: "legacy",
  [EncodingKind.VEX]: "vex",
  [EncodingKind.XOP]: "xop",
  [EncodingKind.EVEX]: "evex",
  [EncodingKind.D3NOW]: "3dnow",
};
const ESCAPES: Readonly<Record<number, readonly number[]>> = {
  [OpCodeTableKind.T0F]: [0x0f],
  [OpCodeTableKind.T0F38]: [0x0f, 0x38],
  [OpCodeTableKind.T0F3A]: [0x0f, 0x3a],
};
const MAPS: Readonly<Record<number, number>> = {
  [OpCodeTableKind.T0F]: 1,
  [OpCodeTableKind.T0F38]: 2,
  [OpCodeTableKind.T0F3A]: 3,
  [OpCodeTableKind.MAP5]: 5,
  [OpCodeTableKind.MAP6]: 6,
  [OpCodeTableKind.MAP8]: 8,
  [OpCodeTableKind.MAP9]: 9,
  [OpCodeTableKind.MAP10]: 10,
};
const MANDATORY: Readonly<Record<number, number>> = {
  [MandatoryPrefix.P66]: 0x66,
  [MandatoryPrefix.PF3]: 0xf3,
  [MandatoryPrefix.PF2]: 0xf2,
};

const nameOf = (enumeration: object, value: number): string => (enumeration as Record<number, string>)[value]!;

/** Instructions that take an address only, or any bytes there: a size keyword says nothing. */
const ADDRESS_ONLY = /^(lea|prefetch.*|clflush.*|clwb|cldemote|invlpg|bnd(cl|cu|cn|mk|ldx|stx))$/;

function memoryClassOf(mnemonic: string, size: number): MemoryClass {
  if (ADDRESS_ONLY.test(mnemonic)) return "address";
  const name = nameOf(MemorySize, size);
  if (name === "Unknown") return "structure";
  if (name.startsWith("SegPtr")) return "far";
  if (/^(Fword|Fpu|Fxsave|Xsave|Tile|Bound|SegmentDesc|KLHandle)/.test(name)) return "structure";
  return /^(Float|Bcd)/.test(name) ? "float" : "integer";
}

/** Bytes that the operand-size prefix or REX.W cost in `bits`-bit code. */
function sizePrefixBytes(operandSize: number, default64: boolean, bits: Bits): number {
  if (operandSize === 0) return 0;
  if (operandSize === 64) return default64 ? 0 : 1;
  return (operandSize === 16) === (bits === 16) ? 0 : 1;
}

export type Draft = Omit<Form, "weight" | "sizePrefix">;

function weigh(form: Draft, bits: Bits): number {
  let bytes = form.escape.length + form.opcode.length + sizePrefixBytes(form.operandSize, form.default64, bits);
  if (form.addressSize !== 0 && form.addressSize !== bits) bytes++;
  if (form.evex !== undefined) bytes += 4;
  else if (form.vex !== undefined) bytes += form.encoding === "vex" && form.map === 1 && form.vex.w === 0 ? 2 : 3;
  else if (form.mandatory !== 0) bytes++;
  for (const slot of form.slots) {
    if (slot.place === "imm" || slot.place === "rel") bytes += slot.bytes;
    if (slot.place === "moffs") bytes += bits === 64 ? 8 - 5 : 0;
  }
  return bytes + (form.modrm ? 1 : 0);
}

/** Conversions that never round; iced's decoder accepts rounding there, and the tools do not. */
const EXACT = /^vcvtu?dq2pd$/;

/** iced's tuple types are named for what displacements count in: N64b4. */
function evexOf(info: OpCodeFacts, mnemonic: string): Evex {
  const [unit = 1, element = 0] = (nameOf(TupleType, info.tupleType).match(/\d+/g) ?? []).map(Number);
  return {
    unit,
    element,
    mask: info.canUseOpMaskRegister,
    masked: info.requireOpMaskRegister,
    zeroing: info.canUseZeroingMasking,
    rounding: info.canUseRoundingControl && !EXACT.test(mnemonic),
    sae: info.canSuppressAllExceptions && !info.canUseRoundingControl,
  };
}

function draftOf(info: OpCodeFacts, code: number, encoding: Form["encoding"]): Draft {
  const slots = info.opKinds.map(slotOfKind);
  const vector = encoding === "vex" || encoding === "xop" || encoding === "evex";
  const mnemonic = nameOf(Mnemonic, info.mnemonic).toLowerCase();
  return {
    code,
    mnemonic,
    encoding,
    escape: vector ? [] : encoding === "3dnow" ? [0x0f, 0x0f] : (ESCAPES[info.table] ?? []),
    map: MAPS[info.table] ?? 0,
    opcode: info.opCodeLength === 2 ? [info.opCode >> 8, info.opCode & 0xff] : [info.opCode],
    mandatory: MANDATORY[info.mandatoryPrefix] ?? 0,
    digit: info.groupIndex,
    rmDigit: info.rmGroupIndex,
    slots,
    modrm:
      info.groupIndex >= 0 || info.rmGroupIndex >= 0 || slots.some(({ place }) => place === "reg" || place === "rm"),
    operandSize: info.operandSize as Form["operandSize"],
    addressSize: info.addressSize as Form["addressSize"],
    default64: info.defaultOpSize64 || info.forceOpSize64,
    modes: (info.mode16 ? 16 : 0) | (info.mode32 ? 32 : 0) | (info.mode64 ? 64 : 0),
    memoryBytes: MemorySizeExt.size(info.memorySize),
    memoryClass: slots.some((slot) => slot.mem) ? memoryClassOf(mnemonic, info.memorySize) : "none",
    wait: info.fwait,
    lockable: info.canUseLockPrefix,
    lockIsBit: info.amdLockRegBit,
    repeatable: info.canUseRepPrefix || info.canUseRepnePrefix,
    boundable: info.canUseBndPrefix,
    elidable: info.canUseXacquirePrefix || info.canUseXreleasePrefix,
    obsolete: info.decoderOption !== 0,
    dialect: undefined,
    evex: encoding === "evex" ? evexOf(info, mnemonic) : undefined,
    vex: vector ? { w: info.W, l: info.L, wig: info.isWIG, lig: info.isLIG } : undefined,
  };
}

function finished(draft: Draft): Form {
  const weights = { 16: weigh(draft, 16), 32: weigh(draft, 32), 64: weigh(draft, 64) };
  return {
    ...draft,
    weight: (bits) => weights[bits],
    sizePrefix: (bits) => sizePrefixBytes(draft.operandSize, draft.default64, bits),
  };
}

function draftsOf(code: number): Draft[] {
  const info = opCodes.of(code);
  const encoding = ENCODINGS[info.encoding];
  const coprocessor = nameOf(Code, code).includes("KNC");
  const usable = info.isInstruction && !coprocessor && !info.isReservedNop && encoding !== undefined;
  return usable ? [draftOf(info, code, encoding)] : [];
}

const formsOf = (code: number): Form[] => draftsOf(code).flatMap(asWritten).map(finished);

const built = new Map<string, readonly Form[]>();

const codesNamed = (name: string): readonly number[] => lookUp(opCodes.byMnemonic, name) ?? [];

/** NASM's own names of instructions that iced has among the opcodes of another mnemonic. */
const BY_OPCODE: Readonly<Record<string, readonly [name: string, ...opcodes: number[]]>> = {
  cmpxchg486: ["cmpxchg", 0xa6, 0xa7],
  loadall286: ["loadall", 0x05],
  smintold: ["smint", 0x7e],
  pmulhrwc: ["pmulhrw", 0x59],
};

function formsByOpcode(name: string): Form[] | undefined {
  const found = lookUp(BY_OPCODE, name);
  if (found === undefined) return undefined;
  const [mnemonic, ...opcodes] = found;
  const drafts = codesNamed(mnemonic).flatMap((code) => draftsOf(code));
  const modes = 16 | 32 | 64;
  const own = drafts.filter(({ opcode }) => opcodes.includes(opcode[0]!));
  return own.map((draft) => finished({ ...draft, modes, dialect: "nasm" }));
}

/** NASM's HINT_NOP0 to 63: 0F 18 /0 to 0F 1F /7, the last group of which has NOP. */
function hintForms(name: string): Form[] | undefined {
  const number = Number(/^hint_nop(\d\d?)$/.exec(name)?.[1] ?? 64);
  if (number > 63) return undefined;
  const nops = formsNamed("nop").filter((form) => form.opcode[0] === 0x1f && form.digit === 0);
  return nops.map((form) => ({ ...form, opcode: [0x18 + (number >> 3)], digit: number & 7, dialect: "nasm" }));
}

/** All forms of iced's mnemonic, lower case; none if it is not one. */
export function formsNamed(name: string): readonly Form[] {
  let forms = built.get(name);
  if (forms === undefined) {
    forms = hintForms(name) ?? formsByOpcode(name) ?? codesNamed(name).flatMap(formsOf);
    if (forms.length > 0) built.set(name, forms);
  }
  return forms;
}

export const mnemonics = (): readonly string[] => Object.keys(opCodes.byMnemonic);
