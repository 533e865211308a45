/**
 * Everything the kernel knows that is not bytes in guest memory, as plain structured-clonable data: one value to save, restore and
 * hash. Functions elsewhere work on it; nothing may keep a reference into it across a run, because a restore replaces it.
 */
import type { Addr } from "../cpu/state.ts";
import type { Siginfo } from "./abi/siginfo.ts";
import type { AuditContext } from "./entry/audit.ts";
import type { Socket } from "./fs/socket.ts";
import type { DebugRegisters, JobControl, Stop, Traced } from "./ptrace/types.ts";
import type { Listener, Notification, Seccomp } from "./seccomp/types.ts";
import type { Unfinished } from "./steps.ts";
import type { Cred } from "./task/cred.ts";
import type { RealTimer } from "./task/itimer.ts";

/** VM_* flags of a mapping (linux/mm.h); SPECIAL marks kernel-owned pages such as the vDSO's. */
export const VM = {
  READ: 0x1,
  WRITE: 0x2,
  EXEC: 0x4,
  SHARED: 0x8,
  GROWSDOWN: 0x100,
  ACCOUNT: 0x10_0000,
  SPECIAL: 0x1000_0000,
} as const;

/** In `Vma.pages`: the mapping reaches here, but nothing is behind it (SIGBUS). */
export const NO_PAGE = -1;

export interface Vma {
  start: Addr;
  end: Addr;
  flags: number;
  /** "[heap]", "[stack]", "[vdso]", a file name, or "" for anonymous memory. */
  name: string;
  /** Files: where in the file `start` is. */
  offset?: number;
  /** Special mappings: the physical pages, one a page of the mapping. */
  pages?: readonly number[];
}

export interface Mm {
  id: number;
  /** Physical address of the top-level page table: CR3 in the kernel, and in user mode too but under page table isolation. */
  pgd: number;
  /** Sorted by address, without overlap. */
  vmas: Vma[];
  startBrk: Addr;
  brk: Addr;
  startStack: Addr;
  argStart: Addr;
  envStart: Addr;
  envEnd: Addr;
  /** Top of the area that mmap fills downwards, for 64-bit and for compat callers. */
  mmapBase: Addr;
  mmapCompatBase: Addr;
  /** End of user space for this program: TASK_SIZE as its ELF class sets it. */
  taskSize: Addr;
  /** Pages of memory promised (VM_ACCOUNT). */
  committed: number;
  context: {
    /** Address of the vDSO, 0 = none, and which image it is. */
    vdso: Addr;
    vdsoImage: string;
    /** mm->context.flags & MM_CONTEXT_HAS_VSYSCALL and friends, as in Linux: is this a 32-bit mm? */
    ia32: boolean;
    ldt?: { address: Addr; entries: number; pages: number[] };
  };
  auxv: readonly (readonly [type: number, value: bigint])[];
  exe: string;
}

/** Never changed, only replaced: those of a process that has set none are one object. */
export interface SigAction {
  readonly handler: bigint;
  readonly flags: number;
  readonly restorer: bigint;
  readonly mask: bigint;
}

export interface SigPending {
  /** Bit n-1 = signal n. */
  signal: bigint;
  queue: Siginfo[];
}

export interface OpenFile {
  /** "stdin", "stdout", "stderr", a kind of file-operations.ts and a number, or an absolute path of the sandboxed root. */
  path: string;
  flags: number;
  position: number;
  /** What a file of /proc said when it was opened. */
  contents?: Uint8Array;
}

/** What is in a pipe; replaced, never changed. */
export interface Pipe {
  bytes: Uint8Array;
}

/** Why a task sleeps in a system call, and what it needs to go on: the call runs again when the task is woken, and finds this. */
export interface Wait {
  reason:
    | "child"
    | "futex"
    | "sleep"
    | "signal"
    | "vfork"
    | "pipe"
    | "socket"
    | "listener"
    | "addfd"
    | "poll"
    | "inactive"
    | "exec"
    | "stop";
  /** What was waited for has happened. */
  done?: boolean;
  /** Machine time at which it ends by itself. */
  deadline?: number;
  /** futex: which word, and the bits that a waker must share; vfork: the child; inactive: the task that is to leave its CPU. */
  key?: string;
  bitset?: number;
  pid?: number;
  /** clone, execve: the tracer's event that is still to be seen. */
  event?: number;
  /** The call's number: execve leaves another one in orig_ax. */
  nr?: number;
  /** pipe, socket: bytes written so far. */
  progress?: number;
  /** addfd: what came of it. */
  result?: number;
}

/** The user's segment registers of a task that does not run, where the kernel leaves them in the processor (64 bit). */
export interface UserSegments {
  ds: number;
  es: number;
  fs: number;
  gs: number;
  fsBase: bigint;
  gsBase: bigint;
}

/** A thread group. */
export interface Process {
  tgid: number;
  ppid: number;
  pgrp: number;
  sid: number;
  /** Sent to the parent at the end; 0 = none. */
  exitSignal: number;
  /** It has ended with this wait status, and its parent has not asked yet. */
  zombie?: number;
  /** The process of the tracer that has to ask before the parent may. */
  zombieTracer?: number;
  /** SIGNAL_STOP_STOPPED, SIGNAL_STOP_CONTINUED (until waited for), group_stop_count, and group_exit_code of the stop until waited for. */
  stopped?: boolean;
  continued?: boolean;
  stopsLeft?: number;
  stopCode?: number;
  /** group_exec_task: the thread that waits in execve until it is alone. */
  execTask?: number;
  comm: string;
  /** Real user id of its first thread, for the parent to know. */
  uid: number;
  actions: SigAction[];
  sharedPending: SigPending;
  /** Set by exit_group or a fatal signal. */
  groupExit?: { status: number; signal: number; core: boolean };
  /** Descriptors; the same object in processes that share them (CLONE_FILES). */
  files: Record<number, OpenFile>;
  /** Descriptors that execve closes (FD_CLOEXEC); shared as they are. */
  closeOnExec: Record<number, true>;
  rlimits: [soft: bigint, hard: bigint][];
  /** ITIMER_REAL, while it runs. */
  realTimer?: RealTimer;
  /** fs_struct; the same object in processes that share it (CLONE_FS). */
  fs: { umask: number; cwd: string };
}

/** What is left of a traced thread until its tracer has asked. */
export interface ZombieThread {
  pid: number;
  tgid: number;
  /** The tracing thread and its process. */
  tracer: number;
  tracerGroup: number;
  status: number;
}

export interface Task {
  pid: number;
  tgid: number;
  mm: number | undefined;
  /** Guest addresses of task_struct (thread_info first) and of the kernel stack's lowest byte. */
  address: Addr;
  stack: Addr;
  cpu: number;
  idle: boolean;
  dead: boolean;
  cred: Cred;
  /** It is traced, and by whom; it has stopped, for a tracer or by job control. */
  ptrace?: Traced;
  stop?: Stop;
  job?: JobControl;
  debug?: DebugRegisters;
  /** The system call that audit has seen begin. */
  audit?: AuditContext;
  /** seccomp(2)'s mode and filters; PR_SET_NO_NEW_PRIVS. */
  seccomp?: Seccomp;
  /** A filter's listener has been told of the system call, and decides about it. */
  notification?: Notification;
  noNewPrivs?: boolean;
  /** The function of the exit loop that has left user mode's context, and has to go back there. */
  tracking?: string;
  blocked: bigint;
  /** Mask to put back when no signal is delivered (sigsuspend and the like). */
  savedSigmask?: bigint;
  pending: SigPending;
  altstack: { sp: bigint; size: bigint; flags: number };
  /** thread_struct: what the last fault left for sigcontext, and the DR6 that a tracer sees. */
  thread: { trapNr: number; errorCode: number; cr2: bigint; virtualDr6?: number };
  /** thread.tls_array: the three TLS descriptors, as in the GDT. */
  tls: bigint[];
  clearChildTid: bigint;
  /** set_child_tid: where a new task writes its id before anything else. */
  setChildTid?: bigint;
  /** robust_list and compat_robust_list: heads of the lists of locks that it holds. */
  robustList: bigint;
  compatRobustList: bigint;
  /** rseq_event_mask, as far as it matters: something has happened that ends a critical section. */
  rseq?: { address: bigint; length: number; signature: number; event?: boolean };
  /** The 32-bit kernel's vm86 state, its own business. */
  vm86?: Record<string, unknown>;
  /** Not runnable: neither on a run queue nor, but for the last steps of a switch, on a CPU. */
  asleep: boolean;
  /** The system call that it is in has slept at least once. */
  wait?: Wait;
  /** Up-calls that wait for a user copy, outermost first. */
  unfinished?: Unfinished[];
  /** restart_block: what restart_syscall goes on with. */
  restart?: Wait & { compat: boolean };
  /** CPUs it may run on, a bit each. */
  affinity: number;
  /** thread_struct: registers that no stack holds while another task runs. */
  segments?: UserSegments;
  fpu?: Uint8Array;
  /** Ports it may use, a clear bit each, and its emulated IOPL; every version of a bitmap has a number of its own. */
  io?: { bitmap?: Uint8Array; iopl: number; sequence: number };
}

export interface PageState {
  /** First never used physical page, and pages given back, last in first out. */
  next: number;
  end: number;
  /** The same below the kernel image, used when the rest is. */
  low: number;
  lowEnd: number;
  /** Pages there were for programs when the kernel had booted. */
  available: number;
  free: number[];
  /** Pairs of pages that were PGDs, under page table isolation. */
  pgds?: number[];
  /** Pages mapped by more than one address space: how many references there are beyond the first. */
  shared: Record<number, number>;
  /** Pages promised to programs, all address spaces together. */
  committed: number;
}

export interface KernelState {
  pages: PageState;
  tasks: Task[];
  processes: Process[];
  zombieThreads: ZombieThread[];
  mms: Mm[];
  /** pid of the task each CPU runs; idle tasks have pids of their own below 0. */
  current: number[];
  /** Tasks that want to run, by CPU, first come first served. */
  runQueues: number[][];
  /** Machine time at which the time slice of a CPU's task ends; Infinity while no other wants to run. */
  slices: number[];
  /** The version of an I/O bitmap that each CPU's TSS holds. */
  ioBitmaps: number[];
  /** Memory of ended tasks, to be used again. */
  freeTasks: { address: Addr; stack: Addr }[];
  nextId: number;
  lastPid: number;
  stdinPosition: number;
  /** Physical pages of the vDSO images in use, by image, and of vvar; frozen, since mappings have the same lists. */
  vdsoPages: Record<string, readonly number[]>;
  /** Pipes by number, while an end is open. */
  pipes: Record<number, Pipe>;
  /** Sockets by number, while somebody has them. */
  sockets: Record<number, Socket>;
  /** What seccomp's listeners have been told, by the filter's id, while somebody listens. */
  listeners: Record<number, Listener>;
  /** Files as they are now, by absolute path, and how many bytes they hold together. */
  files: Record<string, Uint8Array>;
  rootBytes: number;
  /** Inode numbers by path, of what somebody has asked about. */
  inodes: Record<string, number>;
  /** Where espfix64's ministacks are, and their physical pages. */
  espfix?: {
    pageRandom: number;
    slotRandom: number;
    pages: number[];
    /** What was set up, in order: page tables of a page, a CPU's own stack. */
    log: { cpu: number; when: string; step: string; address: Addr }[];
  };
  /** How often each injection has happened, and the interrupt vectors each CPU is offered. */
  injected: number[];
  /** Injections whose event has come, and that strike before the next instruction. */
  injecting?: { index: number; cpu: number }[];
  irq: number[][];
  /** How the program ended. */
  exit?: { status: number; signal?: number };
}

export const emptyPending = (): SigPending => ({ signal: 0n, queue: [] });
