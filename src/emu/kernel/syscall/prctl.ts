/** prctl(2) (kernel/sys.c): names, seccomp, the promise not to gain privileges, and the time-stamp counter. */
import { E } from "../abi/errno.ts";
import { PR, PR_TSC } from "../abi/prctl.ts";
import { copyToUser, putWord, strncpyFromUser } from "../mm/uaccess.ts";
import { getSeccomp, seccomp, setSeccomp } from "../seccomp/install.ts";
import { allowTsc } from "../tsc.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

const NAME_LENGTH = 16;
const setName: Syscall = (c) => {
  const name = strncpyFromUser(c.k, c.task, c.addr(1), NAME_LENGTH);
  if (name === undefined) return -E.EFAULT;
  c.process.comm = name;
  return 0;
};
const getName: Syscall = (c) => {
  const bytes = new Uint8Array(NAME_LENGTH);
  bytes.set(new TextEncoder().encode(c.process.comm).subarray(0, NAME_LENGTH - 1));
  return copyToUser(c.k, c.task, c.addr(1), bytes) ? 0 : -E.EFAULT;
};

const unused = (c: SyscallContext, from: number): boolean => [1, 2, 3, 4].slice(from - 1).every((i) => c.arg(i) === 0n);
const setNoNewPrivs: Syscall = (c) => {
  if (c.arg(1) !== 1n || !unused(c, 2)) return -E.EINVAL;
  c.task.noNewPrivs = true;
  return 0;
};
const getNoNewPrivs: Syscall = (c) => {
  if (!unused(c, 1)) return -E.EINVAL;
  return c.task.noNewPrivs === true ? 1 : 0;
};

const getTsc: Syscall = (c) => {
  const mode = c.k.testFlag(c.task, "NOTSC") ? PR_TSC.SIGSEGV : PR_TSC.ENABLE;
  return putWord(c.k, c.task, c.addr(1), 4, mode) ? 0 : -E.EFAULT;
};
const setTsc: Syscall = (c) => {
  const mode = c.uint(1);
  if (mode !== PR_TSC.ENABLE && mode !== PR_TSC.SIGSEGV) return -E.EINVAL;
  allowTsc(c.k, c.cpu, c.task, mode === PR_TSC.ENABLE);
  return 0;
};

const OPTIONS: Readonly<Record<number, Syscall>> = {
  [PR.PR_SET_NAME]: setName,
  [PR.PR_GET_NAME]: getName,
  [PR.PR_GET_TSC]: getTsc,
  [PR.PR_SET_TSC]: setTsc,
  [PR.PR_GET_SECCOMP]: getSeccomp,
  [PR.PR_SET_SECCOMP]: setSeccomp,
  [PR.PR_SET_NO_NEW_PRIVS]: setNoNewPrivs,
  [PR.PR_GET_NO_NEW_PRIVS]: getNoNewPrivs,
};

export const PRCTL_CALLS: SyscallGroup = {
  prctl: (c) => (OPTIONS[c.int(0)] ?? (() => -E.EINVAL))(c),
  seccomp,
};
