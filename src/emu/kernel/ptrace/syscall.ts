/** A tracer's stops before and after a system call (linux/ptrace.h: ptrace_report_syscall_entry() and _exit()). */
import type { Cpu } from "../../cpu/cpu.ts";
import { EVENTMSG, PTRACE_O, SYSGOOD } from "../abi/ptrace.ts";
import { SI_CODE, SIG } from "../abi/signal.ts";
import type { Kernel } from "../kernel.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Task } from "../state.ts";
import { sendSigtrap } from "../trap/traps.ts";
import { SCHEDULE } from "../upcall.ts";
import { fatalSignalPending, ptraceNotify, sendOwn, takeAnswer } from "./stop.ts";

const stopCode = (task: Task): number =>
  SIG.SIGTRAP | (((task.ptrace?.options ?? 0) & PTRACE_O.TRACESYSGOOD) !== 0 ? SYSGOOD : 0);

/** ptrace_report_syscall_entry(). `work` as it was at entry. */
export function traceSyscallEnter(k: Kernel, task: Task, work: readonly string[]): "go on" | "skip" | typeof SCHEDULE {
  const seen = takeAnswer(k, task, "syscall-enter");
  if (seen === undefined) {
    const emulated = work.includes("SYSCALL_EMU");
    if (!emulated && !work.includes("SYSCALL_TRACE")) return "go on";
    if (task.ptrace !== undefined && ptraceNotify(k, task, "syscall-enter", stopCode(task), EVENTMSG.SYSCALL_ENTRY)) {
      if (emulated) task.stop!.emulated = true;
      return SCHEDULE;
    }
    return emulated || fatalSignalPending(k, task) ? "skip" : "go on";
  }
  // the tracer's signal is sent as if the task had done so itself
  if (seen.answer !== 0) sendOwn(k, task, seen.answer);
  return seen.emulated === true || fatalSignalPending(k, task) ? "skip" : "go on";
}

/** The end of syscall_exit_work(): a step out of the call is a SIGTRAP, anything else a stop. */
export function traceSyscallExit(
  k: Kernel,
  cpu: Cpu,
  task: Task,
  regs: PtRegs,
  work: readonly string[],
): typeof SCHEDULE | undefined {
  const seen = takeAnswer(k, task, "syscall-exit");
  if (seen !== undefined) {
    if (seen.answer !== 0) sendOwn(k, task, seen.answer);
    return undefined;
  }
  const emulated = (k.threadInfo(task, "syscall_work") & (1 << k.layout.syscallWork.SYSCALL_EMU!)) !== 0;
  if (work.includes("SYSCALL_EXIT_TRAP") && !emulated) sendSigtrap(k, cpu, task, regs, SI_CODE.TRAP_BRKPT);
  else if (work.includes("SYSCALL_TRACE") && task.ptrace !== undefined) {
    if (ptraceNotify(k, task, "syscall-exit", stopCode(task), EVENTMSG.SYSCALL_EXIT)) return SCHEDULE;
  }
  return undefined;
}
