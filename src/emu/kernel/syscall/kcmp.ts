/** kcmp(2): do two processes share a kernel object? Objects have no order here, so those that are not the same are "3: unordered". */
import { E } from "../abi/errno.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

const KCMP = { FILE: 0, VM: 1, FILES: 2, FS: 3, SIGHAND: 4 } as const;
const EQUAL = 0;
const UNORDERED = 3;

/** The object of a process that a type means; undefined = it has none. */
function objectOf(c: SyscallContext, pid: number, type: number, index: bigint): unknown {
  const task = c.k.state.tasks.find((t) => t.pid === pid && !t.idle && !t.dead)!;
  const process = c.k.process(task);
  switch (type) {
    case KCMP.FILE:
      return process.files[Number(index)];
    case KCMP.VM:
      return task.mm;
    case KCMP.FILES:
      return process.files;
    case KCMP.FS:
      return process.fs;
    default:
      return process.actions;
  }
}

const kcmp: Syscall = (c) => {
  const pids = [c.int(0), c.int(1)];
  const type = c.int(2);
  if (pids.some((pid) => !c.k.state.tasks.some((t) => t.pid === pid && !t.idle && !t.dead))) return -E.ESRCH;
  if (!Object.values<number>(KCMP).includes(type)) {
    c.k.unimplemented(c.cpu, "kcmp type", String(type));
    return -E.EOPNOTSUPP;
  }
  const [a, b] = pids.map((pid, i) => objectOf(c, pid, type, c.arg(3 + i)));
  if (a === undefined || b === undefined) return -E.EBADF;
  return a === b ? EQUAL : UNORDERED;
};

export const KCMP_CALLS: SyscallGroup = { kcmp };
