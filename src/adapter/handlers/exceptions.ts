/** Exception filters, and the details of the event that stopped the program. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { conditionProblem } from "../debug/breakpoints.ts";
import { describeEvent } from "../debug/event-text.ts";
import { FILTERS, filterEvents } from "../debug/exceptions.ts";
import type { Context, HandlerTable } from "./context.ts";
import { RequestError } from "./errors.ts";

function setExceptionBreakpoints(context: Context, args: DebugProtocol.SetExceptionBreakpointsArguments) {
  const chosen = [
    ...args.filters.map((id) => ({ id, condition: undefined })),
    ...(args.filterOptions ?? []).map(({ filterId, condition }) => ({ id: filterId, condition })),
  ];
  const problems = chosen.map(({ id, condition }) =>
    FILTERS.some((filter) => filter.id === id) ? conditionProblem(condition) : `there is no exception filter "${id}"`,
  );
  const sound = chosen.filter((_, i) => problems[i] === undefined);
  context.eventFilter = filterEvents(sound, () => context.scope);
  if (context.isLaunched) context.launched.control.setEventFilter(context.eventFilter);
  return {
    breakpoints: problems.map((message) => (message === undefined ? { verified: true } : { verified: false, message })),
  };
}

function exceptionInfo(context: Context) {
  const stop = context.lastStop;
  if (context.running || stop?.reason !== "exception")
    throw new RequestError("the program did not stop at an exception");
  const { title, details } = describeEvent(stop.event);
  return {
    exceptionId: title,
    description: details.split("\n")[0],
    breakMode: "always",
    details: { message: details, typeName: stop.event.type },
  };
}

export const exceptionHandlers: HandlerTable = { setExceptionBreakpoints, exceptionInfo };
