/** Floating-point constants as GNU as reads them: what it takes for a number, and what it calls too large or too small. */
import { SourceError } from "../core/diagnostics.ts";
import { type FloatFormat, floatBits } from "../core/floats.ts";
import type { Cursor } from "./cursor.ts";

/** Wide enough to tell the exponent of any constant. */
const WIDE: FloatFormat = { bytes: 24, fraction: 120, exponent: 40, explicitOne: false };

/** The format's bits of the constant at the cursor; nothing there is zero. */
export function readFloat(cursor: Cursor, format: FloatFormat): bigint {
  cursor.skipSpace();
  const start = cursor.at;
  if (cursor.done || cursor.peek() === ",") return 0n;
  // `0f`, `0d`, `0x`: a zero and a letter say what kind of number follows, and as does not care.
  if (cursor.match(/0[a-z]/iy) && cursor.eat(":")) return readBits(cursor, format, start);
  const special = cursor.match(/[+-]?(?:inf(?:inity)?|[qs]?nan)\b/iy);
  if (special !== undefined) return specialBits(special.toLowerCase(), format);
  const text = cursor.match(/[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d*)?/iy);
  if (text === undefined) {
    cursor.match(/[^,\s]*/y);
    throw new SourceError(
      cursor.span(start),
      `'${cursor.text.slice(start, cursor.at)}' is not a floating-point number`,
    );
  }
  return numberBits(text.replace(/e[+-]?$/i, ""), format, () => cursor.span(start));
}

/** `0f:3f800000`: hexadecimal digits from the top of the field on. */
function readBits(cursor: Cursor, format: FloatFormat, start: number): bigint {
  const digits = (cursor.match(/[\da-f_]+/iy) ?? "").replaceAll("_", "");
  if (digits === "") throw new SourceError(cursor.span(start), "expected hexadecimal digits");
  if (digits.length > format.bytes * 2) throw new SourceError(cursor.span(start), "floating-point constant too large");
  return BigInt(`0x${digits.padEnd(format.bytes * 2, "0")}`);
}

/** All bits of a NaN are set, but for the quiet bit of a signalling one. */
function specialBits(text: string, format: FloatFormat): bigint {
  if (text.includes("inf")) return floatBits(text, format)!;
  const width = BigInt(format.fraction + (format.explicitOne ? 1 : 0) + format.exponent);
  const bits = (1n << width) - 1n;
  const quiet = text.includes("snan") ? 1n << BigInt(format.fraction - 1) : 0n;
  return (bits & ~quiet) | (text.startsWith("-") ? 1n << width : 0n);
}

function numberBits(text: string, format: FloatFormat, span: () => ReturnType<Cursor["span"]>): bigint {
  const bits = floatBits(text, format);
  const wide = floatBits(text.replace(/^[+-]/, ""), WIDE);
  if (bits === undefined || wide === undefined)
    throw new SourceError(span(), `'${text}' is not a floating-point number of this kind`);
  if (wide === 0n) return bits;
  const bias = 2 ** (format.exponent - 1) - 1;
  const biased = Number(wide >> BigInt(WIDE.fraction)) - (2 ** (WIDE.exponent - 1) - 1) + bias;
  // Far below the smallest denormal it gives up: where its shifts would leave the field.
  const lowest = format.bytes * 8 + 14 - 2 * format.exponent;
  if (biased > 2 * bias || -biased > lowest)
    throw new SourceError(span(), `'${text}' is too ${biased > 0 ? "large" : "small"} for this format`);
  return bits;
}
