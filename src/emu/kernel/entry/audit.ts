/**
 * Audit as far as entry code knows it (kernel/auditsc.c): what a system call was when it began, and one record once it has ended. Who
 * calls these, and how often, is the design of the entry code.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { MAX_ERRNO } from "../abi/errno.ts";
import type { Kernel } from "../kernel.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Task } from "../state.ts";
import { syscallArch, syscallArguments } from "../syscall/inspect.ts";
import type { UpcallTable } from "../upcall.ts";

/** audit_context, from the call's entry to its record. */
export interface AuditContext {
  arch: number;
  nr: number;
  /** The first four. */
  args: readonly bigint[];
}

/** audit_syscall_entry() of C, with everything taken from pt_regs. */
export function auditSyscallEntry(k: Kernel, task: Task, regs: PtRegs): void {
  const args = syscallArguments(k, task, regs).slice(0, 4);
  task.audit = { arch: syscallArch(k, task), nr: regs.origAx, args };
}

/** audit_syscall_exit() of C: a call has failed whose result is one of the error numbers. */
export function auditSyscallExit(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): void {
  const value = BigInt.asIntN(k.layout.wordSize * 8, regs.ax);
  record(k, cpu, task, value >= 0n || value < -BigInt(MAX_ERRNO), value);
}

/** Nobody minds being asked twice: the second time there is no call any more. */
function record(k: Kernel, cpu: Cpu, task: Task, success: boolean, value: bigint): void {
  const { audit } = task;
  if (audit === undefined) return;
  delete task.audit;
  k.timeline.audit(cpu, { ...audit, success, exit: Number(value) });
}

/** What a fast path in assembly calls, with the arguments in registers instead of pt_regs. */
export const AUDIT_UPCALLS: UpcallTable = {
  __audit_syscall_entry: (u) => {
    const args = [2, 3, 4, 5].map((i) => u.arg(i));
    u.kernel.current(u.cpu).audit = { arch: Number(u.arg(0)), nr: Number(BigInt.asIntN(32, u.arg(1))), args };
  },
  __audit_syscall_exit: (u) => {
    const task = u.kernel.current(u.cpu);
    record(u.kernel, u.cpu, task, (u.arg(0) & 0xffn) !== 0n, BigInt.asIntN(64, u.arg(1)));
  },
};
