/** Macros and repetitions: `.macro`, `.rept`, `.irp`, `.irpc`. Their bodies are lines; expanding gives new lines. */
import { SourceError } from "../core/diagnostics.ts";
import { type Call, type Line, LineBuilder, type Span } from "../core/source.ts";
import type { TextBudget } from "../core/text-budget.ts";
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

/** Splits arguments: at commas, and at spaces between two words; those of macros not within parentheses (`nested`). */
export function splitArguments(cursor: Cursor, evaluate?: EvaluateArgument, nested = true): Argument[] {
  const args: Argument[] = [];
  cursor.skipSpace();
  let start = cursor.at;
  let text = "";
  let depth = 0;
  const push = () => {
    args.push({ text: evaluate ? text.trim() : unquote(text.trim()), at: start });
    text = "";
  };
  while (cursor.at < cursor.end) {
    const c = cursor.peek();
    if (c === '"' || c === "'") {
      const end = Math.min(cursor.end, skipQuoted(cursor.text, cursor.at));
      text += cursor.text.slice(cursor.at, end);
      cursor.at = end;
    } else if (evaluate && c === "<") {
      const inner = bracketed(cursor.text, cursor.at);
      text += inner.text;
      cursor.at = inner.end;
    } else if (evaluate && c === "%" && text === "") {
      cursor.at++;
      text = evaluate(cursor);
      if (!cursor.done && cursor.peek() !== ",") {
        push();
        start = cursor.at;
      }
    } else if (c === "," && depth === 0) {
      push();
      cursor.at++;
      start = cursor.skipSpace().at;
    } else if (c === " " || c === "\t") {
      const before = text.at(-1) ?? "";
      cursor.skipSpace();
      const after = cursor.peek();
      const splits =
        depth === 0 && after !== "," && JOINS.test(before) && JOINS.test(after) && !isAssignment(cursor, text);
      if (splits && text !== "") {
        push();
        start = cursor.at;
      }
    } else {
      if (nested && (c === "(" || c === "[")) depth++;
      if ((c === ")" || c === "]") && depth > 0) depth--;
      text += c;
      cursor.at++;
    }
  }
  if (text.trim() !== "" || args.length > 0) push();
  return args;
}

const isAssignment = (cursor: Cursor, text: string): boolean => text.endsWith("=") || cursor.peek() === "=";

/** A quoted argument loses its quotes; a doubled quote in it is one. */
function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || skipQuoted(text, 0) !== text.length) return text;
  return text.slice(1, -1).replaceAll('""', '"').replaceAll('\\"', '"');
}

/** Reads `.macro`'s parameter list. */
export function readParameters(cursor: Cursor, evaluate?: EvaluateArgument): Parameter[] {
  const parameters: Parameter[] = [];
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
    if (parameters.some((one) => one.name === name))
      throw new SourceError(at, `there is a parameter '${name}' already`);
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

/** Gives each parameter its text. */
export function bindArguments(macro: Macro, cursor: Cursor, evaluate?: EvaluateArgument): Map<string, string> {
  const bound = new Map<string, string>();
  const whole = cursor.span(cursor.skipSpace().at, cursor.end);
  const rest = macro.parameters.findIndex((parameter) => parameter.rest);
  const args = splitArguments(cursor, evaluate);
  let position = 0;
  for (let i = 0; i < args.length; i++) {
    const argument = args[i]!;
    const named = /^([A-Za-z_.][\w.$]*)=(.*)$/s.exec(argument.text);
    const parameter = named && macro.parameters.find((one) => one.name === named[1]);
    if (parameter) {
      bound.set(parameter.name, unquote(named[2]!));
      continue;
    }
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
  readonly budget: TextBudget;
}

/** One line of a body with its parameters put in. */
export function substitute(line: Line, { values, count, call, budget }: Expansion): Line {
  budget.chargeLines(1, call.site);
  if (!line.text.includes("\\")) return { ...line, call };
  const out = new LineBuilder(budget, call.site);
  let last = 0;
  for (const match of line.text.matchAll(ESCAPE)) {
    const value = match[1] ? String(count) : match[2] ? "" : longest(match[3]!, values);
    if (value === undefined || isCharacter(line.text, match.index)) continue;
    const [text, taken] = typeof value === "string" ? [value, match[0].length] : [value.text, value.taken + 1];
    out.copy(line.text.slice(last, match.index), last, line.columns);
    out.put(text, line.columns?.[match.index] ?? match.index);
    last = match.index + taken;
  }
  out.copy(line.text.slice(last), last, line.columns);
  return { text: out.text, uri: line.uri, line: line.line, columns: out.columns, call };
}

/** A backslash after a single quote, outside strings, is part of a character constant: no parameter goes there. */
function isCharacter(text: string, at: number): boolean {
  if (text[at - 1] !== "'") return false;
  const quotes =
    text
      .slice(0, at)
      .match(/\\.|"/g)
      ?.filter((one) => one === '"').length ?? 0;
  return quotes % 2 === 0;
}

/** `\name` takes the whole name; `.` and `$` may end it early (`\name.x`). */
function longest(name: string, values: ReadonlyMap<string, string>): { text: string; taken: number } | undefined {
  for (let end = name.length; end > 0; end--) {
    if (end < name.length && !/[.$]/.test(name[end]!)) continue;
    const text = values.get(name.slice(0, end));
    if (text !== undefined) return { text, taken: end };
  }
  return undefined;
}
