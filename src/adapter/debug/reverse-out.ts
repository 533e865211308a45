/**
 * Back out of what runs: to the call that led to it, or, where nothing has called it (a signal handler, the kernel's entry code, v8086 code),
 * to the instant before it was entered, at what was interrupted for it.
 */
import { GPR } from "../../emu/cpu/layout.ts";
import { addrToBig } from "../../emu/cpu/state.ts";
import type { MachineEvent } from "../../emu/machine/types.ts";
import { DataBreakpoints } from "./data-breakpoints.ts";
import type { History } from "./history.ts";
import { kernelReference } from "./kernel-fields.ts";
import { backToCall, backToMoment, stackOf } from "./reverse.ts";
import type { RunControl, Stop } from "./run-control.ts";
import { lastMoment } from "./search.ts";
import type { Frame } from "./stack.ts";

/** Frames among which a signal's handler, its restorer and what it struck are. */
const NEAREST = 3;

/** undefined, and no move, where no caller is known, or history does not hold what led here. */
export async function stepBackOut(control: RunControl, history: History, thread: number): Promise<Stop | undefined> {
  const stack = stackOf(control, thread, NEAREST);
  const [here, caller] = stack;
  if (here === undefined || caller === undefined) return undefined;
  const entered = control.enteredBy(thread)?.icount;
  const back = (find: (event: MachineEvent) => number | undefined) => backToEvent(control, history, thread, find);
  if (here.cpl < 3 && caller.cpl === 3 && entered !== undefined)
    return backToMoment(control, history, 0, { reason: "step", thread }, async () => ({
      icount: entered,
      found: true,
    }));
  const frame = signalFrame(stack);
  if (frame !== undefined) return back((event) => deliveredTo(control, thread, event, frame));
  if (caller.by === "interrupt" || caller.by === "vm86") return back((event) => enteredFrom(event, caller));
  return backToCall(control, history, caller, 0, thread);
}

/** To the instant that `find` gives of the last event for which it gives one. */
function backToEvent(
  control: RunControl,
  history: History,
  thread: number,
  find: (event: MachineEvent) => number | undefined,
): Promise<Stop | undefined> {
  let found: number | undefined;
  const events = (event: MachineEvent) => {
    const { cpus } = control.target.machine;
    const instant = control.threads.on(cpus[event.cpu]!) === thread ? find(event) : undefined;
    found = instant ?? found;
    return instant === undefined ? undefined : "found";
  };
  const armed = { addresses: new Set<number>(), data: new DataBreakpoints(), events };
  return backToMoment(control, history, 0, { reason: "step", thread }, async () => {
    const moment = await lastMoment(
      control,
      history,
      { armed, judge: ({ kind }) => (kind === "event" ? found : undefined) },
      control.target.machine.icount,
    );
    return typeof moment === "object" ? { icount: moment.found, found: true } : moment;
  });
}

/** The longest restorer takes one word off the frame before its system call. */
const MOST_WORDS = 2;

interface SignalFrame {
  /** Stack pointers at which the handler may have been entered. */
  readonly lowest: bigint;
  readonly above: bigint;
}

/** Of a signal handler, or of the restorer that it returns to: where the kernel put its frame. */
function signalFrame(stack: readonly Frame[]): SignalFrame | undefined {
  const at = stack.findIndex(({ by }) => by === "signal");
  const restorer = at === 1 || at === 2 ? stack[at - 1]! : undefined;
  const sp = restorer?.place.regs[GPR.RSP];
  if (restorer === undefined || sp === undefined) return undefined;
  return { lowest: sp - BigInt((MOST_WORDS * restorer.bits) / 8), above: sp };
}

/** How the kernel was entered to deliver that signal. */
function deliveredTo(control: RunControl, thread: number, { type, step, cpu }: MachineEvent, frame: SignalFrame) {
  const { kernel, machine } = control.target;
  if (type !== "signal" || step !== "handler" || kernel === undefined) return undefined;
  const sp = kernelReference(kernel, machine.cpus[cpu]!, "pt_regs.sp")?.read();
  const isIt = sp !== undefined && sp >= frame.lowest && sp < frame.above;
  return isIt ? control.enteredBy(thread)?.icount : undefined;
}

/** An entry into the kernel from the caller's place: at the instruction that goes on then, or the INT before it. */
function enteredFrom({ type, fromIp, fromCpl, icount }: MachineEvent, { address, cpl }: Frame): number | undefined {
  if (type !== "entry" || fromCpl !== cpl || typeof fromIp !== "string") return undefined;
  const behind = addrToBig(address) - BigInt(fromIp);
  return behind >= 0n && behind <= LONGEST_INT ? icount : undefined;
}

const LONGEST_INT = 2n;
