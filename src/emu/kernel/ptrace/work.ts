/** SYSCALL_WORK_* flags of a task, in guest memory: what system calls do besides themselves. */
import type { Kernel } from "../kernel.ts";
import type { Task } from "../state.ts";

/** set_task_syscall_work(), clear_task_syscall_work(); the name without SYSCALL_WORK_. */
export function setSyscallWork(k: Kernel, task: Task, flag: string, on: boolean): void {
  const bit = 1 << k.layout.syscallWork[flag]!;
  const old = k.threadInfo(task, "syscall_work");
  const value = on ? old | bit : old & ~bit;
  if (value !== old) k.setThreadInfo(task, "syscall_work", value);
}
