/**
 * How many instructions to run between checkpoints. The fewer, the shorter a step back that follows a run at once; the more, the less
 * history costs a run. The rare case may take longer: who has looked at a stop for a moment goes back over a checkpoint that was laid
 * meanwhile (near-past.ts), a search pays the interval once. So the cost decides: a guest that dirties little has a checkpoint every
 * 5 ms, at some 3 % of the run; one that dirties a megabyte (1.3 ms with what it does to caches) every 25 ms, at some 6 %.
 *
 * Learnt from the host's clock, since a guest that writes much makes dear checkpoints and a slow one long replays. The run does not
 * depend on it: whatever the interval, every instant is reached exactly.
 */

/** A checkpoint at its cheapest may cost one part in so many of the run (with what it does to caches it is two or three), */
const SHARE = 50;
/** and yet a replay between two should be of milliseconds within these bounds. */
const SHORT_REPLAY = 5;
const LONG_REPLAY = 25;
const LEAST = 500_000;
const MOST = 40_000_000;
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
