/** Reading and writing at a position of the caller's, a file's length, and its bytes to another descriptor. */
import { E } from "../abi/errno.ts";
import { O } from "../abi/file.ts";
import { operationsOf } from "../fs/file-operations.ts";
import { isPipe } from "../fs/pipe.ts";
import { look, resizeFile } from "../fs/root.ts";
import { copyToUser, readUser } from "../mm/uaccess.ts";
import type { OpenFile } from "../state.ts";
import { fileOf, isStream, put, readable, readInto, take, writable, writeFrom } from "./io.ts";
import { MAX_OUTPUT } from "./iovec.ts";
import { pathArg } from "./paths.ts";
import { writeToPipe } from "./pipes.ts";
import { BLOCK, type Syscall, type SyscallContext, type SyscallGroup, type SyscallResult } from "./types.ts";

/** A loff_t argument: the i386 calls have it in two registers. */
const offsetArg = (c: SyscallContext, i: number): bigint =>
  BigInt.asIntN(64, c.compat ? BigInt(c.uint(i)) | (BigInt(c.uint(i + 1)) << 32n) : c.arg(i));

/** pread64 and pwrite64: the descriptor's own position stays. */
const positioned =
  (transfer: typeof readInto): Syscall =>
  (c) => {
    const file = fileOf(c, c.int(0));
    const position = offsetArg(c, 3);
    if (position < 0n) return -E.EINVAL;
    if (file === undefined) return -E.EBADF;
    if (isStream(file)) return -E.ESPIPE;
    return transfer(c, { ...file, position: Number(position) }, [{ base: c.addr(1), length: c.addr(2) }]);
  };

function setLength(c: SyscallContext, path: string, length: bigint): number {
  if (c.k.state.files[path] === undefined) return -E.EACCES;
  return resizeFile(c.k, path, Number(length)) ? 0 : -E.EFBIG;
}
function truncate(c: SyscallContext, length: bigint): number {
  const path = pathArg(c, 0);
  if (length < 0n) return -E.EINVAL;
  if (typeof path === "number") return path;
  const node = look(c.k, c.task, path);
  if (typeof node === "number") return node;
  if (node.kind !== "file") return node.kind === "dir" ? -E.EISDIR : -E.EINVAL;
  return setLength(c, path, length);
}
function ftruncate(c: SyscallContext, length: bigint): number {
  if (length < 0n) return -E.EINVAL;
  const file = fileOf(c, c.int(0));
  if (file === undefined) return -E.EBADF;
  return isStream(file) || !writable(file) ? -E.EINVAL : setLength(c, file.path, length);
}

/** From a copy of the source, so that it moves by what has been written only. */
function copy(c: SyscallContext, to: OpenFile, from: OpenFile, count: number): SyscallResult {
  const bytes = take(c, { ...from }, Math.min(count, MAX_OUTPUT));
  const part = (skip: number, length: number) => bytes.subarray(skip, skip + length);
  if (!isPipe(to) && operationsOf(to) !== undefined) return -E.EINVAL;
  const done = bytes.length === 0 ? 0 : isPipe(to) ? writeToPipe(c, to, bytes.length, part) : put(c, to, bytes);
  if (typeof done === "number" && done > 0) from.position += done;
  return done;
}

/** sendfile(out, in, offset, count); `size` is that of what `offset` points to. */
function sendfile(c: SyscallContext, size: 4 | 8): SyscallResult {
  const [to, from, pointer] = [fileOf(c, c.int(0)), fileOf(c, c.int(1)), c.addr(2)];
  if (from === undefined || !readable(from)) return -E.EBADF;
  if (pointer !== 0 && isStream(from)) return -E.ESPIPE;
  if (to === undefined || !writable(to)) return -E.EBADF;
  if (isStream(from) || (to.flags & O.O_APPEND) !== 0) return -E.EINVAL;
  if (pointer === 0) return copy(c, to, from, c.addr(3));
  const image = readUser(c.k, c.task, pointer, size);
  if (image.length < size) return -E.EFAULT;
  const view = new DataView(image.slice().buffer);
  const position = size === 8 ? view.getBigInt64(0, true) : BigInt(view.getInt32(0, true));
  if (position < 0n) return -E.EINVAL;
  const source = { ...from, position: Number(position) };
  const { done, end } = c.k.once("do_sendfile", () => ({ done: copy(c, to, source, c.addr(3)), end: source.position }));
  if (done === BLOCK) return done;
  if (size === 8) view.setBigInt64(0, BigInt(end), true);
  else view.setInt32(0, end, true);
  return copyToUser(c.k, c.task, pointer, new Uint8Array(view.buffer)) ? done : -E.EFAULT;
}

const ADVICE_MAX = 5;
/** Advice on a file is checked, and changes nothing. */
function fadvise(c: SyscallContext, length: bigint, advice: number): number {
  const file = fileOf(c, c.int(0));
  if (file === undefined) return -E.EBADF;
  if (isPipe(file)) return -E.ESPIPE;
  return length < 0n || advice < 0 || advice > ADVICE_MAX ? -E.EINVAL : 0;
}

export const EXTENT_CALLS: SyscallGroup = {
  pread64: positioned(readInto),
  pwrite64: positioned(writeFrom),
  truncate: (c) => truncate(c, c.long(1)),
  truncate64: (c) => truncate(c, offsetArg(c, 1)),
  ftruncate: (c) => ftruncate(c, c.long(1)),
  ftruncate64: (c) => ftruncate(c, offsetArg(c, 1)),
  fadvise64: (c) => (c.compat ? fadvise(c, BigInt(c.uint(3)), c.int(4)) : fadvise(c, c.long(2), c.int(3))),
  fadvise64_64: (c) => fadvise(c, offsetArg(c, 3), c.int(5)),
  sendfile: (c) => sendfile(c, c.wordSize),
  sendfile64: (c) => sendfile(c, 8),
};
