/** Decimal text to IEEE 754 bits of any of the x86 formats, rounded exactly: to nearest even unless asked otherwise. */

export interface FloatFormat {
  readonly bytes: number;
  /** Fraction bits stored, without an explicit integer bit. */
  readonly fraction: number;
  readonly exponent: number;
  /** x87's extended format stores the leading 1. */
  readonly explicitOne: boolean;
}

export interface FloatRule {
  readonly mode: "near" | "up" | "down" | "zero";
  /** Denormal numbers are zero. */
  readonly daz: boolean;
}

export const FLOAT8: FloatFormat = { bytes: 1, fraction: 3, exponent: 4, explicitOne: false };
export const FLOAT16: FloatFormat = { bytes: 2, fraction: 10, exponent: 5, explicitOne: false };
export const BFLOAT16: FloatFormat = { bytes: 2, fraction: 7, exponent: 8, explicitOne: false };
export const FLOAT32: FloatFormat = { bytes: 4, fraction: 23, exponent: 8, explicitOne: false };
export const FLOAT64: FloatFormat = { bytes: 8, fraction: 52, exponent: 11, explicitOne: false };
export const FLOAT80: FloatFormat = { bytes: 10, fraction: 63, exponent: 15, explicitOne: true };
export const FLOAT128: FloatFormat = { bytes: 16, fraction: 112, exponent: 15, explicitOne: false };

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i;
/** In a base of two to the power of so many bits. */
const BINARY = [
  [4, /^([+-]?)0[xh]([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i],
  [3, /^([+-]?)0[oq]([0-7]*)(?:\.([0-7]*))?(?:p([+-]?\d+))?$/i],
  [1, /^([+-]?)0[by]([01]*)(?:\.([01]*))?(?:p([+-]?\d+))?$/i],
] as const;
const PREFIXES = { 4: "0x", 3: "0o", 1: "0b" } as const;
const SPECIAL = /^([+-]?)(?:__\??)?(inf|infinity|nan|qnan|snan)(?:\??__)?$/i;

/** The bits, or undefined if the text is no number of this kind. */
export function floatBits(text: string, format: FloatFormat, rule?: FloatRule): bigint | undefined {
  const plain = text.replaceAll("_", "");
  const special = SPECIAL.exec(text);
  if (special) return specialBits(special[1] === "-", special[2]!.toLowerCase(), format);
  const binary = BINARY.find(([, pattern]) => pattern.test(plain));
  const match = binary ? binary[1].exec(plain) : DECIMAL.exec(plain);
  if (!match || `${match[2]}${match[3] ?? ""}` === "") return undefined;
  const negative = match[1] === "-";
  const fraction = match[3] ?? "";
  const scale = Number(match[4] ?? 0);
  if (Math.abs(scale) > 100_000 || plain.length > 20_000) return undefined;
  const digits = BigInt(`${binary ? PREFIXES[binary[0]] : ""}${match[2]}${fraction || ""}` || "0");
  const [numerator, denominator] = binary
    ? power(digits, 2n, scale - binary[0] * fraction.length)
    : power(digits, 10n, scale - fraction.length);
  return pack(negative, numerator, denominator, format, rule);
}

function power(digits: bigint, base: bigint, exponent: number): [bigint, bigint] {
  return exponent >= 0 ? [digits * base ** BigInt(exponent), 1n] : [digits, base ** BigInt(-exponent)];
}

function specialBits(negative: boolean, name: string, format: FloatFormat): bigint {
  const top = 1n << BigInt(format.fraction - 1);
  const one = format.explicitOne ? 1n << BigInt(format.fraction) : 0n;
  const fraction = name.startsWith("inf") ? 0n : name === "snan" ? 1n : top;
  return assemble(negative, (1n << BigInt(format.exponent)) - 1n, one | fraction, format);
}

function assemble(negative: boolean, exponent: bigint, fraction: bigint, format: FloatFormat): bigint {
  const width = BigInt(format.fraction + (format.explicitOne ? 1 : 0));
  return (BigInt(negative) << (width + BigInt(format.exponent))) | (exponent << width) | fraction;
}

const bitLength = (value: bigint): number => (value === 0n ? 0 : value.toString(2).length);

/** Is a magnitude that lies between two numbers the greater of them? undefined: the nearer one counts. */
function awayFromZero(negative: boolean, rule: FloatRule | undefined): boolean | undefined {
  if (rule === undefined || rule.mode === "near") return undefined;
  return rule.mode !== "zero" && (rule.mode === "up") !== negative;
}

function pack(
  negative: boolean,
  numerator: bigint,
  denominator: bigint,
  format: FloatFormat,
  rule: FloatRule | undefined,
): bigint {
  if (numerator === 0n) return assemble(negative, 0n, 0n, format);
  const bias = 2 ** (format.exponent - 1) - 1;
  let exponent = bitLength(numerator) - bitLength(denominator);
  // The value lies in [2^(exponent-1), 2^(exponent+1)): find its true exponent.
  if (exponent >= 0 ? numerator < denominator << BigInt(exponent) : numerator << BigInt(-exponent) < denominator)
    exponent--;
  const lowest = 1 - bias;
  const unit = Math.max(exponent, lowest) - format.fraction;
  let mantissa = roundedQuotient(numerator, denominator, unit, awayFromZero(negative, rule));
  let stored = Math.max(exponent, lowest);
  if (bitLength(mantissa) > format.fraction + 1) {
    mantissa >>= 1n;
    stored++;
  }
  const normal = bitLength(mantissa) === format.fraction + 1;
  if (stored > bias) return specialBits(negative, "inf", format);
  if (!normal && rule?.daz) return assemble(negative, 0n, 0n, format);
  const field = normal ? BigInt(stored + bias) : 0n;
  const fraction = format.explicitOne ? mantissa : mantissa & ((1n << BigInt(format.fraction)) - 1n);
  return assemble(negative, field, fraction, format);
}

/** numerator / denominator / 2^unit, rounded as `up` says, or to nearest, ties to even. */
function roundedQuotient(numerator: bigint, denominator: bigint, unit: number, up: boolean | undefined): bigint {
  const n = unit < 0 ? numerator << BigInt(-unit) : numerator;
  const d = unit > 0 ? denominator << BigInt(unit) : denominator;
  const quotient = n / d;
  if (up !== undefined) return up && n % d !== 0n ? quotient + 1n : quotient;
  const twice = (n % d) * 2n;
  return twice > d || (twice === d && (quotient & 1n) === 1n) ? quotient + 1n : quotient;
}
