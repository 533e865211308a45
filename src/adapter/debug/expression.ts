/**
 * The expression language of watch, hover and console: registers, flags, symbols, `[seg:off]` memory with a size, kernel fields,
 * arithmetic, comparison, casts, assignment, and a format and a count behind a comma (`rax,d`, `byte [msg],12c`).
 *
 *   dword [ss:esp+4]    qword [rsp]    rax + 8*2    ZF == 1 && eax > 5    TS_COMPAT    al = 0x41    int8(al) < 0    $1 + 1
 *   xmm0.v4_float[1] > 2.5    double [x] * 2
 *
 * Values are 64-bit, or as wide as the register; what a register or memory gives is unsigned of its size, unless it is a floating-point
 * number: one among its operands makes an operation one of doubles. Errors point at the column.
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
import { isRealWidth, realBits, realOf, realText } from "./real.ts";
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
  /** Of a floating-point number, its bits. */
  readonly value: bigint;
  readonly bits: number;
  readonly real: number | undefined;
  readonly reference: Reference | undefined;
  /** "x" hexadecimal, "d" signed decimal, "u" unsigned, "b" binary, "c" character, "f" floating-point. */
  readonly format: string;
  /** Values in a row in memory, the first included; 1 unless the expression asks for more. */
  readonly count: number;
}

/** @throws ExpressionError with the column where it went wrong. */
export function evaluate(text: string, scope: Scope): Evaluated {
  const { root, count, formatColumn, ...asked } = parseExpression(text);
  const { value, bits, real, reference } = resultOf(root, scope);
  const format = asked.format ?? (real === undefined ? formatOf(reference) : "f");
  if (count > 1 && (reference?.address === undefined || reference.within !== undefined))
    throw new ExpressionError("only memory has more elements behind it", formatColumn);
  if (format === "f" && !isRealWidth(reference?.elements?.[0]?.bits ?? bits))
    throw new ExpressionError("only 32, 64 and 80 bits hold a floating-point number", formatColumn);
  return { value, bits, real, reference, format, count };
}

/** As evaluate(), of what is to change nothing. @throws ExpressionError if it would. */
export function ask(text: string, scope: Scope): Evaluated {
  checkQuestion(text);
  return evaluate(text, scope);
}

interface Result {
  readonly value: bigint;
  readonly bits: number;
  readonly real?: number | undefined;
  readonly reference?: Reference;
}

const whole = (value: bigint, bits: number): Result => ({ value: BigInt.asUintN(bits, value), bits });
const realResult = (real: number, bits: 32 | 64 = 64): Result => ({ value: realBits(real, bits), bits, real });
const valueIn = (value: bigint, reference: Reference): Result => {
  const { bits } = reference;
  return { value, bits, real: reference.real && realOf(value, bits), reference };
};

/** Compared, divided and shifted as a signed number: negative numbers and signed casts are, and what is made with them. */
export function isSigned(node: Node): boolean {
  switch (node.kind) {
    case "unary":
      return node.operator === "-";
    case "binary":
      return isSigned(node.left) || isSigned(node.right);
    case "cast":
      return node.to === "signed";
    default:
      return false;
  }
}

function resultOf(node: Node, scope: Scope): Result {
  switch (node.kind) {
    case "number":
      return { value: node.value, bits: Math.max(64, node.value.toString(16).length * 4) };
    case "real":
      return realResult(node.value);
    case "element":
      return element(node, scope);
    case "name":
      return named(node, scope);
    case "memory":
      return memory(node, scope);
    case "cast":
      return cast(node, resultOf(node.operand, scope));
    case "unary":
      return unary(node, scope);
    case "binary":
      return binary(node, scope);
    case "assignment":
      return assign(node, scope);
  }
}

function referenceTo({ name, column }: NodeOf<"name">, scope: Scope): Reference {
  const reference = scope.name(name);
  if (reference === undefined)
    throw new ExpressionError(`no register, symbol or kernel field is named "${brief(name)}"`, column);
  return reference;
}

function named(node: NodeOf<"name">, scope: Scope): Result {
  const reference = referenceTo(node, scope);
  const value = reference.read();
  if (value === undefined) throw new ExpressionError(`${node.name} cannot be read now`, node.column);
  return valueIn(value, reference);
}

function element({ of, index, column }: NodeOf<"element">, scope: Scope): Result {
  const { elements } = referenceTo(of, scope);
  if (elements === undefined) throw new ExpressionError(`${of.name} has no elements`, column);
  const found = elements[Number(resultOf(index, scope).value)];
  if (found === undefined) throw new ExpressionError(`${of.name} has ${elements.length} elements, from 0 on`, column);
  return valueIn(found.read()!, found);
}

/** Characters of a name that are told back. */
const MOST_SHOWN = 80;
const brief = (name: string): string => (name.length > MOST_SHOWN ? `${name.slice(0, MOST_SHOWN)}...` : name);

function memory({ segment, offset, bytes = 0, real, process, column }: NodeOf<"memory">, scope: Scope): Result {
  const at = resultOf(offset, scope).value;
  const place = scope.memory(segment, at, bytes || scope.wordBytes, process);
  const reference: Reference = real ? { ...place, real } : place;
  const value = reference.read();
  if (value === undefined) {
    const where = reference.address === undefined ? hex(at) : hexAddr(reference.address);
    throw new ExpressionError(`there is no memory mapped at ${where}`, column);
  }
  return valueIn(value, reference);
}

function cast({ bits, to, operand }: NodeOf<"cast">, of: Result): Result {
  if (to === "real")
    return realResult(bits === 32 ? Math.fround(asReal(of, operand)) : asReal(of, operand), bits as 32 | 64);
  const value = of.real === undefined ? of.value : towardsZero(of.real, bits);
  return {
    value: to === "signed" ? BigInt.asUintN(64, BigInt.asIntN(bits, value)) : BigInt.asUintN(bits, value),
    bits,
  };
}

/** What is no integer is the number that the processor gives for it. */
const towardsZero = (real: number, bits: number): bigint =>
  Number.isFinite(real) ? BigInt(Math.trunc(real)) : 1n << BigInt(bits - 1);

const asReal = ({ real, value, bits }: Result, node: Node): number =>
  real ?? Number(isSigned(node) ? BigInt.asIntN(Math.max(64, bits), value) : value);

/** What a place is to hold, to have a value. @throws RangeError if it cannot. */
export function bitsFor({ bits, real }: Reference, { value, real: given }: Pick<Result, "value" | "real">): bigint {
  if (real) return realBits(given ?? Number(value), bits);
  if (given !== undefined) throw new RangeError("this holds whole numbers: int64(...) makes one");
  return value;
}

function assign({ target, value: right, column }: NodeOf<"assignment">, scope: Scope): Result {
  const { reference } = resultOf(target, scope);
  const result = resultOf(right, scope);
  if (reference?.write === undefined) throw new ExpressionError("this cannot be assigned to", column);
  const real = reference.real && asReal(result, right);
  const value = bitsFor(reference, { ...result, real: real ?? result.real });
  reference.write(value);
  return valueIn(BigInt.asUintN(reference.bits, value), reference);
}

function unary({ operator, operand }: NodeOf<"unary">, scope: Scope): Result {
  const { value, bits, real } = resultOf(operand, scope);
  if (real === undefined || operator === "~") return whole(UNARY[operator](value), Math.max(64, bits));
  if (operator === "!") return whole(truth(real === 0), 64);
  return realResult(operator === "-" ? -real : real);
}

/** Both sides are always looked at. */
function binary(node: NodeOf<"binary">, scope: Scope): Result {
  const [left, right] = [resultOf(node.left, scope), resultOf(node.right, scope)];
  if (left.real !== undefined || right.real !== undefined)
    return realBinary(node, asReal(left, node.left), asReal(right, node.right));
  const bits = Math.max(64, left.bits, right.bits);
  const signed = isSigned(node);
  const operand = ({ value, bits }: Result): bigint => (signed ? BigInt.asIntN(Math.max(64, bits), value) : value);
  const [a, b] = [operand(left), operand(right)];
  if ((node.operator === "/" || node.operator === "%") && b === 0n)
    throw new ExpressionError("division by zero", node.column);
  return whole(BINARY[node.operator](a, b, bits), TRUTHS.has(node.operator) ? 64 : bits);
}

function realBinary({ operator, column }: NodeOf<"binary">, left: number, right: number): Result {
  const result = REAL_BINARY[operator]?.(left, right);
  if (result === undefined) throw new ExpressionError(`${operator} has no meaning for floating-point numbers`, column);
  return typeof result === "number" ? realResult(result) : whole(truth(result), 64);
}

/** They give 1 or 0. */
const TRUTHS: ReadonlySet<BinaryOperator> = new Set(["||", "&&", "==", "!=", "<", "<=", ">", ">="]);

const REAL_BINARY: Partial<Record<BinaryOperator, (left: number, right: number) => number | boolean>> = {
  "||": (left, right) => left !== 0 || right !== 0,
  "&&": (left, right) => left !== 0 && right !== 0,
  "==": (left, right) => left === right,
  "!=": (left, right) => left !== right,
  "<": (left, right) => left < right,
  "<=": (left, right) => left <= right,
  ">": (left, right) => left > right,
  ">=": (left, right) => left >= right,
  "+": (left, right) => left + right,
  "-": (left, right) => left - right,
  "*": (left, right) => left * right,
  "/": (left, right) => left / right,
};

const UNARY: Readonly<Record<UnaryOperator, (value: bigint) => bigint>> = {
  "-": (value) => -value,
  "~": (value) => ~value,
  "!": (value) => truth(value === 0n),
  "+": (value) => value,
};

const truth = (yes: boolean): bigint => (yes ? 1n : 0n);
const shift = (by: bigint, bits: number): bigint => BigInt.asUintN(64, by) % BigInt(bits);
const BINARY: Readonly<Record<BinaryOperator, (left: bigint, right: bigint, bits: number) => bigint>> = {
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
  "<<": (left, right, bits) => left << shift(right, bits),
  ">>": (left, right, bits) => left >> shift(right, bits),
  "+": (left, right) => left + right,
  "-": (left, right) => left - right,
  "*": (left, right) => left * right,
  "/": (left, right) => left / right,
  "%": (left, right) => left % right,
};

type Shown = Pick<Evaluated, "value" | "bits" | "format"> & { readonly reference?: Reference | undefined };

/** How a place is shown where nothing else is asked for. */
export const formatOf = (reference: Reference | undefined): "f" | "x" =>
  (reference?.elements?.[0] ?? reference)?.real ? "f" : "x";

/** The value as the format says. */
export function formatValue({ value, bits, format, reference }: Shown): string {
  if (reference?.elements !== undefined) {
    const shown = reference.elements.map(({ read, bits }) => formatValue({ value: read() ?? 0n, bits, format }));
    return `{${shown.join(", ")}}`;
  }
  const unsigned = BigInt.asUintN(bits, value);
  if (format === "f") return realText(unsigned, bits);
  if (format === "d") return BigInt.asIntN(bits, value).toString();
  if (format === "u") return unsigned.toString();
  if (format === "b") return `0b${unsigned.toString(2).padStart(bits, "0")}`;
  if (format === "c") return JSON.stringify(String.fromCharCode(Number(unsigned & 0xffn)));
  return bits === 1
    ? unsigned.toString()
    : `0x${unsigned.toString(16).padStart(bits === 64 ? 1 : Math.ceil(bits / 4), "0")}`;
}
