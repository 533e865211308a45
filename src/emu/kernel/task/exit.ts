/** The end of threads and programs: do_exit(), do_group_exit(), and what is left for the parent or a tracer to ask for. */
import type { Cpu } from "../../cpu/cpu.ts";
import { PTRACE_EVENT } from "../abi/ptrace.ts";
import { SA, SI_CODE, SIG, SIG_IGN, signalName } from "../abi/signal.ts";
import { descriptorsClosed } from "../fs/file-operations.ts";
import type { Kernel } from "../kernel.ts";
import { writeWordDirect } from "../mm/direct.ts";
import { destroyMm } from "../mm/mm.ts";
import { exitPtrace } from "../ptrace/attach.ts";
import { ptraceEvent, tracerOf, wakeWaiters } from "../ptrace/stop.ts";
import { recalcSigpending, sendSignal, signalWakeUp } from "../signal/send.ts";
import { bitOf } from "../signal/sets.ts";
import type { Mm, Process, Task, ZombieThread } from "../state.ts";
import { exitRobustLists, futexWake } from "./futex.ts";
import { wakeUp } from "./sched.ts";

/** How a thread or process ends. */
export type Fate = NonNullable<Process["groupExit"]>;

/** The whole thread group ends: exit_group, or a fatal signal. */
export function doGroupExit(k: Kernel, cpu: Cpu, task: Task, how: Fate): void {
  k.process(task).groupExit ??= how;
  for (const other of threadsOf(k, task.tgid)) if (other !== task) zap(k, other);
  doExit(k, cpu, task);
}

export const threadsOf = (k: Kernel, tgid: number): Task[] => k.state.tasks.filter((t) => t.tgid === tgid && !t.dead);

/** zap_other_threads(), one of them. */
export function zap(k: Kernel, task: Task): void {
  task.pending.signal |= bitOf(SIG.SIGKILL);
  recalcSigpending(k, task);
  signalWakeUp(k, task, true);
}

/** The wait status of an end. */
const statusCode = (how: Fate): number =>
  how.signal === 0 ? (how.status & 0xff) << 8 : how.signal | (how.core ? 0x80 : 0);

/**
 * One thread ends; with the last one the process does. Nothing returns to this task: its last up-call goes to schedule(). Unless its
 * tracer wants to see it first: then it has stopped, and this is called again.
 */
export function doExit(k: Kernel, cpu: Cpu, task: Task, own: Fate = { status: 0, signal: 0, core: false }): void {
  const process = k.process(task);
  const how = process.groupExit ?? own;
  if (ptraceEvent(k, task, PTRACE_EVENT.EXIT, statusCode(how)) === "stopped") return;
  exitRobustLists(k, task);
  clearChildTid(k, task);
  exitPtrace(k, task);
  task.dead = true;
  const isLast = threadsOf(k, task.tgid).length === 0;
  const ends = isLast && process.ppid === 0;
  leaveMm(k, cpu, task, ends);
  exitThread(k, task, process, how);
  const execing = threadsOf(k, task.tgid).find((t) => t.pid === process.execTask && t.wait?.reason === "exec");
  if (execing !== undefined) wakeUp(k, execing);
  if (!isLast) return;
  k.machine.events.emit(ends ? "exit-program" : "exit-process", cpu.index, {
    pid: process.tgid,
    status: how.status,
    ...(how.signal === 0 ? {} : { signal: signalName(how.signal) }),
  });
  if (ends) {
    k.state.exit = how.signal === 0 ? { status: how.status & 0xff } : { status: 128 + how.signal, signal: how.signal };
    k.machine.stop({ kind: "exit", ...k.state.exit });
  } else exitNotify(k, process, how);
}

/** mm_release(): whoever joins the thread waits for this word. */
function clearChildTid(k: Kernel, task: Task): void {
  if (task.clearChildTid === 0n || task.mm === undefined) return;
  const shares = k.state.tasks.some((t) => t !== task && t.mm === task.mm && !t.dead);
  if (!shares) return;
  writeWordDirect(k, task, Number(task.clearChildTid), 4, 0);
  futexWake(k, task, Number(task.clearChildTid), 1, -1);
}

/** exit_mm(): the last user of an address space takes it down, and nobody is on its page tables then. */
function leaveMm(k: Kernel, cpu: Cpu, task: Task, programEnds: boolean): void {
  const mm = k.mmOf(task);
  task.mm = undefined;
  if (programEnds) k.arch.goIdle(k, cpu);
  else k.arch.leaveMm(k, cpu);
  if (mm !== undefined) releaseMm(k, task, mm);
}

/** mmput() and the end of a vfork: `task` does not use this address space any more. */
export function releaseMm(k: Kernel, task: Task, mm: Mm): void {
  if (!k.state.tasks.some((t) => t.mm === mm.id)) destroyMm(k, mm);
  for (const parent of k.state.tasks) {
    if (parent.wait?.reason !== "vfork" || parent.wait.pid !== task.pid) continue;
    parent.wait.done = true;
    wakeUp(k, parent);
  }
}

/** A traced thread leaves something for its tracer; the first thread of a process leaves that it was traced. */
function exitThread(k: Kernel, task: Task, process: Process, how: Fate): void {
  const tracer = tracerOf(k, task);
  if (task.ptrace === undefined || tracer === undefined) return;
  if (task.pid === task.tgid) {
    if (tracer.tgid !== process.ppid) process.zombieTracer = tracer.tgid;
    return;
  }
  const zombie = {
    pid: task.pid,
    tgid: task.tgid,
    tracer: task.ptrace.tracer,
    tracerGroup: tracer.tgid,
    status: statusCode(how),
  };
  k.state.zombieThreads.push(zombie);
  sendChildSignal(k, tracer, SIG.SIGCHLD, endInfo(task.pid, task.cred.uid, how));
}

/** pid that orphans get for a parent: init, which reaps at once. */
const INIT_PID = 1;

/** exit_notify(): children get another parent, and the tracer or the parent hears of it. */
function exitNotify(k: Kernel, process: Process, how: Fate): void {
  for (const child of k.state.processes.filter((p) => p.ppid === process.tgid)) {
    child.ppid = INIT_PID;
    if (child.zombie !== undefined && child.zombieTracer === undefined) reap(k, child);
  }
  process.zombie = statusCode(how);
  const files = Object.values(process.files);
  process.files = {};
  descriptorsClosed(k, files);
  const tracer = k.state.processes.find((p) => p.tgid === process.zombieTracer && p.zombie === undefined);
  if (tracer !== undefined) sendChildSignal(k, tracer, SIG.SIGCHLD, zombieInfo(process));
  else {
    delete process.zombieTracer;
    toParent(k, process);
  }
}

/** The parent hears of a zombie; one that nobody asks for is gone. */
export function toParent(k: Kernel, process: Process): void {
  const parent = k.state.processes.find((p) => p.tgid === process.ppid);
  if (parent === undefined || parent.zombie !== undefined) {
    reap(k, process);
    return;
  }
  const { handler, flags } = parent.actions[SIG.SIGCHLD - 1]!;
  const nobodyAsks = handler === BigInt(SIG_IGN) || (flags & SA.SA_NOCLDWAIT) !== 0;
  if (process.exitSignal === SIG.SIGCHLD && nobodyAsks) reap(k, process);
  // do_notify_parent()
  if (process.exitSignal === 0) wakeWaiters(k, parent);
  else sendChildSignal(k, parent, process.exitSignal, zombieInfo(process));
}

function sendChildSignal(k: Kernel, to: Process, signo: number, info: ReturnType<typeof endInfo>): void {
  const [first] = threadsOf(k, to.tgid);
  if (first !== undefined) sendSignal(k, first, { signo, errno: 0, ...info }, true);
  wakeWaiters(k, to);
}

const endInfo = (pid: number, uid: number, how: Fate) => ({
  code: how.signal === 0 ? SI_CODE.CLD_EXITED : how.core ? SI_CODE.CLD_DUMPED : SI_CODE.CLD_KILLED,
  pid,
  uid,
  status: how.signal === 0 ? how.status & 0xff : how.signal,
  utime: 0n,
  stime: 0n,
});

const fateOf = (code: number): Fate => ({ status: code >> 8, signal: code & 0x7f, core: (code & 0x80) !== 0 });
/** What SIGCHLD and waitid say of a zombie. */
export const zombieInfo = (child: Process) => endInfo(child.tgid, child.uid, fateOf(child.zombie!));
export const threadInfo = (zombie: ZombieThread) => endInfo(zombie.pid, 0, fateOf(zombie.status));

/** release_task(). */
export function reap(k: Kernel, process: Process): void {
  k.state.processes = k.state.processes.filter((p) => p !== process);
}
export function reapThread(k: Kernel, zombie: ZombieThread): void {
  k.state.zombieThreads = k.state.zombieThreads.filter((z) => z !== zombie);
}
