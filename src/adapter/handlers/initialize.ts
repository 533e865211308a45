/** initialize: what this adapter can do. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { MODES } from "../debug/breakpoint-modes.ts";
import { FILTERS } from "../debug/exceptions.ts";
import type { Context } from "./context.ts";

export function initialize(
  context: Context,
  args: DebugProtocol.InitializeRequestArguments,
): DebugProtocol.Capabilities {
  context.lineBase = args.linesStartAt1 === false ? 0 : 1;
  context.columnBase = args.columnsStartAt1 === false ? 0 : 1;
  context.progress.supported = args.supportsProgressReporting === true;
  context.declared = args;
  context.sources.asUris = args.pathFormat === "uri";
  return {
    supportsConfigurationDoneRequest: true,
    supportsFunctionBreakpoints: true,
    supportsConditionalBreakpoints: true,
    supportsHitConditionalBreakpoints: true,
    supportsLogPoints: true,
    supportsEvaluateForHovers: true,
    supportsSetVariable: true,
    supportsSetExpression: true,
    supportsTerminateRequest: true,
    supportsRestartRequest: true,
    supportsReadMemoryRequest: true,
    supportsWriteMemoryRequest: true,
    supportsDisassembleRequest: true,
    supportsSteppingGranularity: true,
    supportsStepBack: true,
    supportsRestartFrame: true,
    supportsGotoTargetsRequest: true,
    supportsStepInTargetsRequest: true,
    supportsCancelRequest: true,
    supportsCompletionsRequest: true,
    completionTriggerCharacters: [".", "_", "[", " "],
    supportsModulesRequest: true,
    supportsValueFormattingOptions: true,
    supportsClipboardContext: true,
    // a program can be left behind where something stays to keep it
    supportTerminateDebuggee: context.shelf !== undefined,
    supportSuspendDebuggee: context.shelf !== undefined,
    supportsTerminateThreadsRequest: true,
    supportsDataBreakpoints: true,
    supportsDataBreakpointBytes: true,
    supportsInstructionBreakpoints: true,
    supportsBreakpointLocationsRequest: true,
    supportsLoadedSourcesRequest: true,
    breakpointModes: MODES.map((mode) => ({ ...mode, appliesTo: [...mode.appliesTo] })),
    supportsANSIStyling: true,
    supportsExceptionInfoRequest: true,
    supportsExceptionFilterOptions: true,
    exceptionBreakpointFilters: FILTERS.map(({ id, label, description, byDefault }) => ({
      filter: id,
      label,
      description,
      default: byDefault,
      supportsCondition: true,
      conditionDescription: "an expression over the event's fields, e.g. vector == 13 && errorCode != 0",
    })),
  };
}
