/**
 * Exact binary floating point for what the host's own doubles cannot give: directed rounding, exception flags, 80-bit results,
 * NaN payloads. A value is taken apart into sign, integer significand (BigInt) and power of two; operations are exact up to the
 * one rounding at the end. Slow and rarely on the hot path: SSE uses plain numbers where they provably agree (sse-arith.ts).
 */
import type { Format } from "./formats.ts";

/** Exception bits, the same in MXCSR and in the x87 status word. */
export const FE = { I: 1, D: 2, Z: 4, O: 8, U: 16, P: 32 } as const;
/** Rounding control, as encoded in both control words. */
export const RC = { NEAREST: 0, DOWN: 1, UP: 2, ZERO: 3 } as const;

export const ZERO = 0;
export const FINITE = 1;
export const INF = 2;
/** `mant` is a 64-bit significand with the integer bit set, so that payloads move between formats by shifting. */
export const NAN = 3;
/** An 80-bit pattern that no operation accepts (unnormal, pseudo-infinity, pseudo-NaN). */
export const UNSUPPORTED = 4;

export interface Unpacked {
  readonly kind: number;
  /** 0 or 1. */
  readonly sign: number;
  /** FINITE: the value is mant * 2^exp. */
  readonly mant: bigint;
  readonly exp: number;
  /** A denormal (or pseudo-denormal) in its source format: raises D when used in arithmetic. */
  readonly denormal: boolean;
}

/** How to round, and what has been raised so far. */
export class Environment {
  rounding = 0;
  /** Exceptions that are masked (bit set = masked). */
  masks = 0x3f;
  flushToZero = false;
  /** Accumulated FE bits. */
  flags = 0;
  /** The last rounding went away from zero (the x87's C1). */
  roundedUp = false;
}

export const QUIET_BIT = 1n << 62n;
export const finite = (sign: number, mant: bigint, exp: number): Unpacked =>
  mant === 0n ? zero(sign) : { kind: FINITE, sign, mant, exp, denormal: false };
export const zero = (sign: number): Unpacked => ({ kind: ZERO, sign, mant: 0n, exp: 0, denormal: false });
export const infinity = (sign: number): Unpacked => ({ kind: INF, sign, mant: 0n, exp: 0, denormal: false });
export const isNaNKind = (a: Unpacked): boolean => a.kind === NAN;
export const isSignaling = (a: Unpacked): boolean => a.kind === NAN && (a.mant & QUIET_BIT) === 0n;
export const negate = (a: Unpacked): Unpacked => ({ ...a, sign: a.sign ^ 1 });
/** "Real indefinite", the answer to an invalid operation. */
export const DEFAULT_NAN: Unpacked = { kind: NAN, sign: 1, mant: 3n << 62n, exp: 0, denormal: false };

export function bitLength(value: bigint): number {
  if (value < 0x1_0000_0000n) return 32 - Math.clz32(Number(value));
  if (value < 1n << 64n) return 64 - Math.clz32(Number(value >> 32n));
  const digits = value.toString(16);
  return digits.length * 4 - (Math.clz32(Number.parseInt(digits[0]!, 16)) - 28);
}

/** Exponent of the leading bit: 2^e <= |a| < 2^(e+1). */
export const exponentOf = (a: Unpacked): number => a.exp + bitLength(a.mant) - 1;

/** mant * 2^exp rounded to a multiple of 2^lsb, as that multiple. */
export function roundInteger(env: Environment, sign: number, mant: bigint, exp: number, lsb: number): bigint {
  const shift = lsb - exp;
  env.roundedUp = false;
  if (shift <= 0) return mant << BigInt(-shift);
  const quotient = mant >> BigInt(shift);
  const remainder = mant - (quotient << BigInt(shift));
  if (remainder === 0n) return quotient;
  env.flags |= FE.P;
  const half = 1n << BigInt(shift - 1);
  const up =
    env.rounding === RC.NEAREST
      ? remainder > half || (remainder === half && (quotient & 1n) === 1n)
      : env.rounding === (sign ? RC.DOWN : RC.UP);
  if (!up) return quotient;
  env.roundedUp = true;
  return quotient + 1n;
}

/**
 * Rounds an exact value to a format, with the overflow and underflow that the environment asks for. `precision` is that of the
 * x87's precision control, at most the format's own.
 */
export function roundTo(env: Environment, format: Format, value: Unpacked, precision = format.precision): Unpacked {
  if (value.kind !== FINITE) return value;
  const { sign, mant, exp } = value;
  const before = env.flags;
  env.flags &= ~FE.P;
  const tiny = isTiny(env, format, value, precision);
  const top = exponentOf(value);
  if (tiny && (env.masks & FE.U) === 0) return wrapped(env, format, value, precision, before, FE.U);
  const lsb = Math.max(top, format.minExponent) - (precision - 1);
  env.flags &= ~FE.P;
  const rounded = roundInteger(env, sign, mant, exp, lsb);
  const inexact = (env.flags & FE.P) !== 0;
  env.flags |= before;
  if (tiny && env.flushToZero) {
    env.flags |= FE.U | FE.P;
    return zero(sign);
  }
  if (tiny && inexact) env.flags |= FE.U;
  if (rounded === 0n) return zero(sign);
  if (lsb + bitLength(rounded) - 1 > format.maxExponent) {
    if ((env.masks & FE.O) === 0) return wrapped(env, format, value, precision, before, FE.O);
    return overflow(env, format, sign, precision);
  }
  return { kind: FINITE, sign, mant: rounded, exp: lsb, denormal: false };
}

/** Tiny after rounding as if the exponent had no bounds: x86's choice. Leaves no trace in the flags. */
function isTiny(env: Environment, format: Format, value: Unpacked, precision: number): boolean {
  const top = exponentOf(value);
  if (top >= format.minExponent) return false;
  if (top < format.minExponent - 1) return true;
  const flags = env.flags;
  const lsb = top - (precision - 1);
  const rounded = roundInteger(env, value.sign, value.mant, value.exp, lsb);
  env.flags = flags;
  return lsb + bitLength(rounded) - 1 < format.minExponent;
}

/** Unmasked overflow or underflow: the exponent-wrapped result that a handler would get in an x87 register. */
function wrapped(
  env: Environment,
  format: Format,
  value: Unpacked,
  precision: number,
  before: number,
  flag: number,
): Unpacked {
  const lsb = exponentOf(value) - (precision - 1);
  env.flags = (env.flags & ~FE.P) | flag;
  const rounded = roundInteger(env, value.sign, value.mant, value.exp, lsb);
  env.flags |= before;
  const bias = flag === FE.U ? format.wrap : -format.wrap;
  return { kind: FINITE, sign: value.sign, mant: rounded, exp: lsb + bias, denormal: false };
}

function overflow(env: Environment, format: Format, sign: number, precision: number): Unpacked {
  env.flags |= FE.O | FE.P;
  const toInfinity = env.rounding === RC.NEAREST || env.rounding === (sign ? RC.DOWN : RC.UP);
  env.roundedUp = toInfinity;
  if (toInfinity) return infinity(sign);
  return finite(sign, (1n << BigInt(precision)) - 1n, format.maxExponent - (precision - 1));
}

const invalid = (env: Environment): Unpacked => {
  env.flags |= FE.I;
  return DEFAULT_NAN;
};

/** Raises D for operands that are used as numbers. */
function noteDenormals(env: Environment, a: Unpacked, b: Unpacked): void {
  if (a.denormal || b.denormal) env.flags |= FE.D;
}

/** The exact sum, before rounding. Operands are no NaNs. */
export function add(env: Environment, a: Unpacked, b: Unpacked): Unpacked {
  if (a.kind === INF || b.kind === INF) {
    if (a.kind === b.kind && a.sign !== b.sign) return invalid(env);
    noteDenormals(env, a, b);
    return a.kind === INF ? a : b;
  }
  noteDenormals(env, a, b);
  if (a.kind === ZERO && b.kind === ZERO) return a.sign === b.sign ? a : cancelled(env);
  if (a.kind === ZERO) return b;
  if (b.kind === ZERO) return a;
  return addFinite(env, a, b);
}

const cancelled = (env: Environment): Unpacked => zero(env.rounding === RC.DOWN ? 1 : 0);

function addFinite(env: Environment, a: Unpacked, b: Unpacked): Unpacked {
  // Far apart, the smaller one matters only by being there: a stand-in keeps the shift short.
  const gap = exponentOf(a) - exponentOf(b);
  if (gap > 200) b = finite(b.sign, 1n, exponentOf(a) - 200);
  else if (gap < -200) a = finite(a.sign, 1n, exponentOf(b) - 200);
  const exp = Math.min(a.exp, b.exp);
  const left = a.mant << BigInt(a.exp - exp);
  const right = b.mant << BigInt(b.exp - exp);
  const sum = (a.sign ? -left : left) + (b.sign ? -right : right);
  if (sum === 0n) return cancelled(env);
  return sum < 0n ? finite(1, -sum, exp) : finite(0, sum, exp);
}

export function multiply(env: Environment, a: Unpacked, b: Unpacked): Unpacked {
  const sign = a.sign ^ b.sign;
  if (a.kind === INF || b.kind === INF) {
    if (a.kind === ZERO || b.kind === ZERO) return invalid(env);
    noteDenormals(env, a, b);
    return infinity(sign);
  }
  noteDenormals(env, a, b);
  if (a.kind === ZERO || b.kind === ZERO) return zero(sign);
  return finite(sign, a.mant * b.mant, a.exp + b.exp);
}

/** Quotient with at least `QUOTIENT_BITS` bits, the last of them sticky. */
const QUOTIENT_BITS = 68;

export function divide(env: Environment, a: Unpacked, b: Unpacked): Unpacked {
  const sign = a.sign ^ b.sign;
  if ((a.kind === INF && b.kind === INF) || (a.kind === ZERO && b.kind === ZERO)) return invalid(env);
  if (a.kind === INF) {
    noteDenormals(env, a, b);
    return infinity(sign);
  }
  if (b.kind === ZERO) {
    env.flags |= FE.Z;
    return infinity(sign);
  }
  noteDenormals(env, a, b);
  if (a.kind === ZERO || b.kind === INF) return zero(sign);
  const shift = Math.max(0, QUOTIENT_BITS - bitLength(a.mant) + bitLength(b.mant));
  const numerator = a.mant << BigInt(shift);
  const quotient = numerator / b.mant;
  const sticky = quotient * b.mant === numerator ? 0n : 1n;
  return finite(sign, (quotient << 1n) | sticky, a.exp - b.exp - shift - 1);
}

export function squareRoot(env: Environment, a: Unpacked): Unpacked {
  if (a.kind === ZERO) return a;
  if (a.sign) return invalid(env);
  noteDenormals(env, a, a);
  if (a.kind === INF) return a;
  let shift = Math.max(0, 2 * QUOTIENT_BITS - bitLength(a.mant));
  if ((a.exp - shift) & 1) shift++;
  const radicand = a.mant << BigInt(shift);
  const root = integerSqrt(radicand);
  const sticky = root * root === radicand ? 0n : 1n;
  return finite(0, (root << 1n) | sticky, (a.exp - shift) / 2 - 1);
}

function integerSqrt(n: bigint): bigint {
  let x = 1n << BigInt((bitLength(n) + 1) >> 1);
  for (;;) {
    const y = (x + n / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}

/** -1, 0, 1; no NaNs. */
export function compareValues(a: Unpacked, b: Unpacked): number {
  if (a.kind === ZERO && b.kind === ZERO) return 0;
  const signOf = (x: Unpacked) => (x.kind === ZERO ? 0 : x.sign ? -1 : 1);
  if (signOf(a) !== signOf(b)) return signOf(a) < signOf(b) ? -1 : 1;
  const direction = signOf(a);
  if (a.kind === INF || b.kind === INF) return a.kind === b.kind ? 0 : a.kind === INF ? direction : -direction;
  const gap = exponentOf(a) - exponentOf(b);
  if (gap !== 0) return gap > 0 ? direction : -direction;
  const exp = Math.min(a.exp, b.exp);
  const left = a.mant << BigInt(a.exp - exp);
  const right = b.mant << BigInt(b.exp - exp);
  return left === right ? 0 : left > right ? direction : -direction;
}

/** Rounded to an integer of `bits` bits, two's complement; undefined (and I) when it does not fit. */
export function toInteger(env: Environment, a: Unpacked, bits: number): bigint | undefined {
  const flags = env.flags;
  if (a.kind === ZERO) return 0n;
  if (a.kind === FINITE && exponentOf(a) < bits + 1) {
    const magnitude = roundInteger(env, a.sign, a.mant, a.exp, 0);
    const value = a.sign ? -magnitude : magnitude;
    if (BigInt.asIntN(bits, value) === value) return value;
  }
  env.flags = flags | FE.I;
  env.roundedUp = false;
  return undefined;
}

/** Rounded to an integral value in the same format (FRNDINT, ROUNDSD). */
export function roundToIntegral(env: Environment, a: Unpacked): Unpacked {
  if (a.kind !== FINITE || a.exp >= 0) return a;
  return finite(a.sign, roundInteger(env, a.sign, a.mant, a.exp, 0), 0);
}

export const fromInteger = (value: bigint): Unpacked => (value < 0n ? finite(1, -value, 0) : finite(0, value, 0));
