/**
 * The past of a run: checkpoints taken on the way, and any instant reached again by restoring the one before it and replaying.
 * Replay is exact, since the machine is deterministic; what the user changed by hand is kept by a checkpoint right behind the change.
 */

import type { Snapshot } from "../../emu/machine/types.ts";
import { CheckpointInterval } from "./checkpoint-interval.ts";
import { Pacer } from "./pacer.ts";
import type { Target } from "./target.ts";

/** Something that learns from events as they pass, and must go back in time with the machine. A saved state is changed by nobody. */
export interface Observer {
  save(): unknown;
  restore(state: unknown): void;
}

/** An instant with all that it takes to be there again. */
export interface Checkpoint {
  readonly snapshot: Snapshot;
  readonly observers: readonly unknown[];
}

/** What a checkpoint takes besides pages of memory: the kernel's tables, roughly, and processors. */
const STATE_BYTES = 80_000;

/** Checkpoints this near to the present are all kept; further off a gap may be one part in SPARSE of the way to the present. */
const NEAR = 5_000_000;
const SPARSE = 8;
/** A replay of more than twice that many instructions leaves a checkpoint so far before its end: further steps back are short. */
const BEFORE_END = 10_000;

export class History {
  readonly #target: Target;
  readonly #observers: readonly Observer[];
  readonly #budget: number;
  readonly #pacer = new Pacer();
  #checkpoints: Checkpoint[] = [];
  #latest = 0;
  #replayed = 0;
  #due = 0;
  readonly #interval = new CheckpointInterval();
  /** Where and when the run went on after the last checkpoint that note() took, or after a move. */
  #since = { icount: 0, time: 0 };
  /** Called when history has lost its beginning for lack of memory: it reaches no further back than `start` then. */
  onLost: (start: number) => void = () => {};

  /** Begins at the present instant. @param budget bytes of memory that checkpoints may take; the oldest are thinned out beyond it. */
  constructor(target: Target, observers: readonly Observer[], budget: number) {
    this.#target = target;
    this.#observers = observers;
    this.#budget = budget;
    this.#take();
    this.#goOn();
  }

  get #now(): number {
    return this.#target.machine.icount;
  }
  /** The earliest instant that can be reached. */
  get start(): number {
    return this.#checkpoints[0]?.snapshot.icount ?? this.#now;
  }
  /** Instructions that the last goTo() replayed. */
  get replayed(): number {
    return this.#replayed;
  }
  /** Bytes of memory that checkpoints take. */
  get bytes(): number {
    return this.#target.machine.snapshots.store.bytes + this.#checkpoints.length * STATE_BYTES;
  }
  /** The latest instant that the program has reached since its last change by hand. */
  get latest(): number {
    return Math.max(this.#latest, this.#now);
  }
  /** Instants with a checkpoint before `icount`, latest first. */
  before(icount: number): number[] {
    return this.#checkpoints
      .map(({ snapshot }) => snapshot.icount)
      .filter((at) => at < icount)
      .reverse();
  }

  /** The instruction count from which on note() would take a checkpoint. */
  get due(): number {
    return this.#due;
  }

  /** Where a checkpoint would make the steps back from here short; undefined if they are, or if nothing lies before it to begin at. */
  get wanting(): number | undefined {
    const close = this.#now - BEFORE_END;
    const last = this.#checkpoints[this.#upTo(this.#now - 1) - 1];
    return last !== undefined && close - last.snapshot.icount >= BEFORE_END ? close : undefined;
  }

  /** Takes a checkpoint if enough has run since the last one. Call it wherever the run pauses. */
  note(): void {
    this.#latest = this.latest;
    if (this.#now < this.#due) return;
    const began = performance.now();
    this.#interval.ran(this.#now - this.#since.icount, began - this.#since.time);
    this.#take();
    this.#thinOut();
    this.#interval.took(performance.now() - began);
    this.#goOn();
  }

  /** The user changed something: what was the future is no more, and the past ends with this state. */
  changed(): void {
    const [past, future] = [this.#upTo(this.#now), this.#checkpoints.length];
    for (const gone of this.#checkpoints.splice(past, future - past)) this.letGo(gone);
    this.#latest = this.#now;
    this.#take();
    this.#goOn();
  }

  /** Goes to the instant before instruction number `icount`. `breathe` lets messages in; true from it stops on the way. */
  async goTo(icount: number, breathe: () => Promise<boolean>): Promise<void> {
    this.#latest = this.latest;
    const wanted = Math.max(icount, this.start);
    if (this.#checkpoints.length === 0) return;
    this.restoreBefore(wanted);
    const from = this.#now;
    const close = wanted - BEFORE_END;
    if (close - from >= BEFORE_END) {
      await this.replay(close, breathe);
      if (this.#now === close) this.#take();
    }
    await this.replay(wanted, breathe);
    this.#replayed = this.#now - from;
    this.#goOn();
  }

  /** Restores the latest checkpoint at or before `icount`. */
  restoreBefore(icount: number): void {
    this.returnTo(this.#checkpoints[Math.max(0, this.#upTo(icount) - 1)]!);
  }

  /** This instant, for a while: history does not know of it, and whoever asked for it lets it go. */
  mark(): Checkpoint {
    const snapshot = this.#target.machine.save();
    return { snapshot, observers: this.#observers.map((observer) => observer.save()) };
  }

  returnTo({ snapshot, observers }: Checkpoint): void {
    this.#target.machine.restore(snapshot);
    for (const [i, observer] of this.#observers.entries()) observer.restore(observers[i]);
  }

  letGo({ snapshot }: Checkpoint): void {
    this.#target.machine.letGo(snapshot);
  }

  async replay(icount: number, breathe: () => Promise<boolean>): Promise<void> {
    while (this.#now < icount) {
      const before = this.#now;
      this.#pacer.timed(() => this.#target.run(Math.min(icount - before, this.#pacer.slice)));
      if (this.#now === before) return; // the program ended here
      if (this.#now < icount && (await breathe())) return;
    }
  }

  /** How many checkpoints are at or before an instant. */
  #upTo(icount: number): number {
    let [low, high] = [0, this.#checkpoints.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#checkpoints[middle]!.snapshot.icount <= icount) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #goOn(): void {
    this.#since = { icount: this.#now, time: performance.now() };
    this.#due = this.#checkpoints.length === 0 ? Number.POSITIVE_INFINITY : this.#now + this.#interval.instructions;
  }

  /** A checkpoint of this instant, if there is room for it without another one's going. */
  add(): void {
    const here = this.mark();
    if (this.bytes + STATE_BYTES > this.#budget) this.letGo(here);
    else this.#insert(here);
  }

  #take(): void {
    this.#insert(this.mark());
    this.#keepBudget();
  }

  /** Of two checkpoints of one instant the later one counts. */
  #insert(checkpoint: Checkpoint): void {
    this.#checkpoints.splice(this.#upTo(checkpoint.snapshot.icount), 0, checkpoint);
  }

  #drop(index: number): void {
    const [gone] = this.#checkpoints.splice(index, 1);
    this.letGo(gone!);
  }

  /** Lets those go that are dense for how far off they are: their memory serves the next ones, and what is recycled costs little. */
  #thinOut(): void {
    for (;;) {
      const { index, gap } = this.#leastMissed(this.#now);
      if (gap * SPARSE > 1) return;
      this.#drop(index);
    }
  }

  /**
   * Over budget, the checkpoint goes that leaves the smallest gap for its age, so that they lie the denser the later; the first one
   * goes when nothing else is left to go.
   */
  #keepBudget(): void {
    const { start } = this;
    while (this.bytes > this.#budget && this.#checkpoints.length > 0) {
      this.#drop(this.#leastMissed(this.latest).index);
      // not even one fits: nothing is kept from here on
      if (this.#checkpoints.length === 0) this.#target.machine.forgetSnapshots();
    }
    if (this.start !== start) this.onLost(this.start);
  }

  /** The checkpoint without which the gap is smallest for its distance from an instant; the first if there is none between others. */
  #leastMissed(seenFrom: number): { readonly index: number; readonly gap: number } {
    const at = (i: number): number => this.#checkpoints[i]!.snapshot.icount;
    let [index, smallest] = [0, Number.POSITIVE_INFINITY];
    for (let i = 1; i < this.#checkpoints.length - 1; i++) {
      const gap = (at(i + 1) - at(i - 1)) / (Math.abs(seenFrom - at(i)) + NEAR);
      if (gap < smallest) [index, smallest] = [i, gap];
    }
    return { index, gap: smallest };
  }
}
