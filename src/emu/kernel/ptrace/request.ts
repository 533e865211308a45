/** ptrace(2) (kernel/ptrace.c): finding the task, and what each request does. Native and compat tracers differ in words and structures. */
import { E } from "../abi/errno.ts";
import { IOVEC_32, IOVEC_64 } from "../abi/file.ts";
import {
  NT,
  PEEKSIGINFO_ARGS,
  PEEKSIGINFO_SHARED,
  PTRACE,
  PTRACE_EVENT,
  PTRACE_O,
  RSEQ_CONFIGURATION,
} from "../abi/ptrace.ts";
import { decodeSiginfo, encodeSiginfo, isSignal, SIGINFO_SIZE } from "../abi/siginfo.ts";
import { SI_CODE, SIG } from "../abi/signal.ts";
import { accessRemote, readRemote } from "../mm/remote.ts";
import { copyFromUser, copyToUser, getStruct, getWord, putStruct, putWord } from "../mm/uaccess.ts";
import { getFilter, getMetadata } from "../seccomp/install.ts";
import { wakeForTrap } from "../signal/jobctl.ts";
import { sendSignal } from "../signal/send.ts";
import { UNBLOCKABLE } from "../signal/sets.ts";
import type { Task } from "../state.ts";
import { archPrctlOf } from "../syscall/arch-prctl.ts";
import { BLOCK, type Syscall, type SyscallContext, type SyscallResult } from "../syscall/types.ts";
import { isCurrent } from "../task/sched.ts";
import { getTlsEntry, setTlsDescriptor } from "../x86/tls.ts";
import { attach, checkOptions, detach, traceme } from "./attach.ts";
import { peekUser, pokeUser, USER_AREA } from "./registers.ts";
import { type Regset, VIEWS, viewOf } from "./regset.ts";
import { disableStep, enableStep } from "./step.ts";
import { endStop, isTracedStop } from "./stop.ts";
import { getSyscallInfo } from "./syscall-info.ts";
import { setSyscallWork } from "./work.ts";

/** A request on a stopped task: addr and data are ptrace's third and fourth argument. */
interface Request {
  readonly c: SyscallContext;
  readonly task: Task;
  readonly addr: bigint;
  readonly data: bigint;
}
type Handler = (r: Request) => SyscallResult;

const at = (value: bigint): number => Number(value);
const word = ({ c }: Request): 4 | 8 => c.wordSize;
const area = ({ c }: Request) => USER_AREA[c.compat ? 32 : 64];
const toUser = ({ c, data }: Request, bytes: Uint8Array): number =>
  copyToUser(c.k, c.task, at(data), bytes) ? 0 : -E.EFAULT;

const peekData: Handler = (r) => {
  const bytes = readRemote(r.c.k, r.task, at(r.addr), word(r));
  return bytes.length < word(r) ? -E.EIO : toUser(r, bytes);
};
const pokeData: Handler = (r) => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, r.data, true);
  return accessRemote(r.c.k, r.task, at(r.addr), bytes.subarray(0, word(r))) === word(r) ? 0 : -E.EIO;
};

const peekUsr: Handler = (r) => {
  const value = peekUser(r.c.k, r.task, area(r), at(r.addr));
  if (typeof value === "number") return value;
  return putWord(r.c.k, r.c.task, at(r.data), word(r), value) ? 0 : -E.EFAULT;
};

function getSet(r: Request, regset: Regset, address: number, length: number): number {
  const bytes = regset.get(r.c.k, r.task);
  if (typeof bytes === "number") return bytes;
  return copyToUser(r.c.k, r.c.task, address, bytes.subarray(0, length)) ? 0 : -E.EFAULT;
}
function setSet(r: Request, regset: Regset, address: number, length: number): number {
  if (regset.set === undefined) return -E.EOPNOTSUPP;
  const bytes = copyFromUser(r.c.k, r.c.task, address, length);
  return bytes === undefined ? -E.EFAULT : regset.set(r.c.k, r.task, bytes.slice());
}

/** GETREGS and its kind: the set of the tracer's own width. */
const whole =
  (note: number, write: boolean): Handler =>
  (r) => {
    const regset = VIEWS[r.c.compat ? 32 : 64][note];
    if (regset === undefined) return -E.EIO;
    return (write ? setSet : getSet)(r, regset, at(r.data), regset.size(r.c.k));
  };

/** GETREGSET: an iovec, whose length becomes what was used. */
const regset =
  (write: boolean): Handler =>
  (r) => {
    const struct = (r.c.compat ? IOVEC_32 : IOVEC_64) as typeof IOVEC_64;
    const iov = getStruct(r.c.k, r.c.task, at(r.data), struct);
    if (iov === undefined) return -E.EFAULT;
    const set = viewOf(r.c.k, r.task)[Number(BigInt.asUintN(32, r.addr))];
    const wanted = iov.get("iov_len");
    if (set === undefined || wanted % set.unit !== 0) return -E.EINVAL;
    const length = Math.min(wanted, set.size(r.c.k));
    const result = (write ? setSet : getSet)(r, set, iov.get("iov_base"), length);
    if (result !== 0) return result;
    iov.set("iov_len", length);
    return putStruct(r.c.k, r.c.task, at(r.data), iov) ? 0 : -E.EFAULT;
  };

/** ptrace_resume(): data is the signal to go on with. */
const resume =
  (how: { readonly trace?: boolean; readonly emulate?: boolean; readonly step?: "single" | "block" }): Handler =>
  ({ c, task, data }) => {
    const { k } = c;
    if (data !== 0n && !isSignal(at(data))) return -E.EIO;
    setSyscallWork(k, task, "SYSCALL_TRACE", how.trace === true);
    setSyscallWork(k, task, "SYSCALL_EMU", how.emulate === true);
    if (how.step === undefined) disableStep(k, task);
    else enableStep(k, task, how.step === "block");
    endStop(k, task, at(data));
    return 0;
  };

const setOptions: Handler = ({ c, task, data }) => {
  const options = Number(BigInt.asIntN(32, data));
  const error = BigInt.asUintN(32, data) === data ? checkOptions(c.task, options) : -E.EINVAL;
  if (error !== 0) return error;
  task.ptrace!.options = options & PTRACE_O.MASK;
  return 0;
};

const getSiginfo: Handler = (r) => {
  const info = r.task.stop?.info;
  return info === undefined ? -E.EINVAL : toUser(r, encodeSiginfo(info, r.c.compat ? "ia32" : "64"));
};
const setSiginfo: Handler = ({ c, task, data }) => {
  const bytes = copyFromUser(c.k, c.task, at(data), SIGINFO_SIZE);
  if (bytes === undefined) return -E.EFAULT;
  if (task.stop?.info === undefined) return -E.EINVAL;
  task.stop.info = decodeSiginfo(bytes, c.compat ? "ia32" : "64");
  return 0;
};

const peekSiginfo: Handler = ({ c, task, addr, data }) => {
  const args = getStruct(c.k, c.task, at(addr), PEEKSIGINFO_ARGS);
  if (args === undefined) return -E.EFAULT;
  const flags = args.get("flags");
  const count = args.get("nr") | 0;
  if ((flags & ~PEEKSIGINFO_SHARED) !== 0 || count < 0) return -E.EINVAL;
  const pending = flags === PEEKSIGINFO_SHARED ? c.k.process(task).sharedPending : task.pending;
  const infos = pending.queue.slice(args.get("off"), args.get("off") + count);
  for (const [i, info] of infos.entries()) {
    const bytes = encodeSiginfo(info, c.compat ? "ia32" : "64");
    if (!copyToUser(c.k, c.task, at(data) + i * SIGINFO_SIZE, bytes)) return i > 0 ? i : -E.EFAULT;
  }
  return infos.length;
};

const SIGSET_SIZE = 8n;
const getSigmask: Handler = ({ c, task, addr, data }) => {
  if (addr !== SIGSET_SIZE) return -E.EINVAL;
  return putWord(c.k, c.task, at(data), 8, task.savedSigmask ?? task.blocked) ? 0 : -E.EFAULT;
};
const setSigmask: Handler = ({ c, task, addr, data }) => {
  if (addr !== SIGSET_SIZE) return -E.EINVAL;
  const set = getWord(c.k, c.task, at(data), 8);
  if (set === undefined) return -E.EFAULT;
  task.blocked = set & ~UNBLOCKABLE;
  delete task.savedSigmask;
  return 0;
};

const interrupt: Handler = ({ c, task }) => {
  if (task.ptrace?.seized !== true) return -E.EIO;
  task.job = { ...task.job, trapStop: true };
  wakeForTrap(c.k, task, task.stop?.listening === true);
  return 0;
};
const listen: Handler = ({ c, task }) => {
  if (task.ptrace?.seized !== true || (task.stop?.info?.code ?? 0) >> 8 !== PTRACE_EVENT.STOP) return -E.EIO;
  task.stop!.listening = true;
  if (task.job?.trapNotify === true) wakeForTrap(c.k, task, true);
  return 0;
};
const kill: Handler = ({ c, task }) => {
  sendSignal(
    c.k,
    task,
    { signo: SIG.SIGKILL, errno: 0, code: SI_CODE.SI_USER, pid: c.task.tgid, uid: c.task.cred.uid },
    true,
  );
  return 0;
};

const getThreadArea: Handler = (r) => {
  const entry = getTlsEntry(r.c.k, r.task, Number(BigInt.asIntN(32, r.addr)));
  return typeof entry === "number" ? entry : toUser(r, entry);
};
const USER_DESC_SIZE = 16;
const setThreadArea: Handler = ({ c, task, addr, data }) => {
  const bytes = copyFromUser(c.k, c.task, at(data), USER_DESC_SIZE);
  if (bytes === undefined) return -E.EFAULT;
  return Math.min(0, setTlsDescriptor(c.k, task, Number(BigInt.asIntN(32, addr)), bytes));
};

const rseqConfiguration: Handler = ({ c, task, addr, data }) => {
  const { address = 0n, signature = 0 } = task.rseq ?? {};
  const view = RSEQ_CONFIGURATION.make({ rseq_abi_pointer: address, rseq_abi_size: 32, signature });
  const bytes = view.bytes.subarray(0, Math.min(at(addr), view.bytes.length));
  return copyToUser(c.k, c.task, at(data), bytes) ? view.bytes.length : -E.EFAULT;
};

const HANDLERS: Readonly<Record<number, Handler>> = {
  [PTRACE.PEEKTEXT]: peekData,
  [PTRACE.PEEKDATA]: peekData,
  [PTRACE.POKETEXT]: pokeData,
  [PTRACE.POKEDATA]: pokeData,
  [PTRACE.PEEKUSR]: peekUsr,
  [PTRACE.POKEUSR]: (r) => pokeUser(r.c.k, r.task, area(r), at(r.addr), r.data),
  [PTRACE.CONT]: resume({}),
  [PTRACE.SYSCALL]: resume({ trace: true }),
  [PTRACE.SYSEMU]: resume({ emulate: true }),
  [PTRACE.SYSEMU_SINGLESTEP]: resume({ emulate: true, step: "single" }),
  [PTRACE.SINGLESTEP]: resume({ step: "single" }),
  [PTRACE.SINGLEBLOCK]: resume({ step: "block" }),
  [PTRACE.KILL]: kill,
  [PTRACE.DETACH]: ({ c, task, data }) => {
    if (data !== 0n && !isSignal(at(data))) return -E.EIO;
    detach(c.k, task, at(data));
    return 0;
  },
  [PTRACE.GETREGS]: whole(NT.PRSTATUS, false),
  [PTRACE.SETREGS]: whole(NT.PRSTATUS, true),
  [PTRACE.GETFPREGS]: whole(NT.PRFPREG, false),
  [PTRACE.SETFPREGS]: whole(NT.PRFPREG, true),
  [PTRACE.GETFPXREGS]: whole(NT.PRXFPREG, false),
  [PTRACE.SETFPXREGS]: whole(NT.PRXFPREG, true),
  [PTRACE.GETREGSET]: regset(false),
  [PTRACE.SETREGSET]: regset(true),
  [PTRACE.OLDSETOPTIONS]: setOptions,
  [PTRACE.SETOPTIONS]: setOptions,
  [PTRACE.GETEVENTMSG]: (r) =>
    putWord(r.c.k, r.c.task, at(r.data), word(r), r.task.stop?.message ?? 0n) ? 0 : -E.EFAULT,
  [PTRACE.GETSIGINFO]: getSiginfo,
  [PTRACE.SETSIGINFO]: setSiginfo,
  [PTRACE.PEEKSIGINFO]: peekSiginfo,
  [PTRACE.GETSIGMASK]: getSigmask,
  [PTRACE.SETSIGMASK]: setSigmask,
  [PTRACE.INTERRUPT]: interrupt,
  [PTRACE.LISTEN]: listen,
  [PTRACE.GET_THREAD_AREA]: getThreadArea,
  [PTRACE.SET_THREAD_AREA]: setThreadArea,
  [PTRACE.SECCOMP_GET_FILTER]: ({ c, task, addr, data }) => getFilter(c, task, addr, at(data)),
  [PTRACE.SECCOMP_GET_METADATA]: ({ c, task, addr, data }) => getMetadata(c, task, addr, at(data)),
  [PTRACE.GET_SYSCALL_INFO]: ({ c, task, addr, data }) => getSyscallInfo(c, task, at(addr), at(data)),
  [PTRACE.GET_RSEQ_CONFIGURATION]: rseqConfiguration,
};
/** The 64-bit ABI's alone: arch_prctl on another task, its two arguments exchanged. */
const archPrctl: Handler = ({ c, task, addr, data }) => archPrctlOf(c, task, Number(BigInt.asIntN(32, data)), addr);

/** ptrace_check_attach(): the caller's own tracee, in a stop unless it does not matter. */
function checkAttach(c: SyscallContext, task: Task, anyState: boolean): number {
  if (task.ptrace?.tracer !== c.task.pid) return -E.ESRCH;
  return anyState || isTracedStop(task) ? 0 : -E.ESRCH;
}

export const ptrace: Syscall = (c) => {
  const { k } = c;
  const request = Number(c.long(0));
  if (request === PTRACE.TRACEME) return traceme(k, c.task);
  const pid = c.int(1);
  const task = k.state.tasks.find((t) => t.pid === pid && !t.idle && !t.dead);
  const [addr, data] = [c.arg(2), c.arg(3)];
  if (task === undefined) return -E.ESRCH;
  if (request === PTRACE.ATTACH || request === PTRACE.SEIZE) {
    return attach(k, c.task, task, request === PTRACE.SEIZE, addr, Number(BigInt.asIntN(32, data)));
  }
  const anyState = request === PTRACE.KILL || request === PTRACE.INTERRUPT;
  const error = checkAttach(c, task, anyState);
  if (error !== 0) return error;
  if (!anyState && isCurrent(k, task)) {
    // wait_task_inactive(): it has stopped, but its registers are still in a processor
    c.task.wait = { reason: "inactive", pid };
    return BLOCK;
  }
  const handler = request === PTRACE.ARCH_PRCTL && !c.compat ? archPrctl : HANDLERS[request];
  return handler === undefined ? -E.EIO : handler({ c, task, addr, data });
};
