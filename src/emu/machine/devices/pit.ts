/**
 * The 8254 timer: counter 0 raises IRQ 0 (modes 0, 2, 3), counters 1 and 2 count and can be read. One PIT tick is TICK
 * instructions of machine time. Source: Intel 8254 data sheet.
 */
import type { PortDevice } from "../ports.ts";
import type { Timers } from "../timers.ts";
import type { Component } from "../types.ts";

/** Instructions per PIT tick: as if the processor retired about a thousand million a second. */
const TICK = 838;
const TIMER = "pit";

interface Counter {
  mode: number;
  /** 1 = low byte, 2 = high byte, 3 = low then high. */
  access: number;
  reload: number;
  /** Machine time when counting began. */
  start: number;
  highNext: boolean;
  latched: number | undefined;
}

const newCounter = (): Counter => ({
  mode: 3,
  access: 3,
  reload: 0x10000,
  start: 0,
  highNext: false,
  latched: undefined,
});

export class Pit implements PortDevice, Component {
  readonly name = "pit";
  #counters: Counter[] = [newCounter(), newCounter(), newCounter()];
  readonly #timers: Timers;
  readonly #now: () => number;

  constructor(timers: Timers, now: () => number, irq0: () => void) {
    this.#timers = timers;
    this.#now = now;
    timers.define(TIMER, () => {
      irq0();
      const { mode, reload } = this.#counters[0]!;
      if (mode === 2 || mode === 3) this.#timers.arm(TIMER, this.#now() + reload * TICK);
    });
  }

  portIn(port: number): number {
    const counter = this.#counters[port & 3];
    if (counter === undefined) return 0xff;
    const value = counter.latched ?? this.#count(counter);
    const high = counter.access === 2 || (counter.access === 3 && counter.highNext);
    if (counter.access === 3) counter.highNext = !counter.highNext;
    if (high || counter.access !== 3) counter.latched = undefined;
    return (high ? value >> 8 : value) & 0xff;
  }

  portOut(port: number, _size: number, value: number): void {
    if ((port & 3) === 3) this.#control(value & 0xff);
    else this.#load(port & 3, value & 0xff);
  }

  #control(value: number): void {
    const counter = this.#counters[value >> 6];
    if (counter === undefined) return; // read-back command: not offered by the 8253
    const access = (value >> 4) & 3;
    if (access === 0) {
      counter.latched = this.#count(counter);
      return;
    }
    Object.assign(counter, newCounter(), { access, mode: (value >> 1) & ((value >> 1) & 2 ? 3 : 7) });
  }

  #load(index: number, value: number): void {
    const counter = this.#counters[index]!;
    const high = counter.access === 2 || (counter.access === 3 && counter.highNext);
    const previous = counter.reload & 0xffff;
    const reload = counter.access === 3 ? (high ? (previous & 0xff) | (value << 8) : value) : high ? value << 8 : value;
    counter.reload = reload;
    if (counter.access === 3) counter.highNext = !high;
    if (counter.access === 3 && !high) return; // the count starts with its high byte
    counter.reload = reload === 0 ? 0x10000 : reload;
    counter.start = this.#now();
    if (index === 0) this.#timers.arm(TIMER, counter.start + counter.reload * TICK);
  }

  #count(counter: Counter): number {
    const ticks = Math.floor((this.#now() - counter.start) / TICK);
    return (counter.reload - (ticks % counter.reload)) & 0xffff;
  }

  save(): unknown {
    return this.#counters.map((counter) => ({ ...counter }));
  }
  restore(state: unknown): void {
    this.#counters = (state as Counter[]).map((counter) => ({ ...counter }));
  }
}
