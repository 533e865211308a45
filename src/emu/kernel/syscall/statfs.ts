/** statfs and its kin (fs/statfs.c): the root is one file system, in memory. */
import { E } from "../abi/errno.ts";
import { STATFS_32, STATFS_64, STATFS64_32, TMPFS_MAGIC } from "../abi/file.ts";
import { look, ROOT_BYTES } from "../fs/root.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { putStruct } from "../mm/uaccess.ts";
import { fileOf } from "./io.ts";
import { pathArg } from "./paths.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

const NAME_MAX = 255;

type Layout = typeof STATFS_64;

function put(c: SyscallContext, found: unknown, layout: Layout, address: number): number {
  if (typeof found === "number") return found;
  const free = Math.floor((ROOT_BYTES - c.k.state.rootBytes) / PAGE_SIZE);
  const view = layout.make({
    f_type: TMPFS_MAGIC,
    f_bsize: PAGE_SIZE,
    f_blocks: ROOT_BYTES / PAGE_SIZE,
    f_bfree: free,
    f_bavail: free,
    f_namelen: NAME_MAX,
    f_frsize: PAGE_SIZE,
  });
  return putStruct(c.k, c.task, address, view) ? 0 : -E.EFAULT;
}

const named = (c: SyscallContext): unknown => {
  const path = pathArg(c, 0);
  return typeof path === "number" ? path : look(c.k, c.task, path);
};
const opened = (c: SyscallContext): unknown => fileOf(c, c.int(0)) ?? -E.EBADF;

const plain =
  (find: typeof named): Syscall =>
  (c) =>
    put(c, find(c), (c.compat ? STATFS_32 : STATFS_64) as Layout, c.addr(1));
/** The i386 calls that are told the structure's size. */
const sized =
  (find: typeof named): Syscall =>
  (c) =>
    c.addr(1) === STATFS64_32.size ? put(c, find(c), STATFS64_32 as unknown as Layout, c.addr(2)) : -E.EINVAL;

export const STATFS_CALLS: SyscallGroup = {
  statfs: plain(named),
  fstatfs: plain(opened),
  statfs64: sized(named),
  fstatfs64: sized(opened),
};
