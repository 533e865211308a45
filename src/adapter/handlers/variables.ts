/** The contents of scopes and of what unfolds below them; new values. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { later } from "../../emu/cpu/later.ts";
import { type Addr, bigToAddr, isCanonical } from "../../emu/cpu/state.ts";
import { ask, bitsFor, formatOf, formatValue } from "../debug/expression.ts";
import { hex } from "../debug/format.ts";
import type { MemoryPlace } from "../debug/memory-place.ts";
import type { PlacedSymbols } from "../debug/placed-symbols.ts";
import type { Variable } from "../debug/variables.ts";
import type { Context, HandlerTable } from "./context.ts";
import { RequestError } from "./errors.ts";
import { tellMemory } from "./seen-memory.ts";
import { shown } from "./shown.ts";

/** A variable, and where it is among the others. */
interface Named {
  readonly variable: Variable;
  readonly path: string;
}

function variables(context: Context, args: DebugProtocol.VariablesArguments) {
  void context.stopped;
  const { filter, format } = args;
  const { path, children } = context.held(args.variablesReference);
  const all = children().map((variable, i) => ({ variable, path: `${path}/${i} ${variable.name}` }));
  const isWanted = ({ variable }: Named) => isIndexed(variable) === (filter === "indexed");
  const found = filter === undefined ? all : all.filter(isWanted);
  const first = args.start ?? 0;
  const symbols = later(() => symbolsRead(context));
  return {
    variables: found
      .slice(first, args.count ? first + args.count : undefined)
      .map((each) => dapVariable(context, symbols, each, format)),
  };
}

const isIndexed = ({ name }: Variable): boolean => /^\[\d+\]$/.test(name);

/** What is shown with its number, the first thing in it, as the client wishes it. */
export function inFormat(shown: string, format: DebugProtocol.ValueFormat | undefined): string {
  if (format?.hex === undefined) return shown;
  return format.hex
    ? shown.replace(/^\d+(?= |$)/, (decimal) => hex(BigInt(decimal)))
    : shown.replace(/^0x[\da-f]+(?= |$)/, (number) => BigInt(number).toString());
}

function dapVariable(
  context: Context,
  symbols: () => PlacedSymbols,
  { variable, path }: Named,
  format: DebugProtocol.ValueFormat | undefined,
): DebugProtocol.Variable {
  const { name, value, type, evaluateName, children, reference, pointsTo } = variable;
  const variablesReference = children === undefined ? 0 : context.handle(path, children);
  const dap: DebugProtocol.Variable = { name, value: inFormat(value, format), variablesReference };
  if (evaluateName !== undefined) dap.evaluateName = evaluateName;
  if (reference === undefined) dap.presentationHint = READ_ONLY;
  return Object.assign(dap, typeFor(context, type), references(context, variable, pointsTo, symbols));
}

const READ_ONLY = { attributes: ["readOnly"] };

const symbolsRead = ({ launched, readCpu }: Context): PlacedSymbols => launched.target.symbols(readCpu);

export const typeFor = ({ declared }: Context, type: string | undefined): { type?: string } =>
  type === undefined || declared.supportsVariableType !== true ? {} : { type };

/**
 * Where a value is in memory; of one that is not, the memory that it points to. If that is code with a line, so is the place.
 * @param pointsTo a value that may be an address
 */
export function references(
  context: Context,
  place: Partial<MemoryPlace>,
  pointsTo: bigint | undefined,
  symbols = () => symbolsRead(context),
): References {
  const target = pointsTo === undefined ? undefined : mappedAt(context, pointsTo);
  const found: References = memoryReferenceFor(context, { address: place.address ?? target, process: place.process });
  const line = target === undefined ? undefined : symbols().lineAt(target);
  if (line?.bits !== undefined) found.valueLocationReference = context.location(line);
  return found;
}

type References = Pick<DebugProtocol.Variable, "memoryReference" | "valueLocationReference">;

export const memoryReferenceFor = (
  context: Context,
  { address, process }: { readonly address?: Addr | undefined; readonly process?: number | undefined },
): { memoryReference?: string } =>
  address === undefined || context.declared.supportsMemoryReferences !== true
    ? {}
    : { memoryReference: context.reference({ address, process }) };

function mappedAt({ readCpu }: Context, value: bigint): Addr | undefined {
  const address = isCanonical(Number(BigInt.asIntN(32, value >> 32n))) ? bigToAddr(value) : undefined;
  return address === undefined || readCpu.peekTranslate(address) === undefined ? undefined : address;
}

/** The line of code that a value points to. */
function locations(context: Context, { locationReference }: DebugProtocol.LocationsArguments) {
  const { target } = context.stopped;
  const line = context.lineOfLocation(locationReference);
  if (line === undefined) throw new RequestError("this location is from an earlier stop");
  return { source: context.sources.toDap(target, line.uri), line: context.line(line.line), column: context.columnBase };
}

function setVariable(context: Context, args: DebugProtocol.SetVariableArguments) {
  void context.stopped;
  context.held(args.variablesReference);
  const variable = context.childNamed(args.variablesReference, args.name);
  if (variable === undefined) throw new RequestError(`there is no "${args.name}" here`);
  const write = variable.reference?.write;
  if (write === undefined) throw new RequestError(`${args.name} cannot be changed`);
  const result = ask(args.value, context.readScope);
  const value = bitsFor(variable.reference!, result);
  write(value);
  changed(context);
  const reference = variable.reference!;
  const { bits } = reference;
  const now = reference.read() ?? value;
  return {
    value: inFormat(formatValue({ value: now, bits, format: formatOf(reference) }), args.format),
    ...references(context, reference, variable.pointsTo === undefined ? undefined : now),
  };
}

/** A new future begins here; and what the client shows may be stale: one register can be a part of another, and a symbol's, and a flag's. */
export function changed(context: Context): void {
  context.beginFuture();
  context.launched.control.changed();
  context.client.afterResponse(() => {
    if (context.declared.supportsInvalidatedEvent === true)
      context.client.event("invalidated", { areas: ["variables", "stacks"] });
    context.client.event("ringside/changed");
    tellMemory(context);
  });
}

export const variableHandlers: HandlerTable = { variables: shown(variables), setVariable, locations };
