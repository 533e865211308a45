/** Signal calls: actions, masks, stacks, sending, and the return from a handler. */
import { E } from "../abi/errno.ts";
import { isSignal } from "../abi/siginfo.ts";
import {
  defaultAction,
  MINSIGSTKSZ,
  OLD_SIGACTION_32,
  SA,
  SI_CODE,
  SIG,
  SIG_BLOCK,
  SIG_DFL,
  SIG_IGN,
  SIG_SETMASK,
  SIG_UNBLOCK,
  SIGACTION_32,
  SIGACTION_64,
  STACK_T_32,
  STACK_T_64,
  UAPI_SA_FLAGS,
} from "../abi/signal.ts";
import { getStruct, getWord, putStruct, putWord } from "../mm/uaccess.ts";
import { reportedFlags, setAltstack } from "../signal/altstack.ts";
import { rtSigreturn32, sigreturn32 } from "../signal/frame32.ts";
import { rtSigreturn64 } from "../signal/frame64.ts";
import { flushSignals, recalcSigpending, sendSignal, setBlocked } from "../signal/send.ts";
import { bitOf, UNBLOCKABLE } from "../signal/sets.ts";
import type { SigAction } from "../state.ts";
import type { Syscall, SyscallContext, SyscallGroup, SyscallResult } from "./types.ts";

const SIGSET_SIZE = 8;

/** do_sigaction(): `action` undefined only asks. The flag says which kind of frame the handler will get. */
function doSigaction(c: SyscallContext, signr: number, action: SigAction | undefined): SigAction | number {
  if (!isSignal(signr) || (action !== undefined && (signr === SIG.SIGKILL || signr === SIG.SIGSTOP))) return -E.EINVAL;
  const old = c.process.actions[signr - 1]!;
  if (action === undefined) return old;
  const abi = c.compat && c.k.layout.wordSize === 8 ? SA.SA_IA32_ABI : 0;
  const flags = ((action.flags & UAPI_SA_FLAGS) | abi) >>> 0;
  c.process.actions[signr - 1] = { ...action, flags, mask: action.mask & ~UNBLOCKABLE };
  const ignores =
    action.handler === BigInt(SIG_IGN) || (action.handler === BigInt(SIG_DFL) && defaultAction(signr) === "ignore");
  if (ignores) {
    flushSignals(c.process.sharedPending, bitOf(signr));
    flushSignals(c.task.pending, bitOf(signr));
    recalcSigpending(c.k, c.task);
  }
  return old;
}

const rtSigaction: Syscall = (c) => {
  if (c.addr(3) !== SIGSET_SIZE) return -E.EINVAL;
  const struct = (c.compat ? SIGACTION_32 : SIGACTION_64) as typeof SIGACTION_64;
  let wanted: SigAction | undefined;
  if (c.addr(1) !== 0) {
    const view = getStruct(c.k, c.task, c.addr(1), struct);
    if (view === undefined) return -E.EFAULT;
    wanted = {
      handler: view.big("sa_handler"),
      flags: Number(view.big("sa_flags") & 0xffff_ffffn),
      restorer: view.big("sa_restorer"),
      mask: view.big("sa_mask"),
    };
  }
  const old = c.k.once("do_sigaction", () => doSigaction(c, c.int(0), wanted));
  if (typeof old === "number") return old;
  if (c.addr(2) === 0) return 0;
  const view = struct.make({
    sa_handler: old.handler,
    sa_flags: BigInt((old.flags & ~(SA.SA_IA32_ABI | SA.SA_X32_ABI)) >>> 0),
    sa_restorer: old.restorer,
    sa_mask: old.mask,
  });
  return putStruct(c.k, c.task, c.addr(2), view) ? 0 : -E.EFAULT;
};

/** i386's sigaction (67), with masks of 32 signals. */
const oldSigaction: Syscall = (c) => {
  let wanted: SigAction | undefined;
  if (c.addr(1) !== 0) {
    const view = getStruct(c.k, c.task, c.addr(1), OLD_SIGACTION_32);
    if (view === undefined) return -E.EFAULT;
    wanted = {
      handler: view.big("sa_handler"),
      flags: view.get("sa_flags"),
      restorer: view.big("sa_restorer"),
      mask: view.big("sa_mask"),
    };
  }
  const old = c.k.once("do_sigaction", () => doSigaction(c, c.int(0), wanted));
  if (typeof old === "number") return old;
  if (c.addr(2) === 0) return 0;
  const view = OLD_SIGACTION_32.make({
    sa_handler: old.handler,
    sa_mask: old.mask & 0xffff_ffffn,
    sa_flags: (old.flags & ~SA.SA_IA32_ABI) >>> 0,
    sa_restorer: old.restorer,
  });
  return putStruct(c.k, c.task, c.addr(2), view) ? 0 : -E.EFAULT;
};

const signal: Syscall = (c) => {
  const old = doSigaction(c, c.int(0), {
    handler: c.arg(1),
    flags: SA.SA_RESETHAND | SA.SA_NODEFER,
    restorer: 0n,
    mask: 0n,
  });
  return typeof old === "number" ? old : old.handler;
};

function changeMask(c: SyscallContext, how: number, set: bigint): number {
  if (how === SIG_BLOCK) setBlocked(c.k, c.task, c.task.blocked | set);
  else if (how === SIG_UNBLOCK) setBlocked(c.k, c.task, c.task.blocked & ~set);
  else if (how === SIG_SETMASK) setBlocked(c.k, c.task, set);
  else return -E.EINVAL;
  return 0;
}

function sigprocmask(c: SyscallContext, size: 4 | 8): number {
  const old = c.k.once("old_set", () => c.task.blocked);
  if (c.addr(1) !== 0) {
    const set = getWord(c.k, c.task, c.addr(1), size);
    if (set === undefined) return -E.EFAULT;
    const upper = size === 4 ? old & ~0xffff_ffffn : 0n;
    const how = c.int(0);
    const error = changeMask(c, how, how === SIG_SETMASK ? set | upper : set);
    if (error !== 0) return error;
  }
  return c.addr(2) === 0 || putWord(c.k, c.task, c.addr(2), size, old) ? 0 : -E.EFAULT;
}
const rtSigprocmask: Syscall = (c) => (c.addr(3) === SIGSET_SIZE ? sigprocmask(c, 8) : -E.EINVAL);

const rtSigpending: Syscall = (c) => {
  if (c.addr(1) > SIGSET_SIZE) return -E.EINVAL;
  const set = (c.task.pending.signal | c.process.sharedPending.signal) & c.task.blocked;
  return putWord(c.k, c.task, c.addr(0), 8, set) ? 0 : -E.EFAULT;
};

const sigaltstack: Syscall = (c) => {
  const struct = (c.compat ? STACK_T_32 : STACK_T_64) as typeof STACK_T_64;
  const { sp } = c.regs;
  const old = struct.make(
    c.k.once("old_stack", () => ({
      ss_sp: c.task.altstack.sp,
      ss_flags: reportedFlags(c.task, sp),
      ss_size: c.task.altstack.size,
    })),
  );
  if (c.addr(0) !== 0) {
    const view = getStruct(c.k, c.task, c.addr(0), struct);
    if (view === undefined) return -E.EFAULT;
    const wanted = { sp: view.big("ss_sp"), size: view.big("ss_size"), flags: view.get("ss_flags") >>> 0 };
    const error = setAltstack(c.task, sp, wanted, MINSIGSTKSZ);
    if (error !== 0) return error;
  }
  return c.addr(1) === 0 || putStruct(c.k, c.task, c.addr(1), old) ? 0 : -E.EFAULT;
};

/** Sending: to a process (kill), or to one thread of it. Signal 0 only asks whether it is there. */
function send(c: SyscallContext, pid: number, signr: number, thread: boolean): SyscallResult {
  if (signr !== 0 && !isSignal(signr)) return -E.EINVAL;
  const target = c.k.state.tasks.find((t) => !t.idle && !t.dead && (thread ? t.pid : t.tgid) === pid);
  const isZombie = !thread && c.k.state.processes.some((p) => p.tgid === pid && p.zombie !== undefined);
  if (target === undefined) return isZombie ? 0 : -E.ESRCH;
  if (signr === 0) return 0;
  const code = thread ? SI_CODE.SI_TKILL : SI_CODE.SI_USER;
  sendSignal(c.k, target, { signo: signr, errno: 0, code, pid: c.task.tgid, uid: c.task.cred.uid }, !thread);
  return 0;
}
const kill: Syscall = (c) => {
  const pid = c.int(0);
  if (pid > 0) return send(c, pid, c.int(1), false);
  // 0: the caller's process group; -1: every process but the caller's; otherwise a group
  const group = pid === 0 ? c.process.pgrp : -pid;
  const meant = c.k.state.processes.filter((p) => p.tgid > 0 && (pid === -1 ? p !== c.process : p.pgrp === group));
  const results = meant.map((p) => send(c, p.tgid, c.int(1), false));
  return results.includes(0) ? 0 : (results[0] ?? -E.ESRCH);
};
const tkill: Syscall = (c) => (c.int(0) <= 0 ? -E.EINVAL : send(c, c.int(0), c.int(1), true));
const tgkill: Syscall = (c) => {
  if (c.int(0) <= 0 || c.int(1) <= 0) return -E.EINVAL;
  if (c.int(0) !== c.task.tgid) return -E.ESRCH;
  return send(c, c.int(1), c.int(2), true);
};

const shared: SyscallGroup = {
  rt_sigaction: rtSigaction,
  rt_sigprocmask: rtSigprocmask,
  rt_sigpending: rtSigpending,
  sigaltstack,
  kill,
  tkill,
  tgkill,
};
export const SIGNAL_CALLS_64: SyscallGroup = {
  ...shared,
  rt_sigreturn: (c) => rtSigreturn64(c.k, c.cpu, c.task, c.regs),
};
export const SIGNAL_CALLS_32: SyscallGroup = {
  ...shared,
  rt_sigreturn: (c) => rtSigreturn32(c.k, c.cpu, c.task, c.regs),
  sigreturn: (c) => sigreturn32(c.k, c.cpu, c.task, c.regs),
  sigaction: oldSigaction,
  sigprocmask: (c) => sigprocmask(c, 4),
  signal,
};
