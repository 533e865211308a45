/**
 * Floating-point numbers of 32, 64 and 80 bits: from the bits that a register or memory holds, to them, and as text. Expressions count with
 * doubles; what 80 bits hold beyond that is in their text.
 */
import { type Bits80, pack80, unpack64, unpack80 } from "../../emu/cpu/fpu/formats.ts";
import { FINITE, INF, NAN, type Unpacked, ZERO } from "../../emu/cpu/fpu/soft.ts";

export const isRealWidth = (bits: number): boolean => bits === 32 || bits === 64 || bits === 80;

const scratch = new DataView(new ArrayBuffer(8));

/** The number that bits stand for; of 80 bits, the nearest double. */
export function realOf(raw: bigint, bits: number): number {
  if (bits === 80) return nearest(unpack80(bits80(raw)));
  scratch.setBigUint64(0, raw, true);
  return bits === 32 ? scratch.getFloat32(0, true) : scratch.getFloat64(0, true);
}

/** The bits that stand for a number. */
export function realBits(value: number, bits: number): bigint {
  scratch.setBigUint64(0, 0n, true);
  if (bits === 32) scratch.setFloat32(0, value, true);
  else scratch.setFloat64(0, value, true);
  const raw = scratch.getBigUint64(0, true);
  if (bits !== 80) return raw;
  const { mant, signExponent } = pack80(unpack64(raw));
  return (BigInt(signExponent) << 64n) | mant;
}

const bits80 = (raw: bigint): Bits80 => ({ mant: BigInt.asUintN(64, raw), signExponent: Number(raw >> 64n) });

function nearest({ kind, sign, mant, exp }: Unpacked): number {
  const size = kind === ZERO ? 0 : kind === FINITE ? scaled(mant, exp) : kind === INF ? Number.POSITIVE_INFINITY : NaN;
  return sign ? -size : size;
}

/** In two steps: half of what a double can be scaled by may be beyond it. */
function scaled(mant: bigint, exp: number): number {
  const half = Math.trunc(Math.max(-2200, Math.min(2200, exp)) / 2);
  return Number(mant) * 2 ** half * 2 ** (Math.max(-2200, Math.min(2200, exp)) - half);
}

/** The shortest text that stands for the same number: "2.5", "-inf", "nan(0x400000)". Of 80 bits, 19 digits. */
export function realText(raw: bigint, bits: number): string {
  if (bits === 80) return text80(unpack80(bits80(raw)));
  const value = realOf(raw, bits);
  const fraction = BigInt.asUintN(bits === 32 ? 23 : 52, raw);
  if (Number.isNaN(value)) return special(raw >> BigInt(bits - 1) !== 0n, `nan(0x${fraction.toString(16)})`);
  if (!Number.isFinite(value)) return special(value < 0, "inf");
  if (value === 0) return special(Object.is(value, -0), "0");
  return bits === 32 ? shortest32(value) : String(value);
}

const special = (negative: boolean, text: string): string => (negative ? "-" : "") + text;

const MOST_DIGITS_32 = 9;
function shortest32(value: number): string {
  for (let digits = 1; digits < MOST_DIGITS_32; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return String(rounded);
  }
  return String(Number(value.toPrecision(MOST_DIGITS_32)));
}

function text80({ kind, sign, mant, exp }: Unpacked): string {
  if (kind === ZERO) return special(sign !== 0, "0");
  if (kind === INF) return special(sign !== 0, "inf");
  if (kind !== FINITE) return special(sign !== 0, `${kind === NAN ? "nan" : "unsupported"}(0x${mant.toString(16)})`);
  return special(sign !== 0, decimalText(mant, exp));
}

const DIGITS = 19;
/** From here on, and below its like, a number has an exponent, as JavaScript's have. */
const LARGEST_PLAIN = 21;
const SMALLEST_PLAIN = -7;

/** mant * 2^exp, rounded to DIGITS digits. */
function decimalText(mant: bigint, exp: number): string {
  // so many decimal places that enough digits are in front of the point
  const places = exp >= 0 ? 0 : Math.ceil(-exp * Math.LOG10E * Math.LN2) + DIGITS;
  const exact = exp >= 0 ? mant << BigInt(exp) : (mant * 10n ** BigInt(places)) >> BigInt(-exp);
  const excess = String(exact).length - DIGITS;
  const unit = 10n ** BigInt(Math.max(0, excess));
  const rounded = String(((exact + unit / 2n) / unit) * unit);
  const digits = rounded.slice(0, DIGITS).replace(/0+$/, "");
  return placed(digits, rounded.length - 1 - places);
}

/** `power` is that of the first digit. */
function placed(digits: string, power: number): string {
  if (power >= LARGEST_PLAIN || power < SMALLEST_PLAIN) {
    const point = digits.length > 1 ? `.${digits.slice(1)}` : "";
    return `${digits[0]}${point}e${power < 0 ? "" : "+"}${power}`;
  }
  if (power < 0) return `0.${"0".repeat(-power - 1)}${digits}`;
  const whole = digits.slice(0, power + 1).padEnd(power + 1, "0");
  return digits.length > power + 1 ? `${whole}.${digits.slice(power + 1)}` : whole;
}
