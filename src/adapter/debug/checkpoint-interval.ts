/**
 * How many instructions to run between checkpoints: as few as their cost permits, so that going back replays little. Learnt from the
 * host's clock, since a guest that writes much makes dear checkpoints and a slow one long replays. The run does not depend on it:
 * whatever the interval, every instant is reached exactly.
 */

/** A checkpoint at its cheapest may cost one part in so many of the run (with what it does to caches it is two or three), */
const SHARE = 30;
/** and yet a replay between two should be of milliseconds within these bounds. */
const SHORT_REPLAY = 3;
const LONG_REPLAY = 12;
const LEAST = 500_000;
const MOST = 25_000_000;
/** What is measured is never too small on a busy host: the best values count, and are forgotten slowly. */
const FORGET = 0.98;

export class CheckpointInterval {
  /** Instructions a millisecond. */
  #speed = 1_000_000;
  /** Milliseconds of a checkpoint. */
  #cost = 0.3;

  ran(instructions: number, milliseconds: number): void {
    if (milliseconds > 0) this.#speed = Math.max(instructions / milliseconds, this.#speed * FORGET);
  }

  took(milliseconds: number): void {
    this.#cost = Math.min(milliseconds, this.#cost / FORGET);
  }

  get instructions(): number {
    const replay = Math.min(LONG_REPLAY, Math.max(SHORT_REPLAY, SHARE * this.#cost));
    return Math.round(Math.min(MOST, Math.max(LEAST, this.#speed * replay)));
  }
}
