/**
 * How much text macros and repetitions may make in one run. Limits of depth and of statements do not bound it: a macro
 * that hands on its arguments twice doubles them at every level.
 */
import { FatalError } from "./diagnostics.ts";
import type { Span } from "./source.ts";

/** What a line weighs besides its characters. */
const LINE = 8;
const MAX_TEXT = 24_000_000;

export class TextBudget {
  #left = MAX_TEXT;

  chargeLines(count: number, site: Span): void {
    this.charge(count * LINE, site);
  }

  /** To be asked before the text is made: `amount` in characters, or in tokens. */
  charge(amount: number, site: Span): void {
    this.#left -= amount;
    if (this.#left < 0) throw new FatalError(site, `macros and repetitions make more than ${MAX_TEXT} characters`);
  }
}
