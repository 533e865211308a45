/** New tasks: fork, vfork, clone, clone3 (kernel/fork.c). The child's first steps are ret_from_fork's, in guest code. */
import { CLONE, CLONE_ARGS, CLONE_CLEAR_SIGHAND } from "../abi/clone.ts";
import { E } from "../abi/errno.ts";
import { USER_DESC } from "../abi/ldt.ts";
import { PTRACE_EVENT } from "../abi/ptrace.ts";
import { SIG } from "../abi/signal.ts";
import { newTask, taskMemoryLeft } from "../boot/init.ts";
import { flushSignalHandlers } from "../exec/flush.ts";
import { copyMm } from "../mm/fork.ts";
import { destroyMm } from "../mm/mm.ts";
import { copyFromUser, putWord } from "../mm/uaccess.ts";
import { traceChild } from "../ptrace/attach.ts";
import { disableStep } from "../ptrace/step.ts";
import { ptraceEvent, ptraceEventEnabled } from "../ptrace/stop.ts";
import { setSyscallWork } from "../ptrace/work.ts";
import { copySeccomp } from "../seccomp/install.ts";
import { resetAltstack } from "../signal/altstack.ts";
import { killPending } from "../signal/send.ts";
import type { Mm, Process, Task, Wait } from "../state.ts";
import { wakeUpNewTask } from "../task/sched.ts";
import { BLOCK, type Syscall, type SyscallContext, type SyscallGroup, type SyscallResult } from "./types.ts";

interface CloneArgs {
  readonly flags: number;
  readonly exitSignal: number;
  /** 0 = the parent's. */
  readonly stack: bigint;
  readonly parentTid: bigint;
  readonly childTid: bigint;
  readonly tls: bigint;
  /** CLONE_CLEAR_SIGHAND, which only clone3 has room for. */
  readonly clearSighand?: boolean;
}
const NOTHING: CloneArgs = { flags: 0, exitSignal: SIG.SIGCHLD, stack: 0n, parentTid: 0n, childTid: 0n, tls: 0n };

/** Asked for, and not there: namespaces and descriptors of processes. */
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
  // a parent that has slept comes here again
  if (c.task.wait !== undefined) return afterClone(c, c.task.wait);
  const { flags } = args;
  const implies = (a: number, b: number) => (flags & a) === 0 || (flags & b) !== 0;
  if (!implies(CLONE.THREAD, CLONE.SIGHAND) || !implies(CLONE.SIGHAND, CLONE.VM)) return -E.EINVAL;
  if ((flags & UNSUPPORTED) !== 0 || (args.clearSighand === true && (flags & CLONE.SIGHAND) !== 0)) return -E.EINVAL;
  if (!taskMemoryLeft(c.k)) return -E.EAGAIN;
  const desc = userDesc(c, args);
  if (typeof desc === "number") return desc;
  const event = eventOf(c.task, args);
  const pid = c.k.once("copy_process", () => {
    const child = copyProcess(c, args, desc);
    if (typeof child === "number") return child;
    if (event !== undefined || (flags & CLONE.PTRACE) !== 0) traceChild(c.k, c.task, child);
    return child.pid;
  });
  if (pid < 0) return pid;
  if ((flags & CLONE.PARENT_SETTID) !== 0) putWord(c.k, c.task, Number(args.parentTid), 4, pid);
  const child = c.k.task(pid);
  wakeUpNewTask(c.k, child);
  c.k.machine.events.emit("fork", c.cpu.index, {
    parent: c.task.pid,
    child: child.pid,
    thread: child.tgid === c.task.tgid,
  });
  const vfork = (flags & CLONE.VFORK) !== 0;
  if (event === undefined && !vfork) return child.pid;
  c.task.wait = { reason: vfork ? "vfork" : "stop", pid: child.pid, ...(event === undefined ? {} : { event }) };
  return afterClone(c, c.task.wait);
}

/** CLONE_SETTLS of a 32-bit caller points to a user_desc: its bytes, undefined = none, or an error number. */
function userDesc(c: SyscallContext, { flags, tls }: CloneArgs): Uint8Array | undefined | number {
  if ((flags & CLONE.SETTLS) === 0 || !c.compat) return undefined;
  return copyFromUser(c.k, c.task, Number(tls), USER_DESC.size) ?? -E.EFAULT;
}

/** Which event a tracer has asked to see; undefined = none. */
function eventOf(task: Task, { flags, exitSignal }: CloneArgs): number | undefined {
  if ((flags & CLONE.UNTRACED) !== 0) return undefined;
  const { VFORK, CLONE: OTHER, FORK } = PTRACE_EVENT;
  const event = (flags & CLONE.VFORK) !== 0 ? VFORK : exitSignal !== SIG.SIGCHLD ? OTHER : FORK;
  return ptraceEventEnabled(task, event) ? event : undefined;
}

/** What a parent does before it goes on: its tracer sees the event, and in vfork the child must have let go of the memory. */
function afterClone(c: SyscallContext, wait: Wait): SyscallResult {
  const { k, task } = c;
  if (wait.event !== undefined && ptraceEvent(k, task, wait.event, wait.pid!) === "stopped") return BLOCK;
  delete wait.event;
  if (wait.reason !== "vfork") return wait.pid!;
  if (wait.done !== true && c.process.groupExit === undefined && !killPending(k, task)) return BLOCK;
  wait.reason = "stop";
  if (!ptraceEventEnabled(task, PTRACE_EVENT.VFORK_DONE)) return wait.pid!;
  wait.event = PTRACE_EVENT.VFORK_DONE;
  return afterClone(c, wait);
}

function copyProcess(c: SyscallContext, args: CloneArgs, desc: Uint8Array | undefined): Task | number {
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
    cred: structuredClone(parent.cred),
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
    const error = k.arch.setTls(k, c.cpu, child, args.tls, desc);
    if (error !== 0) {
      discard(c, child, shares ? undefined : mm);
      return error;
    }
  }
  if ((flags & CLONE.CHILD_SETTID) !== 0) child.setChildTid = args.childTid;
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

/** A new thread group: copies of the parent's signal actions, descriptors and the like, or the same ones; nothing is pending. */
function copyGroup(c: SyscallContext, tgid: number, { exitSignal, flags, clearSighand }: CloneArgs): Process {
  const { process, task } = c;
  const shares = (flag: number) => (flags & flag) !== 0;
  const copy: Process = {
    tgid,
    ppid: shares(CLONE.PARENT) ? process.ppid : task.tgid,
    pgrp: process.pgrp,
    sid: process.sid,
    exitSignal: shares(CLONE.PARENT) ? process.exitSignal : exitSignal,
    comm: process.comm,
    uid: task.cred.uid,
    sharedPending: { signal: 0n, queue: [] },
    // the open files themselves, with their positions, are shared in any case
    files: shares(CLONE.FILES) ? process.files : { ...process.files },
    closeOnExec: shares(CLONE.FILES) ? process.closeOnExec : { ...process.closeOnExec },
    fs: shares(CLONE.FS) ? process.fs : { ...process.fs },
    actions: shares(CLONE.SIGHAND) ? process.actions : [...process.actions],
    rlimits: structuredClone(process.rlimits),
  };
  if (clearSighand === true) flushSignalHandlers(copy, true);
  return copy;
}

/** The parent's thread_info but for what waits for it alone. */
function copyThreadInfo(c: SyscallContext, child: Task): void {
  const { k, task } = c;
  k.state.lastPid = child.pid;
  const names = ["flags", "status", ...(k.choice.hooks.sysenterReturn === true ? ["sysenter_return"] : [])];
  for (const name of names) k.setThreadInfo(child, name, k.threadInfo(task, name));
  for (const flag of ["SIGPENDING", "NEED_RESCHED", "NOTIFY_SIGNAL", "NOTIFY_RESUME"]) k.setFlag(child, flag, false);
  // where they are bits of `flags`, they have been copied
  for (const flag of ["SYSCALL_TRACE", "SYSCALL_EMU"]) setSyscallWork(k, child, flag, false);
  copySeccomp(k, task, child);
}

function copyRegs(c: SyscallContext, child: Task, stack: bigint): void {
  const { k } = c;
  const regs = k.userRegs(child);
  k.memory.write(regs.address, k.memory.read(c.regs.address, k.layout.ptRegsSize));
  regs.ax = 0;
  if (stack !== 0n) regs.set("sp", stack);
  disableStep(k, child);
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
  if (view.big("set_tid_size") !== 0n || (flags & ~0x1_ffff_ff00n) !== 0n) return -E.EINVAL;
  if ((stack === 0n) !== (stackSize === 0n)) return -E.EINVAL;
  return clone(c, {
    flags: Number(flags & 0xffff_ffffn) | 0,
    clearSighand: (flags & CLONE_CLEAR_SIGHAND) !== 0n,
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
