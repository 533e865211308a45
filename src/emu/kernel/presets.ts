/** Presets: named sets of designs with the flags of a Linux, each with what it reproduces and what was read for it. */
import { LINUX_3_14, LINUX_4_0, LINUX_4_6 } from "./layout/older.ts";
import type { LayoutChange } from "./layout/types.ts";

export interface Preset {
  readonly name: string;
  readonly designs: Readonly<Record<string, string>>;
  /** What its thread_info has otherwise than 6.1's; the rest is 6.1's. */
  readonly layout?: LayoutChange;
  /** What it reproduces, each with where it is known from; all else is inherited from 6.1. */
  readonly facts: readonly string[];
  readonly source: string;
}

const LINUX_6_1 = {
  espfix: "final",
  espfixInit: "boot",
  exitPaths: "separate",
  sysret: "opportunistic",
  ssFix: "on",
  preempt: "none",
  nmi: "nested",
  audit: "slow-path",
  contextTracking: "once",
  seccomp: "after-ptrace",
} as const;
/** 4.8 turned the order of seccomp and ptrace round. */
const BEFORE_4_8 = { ...LINUX_6_1, seccomp: "before-ptrace" } as const;
const SECCOMP_FIRST =
  "seccomp before ptrace, and not again after it: arch/x86/entry/common.c, arch/x86/kernel/ptrace.c";
const TRACE_LEAVE = "context-tracking hooks in syscall_trace_leave and all else: arch/x86/kernel/ptrace.c, signal.c";

const FLAGS = "TIF bits, trace and audit flags among them, TS_COMPAT: arch/x86/include/asm/thread_info.h";

export const PRESETS: readonly Preset[] = [
  {
    name: "linux-6.1",
    designs: LINUX_6_1,
    facts: ["entry and exit code, layouts and order of work: arch/x86/entry, kernel/entry/common.c"],
    source:
      "Linux 6.1 (stable), arch/x86 and kernel/entry; KPTI, KASLR and speculation mitigations off, 4-level paging",
  },
  {
    name: "linux-4.6",
    designs: { ...BEFORE_4_8, exitPaths: "async-separate" },
    layout: LINUX_4_6,
    facts: [
      FLAGS,
      "order and names of the exit work, user-return notifiers inside the loop: arch/x86/entry/common.c, exit_to_usermode_loop",
      "a fast path in assembly, and SYSRET asked for on the slow one: arch/x86/entry/entry_64.S, entry_SYSCALL64_slow_path",
      SECCOMP_FIRST,
    ],
    source: "Linux 4.6, arch/x86/entry; all else is 6.1's, thread_info at the start of task_struct among it",
  },
  {
    name: "linux-4.0",
    designs: { ...BEFORE_4_8, exitPaths: "shared", ssFix: "off", contextTracking: "trace-leave" },
    layout: LINUX_4_0,
    facts: [
      FLAGS,
      "order and names of the exit work: arch/x86/kernel/signal.c, do_notify_resume",
      "opportunistic SYSRET on the way out that interrupts share: arch/x86/kernel/entry_64.S; the thread of April 2015",
      "no repair of SS for AMD's SYSRET, which came with 4.1",
      SECCOMP_FIRST,
      TRACE_LEAVE,
    ],
    source:
      "Linux 4.0 and 4.1, arch/x86/kernel; all else is 6.1's, TS_COMPAT set in C and the exit loop as one up-call among it; 32-bit calls had lost no audit fast path yet",
  },
  {
    name: "linux-3.14",
    designs: {
      ...BEFORE_4_8,
      espfix: "only-32",
      exitPaths: "async-separate",
      sysret: "fast-path-only",
      ssFix: "off",
      audit: "fast-path",
      contextTracking: "trace-leave",
    },
    layout: LINUX_3_14,
    facts: [
      FLAGS,
      "order and names of the exit work, machine checks first: arch/x86/kernel/signal.c, do_notify_resume",
      "SYSRET only on the fast path: arch/x86/kernel/entry_64.S, ret_from_sys_call",
      "no espfix on the 64-bit kernel, which came with 3.16",
      "an audited call stays on the fast path: arch/x86/kernel/entry_64.S, auditsys; arch/x86/ia32/ia32entry.S, sysenter_auditsys",
      SECCOMP_FIRST,
      TRACE_LEAVE,
    ],
    source:
      "Linux 3.14, arch/x86/kernel; all else is 6.1's, TS_COMPAT set in C and the exit loop as one up-call among it",
  },
];
