/** A memory operand as ModRM, SIB and displacement, with each tool's way of choosing base and index. */
import { Register } from "../../emu/cpu/iced.ts";
import type { Bits, Dialect } from "../types.ts";
import type { Addressing } from "./kinds.ts";
import { type RegClass, regInfo } from "./registers.ts";
import type { AsmOperand, Value } from "./types.ts";

export type MemoryOperand = Extract<AsmOperand, { kind: "mem" }>;

export interface Address {
  readonly size: Bits;
  readonly mod: number;
  readonly rm: number;
  /** -1: none. */
  readonly sib: number;
  /** Bit 3 of index and base, for REX.X and REX.B; bit 4 of a vector index. */
  readonly indexHigh: number;
  readonly baseHigh: number;
  /** Bytes: 0 1 2 4. */
  readonly displacementBytes: number;
  /** undefined: a fixup. */
  readonly displacement: bigint | undefined;
  readonly ripRelative: boolean;
  readonly warning: string | undefined;
}

export type AddressResult = Address | string;

const INVALID = "invalid effective address";

/** [BX+SI] and the like: rm by the set of registers. */
const PAIRS_16: Readonly<Record<string, number>> = {
  "3,6": 0,
  "3,7": 1,
  "5,6": 2,
  "5,7": 3,
  "6,": 4,
  "7,": 5,
  "5,": 6,
  "3,": 7,
};

const fitsSigned = (value: bigint, bits: number): boolean => BigInt.asIntN(bits, value) === value;
const fits = (value: bigint, bits: number): boolean => fitsSigned(value, bits) || BigInt.asUintN(bits, value) === value;

/** The width that the registers of the operand ask for; undefined when it has none. */
export function widthOfRegisters(memory: MemoryOperand): Bits | undefined | "mixed" {
  let width: Bits | undefined = memory.noIndex;
  for (const register of [memory.base, memory.index]) {
    const info = register === 0 ? undefined : regInfo(register);
    if (info === undefined || isVector(info.class)) continue;
    const size = (info.size * 8) as Bits;
    if (width !== undefined && width !== size) return "mixed";
    width = size;
  }
  return width;
}

const isVector = (kind: RegClass): boolean => kind === "xmm" || kind === "ymm" || kind === "zmm";

function addressWidth(
  memory: MemoryOperand,
  { dialect, bits, forced }: AddressContext,
  wide: boolean,
): Bits | undefined {
  const registers = widthOfRegisters(memory);
  if (registers === "mixed") return undefined;
  if (registers !== undefined) return registers;
  if (memory.addressSize !== undefined) return memory.addressSize;
  if (dialect === "gas" && forced === undefined) return wide && bits === 16 ? 32 : bits;
  if (forced !== undefined) return forced;
  if (memory.displacementSize === undefined && wide && bits === 16) return 32;
  const width = memory.displacementSize;
  if (width === 32 && bits === 16) return 32;
  if (width === 16 && bits === 32) return 16;
  return bits;
}

interface Parts {
  base: number;
  index: number;
  scale: number;
}

const isStackPointer = (register: number): boolean => register === Register.ESP || register === Register.RSP;

function arrangeNasm(parts: Parts, nosplit: boolean): void {
  const swap = (): void => {
    [parts.base, parts.index] = [parts.index, parts.base];
  };
  if (parts.index === 0) return;
  if (parts.base === 0 && parts.scale === 1) {
    if (!nosplit) swap();
  } else if (parts.base === 0 && parts.scale === 2 && !nosplit && !isStackPointer(parts.index)) {
    parts.base = parts.index;
    parts.scale = 1;
  } else if (parts.scale === 1 && isStackPointer(parts.index)) swap();
}

function arrangeGas(parts: Parts): void {
  if (parts.scale === 1 && isStackPointer(parts.index) && !isStackPointer(parts.base)) {
    [parts.base, parts.index] = [parts.index, parts.base];
  }
}

/** What the choice of a displacement's width depends on. */
type Sizing = Pick<AddressContext, "dialect" | "unit">;

interface Displacement {
  value: bigint | undefined;
  bytes: number;
  warning: string | undefined;
}

/** Displacement of an operand with a base register: none, 8 bits or full width. NASM lets 64-bit ones wrap at 32 bits. */
function sized(memory: MemoryOperand, width: Bits, needed: boolean, context: Sizing): Displacement {
  const full = width === 16 ? 2 : 4;
  const given: Value | undefined = memory.displacement;
  const value = given === undefined ? 0n : given.known;
  const hinted = context.dialect === "gas" && memory.displacementSize === 8;
  if (value === undefined)
    return { value, bytes: memory.displacementSize === 8 && !hinted ? 1 : full, warning: undefined };
  const signed =
    width === 64 && context.dialect === "nasm"
      ? BigInt.asIntN(32, value)
      : width === 64
        ? BigInt.asIntN(64, value)
        : BigInt.asIntN(width, value);
  const warning = tooWide(value, width);
  // GNU as does not look whether what is left of a value would fit 8 bits.
  if (context.dialect === "gas" && width !== 64 && value < -(1n << BigInt(width - 1)))
    return { value: signed, bytes: full, warning };
  if (context.unit > 1) return compressed(signed, memory, full, needed, context, warning);
  if (hinted) return { value: signed, bytes: fitsSigned(signed, 8) ? 1 : full, warning };
  if (memory.displacementSize === 8) return { value: signed, bytes: 1, warning };
  if (memory.displacementSize !== undefined && memory.displacementSize >= 16)
    return { value: signed, bytes: full, warning };
  if (signed === 0n && !needed) return { value: signed, bytes: 0, warning };
  return { value: signed, bytes: fitsSigned(signed, 8) ? 1 : full, warning };
}

/** EVEX: an 8-bit displacement counts in units. One that is no multiple has full width, even where 8 bits are asked for. */
function compressed(
  value: bigint,
  memory: MemoryOperand,
  full: number,
  needed: boolean,
  { unit }: Sizing,
  warning: string | undefined,
): Displacement {
  const wide = memory.displacementSize !== undefined && memory.displacementSize >= 16;
  if (value === 0n && !needed && memory.displacementSize === undefined) return { value, bytes: 0, warning };
  const units = value / BigInt(unit);
  const fitting = !wide && units * BigInt(unit) === value && fitsSigned(units, 8);
  return fitting ? { value: units, bytes: 1, warning } : { value, bytes: full, warning };
}

function tooWide(value: bigint, width: Bits): string | undefined {
  const ok = width === 64 ? fitsSigned(BigInt.asIntN(64, value), 32) : fits(value, width);
  return ok ? undefined : "displacement does not fit and is truncated";
}

function address16(memory: MemoryOperand, context: Sizing): AddressResult {
  const numbers = [memory.base, memory.index]
    .filter((register) => register !== 0)
    .map((register) => regInfo(register)!.number);
  if (memory.scale !== 1 && memory.index !== 0) return INVALID;
  numbers.sort((a, b) => a - b);
  const none = { size: 16 as const, sib: -1, indexHigh: 0, baseHigh: 0, ripRelative: false };
  if (numbers.length === 0) {
    const value = memory.displacement?.known;
    const displacement = memory.displacement === undefined ? 0n : value;
    const warning = displacement === undefined ? undefined : tooWide(displacement, 16);
    return { ...none, mod: 0, rm: 6, displacementBytes: 2, displacement, warning };
  }
  const rm = PAIRS_16[`${numbers[0]},${numbers[1] ?? ""}`];
  if (rm === undefined) return INVALID;
  const { value, bytes, warning } = sized(memory, 16, rm === 6, context);
  return {
    ...none,
    mod: bytes === 0 ? 0 : bytes === 1 ? 1 : 2,
    rm,
    displacementBytes: bytes,
    displacement: value,
    warning,
  };
}

/** No base, no index: RIP-relative or absolute. */
function absolute(memory: MemoryOperand, width: Bits, bits: Bits, relative: boolean): AddressResult {
  const displacement = memory.displacement === undefined ? 0n : memory.displacement.known;
  const common = { size: width, mod: 0, indexHigh: 0, baseHigh: 0, displacementBytes: 4 };
  if (relative) return { ...common, rm: 5, sib: -1, displacement: undefined, ripRelative: true, warning: undefined };
  const warning = displacement === undefined ? undefined : tooWide(displacement, width);
  const sib = bits === 64 ? 0x25 : -1;
  return { ...common, rm: sib < 0 ? 5 : 4, sib, displacement, ripRelative: false, warning };
}

function ripAddress(memory: MemoryOperand, width: Bits): AddressResult {
  if (memory.index !== 0) return INVALID;
  const displacement = memory.displacement === undefined ? 0n : memory.displacement.known;
  const warning = displacement === undefined ? undefined : tooWide(displacement, 64);
  const common = { size: width, mod: 0, rm: 5, sib: -1, indexHigh: 0, baseHigh: 0, displacementBytes: 4 };
  return { ...common, displacement, ripRelative: displacement === undefined, warning };
}

const SCALES: Readonly<Record<number, number>> = { 1: 0, 2: 1, 4: 2, 8: 3 };

function indexed(memory: MemoryOperand, parts: Parts, width: Bits, sibWanted: boolean, context: Sizing): AddressResult {
  const index = parts.index === 0 ? undefined : regInfo(parts.index)!;
  const base = parts.base === 0 ? undefined : regInfo(parts.base)!;
  if (index !== undefined && isStackPointer(parts.index)) return INVALID;
  if (base === undefined) {
    const plain = sized({ ...memory, displacementSize: 32 }, width, true, context);
    const sib = (SCALES[parts.scale]! << 6) | (((index?.number ?? 4) & 7) << 3) | 5;
    const high = { indexHigh: (index?.number ?? 0) >> 3, baseHigh: 0 };
    const rest = { displacementBytes: 4, displacement: plain.value, ripRelative: false, warning: plain.warning };
    return { size: width, mod: 0, rm: 4, sib, ...high, ...rest };
  }
  const { value, bytes, warning } = sized(memory, width, (base.number & 7) === 5, context);
  const nameless = index === undefined && memory.noIndex === undefined;
  const needsSib = !nameless || sibWanted || (base.number & 7) === 4;
  const sib = needsSib
    ? (SCALES[nameless ? 1 : parts.scale]! << 6) |
      ((index === undefined ? 4 : index.number & 7) << 3) |
      (base.number & 7)
    : -1;
  return {
    size: width,
    mod: bytes === 0 ? 0 : bytes === 1 ? 1 : 2,
    rm: needsSib ? 4 : base.number & 7,
    sib,
    indexHigh: index === undefined ? 0 : index.number >> 3,
    baseHigh: base.number >> 3,
    displacementBytes: bytes,
    displacement: value,
    ripRelative: false,
    warning,
  };
}

export interface AddressContext {
  readonly dialect: Dialect;
  readonly bits: Bits;
  /** By a prefix (a32, addr16). */
  readonly forced: Bits | undefined;
  /** The operand must have a vector index of this class. */
  readonly vsib: RegClass | undefined;
  readonly addressing: Addressing | undefined;
  /** What an 8-bit displacement counts in: more than one byte with EVEX. */
  readonly unit: number;
}

function checkRegisters(memory: MemoryOperand, width: Bits, context: AddressContext): string | undefined {
  if ((width === 64) !== (context.bits === 64) && (width === 64 || (width === 16 && context.bits === 64))) {
    return `${width}-bit addresses are not supported in ${context.bits}-bit mode`;
  }
  const base = memory.base === 0 ? undefined : regInfo(memory.base);
  const index = memory.index === 0 ? undefined : regInfo(memory.index);
  const general = (kind: RegClass): boolean => kind === "r16" || kind === "r32" || kind === "r64";
  if (memory.base !== 0 && !(base !== undefined && (general(base.class) || base.class === "ip"))) return INVALID;
  if (context.bits !== 64 && (base?.class === "ip" || (base?.number ?? 0) > 7 || (index?.number ?? 0) > 7))
    return INVALID;
  if (context.vsib !== undefined && memory.displacementSize === 16) return INVALID;
  if (context.vsib !== undefined) return index?.class === context.vsib ? undefined : INVALID;
  return memory.index === 0 || (index !== undefined && general(index.class)) ? undefined : INVALID;
}

/** GNU as does not cut displacements in 64-bit code; MOV has a form for them. */
export function cutsDisplacement({ displacement }: MemoryOperand, width: Bits, dialect: Dialect): boolean {
  const known = dialect === "gas" && width === 64 ? displacement?.known : undefined;
  return known !== undefined && tooWide(known, 64) !== undefined;
}

/** GNU as: {disp32} with 16-bit addresses, and {disp16} with others. */
function hintError({ displacementSize }: MemoryOperand, width: Bits, dialect: Dialect): string | undefined {
  const bad = (displacementSize === 32 && width === 16) || (displacementSize === 16 && width !== 16);
  return dialect === "gas" && bad ? `invalid {disp${displacementSize}} prefix` : undefined;
}

/** What MPX would ignore, and what a SIB byte cannot say. */
function addressingError(memory: MemoryOperand, width: Bits, context: AddressContext): string | undefined {
  const { addressing, dialect, bits } = context;
  if (addressing === undefined) return undefined;
  const relative = memory.base === Register.RIP || memory.base === Register.EIP || memory.relative === true;
  if (addressing === "sib" && (relative || width === 16)) return "an address with a SIB byte is needed here";
  if (dialect === "nasm" || addressing === "sib") return undefined;
  if (width === 16) return "16-bit addresses are not allowed in MPX instructions";
  return width !== bits && bits === 64 ? "32-bit addresses are not allowed in 64-bit MPX instructions" : undefined;
}

/** Numeric-only operand with base and index already told apart by the parser. The text is the error. */
export function encodeAddress(memory: MemoryOperand, context: AddressContext): AddressResult {
  const width = addressWidth(
    memory,
    context,
    context.addressing?.startsWith("m") === true && context.dialect === "gas",
  );
  if (width === undefined) return INVALID;
  const asked = memory.addressSize ?? context.forced;
  if ((memory.displacementSize === 64 && context.bits !== 64) || (asked !== undefined && asked !== width))
    return "impossible combination of address sizes";
  const bad =
    checkRegisters(memory, width, context) ??
    hintError(memory, width, context.dialect) ??
    addressingError(memory, width, context);
  if (bad !== undefined) return bad;
  if (memory.base === Register.RIP || memory.base === Register.EIP) return ripAddress(memory, width);
  if (width === 16) return address16(memory, context);
  const parts: Parts = { base: memory.base, index: memory.index, scale: memory.scale };
  if (context.vsib === undefined && (context.addressing === undefined || context.addressing === "mpx")) {
    if (context.dialect === "nasm") arrangeNasm(parts, memory.nosplit === true);
    else arrangeGas(parts);
  }
  if (parts.base === 0 && parts.index === 0 && memory.noIndex === undefined) {
    return absolute(memory, width, context.bits, memory.relative === true && context.bits === 64);
  }
  return indexed(
    memory,
    parts,
    width,
    context.addressing === "sib" || (memory.nosplit === true && parts.index === 0),
    context,
  );
}
