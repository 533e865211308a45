/** Directives that make bytes: data, strings, floats, fills, alignment, included files. */
import { ByteBuffer, littleEndian } from "../core/buffer.ts";
import { SourceError } from "../core/diagnostics.ts";
import { type Expr, evaluate, evaluateConstant, number } from "../core/expr.ts";
import { BFLOAT16, FLOAT16, FLOAT32, FLOAT64, FLOAT80, type FloatFormat } from "../core/floats.ts";
import { AlignFragment, FillFragment, LebFragment, leb128, OrgFragment } from "../core/fragment.ts";
import { wholeLine } from "../core/source.ts";
import type { GasAssembler } from "./assembler.ts";
import { Cursor } from "./cursor.ts";
import type { Directive } from "./directives.ts";
import { readString, readText } from "./expressions.ts";
import { readFloat } from "./floats.ts";
import { longestNop, nops, PaddingFragment } from "./nops.ts";

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
  if (cursor.done || cursor.peek() === ",") {
    assembler.reporter.warning(cursor.here(), "there is nothing here: it is taken for zero");
    assembler.builder.bytes(new Uint8Array(size), cursor.line);
    return;
  }
  const big = readBigNumber(cursor);
  if (big !== undefined) {
    assembler.reporter.warning(wholeLine(cursor.line), `the number is too large, and truncated to ${size} bytes`);
    assembler.builder.bytes(littleEndian(size, big), cursor.line);
    return;
  }
  const expr = assembler.expressions.read(cursor);
  const modifier = assembler.expressions.takeModifier();
  if (modifier !== undefined && evaluate(expr, assembler.now)?.terms.some(({ sign }) => sign < 0))
    throw new SourceError(expr.span, `'@${modifier}' takes a symbol and a number, no other symbols`);
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

/** A number of more than 64 bits, alone; else the cursor stays where it is. */
function readBigNumber(cursor: Cursor): bigint | undefined {
  cursor.skipSpace();
  const start = cursor.at;
  const negative = cursor.eat("-");
  const text = cursor.match(/(?:0[xX][\da-fA-F]+|0[bB][01]+|[1-9]\d*)(?=\s*(?:,|$))/y);
  const value = text === undefined ? 0n : BigInt(text);
  if (value >> 64n !== 0n) return negative ? -value : value;
  cursor.at = start;
  return undefined;
}

/** `.octa`: numbers of up to 128 bits; what is no plain number has 64. */
const octa: Directive = (assembler, cursor) =>
  each(cursor, () => {
    const big = readBigNumber(cursor);
    const negative = cursor.skipSpace().peek() === "-";
    const value = big ?? assembler.constant(cursor, "the value");
    assembler.builder.bytes(
      littleEndian(16, big !== undefined || negative ? value : BigInt.asUintN(64, value)),
      cursor.line,
    );
  });

const floats =
  (format: FloatFormat, bytes = format.bytes): Directive =>
  (assembler, cursor) =>
    each(cursor, () => {
      assembler.builder.bytes(littleEndian(bytes, readFloat(cursor, format)), cursor.line);
    });

/** `65>`: up to the bracket. */
function bracketedByte(assembler: GasAssembler, cursor: Cursor): number {
  const close = cursor.text.indexOf(">", cursor.at);
  if (close < 0 || close >= cursor.end) throw cursor.error("expected a number and '>'");
  const inside = new Cursor(cursor.line, cursor.at, close);
  const value = assembler.constant(inside, "the byte");
  inside.finish();
  cursor.at = close + 1;
  return Number(value & 0xffn);
}

const strings =
  (unit: number, terminated: boolean): Directive =>
  (assembler, cursor) =>
    each(cursor, () => {
      const bytes = new ByteBuffer();
      // Strings side by side are one; `<number>` is a byte.
      do bytes.push(cursor.eat("<") ? [bracketedByte(assembler, cursor)] : readString(cursor));
      while (/["<]/.test(cursor.skipSpace().peek()));
      if (terminated) bytes.push([0]);
      const wide = new Uint8Array(bytes.length * unit);
      for (const [i, byte] of bytes.view().entries()) wide[i * unit] = byte;
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
  if (size < 0n) {
    assembler.reporter.warning(wholeLine(cursor.line), "the size of '.fill' is negative: it is ignored");
    return;
  }
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
      const big = readBigNumber(cursor);
      const expr = big === undefined ? assembler.expressions.read(cursor) : undefined;
      const value = big ?? evaluateConstant(expr!, assembler.now);
      if (value !== undefined) builder.bytes(leb128(value, signed || big !== undefined), cursor.line);
      else builder.add(new LebFragment(builder.section, cursor.line, expr!, signed));
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

/** `.nops size[, longest]`: that many bytes of padding. */
const nopsDirective: Directive = (assembler, cursor) => {
  const size = assembler.expressions.read(cursor);
  const start = cursor.at;
  const longest = cursor.eat(",") ? assembler.constant(cursor, "the longest instruction") : 0n;
  const { builder, paddingBits } = assembler;
  const most = longestNop(paddingBits);
  if (longest < 0n || longest > BigInt(most))
    throw new SourceError(cursor.span(start), `the longest instruction here has 0 to ${most} bytes`);
  const known = evaluateConstant(size, assembler.now);
  if (known !== undefined && known < 0n) {
    assembler.reporter.warning(size.span, `'.nops' of a negative number (${known}) is ignored`);
    return;
  }
  const expr = known === undefined ? size : number(known, size.span);
  builder.add(
    new PaddingFragment(builder.section, cursor.line, expr, (bytes) => nops(bytes, paddingBits, Number(longest))),
  );
};

/** `.nop [size]`: that many bytes of NOP. */
const plainNop: Directive = (assembler, cursor) => {
  const size = cursor.done ? number(1n, wholeLine(cursor.line)) : assembler.expressions.read(cursor);
  addFill(assembler, cursor, size, Uint8Array.of(0x90), "'.nop'");
};

/** `.dcb.x count[, value]`: the value that often. */
const repeated =
  (size: number, format?: FloatFormat): Directive =>
  (assembler, cursor) => {
    const count = assembler.expressions.read(cursor);
    let unit: Uint8Array = new Uint8Array(size);
    if (cursor.eat(","))
      unit = format
        ? littleEndian(size, readFloat(cursor, format))
        : littleEndian(size, assembler.constant(cursor, "the value"));
    addFill(assembler, cursor, count, unit, "'.dcb'");
  };

/** `.ds.x count[, fill]`: room for that many items. */
const reserved =
  (size: number): Directive =>
  (assembler, cursor) => {
    const count = assembler.expressions.read(cursor);
    const fill = cursor.eat(",") ? assembler.constant(cursor, "the fill value") : 0n;
    addFill(assembler, cursor, count, littleEndian(size, fill), "'.ds'");
  };

export const DATA: Readonly<Record<string, Directive>> = {
  ".byte": integers(1),
  ".dc.b": integers(1),
  ".dc": integers(2),
  ".dc.w": integers(2),
  ".dc.l": integers(4),
  ".dc.a": (assembler, cursor, name) => integers(assembler.objectBits / 8)(assembler, cursor, name),
  ".dc.s": floats(FLOAT32),
  ".dc.d": floats(FLOAT64),
  ".dc.x": floats(FLOAT80),
  ".dcb": repeated(2),
  ".dcb.b": repeated(1),
  ".dcb.w": repeated(2),
  ".dcb.l": repeated(4),
  ".dcb.s": repeated(4, FLOAT32),
  ".dcb.d": repeated(8, FLOAT64),
  ".dcb.x": repeated(10, FLOAT80),
  ".ds": reserved(2),
  ".ds.b": reserved(1),
  ".ds.w": reserved(2),
  ".ds.l": reserved(4),
  ".ds.s": reserved(4),
  ".ds.d": reserved(8),
  ".ds.p": reserved(10),
  ".ds.x": reserved(10),
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
  ".bfloat16": floats(BFLOAT16),
  ".float": floats(FLOAT32),
  ".single": floats(FLOAT32),
  ".ffloat": floats(FLOAT32),
  ".double": floats(FLOAT64),
  ".dfloat": floats(FLOAT64),
  ".tfloat": floats(FLOAT80),
  ".ascii": strings(1, false),
  ".asciz": strings(1, true),
  ".string": strings(1, true),
  ".string8": strings(1, true),
  ".string16": strings(2, true),
  ".string32": strings(4, true),
  ".string64": strings(8, true),
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
  ".nop": plainNop,
};
