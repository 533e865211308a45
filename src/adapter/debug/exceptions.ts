/** Which events the user wants to stop at: the exception filters. What is shown of the one that was met: event-text.ts. */
import { VECTOR } from "../../emu/cpu/fault.ts";
import type { MachineEvent } from "../../emu/machine/types.ts";
import { ask, type Scope } from "./expression.ts";
import { ExpressionError } from "./reference.ts";
import type { EventFilter } from "./run-control.ts";

export interface FilterInfo {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  readonly byDefault: boolean;
  readonly matches: (event: MachineEvent) => boolean;
}

const EXITS: ReadonlySet<string> = new Set(["exit", "exit_group"]);

export const FILTERS: readonly FilterInfo[] = [
  {
    id: "fatal",
    label: "Fatal signals",
    description: "A signal that ends the program: stops before it does, at the instruction that the signal comes from",
    byDefault: true,
    matches: (event) => event.type === "signal" && event.step === "default",
  },
  {
    id: "end",
    label: "Exit",
    description: "exit() and exit_group(): stops before the task is gone, to look at its end and back from it",
    byDefault: false,
    matches: (event) => event.type === "syscall" && EXITS.has(String(event.name)),
  },
  {
    id: "exception",
    label: "CPU exceptions",
    description: "Every exception except page faults (#DE #DB #BP #UD #GP #SS ...), in user and kernel mode",
    byDefault: false,
    matches: (event) => event.type === "fault" && event.vector !== VECTOR.PF,
  },
  {
    id: "pagefault",
    label: "Page faults",
    description: "Every #PF, the kernel's own demand paging included",
    byDefault: false,
    matches: (event) => event.type === "fault" && event.vector === VECTOR.PF,
  },
  {
    id: "signal",
    label: "Signal delivery",
    description: "Every signal that reaches a handler",
    byDefault: false,
    matches: (event) => event.type === "signal" && event.step === "handler",
  },
  {
    id: "entry",
    label: "Kernel entries",
    description: "System calls, interrupts and exceptions as they enter the kernel",
    byDefault: false,
    matches: (event) => event.type === "entry",
  },
  {
    id: "exit",
    label: "Kernel exits",
    description: "Returns to user mode (SYSRET, IRET, SYSEXIT)",
    byDefault: false,
    matches: (event) => event.type === "exit",
  },
  {
    id: "unimplemented",
    label: "Unimplemented",
    description: "An instruction or system call that Ringside does not have",
    byDefault: false,
    matches: (event) => event.type === "unimplemented",
  },
];

/** The chosen filters as one; a condition sees the event's fields (`vector == 13 && errorCode != 0`), then everything else. */
export function filterEvents(
  chosen: readonly { readonly id: string; readonly condition?: string | undefined }[],
  scope: () => Scope,
): EventFilter {
  const active = chosen.flatMap(({ id, condition }) =>
    FILTERS.filter((filter) => filter.id === id).map((filter) => ({ filter, condition })),
  );
  return (event) =>
    active.find(({ filter, condition }) => filter.matches(event) && holds(condition, event, scope()))?.filter.id;
}

/** A condition that cannot be evaluated stops: silence would hide the mistake. */
function holds(condition: string | undefined, event: MachineEvent, scope: Scope): boolean {
  if (condition === undefined || condition.trim() === "") return true;
  try {
    return ask(condition, eventScope(event, scope)).value !== 0n;
  } catch (error) {
    if (error instanceof ExpressionError) return true;
    throw error;
  }
}

/** An event's fields as names, before all others. */
export const eventScope = (event: MachineEvent, scope: Scope): Scope => ({
  ...scope,
  name: (name) => {
    const field = event[name];
    if (typeof field === "number" || typeof field === "bigint")
      return { bits: 64, read: () => BigInt.asUintN(64, BigInt(field)) };
    return scope.name(name);
  },
});
