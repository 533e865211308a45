/**
 * The lines of a file, one after the other. Blocks of them that have been read before, in this run or in another one, are not
 * read again: of such a block is known which of its lines, together, come to what. The other lines are read as ever.
 */
import { type Call, goingOn, type Line } from "../core/source.ts";
import { BlockCutter, BlockLines } from "../core/source-blocks.ts";
import { ownText, StatementCache } from "../core/statement-cache.ts";
import type { SourceText } from "../types.ts";
import type { KnownLine, KnownLinesRun } from "./known-lines.ts";
import type { TokenLine } from "./multi-line.ts";
import { type Token, tokenize } from "./tokens.ts";

/** A line with no more than a comment. */
export const NOTHING = /^[ \t]*(;|$)/;

/** Whoever knows what lines come to. */
export interface LinesHost {
  /** Is what becomes of the block worth keeping? */
  isWorthBlock(text: string, blocks: StatementCache<unknown>): boolean;
  /** Does the run again; false if its lines have to be read. */
  replayRun(run: KnownLinesRun, lines: BlockLines, last: number): boolean;
  /** What the line that was read last is known to come to. */
  outcomeOf(line: Line): KnownLine | undefined;
  /** Lines of a block from `from` on, put together; those that hold nothing are undefined. */
  join(lines: readonly (KnownLine | undefined)[], from: number): KnownLinesRun | undefined;
}

/** Lines of a block, put together. */
interface Piece {
  readonly from: number;
  readonly to: number;
  readonly run: KnownLinesRun;
}

interface KnownBlock {
  /** In their order; what is not in any is read. */
  pieces: readonly Piece[];
  /** At its last place. */
  lines: BlockLines;
}

/** Some 30 lines each: more than the longest source has whose lines are kept. */
const MAX_BLOCKS = 3000;
const KNOWN = new StatementCache<KnownBlock>(MAX_BLOCKS);
const NO_LINES = new BlockLines([], "", 0, undefined);

/** A line of a file, cut into tokens when they are asked for. */
class FileLine implements TokenLine {
  readonly line: Line;
  #tokens: readonly Token[] | undefined;

  constructor(line: Line) {
    this.line = line;
  }

  get tokens(): readonly Token[] {
    return (this.#tokens ??= tokenize(this.line));
  }
}

export class FileLines {
  readonly #host: LinesHost;
  readonly #uri: string;
  readonly #call: Call | undefined;
  readonly #cutter: BlockCutter;
  #text = "";
  #known: KnownBlock | undefined;
  #lines = NO_LINES;
  /** The next line of the block, and the next piece that is known of it. */
  #at = 0;
  #next = 0;
  /** The line that was read last. */
  #read: Line | undefined;
  /** What the block is known to be now: pieces, and behind them, from a line on, lines that are not put together yet. */
  #pieces: Piece[] = [];
  #outcomes: (KnownLine | undefined)[] = [];
  #from = 0;
  #isNew = false;
  /** Its lines are put together. */
  #joins = false;

  constructor({ text, uri }: SourceText, call: Call | undefined, host: LinesHost) {
    this.#host = host;
    this.#uri = uri;
    this.#call = call;
    this.#cutter = new BlockCutter(text);
  }

  /** The next line to be read. `replays`: lines that are known may be done at once. */
  next(replays: boolean): TokenLine | undefined {
    this.#note();
    for (;;) {
      if (this.#at >= this.#lines.texts.length) {
        this.#close();
        if (this.#cutter.done) return undefined;
        this.#open();
      } else if (!replays || !this.#replay()) return this.#readLine(replays);
    }
  }

  #open(): void {
    const first = this.#cutter.line;
    this.#text = this.#cutter.next();
    this.#known = KNOWN.find(0, this.#text);
    const before = this.#known?.lines;
    if (before?.isAt(this.#uri, first, this.#call)) this.#lines = before;
    else this.#lines = new BlockLines(before?.texts ?? this.#text.split("\n"), this.#uri, first, this.#call);
    if (this.#known) this.#known.lines = this.#lines;
    this.#joins = this.#known !== undefined || this.#host.isWorthBlock(this.#text, KNOWN);
    this.#at = 0;
    this.#next = 0;
  }

  #readLine(replays: boolean): TokenLine {
    const at = this.#at++;
    const { texts } = this.#lines;
    const first = texts[at]!;
    const text = first.endsWith("\\") ? goingOn(first, "", () => texts[this.#at++]) : first;
    const line = text === first ? this.#lines.at(at) : this.#lines.with(at, text);
    if (replays && this.#joins && text === first) this.#read = line;
    else this.#skip(this.#at);
    return new FileLine(line);
  }

  #replay(): boolean {
    const pieces = this.#known?.pieces;
    let piece = pieces?.[this.#next];
    while (piece && piece.from < this.#at) piece = pieces![++this.#next];
    if (piece?.from !== this.#at || !this.#host.replayRun(piece.run, this.#lines, piece.to - 1)) return false;
    this.#skip(piece.to);
    this.#pieces.push(piece);
    this.#at = piece.to;
    return true;
  }

  /** What did the line that was read last come to? */
  #note(): void {
    const line = this.#read;
    if (!line) return;
    this.#read = undefined;
    const nothing = NOTHING.test(line.text);
    const outcome = nothing ? undefined : this.#host.outcomeOf(line);
    if (!nothing && !outcome) {
      this.#skip(this.#at);
      return;
    }
    // What depends on macros stands alone: a macro's change should change nothing else.
    const alone = outcome !== undefined && (outcome.words.macros.length > 0 || outcome.call !== undefined);
    if (alone) this.#skip(this.#at - 1);
    this.#outcomes.push(outcome);
    if (alone || outcome?.again) this.#skip(this.#at);
  }

  /** What is up to there is not put together with what comes behind. */
  #skip(to: number): void {
    if (this.#outcomes.length > 0) {
      const run = this.#host.join(this.#outcomes, this.#from);
      if (run) this.#pieces.push({ from: this.#from, to: this.#from + this.#outcomes.length, run });
      this.#isNew ||= run !== undefined;
      this.#outcomes = [];
    }
    this.#from = to;
  }

  /** The block is done. */
  #close(): void {
    this.#skip(0);
    if (this.#isNew && this.#known) this.#known.pieces = this.#pieces;
    else if (this.#isNew) {
      const { uri, first, call } = this.#lines;
      const lines = new BlockLines(ownText(this.#text).split("\n"), uri, first, call);
      KNOWN.keep(0, this.#text, { pieces: this.#pieces, lines });
    }
    this.#isNew = false;
    if (this.#pieces.length > 0) this.#pieces = [];
  }
}
