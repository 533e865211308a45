/** Threads, frames, scopes and sources. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { hexAddr } from "../debug/format.ts";
import { ptRegsScope } from "../debug/kernel-scopes.ts";
import { modulesOf } from "../debug/modules.ts";
import { scopesOf } from "../debug/scopes.ts";
import type { Frame } from "../debug/stack.ts";
import type { VariableScope } from "../debug/variables.ts";
import { type Context, type HandlerTable, THREAD } from "./context.ts";
import { RequestError } from "./errors.ts";

function threads(context: Context) {
  const { target } = context.launched;
  const task = target.kernel?.task(context.cpu);
  const name = task === undefined ? `CPU ${context.cpu.index}` : `${task.name} (pid ${task.pid})`;
  return { threads: [{ id: THREAD, name }] };
}

function stackTrace(context: Context, args: DebugProtocol.StackTraceArguments) {
  const all = context.frames;
  const first = args.startFrame ?? 0;
  const count = args.levels ? args.levels : all.length;
  const frames = all.slice(first, first + count).map((frame, i) => dapFrame(context, frame, first + i));
  return { stackFrames: frames, totalFrames: all.length };
}

/** Says the ring and mode where they are not those of plain user code, and that a caller was guessed. */
function frameName({ name, cpl, bits, v86, guessed }: Frame): string {
  const mode = v86 ? "v86" : `${bits}-bit`;
  return `${name}  [${cpl === 3 ? "" : `ring ${cpl}, `}${mode}${guessed ? ", by call site" : ""}]`;
}

function dapFrame(context: Context, frame: Frame, index: number): DebugProtocol.StackFrame {
  const { target } = context.launched;
  const base = {
    id: index + 1,
    name: frameName(frame),
    column: 0,
    instructionPointerReference: hexAddr(frame.address, frame.bits),
    presentationHint: frame.guessed ? ("subtle" as const) : ("normal" as const),
  };
  if (frame.line === undefined) return { ...base, line: 0 };
  return {
    ...base,
    source: context.sources.toDap(target, frame.line.uri),
    line: context.line(frame.line.line),
    column: context.columnBase,
  };
}

function scopes(context: Context, { frameId }: DebugProtocol.ScopesArguments) {
  const frame = context.frames[frameId - 1];
  if (frame === undefined) throw new RequestError(`there is no frame ${frameId} now`);
  return { scopes: scopesOfFrame(context, frame).map((scope) => dapScope(context, scope)) };
}

/** Registers belong to the running frame; of the user code behind a kernel entry, pt_regs are the registers. */
function scopesOfFrame(context: Context, frame: Frame): VariableScope[] {
  const { target } = context.stopped;
  const all = scopesOf(target, context.cpu);
  const behindEntry = target.kernel !== undefined && frame.cpl === 3 && context.cpu.cpl < 3;
  return behindEntry ? [ptRegsScope(target.kernel, context.cpu), ...all.filter(({ name }) => SHARED.has(name))] : all;
}
const SHARED: ReadonlySet<string> = new Set(["Symbols", "Task", "espfix"]);

const dapScope = (context: Context, scope: VariableScope): DebugProtocol.Scope => ({
  name: scope.name,
  variablesReference: context.handle(scope.variables),
  expensive: scope.expensive,
  ...(scope.hint === undefined ? {} : { presentationHint: scope.hint }),
});

function source(context: Context, args: DebugProtocol.SourceArguments) {
  const { target } = context.launched;
  const uri =
    context.sources.byReference(args.source?.sourceReference ?? args.sourceReference) ??
    (args.source && context.sources.fromDap(args.source));
  const content = uri === undefined ? undefined : target.sourceText(uri);
  if (content === undefined) throw new RequestError("there is no such source");
  return { content, mimeType: "text/x-asm" };
}

function loadedSources(context: Context) {
  const { target } = context.launched;
  return { sources: target.symbols.sources.map((uri) => context.sources.toDap(target, uri)) };
}

/** The program, the kernel and the vDSO, with the addresses that each takes. */
function modules(context: Context, args: DebugProtocol.ModulesArguments) {
  const { target } = context.launched;
  const all = modulesOf(target, context.cpu).map(({ name, start, end, sources }, i) => ({
    id: i + 1,
    name,
    ...(sources[0] === undefined ? {} : { path: sources[0] }),
    symbolStatus: sources.length > 0 ? "lines and symbols" : "symbols only",
    addressRange: `${hexAddr(start)}-${hexAddr(end)}`,
    isUserCode: i === 0,
  }));
  const first = args.startModule ?? 0;
  return {
    modules: all.slice(first, args.moduleCount ? first + args.moduleCount : undefined),
    totalModules: all.length,
  };
}

export const stackHandlers: HandlerTable = { threads, stackTrace, scopes, source, loadedSources, modules };
