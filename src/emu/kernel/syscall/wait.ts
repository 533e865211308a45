/** Waiting for children: wait4, waitpid, waitid. A child that has ended stays as a zombie until it is asked for here. */
import { P, RUSAGE_SIZE, WAIT, WAIT_MORE } from "../abi/clone.ts";
import { E, ERESTART } from "../abi/errno.ts";
import { encodeSiginfo } from "../abi/siginfo.ts";
import { SIG } from "../abi/signal.ts";
import { reap, zombieInfo } from "../exit.ts";
import { copyToUser, putWord } from "../mm/uaccess.ts";
import { signalPending } from "../signal/send.ts";
import type { Process } from "../state.ts";
import { BLOCK, type Syscall, type SyscallContext, type SyscallGroup, type SyscallResult } from "./types.ts";

/** do_wait(): a zombie among the children meant, or a result for the call. */
function findZombie(c: SyscallContext, meant: (p: Process) => boolean, options: number): Process | SyscallResult {
  const children = c.k.state.processes.filter((p) => p.ppid === c.task.tgid && meant(p));
  if (children.length === 0) return -E.ECHILD;
  const zombie = children.find((p) => p.zombie !== undefined);
  if (zombie !== undefined) return zombie;
  if ((options & WAIT.WNOHANG) !== 0) return 0;
  if (signalPending(c.k, c.task)) return -ERESTART.ERESTARTSYS;
  c.task.wait = { reason: "child" };
  return BLOCK;
}

const isProcess = (found: Process | SyscallResult): found is Process => typeof found === "object";

/** wait4's pid: a child, a group (negative), the caller's group (0), or any (-1). */
function byPid(c: SyscallContext, pid: number): (p: Process) => boolean {
  if (pid === -1) return () => true;
  const group = pid === 0 ? c.process.pgrp : -pid;
  return pid > 0 ? (p) => p.tgid === pid : (p) => p.pgrp === group;
}

function wait4(c: SyscallContext, rusage: number): SyscallResult {
  const options = c.int(2);
  if ((options & ~(WAIT.WNOHANG | WAIT.WUNTRACED | WAIT.WCONTINUED | WAIT_MORE)) !== 0) return -E.EINVAL;
  const found = findZombie(c, byPid(c, c.int(0)), options);
  if (!isProcess(found)) return found;
  reap(c.k, found);
  if (c.addr(1) !== 0 && !putWord(c.k, c.task, c.addr(1), 4, found.zombie!)) return -E.EFAULT;
  return putRusage(c, rusage) ? found.tgid : -E.EFAULT;
}

/** Nothing is accounted. */
const putRusage = (c: SyscallContext, address: number): boolean =>
  address === 0 || copyToUser(c.k, c.task, address, new Uint8Array(RUSAGE_SIZE[c.compat ? 32 : 64]));

const waitid: Syscall = (c) => {
  const [which, id, options] = [c.int(0), c.int(1), c.int(3)];
  if ((options & (WAIT.WEXITED | WAIT.WUNTRACED | WAIT.WCONTINUED)) === 0) return -E.EINVAL;
  const meant = idMatches(c, which, id);
  if (meant === undefined) return -E.EINVAL;
  const found = findZombie(c, (p) => meant(p) && (options & WAIT.WEXITED) !== 0, options);
  if (!isProcess(found)) return found;
  if ((options & WAIT.WNOWAIT) === 0) reap(c.k, found);
  const info = encodeSiginfo({ signo: SIG.SIGCHLD, errno: 0, ...zombieInfo(found) }, c.compat ? "ia32" : "64");
  if (c.addr(2) !== 0 && !copyToUser(c.k, c.task, c.addr(2), info)) return -E.EFAULT;
  return putRusage(c, c.addr(4)) ? 0 : -E.EFAULT;
};

function idMatches(c: SyscallContext, which: number, id: number): ((p: Process) => boolean) | undefined {
  if (which === P.ALL) return () => true;
  if (which === P.PID) return id > 0 ? (p) => p.tgid === id : undefined;
  if (which !== P.PGID || id < 0) return undefined;
  const group = id === 0 ? c.process.pgrp : id;
  return (p) => p.pgrp === group;
}

export const WAIT_CALLS: SyscallGroup = { wait4: (c) => wait4(c, c.addr(3)), waitpid: (c) => wait4(c, 0), waitid };
