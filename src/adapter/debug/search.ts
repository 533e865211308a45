/**
 * Looking through the past: stretches between checkpoints are replayed, latest first, with addresses, data and events armed, until
 * one holds a moment that is looked for. The past is looked through only as far back as needed; and where much is met, as at a
 * breakpoint in a hot loop, a stretch is itself looked through from its end.
 */
import type { History } from "./history.ts";
import type { Armed, Met, RunControl } from "./run-control.ts";

export interface Moment<T> {
  /** Instruction count of the instant just before the next instruction runs. */
  readonly icount: number;
  readonly found: T;
}

export interface Search<T> {
  readonly armed: Armed;
  /** With the machine right behind what was met: what it is worth, or undefined for nothing. Called at armed addresses with `met.kind` "address". */
  judge(met: Met): T | undefined;
}

type Outcome<T> = Moment<T> | "paused" | undefined;

/** The last moment before `end` that the search wants; "paused" if the user asked to stop looking. `progress` gets 0 to 1. */
export async function lastMoment<T>(
  control: RunControl,
  history: History,
  search: Search<T>,
  end: number,
): Promise<Outcome<T>> {
  const past = new Past(control, history, search, end);
  let until = end;
  for (const start of history.before(end)) {
    history.restoreBefore(start);
    const found = await past.lastBefore(until);
    if (found !== undefined) return found;
    until = start;
    control.onProgress((end - start) / Math.max(1, end - history.start));
  }
  return undefined;
}

/** What is met costs as much as a thousand instructions that meet nothing. After so much, a stretch is worth halving, */
const MUCH = 500;
/** unless it is short already. */
const SHORT = 20_000;

class Past<T> {
  readonly #control: RunControl;
  readonly #history: History;
  readonly #search: Search<T>;
  readonly #end: number;

  constructor(control: RunControl, history: History, search: Search<T>, end: number) {
    this.#control = control;
    this.#history = history;
    this.#search = search;
    this.#end = end;
  }

  get #now(): number {
    return this.#control.target.machine.icount;
  }

  /** The last moment between the present one and `until`: where much is met, the later half of what is left is looked through first. */
  async lastBefore(until: number): Promise<Outcome<T>> {
    const { found, rest } = await this.#look(until);
    if (found === "paused" || !rest) return found;
    const middle = Math.round((this.#now + until) / 2);
    const here = this.#history.mark();
    try {
      if (await this.#skipTo(middle)) return "paused";
      const later = await this.lastBefore(until);
      if (later !== undefined) return later;
      this.#history.returnTo(here);
      return (await this.lastBefore(middle)) ?? found;
    } finally {
      this.#history.letGo(here);
    }
  }

  /** True if the user asked to stop looking. */
  async #skipTo(icount: number): Promise<boolean> {
    let paused = false;
    await this.#history.replay(icount, async () => (paused = await this.#control.breathe()));
    return paused;
  }

  /** Runs to `until`, or, with a `rest` that is left, until much has been met. */
  async #look(until: number): Promise<{ readonly found: Outcome<T>; readonly rest: boolean }> {
    const control = this.#control;
    const { armed, judge } = this.#search;
    let last: Moment<T> | undefined;
    let met = 0;
    const isMuch = () => met >= MUCH && until - this.#now > SHORT;
    const note = (what: Met, icount: number): void => {
      met++;
      // what led to the end itself is where the search began
      const found = icount < this.#end ? judge(what) : undefined;
      if (found !== undefined) last = { icount, found };
    };
    const passed = () => {
      note({ kind: "address" }, this.#now);
      if (isMuch()) control.target.machine.stop({ kind: "request" });
    };
    return control.whileSearching(armed, passed, async () => {
      while (this.#now < until && !isMuch()) {
        const before = this.#now;
        const what = control.replaySlice(until - before);
        // what an instruction wrote is undone by going to the instant before it; so is an event that this search alone looks for
        const isUndone = what.kind === "data" || (what.kind === "event" && armed.events !== undefined);
        if (what.kind !== "nothing") note(what, this.#now - (isUndone ? 1 : 0));
        else if (this.#now === before && !isMuch()) return { found: last, rest: false }; // the program ended here
        if (await control.breathe()) return { found: "paused", rest: false };
      }
      return { found: last, rest: this.#now < until };
    });
  }
}
