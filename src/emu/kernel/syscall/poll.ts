/** poll, ppoll, select and pselect6 (fs/select.c): waiting for descriptors, or for time to pass. */
import { TIMESPEC } from "../abi/clone.ts";
import { E, ERESTART } from "../abi/errno.ts";
import { TIMEVAL_32, TIMEVAL_64 } from "../abi/file.ts";
import { POLL, POLL_READ, POLL_WRITE, POLLFD } from "../abi/poll.ts";
import { operationsOf } from "../fs/file-operations.ts";
import { copyFromUser, copyToUser, getStruct, getWord } from "../mm/uaccess.ts";
import { setBlocked, signalPending } from "../signal/send.ts";
import { NANOSECONDS } from "./info.ts";
import { fileOf } from "./io.ts";
import { BLOCK, type Syscall, type SyscallContext, type SyscallGroup, type SyscallResult } from "./types.ts";

const FD_MAX = 1024;
/** What poll tells unasked. */
const ALWAYS = POLL.ERR | POLL.HUP | POLL.NVAL;

/** vfs_poll() of a descriptor. */
function eventsOf(c: SyscallContext, fd: number): number {
  const file = fileOf(c, fd);
  if (file === undefined) return POLL.NVAL;
  return operationsOf(file)?.poll(c.k, file) ?? POLL_READ | POLL_WRITE;
}

/** Ready = a result, otherwise to sleep until `deadline` (undefined = for ever). */
function pollLoop(c: SyscallContext, first: () => number | undefined, check: () => number): SyscallResult {
  const ready = check();
  if (ready !== 0) return ready;
  let { wait } = c.task;
  if (wait === undefined) {
    const timeout = first();
    if (timeout !== undefined && timeout < 0) return timeout;
    if (timeout === 0) return 0;
    wait = { reason: "poll", ...(timeout === undefined ? {} : { deadline: c.k.machine.now + timeout }) };
  } else if (wait.deadline !== undefined && c.k.machine.now >= wait.deadline) return 0;
  if (signalPending(c.k, c.task)) return -ERESTART.ERESTARTNOHAND;
  c.task.wait = wait;
  return BLOCK;
}

/** A timespec at an address in nanoseconds; undefined = none, negative = an error number. */
function timespec(c: SyscallContext, address: number, width: 32 | 64): number | undefined {
  if (address === 0) return undefined;
  const view = getStruct(c.k, c.task, address, TIMESPEC[width] as (typeof TIMESPEC)[64]);
  if (view === undefined) return -E.EFAULT;
  const [seconds, nanoseconds] = [Number(view.big("tv_sec")), Number(view.big("tv_nsec"))];
  return seconds < 0 || nanoseconds < 0 || nanoseconds >= NANOSECONDS ? -E.EINVAL : seconds * NANOSECONDS + nanoseconds;
}
function timeval(c: SyscallContext, address: number): number | undefined {
  if (address === 0) return undefined;
  const view = getStruct(c.k, c.task, address, (c.compat ? TIMEVAL_32 : TIMEVAL_64) as typeof TIMEVAL_64);
  if (view === undefined) return -E.EFAULT;
  const [seconds, micro] = [Number(view.big("tv_sec")), Number(view.big("tv_usec"))];
  return seconds < 0 || micro < 0 ? -E.EINVAL : seconds * NANOSECONDS + micro * 1000;
}

/** do_poll(): revents are written in any case. */
function pollFds(c: SyscallContext): number {
  const count = c.uint(1);
  if (count > FD_MAX) return -E.EINVAL;
  const bytes = copyFromUser(c.k, c.task, c.addr(0), count * POLLFD.size)?.slice();
  if (bytes === undefined) return -E.EFAULT;
  let ready = 0;
  for (let i = 0; i < count; i++) {
    const view = POLLFD.at(bytes, i * POLLFD.size);
    const fd = view.get("fd");
    const revents = fd < 0 ? 0 : eventsOf(c, fd) & (view.get("events") | ALWAYS);
    view.set("revents", revents);
    if (revents !== 0) ready++;
  }
  return copyToUser(c.k, c.task, c.addr(0), bytes) ? ready : -E.EFAULT;
}

const MILLISECOND = 1_000_000;
const poll: Syscall = (c) =>
  pollLoop(
    c,
    () => (c.int(2) < 0 ? undefined : c.int(2) * MILLISECOND),
    () => pollFds(c),
  );

const READ = POLL_READ | POLL.HUP | POLL.ERR;
const WRITE = POLL_WRITE | POLL.ERR;
const MEANING = [READ, WRITE, POLL.PRI] as const;

/** do_select(): the sets asked for, of which what is ready stays. 0 = nothing yet, and then the sets are left alone. */
function selectFds(c: SyscallContext): number {
  const count = Math.min(c.int(0), FD_MAX);
  if (count < 0) return -E.EINVAL;
  const size = Math.ceil(count / (c.wordSize * 8)) * c.wordSize;
  const sets = MEANING.map((_, i) =>
    c.addr(i + 1) === 0 ? undefined : copyFromUser(c.k, c.task, c.addr(i + 1), size)?.slice(),
  );
  if (sets.some((set, i) => set === undefined && c.addr(i + 1) !== 0)) return -E.EFAULT;
  const results = sets.map(() => new Uint8Array(size));
  let ready = 0;
  for (let fd = 0; fd < count; fd++) {
    const bit = 1 << (fd & 7);
    for (const [i, set] of sets.entries()) {
      if (set === undefined || (set[fd >> 3]! & bit) === 0) continue;
      const events = eventsOf(c, fd);
      if ((events & POLL.NVAL) !== 0) return -E.EBADF;
      if ((events & MEANING[i as 0 | 1 | 2]) === 0) continue;
      results[i]![fd >> 3]! |= bit;
      ready++;
    }
  }
  return ready === 0 || putSets(c, results) ? ready : -E.EFAULT;
}
const putSets = (c: SyscallContext, sets: readonly Uint8Array[]): boolean =>
  sets.every((set, i) => c.addr(i + 1) === 0 || copyToUser(c.k, c.task, c.addr(i + 1), set));

/** Timed out: nothing is ready. */
function select(c: SyscallContext, first: () => number | undefined): SyscallResult {
  const result = pollLoop(c, first, () => selectFds(c));
  if (result !== 0) return result;
  const size = Math.ceil(Math.min(c.int(0), FD_MAX) / (c.wordSize * 8)) * c.wordSize;
  return putSets(
    c,
    MEANING.map(() => new Uint8Array(size)),
  )
    ? 0
    : -E.EFAULT;
}

/** set_user_sigmask() for the time of the call; with a signal to handle it stays until the handler's frame has the old one. */
function masked(c: SyscallContext, address: number, size: number, call: () => SyscallResult): SyscallResult {
  if (address !== 0 && c.task.wait === undefined) {
    if (size !== 8) return -E.EINVAL;
    const set = getWord(c.k, c.task, address, 8);
    if (set === undefined) return -E.EFAULT;
    c.k.once("set_user_sigmask", () => {
      c.task.savedSigmask = c.task.blocked;
      setBlocked(c.k, c.task, set);
    });
  }
  const result = call();
  if (result !== BLOCK && result !== -ERESTART.ERESTARTNOHAND && c.task.savedSigmask !== undefined) {
    setBlocked(c.k, c.task, c.task.savedSigmask);
    delete c.task.savedSigmask;
  }
  return result;
}

type Width = (c: SyscallContext) => 32 | 64;
const own: Width = (c) => (c.compat ? 32 : 64);
const ppoll =
  (width: Width): Syscall =>
  (c) =>
    masked(c, c.addr(3), c.addr(4), () =>
      pollLoop(
        c,
        () => timespec(c, c.addr(2), width(c)),
        () => pollFds(c),
      ),
    );
/** The sixth argument points to a mask's address and size. */
const pselect6 =
  (width: Width): Syscall =>
  (c) => {
    const at = c.addr(5);
    const [mask, size] = at === 0 ? [0n, 8n] : [0, 1].map((i) => getWord(c.k, c.task, at + i * c.wordSize, c.wordSize));
    if (mask === undefined || size === undefined) return -E.EFAULT;
    return masked(c, Number(mask), Number(size), () => select(c, () => timespec(c, c.addr(4), width(c))));
  };

const selectCall: Syscall = (c) => select(c, () => timeval(c, c.addr(4)));
export const POLL_CALLS: SyscallGroup = {
  poll,
  ppoll: ppoll(own),
  ppoll_time64: ppoll(() => 64),
  select: selectCall,
  _newselect: selectCall,
  pselect6: pselect6(own),
  pselect6_time64: pselect6(() => 64),
};
