/** Going back: one step, or to the previous breakpoint. Everything rolls back: registers, memory, kernel, devices. */
import type { History } from "./history.ts";
import type { RunControl, Stop } from "./run-control.ts";
import { expressionScope } from "./scope.ts";
import type { StepOptions } from "./stepping.ts";

/** Instructions a step back by statement may cross within one source line. */
const MOST_IN_A_LINE = 1000;

/** The instruction or source line before; undefined at the beginning of history. */
export async function stepBack(control: RunControl, history: History, options: StepOptions): Promise<Stop | undefined> {
  const { machine, symbols } = control.target;
  if (machine.icount <= history.start) return undefined;
  return control.whileReplaying(async () => {
    for (let steps = 0; steps < MOST_IN_A_LINE; steps++) {
      await backOne(control, history, options.intoKernel);
      const pc = control.cpu.linearIp;
      const line = options.granularity === "statement" ? symbols.lineAt(pc) : undefined;
      if (line === undefined || line.start === pc || machine.icount <= history.start) break;
    }
    return { reason: "step" };
  });
}

/** One instruction back; what lies in the kernel is one instruction, unless the kernel is stepped through. */
async function backOne(control: RunControl, history: History, intoKernel: boolean): Promise<void> {
  const { machine, kernel } = control.target;
  await history.goTo(machine.icount - 1, () => control.breathe());
  const { entered } = control;
  if (kernel === undefined || intoKernel || control.cpu.cpl === 3 || entered === undefined) return;
  await history.goTo(entered, () => control.breathe());
}

/** Back to the last place where a breakpoint would have stopped, or to the beginning of history. */
export function reverseContinue(control: RunControl, history: History): Promise<Stop> {
  const { machine } = control.target;
  return control.whileReplaying(async () => {
    let end = machine.icount;
    for (const start of history.before(end)) {
      history.restoreBefore(start);
      const found = await lastHit(control, end);
      if (found === "paused") return { reason: "pause" };
      if (found !== undefined) {
        await history.goTo(found.icount, () => control.breathe());
        return { reason: "breakpoint", ids: found.ids, kind: found.kind };
      }
      end = start;
    }
    await history.goTo(history.start, () => control.breathe());
    return { reason: "entry" };
  });
}

interface ReverseHit {
  readonly icount: number;
  readonly ids: readonly number[];
  readonly kind: "source" | "function" | "instruction";
}

/** The last breakpoint met between now and `end`, exclusive. */
async function lastHit(control: RunControl, end: number): Promise<ReverseHit | "paused" | undefined> {
  const { machine } = control.target;
  let last: ReverseHit | undefined;
  control.armBreakpoints();
  try {
    const first = hitHere(control);
    if (first !== undefined) last = first;
    while (machine.icount < end) {
      const before = machine.icount;
      const { pacer } = control;
      const reason = pacer.timed(() => control.target.run(Math.min(end - before, pacer.slice)));
      if (reason.kind === "breakpoint" && machine.icount < end) last = hitHere(control) ?? last;
      else if (machine.icount === before) break;
      if (await control.breathe()) return "paused";
    }
  } finally {
    control.disarmBreakpoints();
  }
  return last;
}

function hitHere(control: RunControl): ReverseHit | undefined {
  const hit = control.breakpoints.wouldStop(control.cpu.linearIp, expressionScope(control.target, control.cpu));
  return hit === undefined ? undefined : { icount: control.target.machine.icount, ...hit };
}
