/**
 * Threads: the kernel's tasks, or, without a kernel, the CPUs. Of idle tasks only the one that the debugger stands in is shown, if it does.
 * Ids are given in the order in which threads are first seen, and a task that comes again after going back has its old one.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import type { Target, TaskInfo } from "./target.ts";

export interface Thread {
  readonly id: number;
  /** Who it is and what it does: "server (pid 1000, tid 1002): blocked in futex". */
  readonly name: string;
}

/** A thread that goes on. */
export interface Survivor {
  readonly thread: number;
  readonly inUser: boolean;
  readonly waits: boolean;
}

const ENDING: ReadonlySet<string> = new Set(["exiting", "zombie"]);

export class Threads {
  readonly #target: Target;
  readonly #ids = new Map<number, number>();
  /** Ids that the client knows of. */
  #told: ReadonlySet<number> = new Set();

  constructor(target: Target) {
    this.#target = target;
    this.#told = new Set(this.list().map(({ id }) => id));
  }

  list(): Thread[] {
    const { kernel, machine } = this.#target;
    if (kernel === undefined) return machine.cpus.map(({ index }) => ({ id: index + 1, name: `CPU ${index}` }));
    const here = kernel.pidOn(machine.currentCpu);
    const tasks = kernel.tasks().filter(({ idle, pid }) => !idle || pid === here);
    return tasks.map((task) => ({ id: this.#idOf(task.pid), name: nameOf(task, tasks) }));
  }

  /** The thread that a CPU (or a stand-in) runs. */
  on(cpu: Cpu): number {
    const { kernel } = this.#target;
    return kernel === undefined ? cpu.index + 1 : this.#idOf(kernel.pidOn(cpu));
  }

  /** The CPU that runs a thread; undefined if none does, or there is no such thread. */
  cpuOf(id: number): Cpu | undefined {
    return this.#target.machine.cpus.find((cpu) => this.on(cpu) === id);
  }

  /** A CPU to read the thread from: the one that runs it, or a stand-in with what is saved of it. */
  seenFrom(id: number): Cpu | undefined {
    const running = this.cpuOf(id);
    if (running !== undefined) return running;
    const pid = this.pidOf(id);
    return pid === undefined ? undefined : this.#target.kernel?.standIn(pid);
  }

  exists(id: number): boolean {
    return this.list().some((thread) => thread.id === id);
  }

  isIdle(id: number): boolean {
    const tasks = this.#target.kernel?.tasks() ?? [];
    return tasks.some(({ pid, idle }) => idle && this.#ids.get(pid) === id);
  }

  ofPid(pid: unknown): number | undefined {
    return typeof pid === "number" ? this.#ids.get(pid) : undefined;
  }

  /** Whether it will run no more. */
  hasEnded(id: number): boolean {
    const { kernel } = this.#target;
    if (kernel === undefined) return false;
    const task = kernel.tasks().find(({ pid }) => this.#ids.get(pid) === id);
    return task === undefined || ENDING.has(task.state);
  }

  /** Who goes on where a thread has ended: those of its process, or else all others; first those that run user code. */
  survivors(id: number): readonly Survivor[] {
    const { kernel, machine } = this.#target;
    const tasks = (kernel?.tasks() ?? []).filter(({ idle, state }) => !idle && !ENDING.has(state));
    const pid = this.pidOf(id);
    const process = kernel?.tasks().find((task) => task.pid === pid)?.tgid ?? pid;
    const own = tasks.filter(({ tgid }) => tgid === process);
    return (own.length > 0 ? own : tasks)
      .map(({ pid, cpu, state }) => ({
        thread: this.#idOf(pid),
        inUser: cpu !== undefined && machine.cpus[cpu]!.cpl === 3,
        waits: cpu === undefined && state !== "runnable",
      }))
      .sort((a, b) => Number(b.inUser) - Number(a.inUser) || Number(a.waits) - Number(b.waits));
  }

  /** Which threads have come and gone since the last look. */
  changes(): { readonly started: readonly number[]; readonly exited: readonly number[] } {
    const present = new Set(this.list().map(({ id }) => id));
    const told = this.#told;
    this.#told = present;
    return {
      started: [...present].filter((id) => !told.has(id)),
      exited: [...told].filter((id) => !present.has(id)),
    };
  }

  #idOf(pid: number): number {
    const known = this.#ids.get(pid);
    if (known !== undefined) return known;
    const id = this.#ids.size + 1;
    this.#ids.set(pid, id);
    return id;
  }

  pidOf(id: number): number | undefined {
    return [...this.#ids].find(([, known]) => known === id)?.[0];
  }
}

function nameOf(task: TaskInfo, tasks: readonly TaskInfo[]): string {
  const { pid, tgid, name, idle, state } = task;
  if (idle) return `CPU ${task.cpu}: idle (${name})`;
  const isThread = pid !== tgid || tasks.some((other) => other !== task && other.tgid === tgid);
  const who = `${name} (pid ${tgid}${isThread ? `, tid ${pid}` : ""})`;
  return `${who}: ${task.cpu === undefined ? state : `CPU ${task.cpu}`}`;
}
