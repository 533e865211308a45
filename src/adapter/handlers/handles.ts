/**
 * Numbers for what unfolds in a client's views (variablesReference). A row has the same number at every stop, by its path of names: whoever asks
 * with one of an earlier stop asks about that row, never about another.
 */
import type { Variable } from "../debug/variables.ts";

export interface Held {
  /** "1/0/Registers/rax": thread, frame, scope, rows. */
  readonly path: string;
  readonly thread: number;
  readonly frame: number | undefined;
  readonly children: () => readonly Variable[];
}

/** Paths that are remembered: frames of a deep recursion have each their own. */
const MOST_PATHS = 100_000;

export class Handles {
  #last = 0;
  readonly #numbers = new Map<string, number>();
  /** What the rows of the present stop hold, by number. */
  readonly #held = new Map<number, Held>();

  give(held: Held): number {
    const number = this.#numbers.get(held.path) ?? ++this.#last;
    // what has been forgotten gets another number
    if (this.#numbers.size >= MOST_PATHS) this.#numbers.clear();
    this.#numbers.set(held.path, number);
    this.#held.set(number, held);
    return number;
  }

  /** undefined = not of this stop. */
  at(number: number): Held | undefined {
    return this.#held.get(number);
  }

  /** The stop is over. */
  drop(): void {
    this.#held.clear();
  }
}
