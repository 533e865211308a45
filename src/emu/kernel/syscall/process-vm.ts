/** process_vm_readv, process_vm_writev: copying between the caller's memory and another task's (mm/process_vm_access.c). */
import { E } from "../abi/errno.ts";
import { concat, readDirect, writeDirect } from "../mm/direct.ts";
import { accessRemote, readRemote } from "../mm/remote.ts";
import { CAP, capable } from "../task/cred.ts";
import { type Buffer, iovecs } from "./iovec.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

/** What one call may move through the host at most. */
const MAX_BYTES = 64 * 2 ** 20;
const totalOf = (buffers: readonly Buffer[]): number => buffers.reduce((sum, { length }) => sum + length, 0);

const transfer =
  (write: boolean): Syscall =>
  (c) => {
    if (c.addr(5) !== 0) return -E.EINVAL;
    const local = iovecs(c, c.addr(1), c.int(2));
    if (typeof local === "number") return local;
    const remote = iovecs(c, c.addr(3), c.int(4));
    if (typeof remote === "number") return remote;
    const count = Math.min(totalOf(local), totalOf(remote), MAX_BYTES);
    if (count === 0) return 0;
    const pid = c.int(0);
    const task = c.k.state.tasks.find((t) => t.pid === pid && !t.dead && !t.idle);
    if (task === undefined) return -E.ESRCH;
    if (task.tgid !== c.task.tgid && task.cred.uid !== c.task.cred.uid && !capable(c.task, CAP.SYS_PTRACE))
      return -E.EPERM;
    const moved = write
      ? scatter(
          remote,
          gather(local, count, ({ base, length }) => readDirect(c.k, c.task, base, length)),
          (base, bytes) => accessRemote(c.k, task, base, bytes, false),
        )
      : scatter(
          local,
          gather(remote, count, ({ base, length }) => readRemote(c.k, task, base, length, false)),
          toUser(c),
        );
    return moved > 0 ? moved : -E.EFAULT;
  };

const toUser =
  (c: SyscallContext) =>
  (base: number, bytes: Uint8Array): number =>
    writeDirect(c.k, c.task, base, bytes);

/** The first `count` bytes of some buffers, up to the first that cannot be read whole. */
function gather(buffers: readonly Buffer[], count: number, read: (buffer: Buffer) => Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  let left = count;
  for (const { base, length } of buffers) {
    const wanted = Math.min(length, left);
    const bytes = read({ base, length: wanted });
    parts.push(bytes);
    left -= bytes.length;
    if (bytes.length < wanted || left === 0) break;
  }
  return concat(parts);
}

function scatter(
  buffers: readonly Buffer[],
  bytes: Uint8Array,
  write: (base: number, part: Uint8Array) => number,
): number {
  let done = 0;
  for (const { base, length } of buffers) {
    const part = bytes.subarray(done, done + length);
    if (part.length === 0) break;
    const written = write(base, part);
    done += written;
    if (written < part.length) break;
  }
  return done;
}

export const PROCESS_VM_CALLS: SyscallGroup = { process_vm_readv: transfer(false), process_vm_writev: transfer(true) };
