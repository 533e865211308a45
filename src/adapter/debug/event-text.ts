/** An event in words, for the editor's exception box. */
import { PF_ERROR, VECTOR } from "../../emu/cpu/fault.ts";
import type { MachineEvent } from "../../emu/machine/types.ts";
import { hex } from "./format.ts";
import { signalText } from "./signal-text.ts";

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
  const why = reasonOf(event);
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
  return { title, details: [why, ...fields, decoded].filter((line) => line !== undefined).join("\n") };
}

/** Exceptions whose error code is a selector's: #TS, #NP, #SS, #GP. */
const SELECTOR_ERRORS: ReadonlySet<number> = new Set([10, 11, 12, 13]);

/** What the bits of an error code say; undefined where there is none to say. */
function errorCodeText(vector: number, code: number): string | undefined {
  if (vector === VECTOR.PF) {
    const access = code & PF_ERROR.I ? "fetch" : code & PF_ERROR.W ? "write" : "read";
    const cause = code & PF_ERROR.RSVD ? "reserved bit set" : code & PF_ERROR.P ? "protection" : "page not present";
    return `error code: ${access} in ${code & PF_ERROR.U ? "user" : "supervisor"} mode, ${cause}`;
  }
  if (!SELECTOR_ERRORS.has(vector) || !(code > 0)) return undefined;
  const table = code & 2 ? "IDT" : code & 4 ? "LDT" : "GDT";
  return `error code: ${table} entry ${(code & 0xffff) >> 3}${code & 1 ? ", while an external event was delivered" : ""}`;
}

function titleOf(event: MachineEvent): string {
  if (event.type === "fault") return exceptionName(event.vector);
  if (event.type === "signal") return String(event.signal);
  if (event.type === "syscall") return `${event.name}(${exitStatus(event)})`;
  if (event.type === "entry") return `kernel entry: ${event.kind}`;
  if (event.type === "exit") return `kernel exit: ${event.instruction}`;
  return event.type;
}

const exceptionName = (vector: unknown): string => EXCEPTION_NAMES[Number(vector)] ?? `vector ${vector}`;
const exitStatus = (event: MachineEvent): number => Number((event.args as readonly string[])[0]);

/** What happens, as a sentence. */
function reasonOf(event: MachineEvent): string | undefined {
  switch (event.type) {
    case "signal":
      return signalText(event);
    case "syscall":
      return `the ${event.name === "exit" ? "thread" : "program"} is about to end with status ${exitStatus(event) & 0xff}`;
    case "entry":
      return `${causeOf(event)} at ${event.fromIp} enters the kernel at ${event.label}`;
    case "exit":
      return `${String(event.instruction).toUpperCase()} returns to user mode at ${event.toIp}${slowed(event)}`;
    case "unimplemented":
      return `Ringside does not have the ${event.what} ${event.name}`;
    default:
      return typeof event.why === "string" ? event.why : undefined;
  }
}

const CAUSES: Readonly<Record<string, string>> = {
  syscall: "SYSCALL",
  syscall32: "SYSCALL in 32-bit code",
  sysenter: "SYSENTER",
  int80: "INT 80h",
  nmi: "an NMI",
};

function causeOf({ kind, vector }: MachineEvent): string {
  if (kind === "irq") return `interrupt ${hex(BigInt(Number(vector)))}`;
  return CAUSES[String(kind)] ?? `exception ${exceptionName(vector)}`;
}

const slowed = ({ firstFailing }: MachineEvent): string =>
  firstFailing === undefined ? "" : `; what rules out a faster way is ${firstFailing}`;
