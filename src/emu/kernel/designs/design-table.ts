/**
 * Every design: a way for the kernel to do one thing, that Linux had or that somebody proposed. All values of a key define the same
 * symbols for entry/*.S, so that its conditions always have something to ask.
 */
import type { Design, Espfix64, EspfixInit } from "./designs.ts";

const ESPFIX64_POST =
  'H. Peter Anvin, "x86-64: espfix for 64-bit mode *PROTOTYPE*", April 2014, as its review quotes it';
const ESPFIX64_MERGED = "Linux 6.1, arch/x86/kernel/espfix_64.c and entry/entry_64.S";

interface Key {
  readonly key: string;
  readonly systems: readonly string[];
}
const make =
  ({ key, systems }: Key) =>
  (value: string, rest: Omit<Design, keyof Key | "value">): Design => ({ key, systems, value, ...rest });

const espfixDefines = (form: "none" | "prototype" | "final", stackSize: number) => ({
  CONFIG_X86_ESPFIX64: form === "none" ? 0 : 1,
  CONFIG_X86_ESPFIX32: form === "none" ? 0 : 1,
  ESPFIX64_PROTOTYPE: form === "prototype" ? 1 : 0,
  ESPFIX_STACK_SIZE: stackSize,
});
const prototype = (stackSize: Espfix64["stackSize"]) => ({
  defines: espfixDefines("prototype", stackSize),
  hooks: { espfix64: { stackSize, writable: true, random: false }, espfix32: true },
});

const espfix = make({ key: "espfix", systems: ["E1", "E2", "E3", "E4", "E6"] });
const ESPFIX: readonly Design[] = [
  espfix("final", {
    summary:
      "IRET to an LDT stack segment from a ministack whose alias carries the user's ESP[31:16]; read-only alias, #DF becomes #GP",
    source: ESPFIX64_MERGED,
    defines: espfixDefines("final", 64),
    hooks: { espfix64: { stackSize: 64, writable: false, random: true }, espfix32: true },
  }),
  espfix("prototype", {
    summary:
      "only for 16-bit stacks of 16- and 32-bit code; writable alias, and espfix_fix_stack copies a fault's frame back to the real stack",
    source: `${ESPFIX64_POST}; its 64 bytes are 128 here, the thirteen words that a fault needs`,
    ...prototype(128),
  }),
  espfix("prototype-64", {
    summary: "the prototype with 64 bytes a CPU as posted: a fault's frame goes below them",
    source: ESPFIX64_POST,
    ...prototype(64),
  }),
  espfix("only-32", {
    summary: "espfix for the 32-bit kernel's own stacks only, as before 3.16; the 64-bit kernel leaks",
    source: "Linux 3.14, arch/x86/kernel/entry_32.S and entry_64.S",
    defines: { ...espfixDefines("none", 64), CONFIG_X86_ESPFIX32: 1 },
    hooks: { espfix32: true },
  }),
  espfix("none", {
    summary: "IRET straight from the kernel stack: a 16-bit stack segment leaks the kernel's ESP[31:16]",
    source: "Linux 6.1 with CONFIG_X86_ESPFIX64 and CONFIG_X86_ESPFIX32 off",
    defines: espfixDefines("none", 64),
    hooks: {},
  }),
];

const espfixInit = make({ key: "espfixInit", systems: ["E5"] });
const init = (value: string, summary: string, source: string, hook: EspfixInit): Design =>
  espfixInit(value, { summary, source, defines: {}, hooks: { espfixInit: hook } });
const REVIEW = "Andy Lutomirski's review of the espfix64 prototype, April 2014";
const ESPFIX_INIT: readonly Design[] = [
  init("boot", "every CPU at its boot; a list of pages says which are mapped", ESPFIX64_MERGED, {
    when: "boot",
    tables: "each",
    known: "list",
  }),
  init(
    "probe",
    "every CPU when it first loads an LDT; it walks to its address to see if another was there",
    ESPFIX64_POST,
    {
      when: "load-ldt",
      tables: "each",
      known: "probe",
    },
  ),
  init("once", "page tables of all CPUs in one step at boot, and a static flag", REVIEW, {
    when: "boot",
    tables: "all",
    known: "flag",
  }),
  init("modify-ldt", "page tables of all CPUs at the first modify_ldt, and a static flag", REVIEW, {
    when: "modify-ldt",
    tables: "all",
    known: "flag",
  }),
];

/** The conditions of opportunistic SYSRET, in their order: symbol of entry code, and what is not seen without it. */
const SYSRET_CHECKS = {
  "no-rcx-check": ["SYSRET_CHECK_RCX_RIP", "the program goes on at rcx instead of rip"],
  "no-canonical-check": ["SYSRET_CHECK_CANONICAL", "on Intel SYSRET faults in ring 0, on the user's stack"],
  "no-cs-check": ["SYSRET_CHECK_CS", "a return to other code ends in 64-bit code"],
  "no-r11-check": ["SYSRET_CHECK_R11_FLAGS", "the program gets r11 for its flags"],
  "no-rf-tf-check": ["SYSRET_CHECK_RF_TF", "RF is lost, and TF traps before the first instruction instead of after it"],
  "no-ss-check": ["SYSRET_CHECK_SS", "a return to another stack segment gets the flat one"],
} as const;

const sysret = make({ key: "sysret", systems: ["X1"] });
const sysretDefines = (opportunistic: boolean, without?: string) => ({
  SYSRET_OPPORTUNISTIC: opportunistic ? 1 : 0,
  SYSRET_FAST_PATH: opportunistic ? 0 : 1,
  ...Object.fromEntries(Object.values(SYSRET_CHECKS).map(([symbol]) => [symbol, symbol === without ? 0 : 1])),
});
const SYSRET: readonly Design[] = [
  sysret("opportunistic", {
    summary: "every system call that could leave by SYSRET does: six conditions, asked one by one",
    source: "Linux 6.1, arch/x86/entry/entry_64.S; the thread of April 2015 about it",
    defines: sysretDefines(true),
    hooks: {},
  }),
  sysret("fast-path-only", {
    summary: "SYSRET without any test, and only where no flag asked for work and the call changes no registers",
    source: "Linux 3.14, arch/x86/kernel/entry_64.S: system_call, ret_from_sys_call",
    defines: sysretDefines(false),
    hooks: {},
  }),
  ...Object.entries(SYSRET_CHECKS).map(([value, [symbol, breaks]]) =>
    sysret(value, {
      summary: `opportunistic with one condition left out: ${breaks}`,
      source: "a mutation of Linux 6.1's conditions; the thread of April 2015 is about one that was missing",
      defines: sysretDefines(true, symbol),
      hooks: {},
    }),
  ),
];

const ssFix = make({ key: "ssFix", systems: ["S8"] });
const SS_FIX: readonly Design[] = [
  ssFix("on", {
    summary: "__switch_to reloads SS where AMD's SYSRET would leave a null one as it is",
    source: "Linux 6.1, arch/x86/kernel/process_64.c: X86_BUG_SYSRET_SS_ATTRS",
    defines: {},
    hooks: { fixSysretSs: true },
  }),
  ssFix("off", {
    summary: "it does not: on AMD a task that leaves by SYSRET may find its stack segment unusable",
    source: "Linux before 4.1",
    defines: {},
    hooks: {},
  }),
];

const exitPaths = make({ key: "exitPaths", systems: ["X2", "X3", "X4"] });
/** Symbols of the exit paths' designs: which are 1. */
const exitDefines = (...on: string[]) =>
  Object.fromEntries(
    ["EXIT_FAST_PATH", "EXIT_STUBS", "EXIT_SHARED_CHECK", "EXIT_CONDITIONAL_SWAPGS"].map((name) => [
      name,
      on.includes(name) ? 1 : 0,
    ]),
  );
const EXIT_POST = 'the thread "Fix opportunistic SYSRET condition" of April 2015';
const EXIT_PATHS: readonly Design[] = [
  exitPaths("separate", {
    summary: "four ways out; every system call goes through one C function, and then the conditions of SYSRET",
    source: `Linux 6.1; Andy Lutomirski in ${EXIT_POST}`,
    defines: exitDefines(),
    hooks: {},
  }),
  exitPaths("shared", {
    summary:
      "system calls with work share interrupts' way out, which asks about SYSRET on every exit; the others leave untested",
    source: `Linux 4.0; Ingo Molnar in ${EXIT_POST}`,
    defines: exitDefines("EXIT_FAST_PATH", "EXIT_STUBS", "EXIT_SHARED_CHECK"),
    hooks: {},
  }),
  exitPaths("tif-iret", {
    summary: "shared, but asked only where TIF_IRET says that a system call did something strange",
    source: `Brian Gerst in ${EXIT_POST}`,
    defines: exitDefines("EXIT_FAST_PATH", "EXIT_SHARED_CHECK"),
    hooks: { forceIret: "IRET", tif: { IRET: 26 } },
  }),
  exitPaths("notify-resume", {
    summary: "shared, and TIF_NOTIFY_RESUME is abused to get such a system call off the fast path",
    source: `Linux 4.0, force_iret(); Brian Gerst in ${EXIT_POST}`,
    defines: exitDefines("EXIT_FAST_PATH", "EXIT_SHARED_CHECK"),
    hooks: { forceIret: "NOTIFY_RESUME" },
  }),
  exitPaths("async-separate", {
    summary: "interrupts have a way out of their own; only system calls with work ask about SYSRET",
    source: `Ingo Molnar in ${EXIT_POST}`,
    defines: exitDefines("EXIT_FAST_PATH", "EXIT_STUBS"),
    hooks: {},
  }),
  exitPaths("conditional-swapgs", {
    summary: "separate, with one way out of interrupts to user and kernel mode, on which only SWAPGS depends",
    source: `Andy Lutomirski's footnote 2 in ${EXIT_POST}`,
    defines: exitDefines("EXIT_CONDITIONAL_SWAPGS"),
    hooks: {},
  }),
];

/** Without a way out in C there is no place there for the I/O bitmap: it comes with the switch, as it then did. */
const ASSEMBLY_LOOP = { syscallEntry: "system_call", ioBitmapAtSwitch: true } as const;

const nmi = make({ key: "nmi", systems: ["X3"] });
const NMI: readonly Design[] = [
  nmi("nested", {
    summary: "the first NMI works on a copy of its frame, and goes round once more if another one strikes it",
    source: "Linux 6.1, arch/x86/entry/entry_64.S: asm_exc_nmi",
    defines: { NMI_NESTING: 1 },
    hooks: {},
  }),
  nmi("plain", {
    summary:
      "like any exception with a stack of its own: a fault in the handler lets another NMI in, over the first one's frame",
    source: "Linux before 3.3, arch/x86/kernel/entry_64.S",
    defines: { NMI_NESTING: 0 },
    hooks: {},
  }),
];

const pti = make({ key: "pti", systems: ["X3"] });
const PTI: readonly Design[] = [
  pti("off", {
    summary: "one PGD an address space: the kernel is mapped, and forbidden, while user mode runs",
    source: "Linux 6.1 with pti=off, and as on processors that Meltdown does not concern",
    defines: { X86_FEATURE_PTI: 0 },
    hooks: {},
  }),
  pti("on", {
    summary:
      "two PGDs, picked by bit 12 of CR3: entry code switches on its way in and out; without PCIDs, so each load flushes (64-bit kernel)",
    source: "Linux 6.1 with pti=on nopcid, arch/x86/mm/pti.c and entry/calling.h",
    defines: { X86_FEATURE_PTI: 1 },
    hooks: { pti: true },
  }),
];

const preempt = make({ key: "preempt", systems: ["X5"] });
const PREEMPT: readonly Design[] = [
  preempt("none", {
    summary: "the kernel gives up the processor where it says so, and on the way to user mode",
    source: "Linux 6.1, kernel/entry/common.c without CONFIG_PREEMPTION, or with preempt=voluntary",
    defines: { CONFIG_PREEMPT: 0 },
    hooks: {},
  }),
  preempt("full", {
    summary: "an interrupt that returns into the kernel schedules, where preempt_count allows it",
    source: "Linux 6.1, kernel/entry/common.c: irqentry_exit_cond_resched",
    defines: { CONFIG_PREEMPT: 1 },
    hooks: { preempt: true },
  }),
];

const audit = make({ key: "audit", systems: ["X2", "X6"] });
const auditDefines = (in64: boolean, in32: boolean) => ({
  AUDIT_FAST_PATH: in64 ? 1 : 0,
  AUDIT_FAST_PATH_32: in32 ? 1 : 0,
});
const AUDIT: readonly Design[] = [
  audit("slow-path", {
    summary: "an audited system call goes the slow way, and its end is audited there alone",
    source: "Linux 4.1 and later, arch/x86/kernel/ptrace.c: syscall_trace_leave",
    defines: auditDefines(false, false),
    hooks: {},
  }),
  audit("fast-path", {
    summary:
      "a call that only audit watches stays on a fast path, which calls audit itself: twice at the end if somebody else came to watch; SYSENTER and SYSCALL32 have one too (64-bit kernel)",
    source: `Linux 3.14, arch/x86/kernel/entry_64.S: auditsys, sysret_audit, and ia32/ia32entry.S: auditsys_exit; "quite buggy" in ${EXIT_POST}`,
    defines: auditDefines(true, true),
    hooks: {},
  }),
  audit("fast-path-32", {
    summary: "the 64-bit one is gone, SYSENTER's and SYSCALL32's are left (64-bit kernel)",
    source: "Linux 4.0, arch/x86/ia32/ia32entry.S: auditsys_exit; entry_64.S had lost its own to opportunistic SYSRET",
    defines: auditDefines(false, true),
    hooks: {},
  }),
];

const exitLoop = make({ key: "exitLoop", systems: ["X2", "X3"] });
const loopDefines = (assembly: boolean, careful: boolean) => ({
  EXIT_LOOP_ASM: assembly ? 1 : 0,
  /** A fast path that reschedules without leaving it. */
  SYSRET_CAREFUL: careful ? 1 : 0,
  /** syscall_trace_enter() in two halves, the first of which may send a call back to the fast path. */
  TRACE_PHASES: assembly && !careful ? 1 : 0,
});
const EXIT_LOOP: readonly Design[] = [
  exitLoop("c", {
    summary: "one C function does all work before user mode, in a loop and with interrupts off between its items",
    source: "Linux 4.3 and later, arch/x86/entry/common.c, now kernel/entry/common.c: exit_to_user_mode_loop",
    defines: loopDefines(false, false),
    hooks: {},
  }),
  exitLoop("assembly", {
    summary:
      "entry code tests the flags, schedules, and calls syscall_trace_leave and do_notify_resume itself, over and over: int_with_check, int_careful, int_very_careful, int_signal; retint_check, retint_careful, retint_signal (64-bit kernel)",
    source: "Linux 4.0 and 4.1, arch/x86/kernel/entry_64.S: int_ret_from_sys_call, retint_with_reschedule",
    defines: loopDefines(true, false),
    hooks: ASSEMBLY_LOOP,
  }),
  exitLoop("sysret-careful", {
    summary:
      "the same, and the fast path has a loop of its own (sysret_check, sysret_careful): a reschedule does not cost a call its SYSRET; a forked child leaves by it too (64-bit kernel)",
    source: "Linux 3.14, arch/x86/kernel/entry_64.S: ret_from_sys_call, sysret_careful, sysret_signal, ret_from_fork",
    defines: loopDefines(true, true),
    hooks: ASSEMBLY_LOOP,
  }),
];

const compat = make({ key: "compat", systems: ["X2", "C1"] });
const compatDefines = (form: "c" | "irqs-on" | "assembly") => ({
  COMPAT_ASM: form === "assembly" ? 1 : 0,
  COMPAT_IRQS_ON: form === "irqs-on" ? 1 : 0,
});
const IN_C = { cstar: "entry_SYSCALL_compat", sysenter: "entry_SYSENTER_compat" } as const;
const COMPAT: readonly Design[] = [
  compat("c", {
    summary: "syscall_32_enter sets TS_COMPAT, first of all; INT $0x80 comes in like an exception",
    source: "Linux 6.1 (stable), arch/x86/entry/common.c: __do_fast_syscall_32, do_int80_emulation",
    defines: compatDefines("c"),
    hooks: { compatEntries: { ...IN_C, int80: "asm_int80_emulation" } },
  }),
  compat("irqs-on", {
    summary:
      "do_syscall_32_irqs_on sets TS_COMPAT: a call whose argument 6 cannot be read never has it; INT $0x80 has an entry of its own, which zeroes r8 to r11 (64-bit kernel)",
    source: "Linux 4.6, arch/x86/entry/common.c: do_syscall_32_irqs_on, and entry_64_compat.S: entry_INT80_compat",
    defines: compatDefines("irqs-on"),
    hooks: { compatEntries: { ...IN_C, int80: "entry_INT80_compat" }, compatFlagInCall: true },
  }),
  compat("assembly", {
    summary:
      "entry code sets and clears TS_COMPAT, fetches argument 6, asks for work, and leaves by SYSEXIT or SYSRETL without a look at pt_regs; r8 to r11 come back as 0 (64-bit kernel)",
    source: "Linux 3.14 and 4.0, arch/x86/ia32/ia32entry.S: ia32_sysenter_target, ia32_cstar_target, ia32_syscall",
    defines: compatDefines("assembly"),
    hooks: {
      compatEntries: { cstar: "ia32_cstar_target", sysenter: "ia32_sysenter_target", int80: "ia32_syscall" },
      sysenterReturn: true,
      stepInKernelSetsFlag: true,
    },
  }),
];

const contextTracking = make({ key: "contextTracking", systems: ["X2"] });
const CONTEXT_TRACKING: readonly Design[] = [
  contextTracking("once", {
    summary: "where TIF_NOHZ is set: one hook on the way in, and one that is the last thing on the way out",
    source: "Linux 4.3 to 4.6, arch/x86/entry/common.c: enter_from_user_mode, prepare_exit_to_usermode",
    defines: { CONTEXT_TRACKING_ONCE: 1 },
    hooks: {},
  }),
  contextTracking("trace-leave", {
    summary:
      "hooks in syscall_trace_leave, schedule_user, do_notify_resume and every exception: each undoes what the last has done",
    source: `Linux 3.14, arch/x86/kernel/ptrace.c and signal.c; "completely unnecessary", footnote 1 in ${EXIT_POST}`,
    defines: { CONTEXT_TRACKING_ONCE: 0 },
    hooks: { contextTrackingEverywhere: true },
  }),
];

const seccomp = make({ key: "seccomp", systems: ["X6"] });
const SECCOMP: readonly Design[] = [
  seccomp("after-ptrace", {
    summary:
      "filters see a system call as the tracer has left it, and once more if they have called the tracer themselves",
    source: "Linux 4.8 and later; 6.1, kernel/entry/common.c: syscall_trace_enter, kernel/seccomp.c",
    defines: {},
    hooks: {},
  }),
  seccomp("before-ptrace", {
    summary: "filters come first, so that a tracer may make of an allowed system call one that is not",
    source: "Linux 3.14 to 4.7, arch/x86/kernel/ptrace.c: syscall_trace_enter does the secure computing check first",
    defines: {},
    hooks: { seccompFirst: true },
  }),
];

export const DESIGNS: readonly Design[] = [
  ...ESPFIX,
  ...ESPFIX_INIT,
  ...EXIT_PATHS,
  ...SYSRET,
  ...SS_FIX,
  ...PTI,
  ...PREEMPT,
  ...NMI,
  ...EXIT_LOOP,
  ...COMPAT,
  ...AUDIT,
  ...CONTEXT_TRACKING,
  ...SECCOMP,
];
