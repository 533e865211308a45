/** Job control (kernel/signal.c): group stops by SIGSTOP and its kin, SIGCONT, and the traps that tracers see of them. */
import { PTRACE_EVENT } from "../abi/ptrace.ts";
import type { Siginfo } from "../abi/siginfo.ts";
import { defaultAction, SI_CODE, SIG } from "../abi/signal.ts";
import type { Kernel } from "../kernel.ts";
import { endStop, isStopped, notifyStopped, parentOf, ptraceStop } from "../ptrace/stop.ts";
import type { Task } from "../state.ts";
import { flushSignals, recalcSigpendingTask, signalWakeUp } from "./send.ts";
import { bitOf } from "./sets.ts";

const STOP_SIGNALS = [SIG.SIGSTOP, SIG.SIGTSTP, SIG.SIGTTIN, SIG.SIGTTOU].reduce(
  (set, signr) => set | bitOf(signr),
  0n,
);

const threadsOf = (k: Kernel, task: Task): Task[] => k.state.tasks.filter((t) => t.tgid === task.tgid && !t.dead);
export const jobPending = (task: Task): boolean => {
  const { job } = task;
  return job !== undefined && (job.stopPending === true || job.trapStop === true || job.trapNotify === true);
};

/** prepare_signal(): stop signals and SIGCONT take each other back, and SIGCONT wakes whoever is stopped, even if it is ignored. */
export function prepareSignal(k: Kernel, task: Task, signr: number): void {
  if (defaultAction(signr) === "stop") flushEverywhere(k, task, bitOf(SIG.SIGCONT));
  else if (signr === SIG.SIGCONT) {
    flushEverywhere(k, task, STOP_SIGNALS);
    for (const thread of threadsOf(k, task)) continueThread(k, thread);
    continueProcess(k, task);
  }
}

function flushEverywhere(k: Kernel, task: Task, set: bigint): void {
  flushSignals(k.process(task).sharedPending, set);
  for (const thread of threadsOf(k, task)) flushSignals(thread.pending, set);
}

function continueThread(k: Kernel, task: Task): void {
  if (task.job !== undefined) delete task.job.stopPending;
  if (task.ptrace?.seized === true) trapNotify(k, task);
  else if (task.stop?.state === "stopped") endStop(k, task, 0);
}

function continueProcess(k: Kernel, task: Task): void {
  const process = k.process(task);
  const wasStopped = process.stopped === true;
  const wasStopping = (process.stopsLeft ?? 0) > 0;
  delete process.stopped;
  delete process.stopsLeft;
  delete process.stopCode;
  if (!wasStopped && !wasStopping) return;
  process.continued = true;
  const parent = parentOf(k, task);
  if (parent !== undefined) notifyStopped(k, task, parent, wasStopped ? SI_CODE.CLD_CONTINUED : SI_CODE.CLD_STOPPED);
}

/** ptrace_trap_notify(): a seized task that listens traps again. */
function trapNotify(k: Kernel, task: Task): void {
  task.job = { ...task.job, trapNotify: true };
  wakeForTrap(k, task, task.stop?.listening === true);
}

/** ptrace_signal_wake_up(): the task comes into get_signal(); out of a traced stop only if `resume`. */
export function wakeForTrap(k: Kernel, task: Task, resume: boolean): void {
  recalcSigpendingTask(k, task);
  if (isStopped(task)) {
    if (resume || task.stop!.state === "stopped") endStop(k, task, 0);
  } else signalWakeUp(k, task);
}

/** task_participate_group_stop(): true for the last one, with which the process has stopped. */
export function participateGroupStop(k: Kernel, task: Task): boolean {
  const process = k.process(task);
  if (task.job !== undefined) delete task.job.stopPending;
  process.stopsLeft = Math.max((process.stopsLeft ?? 0) - 1, 0);
  if (process.stopsLeft > 0 || process.stopped === true) return false;
  process.stopped = true;
  delete process.continued;
  return true;
}

/** do_signal_stop(): true = the task sleeps now. A traced one only notes that it has to trap. */
export function doSignalStop(k: Kernel, task: Task, signr: number): boolean {
  if (task.job?.stopPending !== true) {
    if (k.process(task).groupExit !== undefined) return false;
    beginGroupStop(k, task, signr);
  }
  if (task.ptrace !== undefined) {
    task.job = { ...task.job, trapStop: true };
    return false;
  }
  const { stopSignal } = task.job!;
  const last = participateGroupStop(k, task);
  task.stop = { at: "job", state: "stopped", code: stopSignal ?? signr, message: 0n, answer: 0 };
  k.setFlag(task, "SIGPENDING");
  task.asleep = true;
  const parent = parentOf(k, task);
  if (last && parent !== undefined) notifyStopped(k, task, parent, SI_CODE.CLD_STOPPED);
  return true;
}

function beginGroupStop(k: Kernel, task: Task, signr: number): void {
  const process = k.process(task);
  process.stopCode = signr;
  process.stopsLeft = 0;
  for (const thread of threadsOf(k, task)) {
    if (thread.stop?.state === "stopped") continue;
    thread.job = { ...thread.job, stopPending: true, stopSignal: signr };
    process.stopsLeft++;
    if (thread === task) continue;
    if (thread.ptrace?.seized === true) trapNotify(k, thread);
    else wakeForTrap(k, thread, false);
  }
}

/** do_jobctl_trap(): true = the task sleeps now. A seized task says whether it is stopped or was only interrupted. */
export function doJobctlTrap(k: Kernel, task: Task): boolean {
  const process = k.process(task);
  const { stopSignal = 0 } = task.job ?? {};
  const why = SI_CODE.CLD_STOPPED;
  if (task.ptrace?.seized === true) {
    const inStop = process.stopped === true || (process.stopsLeft ?? 0) > 0;
    const signo = inStop ? stopSignal : SIG.SIGTRAP;
    const code = signo | (PTRACE_EVENT.STOP << 8);
    const info: Siginfo = { signo, errno: 0, code, pid: task.pid, uid: task.cred.uid };
    return ptraceStop(k, task, { at: "job", code, info }, why) || forget(task);
  }
  return ptraceStop(k, task, { at: "job", code: stopSignal }, why) || forget(task);
}

/** The tracer is gone, or SIGKILL is there: no trap. */
function forget(task: Task): false {
  if (task.job !== undefined) {
    delete task.job.trapStop;
    delete task.job.trapNotify;
  }
  return false;
}
