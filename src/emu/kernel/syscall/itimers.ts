/** alarm, getitimer, setitimer: the real timer of a process. CPU time is not accounted, so its timers are not there. */
import { E } from "../abi/errno.ts";
import { ITIMER, ITIMERVAL_32, ITIMERVAL_64 } from "../abi/file.ts";
import { getStruct, putStruct } from "../mm/uaccess.ts";
import { setRealTimer, timeLeft } from "../task/itimer.ts";
import { NANOSECONDS } from "./info.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

const MICRO = 1000;
interface Times {
  /** In nanoseconds. */
  readonly value: number;
  readonly interval: number;
}
const structOf = (c: SyscallContext) => (c.compat ? ITIMERVAL_32 : ITIMERVAL_64) as typeof ITIMERVAL_64;
const present = (c: SyscallContext): Times => ({
  value: timeLeft(c.k, c.process),
  interval: c.process.realTimer?.interval ?? 0,
});

function putTimes(c: SyscallContext, address: number, { value, interval }: Times): number {
  const part = (time: number) => [Math.floor(time / NANOSECONDS), Math.floor((time % NANOSECONDS) / MICRO)] as const;
  const [[seconds, micro], [every, everyMicro]] = [part(value), part(interval)];
  const view = structOf(c).make({
    "it_interval.tv_sec": every,
    "it_interval.tv_usec": everyMicro,
    "it_value.tv_sec": seconds,
    "it_value.tv_usec": micro,
  });
  return putStruct(c.k, c.task, address, view) ? 0 : -E.EFAULT;
}

/** 0, or why there is no such timer. */
function which(c: SyscallContext): number {
  if (c.int(0) === ITIMER.REAL) return 0;
  if (c.int(0) === ITIMER.VIRTUAL || c.int(0) === ITIMER.PROF)
    c.k.unimplemented(c.cpu, "interval timer", c.int(0) === ITIMER.PROF ? "ITIMER_PROF" : "ITIMER_VIRTUAL");
  return -E.EINVAL;
}

const getitimer: Syscall = (c) => {
  const error = which(c);
  return error === 0 ? putTimes(c, c.addr(1), present(c)) : error;
};

/** No new value at all stops it. */
const setitimer: Syscall = (c) => {
  const wanted = c.addr(1) === 0 ? { value: 0, interval: 0 } : readTimes(c, c.addr(1));
  if (typeof wanted === "number") return wanted;
  const error = which(c);
  if (error !== 0) return error;
  const old = c.k.once("do_setitimer", () => {
    const before = present(c);
    setRealTimer(c.k, c.process, wanted.value, wanted.interval);
    return before;
  });
  return c.addr(2) === 0 ? 0 : putTimes(c, c.addr(2), old);
};

function readTimes(c: SyscallContext, address: number): Times | number {
  const view = getStruct(c.k, c.task, address, structOf(c));
  if (view === undefined) return -E.EFAULT;
  const [seconds, micro] = [view.get("it_value.tv_sec"), view.get("it_value.tv_usec")];
  const [every, everyMicro] = [view.get("it_interval.tv_sec"), view.get("it_interval.tv_usec")];
  const wrong = [micro, everyMicro].some((part) => part < 0 || part >= 1_000_000) || seconds < 0 || every < 0;
  if (wrong) return -E.EINVAL;
  return { value: seconds * NANOSECONDS + micro * MICRO, interval: every * NANOSECONDS + everyMicro * MICRO };
}

/** alarm_setitimer(): what was left in whole seconds, never none while there was some. */
const alarm: Syscall = (c) => {
  const { value } = present(c);
  setRealTimer(c.k, c.process, c.uint(0) * NANOSECONDS, 0);
  const whole = Math.floor(value / NANOSECONDS);
  const rest = value % NANOSECONDS;
  return (whole === 0 && rest > 0) || rest >= NANOSECONDS / 2 ? whole + 1 : whole;
};

export const ITIMER_CALLS: SyscallGroup = { alarm, getitimer, setitimer };
