/** Which events the user wants to stop at: the exception filters, and what is shown of the one that was met. */
import type { MachineEvent } from "../../emu/machine/types.ts";
import { ask, type Scope } from "./expression.ts";
import { hex } from "./format.ts";
import { ExpressionError } from "./reference.ts";
import type { EventFilter } from "./run-control.ts";
import { signalText } from "./signal-text.ts";

export interface FilterInfo {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  readonly byDefault: boolean;
  readonly matches: (event: MachineEvent) => boolean;
}

const PAGE_FAULT = 14;
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
    matches: (event) => event.type === "fault" && event.vector !== PAGE_FAULT,
  },
  {
    id: "pagefault",
    label: "Page faults",
    description: "Every #PF, the kernel's own demand paging included",
    byDefault: false,
    matches: (event) => event.type === "fault" && event.vector === PAGE_FAULT,
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

const EXCEPTION_NAMES: Readonly<Record<number, string>> = {
  0: "#DE",
  1: "#DB",
  2: "NMI",
  3: "#BP",
  4: "#OF",
  5: "#BR",
  6: "#UD",
  7: "#NM",
  8: "#DF",
  9: "coprocessor segment overrun",
  10: "#TS",
  11: "#NP",
  12: "#SS",
  13: "#GP",
  14: "#PF",
  16: "#MF",
  17: "#AC",
  18: "#MC",
  19: "#XM",
  20: "#VE",
  21: "#CP",
  28: "#HV",
  29: "#VC",
  30: "#SX",
};

/** A title and the details of an event, for the editor's exception box. */
export function describeEvent(event: MachineEvent): { readonly title: string; readonly details: string } {
  const title = titleOf(event);
  const why = event.type === "signal" ? [signalText(event)] : typeof event.why === "string" ? [event.why] : [];
  const decoded = event.type === "fault" ? errorCodeText(Number(event.vector), Number(event.errorCode)) : undefined;
  const fields = Object.entries(event)
    .filter(
      ([name, value]) =>
        !["type", "why", "icount", "cpu"].includes(name) && value !== undefined && typeof value !== "object",
    )
    .map(
      ([name, value]) =>
        `${name}: ${typeof value === "number" && Math.abs(value) > 9 ? hex(BigInt(Math.trunc(value))) : String(value)}`,
    );
  return { title, details: [...why, ...fields, ...(decoded === undefined ? [] : [decoded])].join("\n") };
}

/** Exceptions whose error code is a selector's: #TS, #NP, #SS, #GP. */
const SELECTOR_ERRORS: ReadonlySet<number> = new Set([10, 11, 12, 13]);

/** What the bits of an error code say; undefined where there is none to say. */
function errorCodeText(vector: number, code: number): string | undefined {
  if (vector === PAGE_FAULT) {
    const access = code & 16 ? "fetch" : code & 2 ? "write" : "read";
    const cause = code & 8 ? "reserved bit set" : code & 1 ? "protection" : "page not present";
    return `error code: ${access} in ${code & 4 ? "user" : "supervisor"} mode, ${cause}`;
  }
  if (!SELECTOR_ERRORS.has(vector) || !(code > 0)) return undefined;
  const table = code & 2 ? "IDT" : code & 4 ? "LDT" : "GDT";
  return `error code: ${table} entry ${(code & 0xffff) >> 3}${code & 1 ? ", while an external event was delivered" : ""}`;
}

function titleOf(event: MachineEvent): string {
  if (event.type === "fault") return EXCEPTION_NAMES[Number(event.vector)] ?? `vector ${event.vector}`;
  if (event.type === "signal") return String(event.signal);
  if (event.type === "syscall") return `${event.name}(${Number((event.args as readonly string[])[0])})`;
  if (event.type === "entry") return `kernel entry: ${event.kind}`;
  if (event.type === "exit") return `kernel exit: ${event.instruction}`;
  return event.type;
}
