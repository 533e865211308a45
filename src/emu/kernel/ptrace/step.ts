/** Single and block stepping for a tracer (arch/x86/kernel/step.c). The task does not run. */
import { EFLAGS } from "../../cpu/layout.ts";
import type { Kernel } from "../kernel.ts";
import { readRemote } from "../mm/remote.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Task } from "../state.ts";
import { ldtDescriptor, user64BitMode } from "../x86/descriptors.ts";
import { baseOf } from "../x86/tls.ts";
import { setSyscallWork } from "./work.ts";

const POPF = 0x9d;
const IRET = 0xcf;
/** Operand and address size, segments, LOCK, REP. */
const PREFIXES: readonly number[] = [0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0xf0, 0xf2, 0xf3];
const MAX_INSTRUCTION = 15;
const SEGMENT_LDT = 4;
const DESCRIPTOR_DB = 1n << 54n;

/** convert_ip_to_linear(): code segments of the GDT start at 0. */
function linearIp(k: Kernel, task: Task, regs: PtRegs): number {
  const ip = Number(regs.ip);
  if (k.arch.vm86?.mode(regs) === true) return (ip & 0xffff) + regs.cs * 16;
  if ((regs.cs & SEGMENT_LDT) === 0) return ip;
  const descriptor = ldtDescriptor(k, task, regs.cs >> 3);
  if (descriptor === undefined) return -1;
  return ((descriptor & DESCRIPTOR_DB) === 0n ? ip & 0xffff : ip) + baseOf(descriptor);
}

/** is_setting_trap_flag(): the next instruction may load TF itself, so that it is no longer ours to clear. */
function isSettingTrapFlag(k: Kernel, task: Task, regs: PtRegs): boolean {
  for (const byte of readRemote(k, task, linearIp(k, task, regs), MAX_INSTRUCTION)) {
    if (byte === POPF || byte === IRET) return true;
    const isRex = byte >= 0x40 && byte <= 0x4f && user64BitMode(k, regs);
    if (!isRex && !PREFIXES.includes(byte)) return false;
  }
  return false;
}

/** TIF_SINGLESTEP: what is stepped over is reported. */
export function noteStep(k: Kernel, task: Task): void {
  k.setFlag(task, "SINGLESTEP");
  setSyscallWork(k, task, "SYSCALL_EXIT_TRAP", true);
}

/** SYSENTER was stepped into, and its trap in the kernel took TF away. */
export function giveBackTrapFlag(k: Kernel, task: Task, regs: PtRegs): void {
  if (k.testFlag(task, "SINGLESTEP")) regs.set("flags", regs.flags | EFLAGS.TF);
}

/** enable_single_step(): false = the program uses TF itself. */
function enableSingleStep(k: Kernel, task: Task): boolean {
  const regs = k.userRegs(task);
  giveBackTrapFlag(k, task, regs);
  noteStep(k, task);
  const old = regs.flags;
  regs.set("flags", old | EFLAGS.TF);
  if (isSettingTrapFlag(k, task, regs)) {
    k.setFlag(task, "FORCED_TF", false);
    return false;
  }
  if ((old & EFLAGS.TF) !== 0) return k.testFlag(task, "FORCED_TF");
  k.setFlag(task, "FORCED_TF");
  return true;
}

/** user_enable_single_step(), user_enable_block_step(). */
export function enableStep(k: Kernel, task: Task, block: boolean): void {
  const ours = enableSingleStep(k, task);
  k.setFlag(task, "BLOCKSTEP", ours && block);
}

export function disableStep(k: Kernel, task: Task): void {
  k.setFlag(task, "BLOCKSTEP", false);
  k.setFlag(task, "SINGLESTEP", false);
  setSyscallWork(k, task, "SYSCALL_EXIT_TRAP", false);
  if (!k.testFlag(task, "FORCED_TF")) return;
  k.setFlag(task, "FORCED_TF", false);
  const regs = k.userRegs(task);
  regs.set("flags", regs.flags & ~EFLAGS.TF);
}
