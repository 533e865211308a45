/** Numbers of clone, wait, futex and the sleeping calls: uapi/linux/sched.h, wait.h, futex.h, time.h. */
import { s32, s64, struct, u32, u64 } from "./struct.ts";

export const CLONE = {
  VM: 0x100,
  FS: 0x200,
  FILES: 0x400,
  SIGHAND: 0x800,
  PIDFD: 0x1000,
  PTRACE: 0x2000,
  VFORK: 0x4000,
  PARENT: 0x8000,
  THREAD: 0x1_0000,
  NEWNS: 0x2_0000,
  SYSVSEM: 0x4_0000,
  SETTLS: 0x8_0000,
  PARENT_SETTID: 0x10_0000,
  CHILD_CLEARTID: 0x20_0000,
  UNTRACED: 0x80_0000,
  CHILD_SETTID: 0x100_0000,
  NEWCGROUP: 0x200_0000,
  NEWUTS: 0x400_0000,
  NEWIPC: 0x800_0000,
  NEWUSER: 0x1000_0000,
  NEWPID: 0x2000_0000,
  NEWNET: 0x4000_0000,
} as const;

export const CLONE_CLEAR_SIGHAND = 0x1_0000_0000n;

export const CLONE_ARGS = struct({
  flags: u64,
  pidfd: u64,
  child_tid: u64,
  parent_tid: u64,
  exit_signal: u64,
  stack: u64,
  stack_size: u64,
  tls: u64,
  set_tid: u64,
  set_tid_size: u64,
  cgroup: u64,
});

export const WAIT = {
  WNOHANG: 1,
  WUNTRACED: 2,
  WEXITED: 4,
  WCONTINUED: 8,
  WNOWAIT: 0x100_0000,
  __WALL: 0x4000_0000,
  __WCLONE: 0x8000_0000 | 0,
} as const;
/** Bits above that the wait calls also take: __WNOTHREAD, __WALL, __WCLONE. */
export const WAIT_MORE = 0xe000_0000 | 0;
export const P = { ALL: 0, PID: 1, PGID: 2 } as const;

export const FUTEX = {
  WAIT: 0,
  WAKE: 1,
  REQUEUE: 3,
  CMP_REQUEUE: 4,
  WAIT_BITSET: 9,
  WAKE_BITSET: 10,
  PRIVATE_FLAG: 128,
  CLOCK_REALTIME: 256,
} as const;
export const TIMER_ABSTIME = 1;

/** struct rusage is all zeros here; only its size counts. */
export const RUSAGE_SIZE = { 64: 144, 32: 72 } as const;
export const TIMESPEC = {
  64: struct({ tv_sec: s64, tv_nsec: s64 }),
  32: struct({ tv_sec: s32, tv_nsec: s32 }),
} as const;
export const PIPE_FDS = struct({ read: u32, write: u32 });
