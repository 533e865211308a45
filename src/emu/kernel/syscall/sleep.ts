/** Calls that sleep: futex, nanosleep, pause, sigsuspend, and restart_syscall, which goes on with what a signal interrupted. */
import type { Addr } from "../../cpu/state.ts";
import { FUTEX, TIMER_ABSTIME, TIMESPEC } from "../abi/clone.ts";
import { E, ERESTART } from "../abi/errno.ts";
import { CLOCK } from "../abi/file.ts";
import { readWordDirect } from "../mm/direct.ts";
import { getStruct, getWord, putStruct } from "../mm/uaccess.ts";
import { setBlocked, signalPending } from "../signal/send.ts";
import type { Wait } from "../state.ts";
import { futexKey, futexRequeue, futexWake } from "../task/futex.ts";
import { reschedule } from "../task/sched.ts";
import { clockStart, NANOSECONDS } from "./info.ts";
import { BLOCK, type Syscall, type SyscallContext, type SyscallGroup, type SyscallResult } from "./types.ts";

type Width = 32 | 64;

/** A timespec in nanoseconds, or a negative error number. */
function readTime(c: SyscallContext, address: Addr, width: Width): number {
  const view = getStruct(c.k, c.task, address, TIMESPEC[width] as (typeof TIMESPEC)[64]);
  if (view === undefined) return -E.EFAULT;
  const [seconds, nanoseconds] = [Number(view.big("tv_sec")), Number(view.big("tv_nsec"))];
  const sec = width === 32 ? seconds | 0 : seconds;
  if (sec < 0 || nanoseconds < 0 || nanoseconds >= NANOSECONDS) return -E.EINVAL;
  return sec * NANOSECONDS + nanoseconds;
}

const over = (c: SyscallContext, wait: Wait): boolean =>
  wait.deadline !== undefined && c.k.machine.now >= wait.deadline;

/** What a sleep came to; undefined = it goes on. `interrupted`: the result when a signal came first. */
function slept(c: SyscallContext, wait: Wait, interrupted: number): SyscallResult {
  if (wait.done === true) return 0;
  if (over(c, wait)) return wait.reason === "futex" ? -E.ETIMEDOUT : 0;
  if (signalPending(c.k, c.task)) {
    if (interrupted === -ERESTART.ERESTART_RESTARTBLOCK) c.task.restart = { ...wait, compat: c.compat };
    return interrupted;
  }
  c.task.wait = wait;
  return BLOCK;
}

function futexWait(c: SyscallContext, width: Width, bitset: number, absolute: boolean): SyscallResult {
  const { wait } = c.task;
  const timed = c.addr(3) !== 0;
  const interrupted = -(timed ? ERESTART.ERESTART_RESTARTBLOCK : ERESTART.ERESTARTSYS);
  if (wait !== undefined) return slept(c, wait, interrupted);
  if (bitset === 0) return -E.EINVAL;
  const time = timed ? readTime(c, c.addr(3), width) : 0;
  if (time < 0) return time;
  const value = readWordDirect(c.k, c.task, c.addr(0), 4);
  if (value === undefined) return -E.EFAULT;
  if (Number(value) !== c.uint(2)) return -E.EAGAIN;
  const clock = (c.int(1) & FUTEX.CLOCK_REALTIME) !== 0 ? CLOCK.CLOCK_REALTIME : CLOCK.CLOCK_MONOTONIC;
  const deadline = absolute ? time - clockStart(clock) : c.k.machine.now + time;
  const key = futexKey(c.k, c.task, c.addr(0));
  return slept(c, { reason: "futex", key, bitset, ...(timed ? { deadline } : {}) }, interrupted);
}

const ANY = -1;
/** futex_wake() counts after it has woken, so that none or fewer means one. */
const wakeCount = (c: SyscallContext): number => Math.max(c.int(2), 1);
const futex =
  (width: (c: SyscallContext) => Width): Syscall =>
  (c) => {
    const operation = c.int(1) & ~(FUTEX.PRIVATE_FLAG | FUTEX.CLOCK_REALTIME);
    const addr = c.addr(0);
    if (addr % 4 !== 0) return -E.EINVAL;
    switch (operation) {
      case FUTEX.WAIT:
        return futexWait(c, width(c), ANY, false);
      case FUTEX.WAIT_BITSET:
        return futexWait(c, width(c), c.int(5), true);
      case FUTEX.WAKE:
        return futexWake(c.k, c.task, addr, wakeCount(c), ANY);
      case FUTEX.WAKE_BITSET:
        return c.int(5) === 0 ? -E.EINVAL : futexWake(c.k, c.task, addr, wakeCount(c), c.int(5));
      case FUTEX.REQUEUE:
      case FUTEX.CMP_REQUEUE:
        return requeue(c, addr, operation === FUTEX.CMP_REQUEUE);
      default:
        c.k.unimplemented(c.cpu, "futex operation", String(operation));
        return -E.ENOSYS;
    }
  };

function requeue(c: SyscallContext, addr: Addr, compare: boolean): number {
  if (compare) {
    const value = readWordDirect(c.k, c.task, addr, 4);
    if (value === undefined) return -E.EFAULT;
    if (Number(value) !== c.uint(5)) return -E.EAGAIN;
  }
  const woken = futexWake(c.k, c.task, addr, c.int(2), ANY);
  return woken + futexRequeue(c.k, c.task, addr, c.addr(4), c.int(3));
}

/** hrtimer_nanosleep(): `left` is where the rest goes when a signal comes; an absolute time has none. */
function sleepUntil(
  c: SyscallContext,
  first: () => number,
  left: Addr,
  width: Width,
  absolute: boolean,
): SyscallResult {
  let { wait } = c.task;
  if (wait === undefined) {
    const deadline = first();
    if (deadline < 0) return deadline;
    wait = { reason: "sleep", deadline };
  }
  const { deadline } = wait;
  const { result, rest } = c.k.once("do_nanosleep", () => ({
    result: slept(c, wait, -(absolute ? ERESTART.ERESTARTNOHAND : ERESTART.ERESTART_RESTARTBLOCK)),
    rest: Math.max(0, deadline! - c.k.machine.now),
  }));
  if (result !== -ERESTART.ERESTART_RESTARTBLOCK || left === 0) return result;
  const view = (TIMESPEC[width] as (typeof TIMESPEC)[64]).make({
    tv_sec: Math.floor(rest / NANOSECONDS),
    tv_nsec: rest % NANOSECONDS,
  });
  return putStruct(c.k, c.task, left, view) ? result : -E.EFAULT;
}

const after = (c: SyscallContext, address: Addr, width: Width) => (): number => {
  const time = readTime(c, address, width);
  return time < 0 ? time : c.k.machine.now + time;
};

const nanosleep: Syscall = (c) => {
  const width = c.compat ? 32 : 64;
  return sleepUntil(c, after(c, c.addr(0), width), c.addr(1), width, false);
};

const clockNanosleep =
  (width: (c: SyscallContext) => Width): Syscall =>
  (c) => {
    const [clock, flags] = [c.int(0), c.int(1)];
    if (!Object.values<number>(CLOCK).includes(clock)) return -E.EINVAL;
    const absolute = (flags & TIMER_ABSTIME) !== 0;
    const until = () => {
      const time = readTime(c, c.addr(2), width(c));
      return time < 0 ? time : Math.max(0, time - clockStart(clock));
    };
    const first = absolute ? until : after(c, c.addr(2), width(c));
    return sleepUntil(c, first, absolute ? 0 : c.addr(3), width(c), absolute);
  };

/** A deadline stays what it was. */
const restartSyscall: Syscall = (c) => {
  const wait = c.task.wait ?? c.task.restart;
  delete c.task.restart;
  if (wait === undefined) return -E.EINTR;
  return slept(c, wait, -ERESTART.ERESTART_RESTARTBLOCK);
};

/** Until a signal is there to be handled. */
function untilSignal(c: SyscallContext): SyscallResult {
  if (signalPending(c.k, c.task)) return -ERESTART.ERESTARTNOHAND;
  c.task.wait = { reason: "signal" };
  return BLOCK;
}

function sigsuspend(c: SyscallContext, read: () => bigint | undefined): SyscallResult {
  if (c.task.wait === undefined) {
    const set = read();
    if (set === undefined) return -E.EFAULT;
    c.task.savedSigmask = c.task.blocked;
    setBlocked(c.k, c.task, set);
  }
  return untilSignal(c);
}
const rtSigsuspend: Syscall = (c) =>
  c.addr(1) === 8 ? sigsuspend(c, () => getWord(c.k, c.task, c.addr(0), 8)) : -E.EINVAL;

const schedYield: Syscall = (c) => {
  reschedule(c.k, c.task);
  return 0;
};

const own = (c: SyscallContext): Width => (c.compat ? 32 : 64);
export const SLEEP_CALLS: SyscallGroup = {
  futex: futex(own),
  futex_time64: futex(() => 64),
  nanosleep,
  clock_nanosleep: clockNanosleep(own),
  clock_nanosleep_time64: clockNanosleep(() => 64),
  restart_syscall: restartSyscall,
  pause: untilSignal,
  rt_sigsuspend: rtSigsuspend,
  sched_yield: schedYield,
};
/** i386's sigsuspend has the mask itself as its third argument. */
export const SLEEP_CALLS_32: SyscallGroup = { sigsuspend: (c) => sigsuspend(c, () => c.arg(2)) };
