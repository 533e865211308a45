/** System call entry in C: do_syscall_64, do_int80_emulation, do_fast_syscall_32 and do_SYSENTER_32 of 6.1's entry/common.c. */
import { EFLAGS } from "../../cpu/layout.ts";
import { E } from "../abi/errno.ts";
import { PTREGS_CALLS } from "../abi/syscalls.ts";
import type { Kernel } from "../kernel.ts";
import { getWord } from "../mm/uaccess.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Task } from "../state.ts";
import { callSyscall } from "../syscall/dispatch.ts";
import { type FunctionTable, SCHEDULE, type Upcall, type UpcallContext, type UpcallTable } from "../upcall.ts";
import { vdsoImage } from "../vdso/index.ts";
import { EXIT_FUNCTIONS, EXIT_UPCALLS } from "./entry-common.ts";
import { syscallEnterWork } from "./syscall-work.ts";

/** syscall_enter_from_user_mode(): the number to run; it may be another one than asked for, or -1 for none. */
function syscallEnterFromUserMode(u: UpcallContext): number | typeof SCHEDULE {
  const { kernel: k, cpu } = u;
  return syscallEnterWork(k, cpu, k.current(cpu), u.regs(), Number(BigInt.asIntN(32, u.arg(1))));
}

/** do_syscall_x64(): the call itself, by the 64-bit table. */
function doSyscallX64(u: UpcallContext): ReturnType<Upcall> {
  const { kernel: k, cpu } = u;
  const nr = Number(BigInt.asIntN(32, u.arg(1)));
  const task = k.current(cpu);
  const result = callSyscall(k, cpu, task, u.regs(), k.arch.native, nr);
  forceIret(k, task, nr);
  return result;
}

/** force_iret(), where the design has it: after calls that change pt_regs, and those at whose end somebody looks at it. */
function forceIret(k: Kernel, task: Task, nr: number): void {
  const { forceIret: flag } = k.choice.hooks;
  if (flag === undefined) return;
  const watched = (k.threadInfo(task, "syscall_work") & k.layout.work.syscallExit) !== 0;
  if (watched || PTREGS_CALLS.includes(nr)) k.setFlag(task, flag);
}

/** syscall_32_enter(): this is a 32-bit system call until the return to user mode. */
function syscall32Enter({ kernel: k, cpu }: UpcallContext): void {
  if (k.choice.hooks.compatFlagInCall !== true) setCompat(k, k.current(cpu));
}
function setCompat(k: Kernel, task: Task): void {
  if (k.layout.wordSize === 4) return;
  k.setThreadInfo(task, "status", k.threadInfo(task, "status") | k.layout.status.COMPAT!);
}

/** The table that INT $0x80, SYSENTER and 32-bit SYSCALL use. */
const table32 = (k: Kernel) => k.arch.compat ?? k.arch.native;

/** do_syscall_32_irqs_on(): the call itself, by the table of 32-bit calls. */
function doSyscall32IrqsOn(u: UpcallContext): ReturnType<Upcall> {
  const { kernel: k, cpu } = u;
  const task = k.current(cpu);
  const regs = u.regs();
  if (k.choice.hooks.compatFlagInCall === true && !k.inIa32Syscall(task)) setCompat(k, task);
  const asked = Number(BigInt.asIntN(32, regs.get("orig_ax")));
  const nr = task.wait === undefined ? k.once("syscall_nr", () => syscallEnterWork(k, cpu, task, regs, asked)) : asked;
  if (nr === SCHEDULE) return SCHEDULE;
  return callSyscall(k, cpu, task, regs, table32(k), nr);
}

/** What older entry code calls through ia32_sys_call_table: the call alone. */
const ia32SysCall: Upcall = (u) => {
  const { kernel: k, cpu } = u;
  const regs = u.regs();
  return callSyscall(k, cpu, k.current(cpu), regs, table32(k), regs.origAx);
};

/** The exception entry left -1 in orig_ax and the number in ax. */
function int80EmulationEnter(u: UpcallContext): void {
  const regs = u.regs();
  regs.set("orig_ax", regs.ax & 0xffff_ffffn);
  regs.ax = -E.ENOSYS;
}

/** A condition of the fast exit that C decides, named for the timeline. */
export interface FastExitTest {
  readonly label: string;
  holds(k: Kernel, regs: PtRegs, landingPad: bigint): boolean;
}

/** SYSRETL returns to flat 32-bit segments, with ecx and r11 lost, so only to code that knows: the landing pad. */
const SYSRETL_TESTS: readonly FastExitTest[] = [
  { label: "sysretl_check_cs", holds: (k, regs) => regs.cs === k.layout.selectors.__USER32_CS },
  { label: "sysretl_check_ss", holds: (k, regs) => regs.ss === k.layout.selectors.__USER_DS },
  { label: "sysretl_check_landing_pad", holds: (_k, regs, landingPad) => regs.ip === landingPad },
  { label: "sysretl_check_rf_tf", holds: (_k, regs) => (regs.flags & (EFLAGS.RF | EFLAGS.TF)) === 0 },
];

/** The address after the vDSO's INT $0x80, where a fast system call appears to have come from. */
export function landingPad(k: Kernel, task: Task): bigint {
  const offset = vdsoImage(k.arch.vdsoKind(k, 32)).symbols.get("int80_landing_pad") ?? 0;
  return BigInt(k.mm(task).context.vdso + offset);
}

/** The first half of __do_fast_syscall_32(): ebp, which the vDSO pushed, is argument 6. False: it could not be read. */
function getUserArgument6(u: UpcallContext): boolean {
  const { kernel: k, cpu } = u;
  const task = k.current(cpu);
  const regs = u.regs();
  regs.set("ip", landingPad(k, task));
  const bp = getWord(k, task, Number(regs.sp & 0xffff_ffffn), 4);
  if (bp === undefined) {
    regs.ax = -E.EFAULT;
    k.timeline.decided(cpu, [], "argument 6 could not be read");
    return false;
  }
  regs.set("bp", (regs.get("bp") & ~0xffff_ffffn) | bp);
  return true;
}

/** The end of do_fast_syscall_32(): true = the fast exit loses nothing. */
function fastExitTests(u: UpcallContext, tests: readonly FastExitTest[]): boolean {
  const { kernel: k, cpu } = u;
  const regs = u.regs();
  const pad = landingPad(k, k.current(cpu));
  const failing = tests.findIndex((test) => !test.holds(k, regs, pad));
  const made = failing < 0 ? tests : tests.slice(0, failing + 1);
  k.timeline.decided(
    cpu,
    made.map(({ label }) => label),
    tests[failing]?.label,
  );
  return failing < 0;
}

/** do_SYSENTER_32(): SYSENTER lost esp and IF; the vDSO left esp in ebp. */
function sysenterRegs(u: UpcallContext): void {
  const regs = u.regs();
  regs.set("sp", regs.get("bp"));
  regs.set("flags", regs.get("flags") | BigInt(EFLAGS.IF));
}

/** What 32-bit entries call, on either kernel; `tests` decide the fast exit. */
export const syscallUpcalls32 = (tests: readonly FastExitTest[]): UpcallTable => ({
  syscall_32_enter: syscall32Enter,
  do_syscall_32_irqs_on: doSyscall32IrqsOn,
  get_user_argument_6: getUserArgument6,
  fast_exit_tests: (u) => fastExitTests(u, tests),
  sysenter_regs: sysenterRegs,
  ...EXIT_UPCALLS,
});

/** The call with the work around it; from and to interrupts off. */
const CALL_32 = ["sti", "call do_syscall_32_irqs_on", "cli", "call syscall_exit_to_user_mode"];
/** Entry code may want to do it itself. */
const CALL_32_AUDITED = [
  ".if AUDIT_FAST_PATH_32 & (COMPAT_ASM == 0)",
  "call do_syscall_32_audited",
  ".else",
  ...CALL_32,
  ".endif",
];

/** A function that gets pt_regs in the first argument register keeps it there: only an up-call with a result changes a register. */
const SYSCALL_32 = ["call syscall_32_enter", ...CALL_32, "ret"];

/** do_fast_syscall_32 and do_SYSENTER_32; the result register is also the first argument's on the 32-bit kernel. */
const fastSyscall32 = (save: readonly string[], restore: readonly string[], call: readonly string[]): FunctionTable => {
  const body = [
    "call syscall_32_enter",
    ...save,
    "call get_user_argument_6",
    "testl %eax, %eax",
    ...restore,
    "jz 1f",
    ...call,
    "call fast_exit_tests",
    "ret",
    "1:",
    "call irqentry_exit",
    "xorl %eax, %eax",
    "ret",
  ];
  return {
    ...EXIT_FUNCTIONS,
    do_SYSENTER_32: ["call sysenter_regs", "jmp do_fast_syscall_32"],
    do_fast_syscall_32: body,
  };
};

export const SYSCALL_UPCALLS_64: UpcallTable = {
  syscall_enter_from_user_mode: syscallEnterFromUserMode,
  do_syscall_x64: doSyscallX64,
  int80_emulation_enter: int80EmulationEnter,
  ia32_sys_call: ia32SysCall,
  ...syscallUpcalls32(SYSRETL_TESTS),
};
export const SYSCALL_FUNCTIONS_64: FunctionTable = {
  do_syscall_64: [
    "call syscall_enter_from_user_mode",
    "movl %eax, %esi",
    "sti",
    "call do_syscall_x64",
    "cli",
    "call syscall_exit_to_user_mode",
    "ret",
  ],
  do_int80_syscall_32: SYSCALL_32,
  do_int80_emulation: ["call int80_emulation_enter", ...SYSCALL_32],
  ...fastSyscall32([], [], CALL_32_AUDITED),
};
export const SYSCALL_FUNCTIONS_32: FunctionTable = {
  do_int80_syscall_32: SYSCALL_32,
  ...fastSyscall32(["pushl %eax"], ["popl %eax"], CALL_32),
};
