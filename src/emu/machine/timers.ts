/**
 * Deadlines in machine time. Time counts instructions, plus what was skipped while every CPU slept, so a halted machine reaches
 * its next deadline at once and a run is the same whatever the host does.
 */
import type { Component } from "./types.ts";

export interface TimerState {
  /** Machine time at which it is due; Infinity = off. */
  due: number;
}

export class Timers implements Component {
  readonly name = "timers";
  readonly #handlers = new Map<string, () => void>();
  readonly #due = new Map<string, number>();
  /** Earliest deadline, Infinity if none. */
  next = Number.POSITIVE_INFINITY;

  /** Registers what happens when the timer `name` is due. Done once, when the machine is built. */
  define(name: string, handler: () => void): void {
    this.#handlers.set(name, handler);
  }

  /** @param due machine time; Infinity cancels. */
  arm(name: string, due: number): void {
    if (!this.#handlers.has(name)) throw new Error(`no timer ${name}`);
    if (due === Number.POSITIVE_INFINITY) this.#due.delete(name);
    else this.#due.set(name, due);
    this.#findNext();
  }

  /** Runs every handler that is due at `now`, earliest first, then by name. */
  fire(now: number): void {
    while (this.next <= now) {
      const [name] = [...this.#due].filter(([, due]) => due === this.next).sort(([a], [b]) => (a < b ? -1 : 1))[0]!;
      this.#due.delete(name);
      this.#findNext();
      this.#handlers.get(name)!();
    }
  }

  #findNext(): void {
    this.next = Math.min(Number.POSITIVE_INFINITY, ...this.#due.values());
  }

  save(): unknown {
    return [...this.#due];
  }
  restore(state: unknown): void {
    this.#due.clear();
    for (const [name, due] of state as [string, number][]) this.#due.set(name, due);
    this.#findNext();
  }
}
