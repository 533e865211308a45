/**
 * What is done before and after a system call that somebody watches (syscall_trace_enter() and its counterpart): tracer, seccomp, audit,
 * context tracking. A tracer may stop the task in the middle; then the up-call is made again, and goes on from there.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import type { Kernel } from "../kernel.ts";
import { giveBackTrapFlag } from "../ptrace/step.ts";
import { traceSyscallEnter, traceSyscallExit } from "../ptrace/syscall.ts";
import type { PtRegs } from "../ptregs.ts";
import { secureComputing } from "../seccomp/secure-computing.ts";
import type { Task } from "../state.ts";
import { SCHEDULE, type Upcall, type UpcallContext, type UpcallTable } from "../upcall.ts";
import { auditSyscallEntry, auditSyscallExit } from "./audit.ts";
import { hooksEverywhere, userEnter, userExit } from "./context-tracking.ts";

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

/** A tracer or a listener had the call before, and the up-call is made once more. */
const isAgain = (task: Task): boolean => task.stop !== undefined || task.notification !== undefined;

const STEPS: Readonly<Record<"ptrace" | "seccomp", Step>> = {
  ptrace: ({ k, task, work }) => traceSyscallEnter(k, task, work),
  seccomp: ({ k, cpu, task, regs, work }) =>
    work.includes("SECCOMP") || isAgain(task) ? secureComputing(k, cpu, task, regs) : "go on",
};

type StepName = keyof typeof STEPS;
const stepOrder = (k: Kernel): readonly StepName[] =>
  k.choice.hooks.seccompFirst === true ? ["seccomp", "ptrace"] : ["ptrace", "seccomp"];

/** Those of `names`, from the one that was interrupted. */
function takeSteps(e: Entering, names: readonly StepName[]): ReturnType<Step> {
  const stopped = !isAgain(e.task) ? names[0] : e.task.stop?.at === "syscall-enter" ? "ptrace" : "seccomp";
  for (const name of names.slice(Math.max(0, names.indexOf(stopped!)))) {
    const result = STEPS[name](e);
    if (result !== "go on") return result;
  }
  return "go on";
}

/** It is seen once, however often the up-call is made. */
function begin({ k, cpu, task, work }: Entering, by: string): void {
  if (isAgain(task)) return;
  k.timeline.exitWork(cpu, by, work);
  userExit(k, cpu, task, by);
}

/** What asks for work as system call begins; undefined = nothing. */
function entering(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): Entering | undefined {
  const mask = k.threadInfo(task, "syscall_work") & k.layout.work.syscallEnter;
  if (mask === 0 && !isAgain(task)) return undefined;
  return { k, cpu, task, regs, work: namesOf(k.layout.syscallWork, mask) };
}

/** syscall_enter_from_user_mode_work(): the number to run, -1 for none, or SCHEDULE while a tracer looks. */
export function syscallEnterWork(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, nr: number): number | typeof SCHEDULE {
  const e = entering(k, cpu, task, regs);
  if (e === undefined) return nr;
  begin(e, k.layout.exitWork.names.enter);
  return finish(e, stepOrder(k));
}

function finish(e: Entering, names: readonly StepName[]): number | typeof SCHEDULE {
  const result = takeSteps(e, names);
  if (result === SCHEDULE) return SCHEDULE;
  if (result === "skip") return -1;
  if (e.work.includes("SYSCALL_AUDIT")) auditSyscallEntry(e.k, e.task, e.regs);
  // whoever looked may have changed it
  return e.regs.origAx;
}

/** syscall_trace_enter() as entry code in assembly calls it, with pt_regs alone. */
const syscallTraceEnter: Upcall = (u) => {
  const { kernel: k, cpu } = u;
  const regs = u.regs();
  const task = k.current(cpu);
  if (k.choice.hooks.stepInKernelSetsFlag === true) giveBackTrapFlag(k, task, regs);
  return syscallEnterWork(k, cpu, task, regs, regs.origAx);
};

/** Work that the first half sees to, and so nobody else has to. */
const IN_PHASE_1 = ["NOHZ", "SECCOMP"];

/** syscall_trace_enter_phase1(): 0 = the call may go the fast way; 1 = the second half has to see it. */
const phase1: Upcall = (u) => {
  const { kernel: k, cpu } = u;
  const e = entering(k, cpu, k.current(cpu), u.regs());
  if (e === undefined) return 0;
  begin(e, u.name);
  const [first] = stepOrder(k);
  if (first === "seccomp") {
    const result = takeSteps(e, [first]);
    if (result === SCHEDULE) return SCHEDULE;
    if (result === "skip") {
      e.regs.set("orig_ax", -1n);
      return 0;
    }
  }
  const rest = e.work.filter((name) => !IN_PHASE_1.includes(name) || (name === "SECCOMP" && first !== "seccomp"));
  if (rest.length > 0 && rest.some((name) => name !== "SYSCALL_AUDIT")) return 1;
  if (rest.length > 0) auditSyscallEntry(k, e.task, e.regs);
  return 0;
};

/** syscall_trace_enter_phase2(): the number to run, or -1. */
const phase2: Upcall = (u) => {
  const { kernel: k, cpu } = u;
  const regs = u.regs();
  const e = entering(k, cpu, k.current(cpu), regs);
  if (e === undefined) return regs.origAx;
  if (!isAgain(e.task)) k.timeline.exitWork(cpu, u.name, e.work);
  return finish(
    e,
    stepOrder(k).filter((name) => name === "ptrace" || k.choice.hooks.seccompFirst !== true),
  );
};

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

/** What entry code calls that asks the flags itself. */
export const SYSCALL_WORK_UPCALLS: UpcallTable = {
  syscall_trace_enter: syscallTraceEnter,
  syscall_trace_enter_phase1: phase1,
  syscall_trace_enter_phase2: phase2,
  syscall_trace_leave: syscallExitWork,
};

const namesOf = (bits: Readonly<Record<string, number>>, mask: number): string[] =>
  Object.entries(bits)
    .filter(([, bit]) => (mask & (1 << bit)) !== 0)
    .map(([name]) => name);
