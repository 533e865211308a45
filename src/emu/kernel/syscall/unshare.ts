/** unshare(2) (kernel/fork.c): descriptors and working directory of one's own. Namespaces are those of a kernel built without them. */
import { CLONE } from "../abi/clone.ts";
import { E } from "../abi/errno.ts";
import { threadsOf } from "../task/exit.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

const { VM, FS, FILES, SIGHAND, THREAD, SYSVSEM } = CLONE;
/** What there is to unshare; SYSVSEM is undo lists of semaphores, and nobody has any. */
const KNOWN = VM | FS | FILES | SIGHAND | THREAD | SYSVSEM;

/** Who has the same object. */
const shared = ({ k, process }: SyscallContext, what: "files" | "fs" | "actions"): boolean =>
  k.state.processes.some((other) => other !== process && other[what] === process[what]);

/** check_unshare_flags(): what only one alone may say is true of it already. */
function alone(c: SyscallContext): boolean {
  const sharesMm = c.k.state.tasks.some((task) => task !== c.task && task.mm === c.task.mm && !task.dead);
  return threadsOf(c.k, c.task.tgid).length === 1 && !sharesMm && !shared(c, "actions");
}

const unshare: Syscall = (c) => {
  const flags = c.uint(0);
  if ((flags & ~KNOWN) !== 0) return -E.EINVAL;
  if ((flags & (THREAD | SIGHAND | VM)) !== 0 && !alone(c)) return -E.EINVAL;
  const { process } = c;
  if ((flags & FS) !== 0 && shared(c, "fs")) process.fs = { ...process.fs };
  if ((flags & FILES) !== 0 && shared(c, "files")) {
    process.files = { ...process.files };
    process.closeOnExec = { ...process.closeOnExec };
  }
  return 0;
};

export const UNSHARE_CALLS: SyscallGroup = { unshare };
