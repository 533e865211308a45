/** The C preprocessor for `.S` files: directives, object- and function-like macros, `#` and `##`. */
import type { Budget } from "../core/budget.ts";
import { FatalError, type Reporter, SourceError } from "../core/diagnostics.ts";
import { append } from "../core/lists.ts";
import { type Call, goingOn, type Line, LineBuilder, type Span, wholeLine } from "../core/source.ts";
import type { SourceText } from "../types.ts";
import { evaluateCondition } from "./cpp-condition.ts";
import { predefined } from "./cpp-predefined.ts";
import { blankComments, isCppDirective } from "./text.ts";

interface CppMacro {
  readonly name: string;
  readonly parameters: readonly string[] | undefined;
  readonly variadic: boolean;
  readonly body: readonly string[];
}

const TOKEN = /\s+|[A-Za-z_]\w*|\.?\d(?:[eEpP][+-]|[\w.])*|"(?:\\.|[^"\\])*"|'\\?.'?|##|./gsu;
const NAME = /^[A-Za-z_]\w*$/;
const MAX_INCLUDES = 64;
const MAX_LINE = 200_000;
const MAX_DEPTH = 500;

const plainMacro = (name: string, body: readonly string[]): CppMacro => ({
  name,
  parameters: undefined,
  variadic: false,
  body,
});

export const tokensOf = (text: string): string[] => text.match(TOKEN) ?? [];

export class CPreprocessor {
  readonly #reporter: Reporter;
  readonly #include: (name: string, from: string) => SourceText | undefined;
  readonly #macros = new Map<string, CppMacro>();
  /** Defined for `#if` only: the assembler knows these symbols itself. */
  readonly #known = new Map<string, string>();
  readonly #out: Line[] = [];
  readonly #budget: Budget;
  /** Characters that the macro at hand has made. */
  #made = 0;

  constructor(
    reporter: Reporter,
    budget: Budget,
    include: (name: string, from: string) => SourceText | undefined,
    wide: boolean,
  ) {
    this.#reporter = reporter;
    this.#budget = budget;
    this.#include = include;
    for (const [name, value] of predefined(wide)) this.define(name, value);
  }

  define(name: string, value: string): void {
    this.#macros.set(name, plainMacro(name, tokensOf(value)));
  }

  defineForConditions(name: string, value: string): void {
    this.#known.set(name, value);
  }

  run(source: SourceText): Line[] {
    this.#file(source, undefined, 0);
    return this.#out;
  }

  #file(source: SourceText, call: Call | undefined, depth: number): void {
    const again = !this.#budget.isFresh(source.uri);
    const conditions: { active: boolean; taken: boolean; outer: boolean; span: Span; sawElse: boolean }[] = [];
    const lines = logicalLines(source, call);
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i]!;
      if (again) this.#budget.chargeLine("lines", 1, line);
      this.#locate(line);
      const active = conditions.at(-1)?.active ?? true;
      const directive = /^\s*#\s*([a-z]+)/.exec(line.text);
      if (!directive || !isCppDirective(line.text)) {
        if (!active) continue;
        // The arguments of a macro may go on in the lines below.
        const text = this.#closed(line, () => {
          const next = lines[i + 1];
          return next && !isCppDirective(next.text) ? lines[++i]!.text : undefined;
        });
        this.#out.push(this.#expandLine(text === line.text ? line : { ...line, text }));
        continue;
      }
      const at = directive[0].length;
      this.#reporter.guard(() => {
        if (!this.#conditional(directive[1]!, line, at, conditions, active) && active)
          this.#directive(directive[1]!, line, at, depth);
      });
    }
    for (const open of conditions) this.#reporter.error(open.span, "this #if has no #endif");
  }

  /** `__LINE__` and `__FILE__` are what they are here. */
  #locate({ uri, line }: Line): void {
    this.#macros.set("__LINE__", plainMacro("__LINE__", [String(line + 1)]));
    this.#macros.set("__FILE__", plainMacro("__FILE__", [JSON.stringify(uri)]));
  }

  /** The line with as many of the next ones as the uses of macros in it go on to. */
  #closed(line: Line, next: () => string | undefined): string {
    let { text } = line;
    let end = this.#openUse(text, line);
    while (end !== undefined) {
      const pieces = [text];
      for (let depth = end; depth > 0; ) {
        const more = next();
        if (more === undefined) return pieces.join(" ");
        pieces.push(more.trim());
        for (const token of tokensOf(more)) depth += token === "(" ? 1 : token === ")" && depth > 0 ? -1 : 0;
      }
      text = pieces.join(" ");
      end = this.#openUse(text, line);
    }
    return text;
  }

  /** If the text ends in the arguments of a macro: how many parentheses are open. */
  #openUse(text: string, line: Line): number | undefined {
    if (!text.includes("(") || text.length > MAX_LINE) return undefined;
    const tokens = tokensOf(text);
    if (!tokens.some((token) => this.#macros.get(token)?.parameters)) return undefined;
    this.#budget.chargeLine("text", text.length, line);
    for (let i = 0; i < tokens.length; i++) {
      if (!this.#macros.get(tokens[i]!)?.parameters) continue;
      const open = afterSpace(tokens, i + 1);
      if (tokens[open] !== "(") continue;
      const use = this.#use(tokens, i, line);
      if (!use)
        return tokens.slice(open).reduce((depth, token) => depth + (token === "(" ? 1 : token === ")" ? -1 : 0), 0);
      i = use.next - 1;
    }
    return undefined;
  }

  #conditional(
    name: string,
    line: Line,
    at: number,
    stack: { active: boolean; taken: boolean; outer: boolean; span: Span; sawElse: boolean }[],
    active: boolean,
  ): boolean {
    const span: Span = { ...wholeLine(line) };
    const top = stack.at(-1);
    switch (name) {
      case "if":
      case "ifdef":
      case "ifndef": {
        const level = { active: false, taken: true, outer: active, span, sawElse: false };
        stack.push(level);
        if (active) level.active = level.taken = this.#test(name, line, at);
        return true;
      }
      case "elif":
      case "else": {
        if (!top) throw new SourceError(span, `#${name} without #if`);
        if (top.sawElse) throw new SourceError(span, `#${name} after #else`);
        top.active = top.outer && !top.taken && (name === "else" || this.#test("if", line, at));
        top.taken ||= top.active;
        top.sawElse = name === "else";
        return true;
      }
      case "endif":
        if (!stack.pop()) throw new SourceError(span, "#endif without #if");
        return true;
      default:
        return false;
    }
  }

  #test(name: string, line: Line, at: number): boolean {
    const text = line.text.slice(at);
    if (name === "if") return this.#condition(text, { line, start: at, end: line.text.length });
    const macro = /[A-Za-z_]\w*/.exec(text)?.[0];
    if (!macro) throw new SourceError(wholeLine(line), `#${name} needs a name`);
    return this.#isDefined(macro) === (name === "ifdef");
  }

  #isDefined(name: string): boolean {
    return this.#macros.has(name) || this.#known.has(name);
  }

  #condition(text: string, span: Span): boolean {
    const defined = text.replace(/\bdefined\s*(?:\(\s*([A-Za-z_]\w*)\s*\)|([A-Za-z_]\w*))/g, (_, a, b) =>
      this.#isDefined(a ?? b) ? "1" : "0",
    );
    this.#made = 0;
    const expanded = this.#expand(tokensOf(defined), new Set(), span);
    return (
      evaluateCondition(
        expanded.map((token) => this.#known.get(token) ?? token),
        span,
      ) !== 0n
    );
  }

  #directive(name: string, line: Line, at: number, depth: number): void {
    const text = line.text.slice(at).trim();
    const span = wholeLine(line);
    if (name === "define") this.#define(line.text.slice(at).trimStart(), span);
    else if (name === "undef") {
      this.#macros.delete(text);
      this.#known.delete(text);
    } else if (name === "include") this.#includeFile(text, line, depth);
    else if (name === "error") throw new SourceError(span, `#error ${text}`);
    else if (name === "warning") this.#reporter.warning(span, `#warning ${text}`);
  }

  #define(text: string, span: Span): void {
    const head = /^([A-Za-z_]\w*)(\(([^)]*)\))?/.exec(text);
    if (!head) throw new SourceError(span, "#define needs a name");
    const parameters =
      head[2] === undefined
        ? undefined
        : head[3]!
            .split(",")
            .map((one) => one.trim())
            .filter(Boolean);
    const variadic = parameters?.at(-1)?.endsWith("...") ?? false;
    if (variadic && parameters)
      parameters[parameters.length - 1] = parameters.at(-1)!.slice(0, -3).trim() || "__VA_ARGS__";
    const bad = parameters?.find((one) => !NAME.test(one));
    if (bad !== undefined) throw new SourceError(span, `'${bad}' cannot be the name of a parameter`);
    this.#macros.set(head[1]!, {
      name: head[1]!,
      parameters,
      variadic,
      body: tokensOf(text.slice(head[0].length).trim()),
    });
  }

  #includeFile(text: string, line: Line, depth: number): void {
    const name = /^"([^"]+)"|^<([^>]+)>/.exec(text);
    if (!name) throw new SourceError(wholeLine(line), 'expected #include "FILE"');
    if (depth >= MAX_INCLUDES)
      throw new FatalError(wholeLine(line), `includes are nested more than ${MAX_INCLUDES} deep`);
    const file = this.#include(name[1] ?? name[2]!, line.uri);
    if (!file) throw new SourceError(wholeLine(line), `cannot find include file '${name[1] ?? name[2]}'`);
    this.#file(file, { message: "included from here", site: wholeLine(line), hidesBody: false }, depth + 1);
  }

  #expandLine(line: Line): Line {
    if (!/[A-Za-z_]/.test(line.text)) return line;
    const tokens = tokensOf(line.text);
    if (!tokens.some((token) => this.#macros.has(token))) return line;
    const out = new LineBuilder(this.#budget, wholeLine(line));
    let at = 0;
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]!;
      const use = this.#use(tokens, i, line);
      if (!use) {
        out.copy(token, line, at);
        at += token.length;
        continue;
      }
      const length = tokens.slice(i, use.next).reduce((sum, one) => sum + one.length, 0);
      const span = { line, start: at, end: at + length };
      this.#made = 0;
      this.#reporter.guard(() => out.put(this.#expand(tokens.slice(i, use.next), new Set(), span).join(""), line, at));
      at += length;
      i = use.next - 1;
    }
    return { ...line, text: out.text, columns: out.columns };
  }

  /** If a macro is used at token i: where its use ends. */
  #use(
    tokens: readonly string[],
    i: number,
    line: Line,
  ): { macro: CppMacro; args: string[][]; next: number } | undefined {
    const macro = this.#macros.get(tokens[i]!);
    if (!macro) return undefined;
    if (!macro.parameters) return { macro, args: [], next: i + 1 };
    let at = afterSpace(tokens, i + 1);
    if (tokens[at] !== "(") return undefined;
    const first = at;
    const args: string[][] = [[]];
    let depth = 1;
    for (at++; at < tokens.length; at++) {
      const token = tokens[at]!;
      if (token === "(") depth++;
      if (token === ")" && --depth === 0) {
        this.#budget.chargeLine("steps", at - first, line);
        return { macro, args, next: at + 1 };
      }
      const splits = token === "," && depth === 1 && !(macro.variadic && args.length >= macro.parameters.length);
      if (splits) args.push([]);
      else args.at(-1)!.push(token);
    }
    this.#budget.chargeLine("steps", at - first, line);
    return undefined;
  }

  #expand(tokens: readonly string[], hidden: ReadonlySet<string>, span: Span, depth = 0): string[] {
    if (depth > MAX_DEPTH) throw new SourceError(span, "macros are nested too deeply here");
    const out: string[] = [];
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]!;
      const use = hidden.has(token) ? undefined : this.#use(tokens, i, span.line);
      if (!use) {
        this.#charge(token.length, span);
        out.push(token);
        continue;
      }
      const body = this.#body(use.macro, use.args.map(trimTokens), hidden, span, depth + 1);
      // What the macro gives may itself name a function-like macro whose arguments follow.
      append(out, this.#expand(body, new Set([...hidden, use.macro.name]), span, depth + 1));
      i = use.next - 1;
    }
    return out;
  }

  #charge(length: number, span: Span): void {
    this.#made += length;
    if (this.#made > MAX_LINE) throw new SourceError(span, "this macro expands to too much text");
  }

  #body(macro: CppMacro, args: string[][], hidden: ReadonlySet<string>, span: Span, depth: number): string[] {
    const { parameters, body } = macro;
    this.#budget.charge("steps", body.length, span);
    if (!parameters) return paste(body);
    const given = args.length === 1 && args[0]!.length === 0 && parameters.length === 0 ? 0 : args.length;
    if (given > parameters.length || given < parameters.length - (macro.variadic ? 1 : 0))
      throw new SourceError(span, `macro '${macro.name}' takes ${parameters.length} arguments, not ${given}`);
    const positions = new Map(parameters.map((name, i) => [name, i]));
    const out: string[] = [];
    for (let i = 0; i < body.length; i++) {
      const token = body[i]!;
      const quoted = token === "#" ? positions.get(body[i + 1] ?? "") : undefined;
      if (quoted !== undefined) {
        out.push(stringify(args[quoted] ?? []));
        i++;
        continue;
      }
      const index = positions.get(token);
      if (index === undefined) {
        out.push(token);
        continue;
      }
      const pasted = neighbour(body, i, -1) === "##" || neighbour(body, i, 1) === "##";
      append(out, pasted ? (args[index] ?? []) : this.#expand(args[index] ?? [], hidden, span, depth));
    }
    return paste(out);
  }
}

/** Index of the next token that is no blank. */
function afterSpace(tokens: readonly string[], from: number): number {
  let at = from;
  while (tokens[at]?.trim() === "") at++;
  return at;
}

/** `#argument`: blanks become one, quotes and backslashes of constants are escaped. */
const stringify = (tokens: readonly string[]): string =>
  `"${tokens
    .map((token) => (token.trim() === "" ? " " : /^["']/.test(token) ? token.replace(/["\\]/g, "\\$&") : token))
    .join("")}"`;

function neighbour(tokens: readonly string[], at: number, step: number): string | undefined {
  let i = at + step;
  while (tokens[i] !== undefined && tokens[i]!.trim() === "") i += step;
  return tokens[i];
}

function trimTokens(tokens: string[]): string[] {
  const from = tokens.findIndex((token) => token.trim() !== "");
  const to = tokens.findLastIndex((token) => token.trim() !== "");
  return from < 0 ? [] : tokens.slice(from, to + 1);
}

/** Joins the tokens around each `##`. */
function paste(tokens: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i] !== "##") {
      out.push(tokens[i]!);
      continue;
    }
    while (out.at(-1)?.trim() === "") out.pop();
    while (tokens[i + 1]?.trim() === "") i++;
    const joined = (out.pop() ?? "") + (tokens[++i] ?? "");
    append(out, tokensOf(joined));
  }
  return out;
}

/** Lines with comments blanked and backslash continuations joined. */
function logicalLines(source: SourceText, call: Call | undefined): Line[] {
  const lines = blankComments(source.text, true);
  const out: Line[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = i;
    const text = goingOn(lines[i]!, " ", () => lines[++i]);
    out.push({ text, uri: source.uri, line, ...(call && { call }) });
  }
  return out;
}
