/**
 * Exception handlers (arch/x86/kernel/traps.c): each takes pt_regs and raises what Linux raises; the work before the return to user
 * mode follows it (idtEntries). Both kernels use this table; what only the 64-bit entry code calls is in traps-64.ts.
 */

import type { Cpu } from "../../cpu/cpu.ts";
import { VECTOR } from "../../cpu/fault.ts";
import { EFLAGS, OFF } from "../../cpu/layout.ts";
import { SI_CODE, SIG } from "../abi/signal.ts";
import type { Kernel } from "../kernel.ts";
import { noteBreakpoints } from "../ptrace/debugreg.ts";
import { noteStep } from "../ptrace/step.ts";
import type { PtRegs } from "../ptregs.ts";
import { forceSig, forceSigFault } from "../signal/send.ts";
import type { Task } from "../state.ts";
import { fixupIopl } from "../task/ioport.ts";
import { timerInterrupt } from "../task/sched.ts";
import { type FunctionTable, idtEntries, type UpcallContext, type UpcallTable } from "../upcall.ts";
import { die, doTrap, type Trap } from "./common.ts";
import { excPageFault } from "./page-fault.ts";

/** A handler called with pt_regs and the error code. */
function handler(body: (t: Trap, errorCode: number) => void): (u: UpcallContext) => void {
  return (u) => body({ k: u.kernel, cpu: u.cpu, regs: u.regs() }, Number(BigInt.asIntN(32, u.arg(1))));
}
/** An exception that does nothing but raise a signal. `atIp`: si_addr is the instruction. */
function plain(vector: number, signr: number, what: string, code = 0, hasError = false): (u: UpcallContext) => void {
  return handler((t, errorCode) => doTrap(t, vector, signr, what, hasError ? errorCode : 0, code, t.regs.ip));
}

/** exc_general_protection(). */
const generalProtection = handler((t, errorCode) => {
  const { k, cpu, regs } = t;
  if (k.arch.vm86?.mode(regs) === true) {
    k.arch.vm86.fault(k, cpu, regs, errorCode);
    return;
  }
  if (!regs.user) {
    if (!k.arch.fixupException(k, regs)) die(t, "general protection fault", errorCode);
    return;
  }
  const task = k.current(cpu);
  if (fixupIopl(k, cpu, task, regs)) return;
  task.thread.errorCode = errorCode;
  task.thread.trapNr = VECTOR.GP;
  forceSig(k, cpu, task, SIG.SIGSEGV);
});

/** exc_device_not_available(): CR0.TS or EM is set, which nothing here does. */
const deviceNotAvailable = handler((t) => die(t, "unexpected #NM exception", 0));

const int3 = handler((t) => {
  if (t.regs.user) doTrap(t, VECTOR.BP, SIG.SIGTRAP, "int3", 0, 0, 0n);
  else die(t, "int3", 0);
});

/** fpu__exception_code() from the unmasked exception bits: IE, ZE, OF, DE or UE, PE. */
function fpeCode(unmasked: number): number {
  if ((unmasked & 0x01) !== 0) return SI_CODE.FPE_FLTINV;
  if ((unmasked & 0x04) !== 0) return SI_CODE.FPE_FLTDIV;
  if ((unmasked & 0x08) !== 0) return SI_CODE.FPE_FLTOVF;
  if ((unmasked & 0x12) !== 0) return SI_CODE.FPE_FLTUND;
  return (unmasked & 0x20) !== 0 ? SI_CODE.FPE_FLTRES : 0;
}

function mathError(vector: number): (u: UpcallContext) => void {
  return handler((t) => {
    const { k, cpu, regs } = t;
    if (!regs.user) {
      die(t, vector === VECTOR.MF ? "fpu exception" : "simd exception", 0);
      return;
    }
    const task = k.current(cpu);
    task.thread.trapNr = vector;
    task.thread.errorCode = 0;
    const mxcsr = cpu.get32(OFF.MXCSR);
    const unmasked = vector === VECTOR.MF ? cpu.get32(OFF.FSW) & ~cpu.get32(OFF.FCW) : ~(mxcsr >> 7) & mxcsr;
    const code = fpeCode(unmasked);
    if (code !== 0) forceSigFault(k, cpu, task, SIG.SIGFPE, code, regs.ip);
  });
}

const DR6_RESERVED = 0xffff0ff0;
const DR_STEP = 1 << 14;
const DR_TRAP_BITS = 0xf;

/** debug_read_clear_dr6(): with the bits that read as one taken out. */
function readClearDr6(t: Trap): number {
  const at = OFF.DR + 6 * 8;
  const dr6 = (t.cpu.get32(at) ^ DR6_RESERVED) | 0;
  t.cpu.set64(at, BigInt(DR6_RESERVED));
  return dr6;
}

/** What has struck, noted for a tracer; the registers in the processor are clear again. */
function takeDr6(t: Trap, task: Task): { readonly raw: number; readonly all: number } {
  const { k, regs } = t;
  const raw = readClearDr6(t);
  task.thread.virtualDr6 = raw & DR_STEP;
  k.setFlag(task, "BLOCKSTEP", false);
  const { dr6, resume } = noteBreakpoints(task, raw);
  if (resume) regs.set("flags", regs.flags | EFLAGS.RF);
  return { raw, all: dr6 | task.thread.virtualDr6 };
}

/** exc_debug_user(). */
export function debugUser(t: Trap): void {
  const { k, cpu, regs } = t;
  const task = k.current(cpu);
  const { raw, all } = k.once("debug_read_clear_dr6", () => takeDr6(t, task));
  if (k.arch.vm86?.mode(regs) === true) {
    k.arch.vm86.trap(k, cpu, regs, 0, VECTOR.DB);
    return;
  }
  // no reason given: the one-byte INT1
  if (raw !== 0 && (all & (DR_STEP | DR_TRAP_BITS)) === 0) return;
  sendSigtrap(k, cpu, task, regs, trapCode(all));
}

/** send_sigtrap(). */
export function sendSigtrap(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, code: number): void {
  task.thread.trapNr = VECTOR.DB;
  task.thread.errorCode = 0;
  forceSigFault(k, cpu, task, SIG.SIGTRAP, code, regs.ip);
}
/** get_si_code(). */
function trapCode(dr6: number): number {
  if ((dr6 & (DR_STEP | (1 << 15))) !== 0) return SI_CODE.TRAP_TRACE;
  return (dr6 & DR_TRAP_BITS) !== 0 ? SI_CODE.TRAP_HWBKPT : SI_CODE.TRAP_BRKPT;
}

/** exc_debug_kernel(): the one trap that is expected here is that of SYSENTER with TF set. */
export function debugKernel(t: Trap, sysenterRange: readonly [from: string, to: string]): void {
  const raw = readClearDr6(t);
  let { dr6 } = noteBreakpoints(t.k.current(t.cpu), raw);
  const [from, to] = sysenterRange.map((name) =>
    t.k.hasSymbol(name) ? BigInt.asUintN(64, BigInt(t.k.symbol(name))) : 0n,
  );
  if (t.k.choice.hooks.stepInKernelSetsFlag === true) {
    if ((dr6 & DR_STEP) !== 0) noteStep(t.k, t.k.current(t.cpu));
  } else if (t.regs.ip >= from! && t.regs.ip < to!) dr6 &= ~DR_STEP;
  if ((dr6 & DR_STEP) !== 0) t.regs.set("flags", t.regs.flags & ~EFLAGS.TF);
}

export const debugUserUpcall = handler((t) => debugUser(t));

const HANDLERS = idtEntries({
  exc_divide_error: plain(VECTOR.DE, SIG.SIGFPE, "divide error", SI_CODE.FPE_INTDIV),
  exc_overflow: plain(VECTOR.OF, SIG.SIGSEGV, "overflow"),
  exc_bounds: plain(VECTOR.BR, SIG.SIGSEGV, "bounds"),
  exc_invalid_op: plain(VECTOR.UD, SIG.SIGILL, "invalid opcode", SI_CODE.ILL_ILLOPN),
  exc_device_not_available: deviceNotAvailable,
  exc_coproc_segment_overrun: plain(9, SIG.SIGFPE, "coprocessor segment overrun"),
  exc_invalid_tss: plain(VECTOR.TS, SIG.SIGSEGV, "invalid TSS", 0, true),
  exc_segment_not_present: plain(VECTOR.NP, SIG.SIGBUS, "segment not present", 0, true),
  exc_stack_segment: plain(VECTOR.SS, SIG.SIGBUS, "stack segment", 0, true),
  exc_general_protection: generalProtection,
  exc_page_fault: handler((t, errorCode) => excPageFault(t, errorCode)),
  exc_spurious_interrupt_bug: handler(() => {}),
  exc_coprocessor_error: mathError(VECTOR.MF),
  exc_alignment_check: handler((t, errorCode) =>
    doTrap(t, VECTOR.AC, SIG.SIGBUS, "alignment check", errorCode, SI_CODE.BUS_ADRALN, 0n),
  ),
  exc_simd_coprocessor_error: mathError(VECTOR.XM),
  exc_int3: int3,
  common_interrupt: handler(() => {}),
  sysvec_apic_timer_interrupt: handler((t) => timerInterrupt(t.k, t.cpu)),
  // what there is to do is in TIF_NEED_RESCHED and on the run queue
  sysvec_reschedule_ipi: handler(() => {}),
  sysvec_spurious_apic_interrupt: handler(() => {}),
});

export const TRAP_UPCALLS: UpcallTable = HANDLERS.upcalls;
export const TRAP_FUNCTIONS: FunctionTable = HANDLERS.functions;
