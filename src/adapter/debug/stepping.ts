/**
 * Steps of one thread: in, over and out, by instruction or by statement, through the kernel boundary or across it. The other threads go
 * on meanwhile as they would anyway, their CPUs' turns being fixed by the instruction count, and may hit breakpoints of their own.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import { currentInstruction, linearSp } from "./code.ts";
import { ReturnPoint } from "./return-point.ts";
import type { RunControl, Stop } from "./run-control.ts";
import { callStack, type Frame } from "./stack.ts";

export interface StepOptions {
  readonly granularity: "instruction" | "statement";
  /** Whether the step follows a system call, exception or interrupt into the kernel's code. */
  readonly intoKernel: boolean;
  readonly thread: number;
}

/** By statement, what is called from a source line is entered if it has source lines too. */
export const stepIn = (control: RunControl, options: StepOptions): Promise<Stop> =>
  stepLines(control, options, (subject) =>
    options.granularity === "statement" && hasLine(control, subject.cpu)
      ? stepOnceOver(control, subject, options.intoKernel, (cpu) => !hasLine(control, cpu))
      : stepOnce(control, subject, options.intoKernel),
  );

export const stepOver = (control: RunControl, options: StepOptions): Promise<Stop> =>
  stepLines(control, options, (subject) =>
    stepOnceOver(control, subject, options.intoKernel && subject.cpu.cpl < 3, () => true),
  );

const hasLine = ({ target }: RunControl, cpu: Cpu): boolean => target.symbols(cpu).lineAt(cpu.linearIp) !== undefined;

/** Until the thread's present function returns; from the kernel, until user mode is back. */
export async function stepOut(control: RunControl, thread: number): Promise<Stop | undefined> {
  const cpu = control.threads.seenFrom(thread);
  const [here, caller] = cpu === undefined ? [] : callStack(control.target, cpu, 2);
  if (here === undefined || caller === undefined) return undefined;
  if (here.cpl < 3 && caller.cpl === 3) return finished(control, thread, await control.runToUser(thread));
  return finished(control, thread, await runToReturn(control, thread, caller));
}

const runsHere = (control: RunControl, thread: number): boolean => control.threads.on(control.cpu) === thread;

async function finished(control: RunControl, thread: number, outcome: Stop | "reached"): Promise<Stop> {
  if (outcome !== "reached") return outcome;
  return hasEnded(control, thread) ? afterItsEnd(control, thread) : { reason: "step", thread };
}

/** Not one that goes on as its process's first thread, in the program that it has begun. */
const hasEnded = ({ threads, cpu }: RunControl, thread: number): boolean => threads.hasEnded(thread) && cpu.cpl < 3;

const ENDED = "the thread that was stepped has ended";

/** Where a thread that has ended leaves somebody to look at; or at the program's end. */
async function afterItsEnd(control: RunControl, ended: number): Promise<Stop> {
  const [survivor] = control.threads.survivors(ended);
  if (survivor?.inUser || survivor?.waits) return { reason: "step", thread: survivor.thread, text: ENDED };
  const outcome = await control.runToUser(survivor?.thread);
  if (outcome !== "reached") return outcome;
  return hasEnded(control, survivor?.thread ?? ended)
    ? afterItsEnd(control, survivor?.thread ?? ended)
    : { reason: "step", thread: control.threads.on(control.cpu), text: ENDED };
}

/** The thread that is stepped, and the CPU it is on. Where kernel code switches to another task, the step goes on with what the CPU runs then. */
class Subject {
  readonly control: RunControl;
  thread: number;
  cpu: Cpu;

  constructor(control: RunControl, thread: number, cpu: Cpu) {
    this.control = control;
    this.thread = thread;
    this.cpu = cpu;
  }

  settle(): void {
    const { threads } = this.control;
    const cpu = threads.cpuOf(this.thread);
    if (cpu === undefined) this.thread = threads.on(this.cpu);
    else this.cpu = cpu;
  }
}

/** Repeats `step` until the source line changes, or control jumps backwards within it (a loop on one line stops each round). */
async function stepLines(
  control: RunControl,
  options: StepOptions,
  step: (subject: Subject) => Promise<Stop | undefined>,
): Promise<Stop> {
  const cpu = control.threads.cpuOf(options.thread);
  if (cpu === undefined) return untilItRuns(control, options);
  const subject = new Subject(control, options.thread, cpu);
  const { target } = control;
  const start = target.symbols(cpu).lineAt(cpu.linearIp);
  for (;;) {
    const before = subject.cpu.linearIp;
    const stop = await step(subject);
    if (stop !== undefined) return stop;
    subject.settle();
    const stepped: Stop = { reason: "step", thread: subject.thread };
    const pc = subject.cpu.linearIp;
    if (options.granularity === "instruction" || start === undefined || pc <= before) return stepped;
    const line = target.symbols(subject.cpu).lineAt(pc);
    if (line === undefined || line.line !== start.line || line.uri !== start.uri) return stepped;
    if (await control.breathe()) return { reason: "pause" };
  }
}

/** The next instruction of a thread that no CPU runs: of its user code, or, if the kernel is stepped through, right behind the switch to it. */
async function untilItRuns(control: RunControl, { thread, intoKernel }: StepOptions): Promise<Stop> {
  const outcome = intoKernel
    ? await control.run({ event: ({ type, to }) => type === "switch" && control.threads.ofPid(to) === thread })
    : await control.runToUser(thread);
  return finished(control, thread, outcome);
}

/** One instruction; an entry into the kernel that is not to be followed runs to its return. */
async function stepOnce(control: RunControl, subject: Subject, intoKernel: boolean): Promise<Stop | undefined> {
  const { cpu, thread } = subject;
  const fromUser = cpu.cpl === 3;
  const ip = cpu.linearIp;
  for (;;) {
    const stop = await control.stepCpu(subject.cpu);
    if (stop !== undefined) return stop;
    if (!fromUser || subject.cpu.cpl === 3 || intoKernel || control.target.kernel === undefined) return undefined;
    const outcome = await control.runToUser(thread);
    if (outcome !== "reached") return outcome;
    if (hasEnded(control, thread)) return afterItsEnd(control, thread);
    // gone: it has begun another program, as its process's first thread
    if (control.threads.cpuOf(thread) === undefined) subject.cpu = control.cpu;
    subject.settle();
    // an interrupt or a page fault came first: the instruction is still to run
    const again =
      subject.thread === thread && subject.cpu.linearIp === ip && control.enteredBy(thread)?.restarts === true;
    if (!again) return undefined;
  }
}

/** One instruction, and all of what it calls, if `isOver` says so of where that begins. */
async function stepOnceOver(
  control: RunControl,
  subject: Subject,
  intoKernel: boolean,
  isOver: (cpu: Cpu) => boolean,
): Promise<Stop | undefined> {
  const { cpu, thread } = subject;
  const { address, flow, next } = currentInstruction(cpu);
  const sp = linearSp(cpu);
  const from = control.target.machine.icount;
  const stop = await stepOnce(control, subject, intoKernel);
  subject.settle();
  if (stop !== undefined || !CALLS.has(flow) || subject.cpu.linearIp === next || !isOver(subject.cpu)) return stop;
  if (isSystemCall(control, thread, from) && !comesBackTo(control, subject.cpu, [address, next])) return undefined;
  return unlessReached(await runToReturn(control, thread, { address: next, sp }));
}

/** Whether the step that began at `from` was a system call, seen from user mode. */
function isSystemCall(control: RunControl, thread: number, from: number): boolean {
  const entered = control.enteredBy(thread);
  return entered !== undefined && entered.icount >= from && !entered.restarts;
}

/** From a signal handler the thread does; not from a program that the call has begun, or from what sigreturn went back to. */
const comesBackTo = ({ target }: RunControl, cpu: Cpu, places: readonly Addr[]): boolean =>
  callStack(target, cpu).some(({ address }) => places.includes(address));

const CALLS: ReadonlySet<string> = new Set(["call", "interrupt"]);
const unlessReached = (outcome: Stop | "reached"): Stop | undefined => (outcome === "reached" ? undefined : outcome);

/**
 * Until the thread is back in the frame that has `address` and `sp` then; where it begins another program, there will be no such return, and
 * that program's first instruction is where it has come to.
 */
async function runToReturn(control: RunControl, thread: number, { address, sp }: Pick<Frame, "address" | "sp">) {
  let replaced = false;
  const point = new ReturnPoint(control.target, address, sp);
  const outcome = await control.run({
    addresses: [address],
    reached: () => runsHere(control, thread) && point.isReached(control.cpu),
    event: (event) => (replaced ||= control.beginsProgram(thread, event)) || control.isEndOf(thread, event),
  });
  if (outcome !== "reached") return outcome;
  if (replaced) return control.runToUser(control.threads.on(control.cpu));
  return hasEnded(control, thread) ? afterItsEnd(control, thread) : outcome;
}
