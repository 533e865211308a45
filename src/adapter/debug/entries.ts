/**
 * Where the program began, and how each thread last came from user mode into the kernel, learnt from events as they pass; goes back in time
 * with the machine.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { VECTOR } from "../../emu/cpu/fault.ts";
import { EFLAGS, OFF } from "../../emu/cpu/layout.ts";
import { type Addr, bigToAddr } from "../../emu/cpu/state.ts";
import type { MachineEvent } from "../../emu/machine/types.ts";
import { LONGEST_INSTRUCTION } from "./code.ts";
import type { Observer } from "./history.ts";
import type { Target } from "./target.ts";
import type { Threads } from "./threads.ts";

/** A thread's entry into the kernel: the instant, and whether the instruction that it was at begins again when it is back. */
export interface Entered {
  readonly icount: number;
  /** Who entered: one that has begun a program goes on as its process's first thread. */
  readonly thread: number;
  readonly restarts: boolean;
  /** Where the instruction is that had begun, if one had. */
  readonly from: Addr | undefined;
  /** The instant of its return, if it has returned. */
  readonly returned?: number;
  /** It has not run all the time since. */
  readonly waited: boolean;
}

export class Entries implements Observer {
  readonly #machine: Target["machine"];
  readonly #threads: Threads;
  #entered = new Map<number, Entered>();
  #began: number | undefined;

  constructor({ machine, kernel }: Target, threads: Threads) {
    this.#machine = machine;
    this.#threads = threads;
    if (kernel === undefined) this.#began = machine.icount;
  }

  /** The instant before the program's first instruction, if that has been. */
  get began(): number | undefined {
    return this.#began;
  }

  save(): unknown {
    return { entered: new Map(this.#entered), began: this.#began };
  }
  restore(state: unknown): void {
    const { entered, began } = state as { entered: Map<number, Entered>; began: number | undefined };
    this.#entered = new Map(entered);
    this.#began = began;
  }

  of(thread: number): Entered | undefined {
    return this.#entered.get(thread);
  }

  see(event: MachineEvent): void {
    if (event.type === "entry" && event.fromCpl === 3) this.#noteEntry(event);
    else if (event.type === "exit" && event.toCpl === 3) this.#noteReturn(event);
    else if (event.type === "exec") this.#noteExec(event);
    else if (event.type === "switch") this.#change(this.#threads.ofPid(event.from), { waited: true });
  }

  #noteEntry({ icount, cpu: index, kind, vector, fromIp }: MachineEvent): void {
    const cpu = this.#machine.cpus[index]!;
    const restarts = kind === "exception" || kind === "irq" || kind === "nmi";
    const ip = bigToAddr(BigInt(fromIp as string));
    // code that is not there is brought before anything begins
    const ahead = cpu.getAddr(OFF.CR2) - ip;
    const from = vector === VECTOR.PF && ahead >= 0 && ahead < LONGEST_INSTRUCTION ? undefined : ip;
    const thread = this.#threads.on(cpu);
    this.#entered.set(thread, { icount, thread, restarts, from, waited: false });
  }

  #noteReturn({ icount, cpu }: MachineEvent): void {
    this.#began ??= icount + 1;
    this.#change(this.#threads.on(this.#machine.cpus[cpu]!), { returned: icount });
  }

  #noteExec({ tid, cpu }: MachineEvent): void {
    const entered = this.#entered.get(this.#threads.ofPid(tid) ?? 0);
    if (entered !== undefined) this.#entered.set(this.#threads.on(this.#machine.cpus[cpu]!), entered);
  }

  #change(thread: number | undefined, more: Partial<Entered>): void {
    const entered = thread === undefined ? undefined : this.#entered.get(thread);
    if (entered !== undefined) this.#entered.set(thread!, { ...entered, ...more });
  }

  /**
   * Whether the instruction at hand has begun before: a long REP goes on, or it faulted, the kernel has mended that, and it restarts. RF says
   * so; but who comes back from a signal's handler has RF from the place that the signal came at, which may be another.
   */
  isGoingOn(cpu: Cpu): boolean {
    if ((cpu.get32(OFF.EFLAGS) & EFLAGS.RF) === 0) return false;
    const entered = this.#entered.get(this.#threads.on(cpu));
    if (entered?.returned === undefined || entered.returned < this.#machine.icount - 1) return true;
    return entered.restarts && entered.from === cpu.linearIp;
  }
}
