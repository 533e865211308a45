/** Data breakpoints: on variables, on expressions (`TS_COMPAT`, `dword [count]`), and on addresses. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import type { Cpu } from "../../emu/cpu/cpu.ts";
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
import { inProcess, type MemoryPlace } from "../debug/memory-place.ts";
import { placeOf } from "../debug/variables.ts";
import type { Context, HandlerTable } from "./context.ts";

const ACCESSES: readonly DataAccess[] = ["read", "write", "readWrite"];

function dataBreakpointInfo(context: Context, args: DebugProtocol.DataBreakpointInfoArguments) {
  void context.stopped;
  const found = placeFor(context, args);
  if (found === undefined) return { dataId: null, description: `${args.name} is not in memory` };
  const linear = inProcess(context.launched.target.kernel, context.readCpu, found);
  const place = args.mode === "physical" ? physicalPlace(linear, context.launched.control.view(linear)) : linear;
  if (place === undefined) return { dataId: null, description: `${args.name} is not mapped now` };
  const kind = place.physical === true ? "physical " : "";
  const description = `${args.name} (${place.bytes} bytes at ${kind}${hexAddr(place.address)})`;
  return { dataId: dataId(place), description, accessTypes: [...ACCESSES], canPersist: false };
}

function placeFor(context: Context, args: DebugProtocol.DataBreakpointInfoArguments): DataPlace | undefined {
  if (args.asAddress === true) {
    context.select(context.focus);
    return atAddress(context.given.placeOf(args.name), args.bytes);
  }
  if (args.variablesReference !== undefined && args.variablesReference > 0) {
    return context.childNamed(args.variablesReference, args.name)?.place;
  }
  const { reference } = ask(args.name, context.scopeOf(args.frameId));
  const place = reference && placeOf(reference);
  if (place === undefined || args.bytes === undefined || reference?.within !== undefined) return place;
  return atAddress(place, args.bytes);
}

function physicalPlace({ process: _, ...place }: DataPlace, cpu: Cpu | undefined): DataPlace | undefined {
  const address = cpu?.peekTranslate(place.address);
  return address === undefined ? undefined : { ...place, address, physical: true };
}

function atAddress(place: MemoryPlace | undefined, bytes = 1): DataPlace | undefined {
  const size = Math.min(Math.max(1, bytes), MOST_BYTES);
  return place === undefined ? undefined : { ...place, bytes: size, mask: allBits(size) };
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
    control.view,
  );
  return {
    breakpoints: made.map((each) =>
      typeof each === "string" ? { verified: false, message: each } : { id: each.id, verified: true },
    ),
  };
}

export const dataBreakpointHandlers: HandlerTable = { dataBreakpointInfo, setDataBreakpoints };
