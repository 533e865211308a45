/** seccomp(2) and its prctl forms (kernel/seccomp.c): entering strict mode, checking and attaching filters, for one thread or for all. */
import { E } from "../abi/errno.ts";
import {
  BPF_MAXINSNS,
  FILTER_PENALTY,
  SECCOMP_FILTER_FLAG as FLAG,
  MAX_INSNS_PER_PATH,
  SECCOMP_GET_ACTION_AVAIL,
  SECCOMP_GET_NOTIF_SIZES,
  SECCOMP_METADATA,
  SECCOMP_MODE,
  SECCOMP_NOTIF_SIZES,
  SECCOMP_RET,
  SECCOMP_SET_MODE_FILTER,
  SECCOMP_SET_MODE_STRICT,
  SOCK_FILTER,
  SOCK_FPROG_32,
  SOCK_FPROG_64,
} from "../abi/seccomp.ts";
import { lowestFd, setFd } from "../fs/fdtable.ts";
import type { Kernel } from "../kernel.ts";
import { copyFromUser, copyToUser, getStruct, getWord, putStruct } from "../mm/uaccess.ts";
import { setSyscallWork } from "../ptrace/work.ts";
import type { Task } from "../state.ts";
import type { Syscall, SyscallContext, SyscallResult } from "../syscall/types.ts";
import { CAP, capable } from "../task/cred.ts";
import { threadsOf } from "../task/exit.ts";
import { allowTsc } from "../tsc.ts";
import { checkFilter, convertedLength } from "./bpf.ts";
import { initListener } from "./listener.ts";
import type { Seccomp, SeccompFilter, SockFilter } from "./types.ts";

/** prctl(PR_GET_SECCOMP). A task in strict mode does not come this far. */
export const getSeccomp = ({ task }: SyscallContext): number =>
  task.seccomp === undefined ? SECCOMP_MODE.DISABLED : SECCOMP_MODE.FILTER;
/** prctl(PR_SET_SECCOMP, mode, program). */
export function setSeccomp(c: SyscallContext): SyscallResult {
  if (c.arg(1) === BigInt(SECCOMP_MODE.STRICT)) return setStrict(c);
  return c.arg(1) === BigInt(SECCOMP_MODE.FILTER) ? setFilter(c, 0, c.addr(2)) : -E.EINVAL;
}

export const seccomp: Syscall = (c) => {
  const flags = c.uint(1);
  switch (c.uint(0)) {
    case SECCOMP_SET_MODE_STRICT:
      return flags !== 0 || c.arg(2) !== 0n ? -E.EINVAL : setStrict(c);
    case SECCOMP_SET_MODE_FILTER:
      return setFilter(c, flags, c.addr(2));
    case SECCOMP_GET_ACTION_AVAIL:
      return flags !== 0 ? -E.EINVAL : actionAvailable(c);
    case SECCOMP_GET_NOTIF_SIZES:
      return flags !== 0 ? -E.EINVAL : notifSizes(c);
    default:
      return -E.EINVAL;
  }
};

function actionAvailable(c: SyscallContext): number {
  const action = getWord(c.k, c.task, c.addr(2), 4);
  if (action === undefined) return -E.EFAULT;
  const known: readonly number[] = Object.values(SECCOMP_RET);
  return known.includes(Number(action)) ? 0 : -E.EOPNOTSUPP;
}
function notifSizes(c: SyscallContext): number {
  const bytes = new Uint8Array(2 * SECCOMP_NOTIF_SIZES.length);
  const view = new DataView(bytes.buffer);
  for (const [i, size] of SECCOMP_NOTIF_SIZES.entries()) view.setUint16(2 * i, size, true);
  return copyToUser(c.k, c.task, c.addr(2), bytes) ? 0 : -E.EFAULT;
}

function setStrict(c: SyscallContext): number {
  if (c.task.seccomp !== undefined && c.task.seccomp.mode !== "strict") return -E.EINVAL;
  allowTsc(c.k, c.cpu, c.task, false);
  assign(c.k, c.task, { mode: "strict", filters: [] });
  return 0;
}

/** seccomp_assign_mode(). */
function assign(k: Kernel, task: Task, mode: Seccomp): void {
  task.seccomp = mode;
  setSyscallWork(k, task, "SECCOMP", true);
}

/** copy_seccomp(): a new task is under the same filters. */
export function copySeccomp(k: Kernel, parent: Task, child: Task): void {
  if (parent.noNewPrivs === true) child.noNewPrivs = true;
  if (parent.seccomp !== undefined) assign(k, child, { ...parent.seccomp });
}

const ALL_FLAGS = Object.values(FLAG).reduce((all: number, flag) => all | flag, 0);

/** seccomp_set_mode_filter(). */
function setFilter(c: SyscallContext, flags: number, address: number): SyscallResult {
  const has = (flag: number) => (flags & flag) !== 0;
  if ((flags & ~ALL_FLAGS) !== 0) return -E.EINVAL;
  if (has(FLAG.TSYNC) && has(FLAG.NEW_LISTENER) && !has(FLAG.TSYNC_ESRCH)) return -E.EINVAL;
  if (has(FLAG.WAIT_KILLABLE_RECV) && !has(FLAG.NEW_LISTENER)) return -E.EINVAL;
  const program = readProgram(c, address);
  if (typeof program === "number") return program;
  if (c.task.seccomp !== undefined && c.task.seccomp.mode !== "filter") return -E.EINVAL;
  const filter = { id: c.k.state.nextId++, program, log: has(FLAG.LOG), killable: has(FLAG.WAIT_KILLABLE_RECV) };
  return has(FLAG.NEW_LISTENER) ? attachWithListener(c, flags, filter) : attach(c, flags, filter);
}

/** The listener's descriptor; a task's filters can have one listener at most. */
function attachWithListener(c: SyscallContext, flags: number, filter: SeccompFilter): number {
  const { k, process, task } = c;
  const fd = lowestFd(process);
  if (fd < 0) return fd;
  if (task.seccomp?.filters.some(({ id }) => k.state.listeners[id] !== undefined)) return -E.EBUSY;
  const problem = attach(c, flags, filter);
  return problem === 0 ? setFd(process, fd, initListener(k, filter.id), true) : problem;
}

/** seccomp_prepare_user_filter(): a checked program. */
function readProgram(c: SyscallContext, address: number): SockFilter[] | number {
  const { k, task } = c;
  const fprog = getStruct(k, task, address, (c.compat ? SOCK_FPROG_32 : SOCK_FPROG_64) as typeof SOCK_FPROG_64);
  if (fprog === undefined) return -E.EFAULT;
  const length = fprog.get("len");
  if (length === 0 || length > BPF_MAXINSNS) return -E.EINVAL;
  if (task.noNewPrivs !== true && !capable(task, CAP.SYS_ADMIN)) return -E.EACCES;
  const bytes = copyFromUser(k, task, Number(fprog.big("filter")), length * SOCK_FILTER.size);
  if (bytes === undefined) return -E.EFAULT;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const { jt, jf, k: constant } = SOCK_FILTER.offset;
  const program = Array.from({ length }, (_, i) => {
    const at = i * SOCK_FILTER.size;
    return {
      code: view.getUint16(at, true),
      jt: view.getUint8(at + jt),
      jf: view.getUint8(at + jf),
      k: view.getUint32(at + constant, true),
    };
  });
  return checkFilter(program) ? program : -E.EINVAL;
}

/** seccomp_attach_filter(). */
function attach(c: SyscallContext, flags: number, filter: SeccompFilter): number {
  const { k, task } = c;
  const old = task.seccomp?.filters ?? [];
  const total = old.reduce(
    (sum, { program }) => sum + convertedLength(program) + FILTER_PENALTY,
    convertedLength(filter.program),
  );
  if (total > MAX_INSNS_PER_PATH) return -E.ENOMEM;
  const all = (flags & FLAG.TSYNC) !== 0;
  const others = all ? threadsOf(k, task.tgid).filter((thread) => thread !== task) : [];
  const stranger = others.find((thread) => !canSync(thread, old));
  if (stranger !== undefined) return (flags & FLAG.TSYNC_ESRCH) !== 0 ? -E.ESRCH : stranger.pid;
  const filters = [...old, filter];
  for (const thread of [task, ...others]) {
    assign(k, thread, { mode: "filter", filters });
    if (task.noNewPrivs === true) thread.noNewPrivs = true;
  }
  return 0;
}

/** A thread without seccomp, or with filters that the caller has too. */
function canSync({ seccomp: other }: Task, own: readonly SeccompFilter[]): boolean {
  if (other === undefined) return true;
  return other.mode === "filter" && other.filters.every(({ id }, i) => own[i]?.id === id);
}

/** get_nth_filter(): counted from the oldest; undefined = none so many. */
const nthFilter = (task: Task, n: bigint): SeccompFilter | undefined =>
  n < 0x7fff_ffffn ? task.seccomp?.filters[Number(n)] : undefined;

/** Who looks at filters must be free of them. */
const mayLook = (c: SyscallContext): boolean => capable(c.task, CAP.SYS_ADMIN) && c.task.seccomp === undefined;

/** PTRACE_SECCOMP_GET_FILTER: the number of instructions, and they themselves if there is room for them. */
export function getFilter(c: SyscallContext, task: Task, n: bigint, address: number): number {
  if (!mayLook(c)) return -E.EACCES;
  if (task.seccomp?.mode !== "filter") return -E.EINVAL;
  const filter = nthFilter(task, n);
  if (filter === undefined) return -E.ENOENT;
  if (address === 0) return filter.program.length;
  const bytes = new Uint8Array(filter.program.length * SOCK_FILTER.size);
  for (const [i, insn] of filter.program.entries())
    bytes.set(SOCK_FILTER.make({ ...insn }).bytes, i * SOCK_FILTER.size);
  return copyToUser(c.k, c.task, address, bytes) ? filter.program.length : -E.EFAULT;
}

/** PTRACE_SECCOMP_GET_METADATA: the size of the structure as far as it was known to the caller. */
export function getMetadata(c: SyscallContext, task: Task, size: bigint, address: number): number {
  if (!mayLook(c)) return -E.EACCES;
  const length = Number(size < BigInt(SECCOMP_METADATA.size) ? size : SECCOMP_METADATA.size);
  if (length < 8) return -E.EINVAL;
  const asked = getStruct(c.k, c.task, address, SECCOMP_METADATA);
  if (asked === undefined) return -E.EFAULT;
  if (task.seccomp?.mode !== "filter") return -E.EINVAL;
  const filter = nthFilter(task, asked.big("filter_off"));
  if (filter === undefined) return -E.ENOENT;
  asked.set("flags", filter.log ? FLAG.LOG : 0);
  return putStruct(c.k, c.task, address, asked) ? length : -E.EFAULT;
}
