/** Presets: named sets of designs with the flags of a Linux, each with what it reproduces and what was read for it. */
import { LINUX_3_14, LINUX_4_0, LINUX_4_6 } from "../layout/older.ts";
import type { LayoutChange } from "../layout/types.ts";

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
  pti: "off",
  preempt: "none",
  nmi: "nested",
  exitLoop: "c",
  compat: "c",
  audit: "slow-path",
  contextTracking: "once",
  seccomp: "after-ptrace",
} as const;
/** 4.8 turned the order of seccomp and ptrace round. */
const BEFORE_4_8 = { ...LINUX_6_1, seccomp: "before-ptrace" } as const;
const SECCOMP_FIRST =
  "seccomp before ptrace, and not again after it: arch/x86/entry/common.c, arch/x86/kernel/ptrace.c";
const ASSEMBLY_LOOP =
  "the loop over the work before user mode, with interrupts on in C: arch/x86/kernel/entry_64.S, int_ret_from_sys_call, retint_with_reschedule";
const COMPAT_ASSEMBLY =
  "32-bit calls in assembly, TS_COMPAT set and cleared there, SYSEXIT without a look at pt_regs: arch/x86/ia32/ia32entry.S";
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
    designs: { ...BEFORE_4_8, exitPaths: "async-separate", compat: "irqs-on" },
    layout: LINUX_4_6,
    facts: [
      FLAGS,
      "order and names of the exit work, user-return notifiers inside the loop: arch/x86/entry/common.c, exit_to_usermode_loop",
      "a fast path in assembly, and SYSRET asked for on the slow one: arch/x86/entry/entry_64.S, entry_SYSCALL64_slow_path",
      "the exit loop in C, TS_COMPAT set by do_syscall_32_irqs_on: arch/x86/entry/common.c, do_syscall_64, do_fast_syscall_32",
      "INT $0x80 with an entry of its own, r8 to r11 zeroed: entry_INT80_compat, a reconstruction: its source of that time was not read",
      SECCOMP_FIRST,
    ],
    source:
      "Linux 4.6, arch/x86/entry, common.c as 4.4's stable line has it; all else is 6.1's, thread_info at the start of task_struct among it",
  },
  {
    name: "linux-4.0",
    designs: {
      ...BEFORE_4_8,
      exitPaths: "shared",
      ssFix: "off",
      exitLoop: "assembly",
      compat: "assembly",
      audit: "fast-path-32",
      contextTracking: "trace-leave",
    },
    layout: LINUX_4_0,
    facts: [
      FLAGS,
      ASSEMBLY_LOOP,
      COMPAT_ASSEMBLY,
      "syscall_trace_enter in two phases, the first of which may send a call back to the fast path: arch/x86/kernel/entry_64.S, tracesys",
      "audit's fast paths are left in 32-bit calls alone: arch/x86/ia32/ia32entry.S, auditsys_exit",
      "order and names of the exit work: arch/x86/kernel/signal.c, do_notify_resume",
      "opportunistic SYSRET on the way out that interrupts share: arch/x86/kernel/entry_64.S; the thread of April 2015",
      "no repair of SS for AMD's SYSRET, which came with 4.1",
      SECCOMP_FIRST,
      TRACE_LEAVE,
    ],
    source:
      "Linux 4.0 and 4.1, arch/x86/kernel and ia32; all else is 6.1's: whole pt_regs from the entry on, stacks, vDSO and the 32-bit kernel's entry code among it. SYSENTER's calls leave by SYSEXIT as in 4.0; 4.1 had SYSRETL",
  },
  {
    name: "linux-3.14",
    designs: {
      ...BEFORE_4_8,
      espfix: "only-32",
      exitPaths: "async-separate",
      sysret: "fast-path-only",
      ssFix: "off",
      exitLoop: "sysret-careful",
      compat: "assembly",
      audit: "fast-path",
      contextTracking: "trace-leave",
    },
    layout: LINUX_3_14,
    facts: [
      FLAGS,
      ASSEMBLY_LOOP,
      COMPAT_ASSEMBLY,
      "the fast path reschedules without leaving it, and a forked 64-bit child begins by SYSRET: arch/x86/kernel/entry_64.S, sysret_careful, ret_from_fork",
      "order and names of the exit work, machine checks first: arch/x86/kernel/signal.c, do_notify_resume",
      "SYSRET only on the fast path: arch/x86/kernel/entry_64.S, ret_from_sys_call",
      "no espfix on the 64-bit kernel, which came with 3.16",
      "an audited call stays on the fast path: arch/x86/kernel/entry_64.S, auditsys; arch/x86/ia32/ia32entry.S, sysenter_auditsys",
      SECCOMP_FIRST,
      TRACE_LEAVE,
    ],
    source:
      "Linux 3.14, arch/x86/kernel and ia32; all else is 6.1's: whole pt_regs from the entry on, stacks (so a #DB from user mode leaves its IST stack at once), SYSENTER's NT cleared, vDSO and the 32-bit kernel's entry code among it",
  },
];
