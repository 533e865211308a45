/** New tasks: fork, vfork, clone, clone3 (kernel/fork.c). The child's first steps are ret_from_fork's, in guest code. */

import { CLONE, CLONE_ARGS } from "../abi/clone.ts";
import { E } from "../abi/errno.ts";
import { SIG } from "../abi/signal.ts";
import { newTask, taskMemoryLeft } from "../boot/init.ts";
import { copyMm } from "../mm/fork.ts";
import { destroyMm } from "../mm/mm.ts";
import { copyFromUser, putWord } from "../mm/uaccess.ts";
import { wakeUpNewTask } from "../sched.ts";
import { resetAltstack } from "../signal/altstack.ts";
import type { Mm, Process, Task } from "../state.ts";
import { BLOCK, type Syscall, type SyscallContext, type SyscallGroup, type SyscallResult } from "./types.ts";

interface CloneArgs {
  readonly flags: number;
  readonly exitSignal: number;
  /** 0 = the parent's. */
  readonly stack: bigint;
  readonly parentTid: bigint;
  readonly childTid: bigint;
  readonly tls: bigint;
}
const NOTHING: CloneArgs = { flags: 0, exitSignal: SIG.SIGCHLD, stack: 0n, parentTid: 0n, childTid: 0n, tls: 0n };

/** Asked for, and not there: namespaces, and tables shared between processes without CLONE_THREAD. */
const UNSUPPORTED =
  CLONE.NEWNS |
  CLONE.NEWCGROUP |
  CLONE.NEWUTS |
  CLONE.NEWIPC |
  CLONE.NEWUSER |
  CLONE.NEWPID |
  CLONE.NEWNET |
  CLONE.PIDFD;

/** kernel_clone(). */
function clone(c: SyscallContext, args: CloneArgs): SyscallResult {
  // a parent in vfork comes here again when the child lets go of its memory
  if (c.task.wait?.reason === "vfork") return waitForVfork(c);
  const { flags } = args;
  const implies = (a: number, b: number) => (flags & a) === 0 || (flags & b) !== 0;
  if (!implies(CLONE.THREAD, CLONE.SIGHAND) || !implies(CLONE.SIGHAND, CLONE.VM)) return -E.EINVAL;
  if ((flags & UNSUPPORTED) !== 0) return -E.EINVAL;
  if (!taskMemoryLeft(c.k)) return -E.EAGAIN;
  const child = copyProcess(c, args);
  if (typeof child === "number") return child;
  wakeUpNewTask(c.k, child);
  c.k.machine.events.emit("fork", c.cpu.index, {
    parent: c.task.pid,
    child: child.pid,
    thread: child.tgid === c.task.tgid,
  });
  if ((flags & CLONE.VFORK) === 0) return child.pid;
  c.task.wait = { reason: "vfork", pid: child.pid };
  return BLOCK;
}

function waitForVfork(c: SyscallContext): SyscallResult {
  const { wait } = c.task;
  return wait!.done === true || c.process.groupExit !== undefined ? wait!.pid! : BLOCK;
}

function copyProcess(c: SyscallContext, args: CloneArgs): Task | number {
  const { k, task: parent } = c;
  const { flags } = args;
  const shares = (flags & CLONE.VM) !== 0;
  const mm = shares ? k.mm(parent) : copyMm(k, parent);
  if (mm === undefined) return -E.ENOMEM;
  const pid = nextPid(c);
  const tgid = (flags & CLONE.THREAD) !== 0 ? parent.tgid : pid;
  const child = newTask(k, { pid, tgid, cpu: parent.cpu, idle: false });
  Object.assign(child, {
    mm: mm.id,
    blocked: parent.blocked,
    affinity: parent.affinity,
    altstack: { ...parent.altstack },
    tls: [...parent.tls],
    ...(shares || parent.rseq === undefined ? {} : { rseq: { ...parent.rseq } }),
    ...(parent.io === undefined ? {} : { io: { ...parent.io } }),
  } satisfies Partial<Task>);
  if (shares && (flags & CLONE.VFORK) === 0) resetAltstack(child);
  if (tgid === pid) k.state.processes.push(copyGroup(c, pid, args));
  copyThreadInfo(c, child);
  copyRegs(c, child, args.stack);
  if ((flags & CLONE.SETTLS) !== 0) {
    const error = k.arch.setTls(k, c.cpu, child, args.tls, c.compat);
    if (error !== 0) {
      discard(c, child, shares ? undefined : mm);
      return error;
    }
  }
  if ((flags & CLONE.PARENT_SETTID) !== 0) putWord(k, parent, Number(args.parentTid), 4, pid);
  if ((flags & CLONE.CHILD_SETTID) !== 0) putWord(k, child, Number(args.childTid), 4, pid);
  if ((flags & CLONE.CHILD_CLEARTID) !== 0) child.clearChildTid = args.childTid;
  k.timeline.forked(pid, "ret_from_fork");
  return child;
}

/** bad_fork_cleanup. */
function discard({ k }: SyscallContext, child: Task, mm: Mm | undefined): void {
  k.state.tasks = k.state.tasks.filter((t) => t !== child);
  k.state.freeTasks.push({ address: child.address, stack: child.stack });
  k.state.processes = k.state.processes.filter((p) => p.tgid !== child.pid);
  if (mm !== undefined) destroyMm(k, mm);
}

const nextPid = (c: SyscallContext): number =>
  Math.max(...c.k.state.tasks.map((t) => t.pid), ...c.k.state.processes.map((p) => p.tgid), c.k.state.lastPid) + 1;

/** A new thread group: copies of the parent's signal actions and descriptors, nothing pending. */
function copyGroup(c: SyscallContext, tgid: number, { exitSignal }: CloneArgs): Process {
  const { files, groupExit: _, zombie: __, ...rest } = c.process;
  const copy = structuredClone(rest);
  return {
    ...copy,
    tgid,
    ppid: c.task.tgid,
    exitSignal,
    sharedPending: { signal: 0n, queue: [] },
    // the open files themselves, with their positions, are shared
    files: { ...files },
  };
}

/** The parent's thread_info but for what waits for it alone. */
function copyThreadInfo(c: SyscallContext, child: Task): void {
  const { k, task } = c;
  k.state.lastPid = child.pid;
  for (const name of ["flags", "status"]) k.setThreadInfo(child, name, k.threadInfo(task, name));
  for (const flag of ["SIGPENDING", "NEED_RESCHED", "NOTIFY_SIGNAL", "NOTIFY_RESUME"]) k.setFlag(child, flag, false);
}

function copyRegs(c: SyscallContext, child: Task, stack: bigint): void {
  const { k } = c;
  const regs = k.userRegs(child);
  k.memory.write(regs.address, k.memory.read(c.regs.address, k.layout.ptRegsSize));
  regs.ax = 0;
  if (stack !== 0n) regs.set("sp", stack);
  k.arch.copyThread(k, c.cpu, child);
}

/** CSIGNAL: the low byte of clone's flags is the exit signal. */
const CSIGNAL = 0xff;
const legacyClone = (c: SyscallContext, tls: number, childTid: number): SyscallResult => {
  const word = c.uint(0);
  return clone(c, {
    flags: (word & ~CSIGNAL) | 0,
    exitSignal: word & CSIGNAL,
    stack: c.arg(1),
    parentTid: c.arg(2),
    tls: c.arg(tls),
    childTid: c.arg(childTid),
  });
};

const clone3: Syscall = (c) => {
  const size = c.addr(1);
  if (size < CLONE_ARGS.offset.set_tid || size > 4096) return size > 4096 ? -E.E2BIG : -E.EINVAL;
  const bytes = copyFromUser(c.k, c.task, c.addr(0), size);
  if (bytes === undefined) return -E.EFAULT;
  const whole = new Uint8Array(Math.max(CLONE_ARGS.size, size));
  whole.set(bytes);
  if (whole.subarray(CLONE_ARGS.size).some((byte) => byte !== 0)) return -E.E2BIG;
  const view = CLONE_ARGS.at(whole);
  const [stack, stackSize, flags] = [view.big("stack"), view.big("stack_size"), view.big("flags")];
  if (view.big("set_tid_size") !== 0n || (flags & ~0xffff_ff00n) !== 0n) return -E.EINVAL;
  if ((stack === 0n) !== (stackSize === 0n)) return -E.EINVAL;
  return clone(c, {
    flags: Number(flags) | 0,
    exitSignal: Number(view.big("exit_signal")),
    stack: stack + stackSize,
    parentTid: view.big("parent_tid"),
    childTid: view.big("child_tid"),
    tls: view.big("tls"),
  });
};

const shared: SyscallGroup = {
  fork: (c) => clone(c, NOTHING),
  vfork: (c) => clone(c, { ...NOTHING, flags: CLONE.VFORK | CLONE.VM }),
  clone3,
};
export const CLONE_CALLS_64: SyscallGroup = { ...shared, clone: (c) => legacyClone(c, 4, 3) };
/** CONFIG_CLONE_BACKWARDS: the last two arguments change places. */
export const CLONE_CALLS_32: SyscallGroup = { ...shared, clone: (c) => legacyClone(c, 3, 4) };
