/** The binary formats of x86 and how their bits are taken apart and put together: single, double, 80-bit extended. */
import { bitLength, FINITE, finite, INF, infinity, NAN, UNSUPPORTED, type Unpacked, ZERO, zero } from "./soft.ts";

export interface Format {
  /** Significand bits, the integer bit included. */
  readonly precision: number;
  /** Smallest and largest exponent of a normal number: 2^e <= |x| < 2^(e+1). */
  readonly minExponent: number;
  readonly maxExponent: number;
  /** Exponent adjustment of unmasked overflow and underflow. */
  readonly wrap: number;
}

export const HALF: Format = { precision: 11, minExponent: -14, maxExponent: 15, wrap: 0 };
export const SINGLE: Format = { precision: 24, minExponent: -126, maxExponent: 127, wrap: 192 };
export const DOUBLE: Format = { precision: 53, minExponent: -1022, maxExponent: 1023, wrap: 1536 };
export const EXTENDED: Format = { precision: 64, minExponent: -16382, maxExponent: 16383, wrap: 24576 };

const INTEGER_BIT = 1n << 63n;
const MASK64 = (1n << 64n) - 1n;

/** A format with a hidden integer bit: `fraction` explicit bits and a biased exponent above them. */
function unpackHidden(format: Format, bits: bigint): Unpacked {
  const fractionBits = format.precision - 1;
  const fraction = BigInt.asUintN(fractionBits, bits);
  const exponentMask = format.maxExponent * 2 + 1;
  const biased = Number(bits >> BigInt(fractionBits)) & exponentMask;
  const sign = Number(bits >> BigInt(fractionBits)) > exponentMask ? 1 : 0;
  if (biased === exponentMask) {
    if (fraction === 0n) return infinity(sign);
    return {
      kind: NAN,
      sign,
      mant: INTEGER_BIT | (fraction << BigInt(64 - format.precision)),
      exp: 0,
      denormal: false,
    };
  }
  if (biased === 0) {
    if (fraction === 0n) return zero(sign);
    return { kind: FINITE, sign, mant: fraction, exp: format.minExponent - fractionBits, denormal: true };
  }
  return finite(sign, fraction | (1n << BigInt(fractionBits)), biased - format.maxExponent - fractionBits);
}

function packHidden(format: Format, value: Unpacked): bigint {
  const fractionBits = format.precision - 1;
  const exponentMask = format.maxExponent * 2 + 1;
  const top = (biased: number) => BigInt(value.sign ? biased + exponentMask + 1 : biased) << BigInt(fractionBits);
  switch (value.kind) {
    case ZERO:
      return top(0);
    case INF:
      return top(exponentMask);
    case NAN:
      return top(exponentMask) | BigInt.asUintN(fractionBits, value.mant >> BigInt(64 - format.precision));
  }
  // Rounding has left at most `precision` bits above the format's smallest step.
  const { mant, biased } = align(format, value);
  return top(biased) | BigInt.asUintN(fractionBits, mant);
}

/** Significand scaled to `precision` bits (fewer for a denormal) and the biased exponent that goes with it. */
function align(format: Format, value: Unpacked): { mant: bigint; biased: number } {
  const width = bitLength(value.mant);
  const exponent = Math.max(value.exp + width - 1, format.minExponent);
  const shift = value.exp - (exponent - (format.precision - 1));
  const mant = shift >= 0 ? value.mant << BigInt(shift) : value.mant >> BigInt(-shift);
  const normal = mant >> BigInt(format.precision - 1) !== 0n;
  return { mant, biased: normal ? exponent + format.maxExponent : 0 };
}

export const unpack16 = (bits: number): Unpacked => unpackHidden(HALF, BigInt(bits));
export const pack16 = (value: Unpacked): number => Number(packHidden(HALF, value));
export const unpack32 = (bits: number): Unpacked => unpackHidden(SINGLE, BigInt(bits >>> 0));
export const unpack64 = (bits: bigint): Unpacked => unpackHidden(DOUBLE, bits);
export const pack32 = (value: Unpacked): number => Number(BigInt.asIntN(32, packHidden(SINGLE, value)));
export const pack64 = (value: Unpacked): bigint => packHidden(DOUBLE, value);

/** An 80-bit register image: 64-bit significand with explicit integer bit, and sign with 15-bit exponent. */
export interface Bits80 {
  readonly mant: bigint;
  readonly signExponent: number;
}

export function unpack80({ mant, signExponent }: Bits80): Unpacked {
  const sign = signExponent >> 15;
  const biased = signExponent & 0x7fff;
  const integer = (mant & INTEGER_BIT) !== 0n;
  if (biased === 0) {
    if (mant === 0n) return zero(sign);
    return { kind: FINITE, sign, mant, exp: EXTENDED.minExponent - 63, denormal: true };
  }
  if (!integer) return { kind: UNSUPPORTED, sign, mant, exp: 0, denormal: false };
  if (biased === 0x7fff) {
    return mant === INTEGER_BIT ? infinity(sign) : { kind: NAN, sign, mant, exp: 0, denormal: false };
  }
  return finite(sign, mant, biased - 0x3fff - 63);
}

export function pack80(value: Unpacked): Bits80 {
  const signBit = value.sign << 15;
  switch (value.kind) {
    case ZERO:
      return { mant: 0n, signExponent: signBit };
    case INF:
      return { mant: INTEGER_BIT, signExponent: signBit | 0x7fff };
    case NAN:
    case UNSUPPORTED:
      return { mant: value.mant & MASK64, signExponent: signBit | 0x7fff };
  }
  const { mant, biased } = align(EXTENDED, value);
  return { mant, signExponent: signBit | biased };
}
