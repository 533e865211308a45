/** What the guest asked for and Ringside does not have: reported by name, once each, as an event of type "unimplemented". */
import type { EventStream } from "./events.ts";
import type { Component } from "./types.ts";

export class MissingReports implements Component {
  readonly name = "missing";
  readonly #events: EventStream;
  #reported = new Set<string>();

  constructor(events: EventStream) {
    this.#events = events;
  }

  /** @param what "instruction" or "system call". */
  report(cpu: number, what: string, name: string): void {
    const key = `${what} ${name}`;
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    this.#events.emit("unimplemented", cpu, { what, name });
  }

  save(): unknown {
    return [...this.#reported];
  }
  restore(state: unknown): void {
    this.#reported = new Set(state as string[]);
  }
}
