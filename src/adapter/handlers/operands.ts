/** The custom request behind hovers and inline values: what the instruction on a line of source looks at. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { operandsAt } from "../debug/operands.ts";
import { codeBits } from "../debug/registers.ts";
import type { Context, HandlerTable } from "./context.ts";

interface OperandsArguments {
  readonly frameId?: number;
  readonly source: DebugProtocol.Source;
  /** As the client counts. */
  readonly line: number;
}

/** Of a line that has been assembled to several instructions: of the one that the frame stands at, else of the first. */
function operandsRequest(context: Context, { frameId, source, line }: OperandsArguments) {
  const { target } = context.stopped;
  const selected = frameId === undefined ? undefined : context.selectFrame(frameId);
  const cpu = selected?.cpu ?? context.cpu;
  const names = target.symbols(cpu);
  const [uri, wanted] = [context.sources.fromDap(source), context.fromLine(line)];
  const places = uri === undefined ? undefined : names.linePlaces(uri, wanted);
  if (places?.line !== wanted) return { operands: [] };
  const { frame } = selected ?? {};
  const address = frame?.line?.uri === uri && frame?.line?.line === wanted ? frame.address : places.addresses[0]!;
  return { operands: operandsAt(cpu, names, address, names.lineAt(address)?.bits ?? codeBits(cpu)) };
}

export const operandHandlers: HandlerTable = { "ringside/operands": operandsRequest };
