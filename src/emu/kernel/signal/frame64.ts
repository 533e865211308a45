/** The x86-64 signal frame: building it and returning from it (arch/x86/kernel/signal.c). */
import type { Cpu } from "../../cpu/cpu.ts";
import {
  FIX_EFLAGS,
  placeFrame,
  RT_SIGFRAME_64,
  SIGCONTEXT_64,
  UC_SIGCONTEXT_SS,
  UC_STRICT_RESTORE_SS,
} from "../abi/sigcontext.ts";
import { encodeSiginfo } from "../abi/siginfo.ts";
import { MINSIGSTKSZ, SA, SIG } from "../abi/signal.ts";
import type { Kernel } from "../kernel.ts";
import { copyFromUser, copyToUser, getStruct, putStruct } from "../mm/uaccess.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Task } from "../state.ts";
import { descriptorAt, user64BitMode } from "../x86/descriptors.ts";
import { onSigStack, setAltstack, stackFlags, within } from "./altstack.ts";
import { type Ksignal, maskToSave } from "./deliver.ts";
import { clearFpu, frameImage, loadFrameImage, stateSize } from "./fpstate.ts";
import { forceSig, setBlocked, usesOwnStack } from "./send.ts";

const RED_ZONE = 128n;
const SC = "uc.uc_mcontext.";
/** Registers that sigcontext and pt_regs name alike. */
// biome-ignore format: a table
const COMMON = ["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "di", "si", "bp", "bx", "dx", "ax", "cx", "sp", "ip"] as const;

/** get_sigframe(): the stack, and whether it is the alternate one. undefined = an address that cannot be. */
function chooseStack(task: Task, sp: bigint, flags: number): { sp: bigint; alternate: boolean } {
  const nested = onSigStack(task, sp);
  const below = sp - RED_ZONE;
  if (usesOwnStack(flags) && stackFlags(task, below) === 0) {
    return { sp: task.altstack.sp + task.altstack.size, alternate: true };
  }
  return { sp: below, alternate: nested };
}

export function setupRtFrame64(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, ksig: Ksignal): boolean {
  if ((ksig.action.flags & SA.SA_RESTORER) === 0) return false;
  const stack = chooseStack(task, regs.sp, ksig.action.flags);
  // addresses no pointer can be, and what plain numbers cannot hold exactly, fail in the copy below
  const place = placeFrame(Number(BigInt.asUintN(64, stack.sp)), RT_SIGFRAME_64.size, stateSize(cpu), 64);
  if (stack.alternate && !within(task, BigInt(place.frame))) return false;
  if (!copyToUser(k, task, place.fxstate, frameImage(cpu, 64, false))) return false;

  const frame = RT_SIGFRAME_64.make({
    pretcode: ksig.action.restorer,
    "uc.uc_flags": UC_SIGCONTEXT_SS | (user64BitMode(k, regs) ? UC_STRICT_RESTORE_SS : 0),
    "uc.uc_stack.ss_sp": task.altstack.sp,
    "uc.uc_stack.ss_flags": task.altstack.flags,
    "uc.uc_stack.ss_size": task.altstack.size,
    "uc.uc_sigmask": maskToSave(task),
    [`${SC}flags`]: regs.get("flags"),
    [`${SC}cs`]: regs.cs,
    [`${SC}ss`]: regs.ss,
    [`${SC}err`]: task.thread.errorCode,
    [`${SC}trapno`]: task.thread.trapNr,
    [`${SC}oldmask`]: maskToSave(task),
    [`${SC}cr2`]: task.thread.cr2,
    [`${SC}fpstate`]: place.fpstate,
  });
  for (const name of COMMON) frame.set(`${SC}${name}`, regs.get(name));
  if ((ksig.action.flags & SA.SA_SIGINFO) !== 0) frame.region("info").set(encodeSiginfo(ksig.info, "64"));
  if (!putStruct(k, task, place.frame, frame)) return false;

  regs.set("di", ksig.sig);
  regs.ax = 0;
  regs.set("si", place.frame + RT_SIGFRAME_64.offset.info);
  regs.set("dx", place.frame + RT_SIGFRAME_64.offset.uc);
  regs.set("ip", ksig.action.handler);
  regs.set("sp", place.frame);
  regs.set("cs", k.layout.selectors.__USER_CS!);
  if (regs.ss !== k.layout.selectors.__USER_DS) forceValidSs(k, cpu, task, regs);
  return true;
}

/** force_valid_ss(): 64-bit code runs with any SS that IRET accepts; one that it would not is replaced. */
function forceValidSs(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): void {
  const descriptor = descriptorAt(k, cpu, task, regs.ss);
  const access = descriptor === undefined ? 0 : Number((descriptor >> 40n) & 0xffn);
  // present, S, DPL 3, writable data that may expand down; the accessed bit is no matter
  const usable = (access & 0xfa) === 0xf2;
  if (!usable) regs.set("ss", k.layout.selectors.__USER_DS!);
}

/** rt_sigreturn of 64-bit code: the registers are those of the frame before the FPU state is read. */
export function rtSigreturn64(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): bigint {
  const left = k.once("restore_sigcontext", () => restoreRegisters(k, cpu, task, regs));
  if (left === undefined || !restoreFpu(k, cpu, task, left.fpstate, 64))
    return badFrame(k, cpu, task, regs, "rt_sigreturn");
  restoreAltstack(task, regs.sp, left.sp, left.size, left.flags);
  return regs.ax;
}

/** The first half of it; what the second needs of the frame, or undefined. */
function restoreRegisters(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs) {
  const frame = getStruct(k, task, Number(regs.sp) - 8, RT_SIGFRAME_64);
  if (frame === undefined) return undefined;
  setBlocked(k, task, frame.big("uc.uc_sigmask"));
  const context = SIGCONTEXT_64.at(frame.region("uc.uc_mcontext"));
  for (const name of COMMON) regs.set(name, context.big(name));
  regs.set("cs", context.get("cs") | 3);
  regs.set("ss", context.get("ss") | 3);
  regs.set("flags", (regs.flags & ~FIX_EFLAGS) | (context.get("flags") & FIX_EFLAGS));
  regs.set("orig_ax", -1n);
  const strict = (frame.get("uc.uc_flags") & UC_STRICT_RESTORE_SS) !== 0;
  if (!strict && user64BitMode(k, regs)) forceValidSs(k, cpu, task, regs);
  return {
    fpstate: context.get("fpstate"),
    sp: frame.big("uc.uc_stack.ss_sp"),
    size: frame.big("uc.uc_stack.ss_size"),
    flags: frame.get("uc.uc_stack.ss_flags"),
  };
}

/** fpu__restore_sig(): a null pointer gives the initial state. `at` is the FXSAVE image itself. */
export function restoreFpu(k: Kernel, cpu: Cpu, task: Task, at: number, bits: 32 | 64): boolean {
  if (at === 0) {
    clearFpu(cpu);
    return true;
  }
  return loadFrameImage(cpu, (offset, length) => copyFromUser(k, task, at + offset, length), bits);
}

/** restore_altstack(): only a fault in reading counts as failure. */
export function restoreAltstack(task: Task, sp: bigint, ssSp: bigint, size: bigint, flags: number): void {
  setAltstack(task, sp, { sp: ssSp, size, flags: flags >>> 0 }, MINSIGSTKSZ);
}

/** signal_fault(): the frame is unusable. */
export function badFrame(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, where: string): bigint {
  k.printk(
    cpu,
    `${k.process(task).comm}[${task.pid}] bad frame in ${where} ip:${regs.ip.toString(16)} sp:${regs.sp.toString(16)}`,
  );
  forceSig(k, cpu, task, SIG.SIGSEGV);
  return 0n;
}
