/**
 * Looking through the past: stretches between checkpoints are replayed, latest first, with addresses, data and events armed, until
 * one holds a moment that is looked for. The whole past is replayed at most once, and only as far back as needed.
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

/** The last moment before `end` that the search wants; "paused" if the user asked to stop looking. `progress` gets 0 to 1. */
export async function lastMoment<T>(
  control: RunControl,
  history: History,
  search: Search<T>,
  end: number,
): Promise<Moment<T> | "paused" | undefined> {
  let until = end;
  for (const start of history.before(end)) {
    history.restoreBefore(start);
    const found = await lastIn(control, search, until);
    if (found !== undefined) return found;
    until = start;
    control.onProgress((end - start) / Math.max(1, end - history.start));
  }
  return undefined;
}

async function lastIn<T>(
  control: RunControl,
  search: Search<T>,
  end: number,
): Promise<Moment<T> | "paused" | undefined> {
  const { machine } = control.target;
  let last: Moment<T> | undefined;
  const note = (met: Met, icount: number): void => {
    const found = icount < end ? search.judge(met) : undefined;
    if (found !== undefined) last = { icount, found };
  };
  const passed = () => note({ kind: "address" }, machine.icount);
  return control.whileSearching(search.armed, passed, async () => {
    while (machine.icount < end) {
      const before = machine.icount;
      const met = control.replaySlice(end - before);
      // what an instruction wrote is undone by going to the instant before it; so is an event that this search alone looks for
      const isUndone = met.kind === "data" || (met.kind === "event" && search.armed.events !== undefined);
      if (isUndone) note(met, machine.icount - 1);
      else if (met.kind !== "nothing") note(met, machine.icount);
      else if (machine.icount === before) break; // the program ended here
      if (await control.breathe()) return "paused";
    }
    return last;
  });
}
