/**
 * The past of a run: checkpoints taken on the way, and any instant reached again by restoring the one before it and replaying.
 * Replay is exact, since the machine is deterministic; what the user changed by hand is kept by a checkpoint right behind the change.
 */

import { PAGE_SIZE } from "../../emu/cpu/memory.ts";
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
  /** Bytes that only this checkpoint holds. */
  readonly bytes: number;
}

/** Instructions between checkpoints of a long run. */
const INTERVAL = 2_000_000;
/** A replay longer than this leaves a checkpoint shortly before its end, so that further steps back are short. */
const LONG_REPLAY = 40_000;
const BEFORE_END = 5_000;

export class History {
  readonly #target: Target;
  readonly #observers: readonly Observer[];
  readonly #budget: number;
  readonly #pacer = new Pacer();
  #checkpoints: Checkpoint[] = [];
  #latest = 0;
  #replayed = 0;

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
    return this.#checkpoints[0]!.snapshot.icount;
  }
  /** Instructions that the last goTo() replayed. */
  get replayed(): number {
    return this.#replayed;
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

  /** Takes a checkpoint if enough has run since the last one. Call it wherever the run pauses. */
  note(): void {
    this.#latest = this.latest;
    const last = this.#checkpoints.findLast(({ snapshot }) => snapshot.icount <= this.#now)!;
    if (this.#now - last.snapshot.icount >= INTERVAL) this.#take();
  }

  /** The user changed something: what was the future is no more, and the past ends with this state. */
  changed(): void {
    this.#checkpoints = this.#checkpoints.filter(({ snapshot }) => snapshot.icount <= this.#now);
    this.#latest = this.#now;
    this.#take();
  }

  /** Goes to the instant before instruction number `icount`. `breathe` lets messages in; true from it stops on the way. */
  async goTo(icount: number, breathe: () => Promise<boolean>): Promise<void> {
    this.#latest = this.latest;
    const wanted = Math.max(icount, this.start);
    this.restoreBefore(wanted);
    this.#replayed = wanted - this.#now;
    if (wanted - this.#now > LONG_REPLAY) {
      await this.replay(wanted - BEFORE_END, breathe);
      if (this.#now === wanted - BEFORE_END) this.#take();
    }
    await this.replay(wanted, breathe);
  }

  /** Restores the latest checkpoint at or before `icount`. */
  restoreBefore(icount: number): void {
    const { snapshot, observers } = this.#checkpoints.findLast((each) => each.snapshot.icount <= icount)!;
    this.#target.machine.restore(snapshot);
    for (const [i, observer] of this.#observers.entries()) observer.restore(structuredClone(observers[i]));
  }

  async replay(icount: number, breathe: () => Promise<boolean>): Promise<void> {
    while (this.#now < icount) {
      const before = this.#now;
      this.#pacer.timed(() => this.#target.run(Math.min(icount - before, this.#pacer.slice)));
      if (this.#now === before) return; // the program ended here
      if (this.#now < icount && (await breathe())) return;
    }
  }

  #take(): void {
    const snapshot = this.#target.machine.save();
    const observers = this.#observers.map((observer) => structuredClone(observer.save()));
    const at = this.#checkpoints.findIndex((each) => each.snapshot.icount > snapshot.icount);
    const index = at < 0 ? this.#checkpoints.length : at;
    const previous = this.#checkpoints[index - 1]?.snapshot.pages;
    let bytes = 0;
    for (const [page, contents] of snapshot.pages) if (previous?.get(page) !== contents) bytes += PAGE_SIZE;
    this.#checkpoints.splice(index, 0, { snapshot, observers, bytes });
    this.#thin();
  }

  /** Over budget, every second checkpoint of the older half goes; never the first. */
  #thin(): void {
    const total = this.#checkpoints.reduce((sum, { bytes }) => sum + bytes, 0);
    if (total <= this.#budget || this.#checkpoints.length < 8) return;
    const half = this.#checkpoints.length >> 1;
    this.#checkpoints = this.#checkpoints.filter((_, i) => i === 0 || i >= half || i % 2 === 0);
  }
}
