/**
 * What older kernels' flags look like: bit numbers, masks and the order of the work on the way to user mode, as differences from 6.1.
 * Up to 5.10 there was no thread_info.syscall_work: what it holds were TIF bits, so it is another name of `flags` here.
 */
import type { ExitWork, LayoutChange } from "./types.ts";

const mask = (tif: Readonly<Record<string, number>>, ...names: string[]): number =>
  names.reduce((sum, name) => sum | (1 << tif[name]!), 0);

/** Linux 4.0 to 4.6, arch/x86/include/asm/thread_info.h. */
const TIF_4 = {
  SYSCALL_TRACE: 0,
  NOTIFY_RESUME: 1,
  SIGPENDING: 2,
  NEED_RESCHED: 3,
  SINGLESTEP: 4,
  SYSCALL_EMU: 6,
  SYSCALL_AUDIT: 7,
  SECCOMP: 8,
  USER_RETURN_NOTIFY: 11,
  UPROBE: 12,
  NOTSC: 16,
  IA32: 17,
  FORK: 18,
  NOHZ: 19,
  MEMDIE: 20,
  POLLING_NRFLAG: 21,
  IO_BITMAP: 22,
  FORCED_TF: 24,
  BLOCKSTEP: 25,
  LAZY_MMU_UPDATES: 27,
  SYSCALL_TRACEPOINT: 28,
  ADDR32: 29,
  X32: 30,
} as const;
/** 3.14: machine checks are told on the way out, and idle says that it polls in `status`. */
const { POLLING_NRFLAG: _polling, ...TIF_BEFORE_POLLING } = TIF_4;
const TIF_3_14 = { ...TIF_BEFORE_POLLING, MCE_NOTIFY: 10 } as const;

const TS_OLD = { COMPAT: 0x2, RESTORE_SIGMASK: 0x8 } as const;

/** 6.1's name of what reports a step after a system call; here TIF_SINGLESTEP itself does. */
const syscallWork = {
  SYSCALL_TRACE: TIF_4.SYSCALL_TRACE,
  SYSCALL_EXIT_TRAP: TIF_4.SINGLESTEP,
  SYSCALL_EMU: TIF_4.SYSCALL_EMU,
  SYSCALL_AUDIT: TIF_4.SYSCALL_AUDIT,
  SECCOMP: TIF_4.SECCOMP,
  NOHZ: TIF_4.NOHZ,
  SYSCALL_TRACEPOINT: TIF_4.SYSCALL_TRACEPOINT,
} as const;
const ENTRY = mask(
  TIF_4,
  "SYSCALL_TRACE",
  "SYSCALL_EMU",
  "SYSCALL_AUDIT",
  "SECCOMP",
  "SINGLESTEP",
  "SYSCALL_TRACEPOINT",
  "NOHZ",
);
const EXIT = mask(TIF_4, "SYSCALL_TRACE", "SYSCALL_AUDIT", "SINGLESTEP", "SYSCALL_TRACEPOINT");

const SCHEDULE: ExitWork = { item: "schedule", flags: ["NEED_RESCHED"], kind: "schedule" };
const MCE: ExitWork = { item: "mce_notify_process", flags: ["MCE_NOTIFY"] };
/** The order of do_notify_resume() and of exit_to_usermode_loop(). */
const ONE_SHOT: readonly ExitWork[] = [
  { item: "uprobe_notify_resume", flags: ["UPROBE"] },
  { item: "do_signal", flags: ["SIGPENDING"], kind: "signal" },
  { item: "tracehook_notify_resume", flags: ["NOTIFY_RESUME"], kind: "resume" },
  { item: "fire_user_return_notifiers", flags: ["USER_RETURN_NOTIFY"] },
];
/** The I/O bitmap is 6.1's: these kernels copy it when they switch. */
const late: readonly ExitWork[] = [{ item: "tss_update_io_bitmap", flags: ["IO_BITMAP"], kind: "io-bitmap" }];

function older(tif: Readonly<Record<string, number>>, loop: readonly ExitWork[], exit: number): LayoutChange {
  const flags = loop.flatMap((work) => work.flags);
  return {
    tif,
    syscallWork,
    status: TS_OLD,
    work: { exitToUserMode: mask(tif, ...flags), syscallEnter: ENTRY, syscallExit: exit },
    exitWork: { names: { enter: "syscall_trace_enter", exit: "syscall_trace_leave" }, loop, late },
  };
}

const NOHZ_TOO = EXIT | mask(TIF_4, "NOHZ");
export const LINUX_3_14 = older(TIF_3_14, [SCHEDULE, MCE, ...ONE_SHOT], NOHZ_TOO);
export const LINUX_4_0 = older(TIF_4, [SCHEDULE, ...ONE_SHOT], NOHZ_TOO);
const since46 = older(TIF_4, [SCHEDULE, ...ONE_SHOT], EXIT);
export const LINUX_4_6: LayoutChange = {
  ...since46,
  exitWork: { ...since46.exitWork, names: { enter: "syscall_trace_enter", exit: "syscall_slow_exit_work" } },
};
