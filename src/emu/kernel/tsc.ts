/** Who may read the time-stamp counter (arch/x86/kernel/process.c): TIF_NOTSC of a task is CR4.TSD of the CPU that it runs on. */
import type { Cpu } from "../cpu/cpu.ts";
import { CR4, OFF } from "../cpu/layout.ts";
import type { Kernel } from "./kernel.ts";
import type { Task } from "./state.ts";

/** The part of __switch_to() that is about it. */
export function switchTsc(k: Kernel, cpu: Cpu, task: Task): void {
  const cr4 = cpu.get32(OFF.CR4);
  cpu.set32(OFF.CR4, k.testFlag(task, "NOTSC") ? cr4 | CR4.TSD : cr4 & ~CR4.TSD);
}

/** disable_TSC(), enable_TSC(), for the task that runs on `cpu`. */
export function allowTsc(k: Kernel, cpu: Cpu, task: Task, allowed: boolean): void {
  k.setFlag(task, "NOTSC", !allowed);
  switchTsc(k, cpu, task);
}
