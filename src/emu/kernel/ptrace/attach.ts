/** Who traces whom (kernel/ptrace.c): TRACEME, ATTACH, SEIZE, DETACH, children of a traced task, and the end of a tracer. */
import { E } from "../abi/errno.ts";
import { PTRACE_O } from "../abi/ptrace.ts";
import { SI_CODE, SIG } from "../abi/signal.ts";
import type { Kernel } from "../kernel.ts";
import { wakeForTrap } from "../signal/jobctl.ts";
import { recalcSigpendingTask, sendSignal } from "../signal/send.ts";
import { bitOf } from "../signal/sets.ts";
import type { Process, Task } from "../state.ts";
import { CAP, capable } from "../task/cred.ts";
import { reapThread, toParent } from "../task/exit.ts";
import { disableStep } from "./step.ts";
import { endStop, isStopped } from "./stop.ts";
import { setSyscallWork } from "./work.ts";

/** ptrace_traceme(): the parent, by its first thread, becomes the tracer. */
export function traceme(k: Kernel, task: Task): number {
  if (task.ptrace !== undefined) return -E.EPERM;
  const parent = k.process(task).ppid;
  const tracer = k.state.tasks.find((t) => t.tgid === parent && !t.dead && !t.idle);
  if (tracer !== undefined) task.ptrace = { tracer: tracer.pid, seized: false, options: 0 };
  return 0;
}

/** __ptrace_may_access() with the real ids. */
function mayAccess(tracer: Task, { cred }: Task): boolean {
  const { uid, gid } = tracer.cred;
  const same =
    [cred.uid, cred.euid, cred.suid].every((id) => id === uid) &&
    [cred.gid, cred.egid, cred.sgid].every((id) => id === gid);
  return same || capable(tracer, CAP.SYS_PTRACE);
}

/** check_ptrace_options(). Who suspends seccomp must be free of it. */
export function checkOptions(tracer: Task, options: number): number {
  if ((options & ~PTRACE_O.MASK) !== 0) return -E.EINVAL;
  if ((options & PTRACE_O.SUSPEND_SECCOMP) === 0) return 0;
  const suspended = ((tracer.ptrace?.options ?? 0) & PTRACE_O.SUSPEND_SECCOMP) !== 0;
  return capable(tracer, CAP.SYS_ADMIN) && tracer.seccomp === undefined && !suspended ? 0 : -E.EPERM;
}

/** ptrace_attach(). */
export function attach(k: Kernel, tracer: Task, task: Task, seize: boolean, addr: bigint, options: number): number {
  if (seize && (addr !== 0n || (options & ~PTRACE_O.MASK) !== 0)) return -E.EIO;
  const error = seize ? checkOptions(tracer, options) : 0;
  if (error !== 0) return error;
  if (task.idle || task.tgid === tracer.tgid || !mayAccess(tracer, task)) return -E.EPERM;
  if (task.dead || task.ptrace !== undefined) return -E.EPERM;
  task.ptrace = { tracer: tracer.pid, seized: seize, options: seize ? options : 0 };
  if (!seize)
    sendSignal(k, task, { signo: SIG.SIGSTOP, errno: 0, code: SI_CODE.SI_KERNEL, pid: 0, uid: 0 }, false, true);
  if (task.stop?.state !== "stopped") return 0;
  // a task stopped by job control goes over into a stop of the tracer's kind
  task.job = { ...task.job, trapStop: true };
  endStop(k, task, 0);
  return 0;
}

/** ptrace_init_task(): a new task of a traced one, when CLONE_PTRACE or an event option says so. */
export function traceChild(k: Kernel, parent: Task, child: Task): void {
  if (parent.ptrace === undefined) return;
  child.ptrace = { ...parent.ptrace };
  if (child.ptrace.seized) child.job = { trapStop: true };
  else {
    child.pending.signal |= bitOf(SIG.SIGSTOP);
    child.pending.queue.push({ signo: SIG.SIGSTOP, errno: 0, code: SI_CODE.SI_USER, pid: 0, uid: 0 });
  }
  recalcSigpendingTask(k, child);
}

/** ptrace_detach(). */
export function detach(k: Kernel, task: Task, signr: number): void {
  disableStep(k, task);
  unlink(k, task, signr);
}

/** __ptrace_unlink(): a task whose process is stopped stays so, as a child of its parent. */
function unlink(k: Kernel, task: Task, signr: number): void {
  delete task.ptrace;
  for (const flag of ["SYSCALL_TRACE", "SYSCALL_EMU"]) setSyscallWork(k, task, flag, false);
  const process = k.process(task);
  const job = { ...task.job };
  delete job.trapStop;
  delete job.trapNotify;
  const groupStop = process.stopped === true || (process.stopsLeft ?? 0) > 0;
  if (groupStop) {
    job.stopPending = true;
    job.stopSignal ??= SIG.SIGSTOP;
    if (process.stopped !== true) process.stopsLeft = Math.max(process.stopsLeft ?? 0, 1);
  }
  task.job = job;
  if (task.stop?.state === "traced") endStop(k, task, signr);
  else if (groupStop && !isStopped(task)) wakeForTrap(k, task, true);
}

/** exit_ptrace(): what a thread traced goes on alone. */
export function exitPtrace(k: Kernel, tracer: Task): void {
  for (const task of k.state.tasks.filter((t) => t.ptrace?.tracer === tracer.pid && !t.dead)) {
    const kills = ((task.ptrace?.options ?? 0) & PTRACE_O.EXITKILL) !== 0;
    detach(k, task, 0);
    if (kills)
      sendSignal(k, task, { signo: SIG.SIGKILL, errno: 0, code: SI_CODE.SI_KERNEL, pid: 0, uid: 0 }, true, true);
  }
  for (const zombie of k.state.zombieThreads.filter((z) => z.tracer === tracer.pid)) reapThread(k, zombie);
  if (k.state.tasks.some((t) => t !== tracer && t.tgid === tracer.tgid && !t.dead)) return;
  for (const process of k.state.processes.filter((p) => p.zombieTracer === tracer.tgid)) tracerAsked(k, process);
}

/** A traced process's end is its parent's to hear of once the tracer knows, or is gone. */
export function tracerAsked(k: Kernel, process: Process): void {
  delete process.zombieTracer;
  toParent(k, process);
}
