/** Single-line macros: `%define` and its kin, and expanding them in a line. */
import type { Budget } from "../core/budget.ts";
import { FatalError, SourceError } from "../core/diagnostics.ts";
import { append } from "../core/lists.ts";
import type { Span } from "../core/source.ts";
import { MacroNames } from "./known-words.ts";
import { callFunction, type FunctionContext, quote } from "./pp-functions.ts";
import { isSpace, joinTouching, spacedText, type Token, textOf, tokensFor, trim } from "./tokens.ts";

export interface SingleMacro {
  readonly name: string;
  /** undefined: used without parentheses. */
  readonly parameters:
    | readonly {
        readonly name: string;
        readonly greedy: boolean;
        readonly evaluated: boolean;
        readonly quoted: boolean;
        /** Quoted unless it is a string already. */
        readonly whole: boolean;
      }[]
    | undefined;
  readonly body: readonly Token[];
  readonly ignoreCase: boolean;
}

const MAX_TOKENS = 100_000;
const MAX_DEPTH = 1000;

export class SingleMacros {
  /** By lower-case name; several with different case or number of parameters may share it. */
  readonly #macros = new Map<string, SingleMacro[]>();
  readonly #aliases = new Map<string, { name: string; target: string; ignoreCase: boolean }>();
  /** Names whose text depends on where they stand: `__LINE__`. */
  readonly #dynamic: (name: string, at: Token) => string | undefined;
  readonly #context: FunctionContext;
  readonly #budget: Budget;
  /** Tokens read for one line. */
  #read = 0;
  /** Of these macros, and of any that others note here. */
  readonly names = new MacroNames();

  constructor(budget: Budget, dynamic: (name: string, at: Token) => string | undefined, context: FunctionContext) {
    this.#budget = budget;
    this.#dynamic = dynamic;
    this.#context = context;
  }

  /** `%defalias`: from now on the name means another one. */
  alias(name: string, target: string, ignoreCase: boolean): void {
    this.names.note(`alias ${name.toLowerCase()}`);
    this.#aliases.set(name.toLowerCase(), { name, target, ignoreCase });
  }

  removeAlias(name: string): void {
    if (this.aliasOf(name) === undefined) return;
    this.names.note(`no alias ${name.toLowerCase()}`);
    this.#aliases.delete(name.toLowerCase());
  }

  /** `%aliases off`: names mean themselves. */
  usesAliases = true;

  aliasOf(name: string): string | undefined {
    if (this.#aliases.size === 0 || !this.usesAliases) return undefined;
    const found = this.#aliases.get(name.toLowerCase());
    return found && (found.ignoreCase || found.name === name) ? found.target : undefined;
  }

  /** What the name means; one that leads back to itself means itself. */
  #meant(name: string): string {
    let meant = name;
    for (let steps = this.#aliases.size; steps > 0; steps--) {
      const next = this.aliasOf(meant);
      if (next === undefined) break;
      meant = next;
    }
    return meant;
  }

  define(given: SingleMacro): void {
    const macro = { ...given, name: this.#meant(given.name) };
    const key = macro.name.toLowerCase();
    const before = this.#macros.get(key) ?? [];
    if (before.length === 0) this.names.note(key);
    if (before.length > 1 && macro.body[0]) this.#budget.charge("steps", before.length, macro.body[0]);
    this.#macros.set(key, [...before.filter((one) => !replaces(macro, one)), macro]);
  }

  /** A macro of this name that has parameters where the new one has none, or the other way round: has it any? */
  mixed(given: string, parameters: boolean): boolean | undefined {
    const found = this.#candidates(given).find((one) => (one.parameters !== undefined) !== parameters);
    return found && !parameters;
  }

  undefine(given: string): void {
    const name = this.#meant(given);
    const key = name.toLowerCase();
    const left = (this.#macros.get(key) ?? []).filter((one) => !matches(one, name));
    if (left.length > 0) this.#macros.set(key, left);
    else if (this.#macros.delete(key)) this.names.note(`no ${key}`);
  }

  isDefined(name: string): boolean {
    return this.#candidates(name).length > 0 || this.#dynamic(name, NOWHERE) !== undefined;
  }

  clear(): void {
    this.names.note("none");
    this.#macros.clear();
  }

  #candidates(given: string): SingleMacro[] {
    const name = this.#meant(given);
    return this.#macros.get(name.toLowerCase())?.filter((one) => matches(one, name)) ?? [];
  }

  /** All macros in a line replaced; `%+` joins its neighbours. */
  expand(tokens: readonly Token[]): Token[] {
    if (!tokens.some((token) => this.#mayExpand(token))) return tokens as Token[];
    this.#read = 0;
    let out = this.#expand(this.expandMarked(tokens), new Set(), 0);
    // What joining made may be the name of a macro.
    for (;;) {
      const joined = joinTouching(pasteMarked(out));
      if (joined === out) return out;
      out = this.#expand(joined, new Set(), 0);
    }
  }

  /** Only `%[...]` replaced. */
  expandMarked(tokens: readonly Token[]): readonly Token[] {
    if (!tokens.some((token) => token.text === "%[")) return tokens;
    this.#read = 0;
    const out: Token[] = [];
    for (let i = 0; i < tokens.length; i++)
      if (tokens[i]!.kind === "pp" && tokens[i]!.text === "%[") i = this.#indirect(tokens, i, new Set(), 0, out);
      else out.push(tokens[i]!);
    return out;
  }

  #mayExpand({ kind, text }: Token): boolean {
    if (kind === "pp") return true;
    return kind === "id" && this.mayBe(text.toLowerCase());
  }

  /** Is there a macro of this name, in lower case, or does it depend on where it stands? */
  mayBe(lower: string): boolean {
    return lower.startsWith("__") || this.#macros.has(lower) || this.#aliases.has(lower);
  }

  /** What a word in lower case expands to: "" if nothing, undefined if it is more than a number or another word. */
  expansionOf(lower: string): string | undefined {
    if (!this.mayBe(lower)) return "";
    const [macro, ...others] = this.#macros.get(lower) ?? [];
    if (!macro || others.length > 0 || macro.parameters || macro.body.length !== 1 || this.#aliases.has(lower))
      return undefined;
    const { kind, text } = macro.body[0]!;
    const plain = kind === "number" || (kind === "id" && !this.mayBe(text.toLowerCase()));
    return plain ? `${macro.name}${macro.ignoreCase ? " is " : "="}${text}` : undefined;
  }

  #expand(tokens: readonly Token[], hidden: ReadonlySet<SingleMacro>, depth: number): Token[] {
    const out: Token[] = [];
    if (depth > 0 && tokens[0]) this.#budget.charge("text", weightOf(tokens), tokens[0]);
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]!;
      if (++this.#read > MAX_TOKENS || depth > MAX_DEPTH)
        throw new FatalError(token, "this macro expands to too much text");
      if (token.kind === "pp" && token.text === "%[") {
        i = this.#indirect(tokens, i, hidden, depth, out);
        continue;
      }
      const call = token.kind === "pp" ? this.#function(tokens, i) : undefined;
      if (call) {
        append(out, tokensFor(call.text, token));
        i = call.next - 1;
        continue;
      }
      const use = token.kind === "id" ? this.#use(tokens, i, hidden) : undefined;
      if (!use) {
        const text = token.kind === "id" ? this.#dynamic(token.text, token) : undefined;
        append(out, text === undefined ? [token] : tokensFor(text, token));
        continue;
      }
      const { macro, args, next } = use;
      const body = this.#substitute(
        macro,
        args.map((one) => this.#expand(trim(one), hidden, depth + 1)),
        token,
      );
      append(out, this.#expand(body, new Set([...hidden, macro]), depth + 1));
      i = next - 1;
    }
    return out;
  }

  #function(tokens: readonly Token[], at: number): { text: string; next: number } | undefined {
    if (!/^%[a-z]/i.test(tokens[at]!.text) || tokens[at + 1]?.text !== "(") return undefined;
    const call = this.#argumentsAt(tokens, at + 1);
    const text = call && callFunction(tokens[at]!.text, call.args, this.#context, tokens[at]!);
    return text === undefined ? undefined : { text, next: call!.next };
  }

  /** `%[...]`: expands even where nothing else is, and joins what it touches. */
  #indirect(
    tokens: readonly Token[],
    at: number,
    hidden: ReadonlySet<SingleMacro>,
    depth: number,
    out: Token[],
  ): number {
    let level = 1;
    let end = at + 1;
    while (end < tokens.length) {
      const { text } = tokens[end]!;
      if (text === "[" || text === "%[") level++;
      if (text === "]" && --level === 0) break;
      end++;
    }
    this.#budget.charge("steps", end - at, tokens[at]!);
    if (end >= tokens.length) throw new SourceError(tokens[at]!, "'%[' without ']'");
    const inner = pasteMarked(this.#expand(tokens.slice(at + 1, end), hidden, depth + 1));
    joinOnto(out, trim(inner), tokens[at]!);
    const after = tokens[end + 1];
    const last = out.at(-1);
    if (after && last && isWord(after) && isWord(last)) {
      out.pop();
      append(out, tokensFor(last.text + after.text, tokens[at]!));
      return end + 1;
    }
    return end;
  }

  #use(tokens: readonly Token[], at: number, hidden: ReadonlySet<SingleMacro>) {
    const candidates = this.#candidates(tokens[at]!.text).filter((one) => !hidden.has(one));
    if (candidates.length === 0) return undefined;
    const plain = candidates.find((one) => one.parameters === undefined);
    let open = at + 1;
    while (isSpace(tokens[open])) open++;
    if (tokens[open]?.text !== "(" || candidates.every((one) => one.parameters === undefined))
      return plain && { macro: plain, args: [], next: at + 1 };
    const call = this.#argumentsAt(tokens, open);
    if (!call) return plain && { macro: plain, args: [], next: at + 1 };
    const count = call.args.length === 1 && trim(call.args[0]!).length === 0 ? 0 : call.args.length;
    for (const macro of candidates) {
      const { parameters } = macro;
      if (!parameters) continue;
      if (parameters.length === count || (parameters.length === 1 && count === 0))
        return { macro, args: call.args, next: call.next };
      if (parameters.at(-1)?.greedy && count > parameters.length)
        return { macro, args: mergeTail(call, tokens, parameters.length), next: call.next };
    }
    return plain && { macro: plain, args: [], next: at + 1 };
  }

  /** Arguments without an end are looked for in vain up to the end of the line. */
  #argumentsAt(tokens: readonly Token[], open: number): CallArguments | undefined {
    const call = argumentsAt(tokens, open);
    this.#budget.charge("steps", (call?.next ?? tokens.length) - open, tokens[open]!);
    return call;
  }

  #substitute(macro: SingleMacro, args: readonly Token[][], at: Token): Token[] {
    const { parameters } = macro;
    const place = (token: Token): Token => placed(ownName(macro, token, at) ?? token, at);
    this.#budget.charge("steps", macro.body.length, at);
    if (!parameters) return macro.body.map(place);
    const positions = new Map(parameters.map(({ name }, i) => [name, i] as const).reverse());
    return macro.body.flatMap((token) => {
      const index = token.kind === "id" ? positions.get(token.text) : undefined;
      if (index === undefined) return [place(token)];
      const arg = args[index] ?? [];
      const { evaluated, quoted, whole } = parameters[index]!;
      if (whole && arg.length === 1 && arg[0]!.kind === "string") return arg;
      const text = evaluated ? String(this.#context.evaluate(arg, at)) : quoted ? spacedText(arg) : undefined;
      return text === undefined ? arg : tokensFor(quoted ? quote(text) : text, at);
    });
  }
}

const placed = ({ kind, text }: Pick<Token, "kind" | "text">, { line, start, end }: Token): Token => ({
  kind,
  text,
  line,
  start,
  end,
});

/** `%?` in a body: the macro's name as it is used; `%??`: as it was defined. */
function ownName({ name }: SingleMacro, token: Token, use: Token): Pick<Token, "kind" | "text"> | undefined {
  const match = token.kind === "pp" ? /^%\{?\*?\?(\??)\}?$/.exec(token.text) : null;
  return match ? { kind: "id", text: match[1] ? name : use.text } : undefined;
}

const NOWHERE: Token = { kind: "other", text: "", line: { text: "", uri: "", line: 0 }, start: 0, end: 0 };

const matches = (macro: SingleMacro, name: string): boolean =>
  macro.name === name || (macro.ignoreCase && macro.name.toLowerCase() === name.toLowerCase());

function replaces(macro: SingleMacro, other: SingleMacro): boolean {
  const sameName = macro.name === other.name || macro.ignoreCase || other.ignoreCase;
  return (
    sameName &&
    (macro.parameters === undefined ||
      other.parameters === undefined ||
      macro.parameters.length === other.parameters.length)
  );
}

interface CallArguments {
  readonly args: Token[][];
  /** Index of each argument's first token. */
  readonly starts: number[];
  readonly close: number;
  readonly next: number;
}

function argumentsAt(tokens: readonly Token[], open: number): CallArguments | undefined {
  const args: Token[][] = [[]];
  const starts = [open + 1];
  let depth = 1;
  let braces = 0;
  for (let i = open + 1; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.kind === "op") {
      if (token.text === "(") depth++;
      if (token.text === "{") braces++;
      if (token.text === "}") braces--;
      if (token.text === ")" && --depth === 0) return { args: args.map(stripBraces), starts, close: i, next: i + 1 };
      if (token.text === "," && depth === 1 && braces === 0) {
        args.push([]);
        starts.push(i + 1);
        continue;
      }
    }
    args.at(-1)!.push(token);
  }
  return undefined;
}

function stripBraces(tokens: Token[]): Token[] {
  const inner = trim(tokens);
  return inner[0]?.text === "{" && inner.at(-1)?.text === "}" ? inner.slice(1, -1) : inner;
}

function mergeTail(call: CallArguments, tokens: readonly Token[], count: number): Token[][] {
  return [...call.args.slice(0, count - 1), tokens.slice(call.starts[count - 1]!, call.close)];
}

/** What a token weighs besides its characters. */
const TOKEN = 1;

/** What tokens weigh as text that macros make. */
export const weightOf = (tokens: readonly Token[]): number =>
  tokens.reduce((sum, { text }) => sum + TOKEN + text.length, 0);

const isWord = (token: Token): boolean => token.kind === "id" || token.kind === "number";

/** Appends tokens; the first joins the word before it. */
export function joinOnto(out: Token[], tokens: readonly Token[], at: Span): void {
  const last = out.at(-1);
  const [first, ...rest] = tokens;
  if (last && first && isWord(last) && isWord(first)) {
    out.pop();
    append(out, tokensFor(last.text + first.text, at));
    append(out, rest);
  } else append(out, tokens);
}

const isPaste = ({ kind, text }: Token): boolean => kind === "pp" && text === "%+";

/** `a %+ b` is `ab`. */
function pasteMarked(tokens: Token[]): Token[] {
  if (!tokens.some(isPaste)) return tokens;
  const out: Token[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.text !== "%+" || token.kind !== "pp") {
      out.push(token);
      continue;
    }
    while (isSpace(out.at(-1))) out.pop();
    while (isSpace(tokens[i + 1])) i++;
    const left = out.pop();
    const right = tokens[++i];
    append(out, tokensFor(textOf([left, right].filter((one) => one !== undefined)), left ?? token));
  }
  return out;
}
