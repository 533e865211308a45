/**
 * Going back, to an instant, and asking the past. What the protocol has no request for has one of ours: reverse step into and out,
 * run back to a line, go to an instruction by number, "who last wrote this?".
 */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { ask } from "../debug/expression.ts";
import type { History } from "../debug/history.ts";
import { type LastWrite, lastChange, lastWriter } from "../debug/last-writer.ts";
import { inProcess } from "../debug/memory-place.ts";
import { inPrograms, placesOnLine } from "../debug/placed-symbols.ts";
import {
  BEGINNING,
  backTo,
  goToInstruction,
  restartFrame,
  reverseContinue,
  stepBack,
  stepBackInto,
} from "../debug/reverse.ts";
import { stepBackOut } from "../debug/reverse-out.ts";
import type { RunControl, Stop } from "../debug/run-control.ts";
import { placeOf } from "../debug/variables.ts";
import type { Context, HandlerTable } from "./context.ts";
import { Hint, RequestError } from "./errors.ts";
import { runInBackground, type StepArguments, stepOptions, threadOf } from "./running.ts";

type Back = (control: RunControl, history: History) => Promise<Stop | undefined>;

/** Runs backwards in the background; `otherwise` is what an undefined stop means. */
export function goBack(context: Context, title: string, back: Back, otherwise: Stop = BEGINNING): void {
  const { control, history, target } = context.stopped;
  const inThread = (stop: Stop): Stop => ({ thread: control.threads.on(target.machine.nextCpu), ...stop });
  runInBackground(context, async () => inThread((await back(control, history)) ?? otherwise), title);
}

const backwards = (step: typeof stepBack) => (context: Context, args: StepArguments) => {
  void context.stopped;
  const options = stepOptions(context, args);
  goBack(context, "Stepping back", (control, history) => step(control, history, options));
};

function stepBackOutRequest(context: Context, args: StepArguments) {
  void context.stopped;
  const thread = threadOf(context, args);
  if (context.stackOf(thread)?.at(1) === undefined) throw new Hint("there is no caller to go back to");
  goBack(context, "Going back to the caller", (control, history) => stepBackOut(control, history, thread), {
    reason: "step",
    thread,
    text: "history does not hold what led here",
  });
}

function restartFrameRequest(context: Context, { frameId }: DebugProtocol.RestartFrameArguments) {
  void context.stopped;
  const { index, thread } = context.selectFrame(frameId);
  if (context.stackOf(thread)?.at(index + 1) === undefined)
    throw new Hint("this frame has no known caller: restart the program to begin again");
  goBack(
    context,
    "Going back to the start of the frame",
    (control, history) => restartFrame(control, history, index, thread),
    { reason: "step", thread },
  );
}

/** `ringside/runBackTo` { source, line }: the reverse of Run to Cursor. */
function runBackTo(context: Context, { source, line }: { source: DebugProtocol.Source; line: number }) {
  const uri = context.sources.fromDap(source);
  const found = uri && placesOnLine(context.stopped.target.spaces.seen, uri, context.fromLine(line));
  if (!found) throw new RequestError("there is no code on this line or below it");
  const { addresses, within } = inPrograms(found.places);
  goBack(context, "Running back to the cursor", (control, history) => backTo(control, history, addresses, within), {
    reason: "goto",
  });
}

/** `ringside/goToInstruction` { icount }: instructions are numbered from the machine's start. */
function goToInstructionRequest(context: Context, { icount }: { icount: number }) {
  if (icount < 0) throw new RequestError(`"icount" must not be negative`);
  goBack(context, `Going to instruction ${icount}`, (control, history) => goToInstruction(control, history, icount));
}

/** `ringside/time`: where on the way this is. */
function time(context: Context) {
  const { target, history } = context.stopped;
  return { icount: target.machine.icount, start: history.start, latest: history.latest };
}

/** `ringside/lastWriter` { expression }: who last wrote the memory it names, changed the bit, or the register. */
export async function lastWriterOf(context: Context, expression: string): Promise<LastWrite | undefined> {
  const { control, history } = context.stopped;
  const { reference } = ask(expression, context.scope);
  if (reference === undefined) throw new RequestError(`${expression} is no place that can be written`);
  const { cpu } = context;
  const where = placeOf(reference);
  const place = where && inProcess(context.launched.target.kernel, cpu, where);
  const found = await context.busy("Looking for the last write", () =>
    place === undefined ? lastChange(control, history, cpu, reference) : lastWriter(control, history, place),
  );
  if (found === "paused") throw new RequestError("cancelled");
  return found;
}

async function lastWriterRequest(context: Context, { expression }: { expression: string }) {
  const found = await lastWriterOf(context, expression);
  return found === undefined ? { found: false } : { found: true, ...found };
}

export const timeTravelHandlers: HandlerTable = {
  stepBack: backwards(stepBack),
  reverseContinue: (context: Context) => goBack(context, "Running backwards", reverseContinue),
  restartFrame: restartFrameRequest,
  "ringside/stepBackInto": backwards(stepBackInto),
  "ringside/stepBackOut": stepBackOutRequest,
  "ringside/runBackTo": runBackTo,
  "ringside/goToInstruction": goToInstructionRequest,
  "ringside/time": time,
  "ringside/lastWriter": lastWriterRequest,
};
