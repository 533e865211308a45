/**
 * The past of a run: checkpoints taken on the way, and any instant reached again by restoring the one before it and replaying.
 * Replay is exact, since the machine is deterministic; what the user changed by hand is kept by a checkpoint right behind the change.
 */

import { clonePlain } from "../../emu/machine/clone.ts";
import type { Snapshot } from "../../emu/machine/types.ts";
import { Pacer } from "./pacer.ts";
import type { Target } from "./target.ts";

/** Something that learns from events as they pass, and must go back in time with the machine. */
export interface Observer {
  save(): unknown;
  restore(state: unknown): void;
}

interface Checkpoint {
  readonly snapshot: Snapshot;
  readonly observers: readonly unknown[];
}

/** What a checkpoint takes besides pages of memory: the kernel's tables, roughly, and processors. */
const STATE_BYTES = 80_000;

/** Instructions between checkpoints: as few as a checkpoint's cost permits, so that going back replays little. */
const LEAST_INTERVAL = 5_000_000;
const MOST_INTERVAL = 8_000_000;
/** What a checkpoint costs, in instructions of fast code: by itself, and for each page that was written since the last one. */
const CHECKPOINT_COST = 200_000;
const PAGE_COST = 2_000;
/** A checkpoint may cost one part in so many of the run. */
const SHARE = 16;
/** A replay longer than the first of these leaves checkpoints that far before its end, so that further steps back are short. */
const BEFORE_END = [400_000, 80_000, 16_000, 3_000];

export class History {
  readonly #target: Target;
  readonly #observers: readonly Observer[];
  readonly #budget: number;
  readonly #pacer = new Pacer();
  #checkpoints: Checkpoint[] = [];
  #latest = 0;
  #replayed = 0;
  #due = 0;
  /** Called when history has lost its beginning for lack of memory: it reaches no further back than `start` then. */
  onLost: (start: number) => void = () => {};

  /** Begins at the present instant. @param budget bytes of memory that checkpoints may take; the oldest are thinned out beyond it. */
  constructor(target: Target, observers: readonly Observer[], budget: number) {
    this.#target = target;
    this.#observers = observers;
    this.#budget = budget;
    this.#take();
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

  /** Takes a checkpoint if enough has run since the last one. Call it wherever the run pauses. */
  note(): void {
    this.#latest = this.latest;
    if (this.#now >= this.#due) this.#take();
  }

  /** The user changed something: what was the future is no more, and the past ends with this state. */
  changed(): void {
    const [past, future] = [this.#upTo(this.#now), this.#checkpoints.length];
    for (const { snapshot } of this.#checkpoints.splice(past, future - past)) this.#target.machine.letGo(snapshot);
    this.#latest = this.#now;
    this.#take();
  }

  /** Goes to the instant before instruction number `icount`. `breathe` lets messages in; true from it stops on the way. */
  async goTo(icount: number, breathe: () => Promise<boolean>): Promise<void> {
    this.#latest = this.latest;
    const wanted = Math.max(icount, this.start);
    if (this.#checkpoints.length === 0) return;
    this.restoreBefore(wanted);
    const from = this.#now;
    for (const before of BEFORE_END) {
      const at = wanted - before;
      if (at - this.#now < before) continue;
      await this.replay(at, breathe);
      if (this.#now !== at) break;
      this.#take();
    }
    await this.replay(wanted, breathe);
    this.#replayed = this.#now - from;
    this.#due = this.#dueAfter(this.#now, 0);
  }

  /** Restores the latest checkpoint at or before `icount`. */
  restoreBefore(icount: number): void {
    const { snapshot, observers } = this.#checkpoints[Math.max(0, this.#upTo(icount) - 1)]!;
    this.#target.machine.restore(snapshot);
    for (const [i, observer] of this.#observers.entries()) observer.restore(clonePlain(observers[i]));
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

  #dueAfter(icount: number, pages: number): number {
    const interval = SHARE * (CHECKPOINT_COST + PAGE_COST * pages);
    return icount + Math.min(MOST_INTERVAL, Math.max(LEAST_INTERVAL, interval));
  }

  /** A checkpoint of this instant, unless there is one. */
  #take(): void {
    const { machine } = this.#target;
    const { store } = machine.snapshots;
    const before = store.copies;
    const snapshot = machine.save();
    const observers = this.#observers.map((observer) => clonePlain(observer.save()));
    const index = this.#upTo(snapshot.icount);
    this.#checkpoints.splice(index, 0, { snapshot, observers });
    this.#due = this.#dueAfter(snapshot.icount, store.copies - before);
    this.#thin();
  }

  /**
   * Over budget, the checkpoint goes that leaves the smallest gap for its age, so that they lie the denser the later; the first one
   * goes when nothing else is left to go.
   */
  #thin(): void {
    const { machine } = this.#target;
    const { start } = this;
    while (this.bytes > this.#budget && this.#checkpoints.length > 0) {
      const [gone] = this.#checkpoints.splice(this.#leastMissed(), 1);
      machine.letGo(gone!.snapshot);
      if (this.#checkpoints.length > 0) continue;
      // not even one fits: nothing is kept from here on
      machine.forgetSnapshots();
      this.#due = Number.POSITIVE_INFINITY;
    }
    if (this.start !== start) this.onLost(this.start);
  }

  #leastMissed(): number {
    const at = (i: number): number => this.#checkpoints[i]!.snapshot.icount;
    let least = 0;
    let smallest = Number.POSITIVE_INFINITY;
    for (let i = 1; i < this.#checkpoints.length - 1; i++) {
      const gap = (at(i + 1) - at(i - 1)) / (this.latest - at(i) + LEAST_INTERVAL);
      if (gap < smallest) [least, smallest] = [i, gap];
    }
    return least;
  }
}
