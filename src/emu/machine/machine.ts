/**
 * The machine: CPUs over one memory, time, ports, events, and the run loop that interleaves the CPUs deterministically.
 *
 * Nothing here knows of a kernel. A kernel or a bare board attaches through `hooks` of the CPUs, ports, timers and components.
 * No host clock, no host randomness: the same inputs give the same run, bit for bit.
 */
import { ACTIVITY, Cpu, PENDING } from "../cpu/cpu.ts";
import { EFLAGS, OFF } from "../cpu/layout.ts";
import { CoreMemory } from "../cpu/memory.ts";
import { EventStream } from "./events.ts";
import { MissingReports } from "./missing.ts";
import { PortSpace } from "./ports.ts";
import { SeededRandom } from "./random.ts";
import { forgetSnapshots, hashMachine, restoreSnapshot, SnapshotMemory, takeSnapshot } from "./snapshot.ts";
import { Timers } from "./timers.ts";
import type { Component, CpuModel, Snapshot, StopReason } from "./types.ts";

/** Turns end at multiples of this many instructions, if another CPU can run then. */
const QUANTUM = 1000;

export interface MachineOptions {
  readonly cpus: number;
  readonly cpu: CpuModel;
  /** Bytes of guest RAM. */
  readonly ramSize: number;
  readonly seed: number;
  /** "both" (the default): hot code is compiled, where the host permits that. The results are the same. */
  readonly tiers?: Tiers;
}

export type Tiers = "both" | "interpreter";

export class Machine {
  readonly core: CoreMemory;
  readonly cpus: readonly Cpu[];
  readonly ports = new PortSpace();
  readonly timers = new Timers();
  readonly random: SeededRandom;
  readonly events: EventStream;
  readonly missing: MissingReports;
  readonly components: Component[];
  readonly snapshots = new SnapshotMemory();
  /** Instructions retired by all CPUs before the present slice. */
  #retired = 0;
  /** Machine time that passed while every CPU slept. */
  #skipped = 0;
  /** The CPU whose turn it is, and the instruction count at which its turn ends. */
  #turn = 0;
  #turnEnds = QUANTUM;
  /** The running CPU's own count at the start of its slice; undefined between slices. */
  #slice: { cpu: Cpu; start: number } | undefined;
  #stop: StopReason | undefined;

  constructor(options: MachineOptions) {
    this.core = new CoreMemory(options.cpus, options.ramSize);
    this.events = new EventStream(() => this.icount);
    this.random = new SeededRandom("random", options.seed);
    this.missing = new MissingReports(this.events);
    this.cpus = Array.from(
      { length: options.cpus },
      (_, index) => new Cpu(this.core, index, options.cpu, {}, { tier1: options.tiers !== "interpreter" }),
    );
    for (const cpu of this.cpus) {
      cpu.hooks.portIn = (port, size) => this.ports.read(port, size);
      cpu.hooks.portOut = (port, size, value) => this.ports.write(port, size, value);
      cpu.hooks.random = () => this.random.next32();
      cpu.hooks.unimplemented = (_, mnemonic) => this.missing.report(cpu.index, "instruction", mnemonic);
    }
    this.components = [this.random, this.timers, this.missing];
  }

  /** Instructions retired since the machine began, over all CPUs. Exact between instructions. */
  get icount(): number {
    return this.#retired + (this.#slice === undefined ? 0 : retiredBy(this.#slice.cpu) - this.#slice.start);
  }

  /** Machine time in ticks of one instruction, skipped sleep included. */
  get now(): number {
    return this.icount + this.#skipped;
  }

  /** The CPU that runs, or would run next. */
  get currentCpu(): Cpu {
    return this.cpus[this.#turn]!;
  }

  /** Ends the present run() as soon as the running instruction is done; the first reason given wins. */
  stop(reason: StopReason): void {
    if (this.#stop === undefined || this.#stop.kind === "budget") this.#stop = reason;
    this.#slice?.cpu.requestStop();
  }

  /** Raises PENDING bits on a CPU, from any place: a sleeping CPU that this wakes gets its turn when the present turn ends. */
  interrupt(cpu: Cpu, bits: number): void {
    cpu.raise(bits);
    this.#slice?.cpu.requestStop();
  }

  /** The CPU that the next instruction will be of, unless a timer comes before it; while all sleep, the one that ran last. */
  get nextCpu(): Cpu {
    return this.cpus[this.#nextTurn() ?? this.#turn]!;
  }

  /** Runs at most `max` instructions, exactly; ends sooner where the next one would be of the CPU `before`. */
  run(max: number, before?: Cpu): StopReason {
    this.#stop = undefined;
    let left = max;
    while (left > 0) {
      if (before !== undefined && this.#nextTurn() === before.index) break;
      this.timers.fire(this.now);
      if (before !== undefined && this.#nextTurn() === before.index) break;
      if (!this.#giveTurn()) {
        if (!this.#skipToNextTimer()) return this.#sleepReason();
        continue;
      }
      const start = this.#retired;
      const reason = this.#runSlice(Math.min(left, this.#untilTurnEnds(), this.timers.next - this.now));
      left -= this.#retired - start;
      if (reason !== undefined) return reason;
    }
    return { kind: "budget" };
  }

  /** One slice on the CPU whose turn it is. undefined = go on. */
  #runSlice(budget: number): StopReason | undefined {
    const cpu = this.currentCpu;
    const start = retiredBy(cpu);
    this.#slice = { cpu, start };
    const stop = cpu.run(budget);
    this.#slice = undefined;
    this.#retired += retiredBy(cpu) - start;
    if (this.#retired > this.#turnEnds) this.#turnEnds = Math.ceil(this.#retired / QUANTUM) * QUANTUM;
    if (this.#stop !== undefined) return this.#stop;
    if (stop.kind === "breakpoint") return { kind: "breakpoint", cpu: cpu.index, address: stop.address };
    if (stop.kind === "watchpoint") return { kind: "watchpoint", cpu: cpu.index, hit: stop.hit };
    if (stop.kind === "shutdown") return { kind: "shutdown", why: stop.why };
    return undefined;
  }

  /** A CPU that is alone need not stop at the ends of its turns. Where turns end depends on the instruction count only. */
  #untilTurnEnds(): number {
    const alone = !this.cpus.some((cpu) => cpu !== this.currentCpu && canRun(cpu));
    return alone ? Number.POSITIVE_INFINITY : this.#turnEnds - this.#retired;
  }

  /** Makes `#turn` a CPU that can run; false when none can. */
  #giveTurn(): boolean {
    const next = this.#nextTurn();
    if (next === undefined) return false;
    if (next === this.#turn && this.#retired < this.#turnEnds) return true;
    this.#turn = next;
    this.#turnEnds = (Math.floor(this.#retired / QUANTUM) + 1) * QUANTUM;
    return true;
  }

  /** Whose turn it is, or will be if the present one is over; undefined when no CPU can run. */
  #nextTurn(): number | undefined {
    if (this.#retired < this.#turnEnds && canRun(this.currentCpu)) return this.#turn;
    for (let step = 1; step <= this.cpus.length; step++) {
      const next = (this.#turn + step) % this.cpus.length;
      if (canRun(this.cpus[next]!)) return next;
    }
    return undefined;
  }

  #skipToNextTimer(): boolean {
    if (this.timers.next === Number.POSITIVE_INFINITY) return false;
    this.#skipped = this.timers.next - this.icount;
    return true;
  }

  #sleepReason(): StopReason {
    const dead = this.cpus.find((cpu) => cpu.get32(OFF.ACTIVITY) === ACTIVITY.SHUTDOWN);
    return dead === undefined ? { kind: "halt" } : { kind: "shutdown", why: "the processor is shut down" };
  }

  save(): Snapshot {
    return takeSnapshot(this, this.#saveClock());
  }

  restore(snapshot: Snapshot): void {
    this.#restoreClock(restoreSnapshot(this, snapshot));
  }

  /** The snapshot will not be restored again: its memory serves the next ones. */
  letGo({ pages }: Snapshot): void {
    this.snapshots.store.letGo(pages);
  }

  /** No snapshot will be restored again: not even the one that the next would share pages with is kept. */
  forgetSnapshots(): void {
    forgetSnapshots(this);
  }

  /** Equal for equal states of CPUs, memory and components, however they were reached. */
  hash(): string {
    return hashMachine(this, this.#saveClock());
  }

  #saveClock(): readonly number[] {
    return [this.#retired, this.#skipped, this.#turn, this.#turnEnds];
  }
  #restoreClock([retired, skipped, turn, turnEnds]: readonly number[]): void {
    this.#retired = retired!;
    this.#skipped = skipped!;
    this.#turn = turn!;
    this.#turnEnds = turnEnds!;
  }
}

function retiredBy(cpu: Cpu): number {
  const i = (cpu.base + OFF.ICOUNT) >> 2;
  return cpu.u32[i]! + cpu.u32[i + 1]! * 0x1_0000_0000;
}

/** Running, or halted with something pending that wakes it. */
function canRun(cpu: Cpu): boolean {
  const activity = cpu.get32(OFF.ACTIVITY);
  if (activity !== ACTIVITY.HALTED) return activity === ACTIVITY.RUNNING;
  const pending = cpu.get32(OFF.PENDING);
  if (pending & (PENDING.MC | PENDING.NMI)) return (pending & PENDING.MC) !== 0 || cpu.get32(OFF.NMI_BLOCKED) === 0;
  return (pending & PENDING.INTR) !== 0 && (cpu.get32(OFF.EFLAGS) & EFLAGS.IF) !== 0;
}
