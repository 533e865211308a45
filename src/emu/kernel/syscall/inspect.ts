/** What a system call that a task is in looks like from outside (asm/syscall.h): its kind, and its arguments as pt_regs has them. */
import { AUDIT_ARCH } from "../abi/ptrace.ts";
import type { Kernel } from "../kernel.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Task } from "../state.ts";
import type { SyscallTable } from "./types.ts";

/** syscall_get_arch(). */
export const syscallArch = (k: Kernel, task: Task): number =>
  k.inIa32Syscall(task) ? AUDIT_ARCH.I386 : AUDIT_ARCH.X86_64;

/** The table that the call's number is one of. */
export const syscallTable = (k: Kernel, task: Task): SyscallTable =>
  k.inIa32Syscall(task) ? (k.arch.compat ?? k.arch.native) : k.arch.native;

/** syscall_get_arguments(): six unsigned words of the caller's kind. */
export function syscallArguments(k: Kernel, task: Task, regs: PtRegs): bigint[] {
  const table = syscallTable(k, task);
  const bits = table.compat ? 32 : 64;
  return table.arguments.map((name) => BigInt.asUintN(bits, regs.get(name)));
}
