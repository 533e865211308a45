/**
 * Linux 6.1's numbers that both kernels share (arch/x86/include/asm/thread_info.h, linux/thread_info.h, ptrace.h), and the 32-bit
 * pt_regs. The 64-bit kernel's own layout is in linux-6.1-64.ts.
 */
import { fields } from "./types.ts";

/** TIF_* in thread_info.flags. */
export const TIF = {
  NOTIFY_RESUME: 1,
  SIGPENDING: 2,
  NEED_RESCHED: 3,
  SINGLESTEP: 4,
  SSBD: 5,
  SPEC_IB: 9,
  SPEC_L1D_FLUSH: 10,
  USER_RETURN_NOTIFY: 11,
  UPROBE: 12,
  PATCH_PENDING: 13,
  NEED_FPU_LOAD: 14,
  NOCPUID: 15,
  NOTSC: 16,
  NOTIFY_SIGNAL: 17,
  MEMDIE: 20,
  POLLING_NRFLAG: 21,
  IO_BITMAP: 22,
  SPEC_FORCE_UPDATE: 23,
  FORCED_TF: 24,
  BLOCKSTEP: 25,
  LAZY_MMU_UPDATES: 27,
  ADDR32: 29,
} as const;

/** SYSCALL_WORK_BIT_* in thread_info.syscall_work. */
export const SYSCALL_WORK = {
  SECCOMP: 0,
  SYSCALL_TRACEPOINT: 1,
  SYSCALL_TRACE: 2,
  SYSCALL_EMU: 3,
  SYSCALL_AUDIT: 4,
  SYSCALL_USER_DISPATCH: 5,
  SYSCALL_EXIT_TRAP: 6,
} as const;

/** TS_* masks in thread_info.status. */
export const TS = { COMPAT: 0x2, I386_REGS_POKED: 0x4 } as const;

const bits = (...numbers: number[]): number => numbers.reduce((mask, bit) => mask | (1 << bit), 0);

export const WORK = {
  exitToUserMode: bits(
    TIF.SIGPENDING,
    TIF.NOTIFY_RESUME,
    TIF.UPROBE,
    TIF.NEED_RESCHED,
    TIF.PATCH_PENDING,
    TIF.NOTIFY_SIGNAL,
  ),
  syscallEnter: bits(
    SYSCALL_WORK.SECCOMP,
    SYSCALL_WORK.SYSCALL_TRACEPOINT,
    SYSCALL_WORK.SYSCALL_TRACE,
    SYSCALL_WORK.SYSCALL_EMU,
    SYSCALL_WORK.SYSCALL_AUDIT,
    SYSCALL_WORK.SYSCALL_USER_DISPATCH,
  ),
  syscallExit: bits(
    SYSCALL_WORK.SYSCALL_TRACEPOINT,
    SYSCALL_WORK.SYSCALL_TRACE,
    SYSCALL_WORK.SYSCALL_AUDIT,
    SYSCALL_WORK.SYSCALL_USER_DISPATCH,
    SYSCALL_WORK.SYSCALL_EXIT_TRAP,
  ),
} as const;

export const EXIT_WORK = {
  names: { enter: "syscall_trace_enter", exit: "syscall_exit_work" },
  loop: [
    { item: "schedule", flags: ["NEED_RESCHED"], kind: "schedule" },
    { item: "uprobe_notify_resume", flags: ["UPROBE"] },
    { item: "klp_update_patch_state", flags: ["PATCH_PENDING"] },
    { item: "arch_do_signal_or_restart", flags: ["SIGPENDING", "NOTIFY_SIGNAL"], kind: "signal" },
    { item: "resume_user_mode_work", flags: ["NOTIFY_RESUME"], kind: "resume" },
  ],
  late: [
    { item: "fire_user_return_notifiers", flags: ["USER_RETURN_NOTIFY"] },
    { item: "switch_fpu_return", flags: ["NEED_FPU_LOAD"] },
    { item: "tss_update_io_bitmap", flags: ["IO_BITMAP"], kind: "io-bitmap" },
  ],
} as const;

/** What the IDT calls whom: the APIC's vectors of asm/irq_vectors.h. */
export const VECTORS = {
  FIRST_EXTERNAL: 0x20,
  IA32_SYSCALL: 0x80,
  LOCAL_TIMER: 0xec,
  RESCHEDULE: 0xfd,
  ERROR_APIC: 0xfe,
  SPURIOUS_APIC: 0xff,
} as const;

export const PAGE_SIZE = 4096;

/** The i386 kernel's pt_regs; segment fields are 16 bits used of 32. */
export const PT_REGS_32 = fields({
  bx: 4,
  cx: 4,
  dx: 4,
  si: 4,
  di: 4,
  bp: 4,
  ax: 4,
  ds: 4,
  es: 4,
  fs: 4,
  gs: 4,
  orig_ax: 4,
  ip: 4,
  cs: 4,
  flags: 4,
  sp: 4,
  ss: 4,
});

/** The x86-64 kernel's pt_regs. */
export const PT_REGS_64 = fields({
  r15: 8,
  r14: 8,
  r13: 8,
  r12: 8,
  bp: 8,
  bx: 8,
  r11: 8,
  r10: 8,
  r9: 8,
  r8: 8,
  ax: 8,
  cx: 8,
  dx: 8,
  si: 8,
  di: 8,
  orig_ax: 8,
  ip: 8,
  cs: 8,
  flags: 8,
  sp: 8,
  ss: 8,
});
