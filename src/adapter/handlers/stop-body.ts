/** The body of a "stopped" event: why the program stands still. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { fileNameOf } from "../../asmlang/core/uri.ts";
import { describeEvent } from "../debug/event-text.ts";
import { hexAddr } from "../debug/format.ts";
import type { Stop } from "../debug/run-control.ts";
import type { Context } from "./context.ts";

type Body = Omit<DebugProtocol.StoppedEvent["body"], "threadId">;

/**
 * VS Code shows a frame without a source, in its Disassembly view, only where an instruction was stopped at on purpose; of other stops without
 * any source it would show nothing, no registers even.
 */
export function stopBody(context: Context, stop: Stop): Body {
  const body = { ...pastOf(context, stop), ...reasonOf(stop) };
  // editors show why only where the pointer rests on the thread
  if (stop.reason === "halted") context.client.event("output", { category: "console", output: `${stop.why}\n` });
  if (hasSource(context)) return body;
  if (stop.reason === "exception") sayWhere(context, body);
  return { ...body, reason: "instruction breakpoint", description: body.description ?? `Paused on ${body.reason}` };
}

/** Editors have no other sign that something lies ahead. */
function pastOf({ launched }: Context, { reason }: Stop): { description?: string } {
  const isPast = launched.target.machine.icount < launched.history.latest;
  return isPast ? { description: `Paused on ${reason}, in the past` } : {};
}

const hasSource = (context: Context): boolean => context.stackOf(context.focus)?.at(0)?.line !== undefined;

/** An exception has a box in the source that it is in; of one without, the console tells. */
function sayWhere({ client, launched, cpu }: Context, { description, text }: Body): void {
  const { target } = launched;
  const symbols = target.symbols(cpu);
  const address = cpu.linearIp;
  const near = symbols.describe(address);
  const before = symbols.lineAt(address - 1);
  const end =
    before === undefined ? "" : `\nthe code ends with ${fileNameOf(before.uri)}:${before.line + 1}: no exit after it?`;
  const place = hexAddr(address, 32) + (near === undefined ? "" : ` <${near}>`);
  client.event("output", { category: "console", output: `${description} at ${place}: ${text}${end}\n` });
}

/** What editors show, and what the console says beside it. */
export const BOUNDARIES = {
  program: { description: "Paused at the program's first instruction" },
  history: { description: "Paused at the beginning of history", text: "nothing before this is recorded" },
} as const;

function reasonOf(stop: Stop): Body {
  switch (stop.reason) {
    case "breakpoint": {
      const reason = stop.kind === "source" ? "breakpoint" : `${stop.kind} breakpoint`;
      return { reason, hitBreakpointIds: [...stop.ids] };
    }
    case "data breakpoint":
      return { reason: "data breakpoint", hitBreakpointIds: [...stop.ids], text: stop.text };
    case "exception": {
      const { title, details } = describeEvent(stop.event);
      return { reason: "exception", description: title, text: details.split("\n")[0] ?? title };
    }
    case "entry":
      return { reason: "entry", ...(stop.boundary === undefined ? {} : BOUNDARIES[stop.boundary]) };
    case "halted":
      return { reason: "pause", description: "Processor halted", text: stop.why };
    case "exited":
      return { reason: "pause" };
    default:
      return {
        reason: stop.reason,
        ...(stop.text === undefined ? {} : { description: `Paused: ${stop.text}`, text: stop.text }),
      };
  }
}
