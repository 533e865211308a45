/** Threads, frames, scopes and a source's text. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { type Range, rangesOf } from "../debug/modules.ts";
import { scopesOf } from "../debug/scopes.ts";
import { type Frame, MOST_AT_ONCE } from "../debug/stack.ts";
import type { VariableScope } from "../debug/variables.ts";
import type { Context, HandlerTable } from "./context.ts";
import { RequestError } from "./errors.ts";
import { threadOf } from "./running.ts";
import { shown } from "./shown.ts";

const threads = (context: Context) => ({ threads: context.threads.list() });

function stackTrace(context: Context, args: DebugProtocol.StackTraceArguments) {
  void context.stopped;
  const thread = threadOf(context, args);
  const stack = context.stackOf(thread);
  const first = args.startFrame ?? 0;
  const end = first + (args.levels || MOST_AT_ONCE);
  const ranges = rangesOf(context.launched.target, context.select(thread) ?? context.cpu);
  const found = stack?.first(end).slice(first) ?? [];
  const frames = found.map((frame, i) => dapFrame(context, ranges, frame, context.frameId(thread, first + i)));
  // of a stack that goes on, at least one more is known
  const isMore = stack?.at(end) !== undefined;
  return { stackFrames: frames, totalFrames: isMore ? stack!.found : first + frames.length };
}

/** Says the ring and mode where they are not those of plain user code, and how a caller was found if not from the code. */
function frameName({ name, cpl, bits, v86, found }: Frame): string {
  const mode = v86 ? "v86" : `${bits}-bit`;
  return `${name}  [${cpl === 3 ? "" : `ring ${cpl}, `}${mode}${found === "code" ? "" : `, by ${found}`}]`;
}

function dapFrame(context: Context, ranges: readonly Range[], frame: Frame, id: number): DebugProtocol.StackFrame {
  const { target } = context.launched;
  const base = {
    id,
    name: frameName(frame),
    column: 0,
    instructionPointerReference: context.reference(frame, frame.bits),
    ...moduleOf(ranges, frame),
    presentationHint: frame.found === "call site" ? ("subtle" as const) : ("normal" as const),
  };
  if (frame.line === undefined) return { ...base, line: 0 };
  return {
    ...base,
    source: context.sources.toDap(target, frame.line.uri),
    line: context.line(frame.line.line),
    column: context.columnBase,
  };
}

/** The module that a frame's code is of. */
function moduleOf(ranges: readonly Range[], { address }: Frame): { moduleId?: string } {
  const found = ranges.find(({ start, end }) => address >= start && address < end);
  return found === undefined ? {} : { moduleId: found.name };
}

function scopes(context: Context, { frameId }: DebugProtocol.ScopesArguments) {
  const { target } = context.stopped;
  const { cpu, frame, thread, index } = context.selectFrame(frameId);
  return { scopes: scopesOf(target, cpu, frame).map((scope) => dapScope(context, scope, `${thread}/${index}`)) };
}

const dapScope = (context: Context, scope: VariableScope, frame: string): DebugProtocol.Scope => ({
  name: scope.name,
  variablesReference: context.handle(`${frame}/${scope.name}`, scope.variables),
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

export const stackHandlers: HandlerTable = { threads, stackTrace, scopes: shown(scopes), source };
