/** Continue, pause and the steps. A run answers at once; how it ended comes as an event. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { beforeTheEnd } from "../debug/before-the-end.ts";
import type { Stop } from "../debug/run-control.ts";
import { INTO_KERNEL } from "../debug/step-targets.ts";
import { type StepOptions, stepIn, stepOut, stepOver } from "../debug/stepping.ts";
import type { Context, HandlerTable } from "./context.ts";
import { Hint, RequestError } from "./errors.ts";
import { lookAtPrograms } from "./programs.ts";
import { tellMemory } from "./seen-memory.ts";
import { BOUNDARIES, stopBody } from "./stop-body.ts";

/** Runs `action` in the background and reports the stop it ends with. */
export function resume(context: Context, action: () => Promise<Stop>): void {
  const ended = context.stopped.control.ended;
  if (ended !== undefined) throw new RequestError("the program has ended: restart it, or step back");
  runInBackground(context, action);
}

/** As resume(), of a program that may have ended. A `title` is shown while it takes long. */
export function runInBackground(context: Context, action: () => Promise<Stop>, title?: string): void {
  const { control } = context.stopped;
  const work = title === undefined ? action : () => context.progress.during(control, title, action);
  context.client.afterResponse(prepared(context, work));
}

/** After these a client takes the program to run; of others it is told. */
const KNOWN_TO_RESUME: ReadonlySet<string> = new Set([
  "configurationDone",
  "restart",
  "continue",
  "next",
  "stepIn",
  "stepOut",
  "stepBack",
  "reverseContinue",
  "restartFrame",
  "goto",
]);

/** Everything set for `work`, which begins with a call of what is returned. */
function prepared(context: Context, work: () => Promise<Stop>): () => void {
  const launched = context.stopped;
  context.running = true;
  context.dropHandles();
  launched.control.begin();
  const thread = context.focus;
  const known = KNOWN_TO_RESUME.has(context.request.command);
  return () => {
    if (gone(context, launched)) return;
    if (!known) context.client.event("continued", { threadId: thread, allThreadsContinued: true });
    const { control, history, configuration } = launched;
    const settled = async (stop: Stop) =>
      gone(context, launched) ? stop : beforeTheEnd(control, history, stop, configuration.stepIntoKernel);
    context.work = work()
      .then(settled)
      .then(
        (stop) => report(context, launched, stop),
        (error: unknown) => crash(context, launched, error),
      );
  };
}

/** Restarted or disconnected meanwhile. */
const gone = (context: Context, { target }: Context["launched"]): boolean =>
  !context.isLaunched || context.launched.target !== target;

function report(context: Context, launched: Context["launched"], stop: Stop): void {
  if (gone(context, launched)) return;
  context.running = false;
  context.leisure.rest();
  if (context.interjection !== undefined && launched.control.ended === undefined && goesOn(context, stop)) return;
  if (stop.reason === "exited") exited(context, stop.status, stop.signal);
  else stopped(context, stop);
}

/** Does something to the program between two instructions, which then runs: at all events, or if it did before. */
export function interject(context: Context, action: () => void, after: "run" | "as before"): void {
  const { control } = context.launched;
  const change = () => {
    action();
    context.beginFuture();
    control.changed();
  };
  if (context.running) {
    context.interjection = () => {
      change();
      return after === "run" ? "run" : "stop";
    };
    control.pause();
    return;
  }
  change();
  if (after === "run") continueAll(context);
}

/** Interjects, in a run that is paused for that or has stopped of itself; whether it runs on. */
function goesOn(context: Context, stop: Stop): boolean {
  const then = context.interjection!();
  context.interjection = undefined;
  if (then === "stop" && stop.reason !== "pause") return false;
  prepared(context, goingOn(context))();
  return true;
}

/** Tells the client that the program stands still, in which thread, and why. */
export function stopped(context: Context, stop: Stop): void {
  const running = context.threads.on(context.launched.control.cpu);
  sayBeginning(context, stop);
  context.lastStop = stop;
  context.focus = stop.thread ?? (stop.reason === "pause" ? pausedIn(context, running) : running);
  tellThreads(context);
  lookAtPrograms(context);
  tellMemory(context);
  sayUnprinted(context);
  context.client.event("stopped", { threadId: context.focus, allThreadsStopped: true, ...stopBody(context, stop) });
}

/** Once, however often it is tried again. */
function sayBeginning({ client, lastStop }: Context, stop: Stop): void {
  if (!isBeginning(stop) || (lastStop !== undefined && isBeginning(lastStop))) return;
  const output = `the beginning of history: ${BOUNDARIES.history.text}\n`;
  client.event("output", { category: "console", output });
}

const isBeginning = (stop: Stop): boolean => stop.reason === "entry" && stop.boundary === "history";

function sayUnprinted({ printed, launched, client }: Context): void {
  const text = printed.goneBackTo(launched.target.machine.icount);
  if (text !== undefined) client.event("output", { category: "console", output: `${text}\n` });
}

/** A thread that a CPU runs; if all sleep, the one that was looked at last. */
function pausedIn({ threads, focus, launched }: Context, running: number): number {
  const candidates = [focus, running, ...launched.target.machine.cpus.map((cpu) => threads.on(cpu))];
  const busy = candidates.find((id) => threads.cpuOf(id) !== undefined && !threads.isIdle(id));
  return busy ?? (threads.exists(focus) ? focus : running);
}

/** Tells the client of threads that have come and gone since it was told last, by going back too. */
export function tellThreads({ client, threads }: Context): void {
  const { started, exited } = threads.changes();
  for (const threadId of started) client.event("thread", { reason: "started", threadId });
  for (const threadId of exited) client.event("thread", { reason: "exited", threadId });
}

function exited(context: Context, status: number, signal: number | undefined): void {
  const code = signal === undefined ? status : 128 + signal;
  const how = signal === undefined ? `exited with status ${status}` : `was killed by signal ${signal}`;
  context.client.event("output", { category: "console", output: `${context.launched.target.programName} ${how}\n` });
  context.client.event("exited", { exitCode: code });
  context.client.event("terminated");
}

/** A failure of ours must not leave the client waiting. */
export function crash(context: Context, launched: Context["launched"], error: unknown): void {
  if (gone(context, launched)) return;
  context.running = false;
  context.client.event("output", {
    category: "important",
    output: `a bug in Ringside: ${(error as Error)?.stack ?? error}\n`,
  });
  context.client.event("terminated");
}

function continueRun(context: Context) {
  continueAll(context);
  return { allThreadsContinued: true };
}

export const continueAll = (context: Context): void => resume(context, goingOn(context));

function goingOn(context: Context): () => Promise<Stop> {
  const { control } = context.stopped;
  // where it stands it has stopped already
  context.cpu.skipBreakpoint();
  return async () => finish(await control.run());
}

const finish = (outcome: Stop | "reached"): Stop => (outcome === "reached" ? { reason: "step" } : outcome);

function pause(context: Context) {
  if (!context.running) throw new RequestError("the program is not running");
  context.launched.control.pause();
}

export interface StepArguments {
  readonly threadId?: number;
  readonly granularity?: DebugProtocol.SteppingGranularity;
  readonly targetId?: number;
}

/** The thread that a request names; the one in focus if it names none. */
export function threadOf(context: Context, { threadId }: { readonly threadId?: number }): number {
  const thread = threadId ?? context.focus;
  if (!context.threads.exists(thread)) throw new RequestError(`there is no thread ${thread}`);
  return thread;
}

export function stepOptions(context: Context, args: StepArguments): StepOptions {
  const thread = threadOf(context, args);
  const inKernel = (context.threads.cpuOf(thread)?.cpl ?? 3) < 3;
  return {
    thread,
    granularity: args.granularity === "instruction" ? "instruction" : "statement",
    intoKernel: args.targetId === INTO_KERNEL || context.launched.configuration.stepIntoKernel || inKernel,
  };
}

function step(take: typeof stepIn) {
  return (context: Context, args: StepArguments) => {
    void context.stopped;
    const options = stepOptions(context, args);
    resume(context, () => take(context.launched.control, options));
  };
}

function stepOutRequest(context: Context, args: StepArguments) {
  void context.stopped;
  const thread = threadOf(context, args);
  if (context.stackOf(thread)?.at(1) === undefined) throw new Hint("there is no caller to step out to");
  resume(context, async () => (await stepOut(context.launched.control, thread)) ?? { reason: "step" });
}

/** `ringside/stepIntoKernel` { enabled }: whether Step In follows the program into the kernel, changed while it is stopped. */
function setStepIntoKernel(context: Context, { enabled }: { enabled?: unknown }) {
  if (typeof enabled !== "boolean") throw new RequestError(`"enabled" takes true or false`);
  context.setLaunchedConfiguration({ stepIntoKernel: enabled });
}

export const runningHandlers: HandlerTable = {
  continue: continueRun,
  pause,
  next: step(stepOver),
  stepIn: step(stepIn),
  stepOut: stepOutRequest,
  "ringside/stepIntoKernel": setStepIntoKernel,
};
