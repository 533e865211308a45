/** Tells the client of memory that it has read, and that is not as it was. */
import { peekBytes } from "../debug/guest-memory.ts";
import type { Context } from "./context.ts";
import { RequestError } from "./errors.ts";

export function tellMemory(context: Context): void {
  if (context.declared.supportsMemoryEvent !== true || !context.isLaunched) return;
  for (const change of context.seenMemory.changes((...range) => bytesAt(context, ...range)))
    context.client.event("memory", change);
}

/** None of a process that is gone. */
function bytesAt(context: Context, memoryReference: string, offset: number, count: number): Uint8Array {
  try {
    const { address, cpu } = context.memoryAt(memoryReference, offset);
    return peekBytes(cpu, address, count);
  } catch (error) {
    if (error instanceof RequestError) return new Uint8Array(0);
    throw error;
  }
}
