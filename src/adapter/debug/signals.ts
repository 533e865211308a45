/** Signals that no task has sent: by who debugs the program, to its processes. */
import { signalNumber } from "../../emu/kernel/abi/signal.ts";
import { signalFromOutside } from "../../emu/kernel/inject.ts";
import type { Kernel } from "../../emu/kernel/kernel.ts";
import type { Task } from "../../emu/kernel/state.ts";

/** SIG_DFL is 0, SIG_IGN 1; a handler is an address. */
const SIG_IGN = 1n;

/** Whether a process of the program's has a handler for a signal. */
export const isHandled = (kernel: Kernel, name: string): boolean =>
  firstOfEach(kernel).some((task) => kernel.process(task).actions[signalNumber(name)! - 1]!.handler > SIG_IGN);

/** To the processes of those tasks; to all if none are named. */
export function sendToProcesses(kernel: Kernel, name: string, pids?: readonly number[]): void {
  const wanted = pids && new Set(kernel.state.tasks.filter(({ pid }) => pids.includes(pid)).map(({ tgid }) => tgid));
  for (const task of firstOfEach(kernel)) {
    if (wanted !== undefined && !wanted.has(task.tgid)) continue;
    signalFromOutside(kernel, kernel.machine.cpus[task.cpu]!, task, signalNumber(name)!);
  }
}

/** A task of each process that still runs: the one whose pid is the process's, if it does. */
function firstOfEach({ state }: Kernel): Task[] {
  const live = state.tasks.filter(({ idle, dead }) => !idle && !dead).sort((a, b) => a.pid - b.pid);
  return live.filter((task, i) => live.findIndex(({ tgid }) => tgid === task.tgid) === i);
}
