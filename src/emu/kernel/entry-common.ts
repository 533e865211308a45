/**
 * The work around every trip into the kernel (Linux's kernel/entry/common.c and asm/entry-common.h): what is done before a system
 * call, after it, and before every return to user mode. The flags in guest memory decide; nothing is remembered here.
 */
import type { Cpu } from "../cpu/cpu.ts";
import { EFLAGS } from "../cpu/layout.ts";
import { updateIoBitmap } from "./ioport.ts";
import type { Kernel } from "./kernel.ts";
import type { ExitWork } from "./layout/types.ts";
import { traceSyscallEnter, traceSyscallExit } from "./ptrace/syscall.ts";
import type { PtRegs } from "./ptregs.ts";
import { archDoSignalOrRestart } from "./signal/deliver.ts";
import type { Task } from "./state.ts";
import { type FunctionTable, SCHEDULE, type Upcall, type UpcallContext, type UpcallTable } from "./upcall.ts";

/** syscall_enter_from_user_mode_work(): the number to run, -1 for none, or SCHEDULE while a tracer looks. */
export function syscallEnterWork(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, nr: number): number | typeof SCHEDULE {
  const work = k.threadInfo(task, "syscall_work") & k.layout.work.syscallEnter;
  if (work === 0 && task.stop === undefined) return nr;
  const flags = namesOf(k.layout.syscallWork, work);
  if (task.stop === undefined) k.timeline.exitWork(cpu, k.layout.exitWork.names.enter, flags);
  return traceSyscallEnter(k, task, regs, flags);
}

/** syscall_exit_work(): once after a system call; the common return follows. */
function syscallExitWork(u: UpcallContext): ReturnType<Upcall> {
  const { kernel: k, cpu } = u;
  const task = k.current(cpu);
  const work = k.threadInfo(task, "syscall_work") & k.layout.work.syscallExit;
  if (work === 0 && task.stop === undefined) return;
  const flags = namesOf(k.layout.syscallWork, work);
  if (task.stop === undefined) k.timeline.exitWork(cpu, k.layout.exitWork.names.exit, flags);
  return traceSyscallExit(k, cpu, task, u.regs(), flags);
}

/** irqentry_exit(): for exceptions and interrupts, on the way to user mode or back into the kernel. The first argument is pt_regs. */
function irqentryExit(u: UpcallContext): ReturnType<Upcall> {
  const { kernel: k, cpu } = u;
  const regs = u.regs();
  const task = k.current(cpu);
  if (task.idle) return;
  return regs.user ? exitToUserModePrepare(k, cpu, task, regs) : irqentryExitCondResched(k, cpu, task, regs);
}

/** irqentry_exit_cond_resched(): where the kernel may be preempted, an interrupt of it is a place to schedule. */
function irqentryExitCondResched(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): ReturnType<Upcall> {
  if (k.choice.hooks.preempt !== true || (regs.flags & EFLAGS.IF) === 0) return;
  if (k.perCpu(cpu, "__preempt_count") !== 0n || !k.testFlag(task, "NEED_RESCHED")) return;
  k.timeline.exitWork(cpu, "preempt_schedule_irq", ["NEED_RESCHED"]);
  return SCHEDULE;
}

/** Called again after schedule() until nothing is left to do. */
function exitToUserModePrepare(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): ReturnType<Upcall> {
  let work = k.threadInfo(task, "flags");
  if (!task.dead && (work & k.layout.work.exitToUserMode) !== 0) {
    const left = exitToUserModeLoop(k, cpu, task, regs, work);
    if (left === SCHEDULE) return SCHEDULE;
    work = left;
  }
  if (task.dead) return SCHEDULE;
  archExitToUserModePrepare(k, cpu, task, regs, work);
}

/** The way out of every system call and exception, as the entry code and the functions made of up-calls name it. */
export const EXIT_UPCALLS: UpcallTable = {
  syscall_exit_work: syscallExitWork,
  exit_to_user_mode_prepare: (u) => exitToUserModePrepare(u.kernel, u.cpu, u.kernel.current(u.cpu), u.regs()),
  irqentry_exit: irqentryExit,
};
export const EXIT_FUNCTIONS: FunctionTable = {
  syscall_exit_to_user_mode: ["call syscall_exit_work", "jmp exit_to_user_mode_prepare"],
};

/** Until no flag asks for anything, in the order of the preset's Linux. */
function exitToUserModeLoop(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, first: number): number | typeof SCHEDULE {
  let flags = first;
  while ((flags & k.layout.work.exitToUserMode) !== 0) {
    for (const work of k.layout.exitWork.loop)
      if (doWork(k, cpu, task, regs, work, flags) === SCHEDULE) return SCHEDULE;
    flags = k.threadInfo(task, "flags");
  }
  return flags;
}

/** One item, if `flags` ask for it. Most ask for nothing more than being seen: there is no probe, patch or notifier. */
function doWork(
  k: Kernel,
  cpu: Cpu,
  task: Task,
  regs: PtRegs,
  work: ExitWork,
  flags: number,
): typeof SCHEDULE | undefined {
  const asking = work.flags.filter((flag) => (flags & (1 << k.layout.tif[flag]!)) !== 0);
  if (asking.length === 0) return undefined;
  k.timeline.exitWork(cpu, work.item, asking);
  switch (work.kind) {
    case "schedule":
      return SCHEDULE;
    case "signal":
      k.setFlag(task, "NOTIFY_SIGNAL", false);
      archDoSignalOrRestart(k, cpu, task, regs);
      return task.dead || task.asleep ? SCHEDULE : undefined;
    case "io-bitmap":
      updateIoBitmap(k, cpu, task);
      return undefined;
    case "keep":
      return undefined;
    default:
      for (const flag of asking) k.setFlag(task, flag, false);
      return undefined;
  }
}

/** arch_exit_to_user_mode_prepare(): last, and after signals because a restarted system call asks for TS_COMPAT. */
function archExitToUserModePrepare(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, flags: number): void {
  for (const work of k.layout.exitWork.late) doWork(k, cpu, task, regs, work, flags);
  const { COMPAT = 0, I386_REGS_POKED = 0 } = k.layout.status;
  const status = k.threadInfo(task, "status");
  if (k.layout.wordSize === 8 && (status & (COMPAT | I386_REGS_POKED)) !== 0) {
    k.setThreadInfo(task, "status", status & ~(COMPAT | I386_REGS_POKED));
  }
}

export const namesOf = (bits: Readonly<Record<string, number>>, mask: number): string[] =>
  Object.entries(bits)
    .filter(([, bit]) => (mask & (1 << bit)) !== 0)
    .map(([name]) => name);
