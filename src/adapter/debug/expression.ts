/**
 * The expression language of watch, hover and console: registers, flags, symbols, `[seg:off]` memory with a size, kernel fields,
 * arithmetic, comparison, casts, assignment, and a format and a count behind a comma (`rax,d`, `byte [msg],12c`).
 *
 *   dword [ss:esp+4]    qword [rsp]    rax + 8*2    ZF == 1 && eax > 5    TS_COMPAT    al = 0x41    int8(al) < 0    $1 + 1
 *
 * Values are 64-bit; what a register or memory gives is unsigned of its size. Errors point at the column.
 */
import {
  type BinaryOperator,
  checkQuestion,
  type Node,
  type NodeOf,
  parseExpression,
  type SegmentName,
  type UnaryOperator,
} from "./expression-tree.ts";
import { hex, hexAddr } from "./format.ts";
import { ExpressionError, type Reference } from "./reference.ts";

/** What names mean, and how memory is reached. */
export interface Scope {
  /** A register, flag, kernel field or symbol; a symbol reads as its address. */
  name(name: string): Reference | undefined;
  /** Memory at `offset` of a segment ("ds" where nothing was said). */
  /** @param process whose memory, by its pid; that of whom one looks at if not said. */
  memory(segment: SegmentName | undefined, offset: bigint, bytes: number, process?: number): Reference;
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

/** @throws ExpressionError with the column where it went wrong. */
export function evaluate(text: string, scope: Scope): Evaluated {
  const { root, format, count, formatColumn } = parseExpression(text);
  const { value, bits, reference } = resultOf(root, scope);
  if (count > 1 && (reference?.address === undefined || reference.within !== undefined))
    throw new ExpressionError("only memory has more elements behind it", formatColumn);
  return { value, bits, reference, format, count };
}

/** As evaluate(), of what is to change nothing. @throws ExpressionError if it would. */
export function ask(text: string, scope: Scope): Evaluated {
  checkQuestion(text);
  return evaluate(text, scope);
}

interface Result {
  readonly value: bigint;
  readonly bits: number;
  readonly reference?: Reference;
}

/** Compared, divided and shifted as a signed number: negative numbers and signed casts are, and what is made with them. */
export function isSigned(node: Node): boolean {
  switch (node.kind) {
    case "unary":
      return node.operator === "-";
    case "binary":
      return isSigned(node.left) || isSigned(node.right);
    case "cast":
      return node.signed;
    default:
      return false;
  }
}

function resultOf(node: Node, scope: Scope): Result {
  switch (node.kind) {
    case "number":
      return { value: node.value, bits: 64 };
    case "name":
      return named(node, scope);
    case "memory":
      return memory(node, scope);
    case "cast":
      return cast(node, resultOf(node.operand, scope).value);
    case "unary":
      return { value: BigInt.asUintN(64, UNARY[node.operator](resultOf(node.operand, scope).value)), bits: 64 };
    case "binary":
      return binary(node, scope);
    case "assignment":
      return assign(node, scope);
  }
}

function named({ name, column }: NodeOf<"name">, scope: Scope): Result {
  const reference = scope.name(name);
  if (reference === undefined)
    throw new ExpressionError(`no register, symbol or kernel field is named "${brief(name)}"`, column);
  const value = reference.read();
  if (value === undefined) throw new ExpressionError(`${name} cannot be read now`, column);
  return { value, bits: reference.bits, reference };
}

/** Characters of a name that are told back. */
const MOST_SHOWN = 80;
const brief = (name: string): string => (name.length > MOST_SHOWN ? `${name.slice(0, MOST_SHOWN)}...` : name);

function memory({ segment, offset, bytes = 0, process, column }: NodeOf<"memory">, scope: Scope): Result {
  const size = bytes || scope.wordBytes;
  const at = resultOf(offset, scope).value;
  const reference = scope.memory(segment, at, size, process);
  const value = reference.read();
  if (value === undefined) {
    const where = reference.address === undefined ? hex(at) : hexAddr(reference.address);
    throw new ExpressionError(`there is no memory mapped at ${where}`, column);
  }
  return { value, bits: size * 8, reference };
}

const cast = ({ bits, signed }: NodeOf<"cast">, value: bigint): Result => ({
  value: signed ? BigInt.asUintN(64, BigInt.asIntN(bits, value)) : BigInt.asUintN(bits, value),
  bits,
});

function assign({ target, value: right, column }: NodeOf<"assignment">, scope: Scope): Result {
  const { bits, reference } = resultOf(target, scope);
  const { value } = resultOf(right, scope);
  if (reference?.write === undefined) throw new ExpressionError("this cannot be assigned to", column);
  reference.write(value);
  return { value: BigInt.asUintN(bits, value), bits, reference };
}

/** Both sides are always looked at. */
function binary(node: NodeOf<"binary">, scope: Scope): Result {
  const signed = isSigned(node);
  const operand = ({ value }: Result): bigint => (signed ? BigInt.asIntN(64, value) : value);
  const left = operand(resultOf(node.left, scope));
  const right = operand(resultOf(node.right, scope));
  if ((node.operator === "/" || node.operator === "%") && right === 0n)
    throw new ExpressionError("division by zero", node.column);
  return { value: BigInt.asUintN(64, BINARY[node.operator](left, right)), bits: 64 };
}

const UNARY: Readonly<Record<UnaryOperator, (value: bigint) => bigint>> = {
  "-": (value) => -value,
  "~": (value) => ~value,
  "!": (value) => truth(value === 0n),
  "+": (value) => value,
};

const truth = (yes: boolean): bigint => (yes ? 1n : 0n);
const BINARY: Readonly<Record<BinaryOperator, (left: bigint, right: bigint) => bigint>> = {
  "||": (left, right) => truth(left !== 0n || right !== 0n),
  "&&": (left, right) => truth(left !== 0n && right !== 0n),
  "|": (left, right) => left | right,
  "^": (left, right) => left ^ right,
  "&": (left, right) => left & right,
  "==": (left, right) => truth(left === right),
  "!=": (left, right) => truth(left !== right),
  "<": (left, right) => truth(left < right),
  "<=": (left, right) => truth(left <= right),
  ">": (left, right) => truth(left > right),
  ">=": (left, right) => truth(left >= right),
  "<<": (left, right) => left << (right & 63n),
  ">>": (left, right) => left >> (right & 63n),
  "+": (left, right) => left + right,
  "-": (left, right) => left - right,
  "*": (left, right) => left * right,
  "/": (left, right) => left / right,
  "%": (left, right) => left % right,
};

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
