/**
 * Cuts a source into blocks of whole lines. Where a block ends depends on the lines in it and on nothing else, so that an edit
 * makes other blocks where it is, and leaves all others what they were, wherever they stand now.
 */
import type { Call, Line } from "./source.ts";

/** One line in so many ends a block, by its text. */
const SPREAD = 32;
/** And every block ends after this many lines. */
const MOST_LINES = 4 * SPREAD;

export class BlockCutter {
  readonly #text: string;
  #at = 0;
  /** Lines before the next block. */
  line = 0;
  done = false;

  constructor(text: string) {
    this.#text = text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
  }

  /** The next block: its lines, without the end of the last one. */
  next(): string {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    for (let lines = 1; ; lines++) {
      let hash = 0x811c9dc5;
      let last = 0;
      let character = text.charCodeAt(at);
      // At the end of the text it is no number.
      for (; character >= 0 && character !== 10; character = text.charCodeAt(++at))
        hash = Math.imul(hash ^ (last = character), 0x01000193);
      this.done = at >= text.length;
      const ends = lines >= MOST_LINES || ((hash ^ (hash >>> 15)) & (SPREAD - 1)) === 0;
      // What a backslash goes on to belongs to its line.
      if (!this.done && !(ends && last !== 92)) {
        at++;
        continue;
      }
      this.#at = at + 1;
      this.line += lines;
      return text.slice(start, at);
    }
  }
}

/** The lines of a block at its place in a file. */
export class BlockLines {
  readonly texts: readonly string[];
  readonly uri: string;
  readonly first: number;
  readonly call: Call | undefined;
  readonly #lines: Line[] = [];

  constructor(texts: readonly string[], uri: string, first: number, call: Call | undefined) {
    this.texts = texts;
    this.uri = uri;
    this.first = first;
    this.call = call;
  }

  at(index: number): Line {
    return (this.#lines[index] ??= this.with(index, this.texts[index]!));
  }

  /** A line with another text. */
  with(index: number, text: string): Line {
    const { uri, call } = this;
    const line = this.first + index;
    return call ? { text, uri, line, call } : { text, uri, line };
  }

  /** Is that their place? */
  isAt(uri: string, first: number, call: Call | undefined): boolean {
    return this.uri === uri && this.first === first && this.call === call;
  }
}
