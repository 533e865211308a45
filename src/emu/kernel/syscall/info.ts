/** What the system says about itself: names, times, randomness. Time is the machine's own: a nanosecond an instruction. */
import { E } from "../abi/errno.ts";
import {
  CLOCK,
  SYSINFO_32,
  SYSINFO_64,
  TIMESPEC_32,
  TIMESPEC_64,
  TIMEVAL_32,
  TIMEVAL_64,
  TIMEZONE,
  TMS_SIZE,
  USER_HZ,
  UTSNAME,
} from "../abi/file.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { freePages, totalPages } from "../mm/pages.ts";
import { copyToUser, putStruct, putWord, writeUser } from "../mm/uaccess.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

/** CLOCK_REALTIME when the machine starts: 2022-12-11, when Linux 6.1 came out. */
const EPOCH_SECONDS = 1_670_716_800;
export const NANOSECONDS = 1_000_000_000;

const uname: Syscall = (c) => {
  const view = UTSNAME.make();
  const fill = (name: "sysname" | "nodename" | "release" | "version" | "machine" | "domainname", text: string) =>
    view.region(name).set(new TextEncoder().encode(text));
  fill("sysname", "Linux");
  fill("nodename", "ringside");
  fill("release", "6.1.0-ringside");
  fill("version", "#1 SMP Ringside");
  fill("machine", c.k.arch.bits === 64 ? "x86_64" : "i686");
  fill("domainname", "(none)");
  return putStruct(c.k, c.task, c.addr(0), view) ? 0 : -E.EFAULT;
};

interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}
const REAL: readonly number[] = [CLOCK.CLOCK_REALTIME, CLOCK.CLOCK_REALTIME_COARSE, CLOCK.CLOCK_TAI];
function readClock(c: SyscallContext, clock: number): Time | undefined {
  if (!Object.values<number>(CLOCK).includes(clock)) return undefined;
  const { now } = c.k.machine;
  const start = REAL.includes(clock) ? EPOCH_SECONDS : 0;
  return { seconds: start + Math.floor(now / NANOSECONDS), nanoseconds: now % NANOSECONDS };
}
/** What a clock showed, in nanoseconds, when machine time began. */
export const clockStart = (clock: number): number => (REAL.includes(clock) ? EPOCH_SECONDS * NANOSECONDS : 0);

function putTimespec(c: SyscallContext, address: number, time: Time, wide: boolean): number {
  const struct = (wide ? TIMESPEC_64 : TIMESPEC_32) as typeof TIMESPEC_64;
  const view = struct.make({ tv_sec: time.seconds, tv_nsec: time.nanoseconds });
  return putStruct(c.k, c.task, address, view) ? 0 : -E.EFAULT;
}
const clockGettime =
  (wide: (c: SyscallContext) => boolean): Syscall =>
  (c) => {
    const time = readClock(c, c.int(0));
    return time === undefined ? -E.EINVAL : putTimespec(c, c.addr(1), time, wide(c));
  };
const clockGetres =
  (wide: (c: SyscallContext) => boolean): Syscall =>
  (c) => {
    if (readClock(c, c.int(0)) === undefined) return -E.EINVAL;
    return c.addr(1) === 0 ? 0 : putTimespec(c, c.addr(1), { seconds: 0, nanoseconds: 1 }, wide(c));
  };

const gettimeofday: Syscall = (c) => {
  const time = readClock(c, CLOCK.CLOCK_REALTIME)!;
  const struct = (c.compat ? TIMEVAL_32 : TIMEVAL_64) as typeof TIMEVAL_64;
  const view = struct.make({ tv_sec: time.seconds, tv_usec: Math.floor(time.nanoseconds / 1000) });
  if (c.addr(0) !== 0 && !putStruct(c.k, c.task, c.addr(0), view)) return -E.EFAULT;
  // the kernel's own time zone: UTC
  return c.addr(1) === 0 || putStruct(c.k, c.task, c.addr(1), TIMEZONE.make()) ? 0 : -E.EFAULT;
};
const time: Syscall = (c) => {
  const { seconds } = c.k.once("ktime_get_real_seconds", () => readClock(c, CLOCK.CLOCK_REALTIME)!);
  return c.addr(0) === 0 || putWord(c.k, c.task, c.addr(0), c.wordSize, seconds) ? seconds : -E.EFAULT;
};

/** CPU time is not accounted; the result is ticks since boot. */
const times: Syscall = (c) => {
  const tms = new Uint8Array(TMS_SIZE[c.compat ? 32 : 64]);
  if (c.addr(0) !== 0 && !copyToUser(c.k, c.task, c.addr(0), tms)) return -E.EFAULT;
  return Math.floor(c.k.machine.now / (NANOSECONDS / USER_HZ));
};

const GETRANDOM_MAX = 0x200_0000;
const getrandom: Syscall = (c) => {
  const count = Math.min(c.addr(1), GETRANDOM_MAX);
  const bytes = c.k.once("get_random_bytes", () => c.k.machine.random.bytes(count));
  const done = writeUser(c.k, c.task, c.addr(0), bytes);
  return done > 0 || count === 0 ? done : -E.EFAULT;
};

const sysinfo: Syscall = (c) => {
  const struct = (c.compat ? SYSINFO_32 : SYSINFO_64) as typeof SYSINFO_64;
  const view = struct.make({
    uptime: Math.floor(c.k.machine.now / NANOSECONDS),
    totalram: totalPages(c.k) * PAGE_SIZE,
    freeram: freePages(c.k) * PAGE_SIZE,
    procs: c.k.state.processes.length,
    mem_unit: 1,
  });
  return putStruct(c.k, c.task, c.addr(0), view) ? 0 : -E.EFAULT;
};

const native = (c: SyscallContext): boolean => !c.compat;
export const INFO_CALLS: SyscallGroup = {
  uname,
  clock_gettime: clockGettime(native),
  clock_gettime64: clockGettime(() => true),
  clock_getres: clockGetres(native),
  clock_getres_time64: clockGetres(() => true),
  gettimeofday,
  time,
  times,
  getrandom,
  sysinfo,
};
