/**
 * Elementary functions of finite numbers with some 180 significant bits, so that one rounding to any x86 format is the correct one
 * but for cases of no known existence. Series on BigInt fixed-point numbers; a result is relative to its argument wherever it can be
 * small, so that tiny arguments lose nothing. Nothing here rounds to a format or raises a flag.
 */
import { add, bitLength, Environment, exponentOf, finite, multiply, negate, type Unpacked, zero } from "./soft.ts";

/** Fraction bits of fixed-point numbers. */
const BITS = 192;
const F = BigInt(BITS);
const ONE = 1n << F;
/** Significant bits of quotients. */
const QUOTIENT_BITS = 208;

const scratch = new Environment();
const sum = (a: Unpacked, b: Unpacked): Unpacked => add(scratch, a, b);
const product = (a: Unpacked, b: Unpacked): Unpacked => multiply(scratch, a, b);
const ofFixed = (value: bigint): Unpacked => (value < 0n ? finite(1, -value, -BITS) : finite(0, value, -BITS));

/** Truncated to fixed point. */
function toFixed(a: Unpacked): bigint {
  const shift = a.exp + BITS;
  const magnitude = shift >= 0 ? a.mant << BigInt(shift) : a.mant >> BigInt(-shift);
  return a.sign ? -magnitude : magnitude;
}

function quotient(a: Unpacked, b: Unpacked): Unpacked {
  if (a.mant === 0n) return zero(a.sign ^ b.sign);
  const shift = Math.max(0, QUOTIENT_BITS - bitLength(a.mant) + bitLength(b.mant));
  return finite(a.sign ^ b.sign, (a.mant << BigInt(shift)) / b.mant, a.exp - b.exp - shift);
}

/** Sum of t^k / (2k + 1): atanh(z) / z for t = z * z, atan(z) / z for t = -z * z. */
function inverseTangentSeries(t: bigint): bigint {
  let power = ONE;
  let total = ONE;
  for (let k = 1n; power !== 0n && power !== -1n; k++) {
    power = (power * t) >> F;
    total += power / (2n * k + 1n);
  }
  return total;
}

/** Sum of terms that each are the one before times t / divisor(k). */
function factorialSeries(t: bigint, divisor: (k: bigint) => bigint): bigint {
  let term = ONE;
  let total = ONE;
  for (let k = 1n; term !== 0n; k++) {
    term = ((term * t) >> F) / divisor(k);
    total += term;
  }
  return total;
}

/** Never exactly one: what rounds must know on which side of it the value lies. */
const below = (series: bigint): bigint => (series === ONE ? ONE - 1n : series);

const square = (z: Unpacked): bigint => {
  const fixed = toFixed(z);
  return (fixed * fixed) >> F;
};

const oneOver = (n: bigint): Unpacked => ofFixed(ONE / n);
const arctan = (z: Unpacked): Unpacked => product(z, ofFixed(below(inverseTangentSeries(-square(z)))));
const arctanh = (z: Unpacked): Unpacked => product(z, ofFixed(inverseTangentSeries(square(z))));

const scaled = (a: Unpacked, by: number): Unpacked => ({ ...a, exp: a.exp + by });
/** Machin's formula. */
const QUARTER_PI = sum(scaled(arctan(oneOver(5n)), 2), negate(arctan(oneOver(239n))));
export const PI = scaled(QUARTER_PI, 2);
const HALF_PI = scaled(QUARTER_PI, 1);
const LN2 = scaled(arctanh(oneOver(3n)), 1);
const UNIT = finite(0, 1n, 0);
const TWO = finite(0, 2n, 0);

/** 2^x - 1 for |x| <= 1. */
export function exp2m1(x: Unpacked): Unpacked {
  const t = product(x, LN2);
  return product(t, ofFixed(factorialSeries(toFixed(t), (k) => k + 1n)));
}

/** log2 of (1 + x) for x > -1. */
export const log2p1 = (x: Unpacked): Unpacked => (exponentOf(x) < -1 ? log2NearOne(x) : log2(sum(UNIT, x)));

/** By way of z = x / (2 + x); |x| < 1/2. */
function log2NearOne(x: Unpacked): Unpacked {
  return quotient(scaled(arctanh(quotient(x, sum(TWO, x))), 1), LN2);
}

/** log2 of a positive number. */
export function log2(x: Unpacked): Unpacked {
  let exponent = exponentOf(x);
  let rest = sum(scaled(x, -exponent), negate(UNIT));
  // Closest to 1 from either side, so that nothing cancels.
  if (toFixed(rest) * 5n > ONE * 2n) {
    exponent++;
    rest = sum(scaled(x, -exponent), negate(UNIT));
  }
  const whole = exponent < 0 ? finite(1, BigInt(-exponent), 0) : finite(0, BigInt(exponent), 0);
  return rest.mant === 0n ? whole : sum(whole, log2NearOne(rest));
}

/** The x87's own pi, 66 bits: what FSIN and its kin subtract multiples of (SDM volume 1, 8.3.8). */
const PI66_MANT = 0xc90fdaa22168c234cn;
const PI66_EXP = -66;

interface Reduced {
  /** In [-pi/4, pi/4]. */
  readonly rest: Unpacked;
  /** Quarter turns taken off, modulo 4. */
  readonly quadrant: number;
}

/** Exact remainder by half of the 66-bit pi. */
function reduce(x: Unpacked): Reduced {
  const exp = Math.min(x.exp, PI66_EXP - 1);
  if (exponentOf(x) < -1) return { rest: x, quadrant: 0 };
  const value = x.mant << BigInt(x.exp - exp);
  const step = PI66_MANT << BigInt(PI66_EXP - 1 - exp);
  const turns = (2n * value + step) / (2n * step);
  const rest = value - turns * step;
  const signed = x.sign ? -rest : rest;
  const quadrant = Number(BigInt.asUintN(2, x.sign ? -turns : turns));
  return { rest: signed < 0n ? finite(1, -signed, exp) : finite(0, signed, exp), quadrant };
}

const sineOf = (r: Unpacked): Unpacked =>
  product(r, ofFixed(below(factorialSeries(-square(r), (k) => 2n * k * (2n * k + 1n)))));
const cosineOf = (r: Unpacked): Unpacked => ofFixed(below(factorialSeries(-square(r), (k) => (2n * k - 1n) * 2n * k)));

/** Sine and cosine; |x| < 2^63, x not zero. */
export function sinCos(x: Unpacked): { readonly sin: Unpacked; readonly cos: Unpacked } {
  const { rest, quadrant } = reduce(x);
  const s = sineOf(rest);
  const c = cosineOf(rest);
  switch (quadrant) {
    case 0:
      return { sin: s, cos: c };
    case 1:
      return { sin: c, cos: negate(s) };
    case 2:
      return { sin: negate(s), cos: negate(c) };
    default:
      return { sin: negate(c), cos: s };
  }
}

export function tangent(x: Unpacked): Unpacked {
  const { sin, cos } = sinCos(x);
  const ratio = quotient(sin, cos);
  // Larger than what the truncating division says, and than a tiny x.
  return { ...ratio, mant: ratio.mant | 1n };
}

/** atan of a positive number up to 1. */
function arctanUnit(z: Unpacked): Unpacked {
  if (toFixed(z) * 12n <= ONE * 5n) return arctan(z);
  const turned = quotient(sum(z, negate(UNIT)), sum(z, UNIT));
  return turned.mant === 0n ? QUARTER_PI : sum(QUARTER_PI, arctan(turned));
}

/** The angle of the point (x, y), both finite and not zero. */
export function angle(y: Unpacked, x: Unpacked): Unpacked {
  const up = { ...y, sign: 0 };
  const right = { ...x, sign: 0 };
  const gap = exponentOf(up) - exponentOf(right);
  const steep =
    gap > 0 || (gap === 0 && toFixed(scaled(up, -exponentOf(up))) > toFixed(scaled(right, -exponentOf(up))));
  const small = arctanUnit(steep ? quotient(right, up) : quotient(up, right));
  const first = steep ? sum(HALF_PI, negate(small)) : small;
  const whole = x.sign ? sum(PI, negate(first)) : first;
  return y.sign ? negate(whole) : whole;
}

/** Multiples of pi / 4, for the angles of zeros and infinities. */
export const eighths = (n: number): Unpacked => product(QUARTER_PI, finite(0, BigInt(n), 0));
