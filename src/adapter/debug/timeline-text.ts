/** Events of the kernel's timeline as lines of the debug console. */
import type { MachineEvent } from "../../emu/machine/types.ts";

/** Types of events that are shown; the rest is detail of these. */
export const TIMELINE: ReadonlySet<string> = new Set([
  "entry",
  "syscall-enter",
  "syscall",
  "exit-work",
  "exit",
  "fault",
  "signal",
  "audit",
  "seccomp",
  "inject",
  "switch",
  "espfix",
  "double-fault",
]);

const SELECTORS: ReadonlySet<string> = new Set(["cs", "ss"]);

/** "[12345] cpu0 exit instruction=sysretq firstFailing=..." */
export function timelineLine({ icount, cpu, type, ...fields }: MachineEvent): string {
  const shown = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${fieldText(name, value)}`);
  return [`[${icount}] cpu${cpu} ${type}`, ...shown].join(" ");
}

function fieldText(name: string, value: unknown): string {
  if (Array.isArray(value)) return value.join(name === "path" ? ">" : ",");
  if (typeof value === "number" && SELECTORS.has(name)) return `0x${value.toString(16)}`;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
