/** Multi-line macros: `%macro` definitions, and their bodies with arguments put in. */
import type { Budget } from "../core/budget.ts";
import { SourceError } from "../core/diagnostics.ts";
import { append } from "../core/lists.ts";
import { lookUp } from "../core/look-up.ts";
import { type Call, type Line, rangeOf, type Span } from "../core/source.ts";
import { joinOnto, weightOf } from "./single-line.ts";
import { splitCommas, type Token, textOf, tokensFor, trim, unbrace } from "./tokens.ts";

export interface TokenLine {
  readonly tokens: readonly Token[];
  readonly line: Line;
}

export interface MultiMacro {
  readonly name: string;
  readonly ignoreCase: boolean;
  readonly least: number;
  readonly most: number;
  /** `+`: the last parameter takes the rest of the line. */
  readonly greedy: boolean;
  readonly defaults: readonly Token[][];
  readonly body: TokenLine[];
  readonly span: Span;
  /** `%rmacro`: may use itself. */
  readonly recursive: boolean;
  busy: number;
  /** All that it says, once somebody has asked. */
  content?: string;
}

/** All that the macro says, as a text: what is the same here expands to the same. */
export const contentOf = (macro: MultiMacro): string =>
  (macro.content ??= [
    [macro.name, macro.ignoreCase, macro.least, macro.most, macro.greedy, macro.recursive].join(),
    ...macro.defaults.map(textOf),
    "",
    ...macro.body.map(({ line }) => line.text),
  ].join("\n"));

/** One use of a macro. */
export interface Expansion {
  readonly macro: MultiMacro;
  readonly args: readonly Token[][];
  /** What `%rotate` came to: the number of the first argument, from 0. */
  first: number;
  readonly label: readonly Token[];
  readonly id: number;
  readonly call: Call;
  readonly invoked: string;
}

/** Reads what follows `%macro`: a name, a number of parameters, defaults. */
export function readMacroHead(tokens: readonly Token[], kind: string, span: Span): MultiMacro {
  const text = trim(tokens);
  const name = text[0];
  if (!name || name.kind === "space") throw new SourceError(span, `'${kind}' needs a name`);
  let at = 1;
  while (text[at] && text[at]!.kind !== "space") at++;
  const rest = trim(text.slice(at));
  const count = /^(\d+)\s*(?:-\s*(\d+|\*))?\s*(\+)?/.exec(textOf(rest));
  let used = 0;
  for (let length = 0; count && length < count[0].trimEnd().length; used++) length += rest[used]!.text.length;
  let after = trim(rest.slice(used));
  while (after[0] && /^\.nolist$/i.test(after[0].text)) after = trim(after.slice(1));
  const needed = kind === "%unmacro" || kind === "%unimacro" || rest.length > 0;
  if (!count && needed) throw new SourceError(rest[0] ?? name, "expected the number of parameters");
  const least = Number(count?.[1] ?? 0);
  const most = count?.[2] === "*" ? Number.POSITIVE_INFINITY : Number(count?.[2] ?? least);
  if (most < least) throw new SourceError(span, "the largest number of parameters is less than the smallest");
  return {
    name: textOf(text.slice(0, at)),
    ignoreCase: kind.includes("imacro"),
    least,
    most,
    greedy: count?.[3] === "+",
    defaults: after.length > 0 ? splitCommas(after).map(unbrace) : [],
    body: [],
    span: name,
    recursive: /rmacro/.test(kind),
    busy: 0,
  };
}

export const sameName = (macro: MultiMacro, name: string): boolean =>
  macro.name === name || (macro.ignoreCase && macro.name.toLowerCase() === name.toLowerCase());

/** The arguments as this macro takes them, or undefined if their number does not fit. */
export function bind(macro: MultiMacro, tokens: readonly Token[]): Token[][] | undefined {
  const trimmed = trim(tokens);
  let args = trimmed.length === 0 ? [] : splitCommas(trimmed);
  if (args.length > macro.most && macro.greedy)
    // In braces the last one ends with them, and what follows is dropped.
    args = args[macro.most - 1]?.[0]?.text === "{" ? args.slice(0, macro.most) : splitCommas(trimmed, macro.most);
  if (args.length < macro.least || args.length > macro.most) return undefined;
  args = args.map(unbrace);
  for (let i = args.length; i < macro.least + macro.defaults.length && i < macro.most; i++)
    args.push(macro.defaults[i - macro.least]!);
  return args;
}

const CONDITIONS = "o no b nb e ne be a s ns p np l ge le g".split(" ");
const SYNONYMS: Readonly<Record<string, string>> = {
  c: "b",
  nae: "b",
  ae: "nb",
  nc: "nb",
  z: "e",
  nz: "ne",
  na: "be",
  nbe: "a",
  pe: "p",
  po: "np",
  nge: "l",
  nl: "ge",
  ng: "le",
  nle: "g",
};

/** A line of the body as it is in this use. */
export function instantiate({ tokens, line }: TokenLine, expansion: Expansion, budget: Budget): TokenLine {
  const here: Line = { ...line, call: expansion.call };
  const out: Token[] = [];
  let joins = false;
  for (const token of tokens) {
    const placed = { ...token, line: here };
    const value = token.kind === "pp" ? parameter(placed, expansion) : undefined;
    if (value) {
      budget.charge("text", weightOf(value), token);
      joinOnto(out, value, placed);
      joins = true;
    } else if (joins && (token.kind === "id" || token.kind === "number")) {
      joinOnto(out, [placed], placed);
      joins = false;
    } else {
      out.push(placed);
      joins = false;
    }
  }
  return { tokens: out, line: here };
}

function parameter(token: Token, expansion: Expansion): readonly Token[] | undefined {
  const { args, id, label, macro } = expansion;
  const numbered = (number: number) => argument(expansion, number);
  const text = token.text.startsWith("%{") ? `%${token.text.slice(2, -1).trim()}` : token.text;
  if (text === "%0") return tokensFor(String(args.length), token);
  if (text === "%00") return label;
  if (text === "%?") return tokensFor(expansion.invoked, token);
  if (text === "%??") return tokensFor(macro.name, token);
  const index = /^%(\d+)$/.exec(text);
  if (index) return numbered(Number(index[1]));
  const condition = /^%([+-])(\d+)$/.exec(text);
  if (condition) return conditionCode(numbered(Number(condition[2])), condition[1] === "-", token);
  const range = /^%(-?\d+):(-?\d+)$/.exec(text);
  if (range) return argumentRange(expansion, Number(range[1]), Number(range[2]), token);
  if (/^%%[\w.?@$#~]+$/.test(text)) return tokensFor(`..@${id}.${text.slice(2)}`, token);
  return undefined;
}

function conditionCode(arg: readonly Token[], inverse: boolean, token: Token): Token[] {
  const name = textOf(arg).trim().toLowerCase();
  const index = CONDITIONS.indexOf(lookUp(SYNONYMS, name) ?? name);
  if (index < 0) throw new SourceError(token, `'${name}' is not a condition code`);
  return tokensFor(inverse ? CONDITIONS[index ^ 1]! : name, token);
}

/** An argument by its number, from 1 on. */
function argument({ args, first }: Expansion, number: number): readonly Token[] {
  return number < 1 || number > args.length ? [] : args[(number - 1 + first) % args.length]!;
}

function argumentRange(expansion: Expansion, from: number, to: number, token: Token): Token[] {
  const count = expansion.args.length;
  const number = (n: number) => (n < 0 ? count + n + 1 : n);
  const [a, b] = [number(from), number(to)];
  if (a < 1 || b < 1 || a > count || b > count)
    throw new SourceError(token, `'${token.text}' goes beyond the parameters of this use (${count})`);
  const step = a <= b ? 1 : -1;
  const out: Token[] = [];
  for (let n = a; n !== b + step; n += step) {
    if (out.length > 0) append(out, tokensFor(",", token));
    append(out, argument(expansion, n));
  }
  return out;
}

export const definedAt = (macro: MultiMacro) => ({
  message: `macro '${macro.name}' is defined here`,
  range: rangeOf(macro.span),
});
