/** Delivering signals on the way to user mode: get_signal(), handle_signal(), and the restart of interrupted system calls. */
import type { Cpu } from "../../cpu/cpu.ts";
import { EFLAGS } from "../../cpu/layout.ts";
import { E, ERESTART, MAX_ERRNO } from "../abi/errno.ts";
import type { Siginfo } from "../abi/siginfo.ts";
import { defaultAction, SA, SIG_DFL, SIG_IGN, SS_AUTODISARM } from "../abi/signal.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { VM86 } from "../abi/vm86.ts";
import { doExit, doGroupExit } from "../exit.ts";
import type { Kernel } from "../kernel.ts";
import type { PtRegs } from "../ptregs.ts";
import type { SigAction, Task } from "../state.ts";
import { resetAltstack } from "./altstack.ts";
import { clearFpu } from "./fpstate.ts";
import { setupIa32Frame, setupIa32RtFrame } from "./frame32.ts";
import { setupRtFrame64 } from "./frame64.ts";
import { forceSigsegv, recalcSigpending, setBlocked, takeSignal } from "./send.ts";
import { bitOf, nextSignal } from "./sets.ts";

/** struct ksignal: the signal about to be delivered, with its action as it was. */
export interface Ksignal {
  readonly sig: number;
  readonly info: Siginfo;
  readonly action: Readonly<SigAction>;
}

export function archDoSignalOrRestart(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): void {
  const ksig = getSignal(k, cpu, task);
  if (task.dead) return;
  if (ksig !== undefined) {
    handleSignal(k, cpu, task, regs, ksig);
    return;
  }
  if (regs.origAx !== -1) restartWithoutHandler(k, regs, syscallError(k, task, regs));
  if (task.savedSigmask !== undefined) {
    setBlocked(k, task, task.savedSigmask);
    delete task.savedSigmask;
  }
}

/** get_signal(): the next one that has a handler. Ignored ones vanish; a fatal one ends the program and nothing is returned. */
function getSignal(k: Kernel, cpu: Cpu, task: Task): Ksignal | undefined {
  for (;;) {
    const process = k.process(task);
    if (process.groupExit !== undefined) {
      doExit(k, cpu, task);
      return undefined;
    }
    const own = nextSignal(task.pending.signal, task.blocked);
    const shared = own === 0 ? nextSignal(process.sharedPending.signal, task.blocked) : 0;
    const sig = own === 0 ? shared : own;
    if (sig === 0) {
      recalcSigpending(k, task);
      return undefined;
    }
    const info = takeSignal(own === 0 ? process.sharedPending : task.pending, sig);
    recalcSigpending(k, task);
    const action = process.actions[sig - 1]!;
    if (action.handler === BigInt(SIG_IGN)) continue;
    if (action.handler !== BigInt(SIG_DFL)) {
      const ksig: Ksignal = { sig, info, action: { ...action } };
      if ((action.flags & SA.SA_RESETHAND) !== 0) action.handler = BigInt(SIG_DFL);
      return ksig;
    }
    const fate = defaultAction(sig);
    if (fate === "terminate" || fate === "core") {
      k.timeline.signalDelivered(cpu, info, "default");
      doGroupExit(k, cpu, task, { status: 0, signal: sig, core: fate === "core" });
      return undefined;
    }
    if (fate === "stop") k.unimplemented(cpu, "stopping by signal", String(sig));
  }
}

/** syscall_get_error(): the error that a system call returned, 0 if none. A compat result counts in its low 32 bits. */
function syscallError(k: Kernel, task: Task, regs: PtRegs): number {
  const value = k.inIa32Syscall(task) ? BigInt.asIntN(32, regs.ax) : BigInt.asIntN(64, regs.ax);
  return value < 0n && value >= -BigInt(MAX_ERRNO) ? Number(value) : 0;
}

function restart(regs: PtRegs): void {
  regs.ax = regs.get("orig_ax");
  regs.set("ip", regs.ip - 2n);
}

function restartWithoutHandler(k: Kernel, regs: PtRegs, error: number): void {
  switch (-error) {
    case ERESTART.ERESTARTNOHAND:
    case ERESTART.ERESTARTSYS:
    case ERESTART.ERESTARTNOINTR:
      restart(regs);
      break;
    case ERESTART.ERESTART_RESTARTBLOCK:
      regs.ax = syscallNumber(k.arch.native.abi, "restart_syscall");
      regs.set("ip", regs.ip - 2n);
      break;
  }
}

function restartBeforeHandler(k: Kernel, task: Task, regs: PtRegs, action: SigAction): void {
  switch (-syscallError(k, task, regs)) {
    case ERESTART.ERESTART_RESTARTBLOCK:
    case ERESTART.ERESTARTNOHAND:
      regs.ax = -E.EINTR;
      break;
    case ERESTART.ERESTARTSYS:
      if ((action.flags & SA.SA_RESTART) === 0) regs.ax = -E.EINTR;
      else restart(regs);
      break;
    case ERESTART.ERESTARTNOINTR:
      restart(regs);
      break;
  }
}

/** handle_signal(): make user mode continue in the handler, with the interrupted context saved on its stack. */
function handleSignal(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, ksig: Ksignal): void {
  if (k.arch.vm86?.mode(regs) === true) k.arch.vm86.leave(k, cpu, regs, VM86.VM86_SIGNAL);
  if (regs.origAx !== -1) restartBeforeHandler(k, task, regs, ksig.action);
  k.timeline.signalDelivered(cpu, ksig.info, "handler", ksig.action.handler);
  if (!setupFrame(k, cpu, task, regs, ksig)) {
    forceSigsegv(k, cpu, task, ksig.sig);
    return;
  }
  regs.set("flags", regs.flags & ~(EFLAGS.DF | EFLAGS.RF | EFLAGS.TF));
  clearFpu(cpu);
  signalDelivered(k, task, ksig);
}

/** The kind of frame is that of the system call which installed the handler. */
function setupFrame(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs, ksig: Ksignal): boolean {
  const { flags } = ksig.action;
  if (k.layout.wordSize === 8 && (flags & SA.SA_IA32_ABI) === 0) return setupRtFrame64(k, cpu, task, regs, ksig);
  const setup = (flags & SA.SA_SIGINFO) !== 0 ? setupIa32RtFrame : setupIa32Frame;
  return setup(k, cpu, task, regs, ksig);
}

function signalDelivered(k: Kernel, task: Task, ksig: Ksignal): void {
  delete task.savedSigmask;
  const own = (ksig.action.flags & SA.SA_NODEFER) === 0 ? bitOf(ksig.sig) : 0n;
  setBlocked(k, task, task.blocked | ksig.action.mask | own);
  if ((task.altstack.flags & SS_AUTODISARM) !== 0) resetAltstack(task);
}

/** sigmask_to_save(): what the frame says was blocked. */
export const maskToSave = (task: Task): bigint => task.savedSigmask ?? task.blocked;
