/** System call entry in C: do_syscall_64, do_int80_emulation, do_fast_syscall_32 and do_SYSENTER_32 of 6.1's entry/common.c. */
import type { Cpu } from "../cpu/cpu.ts";
import { EFLAGS } from "../cpu/layout.ts";
import { E } from "./abi/errno.ts";
import { irqentryExit, syscallEnterWork, syscallExitToUserMode } from "./entry-common.ts";
import type { Kernel } from "./kernel.ts";
import { getWord } from "./mm/uaccess.ts";
import type { PtRegs } from "./ptregs.ts";
import type { Task } from "./state.ts";
import { callSyscall } from "./syscall/dispatch.ts";
import type { UpcallContext, UpcallTable } from "./upcall.ts";
import { vdsoImage } from "./vdso/index.ts";

function doSyscall64(u: UpcallContext): void {
  const { kernel: k, cpu } = u;
  const task = k.current(cpu);
  const regs = u.regs();
  const nr = syscallEnterWork(k, cpu, task, regs, Number(BigInt.asIntN(32, u.arg(1))));
  callSyscall(k, cpu, task, regs, k.arch.native, nr);
  syscallExitToUserMode(k, cpu, task, regs);
}

/** syscall_32_enter(): this is a 32-bit system call until the return to user mode. */
function syscall32Enter(k: Kernel, task: Task, regs: PtRegs): number {
  if (k.layout.wordSize === 8) {
    k.setThreadInfo(task, "status", k.threadInfo(task, "status") | k.layout.status.COMPAT!);
  }
  return Number(BigInt.asIntN(32, regs.get("orig_ax")));
}

/** The table that INT $0x80, SYSENTER and 32-bit SYSCALL use. */
const table32 = (k: Kernel) => k.arch.compat ?? k.arch.native;

function doInt80Emulation(u: UpcallContext): void {
  const { kernel: k, cpu } = u;
  const task = k.current(cpu);
  const regs = u.regs();
  // the exception entry left -1 in orig_ax and the number in ax
  regs.set("orig_ax", regs.ax & 0xffff_ffffn);
  regs.ax = -E.ENOSYS;
  int80(k, cpu, task, regs);
}

/** INT $0x80 with pt_regs as a system call leaves it: the 32-bit kernel's do_int80_syscall_32. */
export function doInt80Syscall32(u: UpcallContext): void {
  int80(u.kernel, u.cpu, u.kernel.current(u.cpu), u.regs());
}

function int80(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): void {
  const nr = syscallEnterWork(k, cpu, task, regs, syscall32Enter(k, task, regs));
  callSyscall(k, cpu, task, regs, table32(k), nr);
  syscallExitToUserMode(k, cpu, task, regs);
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

/** do_fast_syscall_32(): true = the fast exit loses nothing. */
export function doFastSyscall32(u: UpcallContext, tests: readonly FastExitTest[]): boolean {
  const { kernel: k, cpu } = u;
  const task = k.current(cpu);
  const regs = u.regs();
  const pad = landingPad(k, task);
  regs.set("ip", pad);
  if (!fastCall(k, cpu, task, regs) || task.dead) {
    k.timeline.decided(cpu, [], "argument 6 could not be read");
    return false;
  }
  const passed: string[] = [];
  for (const test of tests) {
    passed.push(test.label);
    if (test.holds(k, regs, pad)) continue;
    k.timeline.decided(cpu, passed, test.label);
    return false;
  }
  k.timeline.decided(cpu, passed, undefined);
  return true;
}

/** __do_fast_syscall_32(): ebp, which the vDSO pushed, is argument 6. */
function fastCall(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): boolean {
  const nr = syscall32Enter(k, task, regs);
  const bp = getWord(k, task, Number(regs.sp & 0xffff_ffffn), 4);
  if (bp === undefined) {
    regs.ax = -E.EFAULT;
    irqentryExit(k, cpu, regs);
    return false;
  }
  regs.set("bp", (regs.get("bp") & ~0xffff_ffffn) | bp);
  callSyscall(k, cpu, task, regs, table32(k), syscallEnterWork(k, cpu, task, regs, nr));
  syscallExitToUserMode(k, cpu, task, regs);
  return true;
}

/** do_SYSENTER_32(): SYSENTER lost esp and IF; the vDSO left esp in ebp. */
export function doSysenter32(u: UpcallContext, tests: readonly FastExitTest[]): boolean {
  const regs = u.regs();
  regs.set("sp", regs.get("bp"));
  regs.set("flags", regs.get("flags") | BigInt(EFLAGS.IF));
  return doFastSyscall32(u, tests);
}

/** syscall_exit_to_user_mode as the entry code calls it, for a task that begins. */
export function syscallExitUpcall(u: UpcallContext): void {
  const { kernel: k, cpu } = u;
  syscallExitToUserMode(k, cpu, k.current(cpu), u.regs());
}

export const SYSCALL_UPCALLS_64: UpcallTable = {
  do_syscall_64: doSyscall64,
  do_int80_emulation: doInt80Emulation,
  do_SYSENTER_32: (u) => doSysenter32(u, SYSRETL_TESTS),
  do_fast_syscall_32: (u) => doFastSyscall32(u, SYSRETL_TESTS),
  syscall_exit_to_user_mode: syscallExitUpcall,
};
