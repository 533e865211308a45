/** Pipes as files: pipe and pipe2, reading and writing with what is waited for. */
import { PIPE_FDS } from "../abi/clone.ts";
import { E } from "../abi/errno.ts";
import { O, TTY_IOCTL } from "../abi/file.ts";
import { installFd } from "../fs/fdtable.ts";
import type { FileOperations } from "../fs/file-operations.ts";
import {
  createPipe,
  PIPE_BUF,
  pipeOf,
  pollPipe,
  readPipe,
  releasePipe,
  unreadPipe,
  WAIT_FOR_PIPE,
  writePipe,
} from "../fs/pipe.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { putStruct, putWord } from "../mm/uaccess.ts";
import type { OpenFile } from "../state.ts";
import { closeFd } from "./io.ts";
import { type Buffer, gather, MAX_OUTPUT, scatter, total } from "./iovec.ts";
import { BLOCK, type SyscallContext, type SyscallGroup, type SyscallResult } from "./types.ts";

/** Whatever is there, into as many buffers as it fills. */
function readFromPipe(c: SyscallContext, file: OpenFile, buffers: readonly Buffer[]): SyscallResult {
  const bytes = c.k.once("pipe_read", () => {
    const read = readPipe(c.k, c.task, file, Math.min(total(buffers), MAX_OUTPUT));
    return read === WAIT_FOR_PIPE ? waitForPipe(c) : read;
  });
  if (typeof bytes === "number" || bytes === BLOCK) return bytes;
  const copied = scatter(c, buffers, bytes);
  // a page that cannot be copied whole has not been read
  const done = copied < bytes.length ? copied - (copied % PAGE_SIZE) : copied;
  unreadPipe(c.k, file, bytes.subarray(done));
  return done === 0 && bytes.length > 0 ? -E.EFAULT : done;
}
function waitForPipe(c: SyscallContext, progress = 0): typeof BLOCK {
  c.task.wait = { reason: "pipe", progress };
  return BLOCK;
}

/**
 * pipe_write(): a page at a time, which is there whole or not at all, and sleeps in between.
 * @param read `count` of the `all` bytes after the first `skip`; fewer if there is no way
 */
export function writeToPipe(
  c: SyscallContext,
  file: OpenFile,
  all: number,
  read: (skip: number, count: number) => Uint8Array,
): SyscallResult {
  let progress = c.task.wait?.progress ?? 0;
  while (progress < all) {
    const part = Math.min(all - progress, PAGE_SIZE);
    const bytes = read(progress, part);
    if (bytes.length < part) return progress > 0 ? progress : -E.EFAULT;
    const { done, error } = c.k.once("pipe_write", () => writePipe(c.k, c.task, file, bytes, all <= PIPE_BUF));
    progress += done;
    if (error === WAIT_FOR_PIPE) return waitForPipe(c, progress);
    if (error !== undefined) return progress > 0 ? progress : error;
  }
  return progress;
}

/** Both ends close on exec or neither; the descriptors are written last. */
function pipe(c: SyscallContext, flags: number): number {
  if ((flags & ~(O.O_CLOEXEC | O.O_NONBLOCK | O.O_DIRECT)) !== 0) return -E.EINVAL;
  const cloexec = (flags & O.O_CLOEXEC) !== 0;
  const fds = c.k.once("create_pipe_files", () => {
    const { read, write } = createPipe(c.k, flags & O.O_NONBLOCK);
    return [installFd(c.process, read, cloexec), installFd(c.process, write, cloexec)] as const;
  });
  if (fds[1] >= 0 && putStruct(c.k, c.task, c.addr(0), PIPE_FDS.make({ read: fds[0], write: fds[1] }))) return 0;
  for (const fd of fds) closeFd(c, fd);
  return fds[1] < 0 ? -E.EMFILE : -E.EFAULT;
}

export const PIPE_OPERATIONS: FileOperations = {
  poll: pollPipe,
  release: releasePipe,
  read: readFromPipe,
  write: (c, file, buffers) => writeToPipe(c, file, total(buffers), (skip, count) => gather(c, buffers, skip, count)),
  ioctl(c, file, command, argument) {
    if (command !== TTY_IOCTL.FIONREAD) return -E.ENOTTY;
    return putWord(c.k, c.task, argument, 4, pipeOf(c.k, file).bytes.length) ? 0 : -E.EFAULT;
  },
};

export const PIPE_CALLS: SyscallGroup = {
  pipe: (c) => pipe(c, 0),
  pipe2: (c) => pipe(c, c.int(1)),
};
