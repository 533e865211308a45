/**
 * Expressions: trees of 64-bit arithmetic over symbols, evaluated to a constant plus symbol terms. Differences of two
 * labels of one section become numbers as soon as the context knows how far apart they are.
 */
import type { Budget } from "./budget.ts";
import { FatalError, SourceError } from "./diagnostics.ts";
import { join, type Span } from "./source.ts";
import type { AsmSymbol } from "./symbols.ts";

export type UnaryOp = "-" | "+" | "~" | "!";
/** `/` `%` `>>` are unsigned, `//` `%%` `>>>` signed; comparisons give 1 (a dialect negates where its truth is -1). */
export type BinaryOp =
  | ("+" | "-" | "*" | "/" | "//" | "%" | "%%" | "<<" | ">>" | ">>>" | "&" | "|" | "^" | "|~")
  | ("==" | "!=" | "<" | "<=" | ">" | ">=" | "<=>" | "&&" | "||" | "^^");

export type Expr =
  | { readonly op: "number"; readonly value: bigint; readonly span: Span }
  | { readonly op: "symbol"; readonly symbol: AsmSymbol; readonly span: Span }
  | { readonly op: "unary"; readonly operator: UnaryOp; readonly a: Expr; readonly span: Span }
  | { readonly op: "binary"; readonly operator: BinaryOp; readonly a: Expr; readonly b: Expr; readonly span: Span }
  /** A function of a number; a text is the error. */
  | { readonly op: "apply"; readonly apply: (value: bigint) => bigint | string; readonly a: Expr; readonly span: Span }
  | { readonly op: "choose"; readonly test: Expr; readonly a: Expr; readonly b: Expr; readonly span: Span };

export interface Term {
  readonly symbol: AsmSymbol;
  readonly sign: 1 | -1;
}

/** constant + sum of terms. */
export interface Linear {
  readonly constant: bigint;
  readonly terms: readonly Term[];
}

export interface EvalContext {
  /** Pays for every step. */
  readonly budget: Budget;
  /** Layout is settled: what cannot be evaluated is an error, not "not yet". */
  readonly final: boolean;
  /** Bytes from b to a, if both are labels of one section and this is known. */
  distance(a: AsmSymbol, b: AsmSymbol): bigint | undefined;
  /** Value of a label in an absolute section. */
  absolute(symbol: AsmSymbol): bigint | undefined;
  /** A symbol without definition: undefined = not known yet; otherwise it stays in the result as external. */
  unresolved(symbol: AsmSymbol, span: Span): "external" | undefined;
}

export const number = (value: bigint, span: Span): Expr => ({ op: "number", value: wrap(value), span });
export const symbolExpr = (symbol: AsmSymbol, span: Span): Expr => ({ op: "symbol", symbol, span });
export const binary = (operator: BinaryOp, a: Expr, b: Expr): Expr => ({
  op: "binary",
  operator,
  a,
  b,
  span: join(a.span, b.span),
});
export const wrap = (value: bigint): bigint => BigInt.asIntN(64, value);
const unsigned = (value: bigint): bigint => BigInt.asUintN(64, value);

const NO_TERMS: readonly Term[] = [];
const constant = (value: bigint): Linear => ({ constant: wrap(value), terms: NO_TERMS });

/** A symbol set to the double of another doubles the work of evaluating it: this may not go on for ever. */
const MAX_STEPS = 50_000;
const MAX_TERMS = 2000;
/** Expressions in expressions and symbols in symbols: two for each symbol set to another one. */
const MAX_DEPTH = 2000;
let steps = 0;
let depth = 0;

const tooLarge = (span: Span): FatalError =>
  new FatalError(span, "this expression is too large: it has too many operations, or symbols in symbols");

/** The value, or undefined if it cannot be known yet. */
export function evaluate(expr: Expr, context: EvalContext): Linear | undefined {
  if (expr.op === "number") return constant(expr.value);
  if (depth === 0) steps = 0;
  context.budget.charge("steps", 1, expr.span);
  if (++steps > MAX_STEPS || depth > MAX_DEPTH) throw tooLarge(expr.span);
  depth++;
  try {
    return evaluateTree(expr, context);
  } finally {
    depth--;
  }
}

function evaluateTree(expr: Exclude<Expr, { readonly op: "number" }>, context: EvalContext): Linear | undefined {
  switch (expr.op) {
    case "symbol":
      return evaluateSymbol(expr.symbol, expr.span, context);
    case "unary":
      return evaluateUnary(expr, context);
    case "binary":
      return evaluateBinary(expr, context);
    case "apply":
      return evaluateFunction(expr, context);
    case "choose": {
      const test = evaluate(expr.test, context);
      const known = test && asConstant(test, expr.test.span, context);
      return known === undefined ? undefined : evaluate(known !== 0n ? expr.a : expr.b, context);
    }
  }
}

/** The value if it is a plain number. */
export function evaluateConstant(expr: Expr, context: EvalContext): bigint | undefined {
  const value = evaluate(expr, context);
  return value && asConstant(value, expr.span, context);
}

function asConstant(value: Linear, span: Span, context: EvalContext): bigint | undefined {
  if (value.terms.length === 0) return value.constant;
  if (context.final)
    throw notSimple(value, span, `this must be a constant, but it depends on the address of ${describe(value)}`);
  return undefined;
}

/** Why a value cannot be used: most often a symbol in it is not defined at all. */
export function notSimple(value: Linear, span: Span, otherwise: string): SourceError {
  const missing = value.terms.find((term) => term.symbol.definition === undefined)?.symbol;
  return new SourceError(
    span,
    missing ? `symbol '${missing.name}' is not defined, but its value is needed here` : otherwise,
  );
}

export function describe(value: Linear): string {
  return value.terms.map((term) => `'${term.symbol.name || "."}'`).join(" and ");
}

function evaluateSymbol(symbol: AsmSymbol, span: Span, context: EvalContext): Linear | undefined {
  const { definition } = symbol;
  if (definition?.kind === "equate") {
    if (symbol.busy) throw new SourceError(span, `'${symbol.name}' is defined in terms of itself`);
    symbol.busy = true;
    try {
      return evaluate(definition.expr, context);
    } finally {
      symbol.busy = false;
    }
  }
  if (!definition && context.unresolved(symbol, span) === undefined) return undefined;
  if (symbol.section?.absolute) {
    const value = context.absolute(symbol);
    return value === undefined ? undefined : constant(value);
  }
  return { constant: 0n, terms: [{ symbol, sign: 1 }] };
}

function evaluateFunction(expr: Expr & { op: "apply" }, context: EvalContext): Linear | undefined {
  const value = evaluateConstant(expr.a, context);
  if (value === undefined) return undefined;
  const result = expr.apply(value);
  if (typeof result === "string") throw new SourceError(expr.span, result);
  return constant(result);
}

function evaluateUnary(expr: Expr & { op: "unary" }, context: EvalContext): Linear | undefined {
  const a = evaluate(expr.a, context);
  if (!a) return undefined;
  if (expr.operator === "+") return a;
  if (expr.operator === "-") return negate(a);
  const value = asConstant(a, expr.a.span, context);
  if (value === undefined) return undefined;
  return constant(expr.operator === "~" ? ~value : value === 0n ? 1n : 0n);
}

function negate(a: Linear): Linear {
  return {
    constant: wrap(-a.constant),
    terms: a.terms.map((term) => ({ symbol: term.symbol, sign: term.sign === 1 ? -1 : 1 })),
  };
}

/** Sums of many parts lean to the left: they are a list, not a matter of depth. */
function evaluateBinary(expr: Expr & { op: "binary" }, context: EvalContext): Linear | undefined {
  if (expr.a.op !== "binary") {
    const a = evaluate(expr.a, context);
    const b = evaluate(expr.b, context);
    return a && b && operate(expr, a, b, context);
  }
  const spine = [expr];
  let first: Expr = expr.a;
  for (; first.op === "binary"; first = first.a) spine.push(first);
  const count = spine.length - 1;
  context.budget.charge("steps", count, expr.span);
  if ((steps += count) > MAX_STEPS) throw tooLarge(expr.span);
  let left = evaluate(first, context);
  for (const part of spine.reverse()) {
    const right = evaluate(part.b, context);
    left = left && right && operate(part, left, right, context);
  }
  return left;
}

function operate(expr: Expr & { op: "binary" }, a: Linear, b: Linear, context: EvalContext): Linear | undefined {
  if (expr.operator === "+") return add(a, b, expr.span, context);
  if (expr.operator === "-") return add(a, negate(b), expr.span, context);
  if (isComparison(expr.operator)) {
    const difference = asConstantOfSum(a, b, expr.span, context);
    if (difference === undefined) return undefined;
    // Two constants are compared whole: their difference may wrap.
    const [x, y] = difference.whole ? [a.constant, b.constant] : [difference.value, 0n];
    return constant(compare(expr.operator, x, y));
  }
  const x = asConstant(a, expr.a.span, context);
  const y = asConstant(b, expr.b.span, context);
  if (x === undefined || y === undefined) return undefined;
  return constant(arithmetic(expr.operator, x, y, expr.b.span));
}

function isComparison(operator: BinaryOp): boolean {
  return ["==", "!=", "<", "<=", ">", ">=", "<=>"].includes(operator);
}

function asConstantOfSum(a: Linear, b: Linear, span: Span, context: EvalContext) {
  if (a.terms.length === 0 && b.terms.length === 0) return { value: 0n, whole: true };
  const difference = add(a, negate(b), span, context);
  const value = asConstant(difference, span, context);
  return value === undefined ? undefined : { value, whole: false };
}

/** Adds and lets terms cancel: the same symbol, or two labels of one section. */
function add(a: Linear, b: Linear, span: Span, context: EvalContext): Linear {
  if (a.terms.length === 0 || b.terms.length === 0)
    return { constant: wrap(a.constant + b.constant), terms: a.terms.length === 0 ? b.terms : a.terms };
  if (a.terms.length + b.terms.length > MAX_TERMS) throw tooLarge(span);
  let sum = a.constant + b.constant;
  const terms: Term[] = [...a.terms];
  context.budget.charge("steps", b.terms.length, span);
  for (const term of b.terms) {
    const match = terms.findIndex(
      (other) => other.sign !== term.sign && distanceOf(other, term, context) !== undefined,
    );
    if (match < 0) {
      terms.push(term);
      continue;
    }
    sum += distanceOf(terms[match]!, term, context)!;
    terms.splice(match, 1);
  }
  return { constant: wrap(sum), terms };
}

function distanceOf(x: Term, y: Term, context: EvalContext): bigint | undefined {
  if (x.symbol === y.symbol) return 0n;
  const [plus, minus] = x.sign === 1 ? [x, y] : [y, x];
  return plus.symbol.section && plus.symbol.section === minus.symbol.section
    ? context.distance(plus.symbol, minus.symbol)
    : undefined;
}

function compare(operator: BinaryOp, x: bigint, y: bigint): bigint {
  switch (operator) {
    case "==":
      return BigInt(x === y);
    case "!=":
      return BigInt(x !== y);
    case "<":
      return BigInt(x < y);
    case "<=":
      return BigInt(x <= y);
    case ">":
      return BigInt(x > y);
    case ">=":
      return BigInt(x >= y);
    default:
      return x < y ? -1n : BigInt(x > y);
  }
}

function arithmetic(operator: BinaryOp, x: bigint, y: bigint, divisor: Span): bigint {
  switch (operator) {
    case "*":
      return x * y;
    case "/":
    case "//":
    case "%":
    case "%%":
      if (y === 0n) throw new SourceError(divisor, "division by zero");
      if (operator === "/") return unsigned(x) / unsigned(y);
      if (operator === "%") return unsigned(x) % unsigned(y);
      return operator === "//" ? x / y : x % y;
    case "<<":
      return y < 0n || y > 63n ? 0n : x << y;
    case ">>":
      return y < 0n || y > 63n ? 0n : unsigned(x) >> y;
    case ">>>":
      return x >> (y < 0n || y > 63n ? 63n : y);
    case "&":
      return x & y;
    case "|":
      return x | y;
    case "|~":
      return x | ~y;
    case "^":
      return x ^ y;
    case "&&":
      return BigInt(x !== 0n && y !== 0n);
    case "||":
      return BigInt(x !== 0n || y !== 0n);
    default:
      return BigInt((x !== 0n) !== (y !== 0n));
  }
}
