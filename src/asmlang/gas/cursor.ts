/** Reads one statement's text, character by character and word by word. */
import { SourceError } from "../core/diagnostics.ts";
import { type Line, rangeOf, type Span } from "../core/source.ts";

const IDENTIFIER = /[A-Za-z_.$\u0080-\uffff][\w.$\u0080-\uffff]*/y;
const WORD = /[A-Za-z_.\u0080-\uffff][\w.$\u0080-\uffff]*/y;

export class Cursor {
  readonly line: Line;
  readonly text: string;
  at: number;
  readonly end: number;

  constructor(line: Line, at = 0, end = line.text.length) {
    this.line = line;
    this.text = line.text;
    this.at = at;
    this.end = end;
  }

  /** What matches a sticky pattern here; moves past it. */
  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    if (!pattern.test(this.text) || pattern.lastIndex > this.end) return undefined;
    const found = this.text.slice(this.at, pattern.lastIndex);
    this.at = pattern.lastIndex;
    return found;
  }

  skipSpace(): this {
    while (this.at < this.end) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x09 && code !== 0x0b && code !== 0x0c) break;
      this.at++;
    }
    return this;
  }

  get done(): boolean {
    this.skipSpace();
    return this.at >= this.end;
  }

  peek(ahead = 0): string {
    return this.at + ahead < this.end ? this.text[this.at + ahead]! : "";
  }

  /** Skips spaces, then takes `text` if it comes next. */
  eat(text: string): boolean {
    this.skipSpace();
    if (!this.text.startsWith(text, this.at) || this.at + text.length > this.end) return false;
    this.at += text.length;
    return true;
  }

  expect(text: string, where = ""): void {
    if (!this.eat(text)) throw this.error(`expected '${text}'${where && ` ${where}`}`);
  }

  /** A symbol name: also a quoted one. */
  identifier(): { name: string; span: Span } | undefined {
    this.skipSpace();
    const start = this.at;
    if (this.peek() === '"') {
      const close = this.text.indexOf('"', start + 1);
      if (close < 0 || close >= this.end) throw this.error("unterminated name");
      this.at = close + 1;
      return { name: this.text.slice(start + 1, close), span: this.span(start) };
    }
    const name = this.match(IDENTIFIER);
    return name === undefined ? undefined : { name, span: this.span(start) };
  }

  name(what: string): { name: string; span: Span } {
    const found = this.identifier();
    if (!found) throw this.error(`expected ${what}`);
    return found;
  }

  word(): string | undefined {
    this.skipSpace();
    return this.match(WORD);
  }

  /** The rest of the statement, trimmed; the cursor moves to its end. */
  rest(): string {
    const text = this.text.slice(this.at, this.end).trim();
    this.at = this.end;
    return text;
  }

  span(start: number, end = this.at): Span {
    return { line: this.line, start, end };
  }

  /** What stands here up to the next comma, for messages. */
  here(): Span {
    this.skipSpace();
    const rest = /[^,\s]*/y;
    rest.lastIndex = this.at;
    const length = rest.exec(this.text)?.[0].length ?? 0;
    return this.span(this.at, Math.min(this.end, this.at + Math.max(1, length)));
  }

  error(message: string): SourceError {
    return new SourceError(this.here(), message);
  }

  /** `//` in a file that no C preprocessor reads. */
  wrongComment(): SourceError {
    const span = this.span(this.at, this.at + 2);
    return new SourceError(span, "'//' starts no comment here; '#' does", [], {
      title: "Use '#'",
      range: rangeOf(span),
      text: "#",
    });
  }

  /** Nothing may follow. */
  finish(): void {
    if (this.done) return;
    if (this.text.startsWith("//", this.at)) throw this.wrongComment();
    throw new SourceError(this.span(this.at, this.end), `junk at end of line: '${this.rest().slice(0, 40)}'`);
  }
}
