/** Reading and writing: descriptors for the three streams and for files held in memory. */
import { E } from "../abi/errno.ts";
import { F, FD_CLOEXEC, IOVEC_32, IOVEC_64, O, TTY_IOCTL } from "../abi/file.ts";
import { concat, copyToUser, getStruct, readUser } from "../mm/uaccess.ts";
import type { OpenFile } from "../state.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

/** Linux moves at most this much in one call. */
const MAX_RW_COUNT = 0x7fff_f000;
const IOV_MAX = 1024;

export const DEVICES: readonly string[] = ["/dev/null", "/dev/zero"];
const STREAMS: readonly string[] = ["stdin", "stdout", "stderr", ...DEVICES];
export const isStream = (file: OpenFile): boolean => STREAMS.includes(file.path);
export const fileOf = (c: SyscallContext, fd: number): OpenFile | undefined => c.process.files[fd];
const readable = (file: OpenFile): boolean => (file.flags & O.O_ACCMODE) !== O.O_WRONLY;
const writable = (file: OpenFile): boolean => (file.flags & O.O_ACCMODE) !== O.O_RDONLY;

/** What one call may move through the host: a guest's buffer is no larger than its memory, but iovecs can repeat it. */
const MAX_OUTPUT = 64 * 2 ** 20;

/** Up to `count` bytes from a descriptor; its position moves by what is taken. */
function take(c: SyscallContext, file: OpenFile, count: number): Uint8Array {
  if (file.path === "stdin") {
    const start = c.k.state.stdinPosition;
    const bytes = c.k.options.stdin.subarray(start, start + count);
    c.k.state.stdinPosition += bytes.length;
    return bytes;
  }
  if (file.path === "/dev/zero") return new Uint8Array(Math.min(count, MAX_OUTPUT));
  if (file.path === "/dev/null") return new Uint8Array(0);
  const bytes = (c.k.state.files[file.path] ?? new Uint8Array(0)).subarray(file.position, file.position + count);
  file.position += bytes.length;
  return bytes;
}

function put(c: SyscallContext, file: OpenFile, bytes: Uint8Array): void {
  if (DEVICES.includes(file.path)) return;
  if (isStream(file)) {
    c.k.machine.events.emit("console", c.cpu.index, { stream: file.path === "stderr" ? "stderr" : "stdout", bytes });
    return;
  }
  const old = c.k.state.files[file.path] ?? new Uint8Array(0);
  if ((file.flags & O.O_APPEND) !== 0) file.position = old.length;
  const grown = new Uint8Array(Math.max(old.length, file.position + bytes.length));
  grown.set(old);
  grown.set(bytes, file.position);
  c.k.state.files[file.path] = grown;
  file.position += bytes.length;
}

function readInto(c: SyscallContext, file: OpenFile, buffers: readonly Buffer[]): number {
  if (!readable(file)) return -E.EBADF;
  let total = 0;
  for (const { base, length } of buffers) {
    const bytes = take(c, file, Math.min(length, MAX_RW_COUNT - total));
    if (!copyToUser(c.k, c.task, base, bytes)) return total > 0 ? total : -E.EFAULT;
    total += bytes.length;
    if (bytes.length < length) break;
  }
  return total;
}

function writeFrom(c: SyscallContext, file: OpenFile, buffers: readonly Buffer[]): number {
  if (!writable(file)) return -E.EBADF;
  const parts: Uint8Array[] = [];
  let total = 0;
  let faulted = false;
  for (const { base, length } of buffers) {
    const wanted = Math.min(length, MAX_OUTPUT - total);
    const bytes = readUser(c.k, c.task, base, wanted);
    parts.push(bytes);
    total += bytes.length;
    faulted = bytes.length < wanted;
    if (bytes.length < length) break;
  }
  if (faulted && total === 0) return -E.EFAULT;
  if (total > 0) put(c, file, concat(parts));
  return total;
}

interface Buffer {
  readonly base: number;
  readonly length: number;
}

function iovecs(c: SyscallContext, address: number, count: number): Buffer[] | number {
  if (count < 0 || count > IOV_MAX) return -E.EINVAL;
  const struct = c.compat ? IOVEC_32 : IOVEC_64;
  const buffers: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const view = getStruct(c.k, c.task, address + i * struct.size, struct as typeof IOVEC_64);
    if (view === undefined) return -E.EFAULT;
    const length = view.get("iov_len");
    if (length > 0x7fff_ffff_ffff) return -E.EINVAL;
    buffers.push({ base: view.get("iov_base"), length });
  }
  return buffers;
}

type Transfer = (c: SyscallContext, file: OpenFile, buffers: readonly Buffer[]) => number;
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

/** pread64: at a position of its own. The i386 call has it in two registers. */
const pread: Syscall = (c) => {
  const file = fileOf(c, c.int(0));
  if (file === undefined) return -E.EBADF;
  if (isStream(file)) return -E.ESPIPE;
  const position = c.compat ? c.uint(3) + c.uint(4) * 2 ** 32 : c.addr(3);
  return readInto(c, { ...file, position }, [{ base: c.addr(1), length: c.addr(2) }]);
};

const close: Syscall = (c) => {
  const fd = c.int(0);
  if (fileOf(c, fd) === undefined) return -E.EBADF;
  delete c.process.files[fd];
  return 0;
};

export function freeFd(c: SyscallContext, from = 0): number {
  let fd = from;
  while (c.process.files[fd] !== undefined) fd++;
  return fd;
}

const dup: Syscall = (c) => {
  const file = fileOf(c, c.int(0));
  if (file === undefined) return -E.EBADF;
  const fd = freeFd(c);
  c.process.files[fd] = file;
  return fd;
};
const dup2: Syscall = (c) => {
  const file = fileOf(c, c.int(0));
  if (file === undefined || c.int(1) < 0 || c.int(1) >= 1024) return -E.EBADF;
  c.process.files[c.int(1)] = file;
  return c.int(1);
};

const fcntl: Syscall = (c) => {
  const file = fileOf(c, c.int(0));
  if (file === undefined) return -E.EBADF;
  switch (c.int(1)) {
    case F.F_DUPFD:
    case F.F_DUPFD_CLOEXEC: {
      const fd = freeFd(c, c.int(2));
      c.process.files[fd] = file;
      return fd;
    }
    case F.F_GETFD:
      return (file.flags & O.O_CLOEXEC) !== 0 ? FD_CLOEXEC : 0;
    case F.F_SETFD:
      file.flags = (file.flags & ~O.O_CLOEXEC) | ((c.int(2) & FD_CLOEXEC) !== 0 ? O.O_CLOEXEC : 0);
      return 0;
    case F.F_GETFL:
      return file.flags & ~O.O_CLOEXEC;
    case F.F_SETFL:
      return 0;
    default:
      return -E.EINVAL;
  }
};

/** The streams are pipes, not terminals: programs buffer their output as they do with a redirected one. */
const ioctl: Syscall = (c) => {
  if (fileOf(c, c.int(0)) === undefined) return -E.EBADF;
  if (c.uint(1) !== TTY_IOCTL.FIONREAD) return -E.ENOTTY;
  const left = c.k.options.stdin.length - c.k.state.stdinPosition;
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, left, true);
  return copyToUser(c.k, c.task, c.addr(2), bytes) ? 0 : -E.EFAULT;
};

const WHENCE = { SEEK_SET: 0, SEEK_CUR: 1, SEEK_END: 2 } as const;
function seek(c: SyscallContext, file: OpenFile | undefined, offset: number, whence: number): number {
  if (file === undefined) return -E.EBADF;
  if (isStream(file)) return -E.ESPIPE;
  const size = c.k.state.files[file.path]?.length ?? 0;
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
  pread64: pread,
  close,
  dup,
  dup2,
  dup3: dup2,
  fcntl,
  fcntl64: fcntl,
  ioctl,
  lseek,
  _llseek: llseek,
};
