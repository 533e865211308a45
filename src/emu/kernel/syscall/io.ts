/** Reading and writing: descriptors for the three streams and for files held in memory. */
import { E } from "../abi/errno.ts";
import { F, FD_CLOEXEC, FIOCLEX, FIONCLEX, O, TTY_IOCTL } from "../abi/file.ts";
import { fdLimit, installFd, setFd } from "../fs/fdtable.ts";
import { descriptorsClosed, operationsOf } from "../fs/file-operations.ts";
import { DEVICES, writeFile } from "../fs/root.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { clearUser, copyToUser, putWord, writeUser } from "../mm/uaccess.ts";
import type { OpenFile } from "../state.ts";
import { type Buffer, gather, iovecs, MAX_OUTPUT, total } from "./iovec.ts";
import type { Syscall, SyscallContext, SyscallGroup, SyscallResult } from "./types.ts";

/** Linux moves at most this much in one call. */
const MAX_RW_COUNT = 0x7fff_f000;

const STREAMS: readonly string[] = ["stdin", "stdout", "stderr", ...DEVICES];
/** Without a position: what pread and lseek refuse. */
export const isStream = (file: Pick<OpenFile, "path">): boolean =>
  STREAMS.includes(file.path) || operationsOf(file) !== undefined;
export const fileOf = (c: SyscallContext, fd: number): OpenFile | undefined => c.process.files[fd];
export const readable = (file: OpenFile): boolean => (file.flags & O.O_ACCMODE) !== O.O_WRONLY;
export const writable = (file: OpenFile): boolean => (file.flags & O.O_ACCMODE) !== O.O_RDONLY;

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
  // a copy: the file may change before they are where they are to go
  const bytes = all.slice(file.position, file.position + count);
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
  if ((file.flags & O.O_APPEND) !== 0) file.position = c.k.state.files[file.path]?.length ?? 0;
  if (!writeFile(c.k, file.path, file.position, bytes)) return -E.ENOSPC;
  file.position += bytes.length;
  return bytes.length;
}

export function readInto(c: SyscallContext, file: OpenFile, buffers: readonly Buffer[]): SyscallResult {
  if (!readable(file)) return -E.EBADF;
  const special = operationsOf(file);
  if (special !== undefined) return special.read?.(c, file, buffers) ?? -E.EINVAL;
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

export function writeFrom(c: SyscallContext, file: OpenFile, buffers: readonly Buffer[]): SyscallResult {
  if (!writable(file)) return -E.EBADF;
  const special = operationsOf(file);
  if (special !== undefined) return special.write?.(c, file, buffers) ?? -E.EINVAL;
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
export function closeFd(c: SyscallContext, fd: number): boolean {
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

const dup: Syscall = (c) => {
  const file = fileOf(c, c.int(0));
  return file === undefined ? -E.EBADF : installFd(c.process, file, false);
};
function dupTo(c: SyscallContext, cloexec: boolean): number {
  const file = fileOf(c, c.int(0));
  const fd = c.int(1);
  if (file === undefined || fd < 0 || fd >= fdLimit(c.process)) return -E.EBADF;
  closeFd(c, fd);
  return setFd(c.process, fd, file, cloexec);
}
/** To itself it does nothing. */
const dup2: Syscall = (c) => (c.int(0) === c.int(1) && fileOf(c, c.int(0)) !== undefined ? c.int(1) : dupTo(c, false));
const dup3: Syscall = (c) => {
  if ((c.int(2) & ~O.O_CLOEXEC) !== 0 || c.int(0) === c.int(1)) return -E.EINVAL;
  return dupTo(c, (c.int(2) & O.O_CLOEXEC) !== 0);
};

const SETTABLE = O.O_APPEND | O.O_NONBLOCK;
const fcntl: Syscall = (c) => {
  const fd = c.int(0);
  const file = fileOf(c, fd);
  if (file === undefined) return -E.EBADF;
  switch (c.int(1)) {
    case F.F_DUPFD:
    case F.F_DUPFD_CLOEXEC:
      if (c.uint(2) >= fdLimit(c.process)) return -E.EINVAL;
      return installFd(c.process, file, c.int(1) === F.F_DUPFD_CLOEXEC, c.int(2));
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
  const command = c.uint(1);
  if (command === FIOCLEX || command === FIONCLEX) {
    setFd(c.process, c.int(0), file, command === FIOCLEX);
    return 0;
  }
  const special = operationsOf(file);
  if (special !== undefined) return special.ioctl?.(c, file, command, c.addr(2)) ?? -E.ENOTTY;
  if (command !== TTY_IOCTL.FIONREAD) return -E.ENOTTY;
  const left = c.k.options.stdin.length - c.k.state.stdinPosition;
  return putWord(c.k, c.task, c.addr(2), 4, left) ? 0 : -E.EFAULT;
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
  close_range: closeRange,
  fcntl,
  fcntl64: fcntl,
  ioctl,
  lseek,
  _llseek: llseek,
};
