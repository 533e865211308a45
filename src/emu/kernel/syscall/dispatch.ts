/** From a system call's number to its function, and back with the result: do_syscall_x64, do_syscall_32_irqs_on. */
import type { Cpu } from "../../cpu/cpu.ts";
import { E } from "../abi/errno.ts";
import { isNiSyscall, syscallName } from "../abi/syscalls.ts";
import type { Kernel } from "../kernel.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Task } from "../state.ts";
import { armTimer } from "../task/sched.ts";
import { SCHEDULE, type Upcall } from "../upcall.ts";
import { BLOCK, SyscallContext, type SyscallTable } from "./types.ts";

/** Runs a call of a table and sets ax; or the task sleeps, and this is called again. -1 is no call at all: a tracer took it away. */
export function callSyscall(
  k: Kernel,
  cpu: Cpu,
  task: Task,
  regs: PtRegs,
  table: SyscallTable,
  asked: number,
): ReturnType<Upcall> {
  const nr = task.wait?.nr ?? asked;
  if (nr === -1) return;
  const again = task.wait !== undefined || k.run?.resumed === true;
  const mask = table.compat ? 0xffff_ffffn : 0xffff_ffff_ffff_ffffn;
  const args = k.once("syscall_args", () => table.arguments.map((name) => regs.get(name) & mask));
  const known = syscallName(table.abi, nr);
  const name = known ?? `#${nr}`;
  const call = known === undefined ? undefined : table.calls[known];
  if (!again) k.timeline.syscallEnter(cpu, name, nr, args, table.compat);
  // a number that Linux does not have either is no gap of ours
  if (call === undefined && known !== undefined && !isNiSyscall(table.abi, known))
    k.unimplemented(cpu, table.compat ? "system call (i386)" : "system call", name);
  const result = call === undefined ? -E.ENOSYS : call(new SyscallContext(k, cpu, task, regs, table, args));
  if (result === BLOCK) {
    task.asleep = true;
    task.wait ??= { reason: "stop" };
    task.wait.nr = nr;
    armTimer(k);
    return SCHEDULE;
  }
  delete task.wait;
  if (result !== undefined && !task.dead) regs.ax = result;
  k.timeline.syscallExit(cpu, name, nr, args, table.compat, task.dead ? undefined : (result ?? regs.ax));
  if (task.dead) return SCHEDULE;
}
