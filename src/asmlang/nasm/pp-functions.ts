/** Preprocessor functions: `%eval(1+2)`, `%strlen("abc")`, `%cond(test,a,b)`: text for text, inside a line. */
import { SourceError } from "../core/diagnostics.ts";
import type { Span } from "../core/source.ts";
import { spacedText, stringBytes, type Token, textOf, trim } from "./tokens.ts";

export interface FunctionContext {
  expand(tokens: readonly Token[]): Token[];
  evaluate(tokens: readonly Token[], span: Span): bigint;
  /** A test of the `%if` family: "def", "num", "" for an expression. */
  test(kind: string, tokens: readonly Token[], span: Span): boolean | undefined;
}

type PpFunction = (args: readonly (readonly Token[])[], context: FunctionContext, at: Token) => string;

/** A string constant with this text. */
export const quote = (text: string): string => {
  const plain = !/[^\x20-\x7e]/.test(text);
  if (plain && !text.includes("'")) return `'${text}'`;
  return plain && !text.includes('"') ? `"${text}"` : `\`${text.replace(/[\\`]/g, "\\$&")}\``;
};

export const stringText = (token: Token): string => new TextDecoder().decode(stringBytes(token.text));

function string(tokens: readonly Token[] | undefined, context: FunctionContext, at: Token): string {
  const [first, ...more] = trim(context.expand(tokens ?? []));
  if (first?.kind !== "string" || more.length > 0) throw new SourceError(first ?? at, "expected a string");
  return stringText(first);
}

/** Counted from 1; a negative count goes to that far from the end. */
export function part(text: string, start: number, count: number | undefined): string {
  const from = Math.max(0, start - 1);
  const end = count === undefined ? from + 1 : count < 0 ? text.length + count + 1 : from + count;
  return text.slice(from, Math.max(0, end));
}

const DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ@_";
const MAX_DIGITS = 4096;

function inBase(value: bigint, radix: bigint): string {
  let text = "";
  for (let left = value; left > 0n || text === ""; left /= radix) text = DIGITS[Number(left % radix)] + text;
  return text;
}

const FUNCTIONS: Readonly<Record<string, PpFunction>> = {
  "%eval": ([value], context, at) => String(context.evaluate(value!, at)),
  "%abs": ([value], context, at) => {
    const number = context.evaluate(value!, at);
    return String(number < 0n ? -number : number);
  },
  /** In a base, with so many digits; a negative number of them: with at least so many. */
  "%num": ([value, digits, base], context, at) => {
    const number = context.evaluate(value!, at);
    const radix = base && trim(base).length > 0 ? Number(context.evaluate(base, at)) : 10;
    if (radix < 2 || radix > 64) throw new SourceError(at, "the base must be from 2 to 64");
    const width = digits && trim(digits).length > 0 ? Number(context.evaluate(digits, at)) : -1;
    const text = inBase(BigInt.asUintN(64, number), BigInt(radix)).padStart(Math.min(MAX_DIGITS, Math.abs(width)), "0");
    return quote(width < 0 ? text : text.slice(text.length - width));
  },
  "%str": (args, context) => quote(args.map((one) => spacedText(context.expand(one))).join(",")),
  "%strlen": ([text], context, at) => String(new TextEncoder().encode(string(text, context, at)).length),
  "%strcat": (args, context, at) => quote(args.map((one) => string(one, context, at)).join("")),
  "%substr": ([text, start, count], context, at) =>
    quote(
      part(
        string(text, context, at),
        start ? Number(context.evaluate(start, at)) : 1,
        count ? Number(context.evaluate(count, at)) : -1,
      ),
    ),
  "%tok": ([text], context, at) => string(text, context, at),
  "%cond": ([test, yes, no], context, at) =>
    textOf(trim(context.expand((context.evaluate(test!, at) !== 0n ? yes : no) ?? []))),
  "%sel": ([which, ...choices], context, at) => {
    const index = Number(context.evaluate(which!, at));
    return textOf(trim(context.expand(choices[index - 1] ?? [])));
  },
  "%count": (args) => String(args.length),
};

/** The text that a function gives; undefined: no function has this name. */
export function callFunction(
  name: string,
  args: readonly (readonly Token[])[],
  context: FunctionContext,
  at: Token,
): string | undefined {
  const lower = name.toLowerCase();
  if (Object.hasOwn(FUNCTIONS, lower)) return FUNCTIONS[lower]!(args, context, at);
  if (!lower.startsWith("%is")) return undefined;
  const whole = args.flatMap((one, i) => (i === 0 ? [...one] : [{ ...at, kind: "op", text: "," } as Token, ...one]));
  const kind = lower.slice("%is".length);
  const plain = context.test(kind, whole, at);
  const negated = plain === undefined && kind.startsWith("n") ? context.test(kind.slice(1), whole, at) : undefined;
  if (plain === undefined && negated === undefined) return undefined;
  return (plain ?? !negated) ? "1" : "0";
}
