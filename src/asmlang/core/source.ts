/**
 * Where a piece of text came from. A `Line` is what a dialect's reader consumes: the text as it stands after macro
 * expansion, with a map back to the columns of the line in the file that it was made from.
 */
import type { Range } from "../types.ts";
import type { TextBudget } from "./text-budget.ts";

/** A macro call, a repetition or an include: why these lines are read at all. */
export interface Call {
  readonly message: string;
  readonly site: Span;
  /** Rows of the line table made inside belong to the place of the call (macros), not to the line in the body. */
  readonly hidesBody: boolean;
}

export interface Line {
  readonly text: string;
  readonly uri: string;
  /** Zero-based. */
  readonly line: number;
  /** Column in the file of each character of `text`; undefined: the same column. */
  readonly columns?: readonly number[];
  readonly call?: Call;
}

/** Part of a line; end exclusive. */
export interface Span {
  readonly line: Line;
  readonly start: number;
  readonly end: number;
}

export function wholeLine(line: Line): Span {
  const start = line.text.length - line.text.trimStart().length;
  return { line, start, end: Math.max(start, line.text.trimEnd().length) };
}

export function join(first: Span, last: Span): Span {
  return first.line === last.line
    ? { line: first.line, start: first.start, end: Math.max(first.end, last.end) }
    : first;
}

function column(line: Line, at: number): number {
  if (!line.columns) return at;
  if (at < line.columns.length) return line.columns[at]!;
  return line.columns.length === 0 ? 0 : line.columns[line.columns.length - 1]! + 1;
}

export function rangeOf({ line, start, end }: Span): Range {
  const from = column(line, start);
  const to = end > start ? column(line, end - 1) + 1 : from;
  return { uri: line.uri, line: line.line, column: from, endLine: line.line, endColumn: Math.max(from, to) };
}

/** The calls that led to this line, innermost first. */
export function callChain(line: Line): { message: string; range: Range }[] {
  const chain: { message: string; range: Range }[] = [];
  for (let call = line.call; call && chain.length < 16; call = call.site.line.call)
    chain.push({ message: call.message, range: rangeOf(call.site) });
  return chain;
}

/** The line that a debugger should show for code made from `line`. */
export function shownLine(line: Line): { uri: string; line: number } {
  if (!line.call) return line;
  let shown = line;
  for (let at: Line | undefined = line; at; at = at.call?.site.line) if (at.call?.hidesBody) shown = at.call.site.line;
  return shown;
}

/** The lines of bodies that `line` comes from, innermost first, below the one that is shown. */
export function bodyLines(line: Line): { uri: string; line: number }[] {
  const shown = shownLine(line);
  const bodies: { uri: string; line: number }[] = [];
  for (let at: Line | undefined = line; at && at !== shown; at = at.call?.site.line)
    bodies.push({ uri: at.uri, line: at.line });
  return bodies;
}

/** Splits a file into lines; CR LF and CR count as one end of line. */
export function splitLines(text: string): string[] {
  return text.split(/\r\n|\n|\r/);
}

/** Builds a line's text piece by piece and remembers the column of every character. */
export class LineBuilder {
  text = "";
  readonly columns: number[] = [];
  readonly #budget: TextBudget;
  readonly #site: Span;

  /** `site`: what makes the line. */
  constructor(budget: TextBudget, site: Span) {
    this.#budget = budget;
    this.#site = site;
  }

  /** `text` stands in the file from `at` on. */
  copy(text: string, at: number, columns?: readonly number[]): void {
    this.#budget.charge(text.length, this.#site);
    for (let i = 0; i < text.length; i++) this.columns.push(columns ? (columns[at + i] ?? at) : at + i);
    this.text += text;
  }

  /** `text` stands in for what is at column `at`. */
  put(text: string, at: number): void {
    this.#budget.charge(text.length, this.#site);
    for (let i = 0; i < text.length; i++) this.columns.push(at);
    this.text += text;
  }
}
