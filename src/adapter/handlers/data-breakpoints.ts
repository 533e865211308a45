/** Data breakpoints: on variables, on expressions (`TS_COMPAT`, `dword [count]`), and on addresses. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { requestProblem } from "../debug/breakpoints.ts";
import {
  allBits,
  type DataAccess,
  type DataBreakpoint,
  type DataPlace,
  dataId,
  MOST_BYTES,
  parseDataId,
} from "../debug/data-breakpoints.ts";
import { ask } from "../debug/expression.ts";
import { hexAddr } from "../debug/format.ts";
import { placeOf } from "../debug/variables.ts";
import { parseReference } from "./breakpoints.ts";
import type { Context, HandlerTable } from "./context.ts";

const ACCESSES: readonly DataAccess[] = ["read", "write", "readWrite"];

function dataBreakpointInfo(context: Context, args: DebugProtocol.DataBreakpointInfoArguments) {
  void context.stopped;
  const linear = placeFor(context, args);
  if (linear === undefined) return { dataId: null, description: `${args.name} is not in memory` };
  const place = args.mode === "physical" ? physicalPlace(context, linear) : linear;
  if (place === undefined) return { dataId: null, description: `${args.name} is not mapped now` };
  const kind = place.physical === true ? "physical " : "";
  const description = `${args.name} (${place.bytes} bytes at ${kind}${hexAddr(place.address)})`;
  return { dataId: dataId(place), description, accessTypes: [...ACCESSES], canPersist: false };
}

function placeFor(context: Context, args: DebugProtocol.DataBreakpointInfoArguments): DataPlace | undefined {
  if (args.asAddress === true) return atAddress(parseReference(args.name), args.bytes);
  if (args.variablesReference !== undefined && args.variablesReference > 0) {
    return context.childrenOf(args.variablesReference)?.find(({ name }) => name === args.name)?.place;
  }
  const { reference } = ask(args.name, context.scopeOf(args.frameId));
  const place = reference && placeOf(reference);
  if (place === undefined || args.bytes === undefined || reference?.within !== undefined) return place;
  return atAddress(place.address, args.bytes);
}

function physicalPlace(context: Context, place: DataPlace): DataPlace | undefined {
  const address = context.cpu.peekTranslate(place.address);
  return address === undefined ? undefined : { ...place, address, physical: true };
}

function atAddress(address: number | undefined, bytes = 1): DataPlace | undefined {
  const size = Math.min(Math.max(1, bytes), MOST_BYTES);
  return address === undefined ? undefined : { address, bytes: size, mask: allBits(size) };
}

function setDataBreakpoints(context: Context, args: DebugProtocol.SetDataBreakpointsArguments) {
  const { control } = context.launched;
  const made = args.breakpoints.map((wanted) => {
    const place = parseDataId(wanted.dataId);
    const access = ACCESSES.find((each) => each === (wanted.accessType ?? "write"));
    if (place === undefined || access === undefined) return "this is no place that can be watched";
    const { condition, hitCondition } = wanted;
    return (
      requestProblem(wanted) ??
      ({
        ...place,
        access,
        condition,
        hitCondition,
        id: context.breakpoints.nextId(),
      } satisfies DataBreakpoint)
    );
  });
  control.data.replace(
    made.filter((each) => typeof each !== "string"),
    context.cpu,
  );
  return {
    breakpoints: made.map((each) =>
      typeof each === "string" ? { verified: false, message: each } : { id: each.id, verified: true },
    ),
  };
}

export const dataBreakpointHandlers: HandlerTable = { dataBreakpointInfo, setDataBreakpoints };
