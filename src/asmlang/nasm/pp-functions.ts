/** Preprocessor functions: `%eval(1+2)`, `%strlen("abc")`, `%cond(test,a,b)`: text for text, inside a line. */
import { SourceError } from "../core/diagnostics.ts";
import type { Span } from "../core/source.ts";
import { stringBytes, type Token, textOf, trim } from "./tokens.ts";

export interface FunctionContext {
  expand(tokens: readonly Token[]): Token[];
  evaluate(tokens: readonly Token[], span: Span): bigint;
  /** A test of the `%if` family: "def", "num", "" for an expression. */
  test(kind: string, tokens: readonly Token[], span: Span): boolean | undefined;
}

type PpFunction = (args: readonly (readonly Token[])[], context: FunctionContext, at: Token) => string;

/** A string constant with this text. */
export const quote = (text: string): string => {
  if (!text.includes('"') && !/[^\x20-\x7e]/.test(text)) return `"${text}"`;
  return text.includes("'") || /[^\x20-\x7e]/.test(text) ? `\`${text.replace(/[\\`]/g, "\\$&")}\`` : `'${text}'`;
};

export const stringText = (token: Token): string => new TextDecoder().decode(stringBytes(token.text));

function string(tokens: readonly Token[] | undefined, context: FunctionContext, at: Token): string {
  const [first, ...more] = trim(context.expand(tokens ?? []));
  if (first?.kind !== "string" || more.length > 0) throw new SourceError(first ?? at, "expected a string");
  return stringText(first);
}

/** Counted from 1; a negative count goes to that far from the end. */
export function part(text: string, start: number, count: number | undefined): string {
  const from = start - 1;
  const end = count === undefined ? from + 1 : count < 0 ? text.length + count + 1 : from + count;
  return text.slice(Math.max(0, from), Math.max(0, end));
}

const FUNCTIONS: Readonly<Record<string, PpFunction>> = {
  "%eval": ([value], context, at) => String(context.evaluate(value!, at)),
  "%abs": ([value], context, at) => {
    const number = context.evaluate(value!, at);
    return String(number < 0n ? -number : number);
  },
  /** In a base, with at least so many digits. */
  "%num": ([value, digits, base], context, at) => {
    const number = context.evaluate(value!, at);
    const radix = base ? Number(context.evaluate(base, at)) : 10;
    if (radix < 2 || radix > 36) throw new SourceError(at, "the base must be from 2 to 36");
    const width = digits ? Math.min(64, Math.abs(Number(context.evaluate(digits, at)))) : 1;
    return quote(BigInt.asUintN(64, number).toString(radix).padStart(width, "0"));
  },
  "%str": (args, context) => quote(args.map((one) => textOf(trim(context.expand(one)))).join(",")),
  "%strlen": ([text], context, at) => String(new TextEncoder().encode(string(text, context, at)).length),
  "%strcat": (args, context, at) => quote(args.map((one) => string(one, context, at)).join("")),
  "%substr": ([text, start, count], context, at) =>
    quote(
      part(
        string(text, context, at),
        start ? Number(context.evaluate(start, at)) : 1,
        count && Number(context.evaluate(count, at)),
      ),
    ),
  "%tok": ([text], context, at) => string(text, context, at),
  "%cond": ([test, yes, no], context, at) =>
    textOf(trim(context.expand((context.evaluate(test!, at) !== 0n ? yes : no) ?? []))),
  "%sel": ([which, ...choices], context, at) => {
    const index = Number(context.evaluate(which!, at));
    return textOf(trim(context.expand(choices[index - 1] ?? [])));
  },
  "%count": (args) => String(args.length === 1 && trim(args[0]!).length === 0 ? 0 : args.length),
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
