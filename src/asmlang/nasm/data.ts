/** NASM's pseudo-instructions that make bytes: DB to DO, RESB to RESO, INCBIN. */
import { littleEndian } from "../core/buffer.ts";
import { SourceError } from "../core/diagnostics.ts";
import { type Expr, evaluateConstant } from "../core/expr.ts";
import { FLOAT8, FLOAT16, FLOAT32, FLOAT64, FLOAT80, FLOAT128, type FloatFormat } from "../core/floats.ts";
import { FillFragment } from "../core/fragment.ts";
import { lookUp } from "../core/look-up.ts";
import type { Line, Span } from "../core/source.ts";
import type { NasmAssembler } from "./assembler.ts";
import { readFloat, type TokenCursor } from "./expressions.ts";
import { SIZES } from "./operands.ts";
import { stringBytes } from "./tokens.ts";
import { readWideText } from "./wide-text.ts";

const UNITS: Readonly<Record<string, number>> = { b: 1, w: 2, d: 4, q: 8, t: 10, o: 16, y: 32, z: 64 };
const FLOATS: Readonly<Record<number, FloatFormat>> = {
  1: FLOAT8,
  2: FLOAT16,
  4: FLOAT32,
  8: FLOAT64,
  10: FLOAT80,
  16: FLOAT128,
};

const MAX_DEPTH = 8;

export const dataUnit = (word: string): number | undefined =>
  /^d[bwdqtoyz]$/.test(word) ? UNITS[word[1]!] : undefined;
export const reserveUnit = (word: string): number | undefined =>
  /^res[bwdqtoyz]$/.test(word) ? UNITS[word[3]!] : undefined;

export function emitData(assembler: NasmAssembler, cursor: TokenCursor, unit: number): void {
  if (cursor.done) {
    assembler.reporter.warning(cursor.here(), "no value for this data");
    return;
  }
  emitList(assembler, cursor, unit, 0);
}

function emitList(assembler: NasmAssembler, cursor: TokenCursor, unit: number, depth: number): void {
  do {
    if (cursor.done) return;
    emitItem(assembler, cursor, unit, depth);
  } while (cursor.eat(","));
}

function emitItem(assembler: NasmAssembler, cursor: TokenCursor, unit: number, depth: number): void {
  const { builder } = assembler;
  if (cursor.done) throw new SourceError(cursor.here(), "expected a value");
  if (cursor.is("?")) {
    warnOfZeros(assembler, cursor.here());
    cursor.next();
    builder.bytes(new Uint8Array(unit), cursor.line);
    return;
  }
  if (emitGroup(assembler, cursor, unit, depth)) return;
  const token = cursor.peek()!;
  const after = cursor.peek(1);
  const alone = after === undefined || after.text === "," || after.text === ")";
  if (token.kind === "string" && alone) {
    cursor.next();
    const bytes = stringBytes(token.text);
    const padded = new Uint8Array(Math.ceil(bytes.length / unit) * unit);
    padded.set(bytes);
    builder.bytes(padded, token.line);
    return;
  }
  const wideText = readWideText(cursor);
  if (wideText) {
    const padded = new Uint8Array(Math.ceil(wideText.length / unit) * unit);
    padded.set(wideText);
    builder.bytes(padded, cursor.line);
    return;
  }
  const packed = unit === 10 ? readPackedDecimal(cursor) : undefined;
  if (packed) {
    builder.bytes(packed, cursor.line);
    return;
  }
  const format = FLOATS[unit];
  const bits = format && readFloat(cursor, format, assembler.expressions.floatRule);
  if (bits !== undefined) {
    builder.bytes(littleEndian(unit, bits), cursor.line);
    return;
  }
  emitValue(assembler, cursor, unit, depth);
}

/** `%(1, 2)` is a list, and `word(1, 2)` or `word 1` has a size of its own. */
function emitGroup(assembler: NasmAssembler, cursor: TokenCursor, unit: number, depth: number): boolean {
  const size = lookUp(SIZES, cursor.word() ?? "");
  const list = cursor.is("%") && cursor.peek(1)?.text === "(";
  if (size === undefined && !list) return false;
  if (depth > 8) throw new SourceError(cursor.here(), "these lists are nested too deeply");
  cursor.next();
  if (!cursor.eat("(")) emitItem(assembler, cursor, size!, depth + 1);
  else {
    emitList(assembler, cursor, size ?? unit, depth + 1);
    cursor.expect(")");
  }
  return true;
}

function emitValue(assembler: NasmAssembler, cursor: TokenCursor, unit: number, depth: number): void {
  const expr = assembler.expressions.read(cursor);
  if (cursor.eatWord("dup")) {
    emitDuplicates(assembler, cursor, unit, expr, depth);
    return;
  }
  if (unit > 8) throw new SourceError(expr.span, `${unit * 8} bits are for floating-point numbers and strings`);
  emitInteger(assembler, cursor, expr, unit);
}

function emitInteger(assembler: NasmAssembler, cursor: TokenCursor, expr: Expr, unit: number): void {
  const modifier = assembler.expressions.takeModifier();
  const value = modifier === undefined ? evaluateConstant(expr, assembler.now) : undefined;
  if (value === undefined) {
    assembler.builder.value(expr, unit, cursor.line, modifier);
    return;
  }
  const bits = unit * 8;
  if (unit < 8 && BigInt.asIntN(bits, value) !== value && BigInt.asUintN(bits, value) !== value)
    assembler.reporter.warning(expr.span, `value ${value} does not fit in ${unit === 1 ? "a byte" : `${unit} bytes`}`);
  assembler.builder.bytes(littleEndian(unit, value), cursor.line);
}

/** `123p`, `-0p123`: packed decimal digits of the x87, two a byte, and the sign. */
function readPackedDecimal(cursor: TokenCursor): Uint8Array | undefined {
  const signed = cursor.is("-") || cursor.is("+") ? 1 : 0;
  const token = cursor.peek(signed);
  const match = token?.kind === "number" ? /^(?:0p([\d_]+)|([\d_]+)p)$/i.exec(token.text) : null;
  if (!match) return undefined;
  const negative = signed === 1 && cursor.is("-");
  cursor.at += signed + 1;
  const digits = (match[1] ?? match[2]!).replaceAll("_", "").slice(-18).padStart(18, "0");
  const bytes = new Uint8Array(10);
  for (let i = 0; i < 9; i++) bytes[i] = Number.parseInt(digits.slice(16 - 2 * i, 18 - 2 * i), 16);
  bytes[9] = negative ? 0x80 : 0;
  return bytes;
}

/** `n dup (values)` */
function emitDuplicates(assembler: NasmAssembler, cursor: TokenCursor, unit: number, count: Expr, depth: number): void {
  const times = evaluateConstant(count, assembler.now);
  if (times === undefined || times < 0n || times > Number.MAX_SAFE_INTEGER)
    throw new SourceError(count.span, "the number of duplicates must be a constant that is known here");
  if (depth > MAX_DEPTH) throw new SourceError(count.span, `'dup' is nested more than ${MAX_DEPTH} deep`);
  const grouped = cursor.eat("(");
  const start = cursor.at;
  const once = () => {
    cursor.at = start;
    if (grouped) emitList(assembler, cursor, unit, depth + 1);
    else emitItem(assembler, cursor, unit, depth + 1);
  };
  if (times > 0n) repeatBytes(assembler, Number(times), once, cursor.line, count.span);
  if (times === 0n) skipGroup(cursor, grouped);
  if (grouped) cursor.expect(")");
}

/** What comes out as plain bytes is copied; anything else is done over and over. */
function repeatBytes({ builder }: NasmAssembler, times: number, once: () => void, line: Line, site: Span): void {
  const fragment = builder.open(line);
  const { length } = fragment.bytes;
  const fixups = fragment.fixups.length;
  once();
  if (fragment.fixups.length === fixups && builder.open(line) === fragment) {
    builder.budget.charge("bytes", (fragment.bytes.length - length) * (times - 1), site);
    fragment.bytes.repeat(length, times);
    return;
  }
  builder.budget.charge("statements", times - 1, site);
  for (let i = 1; i < times; i++) once();
}

function skipGroup(cursor: TokenCursor, grouped: boolean): void {
  let depth = 0;
  while (!cursor.done && !(depth === 0 && (grouped ? cursor.is(")") : cursor.is(",")))) {
    if (cursor.is("(")) depth++;
    if (cursor.is(")")) depth--;
    cursor.next();
  }
}

function warnOfZeros({ builder: { section }, reporter }: NasmAssembler, span: Span): void {
  if (!section.flags.nobits && !section.absolute)
    reporter.warning(span, `uninitialized space in section ${section.name}, which is not nobits: zeros are stored`);
}

export function emitReserve(assembler: NasmAssembler, cursor: TokenCursor, unit: number): void {
  const count = assembler.expressions.read(cursor);
  cursor.finish();
  const { builder } = assembler;
  const { section } = builder;
  warnOfZeros(assembler, cursor.tokens[0] ?? cursor.here());
  const known = evaluateConstant(count, assembler.now);
  if (known !== undefined && known < 0n) throw new SourceError(count.span, `a negative amount of space (${known})`);
  const expr: Expr = known === undefined ? count : { op: "number", value: known, span: count.span };
  const fragment = builder.add(new FillFragment(section, cursor.line, expr, new Uint8Array(unit), "space"));
  builder.row(fragment, 0, cursor.line, undefined);
}

export function emitIncbin(assembler: NasmAssembler, cursor: TokenCursor): void {
  const file = cursor.next();
  if (file?.kind !== "string") throw new SourceError(file ?? cursor.here(), "expected the name of a file in quotes");
  const name = new TextDecoder().decode(stringBytes(file.text));
  const bytes = assembler.options.includeBytes?.(name, file.line.uri);
  if (!bytes) throw new SourceError(file, `cannot find file '${name}'`);
  const from = cursor.eat(",") ? assembler.constantHere(cursor) : 0n;
  const count = cursor.eat(",") ? assembler.constantHere(cursor) : undefined;
  cursor.finish();
  if (from > bytes.length) assembler.reporter.warning(file, `file '${name}' has only ${bytes.length} bytes`);
  if (from < 0n || (count !== undefined && count < 0n))
    throw new SourceError(file, `file '${name}' cannot be read from or for a negative number of bytes`);
  assembler.builder.bytes(
    bytes.subarray(Number(from), count === undefined ? undefined : Number(from + count)),
    cursor.line,
  );
}
