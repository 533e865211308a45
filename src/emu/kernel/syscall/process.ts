/** Who runs, and how it ends. */
import { E } from "../abi/errno.ts";
import { RLIM_INFINITY_32, RLIMIT, RLIMIT_32, RLIMIT_64 } from "../abi/file.ts";
import { copyFromUser, getStruct, putStruct, putWord } from "../mm/uaccess.ts";
import type { Process, Task } from "../state.ts";
import { CAP, capable } from "../task/cred.ts";
import { doExit, doGroupExit } from "../task/exit.ts";
import { rseqCall } from "../task/rseq.ts";
import { setAffinity } from "../task/sched.ts";
import { BLOCK, type Syscall, type SyscallContext, type SyscallGroup, type SyscallResult } from "./types.ts";

/** A tracer may stop the task on its way out. */
const ended = (c: SyscallContext): SyscallResult => (c.task.dead ? undefined : BLOCK);
const exit: Syscall = (c) => {
  doExit(c.k, c.cpu, c.task, { status: c.int(0) & 0xff, signal: 0, core: false });
  return ended(c);
};
const exitGroup: Syscall = (c) => {
  doGroupExit(c.k, c.cpu, c.task, { status: c.int(0) & 0xff, signal: 0, core: false });
  return ended(c);
};

const setTidAddress: Syscall = (c) => {
  c.task.clearChildTid = c.arg(0);
  return c.task.pid;
};
const setRobustList: Syscall = (c) => {
  if (c.addr(1) !== (c.compat ? 12 : 24)) return -E.EINVAL;
  if (c.compat) c.task.compatRobustList = c.arg(0);
  else c.task.robustList = c.arg(0);
  return 0;
};

function putLimit(c: SyscallContext, address: number, [soft, hard]: readonly [bigint, bigint], wide: boolean): boolean {
  if (wide) return putStruct(c.k, c.task, address, RLIMIT_64.make({ rlim_cur: soft, rlim_max: hard }));
  const clip = (value: bigint) => (value > BigInt(RLIM_INFINITY_32) ? RLIM_INFINITY_32 : value);
  return putStruct(c.k, c.task, address, RLIMIT_32.make({ rlim_cur: clip(soft), rlim_max: clip(hard) }));
}
const getrlimit =
  (wide: (c: SyscallContext) => boolean): Syscall =>
  (c) => {
    const limit = c.process.rlimits[c.uint(0)];
    if (limit === undefined) return -E.EINVAL;
    return putLimit(c, c.addr(1), limit, wide(c)) ? 0 : -E.EFAULT;
  };
/** sysctl_nr_open. */
const NR_OPEN = 1_048_576n;
/** check_prlimit_permission(). */
function mayLimit(c: SyscallContext, { cred }: Task): boolean {
  const { uid, gid } = c.task.cred;
  const same = [cred.uid, cred.euid, cred.suid].every((id) => id === uid);
  return (same && [cred.gid, cred.egid, cred.sgid].every((id) => id === gid)) || capable(c.task, CAP.SYS_RESOURCE);
}
const prlimit64: Syscall = (c) => {
  const task = taskOf(c, c.int(0));
  if (task === undefined) return -E.ESRCH;
  if (task.tgid !== c.task.tgid && !mayLimit(c, task)) return -E.EPERM;
  const { rlimits } = c.k.process(task);
  const resource = c.uint(1);
  const limit = rlimits[resource];
  if (limit === undefined) return -E.EINVAL;
  const old: [bigint, bigint] = c.k.once("old_rlim", () => [...limit]);
  if (c.addr(2) !== 0) {
    const view = getStruct(c.k, c.task, c.addr(2), RLIMIT_64);
    if (view === undefined) return -E.EFAULT;
    const [soft, hard] = [view.big("rlim_cur"), view.big("rlim_max")];
    if (soft > hard) return -E.EINVAL;
    if (hard > limit[1] && !capable(c.task, CAP.SYS_RESOURCE)) return -E.EPERM;
    if (resource === RLIMIT.RLIMIT_NOFILE && hard > NR_OPEN) return -E.EPERM;
    rlimits[resource] = [soft, hard];
  }
  return c.addr(3) === 0 || putLimit(c, c.addr(3), old, true) ? 0 : -E.EFAULT;
};

const getcpu: Syscall = (c) => {
  for (const i of [0, 1]) {
    if (c.addr(i) !== 0 && !putWord(c.k, c.task, c.addr(i), 4, i === 0 ? c.cpu.index : 0)) return -E.EFAULT;
  }
  return 0;
};
const taskOf = (c: SyscallContext, pid: number): Task | undefined =>
  pid === 0 ? c.task : c.k.state.tasks.find((t) => t.pid === pid && !t.dead && !t.idle);

const schedGetaffinity: Syscall = (c) => {
  const size = c.wordSize;
  if (c.uint(1) < size || c.uint(1) % size !== 0) return -E.EINVAL;
  const task = taskOf(c, c.int(0));
  if (task === undefined) return -E.ESRCH;
  return putWord(c.k, c.task, c.addr(2), size, task.affinity) ? size : -E.EFAULT;
};
/** A task that may no longer run where it does leaves at once. */
const schedSetaffinity: Syscall = (c) => {
  const task = taskOf(c, c.int(0));
  if (task === undefined) return -E.ESRCH;
  // a shorter mask is as if the rest were zeros, and there are no more than eight CPUs
  const bytes = copyFromUser(c.k, c.task, c.addr(2), Math.min(c.uint(1), 1));
  if (bytes === undefined) return -E.EFAULT;
  const mask = (bytes[0] ?? 0) & (2 ** c.k.machine.cpus.length - 1);
  if (mask === 0) return -E.EINVAL;
  setAffinity(c.k, task, mask);
  return 0;
};

/** A process by pid, 0 = the caller's. */
const processOf = (c: SyscallContext, pid: number): Process | undefined =>
  pid === 0 ? c.process : c.k.state.processes.find((p) => p.tgid === pid && p.tgid > 0);
function ofProcess(c: SyscallContext, value: (p: Process) => number): number {
  const process = processOf(c, c.int(0));
  return process === undefined ? -E.ESRCH : value(process);
}
const setpgid: Syscall = (c) => {
  const process = processOf(c, c.int(0));
  if (process === undefined || (process !== c.process && process.ppid !== c.task.tgid)) return -E.ESRCH;
  const group = c.int(1) === 0 ? process.tgid : c.int(1);
  if (group < 0) return -E.EINVAL;
  const { sid } = process;
  const exists = group === process.tgid || c.k.state.processes.some((p) => p.pgrp === group && p.sid === sid);
  if (sid === process.tgid || !exists) return -E.EPERM;
  process.pgrp = group;
  return 0;
};
const setsid: Syscall = (c) => {
  if (c.k.state.processes.some((p) => p.pgrp === c.task.tgid)) return -E.EPERM;
  c.process.sid = c.process.pgrp = c.task.tgid;
  return c.process.sid;
};

export const PROCESS_CALLS: SyscallGroup = {
  exit,
  exit_group: exitGroup,
  getpid: (c) => c.task.tgid,
  gettid: (c) => c.task.pid,
  getppid: (c) => c.process.ppid,
  getpgrp: (c) => c.process.pgrp,
  getpgid: (c) => ofProcess(c, (p) => p.pgrp),
  getsid: (c) => ofProcess(c, (p) => p.sid),
  setpgid,
  setsid,
  set_tid_address: setTidAddress,
  set_robust_list: setRobustList,
  rseq: rseqCall,
  prlimit64,
  getrlimit: getrlimit((c) => !c.compat),
  ugetrlimit: getrlimit(() => false),
  getcpu,
  sched_getaffinity: schedGetaffinity,
  sched_setaffinity: schedSetaffinity,
  umask: (c) => {
    const old = c.process.fs.umask;
    c.process.fs.umask = c.int(0) & 0o777;
    return old;
  },
};
