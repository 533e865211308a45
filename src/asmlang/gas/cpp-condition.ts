/** Integer expressions of `#if`, over tokens whose macros are expanded; names that are left count as 0. */
import { SourceError } from "../core/diagnostics.ts";
import type { Span } from "../core/source.ts";
import { parseNumber } from "./expressions.ts";

const LEVELS: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["|"],
  ["^"],
  ["&"],
  ["==", "!="],
  ["<", ">", "<=", ">="],
  ["<<", ">>"],
  ["+", "-"],
  ["*", "/", "%"],
];

export function evaluateCondition(tokens: readonly string[], span: Span): bigint {
  const text = tokens.join("");
  const words = text.match(/\d\w*|[A-Za-z_]\w*|'\\?.'|\|\||&&|[=!<>]=|<<|>>|\S/gu) ?? [];
  let at = 0;
  let depth = 0;
  const fail = (message: string): never => {
    throw new SourceError(span, `#if: ${message}`);
  };
  const primary = (): bigint => {
    const word = words[at++];
    if (word === undefined) return fail("expected an expression");
    if (++depth > 200) return fail("nested too deeply");
    const value = primaryOf(word);
    depth--;
    return value;
  };
  const primaryOf = (word: string): bigint => {
    if (word === "(") {
      const inner = ternary();
      if (words[at++] !== ")") fail("expected ')'");
      return inner;
    }
    if (word === "!") return BigInt(primary() === 0n);
    if (word === "-") return -primary();
    if (word === "+") return primary();
    if (word === "~") return ~primary();
    if (word.startsWith("'")) return BigInt(word.charCodeAt(word.length - 2));
    if (/^\d/.test(word)) return parseNumber(word.replace(/[uUlL]+$/, "")) ?? fail(`'${word}' is not a number`);
    return /^[A-Za-z_]/.test(word) ? 0n : fail(`unexpected '${word}'`);
  };
  const level = (n: number): bigint => {
    const operators = LEVELS[n];
    if (!operators) return primary();
    let left = level(n + 1);
    while (operators.includes(words[at] ?? "")) left = apply(words[at++]!, left, level(n + 1), fail);
    return left;
  };
  const ternary = (): bigint => {
    const test = level(0);
    if (words[at] !== "?") return test;
    at++;
    const yes = ternary();
    if (words[at++] !== ":") fail("expected ':'");
    const no = ternary();
    return test !== 0n ? yes : no;
  };
  const value = ternary();
  if (at < words.length) fail(`unexpected '${words[at]}'`);
  return value;
}

function apply(operator: string, a: bigint, b: bigint, fail: (message: string) => never): bigint {
  switch (operator) {
    case "||":
      return BigInt(a !== 0n || b !== 0n);
    case "&&":
      return BigInt(a !== 0n && b !== 0n);
    case "|":
      return a | b;
    case "^":
      return a ^ b;
    case "&":
      return a & b;
    case "==":
      return BigInt(a === b);
    case "!=":
      return BigInt(a !== b);
    case "<":
      return BigInt(a < b);
    case ">":
      return BigInt(a > b);
    case "<=":
      return BigInt(a <= b);
    case ">=":
      return BigInt(a >= b);
    case "<<":
      return BigInt.asIntN(64, a << (b & 63n));
    case ">>":
      return a >> (b & 63n);
    case "+":
      return BigInt.asIntN(64, a + b);
    case "-":
      return BigInt.asIntN(64, a - b);
    case "*":
      return BigInt.asIntN(64, a * b);
    default:
      if (b === 0n) fail("division by zero");
      return operator === "/" ? a / b : a % b;
  }
}
