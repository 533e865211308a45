/** Every request there is an answer for, by topic. */
import { breakpointHandlers } from "./breakpoints.ts";
import { consoleHandlers } from "./console.ts";
import type { HandlerTable } from "./context.ts";
import { dataBreakpointHandlers } from "./data-breakpoints.ts";
import { endingHandlers } from "./ending.ts";
import { evaluateHandlers } from "./evaluate.ts";
import { exceptionHandlers } from "./exceptions.ts";
import { initialize } from "./initialize.ts";
import { jumpHandlers } from "./jumps.ts";
import { launchHandlers } from "./launch.ts";
import { memoryHandlers } from "./memory.ts";
import { operandHandlers } from "./operands.ts";
import { programHandlers } from "./programs.ts";
import { progressHandlers } from "./progress.ts";
import { runningHandlers } from "./running.ts";
import { stackHandlers } from "./stack.ts";
import { timeTravelHandlers } from "./time-travel.ts";
import { variableHandlers } from "./variables.ts";
import { viewHandlers } from "./views.ts";

export const HANDLERS: HandlerTable = {
  initialize,
  ...launchHandlers,
  ...endingHandlers,
  ...breakpointHandlers,
  ...dataBreakpointHandlers,
  ...exceptionHandlers,
  ...runningHandlers,
  ...timeTravelHandlers,
  ...jumpHandlers,
  ...progressHandlers,
  ...consoleHandlers,
  ...stackHandlers,
  ...programHandlers,
  ...variableHandlers,
  ...evaluateHandlers,
  ...memoryHandlers,
  ...operandHandlers,
  ...viewHandlers,
};
