/** The end of threads and programs: do_exit(), do_group_exit(), and what is left for the parent to ask for. */
import type { Cpu } from "../cpu/cpu.ts";
import { SA, SI_CODE, SIG, SIG_IGN, signalName } from "./abi/signal.ts";
import { USER_ID } from "./exec/stack.ts";
import { futexWake } from "./futex.ts";
import type { Kernel } from "./kernel.ts";
import { destroyMm } from "./mm/mm.ts";
import { putWord } from "./mm/uaccess.ts";
import { wakeUp } from "./sched.ts";
import { recalcSigpending, sendSignal, signalWakeUp } from "./signal/send.ts";
import { bitOf } from "./signal/sets.ts";
import type { Process, Task } from "./state.ts";

/** The whole thread group ends: exit_group, or a fatal signal. */
export function doGroupExit(k: Kernel, cpu: Cpu, task: Task, how: NonNullable<Process["groupExit"]>): void {
  k.process(task).groupExit ??= how;
  for (const other of threadsOf(k, task.tgid)) if (other !== task) zap(k, other);
  doExit(k, cpu, task);
}

const threadsOf = (k: Kernel, tgid: number): Task[] => k.state.tasks.filter((t) => t.tgid === tgid && !t.dead);

/** zap_other_threads(), one of them. */
function zap(k: Kernel, task: Task): void {
  task.pending.signal |= bitOf(SIG.SIGKILL);
  recalcSigpending(k, task);
  signalWakeUp(k, task);
}

/** One thread ends; with the last one the process does. Nothing returns to this task: its last up-call goes to schedule(). */
export function doExit(k: Kernel, cpu: Cpu, task: Task, status = 0): void {
  const process = k.process(task);
  const how = process.groupExit ?? { status, signal: 0, core: false };
  clearChildTid(k, task);
  task.dead = true;
  const isLast = threadsOf(k, task.tgid).length === 0;
  const ends = isLast && process.ppid === 0;
  exitMm(k, cpu, task, ends);
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
  putWord(k, task, Number(task.clearChildTid), 4, 0);
  futexWake(k, task, Number(task.clearChildTid), 1, -1);
}

/** exit_mm(): the last user of an address space takes it down, and nobody is on its page tables then. */
function exitMm(k: Kernel, cpu: Cpu, task: Task, programEnds: boolean): void {
  const { mm } = task;
  task.mm = undefined;
  if (programEnds) k.arch.goIdle(k, cpu);
  else k.arch.leaveMm(k, cpu);
  if (mm !== undefined && !k.state.tasks.some((t) => t.mm === mm)) destroyMm(k, k.state.mms.find((m) => m.id === mm)!);
  for (const parent of k.state.tasks) {
    if (parent.wait?.reason !== "vfork" || parent.wait.pid !== task.pid) continue;
    parent.wait.done = true;
    wakeUp(k, parent);
  }
}

/** pid that orphans get for a parent: init, which reaps at once. */
const INIT_PID = 1;

/** exit_notify(): children get another parent, and the parent hears of it. */
function exitNotify(k: Kernel, process: Process, how: NonNullable<Process["groupExit"]>): void {
  for (const child of k.state.processes.filter((p) => p.ppid === process.tgid)) {
    child.ppid = INIT_PID;
    if (child.zombie !== undefined) reap(k, child);
  }
  process.zombie = how.signal === 0 ? (how.status & 0xff) << 8 : how.signal | (how.core ? 0x80 : 0);
  const parent = k.state.processes.find((p) => p.tgid === process.ppid);
  if (parent === undefined || parent.zombie !== undefined) {
    reap(k, process);
    return;
  }
  const { handler, flags } = parent.actions[SIG.SIGCHLD - 1]!;
  const nobodyAsks = handler === BigInt(SIG_IGN) || (flags & SA.SA_NOCLDWAIT) !== 0;
  notifyParent(k, parent, process, how);
  if (process.exitSignal === SIG.SIGCHLD && nobodyAsks) reap(k, process);
}

/** do_notify_parent(). */
function notifyParent(k: Kernel, parent: Process, child: Process, how: NonNullable<Process["groupExit"]>): void {
  const threads = threadsOf(k, parent.tgid);
  const [first] = threads;
  if (first === undefined) return;
  if (child.exitSignal !== 0) {
    sendSignal(k, first, { signo: child.exitSignal, errno: 0, ...childInfo(child, how) }, true);
  }
  for (const task of threads) if (task.wait?.reason === "child") wakeUp(k, task);
}

const childInfo = (child: Process, how: NonNullable<Process["groupExit"]>) => ({
  code: how.signal === 0 ? SI_CODE.CLD_EXITED : how.core ? SI_CODE.CLD_DUMPED : SI_CODE.CLD_KILLED,
  pid: child.tgid,
  uid: USER_ID,
  status: how.signal === 0 ? how.status & 0xff : how.signal,
  utime: 0n,
  stime: 0n,
});

/** What SIGCHLD and waitid say of a zombie. */
export const zombieInfo = (child: Process) => childInfo(child, child.groupExit ?? statusOf(child.zombie!));
const statusOf = (code: number) => ({ status: code >> 8, signal: code & 0x7f, core: (code & 0x80) !== 0 });

/** release_task(). */
export function reap(k: Kernel, process: Process): void {
  k.state.processes = k.state.processes.filter((p) => p !== process);
}
