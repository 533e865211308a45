/** What is debugged: a machine, and what is known of the program and kernel on it. The rest of debug/ sees only this. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import type { KernelLayout } from "../../emu/kernel/layout/types.ts";
import type { Machine } from "../../emu/machine/machine.ts";
import type { StopReason } from "../../emu/machine/types.ts";
import type { PlacedSymbols } from "./placed-symbols.ts";
import type { Spaces } from "./spaces.ts";

export interface Target {
  readonly machine: Machine;
  /** What the tasks run. */
  readonly spaces: Spaces;
  /** Names and lines of what a CPU's task runs. */
  symbols(cpu: Cpu): PlacedSymbols;
  /** Shown as the process's name. */
  readonly programName: string;
  /** undefined on a bare machine. */
  readonly kernel: KernelAccess | undefined;
  /** Runs at most `max` instructions, and ends before one of the CPU `before`. */
  run(max: number, before?: Cpu): StopReason;
  /** Text of a source that the client cannot open: the kernel's entry code and the vDSO. */
  sourceText(uri: string): string | undefined;
}

/** The kernel's state as the debugger reads it: mostly addresses, since the state itself is guest memory. */
export interface KernelAccess {
  readonly layout: KernelLayout;
  readonly preset: string;
  /** Where the kernel's image is. */
  readonly text: { readonly start: Addr; readonly end: Addr };
  /** Designs in force, by key. */
  readonly designs: Readonly<Record<string, string>>;
  /** Every task; of idle ones only those that run. */
  tasks(): readonly TaskInfo[];
  /** A processor with what is saved of a task that no CPU runs; it stands for one task at a time. */
  standIn(pid: number): Cpu | undefined;
  /** pid of the task that a CPU, or the stand-in, runs; it costs little. */
  pidOn(cpu: Cpu): number;
  /** Processes that have memory, by their pids. */
  processes(): readonly number[];
  /** That of the task that a CPU, or the stand-in, runs; undefined of a task without user memory. */
  processOn(cpu: Cpu): number | undefined;
  /** A CPU, or the stand-in, to read a process's memory from; undefined if it has none now. */
  seenFromProcess(process: number): Cpu | undefined;
  /** The task that a CPU, or the stand-in, runs. All below are of that task. */
  task(cpu: Cpu): { readonly pid: number; readonly name: string };
  threadInfo(cpu: Cpu): Addr;
  /** Where the CPU's pointer to its current task is, thread_info at its beginning; undefined for a stand-in. */
  currentTaskAt(cpu: Cpu): Addr | undefined;
  /** pt_regs at the top of the current task's kernel stack: the user state while the kernel runs. */
  userRegs(cpu: Cpu): Addr;
  /** Where what the kernel itself puts on the current task's stack begins: at pt_regs, but that an idle task has none. */
  stackEnd(cpu: Cpu): Addr;
  /** Whose kernel stack an address is in: the current task's, or another's; undefined if in none. */
  stackAt(cpu: Cpu, address: Addr): "own" | "another's" | undefined;
  /** Fields that are not in guest memory, by Linux's name: `mm.vdso`, `task.pid`. */
  plainFields(cpu: Cpu): Readonly<Record<string, number>>;
  /** pt_regs of the 32-bit code that has called vm86(2), while the current task is in v8086 mode. */
  outsideVm86(cpu: Cpu): Uint8Array | undefined;
  /** Mappings of the current task, lowest first. */
  mappings(cpu: Cpu): readonly Mapping[];
  /** Tells of every write that an up-call makes to guest memory, by its name. Returns the function that unsubscribes. */
  onWrite(
    listener: (
      by: string,
      access: { readonly address: Addr; readonly physical: number; readonly size: number },
    ) => void,
  ): () => void;
  /** What is wrong with an event to inject, in a sentence. */
  injectionProblem(event: string): string | undefined;
  /** Makes an event happen before the next instruction: `nmi`, `irq`, `mc`, `signal:SIGALRM`. @returns what is wrong with it. */
  inject(cpu: Cpu, event: string): string | undefined;
  /** Whether a process of the program's has a handler for a signal. */
  isHandled(signal: string): boolean;
  /** A signal from outside to the processes of those tasks, or to all; they see it when they run. */
  sendToProcesses(signal: string, pids?: readonly number[]): void;
  /** espfix stack of the CPU; undefined under a design without one. */
  espfix(cpu: Cpu): EspfixPlace | undefined;
}

export interface TaskInfo {
  readonly pid: number;
  readonly tgid: number;
  /** Linux's comm; "swapper/1" for an idle task. */
  readonly name: string;
  readonly idle: boolean;
  /** The CPU that runs it. */
  readonly cpu: number | undefined;
  /** "running on CPU 0", "runnable", "blocked in futex", "stopped", "zombie", "idle". */
  readonly state: string;
}

export interface Mapping {
  readonly start: Addr;
  readonly end: Addr;
  /** As in /proc/PID/maps: "r-xp". */
  readonly access: string;
  readonly name: string;
  /** Of a special mapping (the vDSO): its physical pages, mapped yet or not. */
  readonly pages?: readonly number[] | undefined;
}

export interface EspfixPlace {
  /** The ministack as the kernel writes it. */
  readonly writable: Addr;
  /** The alias that the last return through it used, or the first one. */
  readonly alias: Addr;
  /** Why that one: where its bits 31:16 come from. */
  readonly chosenBecause: string;
  readonly bytes: number;
  /** What its words hold while a return goes through it, from the lowest on; "" = nothing. Further ones are free. */
  readonly words: readonly string[];
  /** Whether the stack pointer is there. */
  readonly inUse: boolean;
}
