/** Watches a machine's events for the command line: the guest's output, --trace lines, and what --stats counts. */
import { closeSync, openSync } from "node:fs";
import type { Machine } from "../emu/machine/machine.ts";
import type { MachineEvent } from "../emu/machine/types.ts";
import { GuestOutput, writeAll } from "./output.ts";
import { UsageError } from "./usage.ts";

/** Of the lines --trace writes (docs/trace.md). Raised when a field changes its meaning. */
export const TRACE_SCHEMA = 1;
const FLUSH_AT = 1 << 16;
/** What is looked at without --trace. */
const SEEN = ["console", "post", "unimplemented", "fault", "signal", "entry", "exit"];

export class Tracer {
  readonly #machine: Machine;
  readonly #file: number | undefined;
  readonly #guest = new GuestOutput();
  #pending = "";
  readonly #entries: Record<string, number> = {};
  readonly #exits: Record<string, number> = {};
  readonly #began: number;
  #lastFault: MachineEvent | undefined;
  #fatal: { readonly signal: MachineEvent; readonly fault: MachineEvent | undefined } | undefined;

  /** @param target file for --trace, "-" for stdout, undefined for none. */
  constructor(machine: Machine, target: string | undefined) {
    this.#machine = machine;
    this.#began = machine.icount;
    this.#file = target === undefined ? undefined : openTrace(target);
    if (this.#file !== undefined) this.#line({ type: "trace", schema: TRACE_SCHEMA });
    machine.events.listen((event) => this.#see(event), this.#file === undefined ? SEEN : undefined);
  }

  #see(event: MachineEvent): void {
    if (event.type === "console") this.#guest.write(event.stream === "stderr" ? 2 : 1, event.bytes as Iterable<number>);
    if (event.type === "post") this.#say(`POST ${Number(event.value).toString(16).padStart(2, "0")}`);
    if (event.type === "unimplemented") this.#say(`ringside: ${event.what} ${event.name} is not implemented`);
    if (event.type === "fault" && event.ip !== undefined) this.#lastFault = event;
    if (event.type === "signal" && event.step === "default") this.#fatal = { signal: event, fault: this.#lastFault };
    if (event.type === "entry") count(this.#entries, String(event.kind));
    if (event.type === "exit") count(this.#exits, String(event.instruction));
    if (this.#file !== undefined && event.type !== "console") this.#line(event);
  }

  /** Our own lines on stderr, after what the guest has printed. */
  #say(line: string): void {
    this.#guest.flush();
    process.stderr.write(`${line}\n`);
  }

  #line(value: unknown): void {
    this.#pending += `${JSON.stringify(value, (_key, item) => (typeof item === "bigint" ? `0x${item.toString(16)}` : item))}\n`;
    if (this.#pending.length > FLUSH_AT) this.#flush();
  }

  #flush(): void {
    if (this.#file !== undefined) writeAll(this.#file, new TextEncoder().encode(this.#pending));
    this.#pending = "";
  }

  /** Between slices of a run. */
  flushGuest(): void {
    this.#guest.flush();
  }

  close(): void {
    this.#guest.flush();
    this.#flush();
    if (this.#file !== undefined && this.#file > 2) closeSync(this.#file);
  }

  /** One line about the signal that ended the program, with the fault behind it if there was one; undefined if none did. */
  epitaph(): string | undefined {
    if (this.#fatal === undefined) return undefined;
    const { signal, fault } = this.#fatal;
    // sent by a process (kill) rather than raised by a fault: SI_USER and below
    const sent = Number(signal.code) <= 0;
    const because = sent || fault === undefined ? "" : ` at ${fault.ip}: ${fault.why}`;
    return `killed by ${signal.signal}${because}`;
  }

  stats(seconds: number): Record<string, unknown> {
    const instructions = this.#machine.icount - this.#began;
    const mips = Math.round(instructions / Math.max(seconds, 1e-9) / 1e4) / 100;
    return { instructions, seconds, mips, entries: this.#entries, exits: this.#exits };
  }
}

function openTrace(target: string): number {
  if (target === "-") return 1;
  try {
    return openSync(target, "w");
  } catch (error) {
    throw new UsageError(`cannot write ${target}: ${(error as Error).message}`);
  }
}

const count = (counts: Record<string, number>, key: string) => {
  counts[key] = (counts[key] ?? 0) + 1;
};
