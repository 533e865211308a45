/** An event on its way to its handler, and what becomes of EFLAGS on the way. */
import type { Cpu } from "../cpu.ts";
import { EFLAGS } from "../layout.ts";

export interface DeliveryEvent {
  readonly vector: number;
  readonly kind: "exception" | "interrupt" | "nmi" | "software-int";
  /** Pushed by handlers in protected and long mode; undefined = none. */
  readonly errorCode: number | undefined;
  /** EXT of error codes raised meanwhile: 0 for INT n, INT3 and INTO. */
  readonly ext: 0 | 1;
  /** Gates are checked for DPL >= CPL. */
  readonly checkDpl: boolean;
  /** EFLAGS image has RF set. */
  readonly resume: boolean;
  readonly why?: string;
}

/** EFLAGS as pushed by an event: RF set for faults, clear for INT n and its kin, else as it is. */
export function flagsImage(cpu: Cpu, event: DeliveryEvent): number {
  const flags = cpu.getFlags();
  if (event.resume) return flags | EFLAGS.RF;
  return event.kind === "software-int" ? flags & ~EFLAGS.RF : flags;
}

/** Flags that a gate clears; interrupt gates also clear IF. */
export const gateFlags = (flags: number, interruptGate: boolean): number =>
  flags & ~(EFLAGS.TF | EFLAGS.NT | EFLAGS.RF | EFLAGS.VM | (interruptGate ? EFLAGS.IF : 0));
