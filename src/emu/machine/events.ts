/**
 * The stream of what happened: entries, exits, faults, console output. Emitting to nobody costs one comparison, so parts emit
 * freely. Events are plain data stamped with the instruction count; they never change the run.
 */
import type { MachineEvent } from "./types.ts";

export type EventListener = (event: MachineEvent) => void;

/** A listener and the types it wants; undefined = all. */
interface Subscription {
  readonly listener: EventListener;
  readonly types: ReadonlySet<string> | undefined;
}

export class EventStream {
  #subscriptions: readonly Subscription[] = [];
  /** Does someone want every type? And what the others want. */
  #all = false;
  #types: ReadonlySet<string> = new Set();
  readonly #now: () => number;

  /** @param now gives the instruction count to stamp events with. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** True when someone listens for this type; lets an emitter skip work that only an event needs. */
  wants(type: string): boolean {
    return this.#all || this.#types.has(type);
  }

  /**
   * Returns the function that unsubscribes.
   * @param types what the listener wants to see, everything if absent.
   */
  listen(listener: EventListener, types?: Iterable<string>): () => void {
    const subscription = { listener, types: types === undefined ? undefined : new Set(types) };
    this.#subscribe([...this.#subscriptions, subscription]);
    return () => this.#subscribe(this.#subscriptions.filter((other) => other !== subscription));
  }

  #subscribe(subscriptions: readonly Subscription[]): void {
    this.#subscriptions = subscriptions;
    this.#all = subscriptions.some(({ types }) => types === undefined);
    this.#types = new Set(subscriptions.flatMap(({ types }) => [...(types ?? [])]));
  }

  emit(type: string, cpu: number, fields: Readonly<Record<string, unknown>>): void {
    if (!this.wants(type)) return;
    const event: MachineEvent = { icount: this.#now(), cpu, type, ...fields };
    for (const { listener, types } of this.#subscriptions) if (types === undefined || types.has(type)) listener(event);
  }
}
