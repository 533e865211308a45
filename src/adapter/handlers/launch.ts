/** Loading the program, starting it, restarting it. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { fileNameOf } from "../../asmlang/core/uri.ts";
import type { Diagnostic } from "../../asmlang/types.ts";
import type { MachineEvent } from "../../emu/machine/types.ts";
import { type LaunchConfiguration, readConfiguration } from "../debug/configuration.ts";
import { History } from "../debug/history.ts";
import { KernelHistory } from "../debug/kernel-view.ts";
import { createTarget } from "../debug/load.ts";
import { RunControl, type Stop } from "../debug/run-control.ts";
import { TIMELINE, timelineLine } from "../debug/timeline-text.ts";
import type { Context, HandlerTable, Launched } from "./context.ts";
import { Reported, RequestError } from "./errors.ts";
import { lookAtPrograms } from "./programs.ts";
import { resume, tellThreads } from "./running.ts";

const MEBIBYTE = 1 << 20;

async function launch(context: Context, args: DebugProtocol.LaunchRequestArguments): Promise<void> {
  if (context.isLaunched) throw new RequestError("a program is already being debugged in this session");
  await load(context, readConfiguration(args as Record<string, unknown>, context.files.folder));
  context.launchArguments = args as Record<string, unknown>;
  context.whenConfigured = () => start(context);
  tellLaunched(context, "launch");
}

/** There is a program now: the client may set its breakpoints. */
export function tellLaunched(context: Context, startMethod: "launch" | "attach"): void {
  context.told = undefined;
  context.client.afterResponse(() => {
    if (!context.isLaunched) return;
    context.client.event("process", {
      name: context.launched.target.programName,
      startMethod,
      isLocalProcess: false,
    });
    context.client.event("initialized");
  });
  lookAtPrograms(context);
}

async function load(context: Context, configuration: LaunchConfiguration): Promise<void> {
  const loaded = await createTarget(configuration, context.files);
  report(context, loaded.diagnostics);
  if (loaded.target === undefined)
    throw loaded.diagnostics.some(({ severity }) => severity === "error")
      ? new Reported(loaded.problem)
      : new RequestError(loaded.problem);
  const { target } = loaded;
  const control = new RunControl(target, context.breakpoints);
  control.setEventFilter(context.eventFilter);
  if (context.isLaunched) control.data.replace(context.launched.control.data.afresh(), control.view);
  const kernelHistory = target.kernel === undefined ? undefined : new KernelHistory(target, target.kernel);
  const observers = kernelHistory === undefined ? [control] : [control, kernelHistory];
  const history = new History(target, observers, configuration.historyMegabytes * MEBIBYTE);
  control.recorder = history;
  const launched = { configuration, target, control, history, kernelHistory };
  context.setLaunched({ ...launched, close: listen(context, launched) });
}

/** Tells the client what the program and its history have to say. @returns what ends that. */
export function listen(context: Context, launched: Omit<Launched, "close">): () => void {
  const { control, target, history, configuration } = launched;
  control.onLog = (text) =>
    context.client.event("output", { category: "console", output: `${text}\n`, ...where(context) });
  history.onLost = () => sayLost(context, history, configuration);
  control.onProgram = () => lookAtPrograms(context);
  const forget = target.machine.events.listen((event) => {
    if (control.replaying) return;
    forward(context, event);
    if (event.type === "fork" || (event.type === "switch" && isEnd(control, event.from))) tellThreads(context);
  });
  return () => {
    forget();
    control.onLog = control.onProgram = () => {};
    history.onLost = () => {};
  };
}

/** The line that runs: editors show it beside what a log point there prints. */
function where(context: Context): { readonly source?: DebugProtocol.Source; readonly line?: number } {
  const { target } = context.launched;
  const cpu = target.machine.currentCpu;
  const span = target.symbols(cpu).lineAt(cpu.linearIp);
  return span === undefined ? {} : { source: context.sources.toDap(target, span.uri), line: context.line(span.line) };
}

/** A task that another one is switched to from, for good. */
function isEnd({ threads }: RunControl, pid: unknown): boolean {
  const thread = threads.ofPid(pid);
  return thread !== undefined && threads.hasEnded(thread);
}

/** Once: from then on the beginning moves with the program, and `time` tells it. */
function sayLost(context: Context, history: History, { historyMegabytes }: LaunchConfiguration): void {
  history.onLost = () => {};
  const output = `history is full (historyMegabytes: ${historyMegabytes}): it reaches back to instruction ${history.start} only\n`;
  context.client.event("output", { category: "console", output });
}

/** Diagnostics of the program, each with its place: in words too, for consoles that do not link to it. */
function report(context: Context, diagnostics: readonly Diagnostic[]): void {
  for (const { severity, message, range } of diagnostics) {
    const output = `${fileNameOf(range.uri)}:${range.line + 1}:${range.column + 1}: ${severity}: ${message}\n`;
    const place = { source: { name: fileNameOf(range.uri), path: context.sources.placeOf(range.uri) } };
    const category = severity === "error" ? "stderr" : "console";
    context.client.event("output", { category, output, ...place, line: context.line(range.line) });
  }
}

/** The guest's output, what it asked for that we do not have, and, while tracing, the timeline. */
function forward(context: Context, event: MachineEvent): void {
  if (context.tracing && TIMELINE.has(event.type)) {
    context.client.event("output", { category: "console", output: `${timelineLine(event)}\n` });
  }
  if (event.type === "console") {
    const output = new TextDecoder().decode(Uint8Array.from(event.bytes as Iterable<number>));
    context.printed.note(event.icount, output);
    context.client.event("output", { category: event.stream === "stderr" ? "stderr" : "stdout", output });
  } else if (event.type === "unimplemented") {
    context.client.event("output", {
      category: "important",
      output: `${event.what} ${event.name} is not implemented\n`,
    });
  }
}

function configurationDone(context: Context): void {
  void context.launched;
  context.whenConfigured();
}

/** From boot to the program's first instruction, or to the first stop without stopOnEntry. */
function start(context: Context): void {
  const { control, configuration, target } = context.launched;
  resume(context, async () => {
    if (target.kernel !== undefined) {
      const outcome = await control.runToUser();
      if (outcome !== "reached") return outcome;
    }
    if (configuration.stopOnEntry && !configuration.noDebug) return { reason: "entry" };
    const here = control.breakpointHere();
    if (here.stops.length > 0)
      return { reason: "breakpoint", ids: here.stops, kind: here.kind ?? "source" } satisfies Stop;
    const outcome = await control.run();
    return outcome === "reached" ? { reason: "step" } : outcome;
  });
}

/** With the arguments given, over those of the launch; the program is read anew. */
async function restart(context: Context, args: { arguments?: unknown }): Promise<void> {
  const given = isObject(args.arguments) ? args.arguments : {};
  const { launched } = context;
  const raw = { ...context.launchArguments, ...given };
  if (context.running) launched.control.pause();
  await load(context, readConfiguration(raw, context.files.folder));
  context.launchArguments = raw;
  context.running = false;
  for (const breakpoint of context.breakpoints.all) breakpoint.hits = 0;
  lookAtPrograms(context);
  start(context);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const launchHandlers: HandlerTable = { launch, configurationDone, restart };
