/**
 * seccomp's decision about a system call (kernel/seccomp.c: __secure_computing() and __seccomp_filter()). A filter may call the task's
 * tracer or its own listener; then the up-call is made again, and finds the stop over or the answer there.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { E, MAX_ERRNO } from "../abi/errno.ts";
import { PTRACE_EVENT, PTRACE_O } from "../abi/ptrace.ts";
import {
  SECCOMP_DATA_SIZE,
  SECCOMP_RET,
  SECCOMP_RET_ACTION_FULL,
  SECCOMP_RET_DATA,
  SYS_SECCOMP,
} from "../abi/seccomp.ts";
import { SIG } from "../abi/signal.ts";
import { syscallName } from "../abi/syscalls.ts";
import type { Kernel } from "../kernel.ts";
import { fatalSignalPending, ptraceEvent, ptraceEventEnabled } from "../ptrace/stop.ts";
import type { PtRegs } from "../ptregs.ts";
import { forceSigInfo } from "../signal/send.ts";
import type { Task } from "../state.ts";
import { syscallArch, syscallArguments, syscallTable } from "../syscall/inspect.ts";
import { doExit, type Fate, threadsOf } from "../task/exit.ts";
import { SCHEDULE } from "../upcall.ts";
import { runFilter } from "./bpf.ts";
import { awaitAnswer, notifyListener } from "./notify.ts";
import type { SeccompFilter } from "./types.ts";

interface Call {
  readonly k: Kernel;
  readonly cpu: Cpu;
  readonly task: Task;
  readonly regs: PtRegs;
}
type Decision = "go on" | "skip" | typeof SCHEDULE;

/** Mode 1: by the names of the table that the call belongs to. */
const STRICT = ["read", "write", "exit"];
const STRICT_SIGRETURN = { 4: "sigreturn", 8: "rt_sigreturn" } as const;

/** "skip": the filters have said what becomes of the call. */
export function secureComputing(k: Kernel, cpu: Cpu, task: Task, regs: PtRegs): Decision {
  const call: Call = { k, cpu, task, regs };
  const { seccomp } = task;
  if (seccomp === undefined || ((task.ptrace?.options ?? 0) & PTRACE_O.SUSPEND_SECCOMP) !== 0) return "go on";
  if (seccomp.mode === "dead") return end(call, seccomp.end ?? { status: 0, signal: SIG.SIGKILL, core: false });
  if (seccomp.mode === "strict") return strict(call);
  if (task.notification !== undefined) return awaitAnswer(k, task, regs);
  // the tracer that the filters called has answered
  return task.stop?.at === "event" ? afterTracer(call, 0) : filter(call, false);
}

function strict(call: Call): Decision {
  const { k, task, regs } = call;
  const table = syscallTable(k, task);
  const name = syscallName(table.abi, regs.origAx) ?? "";
  if (STRICT.includes(name) || name === STRICT_SIGRETURN[table.compat ? 4 : 8]) return "go on";
  report(call, "KILL_THREAD", 0);
  return end(call, { status: 0, signal: SIG.SIGKILL, core: false });
}

/** do_exit() of this thread alone. Its tracer may want to see it first, and then this is called again. */
function end({ k, cpu, task }: Call, how: Fate): Decision {
  task.seccomp = { filters: [], ...task.seccomp, mode: "dead", end: how };
  doExit(k, cpu, task, how);
  return SCHEDULE;
}

/** struct seccomp_data. */
function seccompData({ k, task, regs }: Call): DataView {
  const data = new DataView(new ArrayBuffer(SECCOMP_DATA_SIZE));
  data.setInt32(0, regs.origAx, true);
  data.setUint32(4, syscallArch(k, task), true);
  data.setBigUint64(8, regs.ip, true);
  for (const [i, value] of syscallArguments(k, task, regs).entries()) data.setBigUint64(16 + i * 8, value, true);
  return data;
}

const actionOf = (result: number): number => (result & SECCOMP_RET_ACTION_FULL) >>> 0;

/** seccomp_run_filters(): all are asked, the newest first; the strictest action wins, and among equals the newest filter. */
function runFilters(filters: readonly SeccompFilter[], data: DataView): { result: number; match?: SeccompFilter } {
  let best: { result: number; match?: SeccompFilter } = { result: SECCOMP_RET.ALLOW };
  for (const match of filters.toReversed()) {
    const result = runFilter(match.program, data);
    if ((actionOf(result) | 0) < (actionOf(best.result) | 0)) best = { result, match };
  }
  return best;
}

/** `recheck`: the tracer that the filters called has changed the call, and they do not call it again. */
function filter(call: Call, recheck: boolean): Decision {
  const { k, task, regs } = call;
  const facts = seccompData(call);
  const { result, match } = runFilters(task.seccomp!.filters, facts);
  const data = result & SECCOMP_RET_DATA;
  switch (actionOf(result)) {
    case SECCOMP_RET.ALLOW:
      return "go on";
    case SECCOMP_RET.LOG:
      report(call, "LOG", data);
      return "go on";
    case SECCOMP_RET.ERRNO:
      report(call, "ERRNO", data);
      regs.ax = -Math.min(data, MAX_ERRNO);
      return "skip";
    case SECCOMP_RET.TRAP:
      report(call, "TRAP", data);
      raiseSigsys(call, data, false);
      return "skip";
    case SECCOMP_RET.TRACE:
      if (recheck) return "go on";
      report(call, "TRACE", data);
      if (ptraceEventEnabled(task, PTRACE_EVENT.SECCOMP)) return afterTracer(call, data);
      regs.ax = -E.ENOSYS;
      return "skip";
    case SECCOMP_RET.USER_NOTIF:
      report(call, "USER_NOTIF", data);
      return notifyListener(k, task, regs, match!, new Uint8Array(facts.buffer));
    case SECCOMP_RET.KILL_THREAD:
      report(call, "KILL_THREAD", data);
      if (threadsOf(k, task.tgid).length > 1) return end(call, { status: 0, signal: SIG.SIGSYS, core: false });
      return kill(call, data);
    default:
      report(call, "KILL_PROCESS", data);
      return kill(call, data);
  }
}

/** Calls the tracer, or goes on once it has answered: it may have taken the call away, or made another one of it. */
function afterTracer(call: Call, message: number): Decision {
  const { k, task, regs } = call;
  if (ptraceEvent(k, task, PTRACE_EVENT.SECCOMP, message) === "stopped") return SCHEDULE;
  if (fatalSignalPending(k, task) || regs.origAx < 0) return "skip";
  return k.choice.hooks.seccompFirst === true ? "go on" : filter(call, true);
}

/** The whole process ends by a SIGSYS that nobody can catch. */
function kill(call: Call, data: number): Decision {
  call.task.seccomp = { ...call.task.seccomp!, mode: "dead" };
  raiseSigsys(call, data, true);
  return "skip";
}

/** syscall_rollback() and force_sig_seccomp(): the handler sees the registers as they were before the call. */
function raiseSigsys({ k, cpu, task, regs }: Call, reason: number, fatal: boolean): void {
  const syscall = regs.origAx;
  regs.ax = regs.get("orig_ax");
  const info = {
    signo: SIG.SIGSYS,
    errno: reason,
    code: SYS_SECCOMP,
    callAddr: regs.ip,
    syscall,
    arch: syscallArch(k, task),
  };
  forceSigInfo(k, cpu, task, info, fatal);
}

function report({ k, cpu, task, regs }: Call, action: string, data: number): void {
  k.timeline.seccomp(cpu, action, data, regs.origAx, syscallArch(k, task));
}
