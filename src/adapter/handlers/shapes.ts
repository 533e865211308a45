/**
 * What each request's arguments must look like, so that a handler never meets a value of another kind. Only what a handler reads is
 * listed; a client may send more.
 */
import { RequestError } from "./errors.ts";

/** A name, "?" for optional; an object of fields; or a list, whose items are all of the one kind given. */
type Kind = "string" | "whole" | "boolean" | "string?" | "whole?" | "boolean?" | Shape | Optional | readonly [Kind];
interface Shape {
  readonly [field: string]: Kind;
}
interface Optional {
  readonly optional: Shape | readonly [Kind];
}

const optional = (kind: Shape | readonly [Kind]): Optional => ({ optional: kind });
const SOURCE: Shape = { path: "string?", sourceReference: "whole?" };
const FORMAT: Shape = { hex: "boolean?" };
const BREAKPOINT: Shape = { condition: "string?", hitCondition: "string?", logMessage: "string?" };
const STEP: Shape = { threadId: "whole?", granularity: "string?", targetId: "whole?" };

const SHAPES: Readonly<Record<string, Shape>> = {
  setBreakpoints: { source: SOURCE, breakpoints: optional([{ line: "whole", mode: "string?", ...BREAKPOINT }]) },
  setFunctionBreakpoints: { breakpoints: [{ name: "string", ...BREAKPOINT }] },
  setInstructionBreakpoints: {
    breakpoints: [{ instructionReference: "string", offset: "whole?", mode: "string?", ...BREAKPOINT }],
  },
  breakpointLocations: { source: SOURCE, line: "whole", endLine: "whole?" },
  setExceptionBreakpoints: {
    filters: ["string"],
    filterOptions: optional([{ filterId: "string", condition: "string?" }]),
  },
  dataBreakpointInfo: {
    variablesReference: "whole?",
    name: "string",
    bytes: "whole?",
    asAddress: "boolean?",
    mode: "string?",
    frameId: "whole?",
  },
  setDataBreakpoints: { breakpoints: [{ dataId: "string", accessType: "string?", ...BREAKPOINT }] },
  disconnect: { restart: "boolean?", terminateDebuggee: "boolean?", suspendDebuggee: "boolean?" },
  terminateThreads: { threadIds: optional(["whole"]) },
  next: STEP,
  stepIn: STEP,
  stepBack: STEP,
  stepOut: STEP,
  "ringside/stepBackOut": STEP,
  "ringside/stepBackInto": STEP,
  "ringside/runBackTo": { source: SOURCE, line: "whole" },
  "ringside/goToInstruction": { icount: "whole" },
  "ringside/lastWriter": { expression: "string" },
  restartFrame: { frameId: "whole" },
  gotoTargets: { source: SOURCE, line: "whole" },
  goto: { targetId: "whole" },
  stepInTargets: { frameId: "whole" },
  completions: { text: "string", column: "whole" },
  cancel: { requestId: "whole?", progressId: "string?" },
  modules: { startModule: "whole?", moduleCount: "whole?" },
  stackTrace: { threadId: "whole?", startFrame: "whole?", levels: "whole?" },
  scopes: { frameId: "whole" },
  source: { source: optional(SOURCE), sourceReference: "whole?" },
  variables: {
    variablesReference: "whole",
    start: "whole?",
    count: "whole?",
    filter: "string?",
    format: optional(FORMAT),
  },
  setVariable: { variablesReference: "whole", name: "string", value: "string", format: optional(FORMAT) },
  locations: { locationReference: "whole" },
  evaluate: { expression: "string", frameId: "whole?", context: "string?", format: optional(FORMAT) },
  setExpression: { expression: "string", value: "string", frameId: "whole?", format: optional(FORMAT) },
  readMemory: { memoryReference: "string", offset: "whole?", count: "whole" },
  writeMemory: { memoryReference: "string", offset: "whole?", data: "string", allowPartial: "boolean?" },
  disassemble: { memoryReference: "string", offset: "whole?", instructionOffset: "whole?", instructionCount: "whole" },
};

/** @throws RequestError naming the first argument that is not as it must be. */
export function checkArguments(command: string, args: unknown): void {
  if (!isObject(args)) throw new RequestError(`the arguments of "${command}" must be an object`);
  const shape = Object.hasOwn(SHAPES, command) ? SHAPES[command] : undefined;
  if (shape !== undefined) checkShape(args, shape, "");
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function checkShape(value: Readonly<Record<string, unknown>>, shape: Shape, at: string): void {
  for (const [field, kind] of Object.entries(shape)) check(value[field], kind, at === "" ? field : `${at}.${field}`);
}

function check(value: unknown, kind: Kind, at: string): void {
  if (typeof kind === "string") checkPlain(value, kind, at);
  else if (Array.isArray(kind)) checkList(value, (kind as readonly [Kind])[0], at);
  else if ("optional" in kind) {
    if (value !== undefined) check(value, kind.optional as Kind, at);
  } else if (isObject(value)) checkShape(value, kind as Shape, at);
  else throw new RequestError(`"${at}" must be an object`);
}

function checkList(value: unknown, kind: Kind, at: string): void {
  if (!Array.isArray(value)) throw new RequestError(`"${at}" must be a list`);
  for (const [i, item] of value.entries()) check(item, kind, `${at}[${i}]`);
}

function checkPlain(value: unknown, kind: string, at: string): void {
  const wanted = kind.replace("?", "");
  if (value === undefined && kind.endsWith("?")) return;
  const fits = wanted === "whole" ? Number.isSafeInteger(value) : typeof value === wanted;
  if (!fits) throw new RequestError(`"${at}" must be ${wanted === "whole" ? "a whole number" : `a ${wanted}`}`);
}
