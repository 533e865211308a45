/**
 * The 32-bit signal frames, sigframe and rt_sigframe: for compat handlers on the 64-bit kernel (ia32/ia32_signal.c) and for all on the
 * 32-bit one (kernel/signal.c).
 */
import type { Cpu } from "../../cpu/cpu.ts";
import {
  FIX_EFLAGS,
  FREGS_SIZE,
  placeFrame,
  RT_SIGFRAME_IA32,
  RT_SIGFRAME_RETCODE,
  SIGCONTEXT_32,
  SIGFRAME_IA32,
  SIGFRAME_RETCODE,
} from "../abi/sigcontext.ts";
import { encodeSiginfo } from "../abi/siginfo.ts";
import { SA } from "../abi/signal.ts";
import type { DataSegment } from "../arch.ts";
import type { Kernel } from "../kernel.ts";
import { copyFromUser, copyToUser, getStruct, putStruct } from "../mm/uaccess.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Task } from "../state.ts";
import { vdsoImage } from "../vdso/index.ts";
import { onSigStack, stackFlags, within } from "./altstack.ts";
import { type Ksignal, maskToSave } from "./deliver.ts";
import { frameImage, fsaveHeader, loadFsaveHeader, stateSize } from "./fpstate.ts";
import { badFrame, restoreAltstack, restoreFpu } from "./frame64.ts";
import { setBlocked, usesOwnStack } from "./send.ts";

const COMMON = ["di", "si", "bp", "sp", "bx", "dx", "cx", "ax", "ip"] as const;
const SEGMENTS: readonly DataSegment[] = ["gs", "fs", "es", "ds"];
const LOW = 0xffff_ffffn;

type Context = ReturnType<typeof SIGCONTEXT_32.at>;
interface Placed {
  readonly frame: number;
  readonly fpstate: number;
}

/** get_sigframe(), the FPU state written; undefined = no frame can be there. */
function getSigframe(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, ksig: Ksignal, size: number): Placed | undefined {
  const { flags, restorer } = ksig.action;
  const userSp = regs.sp & LOW;
  const nested = onSigStack(task, userSp);
  let sp = userSp;
  let entering = false;
  if (usesOwnStack(flags)) {
    entering = stackFlags(task, sp) === 0;
    if (entering) sp = task.altstack.sp + task.altstack.size;
  } else if (!nested && !onFlatStack(k, regs) && (flags & SA.SA_RESTORER) === 0 && restorer !== 0n) {
    // the way before sigaltstack: sa_restorer without its flag is a stack
    sp = restorer;
  }
  const place = placeFrame(Number(sp & LOW), size, stateSize(cpu), 32);
  const alternate = k.layout.wordSize === 4 && (nested || entering);
  if (alternate && !within(task, BigInt(place.frame))) return undefined;
  if (place.frame < 0) return undefined;
  if (!copyToUser(k, task, place.fpstate, fsaveHeader(cpu, regs.cs))) return undefined;
  return copyToUser(k, task, place.fxstate, frameImage(cpu, k.arch.bits, true)) ? place : undefined;
}

const userDs = (k: Kernel): number => k.layout.selectors.__USER32_DS ?? k.layout.selectors.__USER_DS!;
const onFlatStack = (k: Kernel, regs: PtRegs): boolean => regs.ss === userDs(k);

function fillContext(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, context: Context, fpstate: number): void {
  for (const name of SEGMENTS) context.set(name, k.arch.userSegment(k, cpu, regs, name));
  for (const name of COMMON) context.set(name, regs.get(name));
  context.assign({
    trapno: task.thread.trapNr,
    err: task.thread.errorCode,
    cs: regs.cs,
    flags: regs.flags,
    sp_at_signal: regs.sp,
    ss: regs.ss,
    fpstate,
    oldmask: maskToSave(task) & LOW,
    cr2: task.thread.cr2,
  });
}

/** Where the handler returns to: its own restorer, or the vDSO's. Without a vDSO, `fallback`. */
function restorerFor(k: Kernel, task: Task, ksig: Ksignal, symbol: string, fallback: number): bigint {
  if ((ksig.action.flags & SA.SA_RESTORER) !== 0) return ksig.action.restorer;
  const { vdso } = k.mm(task).context;
  if (vdso === 0 && symbol === "__kernel_sigreturn") return BigInt(fallback);
  return BigInt(vdso + (vdsoImage(k.arch.vdsoKind(k, 32)).symbols.get(symbol) ?? 0));
}

/** The handler's registers: regparm arguments, flat 32-bit segments. */
function enterHandler(k: Kernel, cpu: Cpu, regs: PtRegs, ksig: Ksignal, sp: number, dx: number, cx: number): void {
  regs.set("sp", sp);
  regs.set("ip", ksig.action.handler & LOW);
  regs.ax = ksig.sig;
  regs.set("dx", dx);
  regs.set("cx", cx);
  k.arch.setUserSegment(k, cpu, regs, "ds", userDs(k));
  k.arch.setUserSegment(k, cpu, regs, "es", userDs(k));
  regs.set("cs", k.layout.selectors.__USER32_CS ?? k.layout.selectors.__USER_CS!);
  regs.set("ss", userDs(k));
}

export function setupIa32Frame(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, ksig: Ksignal): boolean {
  const place = getSigframe(k, cpu, task, regs, ksig, SIGFRAME_IA32.size);
  if (place === undefined) return false;
  const frame = SIGFRAME_IA32.make({ sig: ksig.sig, extramask: maskToSave(task) >> 32n });
  fillContext(k, cpu, task, regs, SIGCONTEXT_32.at(frame.region("sc")), place.fpstate);
  const retcode = place.frame + SIGFRAME_IA32.offset.retcode;
  frame.set("pretcode", restorerFor(k, task, ksig, "__kernel_sigreturn", retcode));
  frame.region("retcode").set(SIGFRAME_RETCODE);
  if (!putStruct(k, task, place.frame, frame)) return false;
  enterHandler(k, cpu, regs, ksig, place.frame, 0, 0);
  return true;
}

export function setupIa32RtFrame(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, ksig: Ksignal): boolean {
  const place = getSigframe(k, cpu, task, regs, ksig, RT_SIGFRAME_IA32.size);
  if (place === undefined) return false;
  const { offset } = RT_SIGFRAME_IA32;
  const frame = RT_SIGFRAME_IA32.make({
    sig: ksig.sig,
    pinfo: place.frame + offset.info,
    puc: place.frame + offset.uc,
    "uc.uc_stack.ss_sp": task.altstack.sp,
    "uc.uc_stack.ss_flags": task.altstack.flags,
    "uc.uc_stack.ss_size": task.altstack.size,
    "uc.uc_sigmask": maskToSave(task),
  });
  frame.set("pretcode", restorerFor(k, task, ksig, "__kernel_rt_sigreturn", 0));
  fillContext(k, cpu, task, regs, SIGCONTEXT_32.at(frame.region("uc.uc_mcontext")), place.fpstate);
  frame.region("info").set(encodeSiginfo(ksig.info, "ia32"));
  frame.region("retcode").set(RT_SIGFRAME_RETCODE);
  if (!putStruct(k, task, place.frame, frame)) return false;
  enterHandler(k, cpu, regs, ksig, place.frame, place.frame + offset.info, place.frame + offset.uc);
  return true;
}

/** sigreturn: the handler's `ret` and the restorer's `pop` have taken two words off the frame. */
export function sigreturn32(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): bigint {
  const fpstate = k.once("restore_sigcontext", () => {
    const frame = getStruct(k, task, Number(regs.sp & LOW) - 8, SIGFRAME_IA32);
    if (frame === undefined) return undefined;
    setBlocked(k, task, frame.big("sc.oldmask") | (frame.big("extramask") << 32n));
    return restoreRegisters(k, cpu, regs, frame.region("sc"));
  });
  if (fpstate !== undefined && restoreFpu32(k, cpu, task, fpstate)) return regs.ax;
  return badFrame(k, cpu, task, regs, "32bit sigreturn");
}

export function rtSigreturn32(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): bigint {
  const left = k.once("restore_sigcontext", () => {
    const frame = getStruct(k, task, Number(regs.sp & LOW) - 4, RT_SIGFRAME_IA32);
    if (frame === undefined) return undefined;
    setBlocked(k, task, frame.big("uc.uc_sigmask"));
    return {
      fpstate: restoreRegisters(k, cpu, regs, frame.region("uc.uc_mcontext")),
      sp: frame.big("uc.uc_stack.ss_sp"),
      size: frame.big("uc.uc_stack.ss_size"),
      flags: frame.get("uc.uc_stack.ss_flags"),
    };
  });
  if (left === undefined || !restoreFpu32(k, cpu, task, left.fpstate))
    return badFrame(k, cpu, task, regs, "32bit rt sigreturn");
  restoreAltstack(task, regs.sp, left.sp, left.size, left.flags);
  return regs.ax;
}

/** ia32_restore_sigcontext() and the 32-bit kernel's restore_sigcontext() but for the FPU, whose state is at the address given back. */
function restoreRegisters(k: Kernel, cpu: Cpu, regs: PtRegs, bytes: Uint8Array): number {
  const context = SIGCONTEXT_32.at(bytes);
  for (const name of COMMON) regs.set(name, context.get(name));
  regs.set("cs", context.get("cs") | 3);
  regs.set("ss", context.get("ss") | 3);
  regs.set("flags", (regs.flags & ~FIX_EFLAGS) | (context.get("flags") & FIX_EFLAGS));
  regs.set("orig_ax", -1n);
  for (const name of SEGMENTS) {
    const selector = context.get(name) | (k.layout.wordSize === 8 ? 3 : 0);
    if (selector !== k.arch.userSegment(k, cpu, regs, name)) k.arch.setUserSegment(k, cpu, regs, name, selector);
  }
  return context.get("fpstate");
}

/** The older image in front of the FPU state is what counts for the x87 part. */
function restoreFpu32(k: Kernel, cpu: Cpu, task: Task, fpstate: number): boolean {
  if (fpstate === 0) return restoreFpu(k, cpu, task, 0, k.arch.bits);
  if (!restoreFpu(k, cpu, task, fpstate + FREGS_SIZE, k.arch.bits)) return false;
  const legacy = copyFromUser(k, task, fpstate, FREGS_SIZE);
  if (legacy !== undefined) loadFsaveHeader(cpu, legacy);
  return legacy !== undefined;
}
