/** Lists of buffers (struct iovec) in user memory: which they are, and what is in them as one run of bytes. */
import { E } from "../abi/errno.ts";
import { IOVEC_32, IOVEC_64 } from "../abi/file.ts";
import { concat } from "../mm/direct.ts";
import { copyFromUser, readUser, writeUser } from "../mm/uaccess.ts";
import type { SyscallContext } from "./types.ts";

const IOV_MAX = 1024;
const MAX_LENGTH = 0x7fff_ffff_ffff;

export interface Buffer {
  readonly base: number;
  readonly length: number;
}

/** import_iovec(), or a negative error number. */
export function iovecs(c: SyscallContext, address: number, count: number): Buffer[] | number {
  if (count < 0 || count > IOV_MAX) return -E.EINVAL;
  const struct = c.compat ? IOVEC_32 : IOVEC_64;
  const buffers: Buffer[] = [];
  const bytes = copyFromUser(c.k, c.task, address, count * struct.size);
  if (bytes === undefined) return -E.EFAULT;
  for (let i = 0; i < count; i++) {
    const view = (struct as typeof IOVEC_64).at(bytes, i * struct.size);
    const length = view.get("iov_len");
    if (length > MAX_LENGTH) return -E.EINVAL;
    buffers.push({ base: view.get("iov_base"), length });
  }
  return buffers;
}

/** What one call may move through the host: a guest's buffer is no larger than its memory, but iovecs can repeat it. */
export const MAX_OUTPUT = 64 * 2 ** 20;
export const total = (buffers: readonly Buffer[]): number => buffers.reduce((sum, { length }) => sum + length, 0);

/** Up to `limit` of what the buffers hold together, after the first `skip` bytes; fewer where they cannot be read. */
export function gather(c: SyscallContext, buffers: readonly Buffer[], skip: number, limit: number): Uint8Array {
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

/** Fills the buffers in turn: how many bytes could be written. */
export function scatter(c: SyscallContext, buffers: readonly Buffer[], bytes: Uint8Array): number {
  let done = 0;
  for (const { base, length } of buffers) {
    const part = bytes.subarray(done, done + length);
    const now = writeUser(c.k, c.task, base, part);
    done += now;
    if (now < part.length) break;
  }
  return done;
}
