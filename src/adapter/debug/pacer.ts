/**
 * How many instructions to run before looking at the client's messages again: as many as take some milliseconds on this host with this
 * guest. Changes nothing about the run, since the guest cannot see how it is sliced.
 */
const USUAL_MILLISECONDS = 20;
const FIRST = 50_000;
const LEAST = 2_000;
const MOST = 50_000_000;

export class Pacer {
  #slice = FIRST;
  readonly #milliseconds: number;

  /** @param milliseconds that a slice takes. */
  constructor(milliseconds = USUAL_MILLISECONDS) {
    this.#milliseconds = milliseconds;
  }

  /** Instructions for the next slice. */
  get slice(): number {
    return this.#slice;
  }

  /** Runs one slice of work and learns from the time it took. */
  timed<T>(work: () => T): T {
    const began = performance.now();
    try {
      return work();
    } finally {
      const factor = Math.min(4, Math.max(0.1, this.#milliseconds / Math.max(performance.now() - began, 0.5)));
      this.#slice = Math.round(Math.min(MOST, Math.max(LEAST, this.#slice * factor)));
    }
  }
}
