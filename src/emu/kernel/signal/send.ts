/** Raising signals: queues, TIF_SIGPENDING, and the forced kind that a fault raises (Linux's kernel/signal.c). */
import type { Cpu } from "../../cpu/cpu.ts";
import type { Siginfo } from "../abi/siginfo.ts";
import { defaultAction, SA, SI_CODE, SIG, SIG_DFL, SIG_IGN, SIGRTMIN } from "../abi/signal.ts";
import type { Kernel } from "../kernel.ts";
import { endStop, fatalSignalPending, isStopped } from "../ptrace/stop.ts";
import type { SigPending, Task } from "../state.ts";
import { kick, wakeUp } from "../task/sched.ts";
import { jobPending, prepareSignal } from "./jobctl.ts";
import { bitOf, hasSignal, UNBLOCKABLE } from "./sets.ts";

/** Something to deliver, or to stop for. */
function anyPending(k: Kernel, task: Task): boolean {
  const pending = task.pending.signal | k.process(task).sharedPending.signal;
  return (pending & ~task.blocked) !== 0n || jobPending(task);
}

/** recalc_sigpending(): the flag says whether there is anything to deliver. */
export const recalcSigpending = (k: Kernel, task: Task): void => k.setFlag(task, "SIGPENDING", anyPending(k, task));

/** recalc_sigpending_tsk(): sets the flag, and never clears it. */
export function recalcSigpendingTask(k: Kernel, task: Task): void {
  if (anyPending(k, task)) k.setFlag(task, "SIGPENDING");
}

/** __set_task_blocked() with what no one may block taken out. */
export function setBlocked(k: Kernel, task: Task, blocked: bigint): void {
  task.blocked = BigInt.asUintN(64, blocked) & ~UNBLOCKABLE;
  recalcSigpending(k, task);
}

/** sig_ignored(): not worth queueing. A blocked signal is kept, its action may change before it is unblocked; a tracer sees all. */
function ignored(k: Kernel, task: Task, signr: number): boolean {
  if (hasSignal(task.blocked, signr) || (task.ptrace !== undefined && signr !== SIG.SIGKILL)) return false;
  const { handler } = k.process(task).actions[signr - 1]!;
  return handler === BigInt(SIG_IGN) || (handler === BigInt(SIG_DFL) && defaultAction(signr) === "ignore");
}

/** send_signal_locked() for a thread, or for its whole group. */
export function sendSignal(k: Kernel, task: Task, info: Siginfo, group: boolean, force = false): void {
  const { signo } = info;
  prepareSignal(k, task, signo);
  if (!force && ignored(k, task, signo)) return;
  const pending: SigPending = group ? k.process(task).sharedPending : task.pending;
  const already = hasSignal(pending.signal, signo);
  // ordinary signals do not queue: a second one is lost while the first is pending
  if (already && signo < SIGRTMIN) return;
  pending.queue.push(info);
  pending.signal |= bitOf(signo);
  const target = group ? completeSignal(k, task, signo) : task;
  recalcSigpendingTask(k, target);
  if (!hasSignal(target.blocked, signo)) signalWakeUp(k, target, signo === SIG.SIGKILL);
}

/** wants_signal(): a thread of the group that does not block it, the one asked for first. */
function completeSignal(k: Kernel, task: Task, signo: number): Task {
  const threads = k.state.tasks.filter((t) => t.tgid === task.tgid && !t.dead);
  return [task, ...threads].find((t) => !t.dead && !hasSignal(t.blocked, signo)) ?? task;
}

/** signal_wake_up(): a sleeper's system call goes on and finds the signal; a task on another CPU comes into the kernel. */
export function signalWakeUp(k: Kernel, task: Task, fatal = false): void {
  if (isStopped(task)) {
    if (fatal) endStop(k, task, 0);
  } else if (task.asleep) wakeUp(k, task);
  else kick(k, task);
}

/** signal_pending(). */
export const signalPending = (k: Kernel, task: Task): boolean => k.testFlag(task, "SIGPENDING");

/**
 * What interrupts TASK_KILLABLE: SIGKILL, or a signal that ends the process without a core, of which Linux's complete_signal() makes a
 * SIGKILL as it is sent, unless a tracer has to see it first.
 */
export function killPending(k: Kernel, task: Task): boolean {
  if (fatalSignalPending(k, task)) return true;
  const process = k.process(task);
  const pending = (task.pending.signal | process.sharedPending.signal) & ~task.blocked;
  if (pending === 0n || task.ptrace !== undefined) return false;
  return process.actions.some(
    ({ handler }, i) =>
      hasSignal(pending, i + 1) && handler === BigInt(SIG_DFL) && defaultAction(i + 1) === "terminate",
  );
}

/** Takes a signal out of a queue; the flag for it stays while there are more of its kind. */
export function takeSignal(pending: SigPending, signr: number): Siginfo {
  const index = pending.queue.findIndex((info) => info.signo === signr);
  const info = pending.queue[index] ?? { signo: signr, errno: 0, code: SI_CODE.SI_USER };
  if (index >= 0) pending.queue.splice(index, 1);
  if (!pending.queue.some((other) => other.signo === signr)) pending.signal &= ~bitOf(signr);
  return info;
}
/** flush_sigqueue_mask(). */
export function flushSignals(pending: SigPending, set: bigint): void {
  pending.queue = pending.queue.filter((info) => !hasSignal(set, info.signo));
  pending.signal &= ~set;
}

/** force_sig_info_to_task(): what a fault raises cannot be blocked or ignored; then the default action comes. */
export function forceSigInfo(k: Kernel, cpu: Cpu, task: Task, info: Siginfo, toDefault = false): void {
  const { actions } = k.process(task);
  const action = actions[info.signo - 1]!;
  const blocked = hasSignal(task.blocked, info.signo);
  if (blocked || toDefault || action.handler === BigInt(SIG_IGN)) {
    const flags = action.flags | (toDefault ? SA.SA_IMMUTABLE : 0);
    actions[info.signo - 1] = { ...action, handler: BigInt(SIG_DFL), flags };
    if (blocked) task.blocked &= ~bitOf(info.signo);
  }
  sendSignal(k, task, info, false, true);
  k.timeline.signalRaised(cpu, info);
}

/** force_sig_fault(). */
export function forceSigFault(k: Kernel, cpu: Cpu, task: Task, signo: number, code: number, addr: bigint): void {
  forceSigInfo(k, cpu, task, { signo, errno: 0, code, addr });
}
/** force_sig(): from the kernel, without more to say. */
export function forceSig(k: Kernel, cpu: Cpu, task: Task, signo: number): void {
  forceSigInfo(k, cpu, task, { signo, errno: 0, code: SI_CODE.SI_KERNEL, pid: 0, uid: 0 });
}
/** force_fatal_sig(): the program ends by it whatever its handlers say. */
export function forceFatalSig(k: Kernel, cpu: Cpu, task: Task, signo: number): void {
  forceSigInfo(k, cpu, task, { signo, errno: 0, code: SI_CODE.SI_KERNEL, pid: 0, uid: 0 }, true);
}
/** force_sigsegv(): a frame could not be built; if it was for SIGSEGV itself, there is no hope. */
export function forceSigsegv(k: Kernel, cpu: Cpu, task: Task, signr: number): void {
  if (signr === SIG.SIGSEGV) forceFatalSig(k, cpu, task, SIG.SIGSEGV);
  else forceSig(k, cpu, task, SIG.SIGSEGV);
}

export const usesOwnStack = (flags: number): boolean => (flags & SA.SA_ONSTACK) !== 0;
