/** The stack of places that statements come from: files, macro bodies, repetitions. */
import { FatalError } from "../core/diagnostics.ts";
import { type Line, type Span, wholeLine } from "../core/source.ts";
import { statementsOf } from "./text.ts";

const MAX_NESTING = 250;
const MAX_STATEMENTS = 500_000;

interface Frame {
  readonly lines: readonly Line[];
  next: number;
  readonly macro: boolean;
  /** Open conditions when it began. */
  readonly conditions: number;
}

export class Input {
  readonly #frames: Frame[] = [];
  #pending: Line[] = [];
  #taken = 0;

  get depth(): number {
    return this.#frames.length;
  }

  /** Statements of `lines` come before whatever was next. */
  push(lines: readonly Line[], site: Span | undefined, macro = false, conditions = 0): void {
    if (site && this.#frames.length >= MAX_NESTING)
      throw new FatalError(site, `macros and includes are nested more than ${MAX_NESTING} deep`);
    if (this.#pending.length > 0) this.#frames.push({ lines: this.#pending, next: 0, macro: false, conditions });
    this.#pending = [];
    this.#frames.push({ lines, next: 0, macro, conditions });
  }

  next(): Line | undefined {
    for (;;) {
      const statement = this.#pending.shift();
      if (statement) {
        if (++this.#taken > MAX_STATEMENTS)
          throw new FatalError(wholeLine(statement), `more than ${MAX_STATEMENTS} statements`);
        return statement;
      }
      const frame = this.#frames.at(-1);
      if (!frame) return undefined;
      if (frame.next >= frame.lines.length) this.#frames.pop();
      else this.#pending = statementsOf(frame.lines[frame.next++]!);
    }
  }

  /** `.exitm`: drops the rest of the innermost macro body. How many conditions were open when it began; undefined: no macro. */
  leaveMacro(): number | undefined {
    const at = this.#frames.findLastIndex((frame) => frame.macro);
    const frame = this.#frames[at];
    if (!frame) return undefined;
    this.#frames.length = at;
    this.#pending = [];
    return frame.conditions;
  }

  /** `.end`: nothing more is read. */
  stop(): void {
    this.#frames.length = 0;
    this.#pending = [];
  }
}
