/** Directives that make bytes: data, strings, floats, fills, alignment, included files. */
import { littleEndian } from "../core/buffer.ts";
import { SourceError } from "../core/diagnostics.ts";
import { type Expr, evaluateConstant, number } from "../core/expr.ts";
import { BFLOAT16, FLOAT16, FLOAT32, FLOAT64, FLOAT80, type FloatFormat, floatBits } from "../core/floats.ts";
import { AlignFragment, FillFragment, LebFragment, leb128, OrgFragment } from "../core/fragment.ts";
import { wholeLine } from "../core/source.ts";
import type { GasAssembler } from "./assembler.ts";
import type { Cursor } from "./cursor.ts";
import type { Directive } from "./directives.ts";
import { readString, readText } from "./expressions.ts";
import { nops } from "./nops.ts";

/** `item` for each of a comma-separated list; an empty list is fine. */
function each(cursor: Cursor, item: () => void): void {
  if (cursor.done) return;
  do item();
  while (cursor.eat(","));
}

const integers =
  (size: number): Directive =>
  (assembler, cursor) =>
    each(cursor, () => emitInteger(assembler, cursor, size));

function emitInteger(assembler: GasAssembler, cursor: Cursor, size: number): void {
  const expr = assembler.expressions.read(cursor);
  const modifier = assembler.expressions.takeModifier();
  const value = modifier === undefined ? evaluateConstant(expr, assembler.now) : undefined;
  if (value === undefined) {
    assembler.builder.value(expr, size, cursor.line, modifier);
    return;
  }
  const bits = size * 8;
  if (size < 8 && BigInt.asIntN(bits, value) !== value && BigInt.asUintN(bits, value) !== value)
    assembler.reporter.warning(
      expr.span,
      `value 0x${BigInt.asUintN(64, value).toString(16)} is truncated to 0x${BigInt.asUintN(bits, value).toString(16)}`,
    );
  assembler.builder.bytes(littleEndian(size, value), cursor.line);
}

/** `.octa`: numbers of up to 128 bits. */
const octa: Directive = (assembler, cursor) =>
  each(cursor, () => {
    cursor.skipSpace();
    const start = cursor.at;
    const negative = cursor.eat("-");
    const text = cursor.match(/0[xX][\da-fA-F]+|0[bB][01]+|\d+/y);
    if (text === undefined) throw new SourceError(cursor.span(start, start + 1), "expected a number");
    const value = BigInt(text);
    assembler.builder.bytes(littleEndian(16, negative ? -value : value), cursor.line);
  });

const floats =
  (format: FloatFormat, bytes = format.bytes): Directive =>
  (assembler, cursor) =>
    each(cursor, () => {
      cursor.skipSpace();
      const start = cursor.at;
      const text = (cursor.match(/[^,\s]+/y) ?? "").replace(/^0[a-wyz](?=[\d.+-])/i, "");
      const bits = floatBits(text, format);
      if (bits === undefined) throw new SourceError(cursor.span(start), `'${text}' is not a floating-point number`);
      assembler.builder.bytes(littleEndian(bytes, bits), cursor.line);
    });

const strings =
  (unit: number, terminated: boolean): Directive =>
  (assembler, cursor) =>
    each(cursor, () => {
      let bytes = [...readString(cursor)];
      // Strings side by side are one.
      while (cursor.skipSpace().peek() === '"') bytes = [...bytes, ...readString(cursor)];
      if (terminated) bytes.push(0);
      const wide = new Uint8Array(bytes.length * unit);
      for (const [i, byte] of bytes.entries()) wide[i * unit] = byte;
      assembler.builder.bytes(wide, cursor.line);
    });

/** `.skip size[, fill]` and its names. */
const skip: Directive = (assembler, cursor) => {
  const size = assembler.expressions.read(cursor);
  const fill = cursor.eat(",") ? assembler.constant(cursor, "the fill value") : 0n;
  addFill(assembler, cursor, size, littleEndian(1, fill), "space");
};

function addFill(assembler: GasAssembler, cursor: Cursor, count: Expr, unit: Uint8Array, what: string): void {
  const { builder } = assembler;
  const known = evaluateConstant(count, assembler.now);
  if (known !== undefined && known < 0n) {
    assembler.reporter.warning(count.span, `${what} of a negative number (${known}) is ignored`);
    return;
  }
  const expr = known === undefined ? count : number(known, count.span);
  builder.row(builder.open(cursor.line), builder.open(cursor.line).bytes.length, cursor.line, undefined);
  builder.add(new FillFragment(builder.section, cursor.line, expr, unit, what));
}

/** `.fill repeat[, size[, value]]`: the value's low four bytes, the rest zero. */
const fill: Directive = (assembler, cursor) => {
  const count = assembler.expressions.read(cursor);
  const size = cursor.eat(",") ? assembler.constant(cursor, "the size") : 1n;
  const value = cursor.eat(",") ? assembler.constant(cursor, "the value") : 0n;
  if (size < 0n) throw new SourceError(wholeLine(cursor.line), "the size of '.fill' is negative");
  const unit = new Uint8Array(Number(size > 8n ? 8n : size));
  unit.set(littleEndian(Math.min(4, unit.length), value));
  if (unit.length > 0) addFill(assembler, cursor, count, unit, "'.fill'");
};

const org: Directive = (assembler, cursor) => {
  const { builder } = assembler;
  const target = assembler.expressions.read(cursor);
  const value = cursor.eat(",") ? assembler.constant(cursor, "the fill value") : 0n;
  builder.add(new OrgFragment(builder.section, cursor.line, target, Number(value & 0xffn)));
};

/** Alignment: by bytes or by power of two, with a fill of 1, 2 or 4 bytes. */
const align =
  (power: boolean, fillSize: number): Directive =>
  (assembler, cursor) => {
    const amount = cursor.done ? 0n : assembler.constant(cursor, "the alignment");
    const span = wholeLine(cursor.line);
    if (power ? amount < 0n || amount > 31n : amount < 0n || (amount & (amount - 1n)) !== 0n)
      throw new SourceError(
        span,
        power ? "the alignment must be a power from 0 to 31" : "the alignment must be a power of two",
      );
    const bytes = power ? 1n << amount : amount || 1n;
    let fillValue: bigint | undefined;
    let max: number | undefined;
    if (cursor.eat(",")) {
      if (cursor.skipSpace().peek() !== "," && !cursor.done) fillValue = assembler.constant(cursor, "the fill value");
      if (cursor.eat(",")) max = Number(assembler.constant(cursor, "the largest padding"));
    }
    addAlign(assembler, cursor, bytes, fillValue === undefined ? undefined : littleEndian(fillSize, fillValue), max);
  };

function addAlign(
  assembler: GasAssembler,
  cursor: Cursor,
  bytes: bigint,
  unit: Uint8Array | undefined,
  max: number | undefined,
): void {
  const { builder } = assembler;
  const { section, bits } = builder;
  section.align = Math.max(section.align, Number(bytes));
  if (bytes === 1n) return;
  const code = section.flags.exec && (!unit || (unit.length === 1 && unit[0] === 0x90));
  const pad = (size: number) => {
    if (code) return nops(size, assembler.paddingBits);
    const out = new Uint8Array(size);
    if (unit && size % unit.length !== 0)
      throw new SourceError(
        wholeLine(cursor.line),
        `the padding (${size} bytes) is not a multiple of ${unit.length} bytes`,
      );
    if (unit) for (let at = 0; at < size; at++) out[at] = unit[at % unit.length]!;
    return out;
  };
  const fragment = builder.add(new AlignFragment(section, cursor.line, bytes, max || undefined, pad));
  builder.row(fragment, 0, cursor.line, code ? bits : undefined);
}

const leb =
  (signed: boolean): Directive =>
  (assembler, cursor) =>
    each(cursor, () => {
      const { builder } = assembler;
      const expr = assembler.expressions.read(cursor);
      const value = evaluateConstant(expr, assembler.now);
      if (value !== undefined) builder.bytes(leb128(value, signed), cursor.line);
      else builder.add(new LebFragment(builder.section, cursor.line, expr, signed));
    });

const incbin: Directive = (assembler, cursor) => {
  const start = cursor.skipSpace().at;
  const name = readText(cursor);
  const span = cursor.span(start);
  let from = 0n;
  let count: bigint | undefined;
  if (cursor.eat(",")) {
    if (cursor.skipSpace().peek() !== ",") from = assembler.constant(cursor, "the number of bytes to skip");
    if (cursor.eat(",")) count = assembler.constant(cursor, "the number of bytes");
  }
  const bytes = assembler.options.includeBytes?.(name, cursor.line.uri);
  if (!bytes) throw new SourceError(span, `cannot find file '${name}'`);
  if (from < 0n || (count !== undefined && count < 0n) || from > bytes.length)
    throw new SourceError(span, `file '${name}' has only ${bytes.length} bytes`);
  assembler.builder.bytes(
    bytes.subarray(Number(from), count === undefined ? undefined : Number(from + count)),
    cursor.line,
  );
};

/** `.nops size`: that many bytes of padding. */
const nopsDirective: Directive = (assembler, cursor) => {
  const size = assembler.constant(cursor, "the size");
  if (size < 0n || size > 4096n) throw new SourceError(wholeLine(cursor.line), "the size must be from 0 to 4096");
  assembler.builder.bytes(nops(Number(size), assembler.paddingBits), cursor.line, [], assembler.builder.bits);
};

export const DATA: Readonly<Record<string, Directive>> = {
  ".byte": integers(1),
  ".dc.b": integers(1),
  ".word": integers(2),
  ".short": integers(2),
  ".hword": integers(2),
  ".value": integers(2),
  ".2byte": integers(2),
  ".long": integers(4),
  ".int": integers(4),
  ".4byte": integers(4),
  ".slong": integers(4),
  ".quad": integers(8),
  ".8byte": integers(8),
  ".octa": octa,
  ".hfloat": floats(FLOAT16),
  ".float16": floats(FLOAT16),
  ".bfloat16": floats(BFLOAT16),
  ".float": floats(FLOAT32),
  ".single": floats(FLOAT32),
  ".double": floats(FLOAT64),
  ".tfloat": floats(FLOAT80),
  ".ascii": strings(1, false),
  ".asciz": strings(1, true),
  ".string": strings(1, true),
  ".string8": strings(1, true),
  ".string16": strings(2, true),
  ".string32": strings(4, true),
  ".skip": skip,
  ".space": skip,
  ".zero": skip,
  ".fill": fill,
  ".org": org,
  ".align": align(false, 1),
  ".balign": align(false, 1),
  ".balignw": align(false, 2),
  ".balignl": align(false, 4),
  ".p2align": align(true, 1),
  ".p2alignw": align(true, 2),
  ".p2alignl": align(true, 4),
  ".uleb128": leb(false),
  ".sleb128": leb(true),
  ".incbin": incbin,
  ".nops": nopsDirective,
};
