/**
 * Ways to end: `terminate` lets the program end itself, `disconnect` ends it or leaves it behind, `terminateThreads` kills processes. And
 * `attach`, to a program that another client has left.
 */
import type { DebugProtocol } from "@vscode/debugprotocol";
import type { Context, HandlerTable, Launched } from "./context.ts";
import { RequestError } from "./errors.ts";
import { listen, tellLaunched } from "./launch.ts";
import { continueAll, interject, runInBackground } from "./running.ts";

/** A program with a handler for SIGTERM gets the signal, and runs; asked once more, or without one, it ends at once. */
function terminate(context: Context): void {
  const { target, control } = context.launched;
  const { kernel } = target;
  if (kernel === undefined || control.ended !== undefined || context.terminating || !kernel.isHandled("SIGTERM")) {
    drop(context);
    context.client.afterResponse(() => context.client.event("terminated"));
    return;
  }
  context.terminating = true;
  interject(context, () => kernel.sendToProcesses("SIGTERM"), "run");
}

/** No thread of a process can be killed alone: SIGKILL goes to the whole process, which ends when it runs. */
function terminateThreads(context: Context, { threadIds = [] }: DebugProtocol.TerminateThreadsArguments): void {
  const { kernel } = context.launched.target;
  if (kernel === undefined)
    throw new RequestError("a processor cannot be killed: there is no kernel on a bare machine");
  const pids = threadIds.map((id) => {
    const pid = context.threads.pidOf(id);
    if (pid === undefined || context.threads.isIdle(id))
      throw new RequestError(`thread ${id} is no task of the program`);
    return pid;
  });
  if (pids.length > 0) interject(context, () => kernel.sendToProcesses("SIGKILL", pids), "as before");
}

/** A launched program ends unless it is to be left, one that was attached to is left unless it is to end. */
async function disconnect(context: Context, args: DebugProtocol.DisconnectArguments): Promise<void> {
  const ends = args.terminateDebuggee ?? !context.attached;
  if (!context.isLaunched) return;
  const { launched, shelf, launchArguments, bookmarks } = context;
  const work = context.work;
  drop(context);
  if (ends || shelf === undefined) return;
  await work;
  shelf.put({ launched, launchArguments, bookmarks, running: args.suspendDebuggee !== true });
}

function drop(context: Context): void {
  if (context.running) context.launched.control.pause();
  context.setLaunched(undefined);
  context.running = false;
}

/** The program comes with its whole history, as it stands; one that runs goes on when the client has set its breakpoints. */
async function attach(context: Context): Promise<void> {
  if (context.isLaunched) throw new RequestError("a program is already being debugged in this session");
  if (context.shelf === undefined)
    throw new RequestError(
      "there is nothing to attach to: this adapter ends with its client (`ringside dap --port` does not)",
    );
  const left = await context.shelf.take();
  if (left === undefined) throw new RequestError("there is nothing to attach to: no client has left a program here");
  const { launched, launchArguments, bookmarks, running } = left;
  launched.control.use(context.breakpoints);
  launched.control.setEventFilter(context.eventFilter);
  context.launchArguments = launchArguments;
  for (const [name, icount] of bookmarks) context.bookmarks.set(name, icount);
  context.attached = true;
  context.setLaunched({ ...launched, close: listen(context, launched) });
  context.whenConfigured = () => goOn(context, launched, running);
  tellLaunched(context, "attach");
}

function goOn(context: Context, { control }: Launched, running: boolean): void {
  const { ended } = control;
  const text = ended === undefined ? "as another client left it" : "it has ended since: step back to look";
  if (running && ended === undefined) continueAll(context);
  else runInBackground(context, async () => ({ reason: "pause", text }));
}

export const endingHandlers: HandlerTable = { terminate, terminateThreads, disconnect, attach };
