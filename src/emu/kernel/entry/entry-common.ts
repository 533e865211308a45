/**
 * The work before every return to user mode (Linux's kernel/entry/common.c and asm/entry-common.h). The flags in guest memory decide;
 * nothing is remembered here. What system calls have besides is in syscall-work.ts.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { EFLAGS } from "../../cpu/layout.ts";
import type { Kernel } from "../kernel.ts";
import type { ExitWork } from "../layout/types.ts";
import type { PtRegs } from "../ptregs.ts";
import { archDoSignalOrRestart } from "../signal/deliver.ts";
import type { Task } from "../state.ts";
import { updateIoBitmap } from "../task/ioport.ts";
import { rseqNotifyResume } from "../task/rseq.ts";
import { type FunctionTable, SCHEDULE, type Upcall, type UpcallContext, type UpcallTable } from "../upcall.ts";
import { hooksEverywhere, userEnter, userExit } from "./context-tracking.ts";
import { SYSCALL_WORK_UPCALLS, syscallExitWork } from "./syscall-work.ts";

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
  if (task.tracking === "schedule_user") {
    delete task.tracking;
    userEnter(k, cpu, task, "schedule_user");
  }
  if (!task.dead && ((work & k.layout.work.exitToUserMode) !== 0 || k.run?.resumed === true)) {
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
  ...SYSCALL_WORK_UPCALLS,
  do_notify_resume: doNotifyResume,
  schedule_user_begin: scheduleUserBegin,
  schedule_user_end: scheduleUserEnd,
  preempt_schedule_irq: preemptScheduleIrq,
  context_tracking_user_enter: ({ kernel: k, cpu, name }) => userEnter(k, cpu, k.current(cpu), name),
};
export const EXIT_FUNCTIONS: FunctionTable = {
  syscall_exit_to_user_mode: ["call syscall_exit_work", "jmp exit_to_user_mode_prepare"],
  schedule_user: ["call schedule_user_begin", "call schedule", "jmp schedule_user_end"],
};

/** schedule_user(), for entry code that has seen TIF_NEED_RESCHED itself: schedule(), with hooks of context tracking around it. */
function scheduleUserBegin({ kernel: k, cpu }: UpcallContext): void {
  if (hooksEverywhere(k)) userExit(k, cpu, k.current(cpu), "schedule_user");
  k.timeline.exitWork(cpu, "schedule", ["NEED_RESCHED"]);
}
function scheduleUserEnd({ kernel: k, cpu }: UpcallContext): void {
  if (hooksEverywhere(k)) userEnter(k, cpu, k.current(cpu), "schedule_user");
}

/** do_notify_resume(), for entry code that has seen flags of it: all the work but to schedule, once. */
function doNotifyResume(u: UpcallContext): ReturnType<Upcall> {
  const { kernel: k, cpu } = u;
  const task = k.current(cpu);
  const flags = k.threadInfo(task, "flags");
  const begun = begunItem(k);
  const left =
    begun === undefined
      ? doPart(k, cpu, task, u.regs(), "do_notify_resume", flags)
      : doRest(k, cpu, task, u.regs(), flags, begun);
  if (left === SCHEDULE || task.dead) return SCHEDULE;
}

/** preempt_schedule_irq(), for entry code that has seen that the kernel may be preempted. */
function preemptScheduleIrq({ kernel: k, cpu }: UpcallContext): ReturnType<Upcall> {
  const task = k.current(cpu);
  if (task.idle || !k.testFlag(task, "NEED_RESCHED")) return;
  k.timeline.exitWork(cpu, "preempt_schedule_irq", ["NEED_RESCHED"]);
  return SCHEDULE;
}

/** An item that a user copy has interrupted comes before all others. */
const begunItem = (k: Kernel): ExitWork | undefined =>
  k.layout.exitWork.loop.find(({ item }) => k.run?.first("exit-work") === item);

/** Until no flag asks for anything, in the order of the preset's Linux: to schedule is first in all of them. */
function exitToUserModeLoop(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, first: number): number | typeof SCHEDULE {
  let flags = first;
  const begun = begunItem(k);
  if (begun !== undefined) {
    if (doRest(k, cpu, task, regs, flags, begun) === SCHEDULE) return SCHEDULE;
    flags = k.threadInfo(task, "flags");
  }
  while ((flags & k.layout.work.exitToUserMode) !== 0) {
    for (const by of ["schedule_user", "do_notify_resume"] as const)
      if (doPart(k, cpu, task, regs, by, flags) === SCHEDULE) return SCHEDULE;
    flags = k.threadInfo(task, "flags");
  }
  return flags;
}

/** Where the loop is assembly, what 6.1 does behind its loop must be done in it. */
function itemsOf(k: Kernel, by: "schedule_user" | "do_notify_resume"): readonly ExitWork[] {
  const { loop, late } = k.layout.exitWork;
  const all =
    k.choice.hooks.ioBitmapAtSwitch === true ? [...loop, ...late.filter(({ kind }) => kind === undefined)] : loop;
  return all.filter(({ kind }) => (kind === "schedule") === (by === "schedule_user"));
}

/** The loop's work as older kernels divide it: each half may have hooks of its own around it. */
function doPart(
  k: Kernel,
  cpu: Cpu,
  task: Task,
  regs: PtRegs,
  by: "schedule_user" | "do_notify_resume",
  flags: number,
): typeof SCHEDULE | undefined {
  const items = itemsOf(k, by);
  if (items.every((work) => askingFlags(k, work, flags).length === 0)) return undefined;
  const tracked = hooksEverywhere(k);
  if (tracked && task.tracking !== by) userExit(k, cpu, task, by);
  delete task.tracking;
  for (const work of items) {
    if (doWork(k, cpu, task, regs, work, flags) !== SCHEDULE) continue;
    if (tracked) task.tracking = by;
    return SCHEDULE;
  }
  if (tracked) userEnter(k, cpu, task, by);
  return undefined;
}

/** The half again after a user copy that its item `begun` needed. */
function doRest(
  k: Kernel,
  cpu: Cpu,
  task: Task,
  regs: PtRegs,
  flags: number,
  begun: ExitWork,
): typeof SCHEDULE | undefined {
  if (runWork(k, cpu, task, regs, begun) === SCHEDULE) return SCHEDULE;
  const items = itemsOf(k, "do_notify_resume");
  for (const work of items.slice(items.indexOf(begun) + 1))
    if (doWork(k, cpu, task, regs, work, flags) === SCHEDULE) return SCHEDULE;
  if (hooksEverywhere(k)) userEnter(k, cpu, task, "do_notify_resume");
  return undefined;
}

const askingFlags = (k: Kernel, work: ExitWork, flags: number): string[] =>
  work.flags.filter((flag) => (flags & (1 << k.layout.tif[flag]!)) !== 0);

/** One item, if `flags` ask for it. Most ask for nothing more than being seen: there is no probe, patch or notifier. */
function doWork(
  k: Kernel,
  cpu: Cpu,
  task: Task,
  regs: PtRegs,
  work: ExitWork,
  flags: number,
): typeof SCHEDULE | undefined {
  const asking = askingFlags(k, work, flags);
  if (asking.length === 0) return undefined;
  k.timeline.exitWork(cpu, work.item, asking);
  if (work.kind === "schedule") return SCHEDULE;
  if (work.kind === "signal") k.setFlag(task, "NOTIFY_SIGNAL", false);
  if (work.kind === undefined || work.kind === "resume") for (const flag of asking) k.setFlag(task, flag, false);
  return runWork(k, cpu, task, regs, work);
}

/** What an item does once its flags are taken. One that copies from or to user memory begins here again. */
function runWork(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, work: ExitWork): typeof SCHEDULE | undefined {
  if (work.kind === "io-bitmap") updateIoBitmap(k, cpu, task);
  if (work.kind !== "signal" && work.kind !== "resume") return undefined;
  k.once("exit-work", () => work.item);
  if (work.kind === "signal") archDoSignalOrRestart(k, cpu, task, regs);
  else rseqNotifyResume(k, cpu, task, regs);
  if (task.dead || task.asleep) return SCHEDULE;
  k.run?.forget();
  return undefined;
}

/** arch_exit_to_user_mode_prepare(): last, and after signals because a restarted system call asks for TS_COMPAT. */
function archExitToUserModePrepare(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, flags: number): void {
  for (const work of k.layout.exitWork.late) doWork(k, cpu, task, regs, work, flags);
  const { COMPAT = 0, I386_REGS_POKED = 0 } = k.layout.status;
  const status = k.threadInfo(task, "status");
  if (k.layout.wordSize === 8 && (status & (COMPAT | I386_REGS_POKED)) !== 0) {
    k.setThreadInfo(task, "status", status & ~(COMPAT | I386_REGS_POKED));
  }
  if (!hooksEverywhere(k)) userEnter(k, cpu, task, "prepare_exit_to_usermode");
}
