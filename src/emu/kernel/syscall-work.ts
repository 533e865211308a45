/**
 * What is done before and after a system call that somebody watches (syscall_trace_enter() and its counterpart): tracer, seccomp, audit,
 * context tracking. A tracer may stop the task in the middle; then the up-call is made again, and goes on from there.
 */
import type { Cpu } from "../cpu/cpu.ts";
import { auditSyscallEntry, auditSyscallExit } from "./audit.ts";
import { hooksEverywhere, userEnter, userExit } from "./context-tracking.ts";
import type { Kernel } from "./kernel.ts";
import { traceSyscallEnter, traceSyscallExit } from "./ptrace/syscall.ts";
import type { PtRegs } from "./ptregs.ts";
import { secureComputing } from "./seccomp/secure-computing.ts";
import type { Task } from "./state.ts";
import { SCHEDULE, type Upcall, type UpcallContext } from "./upcall.ts";

interface Entering {
  readonly k: Kernel;
  readonly cpu: Cpu;
  readonly task: Task;
  readonly regs: PtRegs;
  /** SYSCALL_WORK_* that are set, by name. */
  readonly work: readonly string[];
}
/** "skip": there will be no system call. */
type Step = (e: Entering) => "go on" | "skip" | typeof SCHEDULE;

const STEPS: Readonly<Record<"ptrace" | "seccomp", Step>> = {
  ptrace: ({ k, task, work }) => traceSyscallEnter(k, task, work),
  seccomp: ({ k, cpu, task, regs, work }) =>
    work.includes("SECCOMP") || task.stop !== undefined || task.notification !== undefined
      ? secureComputing(k, cpu, task, regs)
      : "go on",
};

/** syscall_enter_from_user_mode_work(): the number to run, -1 for none, or SCHEDULE while a tracer looks. */
export function syscallEnterWork(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, nr: number): number | typeof SCHEDULE {
  const mask = k.threadInfo(task, "syscall_work") & k.layout.work.syscallEnter;
  const again = task.stop !== undefined || task.notification !== undefined;
  if (mask === 0 && !again) return nr;
  const work = namesOf(k.layout.syscallWork, mask);
  const { enter } = k.layout.exitWork.names;
  if (!again) {
    k.timeline.exitWork(cpu, enter, work);
    userExit(k, cpu, task, enter);
  }
  const order =
    k.choice.hooks.seccompFirst === true ? (["seccomp", "ptrace"] as const) : (["ptrace", "seccomp"] as const);
  const begin = !again ? order[0] : task.stop?.at === "syscall-enter" ? "ptrace" : "seccomp";
  for (const name of order.slice(order.indexOf(begin))) {
    const result = STEPS[name]({ k, cpu, task, regs, work });
    if (result === SCHEDULE) return SCHEDULE;
    if (result === "skip") return -1;
  }
  if (work.includes("SYSCALL_AUDIT")) auditSyscallEntry(k, task, regs);
  // whoever looked may have changed it
  return regs.origAx;
}

/** syscall_exit_work(): once after a system call; the common return follows. */
export function syscallExitWork(u: UpcallContext): ReturnType<Upcall> {
  const { kernel: k, cpu } = u;
  const task = k.current(cpu);
  const mask = k.threadInfo(task, "syscall_work") & k.layout.work.syscallExit;
  if (mask === 0 && task.stop === undefined) return;
  const work = namesOf(k.layout.syscallWork, mask);
  const { exit } = k.layout.exitWork.names;
  if (task.stop === undefined) {
    k.timeline.exitWork(cpu, exit, work);
    if (hooksEverywhere(k)) userExit(k, cpu, task, exit);
    if (work.includes("SYSCALL_AUDIT")) auditSyscallExit(k, cpu, task, u.regs());
  }
  if (traceSyscallExit(k, cpu, task, u.regs(), work) === SCHEDULE) return SCHEDULE;
  if (hooksEverywhere(k)) userEnter(k, cpu, task, exit);
}

const namesOf = (bits: Readonly<Record<string, number>>, mask: number): string[] =>
  Object.entries(bits)
    .filter(([, bit]) => (mask & (1 << bit)) !== 0)
    .map(([name]) => name);
