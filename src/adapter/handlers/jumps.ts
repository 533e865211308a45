/** Choosing where to go on: a line to jump to, the function or kernel entry to step into. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { SEG } from "../../emu/cpu/layout.ts";
import { addrToBig } from "../../emu/cpu/state.ts";
import { hexAddr } from "../debug/format.ts";
import { registerReference } from "../debug/registers.ts";
import { stepInTargets } from "../debug/step-targets.ts";
import type { Context, HandlerTable } from "./context.ts";
import { RequestError } from "./errors.ts";
import { stopped } from "./running.ts";
import { changed } from "./variables.ts";

/** Every run of code that a line has given, so that a macro's each expansion can be chosen. The id is its number on that line's list. */
function gotoTargets(context: Context, args: DebugProtocol.GotoTargetsArguments) {
  const { target } = context.stopped;
  const uri = context.sources.fromDap(args.source);
  const places =
    uri === undefined ? undefined : target.symbols(context.cpu).linePlaces(uri, context.fromLine(args.line));
  if (places === undefined) return { targets: [] };
  const targets = places.addresses.map((address) => ({
    id: context.gotoTarget(address),
    label: target.symbols(context.cpu).describe(address) ?? hexAddr(address),
    line: context.line(places.line),
    instructionPointerReference: context.reference({ address }),
  }));
  return { targets };
}

/** Sets the instruction pointer: nothing runs, and nothing else changes. */
function goTo(context: Context, { targetId }: DebugProtocol.GotoArguments): void {
  const address = context.addressOfGotoTarget(targetId);
  const { cpu } = context;
  const { ended } = context.stopped.control;
  if (ended !== undefined) throw new RequestError("the program has ended: restart it, or step back");
  if (address === undefined) throw new RequestError("this target is from an earlier stop");
  const offset = addrToBig(address) - addrToBig(cpu.segBase(SEG.CS));
  registerReference(cpu, "rip")!.write!(offset);
  changed(context);
  context.client.afterResponse(() => stopped(context, { reason: "goto" }));
}

function stepInTargetsRequest(context: Context, { frameId }: DebugProtocol.StepInTargetsArguments) {
  const { target } = context.stopped;
  const { frame, cpu } = context.selectFrame(frameId);
  return { targets: frame.current ? stepInTargets(target, cpu) : [] };
}

export const jumpHandlers: HandlerTable = { gotoTargets, goto: goTo, stepInTargets: stepInTargetsRequest };
