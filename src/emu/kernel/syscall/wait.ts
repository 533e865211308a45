/**
 * Waiting for children and traced tasks (kernel/exit.c's do_wait()): wait4, waitpid, waitid. What has ended stays a zombie until it is
 * asked for here; a stop is told once.
 */
import { P, RUSAGE_SIZE, WAIT, WAIT_MORE } from "../abi/clone.ts";
import { E, ERESTART } from "../abi/errno.ts";
import { encodeSiginfo } from "../abi/siginfo.ts";
import { SI_CODE, SIG } from "../abi/signal.ts";
import { copyToUser, putWord } from "../mm/uaccess.ts";
import { tracerAsked } from "../ptrace/attach.ts";
import { isTracedStop } from "../ptrace/stop.ts";
import { signalPending } from "../signal/send.ts";
import type { Process, Task } from "../state.ts";
import { reap, reapThread, threadInfo, zombieInfo } from "../task/exit.ts";
import { BLOCK, type Syscall, type SyscallContext, type SyscallGroup, type SyscallResult } from "./types.ts";

/** Which ids are meant, and how the options narrow it. */
interface Request {
  readonly pid: (pid: number, pgrp: number) => boolean;
  readonly options: number;
}
/** What a wait tells: the wait status, and what siginfo says. */
interface Told {
  readonly pid: number;
  readonly status: number;
  readonly info: { readonly code: number; readonly uid: number; readonly status: number };
}
/** What it found; `take` makes it not be found again. */
interface Found extends Told {
  take(): void;
}
const STOPPED = 0x7f;
const CONTINUED = 0xffff;

/** eligible_child(): a child that tells its parent by another signal than SIGCHLD is a "clone" child. */
function eligible({ options }: Request, child: Process): boolean {
  if ((options & WAIT.__WALL) !== 0) return true;
  return (child.exitSignal !== SIG.SIGCHLD) === ((options & WAIT.__WCLONE) !== 0);
}

/** wait_consider_task() for a child by its parent. */
function considerChild(c: SyscallContext, child: Process, options: number): Found | undefined {
  const pid = child.tgid;
  if (child.zombie !== undefined && child.zombieTracer === undefined && (options & WAIT.WEXITED) !== 0) {
    return { pid, status: child.zombie, info: zombieInfo(child), take: () => reap(c.k, child) };
  }
  // a stop that the caller itself sees as the tracer is not told twice
  const leader = c.k.state.tasks.find((t) => t.pid === pid && !t.dead);
  if (leader?.ptrace !== undefined && tracesFor(c, leader)) return undefined;
  if (child.stopped === true && child.stopCode !== undefined && (options & WAIT.WUNTRACED) !== 0) {
    const signr = child.stopCode;
    const info = { code: SI_CODE.CLD_STOPPED, uid: child.uid, status: signr };
    return { pid, status: (signr << 8) | STOPPED, info, take: () => delete child.stopCode };
  }
  if (child.continued === true && (options & WAIT.WCONTINUED) !== 0) {
    const info = { code: SI_CODE.CLD_CONTINUED, uid: child.uid, status: SIG.SIGCONT };
    return { pid, status: CONTINUED, info, take: () => delete child.continued };
  }
  return undefined;
}

/** The task's tracer is a thread of the caller's process. */
const tracesFor = (c: SyscallContext, task: Task): boolean =>
  c.k.state.tasks.some((t) => t.pid === task.ptrace?.tracer && t.tgid === c.task.tgid);

function considerTraced(task: Task): Found | undefined {
  const { stop } = task;
  if (stop === undefined || !isTracedStop(task) || stop.code === 0) return undefined;
  const { code } = stop;
  return {
    pid: task.pid,
    status: (code << 8) | STOPPED,
    info: { code: SI_CODE.CLD_TRAPPED, uid: task.cred.uid, status: code },
    take: () => {
      stop.code = 0;
    },
  };
}

/** do_wait(): something to tell, or a result for the call. */
function doWait(c: SyscallContext, request: Request): Found | SyscallResult {
  const { state } = c.k;
  const { pid, options } = request;
  const children = state.processes.filter((p) => p.ppid === c.task.tgid && pid(p.tgid, p.pgrp) && eligible(request, p));
  const traced = state.tasks.filter(
    (t) => !t.dead && t.ptrace !== undefined && tracesFor(c, t) && pid(t.pid, c.k.process(t).pgrp),
  );
  const threads = state.zombieThreads.filter((z) => z.tracerGroup === c.task.tgid && pid(z.pid, -1));
  const ended = state.processes.filter(
    (p) => p.zombieTracer === c.task.tgid && p.zombie !== undefined && pid(p.tgid, p.pgrp),
  );
  if (children.length + traced.length + threads.length + ended.length === 0) return -E.ECHILD;
  for (const child of children) {
    const found = considerChild(c, child, options);
    if (found !== undefined) return found;
  }
  for (const task of traced) {
    const found = considerTraced(task);
    if (found !== undefined) return found;
  }
  if ((options & WAIT.WEXITED) !== 0) {
    const [thread] = threads;
    if (thread !== undefined)
      return { pid: thread.pid, status: thread.status, info: threadInfo(thread), take: () => reapThread(c.k, thread) };
    const [process] = ended;
    if (process !== undefined)
      return {
        pid: process.tgid,
        status: process.zombie!,
        info: zombieInfo(process),
        take: () => tracerAsked(c.k, process),
      };
  }
  if ((options & WAIT.WNOHANG) !== 0) return 0;
  if (signalPending(c.k, c.task)) return -ERESTART.ERESTARTSYS;
  c.task.wait = { reason: "child" };
  return BLOCK;
}

/** Finds something once, and takes it unless asked not to; what has to be copied out comes after. */
const findOnce = (c: SyscallContext, request: Request): Told | SyscallResult =>
  c.k.once("do_wait", () => {
    const found = doWait(c, request);
    if (typeof found !== "object") return found;
    if ((request.options & WAIT.WNOWAIT) === 0) found.take();
    const { pid, status, info } = found;
    return { pid, status, info };
  });
const isTold = (found: Told | SyscallResult): found is Told => typeof found === "object";

/** wait4's pid: a child, a group (negative), the caller's group (0), or any (-1). */
function byPid(c: SyscallContext, wanted: number): Request["pid"] {
  if (wanted === -1) return () => true;
  const group = wanted === 0 ? c.process.pgrp : -wanted;
  return wanted > 0 ? (pid) => pid === wanted : (_pid, pgrp) => pgrp === group;
}

function wait4(c: SyscallContext, rusage: number): SyscallResult {
  const options = c.int(2);
  if ((options & ~(WAIT.WNOHANG | WAIT.WUNTRACED | WAIT.WCONTINUED | WAIT_MORE)) !== 0) return -E.EINVAL;
  if (c.int(0) === -0x8000_0000) return -E.ESRCH;
  const found = findOnce(c, { pid: byPid(c, c.int(0)), options: options | WAIT.WEXITED });
  if (!isTold(found)) return found;
  if (c.addr(1) !== 0 && !putWord(c.k, c.task, c.addr(1), 4, found.status)) return -E.EFAULT;
  return putRusage(c, rusage) ? found.pid : -E.EFAULT;
}

/** Nothing is accounted. */
const putRusage = (c: SyscallContext, address: number): boolean =>
  address === 0 || copyToUser(c.k, c.task, address, new Uint8Array(RUSAGE_SIZE[c.compat ? 32 : 64]));

const waitid: Syscall = (c) => {
  const [which, id, options] = [c.int(0), c.int(1), c.int(3)];
  const known = WAIT.WNOHANG | WAIT.WNOWAIT | WAIT.WEXITED | WAIT.WUNTRACED | WAIT.WCONTINUED | WAIT_MORE;
  if ((options & ~known) !== 0) return -E.EINVAL;
  if ((options & (WAIT.WEXITED | WAIT.WUNTRACED | WAIT.WCONTINUED)) === 0) return -E.EINVAL;
  const meant = idMatches(c, which, id);
  if (meant === undefined) return -E.EINVAL;
  const found = findOnce(c, { pid: meant, options });
  if (!isTold(found) && found !== 0) return found;
  if (!putInfo(c, c.addr(2), isTold(found) ? found : undefined)) return -E.EFAULT;
  return putRusage(c, c.addr(4)) ? 0 : -E.EFAULT;
};

/** Without a child to tell of (WNOHANG) all fields are 0. Linux writes the six fields alone, not the whole structure. */
function putInfo(c: SyscallContext, address: number, found: Told | undefined): boolean {
  if (address === 0) return true;
  const signo = found === undefined ? 0 : SIG.SIGCHLD;
  const { code, uid, status } = found?.info ?? { code: 0, uid: 0, status: 0 };
  const info = { signo: SIG.SIGCHLD, errno: 0, code: SI_CODE.CLD_EXITED, pid: found?.pid ?? 0, uid, status };
  const bytes = encodeSiginfo(info, c.compat ? "ia32" : "64").slice(0, c.compat ? 24 : 28);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, signo, true);
  view.setInt32(8, code, true);
  return copyToUser(c.k, c.task, address, bytes);
}

function idMatches(c: SyscallContext, which: number, id: number): Request["pid"] | undefined {
  if (which === P.ALL) return () => true;
  if (which === P.PID) return id > 0 ? (pid) => pid === id : undefined;
  if (which !== P.PGID || id < 0) return undefined;
  const group = id === 0 ? c.process.pgrp : id;
  return (_pid, pgrp) => pgrp === group;
}

export const WAIT_CALLS: SyscallGroup = { wait4: (c) => wait4(c, c.addr(3)), waitpid: (c) => wait4(c, 0), waitid };
