/**
 * Where a piece of text came from. A `Line` is what a dialect's reader consumes: the text as it stands after macro
 * expansion, with a map back to the columns of the line in the file that it was made from.
 */
import type { Range } from "../types.ts";
import type { Budget } from "./budget.ts";

/** A macro call, a repetition or an include: why these lines are read at all. */
export interface Call {
  readonly message: string;
  readonly site: Span;
  /** Rows of the line table made inside belong to the place of the call (macros), not to the line in the body. */
  readonly hidesBody: boolean;
}

/** From `start` on, characters stand at `column` and after it, or all of them stand in for what is there. */
interface Piece {
  readonly start: number;
  readonly column: number;
  readonly copied: boolean;
}

/** In the order of their starts. */
export type Columns = readonly Piece[];

export interface Line {
  readonly text: string;
  readonly uri: string;
  /** Zero-based. */
  readonly line: number;
  /** Columns in the file of the characters of `text`; undefined: the same columns. */
  readonly columns?: Columns;
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

/** Index of the piece that a character belongs to. */
function pieceAt(columns: Columns, at: number): number {
  let low = 0;
  let high = columns.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (columns[middle]!.start <= at) low = middle;
    else high = middle;
  }
  return low;
}

/** The column in the file of a character of the line. */
export function columnAt({ text, columns }: Line, at: number): number {
  if (!columns) return at;
  const last = Math.min(at, text.length - 1);
  const piece = columns[pieceAt(columns, last)];
  if (!piece) return 0;
  return piece.column + (piece.copied ? last - piece.start : 0) + (at > last ? 1 : 0);
}

/** The columns of a part of the line. */
export function columnsOf({ columns }: Line, from: number, to: number): Piece[] {
  if (!columns) return [{ start: 0, column: from, copied: true }];
  const part: Piece[] = [];
  for (let i = pieceAt(columns, from); i < columns.length && columns[i]!.start < to; i++) {
    const { start, column, copied } = columns[i]!;
    const skipped = Math.max(0, from - start);
    part.push({ start: Math.max(0, start - from), column: copied ? column + skipped : column, copied });
  }
  return part;
}

export function rangeOf({ line, start, end }: Span): Range {
  const from = columnAt(line, start);
  const to = end > start ? columnAt(line, end - 1) + 1 : from;
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

/** A line with those that the backslash at its end goes on to; `between` stands for the backslash. */
export function goingOn(first: string, between: string, next: () => string | undefined): string {
  if (!first.endsWith("\\")) return first;
  const pieces: string[] = [];
  for (let piece = first; ; ) {
    const after = piece.endsWith("\\") ? next() : undefined;
    if (after === undefined) return [...pieces, piece].join(between);
    pieces.push(piece.slice(0, -1));
    piece = after;
  }
}

/** Splits a file into lines; CR LF and CR count as one end of line. */
export function splitLines(text: string): string[] {
  return text.includes("\r") ? text.split(/\r\n|\n|\r/) : text.split("\n");
}

/** Builds a line's text piece by piece and remembers where each comes from. */
export class LineBuilder {
  text = "";
  readonly columns: Piece[] = [];
  readonly #budget: Budget;
  readonly #site: Span;

  /** `site`: what makes the line. */
  constructor(budget: Budget, site: Span) {
    this.#budget = budget;
    this.#site = site;
  }

  /** `text` stands in `line` from `at` on. */
  copy(text: string, line: Line, at: number): void {
    this.#budget.charge("text", text.length, this.#site);
    for (const { start, column, copied } of columnsOf(line, at, at + text.length))
      this.columns.push({ start: this.text.length + start, column, copied });
    this.text += text;
  }

  /** `text` stands in for what is in `line` at `at`. */
  put(text: string, line: Line, at: number): void {
    this.#budget.charge("text", text.length, this.#site);
    if (text !== "") this.columns.push({ start: this.text.length, column: columnAt(line, at), copied: false });
    this.text += text;
  }
}
