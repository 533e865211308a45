/** Every request there is an answer for, by topic. */
import { breakpointHandlers } from "./breakpoints.ts";
import type { HandlerTable } from "./context.ts";
import { dataBreakpointHandlers } from "./data-breakpoints.ts";
import { evaluateHandlers } from "./evaluate.ts";
import { exceptionHandlers } from "./exceptions.ts";
import { initialize } from "./initialize.ts";
import { launchHandlers } from "./launch.ts";
import { memoryHandlers } from "./memory.ts";
import { runningHandlers } from "./running.ts";
import { stackHandlers } from "./stack.ts";
import { variableHandlers } from "./variables.ts";
import { viewHandlers } from "./views.ts";

export const HANDLERS: HandlerTable = {
  initialize,
  ...launchHandlers,
  ...breakpointHandlers,
  ...dataBreakpointHandlers,
  ...exceptionHandlers,
  ...runningHandlers,
  ...stackHandlers,
  ...variableHandlers,
  ...evaluateHandlers,
  ...memoryHandlers,
  ...viewHandlers,
};
