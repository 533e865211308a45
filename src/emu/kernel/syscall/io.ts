/** Reading and writing: descriptors for the three streams and for files held in memory. */
import { PIPE_FDS } from "../abi/clone.ts";
import { E } from "../abi/errno.ts";
import { F, FD_CLOEXEC, O, TTY_IOCTL } from "../abi/file.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { concat } from "../mm/direct.ts";
import { clearUser, copyToUser, putStruct, readUser, writeUser } from "../mm/uaccess.ts";
import {
  createPipe,
  descriptorsClosed,
  isPipe,
  PIPE_BUF,
  pipeOf,
  readPipe,
  unreadPipe,
  WAIT_FOR_PIPE,
  writePipe,
} from "../pipe.ts";
import { DEVICES, resizeFile } from "../root.ts";
import type { OpenFile } from "../state.ts";
import { type Buffer, iovecs } from "./iovec.ts";
import { BLOCK, type Syscall, type SyscallContext, type SyscallGroup, type SyscallResult } from "./types.ts";

/** Linux moves at most this much in one call. */
const MAX_RW_COUNT = 0x7fff_f000;

const STREAMS: readonly string[] = ["stdin", "stdout", "stderr", ...DEVICES];
/** Without a position: what pread and lseek refuse. */
export const isStream = (file: OpenFile): boolean => STREAMS.includes(file.path) || isPipe(file);
export const fileOf = (c: SyscallContext, fd: number): OpenFile | undefined => c.process.files[fd];
export const readable = (file: OpenFile): boolean => (file.flags & O.O_ACCMODE) !== O.O_WRONLY;
export const writable = (file: OpenFile): boolean => (file.flags & O.O_ACCMODE) !== O.O_RDONLY;

/** What one call may move through the host: a guest's buffer is no larger than its memory, but iovecs can repeat it. */
export const MAX_OUTPUT = 64 * 2 ** 20;

/** Up to `count` bytes from a descriptor; its position moves by what is taken. */
export function take(c: SyscallContext, file: OpenFile, count: number): Uint8Array {
  if (file.path === "stdin") {
    const start = c.k.state.stdinPosition;
    const bytes = c.k.options.stdin.subarray(start, start + count);
    c.k.state.stdinPosition += bytes.length;
    return bytes;
  }
  if (file.path === "/dev/null") return new Uint8Array(0);
  const all = file.contents ?? c.k.state.files[file.path] ?? new Uint8Array(0);
  const bytes = all.subarray(file.position, file.position + count);
  file.position += bytes.length;
  return bytes;
}

/** How many bytes went in (all), or a negative error number. */
export function put(c: SyscallContext, file: OpenFile, bytes: Uint8Array): number {
  if (DEVICES.includes(file.path)) return bytes.length;
  if (isStream(file)) {
    c.k.machine.events.emit("console", c.cpu.index, { stream: file.path === "stderr" ? "stderr" : "stdout", bytes });
    return bytes.length;
  }
  const { length } = c.k.state.files[file.path] ?? new Uint8Array(0);
  if ((file.flags & O.O_APPEND) !== 0) file.position = length;
  if (!resizeFile(c.k, file.path, Math.max(length, file.position + bytes.length))) return -E.ENOSPC;
  c.k.state.files[file.path]!.set(bytes, file.position);
  file.position += bytes.length;
  return bytes.length;
}

export function readInto(c: SyscallContext, file: OpenFile, buffers: readonly Buffer[]): SyscallResult {
  if (!readable(file)) return -E.EBADF;
  if (isPipe(file)) return readFromPipe(c, file, buffers);
  let total = 0;
  for (const { base, length } of buffers) {
    const wanted = Math.min(length, MAX_RW_COUNT - total);
    const done = readPart(c, file, base, wanted);
    if (done < 0) return total > 0 ? total : done;
    total += done;
    if (done < length) break;
  }
  return total;
}

/** Into one buffer: how many bytes were there and could be written, or EFAULT. */
function readPart(c: SyscallContext, file: OpenFile, base: number, wanted: number): number {
  if (file.path === "/dev/zero") {
    const count = Math.min(wanted, MAX_OUTPUT);
    const done = clearUser(c.k, c.task, base, count);
    return done === 0 && count > 0 ? -E.EFAULT : done;
  }
  const bytes = c.k.once("read", () => take(c, file, wanted));
  const done = writeUser(c.k, c.task, base, bytes);
  if (!isStream(file)) file.position -= bytes.length - done;
  return done === 0 && bytes.length > 0 ? -E.EFAULT : done;
}

/** Whatever is there, into as many buffers as it fills. */
function readFromPipe(c: SyscallContext, file: OpenFile, buffers: readonly Buffer[]): SyscallResult {
  const bytes = c.k.once("pipe_read", () => {
    const read = readPipe(c.k, c.task, file, Math.min(total(buffers), MAX_OUTPUT));
    return read === WAIT_FOR_PIPE ? waitForPipe(c) : read;
  });
  if (typeof bytes === "number" || bytes === BLOCK) return bytes;
  let copied = 0;
  for (const { base, length } of buffers) {
    const part = bytes.subarray(copied, copied + length);
    const now = writeUser(c.k, c.task, base, part);
    copied += now;
    if (now < part.length) break;
  }
  // a page that cannot be copied whole has not been read
  const done = copied < bytes.length ? copied - (copied % PAGE_SIZE) : copied;
  unreadPipe(c.k, file, bytes.subarray(done));
  return done === 0 && bytes.length > 0 ? -E.EFAULT : done;
}
const total = (buffers: readonly Buffer[]): number => buffers.reduce((sum, { length }) => sum + length, 0);
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

/** Up to `limit` of what the buffers hold together, after the first `skip` bytes; fewer where they cannot be read. */
function gather(c: SyscallContext, buffers: readonly Buffer[], skip: number, limit: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let [before, left] = [skip, limit];
  for (const { base, length } of buffers) {
    const from = Math.min(before, length);
    before -= from;
    const wanted = Math.min(length - from, left);
    if (wanted === 0) continue;
    const bytes = readUser(c.k, c.task, base + from, wanted);
    parts.push(bytes);
    left -= bytes.length;
    if (bytes.length < wanted) break;
  }
  return concat(parts);
}

export function writeFrom(c: SyscallContext, file: OpenFile, buffers: readonly Buffer[]): SyscallResult {
  if (!writable(file)) return -E.EBADF;
  if (isPipe(file)) return writeToPipe(c, file, total(buffers), (skip, count) => gather(c, buffers, skip, count));
  const wanted = Math.min(total(buffers), MAX_OUTPUT);
  const copied = gather(c, buffers, 0, wanted);
  // the streams are pipes, whose last page is whole or not there
  const torn = isStream(file) && copied.length < wanted ? copied.length % PAGE_SIZE : 0;
  const bytes = copied.subarray(0, copied.length - torn);
  if (bytes.length === 0) return wanted > 0 ? -E.EFAULT : 0;
  return put(c, file, bytes);
}

type Transfer = (c: SyscallContext, file: OpenFile, buffers: readonly Buffer[]) => SyscallResult;
const single =
  (transfer: Transfer): Syscall =>
  (c) => {
    const file = fileOf(c, c.int(0));
    return file === undefined ? -E.EBADF : transfer(c, file, [{ base: c.addr(1), length: c.addr(2) }]);
  };
const vectored =
  (transfer: Transfer): Syscall =>
  (c) => {
    const file = fileOf(c, c.int(0));
    if (file === undefined) return -E.EBADF;
    const buffers = iovecs(c, c.addr(1), c.int(2));
    return typeof buffers === "number" ? buffers : transfer(c, file, buffers);
  };

/** close_fd(): false = there was none. */
function closeFd(c: SyscallContext, fd: number): boolean {
  const file = fileOf(c, fd);
  if (file === undefined) return false;
  delete c.process.files[fd];
  delete c.process.closeOnExec[fd];
  descriptorsClosed(c.k, [file]);
  return true;
}
const close: Syscall = (c) => (closeFd(c, c.int(0)) ? 0 : -E.EBADF);
const closeRange: Syscall = (c) => {
  const [first, last, flags] = [c.uint(0), c.uint(1), c.int(2)];
  if (flags !== 0 && flags !== CLOSE_RANGE_CLOEXEC) return -E.EINVAL;
  if (first > last) return -E.EINVAL;
  for (const fd of Object.keys(c.process.files)
    .map(Number)
    .filter((n) => n >= first && n <= last)) {
    if (flags === CLOSE_RANGE_CLOEXEC) c.process.closeOnExec[fd] = true;
    else closeFd(c, fd);
  }
  return 0;
};
const CLOSE_RANGE_CLOEXEC = 4;

export function freeFd(c: SyscallContext, from = 0): number {
  let fd = from;
  while (c.process.files[fd] !== undefined) fd++;
  return fd;
}
const FD_MAX = 1024;

/** fd_install(): a descriptor for an open file, or EMFILE. */
export function installFd(c: SyscallContext, file: OpenFile, cloexec: boolean, from = 0): number {
  const fd = freeFd(c, from);
  if (fd >= FD_MAX) return -E.EMFILE;
  c.process.files[fd] = file;
  if (cloexec) c.process.closeOnExec[fd] = true;
  return fd;
}

const dup: Syscall = (c) => {
  const file = fileOf(c, c.int(0));
  return file === undefined ? -E.EBADF : installFd(c, file, false);
};
function dupTo(c: SyscallContext, cloexec: boolean): number {
  const file = fileOf(c, c.int(0));
  const fd = c.int(1);
  if (file === undefined || fd < 0 || fd >= FD_MAX) return -E.EBADF;
  closeFd(c, fd);
  return installFd(c, file, cloexec, fd);
}
/** To itself it does nothing. */
const dup2: Syscall = (c) => (c.int(0) === c.int(1) && fileOf(c, c.int(0)) !== undefined ? c.int(1) : dupTo(c, false));
const dup3: Syscall = (c) => {
  if ((c.int(2) & ~O.O_CLOEXEC) !== 0 || c.int(0) === c.int(1)) return -E.EINVAL;
  return dupTo(c, (c.int(2) & O.O_CLOEXEC) !== 0);
};

/** Both ends close on exec or neither; the descriptors are written last. */
function pipe(c: SyscallContext, flags: number): number {
  if ((flags & ~(O.O_CLOEXEC | O.O_NONBLOCK | O.O_DIRECT)) !== 0) return -E.EINVAL;
  const cloexec = (flags & O.O_CLOEXEC) !== 0;
  const fds = c.k.once("create_pipe_files", () => {
    const { read, write } = createPipe(c.k, flags & O.O_NONBLOCK);
    return [installFd(c, read, cloexec), installFd(c, write, cloexec)] as const;
  });
  if (fds[1] >= 0 && putStruct(c.k, c.task, c.addr(0), PIPE_FDS.make({ read: fds[0], write: fds[1] }))) return 0;
  for (const fd of fds) closeFd(c, fd);
  return fds[1] < 0 ? -E.EMFILE : -E.EFAULT;
}

const SETTABLE = O.O_APPEND | O.O_NONBLOCK;
const fcntl: Syscall = (c) => {
  const fd = c.int(0);
  const file = fileOf(c, fd);
  if (file === undefined) return -E.EBADF;
  switch (c.int(1)) {
    case F.F_DUPFD:
    case F.F_DUPFD_CLOEXEC:
      return installFd(c, file, c.int(1) === F.F_DUPFD_CLOEXEC, c.int(2));
    case F.F_GETFD:
      return c.process.closeOnExec[fd] === true ? FD_CLOEXEC : 0;
    case F.F_SETFD:
      if ((c.int(2) & FD_CLOEXEC) !== 0) c.process.closeOnExec[fd] = true;
      else delete c.process.closeOnExec[fd];
      return 0;
    case F.F_GETFL:
      return file.flags;
    case F.F_SETFL:
      file.flags = (file.flags & ~SETTABLE) | (c.int(2) & SETTABLE);
      return 0;
    default:
      return -E.EINVAL;
  }
};

/** The streams are pipes, not terminals: programs buffer their output as they do with a redirected one. */
const ioctl: Syscall = (c) => {
  const file = fileOf(c, c.int(0));
  if (file === undefined) return -E.EBADF;
  if (c.uint(1) !== TTY_IOCTL.FIONREAD) return -E.ENOTTY;
  const left = isPipe(file) ? pipeOf(c.k, file).bytes.length : c.k.options.stdin.length - c.k.state.stdinPosition;
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, left, true);
  return copyToUser(c.k, c.task, c.addr(2), bytes) ? 0 : -E.EFAULT;
};

const WHENCE = { SEEK_SET: 0, SEEK_CUR: 1, SEEK_END: 2 } as const;
function seek(c: SyscallContext, file: OpenFile | undefined, offset: number, whence: number): number {
  if (file === undefined) return -E.EBADF;
  if (isStream(file)) return -E.ESPIPE;
  const size = (file.contents ?? c.k.state.files[file.path])?.length ?? 0;
  const base =
    whence === WHENCE.SEEK_SET
      ? 0
      : whence === WHENCE.SEEK_CUR
        ? file.position
        : whence === WHENCE.SEEK_END
          ? size
          : -1;
  if (base < 0 || base + offset < 0) return -E.EINVAL;
  file.position = base + offset;
  return file.position;
}
const lseek: Syscall = (c) => seek(c, fileOf(c, c.int(0)), Number(c.long(1)), c.int(2));
const llseek: Syscall = (c) => {
  const offset = Number(BigInt.asIntN(64, (BigInt(c.uint(1)) << 32n) | BigInt(c.uint(2))));
  const position = seek(c, fileOf(c, c.int(0)), offset, c.int(4));
  if (position < 0) return position;
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(position), true);
  return copyToUser(c.k, c.task, c.addr(3), bytes) ? 0 : -E.EFAULT;
};

export const IO_CALLS: SyscallGroup = {
  read: single(readInto),
  write: single(writeFrom),
  readv: vectored(readInto),
  writev: vectored(writeFrom),
  close,
  dup,
  dup2,
  dup3,
  pipe: (c) => pipe(c, 0),
  pipe2: (c) => pipe(c, c.int(1)),
  close_range: closeRange,
  fcntl,
  fcntl64: fcntl,
  ioctl,
  lseek,
  _llseek: llseek,
};
