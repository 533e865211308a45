/** Breakpoints: source lines, labels, instructions; and where on a line they can be. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { bigToAddr } from "../../emu/cpu/state.ts";
import { parseSegmented, placeInMode, type Where } from "../debug/breakpoint-modes.ts";
import { type Breakpoint, type BreakpointRequest, requestProblem } from "../debug/breakpoints.ts";
import { hexAddr } from "../debug/format.ts";
import type { Context, HandlerTable } from "./context.ts";
import { RequestError } from "./errors.ts";

interface Placed {
  readonly breakpoint: Breakpoint;
  readonly answer: DebugProtocol.Breakpoint;
}

const refused = (message: string): { answer: DebugProtocol.Breakpoint } => ({ answer: { verified: false, message } });

function setBreakpoints(context: Context, args: DebugProtocol.SetBreakpointsArguments) {
  const uri = context.sources.fromDap(args.source);
  if (uri === undefined) throw new RequestError("the breakpoint's source has neither a path nor a known reference");
  const placed = (args.breakpoints ?? []).map((wanted) => placeOnLine(context, uri, wanted));
  return replace(context, uri, placed);
}

function placeOnLine(
  context: Context,
  uri: string,
  wanted: DebugProtocol.SourceBreakpoint,
): Placed | { answer: DebugProtocol.Breakpoint } {
  const problem = requestProblem(wanted);
  if (problem !== undefined) return refused(problem);
  const places = context.launched.target.symbols.breakpointPlaces(uri, context.fromLine(wanted.line));
  if (places === undefined) return refused("there is no code on this line or below it");
  const where = placesInMode(context, wanted.mode, places.addresses);
  if (typeof where === "string") return refused(where);
  const breakpoint = context.breakpoints.make("source", places.addresses, wanted, where);
  const source = context.sources.toDap(context.launched.target, uri);
  return {
    breakpoint,
    answer: {
      id: breakpoint.id,
      verified: true,
      line: context.line(places.line),
      source,
      instructionReference: hexAddr(places.addresses[0]!),
    },
  };
}

function setFunctionBreakpoints(context: Context, args: DebugProtocol.SetFunctionBreakpointsArguments) {
  const placed = args.breakpoints.map((wanted) => {
    const problem = requestProblem(wanted);
    if (problem !== undefined) return refused(problem);
    const address = context.launched.target.symbols.address(wanted.name.trim());
    if (address === undefined) return refused(`there is no label "${wanted.name}"`);
    return atAddress(context, "function", address, wanted);
  });
  return replace(context, "function", placed);
}

function setInstructionBreakpoints(context: Context, args: DebugProtocol.SetInstructionBreakpointsArguments) {
  const placed = args.breakpoints.map((wanted) => {
    const problem = requestProblem(wanted);
    if (problem !== undefined) return refused(problem);
    const segmented = parseSegmented(wanted.instructionReference);
    if (segmented !== undefined) return atSegmented(context, segmented, wanted);
    const address = parseReference(wanted.instructionReference);
    if (address === undefined) return refused(`"${wanted.instructionReference}" is no address`);
    const where = placesInMode(context, wanted.mode, [address + (wanted.offset ?? 0)]);
    if (typeof where === "string") return refused(where);
    return atAddress(context, "instruction", address + (wanted.offset ?? 0), wanted, where);
  });
  return replace(context, "instruction", placed);
}

/** Addresses as another mode has them; undefined for linear ones. A text says why they cannot be had. */
function placesInMode(context: Context, mode: string | undefined, addresses: readonly number[]) {
  if (mode === undefined || mode === "linear") return undefined;
  if (mode !== "physical" && mode !== "segmented") return `there is no breakpoint mode "${mode}"`;
  const places = addresses.map((address) => placeInMode(context.cpu, mode, address));
  return places.find((place) => typeof place === "string") ?? (places as Where[]);
}

/** A selector and an offset stand for no address before code runs there. */
function atSegmented(
  context: Context,
  where: Extract<Where, { mode: "segmented" }>,
  wanted: DebugProtocol.InstructionBreakpoint,
): Placed {
  const place = { ...where, offset: where.offset + (wanted.offset ?? 0) };
  const breakpoint = context.breakpoints.make("instruction", [], wanted, [place]);
  return { breakpoint, answer: { id: breakpoint.id, verified: true } };
}

function atAddress(
  context: Context,
  kind: "function" | "instruction",
  address: number,
  wanted: BreakpointRequest,
  where?: readonly Where[],
): Placed {
  const breakpoint = context.breakpoints.make(kind, [address], wanted, where);
  const line = context.launched.target.symbols.lineAt(address);
  const place =
    line === undefined
      ? {}
      : { line: context.line(line.line), source: context.sources.toDap(context.launched.target, line.uri) };
  return {
    breakpoint,
    answer: { id: breakpoint.id, verified: true, instructionReference: hexAddr(address), ...place },
  };
}

function replace(context: Context, group: string, placed: readonly (Placed | { answer: DebugProtocol.Breakpoint })[]) {
  context.breakpoints.replace(
    group,
    placed.flatMap((item) => ("breakpoint" in item ? [item.breakpoint] : [])),
  );
  return { breakpoints: placed.map(({ answer }) => answer) };
}

/** A memory or instruction reference as we give them out: hexadecimal text. */
export function parseReference(text: string): number | undefined {
  return /^(0x[\da-f]+|\d+)$/i.test(text.trim()) ? bigToAddr(BigInt(text.trim())) : undefined;
}

function breakpointLocations(context: Context, args: DebugProtocol.BreakpointLocationsArguments) {
  const uri = context.sources.fromDap(args.source);
  if (uri === undefined || !context.isLaunched) return { breakpoints: [] };
  const first = context.fromLine(args.line);
  const last = args.endLine === undefined ? first : context.fromLine(args.endLine);
  const lines = context.launched.target.symbols.codeLines(uri, first, last);
  return { breakpoints: lines.map((line) => ({ line: context.line(line) })) };
}

export const breakpointHandlers: HandlerTable = {
  setBreakpoints,
  setFunctionBreakpoints,
  setInstructionBreakpoints,
  breakpointLocations,
};
