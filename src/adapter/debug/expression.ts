/**
 * The expression language of watch, hover and console: registers, flags, symbols, `[seg:off]` memory with a size, kernel fields,
 * arithmetic, comparison, casts, assignment, and a format and a count behind a comma (`rax,d`, `byte [msg],12c`).
 *
 *   dword [ss:esp+4]    qword [rsp]    rax + 8*2    ZF == 1 && eax > 5    TS_COMPAT    al = 0x41    int8(al) < 0    $1 + 1
 *
 * Values are 64-bit; what a register or memory gives is unsigned of its size. Errors point at the column.
 */
import { type Token, tokenize } from "./expression-tokens.ts";
import { ExpressionError, type Reference } from "./reference.ts";

/** What names mean, and how memory is reached. */
export interface Scope {
  /** A register, flag, kernel field or symbol; a symbol reads as its address. */
  name(name: string): Reference | undefined;
  /** Memory at `offset` of a segment ("ds" where nothing was said). */
  memory(segment: string | undefined, offset: bigint, bytes: number): Reference;
  /** Width of an address and of memory with no size given. */
  readonly wordBytes: 2 | 4 | 8;
}

export interface Evaluated {
  readonly value: bigint;
  readonly bits: number;
  readonly reference: Reference | undefined;
  /** "x" hexadecimal, "d" signed decimal, "u" unsigned, "b" binary, "c" character. */
  readonly format: string;
  /** Values in a row in memory, the first included; 1 unless the expression asks for more. */
  readonly count: number;
}

const SIZES: Readonly<Record<string, number>> = { byte: 1, word: 2, dword: 4, qword: 8 };
/** Casts: to the low bits, without or with their sign. */
const CASTS: Readonly<Record<string, { readonly bits: number; readonly signed: boolean }>> = {
  byte: { bits: 8, signed: false },
  word: { bits: 16, signed: false },
  dword: { bits: 32, signed: false },
  qword: { bits: 64, signed: false },
  int8: { bits: 8, signed: true },
  int16: { bits: 16, signed: true },
  int32: { bits: 32, signed: true },
  int64: { bits: 64, signed: true },
};
/** Names that mean something in every expression. */
export const EXPRESSION_WORDS: readonly string[] = Object.keys(CASTS);
const MOST_ELEMENTS = 4096;
const FORMAT = /^(\d*)([xdubc]?)$/;
const PRECEDENCE: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["|"],
  ["^"],
  ["&"],
  ["==", "!="],
  ["<", "<=", ">", ">="],
  ["<<", ">>"],
  ["+", "-"],
  ["*", "/", "%"],
];

/** @throws ExpressionError with the column where it went wrong. */
export function evaluate(text: string, scope: Scope): Evaluated {
  const parser = new Parser(text, scope);
  return parser.whole();
}

interface Result {
  readonly value: bigint;
  readonly bits: number;
  readonly reference?: Reference;
  /** Compared and divided as a signed number: negative numbers and signed casts are. */
  readonly signed?: boolean;
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #scope: Scope;
  #next = 0;

  constructor(text: string, scope: Scope) {
    this.#tokens = tokenize(text);
    this.#scope = scope;
  }

  whole(): Evaluated {
    const result = this.#assignment();
    const { format, count } = this.#format(result);
    const token = this.#peek();
    if (token.kind !== "end") throw new ExpressionError(`"${token.text}" was not expected here`, token.column);
    return { value: result.value, bits: result.bits, reference: result.reference, format, count };
  }

  /** Behind a comma: how many elements, and a letter. */
  #format({ reference }: Result): { format: string; count: number } {
    if (!this.#take(",")) return { format: "x", count: 1 };
    const token = this.#advance();
    const match = FORMAT.exec(token.text);
    if (token.text === "" || match === null)
      throw new ExpressionError("a format is one of x d u b c, a count, or both: 4x", token.column);
    const count = match[1] === "" ? 1 : Number(match[1]);
    if (count < 1 || count > MOST_ELEMENTS)
      throw new ExpressionError(`a count is between 1 and ${MOST_ELEMENTS}`, token.column);
    if (count > 1 && (reference?.address === undefined || reference.within !== undefined))
      throw new ExpressionError("only memory has more elements behind it", token.column);
    return { format: match[2] || "x", count };
  }

  #assignment(): Result {
    const start = this.#peek().column;
    const left = this.#binary(0);
    if (!this.#take("=")) return left;
    const right = this.#assignment();
    if (left.reference?.write === undefined) throw new ExpressionError("this cannot be assigned to", start);
    left.reference.write(right.value);
    return { value: BigInt.asUintN(left.bits, right.value), bits: left.bits, reference: left.reference };
  }

  #binary(level: number): Result {
    const operators = PRECEDENCE[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const token = this.#peek();
      if (token.kind !== "operator" || !operators.includes(token.text)) return left;
      this.#advance();
      const right = this.#binary(level + 1);
      const signed = left.signed === true || right.signed === true;
      left = { value: apply(token, operand(left, signed), operand(right, signed)), bits: 64, signed };
    }
  }

  #unary(): Result {
    for (const [operator, act] of UNARY) {
      if (this.#take(operator))
        return { value: BigInt.asUintN(64, act(this.#unary().value)), bits: 64, signed: operator === "-" };
    }
    return this.#primary();
  }

  #primary(): Result {
    const token = this.#advance();
    if (token.kind === "number") return { value: token.value, bits: 64 };
    if (token.text === "(") {
      const inner = this.#assignment();
      this.#expect(")");
      return inner;
    }
    if (token.text === "[") return this.#memory(this.#scope.wordBytes, token.column);
    if (token.kind === "name") return this.#named(token);
    throw new ExpressionError(
      token.kind === "end" ? "the expression ends too early" : `"${token.text}" was not expected here`,
      token.column,
    );
  }

  #named(token: Token): Result {
    const cast = CASTS[token.text.toLowerCase()];
    if (cast !== undefined && this.#take("(")) return this.#cast(cast);
    const size = SIZES[token.text.toLowerCase()];
    if (size !== undefined) {
      if (this.#peek().text.toLowerCase() === "ptr") this.#advance();
      this.#expect("[");
      return this.#memory(size, token.column);
    }
    const reference = this.#scope.name(token.text);
    if (reference === undefined)
      throw new ExpressionError(`no register, symbol or kernel field is named "${token.text}"`, token.column);
    const value = reference.read();
    if (value === undefined) throw new ExpressionError(`${token.text} cannot be read now`, token.column);
    return { value, bits: reference.bits, reference };
  }

  /** After "(". */
  #cast({ bits, signed }: { readonly bits: number; readonly signed: boolean }): Result {
    const { value } = this.#assignment();
    this.#expect(")");
    return signed
      ? { value: BigInt.asUintN(64, BigInt.asIntN(bits, value)), bits, signed }
      : { value: BigInt.asUintN(bits, value), bits };
  }

  /** After "[": an optional segment and colon, an offset, "]". */
  #memory(bytes: number, column: number): Result {
    const segment = this.#segmentPrefix();
    const offset = this.#assignment().value;
    this.#expect("]");
    const reference = this.#scope.memory(segment, offset, bytes);
    const value = reference.read();
    if (value === undefined) throw new ExpressionError(`there is no memory mapped at 0x${offset.toString(16)}`, column);
    return { value, bits: bytes * 8, reference };
  }

  #segmentPrefix(): string | undefined {
    const [name, colon] = [this.#tokens[this.#next], this.#tokens[this.#next + 1]];
    if (colon?.text !== ":" || name === undefined) return undefined;
    this.#next += 2;
    return name.text.toLowerCase();
  }

  #peek(): Token {
    return this.#tokens[this.#next]!;
  }
  #advance(): Token {
    const token = this.#peek();
    if (token.kind !== "end") this.#next++;
    return token;
  }
  #take(text: string): boolean {
    if (this.#peek().text !== text || this.#peek().kind !== "operator") return false;
    this.#next++;
    return true;
  }
  #expect(text: string): void {
    const token = this.#peek();
    if (!this.#take(text)) throw new ExpressionError(`"${text}" is missing`, token.column);
  }
}

const UNARY: readonly (readonly [string, (value: bigint) => bigint])[] = [
  ["-", (value) => -value],
  ["~", (value) => ~value],
  ["!", (value) => (value === 0n ? 1n : 0n)],
  ["+", (value) => value],
];

const operand = ({ value }: Result, signed: boolean): bigint => (signed ? BigInt.asIntN(64, value) : value);

function apply({ text, column }: Token, left: bigint, right: bigint): bigint {
  const truth = (yes: boolean) => (yes ? 1n : 0n);
  switch (text) {
    case "||":
      return truth(left !== 0n || right !== 0n);
    case "&&":
      return truth(left !== 0n && right !== 0n);
    case "|":
      return BigInt.asUintN(64, left | right);
    case "^":
      return BigInt.asUintN(64, left ^ right);
    case "&":
      return BigInt.asUintN(64, left & right);
    case "==":
      return truth(left === right);
    case "!=":
      return truth(left !== right);
    case "<":
      return truth(left < right);
    case "<=":
      return truth(left <= right);
    case ">":
      return truth(left > right);
    case ">=":
      return truth(left >= right);
    case "<<":
      return BigInt.asUintN(64, left << (right & 63n));
    case ">>":
      return BigInt.asUintN(64, left >> (right & 63n));
    case "+":
      return BigInt.asUintN(64, left + right);
    case "-":
      return BigInt.asUintN(64, left - right);
    case "*":
      return BigInt.asUintN(64, left * right);
    default:
      if (right === 0n) throw new ExpressionError("division by zero", column);
      return BigInt.asUintN(64, text === "/" ? left / right : left % right);
  }
}

/** The value as the format says. */
export function formatValue({ value, bits, format }: Pick<Evaluated, "value" | "bits" | "format">): string {
  const unsigned = BigInt.asUintN(bits, value);
  if (format === "d") return BigInt.asIntN(bits, value).toString();
  if (format === "u") return unsigned.toString();
  if (format === "b") return `0b${unsigned.toString(2).padStart(bits, "0")}`;
  if (format === "c") return JSON.stringify(String.fromCharCode(Number(unsigned & 0xffn)));
  return bits === 1
    ? unsigned.toString()
    : `0x${unsigned.toString(16).padStart(bits === 64 ? 1 : Math.ceil(bits / 4), "0")}`;
}
