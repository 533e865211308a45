/** Going back: a step, out of a function, or to the previous stop. Everything rolls back: registers, memory, kernel, devices. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import type { Within } from "./breakpoints.ts";
import { currentInstruction, linearSp } from "./code.ts";
import { DataBreakpoints } from "./data-breakpoints.ts";
import type { History } from "./history.ts";
import { codeBits } from "./registers.ts";
import type { Met, RunControl, Stop } from "./run-control.ts";
import { expressionScope } from "./scope.ts";
import { lastMoment, type Moment, type Search } from "./search.ts";
import { callStack, type Frame } from "./stack.ts";
import type { StepOptions } from "./stepping.ts";
import { type CallSite, callSites } from "./unwind/calls.ts";

/** Instructions a step back by statement may cross within one source line. */
const MOST_IN_A_LINE = 1000;
const STEPPED: Stop = { reason: "step" };
/** There is nothing to go back to. */
export const BEGINNING: Stop = { reason: "entry", boundary: "history" };

/** The source line before, whatever it called included, or exactly one instruction; undefined at the beginning of history. */
export const stepBack = (control: RunControl, history: History, options: StepOptions): Promise<Stop | undefined> =>
  options.granularity === "instruction"
    ? stepBackInto(control, history, options)
    : backLines(control, history, options, (thread) => backOver(control, history, { ...options, thread }));

/** The instruction or source line before, be it the end of a function that was called. */
export const stepBackInto = (control: RunControl, history: History, options: StepOptions): Promise<Stop | undefined> =>
  backLines(control, history, options, (thread) => backOne(control, history, { ...options, thread }));

async function backLines(
  control: RunControl,
  history: History,
  options: StepOptions,
  back: (thread: number) => Promise<number>,
): Promise<Stop | undefined> {
  const { machine } = control.target;
  if (machine.icount <= history.start) return undefined;
  return control.whileReplaying(async () => {
    let { thread } = options;
    for (let steps = 0; steps < MOST_IN_A_LINE; steps++) {
      thread = await back(thread);
      const cpu = cpuOf(control, thread);
      const pc = cpu.linearIp;
      const line = options.granularity === "statement" ? control.target.symbols(cpu).lineAt(pc) : undefined;
      if (line === undefined || line.start === pc || machine.icount <= history.start) break;
    }
    return { ...STEPPED, thread };
  });
}

/** The CPU that runs the thread; of one that waits, that on which something else runs. */
const cpuOf = (control: RunControl, thread: number): Cpu => control.threads.cpuOf(thread) ?? control.cpu;

/**
 * One instruction of the thread back; what lies in the kernel is one instruction, unless the kernel is stepped through. The thread that it is
 * one of: a program may have been begun by another one than goes on in it.
 */
async function backOne(control: RunControl, history: History, { intoKernel, thread }: StepOptions): Promise<number> {
  const { threads, target } = control;
  const ip = threads.cpuOf(thread)?.linearIp;
  for (;;) {
    if (ip !== undefined) await toPrevious(control, history, thread);
    const cpu = threads.cpuOf(thread);
    const entered = control.enteredBy(thread);
    if (target.kernel === undefined || intoKernel || cpu?.cpl === 3 || entered === undefined) return thread;
    await history.goTo(entered.icount, () => control.breathe());
    // what an interrupt or a page fault struck has not run yet: that is where this came from
    const isWhole = !entered.restarts || threads.cpuOf(thread)?.linearIp !== ip;
    if (isWhole || target.machine.icount <= history.start) return entered.thread;
  }
}

/** As far as the turns of all other CPUs may reach back. */
const TURNS = 16_000;

/** To the last instant at which the next instruction was one of the thread's CPU. */
async function toPrevious(control: RunControl, history: History, thread: number): Promise<void> {
  const { machine } = control.target;
  const end = machine.icount - 1;
  const isNext = () => control.threads.on(machine.nextCpu) === thread;
  await history.goTo(end, () => control.breathe());
  if (isNext() || machine.cpus.length === 1) return;
  await history.goTo(Math.max(history.start, end - TURNS), () => control.breathe());
  let last = machine.icount;
  while (machine.icount < end) {
    if (isNext()) last = machine.icount;
    const before = machine.icount;
    control.target.run(1);
    if (machine.icount === before) break;
  }
  await history.goTo(last, () => control.breathe());
}

/** One instruction back; behind a call, to before it. */
async function backOver(control: RunControl, history: History, options: StepOptions): Promise<number> {
  const { thread } = options;
  const cpu = cpuOf(control, thread);
  const here = { address: cpu.linearIp, sp: linearSp(cpu), cpl: cpu.cpl };
  const calls = callSites(cpu, here.address, codeBits(cpu));
  const before = await backOne(control, history, options);
  const now = cpuOf(control, before);
  if (calls.length === 0 || now.cpl !== here.cpl || currentInstruction(now).flow !== "return") return before;
  const returned = control.target.machine.icount;
  const call = await lastCall(control, history, calls, here.sp, thread);
  await settleAt(control, history, typeof call === "object" ? call.icount : returned);
  return thread;
}

/** The last time the thread was about to run one of `sites` with the stack pointer at `sp`. */
const lastCall = (control: RunControl, history: History, sites: readonly CallSite[], sp: Addr, thread: number) =>
  lastMoment(
    control,
    history,
    atAddresses(
      sites.map(({ address }) => address),
      () => linearSp(control.cpu) === sp && control.threads.on(control.cpu) === thread,
    ),
    control.target.machine.icount,
  );

const atAddresses = (addresses: readonly Addr[], reached: () => boolean = () => true): Search<true> => ({
  armed: { addresses: new Set(addresses), data: new DataBreakpoints(), tested: false },
  judge: (met) => (met.kind === "address" && reached() ? true : undefined),
});

/** Back to the start of the function of frame `index` of the thread's call stack, its call just made; undefined where its caller is unknown. */
export async function restartFrame(
  control: RunControl,
  history: History,
  index: number,
  thread: number,
): Promise<Stop | undefined> {
  const caller = stackOf(control, thread, index + 2)[index + 1];
  return caller === undefined ? undefined : backToCall(control, history, caller, 1, thread);
}

/** The innermost `most` frames. */
export function stackOf(control: RunControl, thread: number, most: number): Frame[] {
  const cpu = control.threads.seenFrom(thread);
  return cpu === undefined ? [] : callStack(control.target, cpu, most);
}

/** `after` = 0: before the call that returns to `caller`; 1: just after it. undefined if history does not hold that call. */
export const backToCall = (control: RunControl, history: History, caller: Frame, after: 0 | 1, thread: number) =>
  backToMoment(control, history, after, { ...STEPPED, thread }, () =>
    lastCall(control, history, callSites(caller.place.cpu, caller.address, caller.bits), caller.sp, thread),
  );

/** Back to the last time one of `addresses` was about to run, in the programs meant; undefined, and no move, if it never did. */
export function backTo(
  control: RunControl,
  history: History,
  addresses: readonly Addr[],
  within?: Within,
): Promise<Stop | undefined> {
  const search = atAddresses(addresses, () => {
    const keys = within?.get(control.cpu.linearIp);
    return keys === undefined || control.target.symbols(control.cpu).holds(keys);
  });
  return backToMoment(control, history, 0, { reason: "goto" }, () =>
    lastMoment(control, history, search, control.target.machine.icount),
  );
}

export async function backToMoment(
  control: RunControl,
  history: History,
  after: 0 | 1,
  stop: Stop,
  find: () => Promise<Moment<unknown> | "paused" | undefined>,
): Promise<Stop | undefined> {
  const from = control.target.machine.icount;
  return control.whileReplaying(async () => {
    const moment = await find();
    if (typeof moment === "object") await settleAt(control, history, moment.icount + after);
    else await settleAt(control, history, from);
    if (moment === "paused") return { reason: "pause" };
    return moment === undefined ? undefined : stop;
  });
}

/** Goes there, whatever the user asks for meanwhile: it is at most one stretch between checkpoints. */
const settleAt = (control: RunControl, history: History, icount: number): Promise<void> =>
  history.goTo(icount, async () => {
    await control.breathe();
    return false;
  });

/** To the instant before instruction number `icount`, in the past or ahead. */
export async function goToInstruction(control: RunControl, history: History, icount: number): Promise<Stop> {
  if (icount > control.target.machine.icount) {
    const outcome = await control.run({ icount });
    return outcome === "reached" ? { reason: "goto" } : outcome;
  }
  return control.whileReplaying(async () => {
    await history.goTo(icount, () => control.breathe());
    return { reason: "goto" };
  });
}

/** Back to the last place where the program would have stopped, or to its first instruction; from there, to the beginning of history. */
export function reverseContinue(control: RunControl, history: History): Promise<Stop> {
  const search = { armed: control.everyBreakpoint(), judge: (met: Met) => stopFor(control, met) };
  const from = control.target.machine.icount;
  // what a program has ended with is in its past
  const end = control.ended === undefined ? from : from + 1;
  return control.whileReplaying(async () => {
    const moment = await lastMoment(control, history, search, end);
    if (moment === "paused") {
      await settleAt(control, history, from);
      return { reason: "pause" };
    }
    const bound = boundBefore(control, history, from);
    const isFound = moment !== undefined && moment.icount >= bound.icount;
    await settleAt(control, history, isFound ? moment.icount : bound.icount);
    return isFound ? moment.found : bound.stop;
  });
}

/** Where going back from an instant ends at the latest. */
function boundBefore({ began }: RunControl, { start }: History, icount: number) {
  return began !== undefined && began >= start && began < icount
    ? ({ icount: began, stop: { reason: "entry", boundary: "program" } } as const)
    : { icount: start, stop: BEGINNING };
}

function stopFor(control: RunControl, met: Met): Stop | undefined {
  if (met.kind === "event") return met.stop;
  if (met.kind === "data") {
    const { ids, change, verb, by } = met.hit;
    const text = `${change}, ${verb} by ${by ?? "the instruction that comes next"}`;
    return { reason: "data breakpoint", ids, text };
  }
  const hit = control.breakpoints.wouldStop(control.cpu.linearIp, expressionScope(control.target, control.cpu));
  return hit === undefined ? undefined : { reason: "breakpoint", ...hit };
}
