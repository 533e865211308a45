/**
 * The stream of what happened: entries, exits, faults, console output. Emitting to nobody costs one comparison, so parts emit
 * freely. Events are plain data stamped with the instruction count; they never change the run.
 */
import type { MachineEvent } from "./types.ts";

export type EventListener = (event: MachineEvent) => void;

export class EventStream {
  #listeners: EventListener[] = [];
  readonly #now: () => number;

  /** @param now gives the instruction count to stamp events with. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** True when someone listens; lets an emitter skip work that only an event needs. */
  get active(): boolean {
    return this.#listeners.length > 0;
  }

  /** Returns the function that unsubscribes. */
  listen(listener: EventListener): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  emit(type: string, cpu: number, fields: Readonly<Record<string, unknown>>): void {
    if (this.#listeners.length === 0) return;
    const event: MachineEvent = { icount: this.#now(), cpu, type, ...fields };
    for (const listener of this.#listeners) listener(event);
  }
}
