/** The end of a program: do_exit() and do_group_exit(). */
import type { Cpu } from "../cpu/cpu.ts";
import { signalName } from "./abi/signal.ts";
import type { Kernel } from "./kernel.ts";
import { destroyMm } from "./mm/mm.ts";
import type { Process, Task } from "./state.ts";

/** The whole thread group ends: exit_group, or a fatal signal. */
export function doGroupExit(k: Kernel, cpu: Cpu, task: Task, how: NonNullable<Process["groupExit"]>): void {
  k.process(task).groupExit ??= how;
  doExit(k, cpu, task);
}

/** One thread ends; with the last one the program does. The CPU goes idle: nothing returns to this task. */
export function doExit(k: Kernel, cpu: Cpu, task: Task, status = 0): void {
  const process = k.process(task);
  task.dead = true;
  const how = process.groupExit ?? { status, signal: 0, core: false };
  const { mm } = task;
  task.mm = undefined;
  k.arch.goIdle(k, cpu);
  if (mm !== undefined && !k.state.tasks.some((t) => t.mm === mm)) destroyMm(k, k.state.mms.find((m) => m.id === mm)!);
  if (k.state.tasks.some((t) => t.tgid === task.tgid && !t.dead)) return;
  k.machine.events.emit("exit-program", cpu.index, {
    pid: process.tgid,
    status: how.status,
    ...(how.signal === 0 ? {} : { signal: signalName(how.signal) }),
  });
  k.state.exit = how.signal === 0 ? { status: how.status & 0xff } : { status: 128 + how.signal, signal: how.signal };
  k.machine.stop({ kind: "exit", ...k.state.exit });
}
