/** Lists of buffers (struct iovec) from user memory. */
import { E } from "../abi/errno.ts";
import { IOVEC_32, IOVEC_64 } from "../abi/file.ts";
import { copyFromUser } from "../mm/uaccess.ts";
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
