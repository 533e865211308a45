/**
 * The part of a state that a user program sees, by the names that case files use:
 *
 *     rax .. r15 (eax .. edi outside 64-bit mode), rip    numbers
 *     flags=cf,zf     those of CF PF AF ZF SF OF DF that are set, or "clear"; every other flag has its own name: ac=1, nt=1, if=0, iopl=3
 *     xmm1 ymm1       numbers; xmm1 leaves the upper half as it was
 *     st0=3fff:8000000000000000, mm0      naming one in `before` makes it valid
 *     fcw fsw ftw mxcsr                   ftw as FXSAVE has it: a bit for each valid register
 *     [40108]=00ff    bytes of memory in order, by linear address
 *
 * In `after` an x87 register is named as it is found there, "undefined=af,c1" names what the manual leaves undefined (also a general
 * register, or the upper half of xmm1 as xmm1.high), "st0=~..." permits an error of one unit in the last place, and "xmm1=~..." the one
 * that reciprocal approximations may have.
 */
import { EFLAGS } from "../../../../src/emu/cpu/layout.ts";
import { closeEnough } from "../../../conformance/lockstep/masks.ts";
import { CODE_PAGE, copyState, DATA_PAGE, PAGE_BYTES, type UserState } from "../host/native.ts";
import type { Item, Mode } from "./format.ts";

const NUMBERS = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
const WIDE = [...NUMBERS.map((name) => `r${name}`), ...[8, 9, 10, 11, 12, 13, 14, 15].map((n) => `r${n}`)];
const NARROW = NUMBERS.map((name) => `e${name}`);

/** Where the instruction is in the code page. */
export const CODE_OFFSET = 0x800;
/** The stack pointer, in the data page. */
const STACK_OFFSET = 0xc00;

const LISTED = {
  cf: EFLAGS.CF,
  pf: EFLAGS.PF,
  af: EFLAGS.AF,
  zf: EFLAGS.ZF,
  sf: EFLAGS.SF,
  of: EFLAGS.OF,
  df: EFLAGS.DF,
};
const LISTED_MASK = Object.values(LISTED).reduce((mask, bit) => mask | bit, 0);
const SINGLE: Readonly<Record<string, number>> = {
  tf: EFLAGS.TF,
  if: EFLAGS.IF,
  nt: EFLAGS.NT,
  rf: EFLAGS.RF,
  vm: EFLAGS.VM,
  ac: EFLAGS.AC,
  vif: EFLAGS.VIF,
  vip: EFLAGS.VIP,
  id: EFLAGS.ID,
};
const CONDITIONS: Readonly<Record<string, number>> = { c0: 0x100, c1: 0x200, c2: 0x400, c3: 0x4000 };

const FX = { FCW: 0, FSW: 2, FTW: 4, MXCSR: 24, ST: 32, XMM: 160 } as const;
const WORDS = { fcw: FX.FCW, fsw: FX.FSW };

export const isWide = (mode: Mode): boolean => mode === "64";
export const is16 = (mode: Mode): boolean => mode === "16" || mode === "real" || mode === "v86";
/** Linear address of offset 0 in the code segment, and of offset 0 in the data segments. */
export const codeBase = (mode: Mode): number => (is16(mode) ? CODE_PAGE : 0);
export const dataBase = (mode: Mode): number => (is16(mode) ? DATA_PAGE : 0);

export const memoryFiller = (at: number): number => (at * 37 + 11) & 0xff;
export const isUserFlag = (name: string): boolean => name in SINGLE;

/** What is so if a case does not say otherwise: numbers that are easily told apart. */
export function initialState(mode: Mode): UserState {
  const made = INITIAL.get(mode) ?? makeInitial(mode);
  INITIAL.set(mode, made);
  return copyState(made);
}

const INITIAL = new Map<Mode, UserState>();

function makeInitial(mode: Mode): UserState {
  const fx = Buffer.alloc(512);
  const upper = Buffer.alloc(256);
  const wide = isWide(mode);
  const gprs = BigUint64Array.from({ length: 16 }, (_, i) => (i < 8 || wide ? 0x5a5a5a5a_5a5a5a00n + BigInt(i) : 0n));
  if (!wide) gprs.forEach((value, i) => void (gprs[i] = value & 0xffff_ffffn));
  gprs[4] = BigInt(dataBase(mode) === 0 ? DATA_PAGE + STACK_OFFSET : STACK_OFFSET);
  fx.writeUInt16LE(0x37f, FX.FCW);
  fx.writeUInt32LE(0x1f80, FX.MXCSR);
  for (let i = 0; i < 8; i++) {
    fx.writeBigUInt64LE(0x8000_0000_0000_0000n + BigInt(i), FX.ST + i * 16);
    fx.writeUInt16LE(0x3fff, FX.ST + 8 + i * 16);
  }
  for (let i = 0; i < (wide ? 256 : 128); i++) {
    fx[FX.XMM + i] = 0x40 + (i >> 4);
    upper[i] = 0x50 + (i >> 4);
  }
  return {
    gprs,
    rip: BigInt(CODE_PAGE - codeBase(mode) + CODE_OFFSET),
    flags: EFLAGS.FIXED | EFLAGS.IF | (mode === "v86" ? EFLAGS.VM : 0),
    fx,
    upper,
    data: Buffer.from(Array.from({ length: PAGE_BYTES }, (_, i) => memoryFiller(DATA_PAGE + i))),
  };
}

// --- setting by name

const number = (value: string): bigint => {
  if (!/^[0-9a-f]+$/.test(value)) throw new Error(`'${value}' is not a hexadecimal number`);
  return BigInt(`0x${value}`);
};

export function gprNamed(name: string): number {
  const wide = WIDE.indexOf(name);
  return wide >= 0 ? wide : NARROW.indexOf(name);
}

function setFlags(state: UserState, name: string, value: string): boolean {
  const change = (mask: number, bits: number) => {
    state.flags = (state.flags & ~mask) | bits;
    return true;
  };
  if (name === "flags") {
    const names = value === "clear" ? [] : value.split(",");
    const bits = names.map((flag) => LISTED[flag as keyof typeof LISTED]);
    if (bits.includes(undefined as never)) throw new Error(`'${value}' is no list of flags`);
    return change(
      LISTED_MASK,
      bits.reduce((mask, bit) => mask | bit, 0),
    );
  }
  if (name === "iopl") return change(EFLAGS.IOPL, Number(number(value)) << 12);
  const bit = SINGLE[name];
  return bit !== undefined && change(bit, value === "1" ? bit : 0);
}

export const topOf = (fx: Buffer): number => (fx.readUInt16LE(FX.FSW) >> 11) & 7;

function setX87(state: UserState, name: string, value: string): boolean {
  const match = /^(st|mm)([0-7])$/.exec(name);
  if (!match) return false;
  const { fx } = state;
  const top = topOf(fx);
  const given = Number(match[2]);
  const physical = match[1] === "mm" ? given : (given + top) & 7;
  const at = FX.ST + ((physical - top) & 7) * 16;
  const [exponent, mantissa] =
    match[1] === "mm" ? ["ffff", value] : (value.replace("~", "").split(":") as [string, string]);
  fx.writeBigUInt64LE(number(mantissa), at);
  fx.writeUInt16LE(Number(number(exponent)), at + 8);
  return true;
}

function setVector({ fx, upper }: UserState, name: string, value: string): boolean {
  const match = /^([xy])mm(1?[0-9])$/.exec(name);
  if (!match) return false;
  const at = Number(match[2]) * 16;
  const all = number(value.replace("~", ""));
  const put = (to: Buffer, offset: number, from: bigint) =>
    void to.writeBigUInt64LE(BigInt.asUintN(64, all >> from), offset);
  put(fx, FX.XMM + at, 0n);
  put(fx, FX.XMM + at + 8, 64n);
  if (match[1] === "x") return true;
  put(upper, at, 128n);
  put(upper, at + 8, 192n);
  return true;
}

function setMemory({ data }: UserState, name: string, value: string): boolean {
  const address = memoryAddress(name);
  if (address === undefined || address < DATA_PAGE || address >= DATA_PAGE + PAGE_BYTES) return false;
  data.set(Buffer.from(value, "hex"), address - DATA_PAGE);
  return true;
}

export function memoryAddress(name: string): number | undefined {
  const match = /^\[([0-9a-f]+)\]$/.exec(name);
  return match ? Number.parseInt(match[1]!, 16) : undefined;
}

/** The status word; the image has its registers from the top of the stack, so they move in it. */
function setStatus({ fx }: UserState, value: number): void {
  const by = ((((value >> 11) & 7) - topOf(fx)) & 7) * 16;
  const old = Buffer.from(fx.subarray(FX.ST, FX.ST + 128));
  for (let at = 0; at < 128; at++) fx[FX.ST + at] = old[(at + by) % 128]!;
  fx.writeUInt16LE(value, FX.FSW);
}

/** False if the name is none of a user program's. */
export function setItem(state: UserState, { name, value }: Item): boolean {
  const gpr = gprNamed(name);
  if (gpr >= 0) state.gprs[gpr] = number(value);
  else if (name === "rip") state.rip = number(value);
  else if (name === "fsw") setStatus(state, Number(number(value)));
  else if (name === "fcw") state.fx.writeUInt16LE(Number(number(value)), FX.FCW);
  else if (name === "ftw") state.fx[FX.FTW] = Number(number(value));
  else if (name === "mxcsr") state.fx.writeUInt32LE(Number(number(value)), FX.MXCSR);
  else
    return (
      setFlags(state, name, value) ||
      setX87(state, name, value) ||
      setVector(state, name, value) ||
      setMemory(state, name, value)
    );
  return true;
}

/** As `setItem`, for `before`: a named x87 register is valid. */
export function setBefore(state: UserState, item: Item): boolean {
  const match = /^(st|mm)([0-7])$/.exec(item.name);
  if (match) {
    const physical = match[1] === "mm" ? Number(match[2]) : (Number(match[2]) + topOf(state.fx)) & 7;
    state.fx[FX.FTW]! |= 1 << physical;
  }
  return setItem(state, item);
}

// --- differences by name

const hex = (value: bigint | number): string => value.toString(16);
const item = (name: string, value: string): Item => ({ name, value });

function* gprItems(a: UserState, b: UserState, mode: Mode): Iterable<Item> {
  for (let i = 0; i < (isWide(mode) ? 16 : 8); i++)
    if (a.gprs[i] !== b.gprs[i]) yield item((isWide(mode) ? WIDE : NARROW)[i]!, hex(b.gprs[i]!));
  if (a.rip !== b.rip) yield item("rip", hex(b.rip));
}

function* flagItems(a: UserState, b: UserState): Iterable<Item> {
  const changed = a.flags ^ b.flags;
  if (changed & LISTED_MASK) yield item("flags", listOf(b.flags));
  for (const [name, bit] of Object.entries(SINGLE)) if (changed & bit) yield item(name, b.flags & bit ? "1" : "0");
  if (changed & EFLAGS.IOPL) yield item("iopl", hex((b.flags & EFLAGS.IOPL) >> 12));
}

const listOf = (flags: number): string =>
  Object.entries(LISTED)
    .filter(([, bit]) => flags & bit)
    .map(([name]) => name)
    .join(",") || "clear";

function* x87Items(a: Buffer, b: Buffer): Iterable<Item> {
  for (const [name, at] of Object.entries(WORDS))
    if (a.readUInt16LE(at) !== b.readUInt16LE(at)) yield item(name, hex(b.readUInt16LE(at)));
  if (a[FX.FTW] !== b[FX.FTW]) yield item("ftw", hex(b[FX.FTW]!));
  for (let physical = 0; physical < 8; physical++) {
    const [from, to] = [a, b].map((fx) => FX.ST + ((physical - topOf(fx)) & 7) * 16) as [number, number];
    if (a.compare(b, to, to + 10, from, from + 10) === 0) continue;
    const mantissa = hex(b.readBigUInt64LE(to));
    const exponent = b.readUInt16LE(to + 8);
    if (exponent === 0xffff) yield item(`mm${physical}`, mantissa);
    else yield item(`st${(physical - topOf(b)) & 7}`, `${hex(exponent)}:${mantissa}`);
  }
}

function* vectorItems(a: UserState, b: UserState, mode: Mode): Iterable<Item> {
  if (a.fx.readUInt32LE(FX.MXCSR) !== b.fx.readUInt32LE(FX.MXCSR))
    yield item("mxcsr", hex(b.fx.readUInt32LE(FX.MXCSR)));
  const value = (from: Buffer, at: number) => from.readBigUInt64LE(at) | (from.readBigUInt64LE(at + 8) << 64n);
  for (let i = 0; i < (isWide(mode) ? 16 : 8); i++) {
    const low = value(b.fx, FX.XMM + i * 16);
    const high = value(b.upper, i * 16);
    if (value(a.upper, i * 16) !== high) yield item(`ymm${i}`, hex(low | (high << 128n)));
    else if (value(a.fx, FX.XMM + i * 16) !== low) yield item(`xmm${i}`, hex(low));
  }
}

/** Bytes that differ, in pieces; a short stretch of equal ones does not part a piece. */
const JOIN = 4;
export function* memoryItems(a: Uint8Array, b: Uint8Array, base: number): Iterable<Item> {
  if (Buffer.compare(a, b) === 0) return;
  for (let at = 0; at < a.length; at++) {
    if (a[at] === b[at]) continue;
    let end = at + 1;
    for (let i = end; i < a.length && i < end + JOIN; i++) if (a[i] !== b[i]) end = i + 1;
    yield item(`[${hex(base + at)}]`, Buffer.from(b.subarray(at, end)).toString("hex"));
    at = end;
  }
}

/** What makes `b` of `a`. */
export function stateItems(a: UserState, b: UserState, mode: Mode): Item[] {
  return [
    ...gprItems(a, b, mode),
    ...flagItems(a, b),
    ...x87Items(a.fx, b.fx),
    ...vectorItems(a, b, mode),
    ...memoryItems(a.data, b.data, DATA_PAGE),
  ];
}

// --- what need not be equal

const ULPS = 1n;

/** An 80-bit number as an integer that counts units in the last place. */
function position(fx: Buffer, at: number): bigint {
  const signExponent = fx.readUInt16LE(at + 8);
  const magnitude = (BigInt(signExponent & 0x7fff) << 63n) + (fx.readBigUInt64LE(at) & ((1n << 63n) - 1n));
  return signExponent & 0x8000 ? -magnitude : magnitude;
}

/** A copy of `actual` in which all that `after` leaves open is as in `expected`. */
export function settled(actual: UserState, expected: UserState, after: readonly Item[]): UserState {
  const state = copyState(actual);
  for (const { name, value } of after) {
    if (name === "undefined") {
      for (const flag of value.split(",")) leaveOpen(state, expected, flag);
    } else if (value.startsWith("~") && !name.startsWith("st")) settleSingles(state, expected, name);
    else if (value.startsWith("~")) {
      const at = FX.ST + Number(name[2]) * 16;
      const distance = position(state.fx, at) - position(expected.fx, at);
      if (distance <= ULPS && distance >= -ULPS) state.fx.set(expected.fx.subarray(at, at + 10), at);
    }
  }
  return state;
}

/** Approximations that are as near as promised become those expected. */
function settleSingles(state: UserState, expected: UserState, name: string): void {
  const at = Number(name.slice(3)) * 16;
  const settle = (ours: Buffer, theirs: Buffer) => {
    for (let lane = 0; lane < 16; lane += 4)
      if (closeEnough(ours.readFloatLE(lane), theirs.readFloatLE(lane))) theirs.copy(ours, lane, lane, lane + 4);
  };
  settle(state.fx.subarray(FX.XMM + at, FX.XMM + at + 16), expected.fx.subarray(FX.XMM + at, FX.XMM + at + 16));
  settle(state.upper.subarray(at, at + 16), expected.upper.subarray(at, at + 16));
}

function leaveOpen(state: UserState, expected: UserState, name: string): void {
  const flag = LISTED[name as keyof typeof LISTED];
  const condition = CONDITIONS[name];
  const gpr = gprNamed(name);
  const half = /^xmm([0-9]+)\.high$/.exec(name);
  if (flag !== undefined) state.flags = (state.flags & ~flag) | (expected.flags & flag);
  else if (condition !== undefined) {
    const word = (state.fx.readUInt16LE(FX.FSW) & ~condition) | (expected.fx.readUInt16LE(FX.FSW) & condition);
    state.fx.writeUInt16LE(word, FX.FSW);
  } else if (gpr >= 0) state.gprs[gpr] = expected.gprs[gpr]!;
  else if (half) {
    const at = FX.XMM + Number(half[1]) * 16 + 8;
    expected.fx.copy(state.fx, at, at, at + 8);
  } else throw new Error(`nothing undefined is called ${name}`);
}
