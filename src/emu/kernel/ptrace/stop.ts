/**
 * Stopping for a tracer and going on (kernel/signal.c's ptrace_stop(), and the reports of linux/ptrace.h). A stop is data in the task: the
 * up-call that stopped it says SCHEDULE, and finds the tracer's answer when it is called again.
 */
import { PTRACE_EVENT } from "../abi/ptrace.ts";
import type { Siginfo } from "../abi/siginfo.ts";
import { SA, SI_CODE, SIG, SIG_IGN } from "../abi/signal.ts";
import type { Kernel } from "../kernel.ts";
import { participateGroupStop } from "../signal/jobctl.ts";
import { recalcSigpendingTask, sendSignal } from "../signal/send.ts";
import { hasSignal } from "../signal/sets.ts";
import type { Process, Task } from "../state.ts";
import { wakeUp } from "../task/sched.ts";
import type { Stop, StopPlace } from "./types.ts";

/** In a stop that is not over. */
export const isStopped = (task: Task): boolean => task.stop !== undefined && task.stop.state !== "over";
export const isTracedStop = (task: Task): boolean => task.stop?.state === "traced" && task.stop.listening !== true;

/** __fatal_signal_pending(). */
export const fatalSignalPending = (k: Kernel, task: Task): boolean =>
  hasSignal(task.pending.signal | k.process(task).sharedPending.signal, SIG.SIGKILL);

/** The stop at `place` that has come to its end, once. */
export function takeAnswer(k: Kernel, task: Task, place: StopPlace): Stop | undefined {
  const { stop } = task;
  if (stop?.at !== place || stop.state !== "over") return undefined;
  delete task.stop;
  recalcSigpendingTask(k, task);
  return stop;
}

const FROM_EXIT_LOOP: readonly StopPlace[] = ["signal", "job", "exit"];
type Beginning = Pick<Stop, "at" | "code"> & { readonly info?: Siginfo; readonly message?: bigint };

/** ptrace_stop(), its first half: true = the task sleeps now. `why` is CLD_TRAPPED or CLD_STOPPED. */
export function ptraceStop(k: Kernel, task: Task, { at, code, info, message }: Beginning, why: number): boolean {
  if (task.ptrace === undefined || fatalSignalPending(k, task)) return false;
  task.stop = { at, state: "traced", code, message: message ?? 0n, answer: 0, ...(info === undefined ? {} : { info }) };
  const job = task.job ?? {};
  const stopDone = why === SI_CODE.CLD_STOPPED && job.stopPending === true && participateGroupStop(k, task);
  delete job.trapStop;
  if (info !== undefined && info.code >> 8 === PTRACE_EVENT.STOP) delete job.trapNotify;
  // the way to user mode comes back here; a system call that the stop is before or in must not take it for a signal
  if (FROM_EXIT_LOOP.includes(at)) k.setFlag(task, "SIGPENDING");
  task.asleep = true;
  const tracer = tracerOf(k, task);
  const parent = parentOf(k, task);
  if (tracer !== undefined) notifyStopped(k, task, tracer, why);
  if (stopDone && parent !== undefined && parent !== tracer) notifyStopped(k, task, parent, why);
  return true;
}

/** The process that traces a task. */
export function tracerOf(k: Kernel, task: Task): Process | undefined {
  const tracer = k.state.tasks.find((t) => t.pid === task.ptrace?.tracer && !t.dead);
  return tracer === undefined ? undefined : k.process(tracer);
}
export const parentOf = (k: Kernel, task: Task): Process | undefined =>
  k.state.processes.find((p) => p.tgid === k.process(task).ppid);

/** do_notify_parent_cldstop(). */
export function notifyStopped(k: Kernel, task: Task, to: Process, why: number): void {
  const status =
    why === SI_CODE.CLD_CONTINUED
      ? SIG.SIGCONT
      : why === SI_CODE.CLD_STOPPED
        ? (k.process(task).stopCode ?? 0) & 0x7f
        : (task.stop?.code ?? 0) & 0x7f;
  const threads = k.state.tasks.filter((t) => t.tgid === to.tgid && !t.dead);
  const { handler, flags } = to.actions[SIG.SIGCHLD - 1]!;
  const [first] = threads;
  if (first !== undefined && handler !== BigInt(SIG_IGN) && (flags & SA.SA_NOCLDSTOP) === 0) {
    const info = {
      signo: SIG.SIGCHLD,
      errno: 0,
      code: why,
      pid: task.pid,
      uid: task.cred.uid,
      status,
      utime: 0n,
      stime: 0n,
    };
    sendSignal(k, first, info, true);
  }
  wakeWaiters(k, to);
}

/** __wake_up_parent(). */
export function wakeWaiters(k: Kernel, parent: Process): void {
  for (const task of k.state.tasks) if (task.tgid === parent.tgid && task.wait?.reason === "child") wakeUp(k, task);
}

/** A stop ends: the up-call is made again, and the task gets `answer` as its signal. */
export function endStop(k: Kernel, task: Task, answer: number): void {
  const { stop } = task;
  if (stop === undefined || stop.state === "over") return;
  stop.state = "over";
  stop.answer = answer;
  stop.code = 0;
  if (stop.at === "signal" || stop.at === "job") k.setFlag(task, "SIGPENDING");
  wakeUp(k, task);
}

const ownInfo = (task: Task, code: number): Siginfo => ({
  signo: SIG.SIGTRAP,
  errno: 0,
  code,
  pid: task.pid,
  uid: task.cred.uid,
});

/** ptrace_notify(): a SIGTRAP that only the tracer sees. true = the task sleeps now. */
export const ptraceNotify = (k: Kernel, task: Task, at: StopPlace, code: number, message: bigint): boolean =>
  ptraceStop(k, task, { at, code, message, info: ownInfo(task, code) }, SI_CODE.CLD_TRAPPED);

/** send_sig(sig, current, 1). */
export function sendOwn(k: Kernel, task: Task, signo: number): void {
  sendSignal(k, task, { signo, errno: 0, code: SI_CODE.SI_KERNEL, pid: 0, uid: 0 }, false);
}

const eventEnabled = (task: Task, event: number): boolean => ((task.ptrace?.options ?? 0) & (1 << event)) !== 0;
export const ptraceEventEnabled = (task: Task, event: number): boolean =>
  task.ptrace !== undefined && eventEnabled(task, event);

/** ptrace_event(): "stopped" = the task sleeps, come back; "over" = it is, or nobody asked. */
export function ptraceEvent(k: Kernel, task: Task, event: number, message: number): "stopped" | "over" {
  const at = event === PTRACE_EVENT.EXIT ? "exit" : "event";
  if (takeAnswer(k, task, at) !== undefined) return "over";
  if (ptraceEventEnabled(task, event))
    return ptraceNotify(k, task, at, (event << 8) | SIG.SIGTRAP, BigInt(message)) ? "stopped" : "over";
  // without the option an exec is a plain SIGTRAP, for those who did not seize
  if (event === PTRACE_EVENT.EXEC && task.ptrace?.seized === false) sendOwn(k, task, SIG.SIGTRAP);
  return "over";
}
