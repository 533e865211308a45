/** Delivering signals on the way to user mode: get_signal(), handle_signal(), and the restart of interrupted system calls. */
import type { Cpu } from "../../cpu/cpu.ts";
import { EFLAGS } from "../../cpu/layout.ts";
import { E, ERESTART, MAX_ERRNO } from "../abi/errno.ts";
import type { Siginfo } from "../abi/siginfo.ts";
import { defaultAction, SA, SI_CODE, SIG, SIG_DFL, SIG_IGN, SS_AUTODISARM } from "../abi/signal.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { VM86 } from "../abi/vm86.ts";
import type { Kernel } from "../kernel.ts";
import { disableStep } from "../ptrace/step.ts";
import { fatalSignalPending, ptraceNotify, ptraceStop, takeAnswer } from "../ptrace/stop.ts";
import type { Stop } from "../ptrace/types.ts";
import type { PtRegs } from "../ptregs.ts";
import type { SigAction, Task } from "../state.ts";
import { doExit, doGroupExit } from "../task/exit.ts";
import { rseqSignalDeliver } from "../task/rseq.ts";
import { resetAltstack } from "./altstack.ts";
import { clearFpu } from "./fpstate.ts";
import { setupIa32Frame, setupIa32RtFrame } from "./frame32.ts";
import { setupRtFrame64 } from "./frame64.ts";
import { doJobctlTrap, doSignalStop, jobPending } from "./jobctl.ts";
import { forceSigsegv, recalcSigpending, sendSignal, setBlocked, takeSignal } from "./send.ts";
import { bitOf, hasSignal, nextSignal } from "./sets.ts";

/** struct ksignal: the signal about to be delivered, with its action as it was. */
export interface Ksignal {
  readonly sig: number;
  readonly info: Siginfo;
  readonly action: Readonly<SigAction>;
}

/** A task that stops or sleeps here comes back to the same place. */
export function archDoSignalOrRestart(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): void {
  const ksig = k.once("get_signal", () => {
    const found = getSignal(k, cpu, task);
    return task.dead || task.asleep ? "schedule" : found;
  });
  if (ksig === "schedule") return;
  if (ksig !== undefined) {
    handleSignal(k, cpu, task, regs, ksig);
    return;
  }
  if (regs.origAx !== -1) restartWithoutHandler(k, task, regs, syscallError(k, task, regs));
  if (task.savedSigmask !== undefined) {
    setBlocked(k, task, task.savedSigmask);
    delete task.savedSigmask;
  }
}

/** get_signal(): the next one that has a handler. Ignored ones vanish; a fatal one ends the program and nothing is returned. */
function getSignal(k: Kernel, cpu: Cpu, task: Task): Ksignal | undefined {
  takeAnswer(k, task, "job");
  const seen = takeAnswer(k, task, "signal");
  let info = seen === undefined ? undefined : afterPtraceSignal(k, task, seen);
  for (;;) {
    const process = k.process(task);
    if (info === undefined) {
      const execs = process.execTask !== undefined && process.execTask !== task.pid;
      if (process.groupExit !== undefined || execs) {
        task.pending.signal &= ~bitOf(SIG.SIGKILL);
        doExit(k, cpu, task);
        return undefined;
      }
      if (jobPending(task)) {
        if (doJob(k, task)) return undefined;
        continue;
      }
      info = dequeueSignal(k, task);
      if (info === undefined) return undefined;
      const immutable = (process.actions[info.signo - 1]!.flags & SA.SA_IMMUTABLE) !== 0;
      if (task.ptrace !== undefined && info.signo !== SIG.SIGKILL && !immutable) {
        if (ptraceStop(k, task, { at: "signal", code: info.signo, info }, SI_CODE.CLD_TRAPPED)) return undefined;
      }
    }
    const found = act(k, cpu, task, info);
    if (found !== "next") return found;
    info = undefined;
  }
}

/** What jobctl asks for; true = the task sleeps now. */
function doJob(k: Kernel, task: Task): boolean {
  if (task.job?.stopPending === true && doSignalStop(k, task, 0)) return true;
  return (task.job?.trapStop === true || task.job?.trapNotify === true) && doJobctlTrap(k, task);
}

/** dequeue_synchronous_signal() and dequeue_signal(). */
function dequeueSignal(k: Kernel, task: Task): Siginfo | undefined {
  const { sharedPending } = k.process(task);
  const own = nextSignal(task.pending.signal, task.blocked);
  const sig = own === 0 ? nextSignal(sharedPending.signal, task.blocked) : own;
  const info = sig === 0 ? undefined : takeSignal(own === 0 ? sharedPending : task.pending, sig);
  recalcSigpending(k, task);
  return info;
}

/** ptrace_signal() once the tracer has answered: the signal to go on with, undefined = none. */
function afterPtraceSignal(k: Kernel, task: Task, { answer, info }: Stop): Siginfo | undefined {
  if (answer === 0 || info === undefined) return undefined;
  const tracer = k.state.tasks.find((t) => t.pid === task.ptrace?.tracer);
  const changed = {
    signo: answer,
    errno: 0,
    code: SI_CODE.SI_USER,
    pid: tracer?.tgid ?? 0,
    uid: tracer?.cred.uid ?? 0,
  };
  const signal = answer === info.signo ? info : changed;
  if (!hasSignal(task.blocked, answer) && !fatalSignalPending(k, task)) return signal;
  sendSignal(k, task, signal, false);
  return undefined;
}

/** What a signal's action makes of it: "next" = nothing that is seen in user mode. */
function act(k: Kernel, cpu: Cpu, task: Task, info: Siginfo): Ksignal | undefined | "next" {
  const sig = info.signo;
  const { actions } = k.process(task);
  const action = actions[sig - 1]!;
  if (action.handler === BigInt(SIG_IGN)) return "next";
  if (action.handler !== BigInt(SIG_DFL)) {
    const ksig: Ksignal = { sig, info, action: { ...action } };
    if ((action.flags & SA.SA_RESETHAND) !== 0) actions[sig - 1] = { ...action, handler: BigInt(SIG_DFL) };
    return ksig;
  }
  const fate = defaultAction(sig);
  if (fate === "stop") {
    if (sig !== SIG.SIGSTOP && isOrphaned(k, task)) return "next";
    return doSignalStop(k, task, sig) ? undefined : "next";
  }
  if (fate !== "terminate" && fate !== "core") return "next";
  k.timeline.signalDelivered(cpu, info, "default");
  doGroupExit(k, cpu, task, { status: 0, signal: sig, core: fate === "core" });
  return undefined;
}

/** is_current_pgrp_orphaned(): nobody of the session, outside the group, is the parent of one in it who could continue it. */
function isOrphaned(k: Kernel, task: Task): boolean {
  const { pgrp, sid } = k.process(task);
  const members = k.state.processes.filter((p) => p.pgrp === pgrp && p.zombie === undefined);
  return !members.some((member) => {
    const parent = k.state.processes.find((p) => p.tgid === member.ppid && p.tgid > 0);
    return parent !== undefined && parent.pgrp !== pgrp && parent.sid === sid;
  });
}

/** syscall_get_error(): the error that a system call returned, 0 if none. A compat result counts in its low 32 bits. */
export function syscallError(k: Kernel, task: Task, regs: PtRegs): number {
  const poked = (k.threadInfo(task, "status") & (k.layout.status.I386_REGS_POKED ?? 0)) !== 0;
  const value = k.inIa32Syscall(task) || poked ? BigInt.asIntN(32, regs.ax) : BigInt.asIntN(64, regs.ax);
  return value < 0n && value >= -BigInt(MAX_ERRNO) ? Number(value) : 0;
}

function restart(regs: PtRegs): void {
  regs.ax = regs.get("orig_ax");
  regs.set("ip", regs.ip - 2n);
}

function restartWithoutHandler(k: Kernel, task: Task, regs: PtRegs, error: number): void {
  switch (-error) {
    case ERESTART.ERESTARTNOHAND:
    case ERESTART.ERESTARTSYS:
    case ERESTART.ERESTARTNOINTR:
      restart(regs);
      break;
    case ERESTART.ERESTART_RESTARTBLOCK:
      regs.ax = restartNumber(k, task);
      regs.set("ip", regs.ip - 2n);
      break;
  }
}

/** get_nr_restart_syscall(): by the table that the call came through. */
function restartNumber(k: Kernel, task: Task): number {
  const table = task.restart?.compat === true ? (k.arch.compat ?? k.arch.native) : k.arch.native;
  return syscallNumber(table.abi, "restart_syscall");
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
  k.once("save_v86_state", () => {
    if (k.arch.vm86?.mode(regs) === true) k.arch.vm86.leave(k, cpu, regs, VM86.VM86_SIGNAL);
  });
  const stepping = k.once("handle_signal", () => beforeFrame(k, task, regs, ksig));
  rseqSignalDeliver(k, cpu, task, regs, ksig.sig);
  if (!setupFrame(k, cpu, task, regs, ksig)) {
    forceSigsegv(k, cpu, task, ksig.sig);
    return;
  }
  k.timeline.signalDelivered(cpu, ksig.info, "handler", ksig.action.handler);
  regs.set("flags", regs.flags & ~(EFLAGS.DF | EFLAGS.RF | EFLAGS.TF));
  clearFpu(cpu);
  signalDelivered(k, task, ksig);
  if (stepping) reportStepIntoHandler(k, task);
}

/** What comes before the frame: was the program stepped? */
function beforeFrame(k: Kernel, task: Task, regs: PtRegs, ksig: Ksignal): boolean {
  if (regs.origAx !== -1) restartBeforeHandler(k, task, regs, ksig.action);
  // a stepped program is not to find the tracer's TF in its frame, and stops at the handler's first instruction
  const stepping = k.testFlag(task, "SINGLESTEP");
  if (stepping) disableStep(k, task);
  return stepping;
}

/** signal_delivered(stepping): ptrace_notify(SIGTRAP, 0), a stop of its own kind before the handler runs. */
function reportStepIntoHandler(k: Kernel, task: Task): void {
  if (task.ptrace !== undefined) ptraceNotify(k, task, "job", SIG.SIGTRAP, 0n);
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
