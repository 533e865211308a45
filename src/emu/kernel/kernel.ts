/** The kernel as one object: the machine it runs on, what was chosen, its state, and the parts that work on it. */
import type { Cpu } from "../cpu/cpu.ts";
import type { Addr } from "../cpu/state.ts";
import { clonePlain, cloneShared } from "../machine/clone.ts";
import type { Machine } from "../machine/machine.ts";
import { Twin } from "../machine/twin.ts";
import type { Component } from "../machine/types.ts";
import type { Arch } from "./arch.ts";
import type { LinkedImage } from "./boot/packed.ts";
import type { Choice } from "./designs/designs.ts";
import type { KernelLayout } from "./layout/types.ts";
import { KernelMemory } from "./memory.ts";
import { Probes } from "./probes.ts";
import { PtRegs } from "./ptregs.ts";
import type { KernelState, Mm, Process, Task } from "./state.ts";
import type { UpcallRun } from "./steps.ts";
import { Timeline } from "./timeline.ts";
import type { SystemOptions } from "./types.ts";

export class Kernel implements Component {
  readonly name = "kernel";
  readonly machine: Machine;
  readonly arch: Arch;
  /** Entry points under the designs in force. */
  readonly entries: ReturnType<Arch["entries"]>;
  readonly layout: KernelLayout;
  readonly choice: Choice;
  readonly options: SystemOptions;
  readonly memory: KernelMemory;
  readonly timeline: Timeline;
  readonly probes = new Probes();
  /** The assembled kernel text: symbols and lines. */
  readonly image: LinkedImage;
  state: KernelState;
  /** The up-call at work, if it is one that can wait for user copies. */
  run: UpcallRun | undefined;
  /** Where files' bytes may be changed in place: no snapshot shares them. */
  ownBuffers = new WeakSet<ArrayBufferLike>();
  /** What was last saved or restored. */
  #saved: Twin<KernelState> | undefined;
  readonly #symbols = new Map<string, Addr>();

  constructor(
    machine: Machine,
    arch: Arch,
    choice: Choice,
    options: SystemOptions,
    image: LinkedImage,
    state: KernelState,
  ) {
    this.machine = machine;
    this.arch = arch;
    this.entries = arch.entries(choice.hooks);
    this.layout = arch.layout;
    this.choice = choice;
    this.options = options;
    this.image = image;
    this.state = state;
    this.memory = new KernelMemory(machine, arch.layout);
    this.timeline = new Timeline(this);
  }

  /** Address of a symbol of kernel text. */
  symbol(name: string): Addr {
    const known = this.#symbols.get(name);
    if (known !== undefined) return known;
    const value = this.image.symbols.get(name);
    if (value === undefined) throw new Error(`the entry code has no symbol ${name}`);
    const address = this.layout.wordSize === 8 ? Number(BigInt.asIntN(64, value)) : Number(value);
    this.#symbols.set(name, address);
    return address;
  }
  hasSymbol(name: string): boolean {
    return this.image.symbols.has(name);
  }

  /** The task that a CPU runs. */
  current(cpu: Cpu): Task {
    return this.task(this.state.current[cpu.index]!);
  }
  task(pid: number): Task {
    const task = this.state.tasks.find((t) => t.pid === pid);
    if (task === undefined) throw new Error(`no task ${pid}`);
    return task;
  }
  process(task: Task): Process {
    return this.state.processes.find((p) => p.tgid === task.tgid)!;
  }
  mmOf(task: Task): Mm | undefined {
    return this.state.mms.find((m) => m.id === task.mm);
  }
  /** The address space of a task that has one. */
  mm(task: Task): Mm {
    const mm = this.mmOf(task);
    if (mm === undefined) throw new Error(`task ${task.pid} has no address space`);
    return mm;
  }

  regsAt(address: Addr): PtRegs {
    return new PtRegs(this.memory, this.layout, address);
  }
  /** task_pt_regs(): the registers of the task's last entry from user mode. */
  userRegs(task: Task): PtRegs {
    return this.regsAt(this.arch.userRegs(task));
  }

  /** A field of thread_info in guest memory. */
  threadInfo(task: Task, name: string): number {
    const { offset, size } = this.layout.threadInfo[name]!;
    if (size === 8) return Number(this.memory.readScalar(task.address + offset, size));
    return this.memory.readNumber(task.address + offset, size);
  }
  setThreadInfo(task: Task, name: string, value: number): void {
    this.memory.writeField(task.address, this.layout.threadInfo[name]!, BigInt(value));
  }
  /** test_tsk_thread_flag(), with the flag's name without TIF_. */
  testFlag(task: Task, flag: string): boolean {
    const bit = this.layout.tif[flag];
    return bit !== undefined && (this.threadInfo(task, "flags") & (1 << bit)) !== 0;
  }
  setFlag(task: Task, flag: string, on = true): void {
    const number = this.layout.tif[flag];
    // not every preset has every flag
    if (number === undefined) return;
    const bit = 1 << number;
    const old = this.threadInfo(task, "flags");
    const value = on ? old | bit : old & ~bit;
    if (value !== old) this.setThreadInfo(task, "flags", value >>> 0);
  }
  /** in_ia32_syscall(): TS_COMPAT, or always on the 32-bit kernel. */
  inIa32Syscall(task: Task): boolean {
    return this.layout.wordSize === 4 || (this.threadInfo(task, "status") & this.layout.status.COMPAT!) !== 0;
  }

  /** `body`, but only the first time that the up-call at work comes here. A result that means "not yet" does not count. */
  once<T>(what: string, body: () => T): T {
    return this.run === undefined
      ? body()
      : this.run.once(what, body, (value) => value !== "block" && value !== "schedule");
  }

  perCpu(cpu: Cpu, name: string): bigint {
    return this.memory.readField(this.perCpuBase(cpu), this.layout.perCpu[name]!);
  }
  setPerCpu(cpu: Cpu, name: string, value: Addr | bigint): void {
    this.memory.writeField(this.perCpuBase(cpu), this.layout.perCpu[name]!, BigInt(value));
  }
  /** __per_cpu_offset[cpu] as the kernel's own table in guest memory has it. */
  perCpuBase(cpu: Cpu): Addr {
    const { wordSize } = this.layout;
    const value = this.memory.readScalar(this.symbol("__per_cpu_offset") + cpu.index * wordSize, wordSize);
    return wordSize === 8 ? Number(BigInt.asIntN(64, value)) : Number(value);
  }

  /** Says once, by name, that something is not there. */
  unimplemented(cpu: Cpu, what: string, name: string): void {
    this.machine.missing.report(cpu.index, what, name);
  }
  /** A message as printk would make it. */
  printk(cpu: Cpu, text: string): void {
    this.machine.events.emit("printk", cpu.index, { text });
  }

  /** Of a state that is still the same, the same copy: most checkpoints are of a program that computes. */
  save(): unknown {
    this.ownBuffers = new WeakSet();
    if (this.#saved?.isOf(this.state) !== true) this.#saved = new Twin(this.state, cloneState(this.state));
    return this.#saved.copy;
  }
  restore(state: unknown): void {
    this.ownBuffers = new WeakSet();
    const wanted = state as KernelState;
    if (this.#saved?.copy === wanted && this.#saved.isOf(this.state)) return;
    this.state = cloneState(wanted);
    this.#saved = new Twin(this.state, wanted);
  }
}

/**
 * Open files, tables of descriptors and the like belong to several processes, and still do in the copy. A file's bytes are shared: from
 * now on the next write to them is one to a copy.
 */
function cloneState({ files, processes, tasks, sockets, ...rest }: KernelState): KernelState {
  return { ...clonePlain(rest), ...cloneShared({ processes, tasks, sockets }), files: { ...files } };
}
