/** Breakpoints: source lines, labels, instructions; and where on a line they can be. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import type { Cpu } from "../../emu/cpu/cpu.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import { parseSegmented, placeInMode, type Where } from "../debug/breakpoint-modes.ts";
import { type BreakpointRequest, requestProblem } from "../debug/breakpoints.ts";
import { hexAddr } from "../debug/format.ts";
import { parseReference, placeText, processKey } from "../debug/memory-place.ts";
import { inPrograms, type PlacedSymbols, type PlaceIn, placesOfName, placesOnLine } from "../debug/placed-symbols.ts";
import { type Resolution, refusal, type Wanted, type Which } from "./bindings.ts";
import type { Context, HandlerTable } from "./context.ts";
import { RequestError } from "./errors.ts";

function setBreakpoints(context: Context, args: DebugProtocol.SetBreakpointsArguments) {
  const uri = context.sources.fromDap(args.source);
  if (uri === undefined) throw new RequestError("the breakpoint's source has neither a path nor a known reference");
  const wanted = (args.breakpoints ?? []).map((request) => {
    const { resolve, ...rest } = want("source", request, () => placeOnLine(context, uri, request));
    return { ...rest, resolve: () => withLine(resolve(), request) };
  });
  return context.bindings.set(uri, wanted);
}

function want(kind: Wanted["kind"], request: BreakpointRequest, resolve: () => Resolution): Wanted {
  const problem = requestProblem(request);
  return { kind, request, resolve: problem === undefined ? resolve : () => refusal(problem) };
}

/** A breakpoint that is nowhere is where it was wanted: some clients show it on no line, or the first, if none is said. */
const withLine = (found: Resolution, { line }: DebugProtocol.SourceBreakpoint): Resolution => ({
  ...found,
  answer: { line, ...found.answer },
});

function placeOnLine(context: Context, uri: string, { line, mode }: DebugProtocol.SourceBreakpoint): Resolution {
  if (!context.isLaunched) return refusal("the program is not loaded yet", "pending");
  const { spaces } = context.launched.target;
  const found = placesOnLine(spaces.seen, uri, context.fromLine(line));
  if (found === undefined) return nothingOnLine(context, uri);
  // in the programs of the past, too, which going back may meet
  const everywhere = inPrograms(found.places);
  const now = whereNow(context, found.places);
  if (now.length === 0) return { ...everywhere, ...NOT_RUNNING };
  const where = placesInMode(context.cpu, mode, now);
  if (typeof where === "string") return refusal(where, "pending");
  const source = context.sources.toDap(context.launched.target, uri);
  const answer = { verified: true, line: context.line(found.line), source, instructionReference: hexAddr(now[0]!) };
  return { ...everywhere, where, answer };
}

/** A source of a program that could still be run is waited for. */
function nothingOnLine(context: Context, uri: string): Resolution {
  const { spaces } = context.launched.target;
  const runs = spaces.seen.some(({ index }) => index.sources.includes(uri));
  if (runs) return refusal("there is no code on this line or below it");
  const isKnown = spaces.known.some((index) => index.sources.includes(uri));
  return isKnown ? NOT_RUNNING : refusal("no program that runs here is made from this file", "pending");
}

const NOT_RUNNING = refusal("no task runs the program that this is part of", "pending");

/** Those of the places that are in what tasks run now. */
function whereNow(context: Context, places: readonly PlaceIn[]): Addr[] {
  const live = context.launched.target.spaces.live();
  const keys = new Set(live.flatMap(({ symbols }) => symbols.parts.map(({ key }) => key)));
  return inPrograms(places.filter(({ key }) => keys.has(key))).addresses;
}

function setFunctionBreakpoints(context: Context, args: DebugProtocol.SetFunctionBreakpointsArguments) {
  const wanted = args.breakpoints.map((request) =>
    want("function", request, () => placeAtLabel(context, request.name.trim())),
  );
  return context.bindings.set("function", wanted);
}

function placeAtLabel(context: Context, name: string): Resolution {
  if (!context.isLaunched) return refusal("the program is not loaded yet", "pending");
  const { spaces } = context.launched.target;
  const places = placesOfName(spaces.seen, name);
  if (places.length === 0) return refusal(`there is no label "${name}"`, "pending");
  const [first] = whereNow(context, places);
  if (first === undefined) return { ...inPrograms(places), ...NOT_RUNNING };
  const holds = spaces.live().find(({ symbols }) => symbols.address(name) === first) ?? spaces.of(context.cpu);
  return { ...inPrograms(places), answer: { verified: true, ...placeOf(context, first, holds.symbols) } };
}

function setInstructionBreakpoints(context: Context, args: DebugProtocol.SetInstructionBreakpointsArguments) {
  const wanted = args.breakpoints.map((request) =>
    want("instruction", request, () => placeAtInstruction(context, request)),
  );
  return context.bindings.set("instruction", wanted);
}

/** An address is a place whatever is there; while nothing is, the breakpoint waits for code to come. */
function placeAtInstruction(context: Context, wanted: DebugProtocol.InstructionBreakpoint): Resolution {
  if (!context.isLaunched) return refusal("the program is not loaded yet", "pending");
  const { instructionReference, offset = 0, mode } = wanted;
  const segmented = parseSegmented(instructionReference);
  // a selector and an offset stand for no address before code runs there
  if (segmented !== undefined)
    return { where: [{ ...segmented, offset: segmented.offset + offset }], answer: { verified: true } };
  const base = parseReference(instructionReference);
  if (base === undefined) return refusal(`"${instructionReference}" is no address`);
  const { process } = base;
  const address = base.address + offset;
  const cpu = process === undefined ? context.cpu : context.launched.target.kernel?.seenFromProcess(process);
  if (cpu === undefined) return refusal(`there is no process ${process} now`, "pending");
  const where = placesInMode(cpu, mode, [address]);
  if (typeof where === "string") return refusal(where, "pending");
  const within = process === undefined ? {} : { within: new Map([[address, new Set([processKey(process)])]]) };
  const place = { addresses: [address], where, ...within };
  const symbols = context.launched.target.symbols(cpu);
  const reference = { instructionReference: placeText({ address, process }) };
  const mapped = where !== undefined || cpu.peekTranslate(address) !== undefined;
  if (mapped) return { ...place, answer: { verified: true, ...placeOf(context, address, symbols), ...reference } };
  const message = "nothing is mapped there yet";
  return { ...place, answer: { verified: false, reason: "pending", message, ...reference } };
}

/** Addresses as another mode has them; undefined for linear ones. A text says why they cannot be had. */
function placesInMode(cpu: Cpu, mode: string | undefined, addresses: readonly number[]) {
  if (mode === undefined || mode === "linear") return undefined;
  if (mode !== "physical" && mode !== "segmented") return `there is no breakpoint mode "${mode}"`;
  const places = addresses.map((address) => placeInMode(cpu, mode, address));
  return places.find((place) => typeof place === "string") ?? (places as Where[]);
}

/** What the client is told of an address: itself, and its line. */
function placeOf(context: Context, address: Addr, symbols: PlacedSymbols): Omit<DebugProtocol.Breakpoint, "verified"> {
  const { target } = context.launched;
  const line = symbols.lineAt(address);
  return {
    instructionReference: hexAddr(address),
    ...(line === undefined ? {} : { line: context.line(line.line), source: context.sources.toDap(target, line.uri) }),
  };
}

/** Tells the client of breakpoints that have found their place, moved or lost it. */
export function rebind(context: Context, which: Which): void {
  context.bindings.rebind(which, (breakpoint) => context.client.event("breakpoint", { reason: "changed", breakpoint }));
}

function breakpointLocations(context: Context, args: DebugProtocol.BreakpointLocationsArguments) {
  const uri = context.sources.fromDap(args.source);
  if (uri === undefined || !context.isLaunched) return { breakpoints: [] };
  const first = context.fromLine(args.line);
  const last = args.endLine === undefined ? first : context.fromLine(args.endLine);
  const { spaces } = context.launched.target;
  const indexes = new Set([...spaces.known, ...spaces.seen.map(({ index }) => index)]);
  const lines = new Set([...indexes].flatMap((index) => index.codeLines(uri, first, last)));
  const sorted = [...lines].sort((a, b) => a - b);
  return { breakpoints: sorted.map((line) => ({ line: context.line(line) })) };
}

export const breakpointHandlers: HandlerTable = {
  setBreakpoints,
  setFunctionBreakpoints,
  setInstructionBreakpoints,
  breakpointLocations,
};
