/** Tells the client of memory that it has read, and that is not as it was. */
import { peekBytes } from "../debug/guest-memory.ts";
import type { Context } from "./context.ts";

export function tellMemory(context: Context): void {
  if (context.declared.supportsMemoryEvent !== true || !context.isLaunched) return;
  const { cpu } = context;
  for (const change of context.seenMemory.changes((address, count) => peekBytes(cpu, address, count)))
    context.client.event("memory", change);
}
