/** NASM expressions over tokens, with NASM's operators and precedences. */
import { SourceError } from "../core/diagnostics.ts";
import { type BinaryOp, binary, type Expr, number, type UnaryOp } from "../core/expr.ts";
import {
  BFLOAT16,
  FLOAT8,
  FLOAT16,
  FLOAT32,
  FLOAT64,
  FLOAT80,
  FLOAT128,
  type FloatFormat,
  type FloatRule,
  floatBits,
} from "../core/floats.ts";
import { lookUp } from "../core/look-up.ts";
import { join, type Line, type Span } from "../core/source.ts";
import { isFloat, parseInteger, stringBytes, type Token } from "./tokens.ts";
import { readWideText } from "./wide-text.ts";

export interface NasmScope {
  reference(name: string, span: Span): Expr;
  /** `$` */
  here(span: Span): Expr;
  /** `$$` */
  sectionStart(span: Span): Expr;
}

/** Reads tokens without spaces, one after the other. */
export class TokenCursor {
  readonly tokens: readonly Token[];
  readonly line: Line;
  at = 0;

  constructor(tokens: readonly Token[], line: Line) {
    this.tokens = tokens.filter((token) => token.kind !== "space");
    this.line = line;
  }

  get done(): boolean {
    return this.at >= this.tokens.length;
  }

  peek(ahead = 0): Token | undefined {
    return this.tokens[this.at + ahead];
  }

  next(): Token | undefined {
    return this.tokens[this.at++];
  }

  /** Is the next token this operator? */
  is(text: string): boolean {
    const token = this.peek();
    return token !== undefined && token.kind === "op" && token.text === text;
  }

  eat(text: string): boolean {
    if (!this.is(text)) return false;
    this.at++;
    return true;
  }

  /** The next token as a lower-case word, if it is one. */
  word(): string | undefined {
    const token = this.peek();
    return token?.kind === "id" ? token.text.toLowerCase() : undefined;
  }

  eatWord(word: string): boolean {
    if (this.word() !== word) return false;
    this.at++;
    return true;
  }

  expect(text: string): void {
    if (!this.eat(text)) throw new SourceError(this.here(), `expected '${text}'`);
  }

  /** Where we are, for messages. */
  here(): Span {
    const token = this.peek() ?? this.tokens.at(-1);
    if (!token) return { line: this.line, start: 0, end: this.line.text.length };
    return this.done ? { line: token.line, start: token.end, end: token.end } : token;
  }

  spanFrom(start: number): Span {
    const first = this.tokens[start];
    const last = this.tokens[Math.max(start, this.at - 1)];
    return first ? join(first, last ?? first) : this.here();
  }

  finish(): void {
    if (!this.done) throw new SourceError(this.here(), `unexpected '${this.peek()!.text}'`);
  }
}

/** `<=>` is 1 for a greater number and 0 for a less one: NASM 2.16 has it so, whatever its manual says. */
const LEVELS: readonly Readonly<Record<string, BinaryOp>>[] = [
  { "||": "||" },
  { "^^": "^^" },
  { "&&": "&&" },
  { "=": "==", "==": "==", "<>": "!=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "<=>": ">" },
  { "|": "|" },
  { "^": "^" },
  { "&": "&" },
  { "<<": "<<", "<<<": "<<", ">>": ">>", ">>>": ">>>" },
  { "+": "+", "-": "-" },
  { "*": "*", "/": "/", "//": "//", "%": "%", "%%": "%%" },
];
/** The format, and which of its bits the function gives: from this one on. */
const FUNCTIONS: Readonly<Record<string, readonly [FloatFormat, bigint]>> = {
  float8: [FLOAT8, 0n],
  float16: [FLOAT16, 0n],
  bfloat16: [BFLOAT16, 0n],
  float32: [FLOAT32, 0n],
  float64: [FLOAT64, 0n],
  float80m: [FLOAT80, 0n],
  float80e: [FLOAT80, 64n],
  float128l: [FLOAT128, 0n],
  float128h: [FLOAT128, 64n],
};
/** NASM's special symbols for `wrt`. */
const MODIFIERS: Readonly<Record<string, string>> = {
  "..gotpc": "GOTPC",
  "..gotoff": "GOTOFF",
  "..got": "GOT",
  "..plt": "PLT",
  "..sym": "SYM",
  "..gottpoff": "GOTTPOFF",
  "..tlsie": "INDNTPOFF",
};
/** Of the lowest power of two not below (`c`), the highest not above (`f`), or exactly (`e`). */
const logarithm =
  (kind: "e" | "f" | "c") =>
  (value: bigint): bigint | string => {
    const number = BigInt.asUintN(64, value);
    const floor = BigInt(number.toString(2).length - 1);
    const exact = number === 1n << floor;
    if (kind === "e" && !exact) return "the argument of ilog2e must be a power of two";
    return kind === "c" && !exact && number > 0n ? floor + 1n : floor;
  };
const LOGARITHMS: Readonly<Record<string, (value: bigint) => bigint | string>> = {
  ilog2e: logarithm("e"),
  ilog2w: logarithm("f"),
  ilog2f: logarithm("f"),
  ilog2fw: logarithm("f"),
  ilog2c: logarithm("c"),
  ilog2cw: logarithm("c"),
};
const MAX_DEPTH = 200;

export class NasmExpressions {
  /** As `float` says. */
  floatRule: FloatRule = { mode: "near", daz: false };
  readonly #scope: NasmScope;
  #depth = 0;
  #modifier: string | undefined;

  constructor(scope: NasmScope) {
    this.#scope = scope;
  }

  read(cursor: TokenCursor): Expr {
    const test = this.#level(cursor, 0);
    if (cursor.is("?") && cursor.peek(1)) {
      cursor.next();
      const a = this.read(cursor);
      cursor.expect(":");
      const b = this.read(cursor);
      return { op: "choose", test, a, b, span: join(test.span, b.span) };
    }
    if (cursor.eatWord("wrt")) this.#wrt(cursor);
    return test;
  }

  /** `wrt ..got`: what the last expression asked for. */
  takeModifier(): string | undefined {
    const modifier = this.#modifier;
    this.#modifier = undefined;
    return modifier;
  }

  #wrt(cursor: TokenCursor): void {
    const token = cursor.next();
    const modifier = token && lookUp(MODIFIERS, token.text);
    if (modifier === undefined)
      throw new SourceError(token ?? cursor.here(), `'wrt' takes one of ${Object.keys(MODIFIERS).join(" ")}`);
    this.#modifier = modifier;
  }

  #level(cursor: TokenCursor, level: number): Expr {
    const operators = LEVELS[level];
    if (!operators) return this.#unary(cursor);
    let left = this.#level(cursor, level + 1);
    for (;;) {
      const token = cursor.peek();
      const operator = token?.kind === "op" ? lookUp(operators, token.text) : undefined;
      if (!operator) return left;
      cursor.next();
      const right = this.#level(cursor, level + 1);
      left = binary(operator, left, isShift(operator) ? shiftCount(right) : right);
    }
  }

  #unary(cursor: TokenCursor): Expr {
    const token = cursor.peek();
    if (!token) throw new SourceError(cursor.here(), "expected an expression");
    if (++this.#depth > MAX_DEPTH) {
      this.#depth = 0;
      throw new SourceError(token, "this expression is nested too deeply");
    }
    const value = this.#operand(cursor, token);
    this.#depth = Math.max(0, this.#depth - 1);
    return value;
  }

  #operand(cursor: TokenCursor, token: Token): Expr {
    const wideText = readWideText(cursor);
    if (wideText) return bytesNumber(wideText, token);
    cursor.next();
    if (token.kind === "op") return this.#operator(cursor, token);
    if (token.kind === "number") return this.#number(token);
    if (token.kind === "string") return stringNumber(token);
    if (token.kind === "id") return this.#name(cursor, token);
    const open = `'"\``.includes(token.text);
    throw new SourceError(token, open ? "this string does not end" : `unexpected '${token.text}' in an expression`);
  }

  #operator(cursor: TokenCursor, token: Token): Expr {
    if ("-+~!".includes(token.text)) {
      const a = this.#unary(cursor);
      return { op: "unary", operator: token.text as UnaryOp, a, span: join(token, a.span) };
    }
    if (token.text === "(") {
      const inner = this.read(cursor);
      cursor.expect(")");
      return { ...inner, span: join(token, cursor.peek(-1) ?? token) };
    }
    if (token.text === "$") return this.#scope.here(token);
    if (token.text === "$$") return this.#scope.sectionStart(token);
    throw new SourceError(token, `expected an expression, not '${token.text}'`);
  }

  #number(token: Token): Expr {
    const value = parseInteger(token.text);
    if (value !== undefined) return number(value, token);
    if (isFloat(token.text)) throw new SourceError(token, "a floating-point number cannot be used here");
    throw new SourceError(token, `'${token.text}' is not a number`);
  }

  #name(cursor: TokenCursor, token: Token): Expr {
    const lower = token.text.toLowerCase();
    if (lower === "seg") throw new SourceError(token, "'seg' has no meaning in the output formats here");
    const helper = /^__\??(\w+?)\??__$/.exec(lower);
    const format = helper && lookUp(FUNCTIONS, helper[1]!);
    if (format && cursor.is("(")) return this.#float(cursor, token, format);
    if (helper && Object.hasOwn(LOGARITHMS, helper[1]!)) return this.#logarithm(cursor, token, helper[1]!);
    return this.#scope.reference(token.text.startsWith("$") ? token.text.slice(1) : token.text, token);
  }

  /** `__ilog2e__(8)` */
  #logarithm(cursor: TokenCursor, token: Token, name: string): Expr {
    const a = this.#unary(cursor);
    return { op: "apply", apply: LOGARITHMS[name]!, a, span: join(token, a.span) };
  }

  /** `__float32__(1.5)`: the bits as an integer. */
  #float(cursor: TokenCursor, token: Token, [format, from]: readonly [FloatFormat, bigint]): Expr {
    cursor.expect("(");
    const bits = readFloat(cursor, format, this.floatRule);
    if (bits === undefined) throw new SourceError(cursor.here(), "expected a floating-point number");
    cursor.expect(")");
    return number(bits >> from, token);
  }
}

const isShift = (operator: BinaryOp): boolean => /^(<<|>>)/.test(operator);

/** As the processor does it: modulo 64. */
function shiftCount(count: Expr): Expr {
  if (count.op === "number" && count.value >= 0n && count.value < 64n) return count;
  return binary("&", count, number(63n, count.span));
}

/** A floating-point number with its sign, if there is one here. */
export function readFloat(cursor: TokenCursor, format: FloatFormat, rule: FloatRule): bigint | undefined {
  const start = cursor.at;
  const sign = cursor.is("-") || cursor.is("+") ? cursor.next()!.text.replace("+", "") : "";
  const token = cursor.next();
  const special = token?.kind === "id" && /^__\??(infinity|nan|qnan|snan)\??__$/i.test(token.text);
  const bits =
    token && (special || (token.kind === "number" && isFloat(token.text)))
      ? floatBits(sign + token.text.replace(/^0h/i, "0x"), format, rule)
      : undefined;
  if (bits === undefined) cursor.at = start;
  return bits;
}

/** A short string as a number, its first character lowest. */
function stringNumber(token: Token): Expr {
  return bytesNumber(stringBytes(token.text), token);
}

function bytesNumber(bytes: Uint8Array, token: Token): Expr {
  if (bytes.length > 8) throw new SourceError(token, "a string of more than 8 bytes cannot be a number");
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  return number(value, token);
}
