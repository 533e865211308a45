/** Steps: in, over and out, by instruction or by statement, through the kernel boundary or across it. */
import type { Addr } from "../../emu/cpu/state.ts";
import { currentInstruction, linearSp } from "./code.ts";
import type { RunControl, Stop } from "./run-control.ts";
import { callStack } from "./stack.ts";

export interface StepOptions {
  readonly granularity: "instruction" | "statement";
  /** Whether the step follows a system call, exception or interrupt into the kernel's code. */
  readonly intoKernel: boolean;
}

const STEPPED: Stop = { reason: "step" };
export const stepIn = (control: RunControl, options: StepOptions): Promise<Stop> =>
  stepLines(control, options, () => stepOnce(control, options.intoKernel));

export const stepOver = (control: RunControl, options: StepOptions): Promise<Stop> =>
  stepLines(control, options, () => stepOnceOver(control, options.intoKernel));

/** Until the present function returns; from the kernel, until user mode is back. */
export async function stepOut(control: RunControl): Promise<Stop | undefined> {
  const [here, caller] = callStack(control.target, control.cpu);
  if (here === undefined || caller === undefined) return undefined;
  if (here.cpl < 3 && caller.cpl === 3) return finished(await control.runToUser());
  const sp = linearSp(control.cpu);
  const outcome = await control.run({ addresses: [caller.address], reached: () => linearSp(control.cpu) > sp });
  return finished(outcome);
}

const finished = (outcome: Stop | "reached"): Stop => (outcome === "reached" ? STEPPED : outcome);

/** Repeats `step` until the source line changes, or control jumps backwards within it (a loop on one line stops each round). */
async function stepLines(
  control: RunControl,
  options: StepOptions,
  step: () => Promise<Stop | undefined>,
): Promise<Stop> {
  const { symbols } = control.target;
  const start = symbols.lineAt(control.cpu.linearIp);
  for (;;) {
    const before = control.cpu.linearIp;
    const stop = await step();
    if (stop !== undefined) return stop;
    const pc = control.cpu.linearIp;
    if (options.granularity === "instruction" || start === undefined || pc <= before) return STEPPED;
    const line = symbols.lineAt(pc);
    if (line === undefined || line.line !== start.line || line.uri !== start.uri) return STEPPED;
    if (await control.breathe()) return { reason: "pause" };
  }
}

/** One instruction; an entry into the kernel that is not to be followed runs to its return. */
async function stepOnce(control: RunControl, intoKernel: boolean): Promise<Stop | undefined> {
  const fromUser = control.cpu.cpl === 3;
  const stop = control.stepInstruction();
  if (stop !== undefined) return stop;
  if (!fromUser || control.cpu.cpl === 3 || intoKernel || control.target.kernel === undefined) return undefined;
  return unlessReached(await control.runToUser());
}

/** One instruction, and all that it calls. */
async function stepOnceOver(control: RunControl, intoKernel: boolean): Promise<Stop | undefined> {
  const { flow, next } = currentInstruction(control.cpu);
  const sp = linearSp(control.cpu);
  const stop = await stepOnce(control, intoKernel && control.cpu.cpl < 3);
  if (stop !== undefined || !CALLS.has(flow) || control.cpu.linearIp === next) return stop;
  return unlessReached(await runToReturn(control, next, sp));
}

const CALLS: ReadonlySet<string> = new Set(["call", "interrupt"]);
const unlessReached = (outcome: Stop | "reached"): Stop | undefined => (outcome === "reached" ? undefined : outcome);

/** Until `address` is reached with the stack at least as far unwound as `sp`: recursion does not stop it early. */
const runToReturn = (control: RunControl, address: Addr, sp: Addr) =>
  control.run({ addresses: [address], reached: () => linearSp(control.cpu) >= sp });
