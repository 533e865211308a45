/** Macros and repetitions: `.macro`, `.rept`, `.irp`, `.irpc`. Their bodies are lines; expanding gives new lines. */
import type { Budget } from "../core/budget.ts";
import { SourceError } from "../core/diagnostics.ts";
import { type Call, type Line, LineBuilder, type Span } from "../core/source.ts";
import { bracketed } from "./alternate.ts";
import type { Cursor } from "./cursor.ts";
import { skipQuoted } from "./text.ts";

export interface Parameter {
  readonly name: string;
  readonly fallback: string;
  readonly required: boolean;
  readonly rest: boolean;
}

export interface Macro {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly body: readonly Line[];
  readonly span: Span;
}

export interface Argument {
  readonly text: string;
  /** Column it starts at. */
  readonly at: number;
}

/** Characters that keep a space between them: it separates arguments. */
const JOINS = /[\w.$*%\-([{}"'\\\u0080-\uffff]/;

/** What `.altmacro` adds to arguments: the value of `%expression`, from the cursor on. */
export type EvaluateArgument = ((cursor: Cursor) => string) | undefined;

/** Characters without a meaning of their own between arguments. */
const PLAIN = /[^"'<%,\s()[\]=]+/y;

/** An argument under way, piece by piece. */
class ArgumentText {
  #pieces: string[] = [];
  /** Its last character so far. */
  last = "";

  add(piece: string): void {
    if (piece === "") return;
    this.#pieces.push(piece);
    this.last = piece.at(-1)!;
  }

  get blank(): boolean {
    return this.last === "";
  }

  /** The text without blanks around it; the next argument begins. */
  take(): string {
    const text = this.#pieces.join("").trim();
    this.#pieces = [];
    this.last = "";
    return text;
  }
}

/** Splits arguments: at commas, and at spaces between two words; those of macros not within parentheses (`nested`). */
export function splitArguments(cursor: Cursor, evaluate?: EvaluateArgument, nested = true): Argument[] {
  const args: Argument[] = [];
  const text = new ArgumentText();
  let start = cursor.skipSpace().at;
  let depth = 0;
  const push = () => {
    const whole = text.take();
    args.push({ text: evaluate ? whole : unquote(whole), at: start });
  };
  while (cursor.at < cursor.end) {
    const c = cursor.peek();
    if (c === '"' || c === "'") {
      const end = Math.min(cursor.end, skipQuoted(cursor.text, cursor.at));
      text.add(cursor.text.slice(cursor.at, end));
      cursor.at = end;
    } else if (evaluate && c === "<") {
      const inner = bracketed(cursor.text, cursor.at);
      text.add(inner.text);
      cursor.at = inner.end;
    } else if (evaluate && c === "%" && text.blank) {
      cursor.at++;
      text.add(evaluate(cursor));
      if (!cursor.done && cursor.peek() !== ",") {
        push();
        start = cursor.at;
      }
    } else if (c === "," && depth === 0) {
      push();
      cursor.at++;
      start = cursor.skipSpace().at;
    } else if (c === " " || c === "\t") {
      const { last } = text;
      const after = cursor.skipSpace().peek();
      const splits = depth === 0 && after !== "," && after !== "=" && last !== "=";
      if (splits && JOINS.test(last) && JOINS.test(after)) {
        push();
        start = cursor.at;
      }
    } else {
      if (nested && (c === "(" || c === "[")) depth++;
      if ((c === ")" || c === "]") && depth > 0) depth--;
      const plain = cursor.match(PLAIN);
      text.add(plain ?? c);
      if (plain === undefined) cursor.at++;
    }
  }
  if (!text.blank || args.length > 0) push();
  return args;
}

/** A quoted argument loses its quotes; a doubled quote in it is one. */
function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || skipQuoted(text, 0) !== text.length) return text;
  return text.slice(1, -1).replaceAll('""', '"').replaceAll('\\"', '"');
}

/** Reads `.macro`'s parameter list. */
export function readParameters(cursor: Cursor, evaluate?: EvaluateArgument): Parameter[] {
  const parameters: Parameter[] = [];
  const names = new Set<string>();
  while (!cursor.done) {
    const { name, span: at } = cursor.name("a parameter name");
    let required = false;
    let rest = false;
    if (cursor.eat(":")) {
      const { name: kind, span } = cursor.name("'req' or 'vararg'");
      if (kind !== "req" && kind !== "vararg")
        throw new SourceError(span, `unknown parameter kind '${kind}': 'req' or 'vararg'`);
      required = kind === "req";
      rest = kind === "vararg";
    }
    if (parameters.at(-1)?.rest) throw new SourceError(at, "nothing comes after a parameter that takes the rest");
    if (names.has(name)) throw new SourceError(at, `there is a parameter '${name}' already`);
    names.add(name);
    parameters.push({ name, fallback: cursor.eat("=") ? readDefault(cursor, evaluate) : "", required, rest });
    cursor.eat(",");
  }
  return parameters;
}

function readDefault(cursor: Cursor, evaluate: EvaluateArgument): string {
  cursor.skipSpace();
  const start = cursor.at;
  if (evaluate && cursor.eat("%")) return evaluate(cursor);
  if (evaluate && cursor.peek() === "<") {
    const inner = bracketed(cursor.text, cursor.at);
    cursor.at = inner.end;
    return inner.text;
  }
  if (cursor.peek() === '"') cursor.at = Math.min(cursor.end, skipQuoted(cursor.text, cursor.at));
  else cursor.match(/[^,\s]*/y);
  return unquote(cursor.text.slice(start, cursor.at));
}

/** `name=text`; what looks like it is taken for it, even `1==1`. */
const NAMED = /^([^\s,;"'()=]+)=(.*)$/s;

/** Gives each parameter its text. */
export function bindArguments(macro: Macro, cursor: Cursor, evaluate?: EvaluateArgument): Map<string, string> {
  const bound = new Map<string, string>();
  const whole = cursor.span(cursor.skipSpace().at, cursor.end);
  const rest = macro.parameters.findIndex((parameter) => parameter.rest);
  const args = splitArguments(cursor, evaluate);
  const names = new Set(macro.parameters.map(({ name }) => name));
  let position = 0;
  let byName = false;
  for (let i = 0; i < args.length; i++) {
    const argument = args[i]!;
    const named = evaluate ? null : NAMED.exec(argument.text);
    if (named) {
      if (!names.has(named[1]!))
        throw new SourceError(
          { ...whole, start: argument.at, end: argument.at + named[1]!.length },
          `macro '${macro.name}' has no parameter '${named[1]}'`,
          [related(macro)],
        );
      bound.set(named[1]!, unquote(named[2]!));
      byName = true;
      continue;
    }
    if (byName) throw new SourceError({ ...whole, start: argument.at }, "after an argument with a name all have names");
    if (position === rest) {
      bound.set(macro.parameters[rest]!.name, squeezed(cursor.text.slice(argument.at, cursor.end)));
      break;
    }
    const target = macro.parameters[position++];
    if (!target)
      throw new SourceError({ ...whole, start: argument.at }, `too many arguments for macro '${macro.name}'`, [
        related(macro),
      ]);
    bound.set(target.name, argument.text);
  }
  for (const parameter of macro.parameters) {
    if (parameter.required && !bound.get(parameter.name))
      throw new SourceError(whole, `macro '${macro.name}' needs a value for '${parameter.name}'`, [related(macro)]);
    if (!bound.get(parameter.name)) bound.set(parameter.name, parameter.fallback);
  }
  return bound;
}

/** As `as` reads a line: no spaces around commas. */
const squeezed = (text: string): string =>
  text.trim().replace(/("(?:[^"\\]|\\.)*")|\s*,\s*/g, (found, quoted: string | undefined) => quoted ?? found.trim());

export function related(macro: Macro) {
  const { line } = macro.span;
  const range = {
    uri: line.uri,
    line: line.line,
    column: macro.span.start,
    endLine: line.line,
    endColumn: macro.span.end,
  };
  return { message: `macro '${macro.name}' is defined here`, range };
}

const ESCAPE = /\\(?:(@)|(\(\))|([A-Za-z_.][\w.$]*))/g;

/** One use of a body. */
export interface Expansion {
  readonly values: ReadonlyMap<string, string>;
  /** `\@`. */
  readonly count: number;
  readonly call: Call;
  readonly budget: Budget;
}

/** One line of a body with its parameters put in. */
export function substitute(line: Line, { values, count, call, budget }: Expansion): Line {
  if (!line.text.includes("\\")) return { ...line, call };
  const out = new LineBuilder(budget, call.site);
  const isCharacter = characterFinder(line.text);
  const most = longestOf(values);
  let last = 0;
  for (const match of line.text.matchAll(ESCAPE)) {
    const value = match[1] ? String(count) : match[2] ? "" : longest(match[3]!, values, most);
    if (value === undefined || isCharacter(match.index)) continue;
    const [text, taken] = typeof value === "string" ? [value, match[0].length] : [value.text, value.taken + 1];
    out.copy(line.text.slice(last, match.index), line, last);
    out.put(text, line, match.index);
    last = match.index + taken;
  }
  out.copy(line.text.slice(last), line, last);
  return { text: out.text, uri: line.uri, line: line.line, columns: out.columns, call };
}

/** A backslash after a single quote, outside strings, is part of a character constant: no parameter goes there. To be asked in order. */
function characterFinder(text: string): (at: number) => boolean {
  const quotes = /\\.|"/g;
  let inside = false;
  let next = quotes.exec(text);
  return (at) => {
    for (; next && next.index < at; next = quotes.exec(text)) if (next[0] === '"') inside = !inside;
    return text[at - 1] === "'" && !inside;
  };
}

/** Length of the longest name: there is no need to look for longer ones. */
const longestOf = (values: ReadonlyMap<string, string>): number => {
  let most = 0;
  for (const name of values.keys()) most = Math.max(most, name.length);
  return most;
};

/** `\name` takes the whole name; `.` and `$` may end it early (`\name.x`). */
function longest(
  name: string,
  values: ReadonlyMap<string, string>,
  most: number,
): { text: string; taken: number } | undefined {
  for (let end = Math.min(name.length, most); end > 0; end--) {
    if (end < name.length && !/[.$]/.test(name[end]!)) continue;
    const text = values.get(name.slice(0, end));
    if (text !== undefined) return { text, taken: end };
  }
  return undefined;
}
