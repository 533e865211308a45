/**
 * A stop at what ends the program (a signal without a handler, an exit) comes when it is done: nothing of the program would be left to look at.
 * So the stop is put before it: at the instruction of the program that it comes from, or, where the kernel is stepped into, in the kernel.
 */
import type { History } from "./history.ts";
import type { RunControl, Stop } from "./run-control.ts";

/** Filters of events that end the program. */
export const ENDINGS: ReadonlySet<string> = new Set(["fatal", "end"]);

/** Goes back to where the program still is, which is the present from then on; any other stop stays where it is. */
export async function beforeTheEnd(
  control: RunControl,
  history: History,
  stop: Stop,
  intoKernel: boolean,
): Promise<Stop> {
  if (stop.reason !== "exception" || !ENDINGS.has(stop.filter)) return stop;
  if (stop.event.icount < history.start) return control.ended ?? stop;
  const { event } = stop;
  const { threads, target } = control;
  const goTo = (icount: number) =>
    history.goTo(icount, async () => {
      await control.breathe();
      return false;
    });
  const thread = await control.whileReplaying(async () => {
    await goTo(event.icount);
    const ending = threads.on(target.machine.cpus[event.cpu]!);
    const entered = control.enteredBy(ending);
    // had it waited in the kernel, others would be taken back too
    if (!intoKernel && entered !== undefined && !entered.waited && entered.icount >= history.start)
      await goTo(entered.icount);
    return ending;
  });
  history.changed();
  control.hasTold(event);
  return { ...stop, thread };
}
