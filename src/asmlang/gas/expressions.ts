/** GNU expressions: numbers, characters, symbols, `1f`/`1b`, `.`, with gas's precedences. */
import { ByteBuffer } from "../core/buffer.ts";
import { SourceError } from "../core/diagnostics.ts";
import { type BinaryOp, binary, type Expr, number, type UnaryOp } from "../core/expr.ts";
import { isRelocation } from "../core/relocations.ts";
import { join, type Span } from "../core/source.ts";
import type { Cursor } from "./cursor.ts";

/** What the expression reader needs to know of symbols. */
export interface SymbolScope {
  reference(name: string, span: Span): Expr;
  /** `1f` and `1b`. */
  numeric(label: string, forward: boolean, span: Span): Expr;
  /** `.` */
  here(span: Span): Expr;
  /** `@GOT` and others: the global offset table is used. */
  table(span: Span): void;
  warn(span: Span, message: string): void;
  /** An ELF64 object. */
  readonly wide: boolean;
}

const OPERATORS: readonly (readonly [string, BinaryOp, number])[] = [
  ["||", "||", 1],
  ["&&", "&&", 2],
  ["==", "==", 3],
  ["!=", "!=", 3],
  ["<>", "!=", 3],
  ["<<", "<<", 6],
  [">>", ">>", 6],
  ["<=", "<=", 3],
  [">=", ">=", 3],
  ["<", "<", 3],
  [">", ">", 3],
  ["+", "+", 4],
  ["-", "-", 4],
  ["|", "|", 5],
  ["&", "&", 5],
  ["^", "^", 5],
  ["!", "|~", 5],
  ["*", "*", 6],
  ["/", "//", 6],
  ["%", "%%", 6],
];
const OPERATOR_STARTS = new Set(OPERATORS.map(([text]) => text[0]!));
const MAX_DEPTH = 200;
/** Decimal digits that stand alone and that a JavaScript number can say. */
const PLAIN_NUMBER = /(?:0|[1-9]\d{0,14})(?![\w.$@])/y;
const NUMERIC_LABEL = /(\d+)([fb])(?![\w.$])/y;
const NUMBER = /0[xX][\da-fA-F]+[uUlL]*|0[bB][01]+[uUlL]*|\d[\da-zA-Z]*/y;
/** As in C: `1UL`, `1ULL`. */
const SUFFIX = /(?<=[\da-f])u?l{0,2}$/i;
const ESCAPES: Readonly<Record<string, number>> = { b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };

export class ExpressionReader {
  readonly #scope: SymbolScope;
  #depth = 0;
  #modifier: string | undefined;

  constructor(scope: SymbolScope) {
    this.#scope = scope;
  }

  read(cursor: Cursor): Expr {
    return this.#binary(cursor, 1);
  }

  #binary(cursor: Cursor, lowest: number): Expr {
    let left = this.#unary(cursor);
    for (;;) {
      if (!OPERATOR_STARTS.has(cursor.skipSpace().peek())) return left;
      const found = OPERATORS.find(([text]) => cursor.text.startsWith(text, cursor.at) && cursor.at < cursor.end);
      if (!found || found[2] < lowest) return left;
      cursor.at += found[0].length;
      const right = this.#right(cursor, found);
      left = binary(found[1], left, right);
      // In gas the truth of a comparison is all ones.
      if (found[2] === 3) left = { op: "unary", operator: "-", a: left, span: left.span };
    }
  }

  /** What stands behind an operator; nothing is zero, and zero as a divisor is one: with warnings. */
  #right(cursor: Cursor, [text, operator, priority]: (typeof OPERATORS)[number]): Expr {
    if (cursor.done || /[,)\]]/.test(cursor.peek())) {
      this.#scope.warn(cursor.here(), `there is nothing after '${text}': it is taken for zero`);
      return number(0n, cursor.span(cursor.at));
    }
    const right = this.#binary(cursor, priority + 1);
    const divides = operator === "//" || operator === "%%";
    if (!divides || right.op !== "number" || right.value !== 0n) return right;
    this.#scope.warn(right.span, "division by zero: it is taken for one");
    return number(1n, right.span);
  }

  #unary(cursor: Cursor): Expr {
    cursor.skipSpace();
    const start = cursor.at;
    const operator = cursor.peek();
    if (operator === "-" || operator === "+" || operator === "~" || operator === "!") {
      cursor.at++;
      const a = this.#nested(cursor, () => this.#unary(cursor));
      return { op: "unary", operator: operator as UnaryOp, a, span: join(cursor.span(start), a.span) };
    }
    return this.primary(cursor);
  }

  #nested<T>(cursor: Cursor, read: () => T): T {
    if (++this.#depth > MAX_DEPTH) {
      this.#depth = 0;
      throw cursor.error("this expression is nested too deeply");
    }
    const result = read();
    this.#depth--;
    return result;
  }

  primary(cursor: Cursor): Expr {
    const start = cursor.at;
    const next = cursor.peek();
    if (next === "(" || next === "[") {
      cursor.at++;
      const inner = this.#nested(cursor, () => this.#binary(cursor, 1));
      cursor.expect(next === "(" ? ")" : "]");
      this.#readModifier(cursor);
      return { ...inner, span: cursor.span(start) };
    }
    if (next === "'") return number(BigInt(readCharacter(cursor)), cursor.span(start));
    if (next >= "0" && next <= "9") return this.#number(cursor);
    const name = cursor.identifier();
    if (!name && cursor.text.startsWith("//", cursor.at)) throw cursor.wrongComment();
    if (!name)
      throw new SourceError(
        cursor.here(),
        next === "" ? "expected an expression" : `expected an expression, not '${next}'`,
      );
    if (name.name === ".") return this.#scope.here(name.span);
    this.#readModifier(cursor);
    return this.#scope.reference(name.name, name.span);
  }

  /** `name@GOTPCREL`: what the last expression asked for. */
  takeModifier(): string | undefined {
    const modifier = this.#modifier;
    this.#modifier = undefined;
    return modifier;
  }

  #readModifier(cursor: Cursor): void {
    if (cursor.peek() !== "@") return;
    const start = cursor.at++;
    const modifier = (cursor.word() ?? "").toUpperCase();
    if (!isRelocation(modifier, this.#scope.wide))
      throw new SourceError(cursor.span(start), `there is no relocation '@${modifier}' for this object`);
    if (this.#modifier !== undefined)
      throw new SourceError(cursor.span(start), "an expression has at most one '@' relocation");
    this.#modifier = modifier;
    if (!/^(PLT|SIZE)$/.test(modifier)) this.#scope.table(cursor.span(start));
  }

  #number(cursor: Cursor): Expr {
    const start = cursor.at;
    const plain = cursor.match(PLAIN_NUMBER);
    if (plain !== undefined) return number(BigInt(Number(plain)), cursor.span(start));
    NUMERIC_LABEL.lastIndex = start;
    const label = NUMERIC_LABEL.exec(cursor.text);
    if (label && start + label[0].length <= cursor.end && !/^0b[01]/i.test(cursor.text.slice(start))) {
      cursor.at += label[0].length;
      return this.#scope.numeric(label[1]!, label[2] === "f", cursor.span(start));
    }
    const text = cursor.match(NUMBER)!;
    const value = parseNumber(text.replace(SUFFIX, ""));
    if (value === undefined) throw new SourceError(cursor.span(start), `'${text}' is not a number`);
    if (value >> 64n !== 0n) throw new SourceError(cursor.span(start), `'${text}' does not fit in 64 bits`);
    this.#readModifier(cursor);
    return number(value, cursor.span(start));
  }
}

export function parseNumber(text: string): bigint | undefined {
  if (/^0x[\da-f]+$/i.test(text) || /^0b[01]+$/i.test(text)) return BigInt(text);
  if (/^0[0-7]*$/.test(text)) return BigInt(`0o${text}`);
  return /^[1-9]\d*$/.test(text) ? BigInt(text) : undefined;
}

/** A character constant: `'a`, `'a'`, `'\n`. */
export function readCharacter(cursor: Cursor): number {
  const start = cursor.at++;
  let code = cursor.text.codePointAt(cursor.at);
  if (cursor.at >= cursor.end || code === undefined)
    throw new SourceError(cursor.span(start), "expected a character after '");
  cursor.at++;
  if (code === 0x5c && cursor.peek() !== "") {
    const letter = cursor.text[cursor.at++]!;
    code = letter === "v" ? 0x76 : (ESCAPES[letter] ?? letter.charCodeAt(0));
  }
  if (cursor.peek() === "'") cursor.at++;
  return code & 0xff;
}

/** What follows a backslash. */
export function readEscape(cursor: Cursor): number {
  const octal = cursor.match(/\d{1,3}/y);
  if (octal) return [...octal].reduce((value, digit) => value * 8 + Number(digit), 0) & 0xff;
  const hex = cursor.match(/[xX][\da-fA-F]*/y);
  if (hex) return Number.parseInt(`0${hex.slice(1).slice(-2)}`, 16);
  const letter = cursor.text[cursor.at++] ?? "\\";
  return ESCAPES[letter] ?? letter.charCodeAt(0);
}

const encoder = new TextEncoder();

/** A string constant as bytes. */
export function readString(cursor: Cursor): Uint8Array {
  cursor.skipSpace();
  if (cursor.peek() !== '"') throw cursor.error("expected a string");
  const start = cursor.at++;
  const bytes = new ByteBuffer();
  for (;;) {
    const plain = cursor.match(/[^"\\]+/y);
    if (plain !== undefined) bytes.push(encoder.encode(plain));
    if (cursor.at >= cursor.end) throw new SourceError(cursor.span(start), "unterminated string");
    const character = cursor.text[cursor.at++];
    if (character === '"') return bytes.view();
    if (character === "\\" && cursor.at < cursor.end) bytes.push([readEscape(cursor)]);
    else bytes.push(encoder.encode(character));
  }
}

/** A string constant as text: file and section names. */
export const readText = (cursor: Cursor): string => new TextDecoder().decode(readString(cursor));
