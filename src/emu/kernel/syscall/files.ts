/** Files by name: opening, and what is told about them; what /proc/self/exe says. */
import { E } from "../abi/errno.ts";
import { AT_FD, MFD, O, S_IF, STAT_32, STAT_64, STAT64_32, STATX, STATX_BASIC_STATS } from "../abi/file.ts";
import { absolute } from "../exec/program-file.ts";
import { installFd } from "../fs/fdtable.ts";
import { inodeOf } from "../fs/inodes.ts";
import { contentsOf, look, lookParent, type Node, namelessFile, resizeFile } from "../fs/root.ts";
import { copyToUser, putStruct, strncpyFromUser } from "../mm/uaccess.ts";
import type { OpenFile } from "../state.ts";
import { ROOT } from "../task/cred.ts";
import { fileOf, isStream } from "./io.ts";
import { pathArg, pathAt } from "./paths.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

const openAs = (c: SyscallContext, file: OpenFile, flags: number): number =>
  installFd(
    c.process,
    { ...file, flags: flags & ~(O.O_CREAT | O.O_EXCL | O.O_TRUNC | O.O_CLOEXEC) },
    (flags & O.O_CLOEXEC) !== 0,
  );

function open(c: SyscallContext, path: string | number, flags: number): number {
  if (typeof path === "number") return path;
  const { k, task } = c;
  const contents = (flags & O.O_ACCMODE) === O.O_RDONLY ? contentsOf(k, task, path) : undefined;
  if (contents !== undefined) return openAs(c, { path, flags: 0, position: 0, contents }, flags);
  const node = look(k, task, path);
  if (typeof node === "number") {
    if (node !== -E.ENOENT || (flags & O.O_CREAT) === 0) return node;
    const error = lookParent(k, task, path);
    if (error !== 0) return error;
  } else {
    if ((flags & O.O_CREAT) !== 0 && (flags & O.O_EXCL) !== 0) return -E.EEXIST;
    if (node.kind === "dir" && (flags & (O.O_ACCMODE | O.O_CREAT)) !== O.O_RDONLY) return -E.EISDIR;
    if (node.kind !== "dir" && (flags & O.O_DIRECTORY) !== 0) return -E.ENOTDIR;
  }
  if (typeof node === "number" || (node.kind === "file" && (flags & O.O_TRUNC) !== 0)) resizeFile(k, path, 0);
  return openAs(c, { path, flags: 0, position: 0 }, flags);
}

/** A file without a name; it is gone when nobody has it open any more. The name only serves who looks. */
const memfdCreate: Syscall = (c) => {
  const name = strncpyFromUser(c.k, c.task, c.addr(0), MEMFD_NAME_MAX);
  const flags = c.uint(1);
  if ((flags & ~(MFD.CLOEXEC | MFD.ALLOW_SEALING)) !== 0) return -E.EINVAL;
  if (name === undefined) return -E.EFAULT;
  if (name === "toolong") return -E.EINVAL;
  const path = c.k.once("shmem_file_setup", () => namelessFile(c.k));
  return installFd(c.process, { path, flags: O.O_RDWR, position: 0 }, (flags & MFD.CLOEXEC) !== 0);
};
/** NAME_MAX without "memfd:", and the terminating zero. */
const MEMFD_NAME_MAX = 250;

/** What the stat calls agree on: of a path, which may be a descriptor's. */
function attributes(c: SyscallContext, path: string) {
  const node: Node | number = isStream({ path }) ? { kind: "stream" } : look(c.k, c.task, path);
  if (typeof node === "number") return node;
  const size = node.kind === "file" ? node.size : 0;
  return { mode: MODES[node.kind], size, blocks: Math.ceil(size / 512), nlink: 1, ino: inodeOf(c.k, path) };
}
const MODES: Readonly<Record<Node["kind"], number>> = {
  file: S_IF.S_IFREG | 0o755,
  dir: S_IF.S_IFDIR | 0o755,
  stream: S_IF.S_IFIFO | 0o600,
};

const statStruct = (c: SyscallContext, wide: boolean) =>
  (!c.compat ? STAT_64 : wide ? STAT64_32 : STAT_32) as typeof STAT_64;

function putStat(c: SyscallContext, path: string | number, address: number, wide: boolean): number {
  const found = typeof path === "number" ? path : attributes(c, path);
  if (typeof found === "number") return found;
  const view = statStruct(c, wide).make({
    st_mode: found.mode,
    st_nlink: found.nlink,
    st_uid: ROOT,
    st_gid: ROOT,
    st_size: found.size,
    st_blksize: 4096,
    st_blocks: found.blocks,
    st_ino: found.ino,
  });
  return putStruct(c.k, c.task, address, view) ? 0 : -E.EFAULT;
}

const pathOfFd = (c: SyscallContext, fd: number): string | number => fileOf(c, fd)?.path ?? -E.EBADF;

const stat =
  (wide: boolean): Syscall =>
  (c) =>
    putStat(c, pathArg(c, 0), c.addr(1), wide);
const fstat =
  (wide: boolean): Syscall =>
  (c) =>
    putStat(c, pathOfFd(c, c.int(0)), c.addr(1), wide);

/** A path relative to a descriptor; with AT_EMPTY_PATH and an empty path the descriptor itself. */
function pathOrFd(c: SyscallContext, flags: number): string | number {
  const path = pathArg(c, 1, c.int(0));
  if (path !== "") return path;
  return (flags & AT_FD.AT_EMPTY_PATH) !== 0 ? pathOfFd(c, c.int(0)) : -E.ENOENT;
}
const fstatat: Syscall = (c) => putStat(c, pathOrFd(c, c.int(3)), c.addr(2), true);

const statx: Syscall = (c) => {
  const path = pathOrFd(c, c.int(2));
  const found = typeof path === "number" ? path : attributes(c, path);
  if (typeof found === "number") return found;
  const view = STATX.make({
    stx_mask: STATX_BASIC_STATS,
    stx_blksize: 4096,
    stx_nlink: found.nlink,
    stx_uid: ROOT,
    stx_gid: ROOT,
    stx_mode: found.mode,
    stx_ino: found.ino,
    stx_size: found.size,
    stx_blocks: found.blocks,
  });
  return putStruct(c.k, c.task, c.addr(4), view) ? 0 : -E.EFAULT;
};

function readlink(c: SyscallContext, pathIndex: number): number {
  const path = pathArg(c, pathIndex);
  if (typeof path === "number") return path;
  if (path !== "/proc/self/exe") {
    const node = look(c.k, c.task, path);
    return typeof node === "number" ? node : -E.EINVAL;
  }
  const size = c.int(pathIndex + 2);
  if (size <= 0) return -E.EINVAL;
  const bytes = new TextEncoder().encode(absolute(c.mm.exe)).subarray(0, size);
  return copyToUser(c.k, c.task, c.addr(pathIndex + 1), bytes) ? bytes.length : -E.EFAULT;
}

function access(c: SyscallContext, pathIndex: number): number {
  const path = pathArg(c, pathIndex);
  if (typeof path === "number") return path;
  const node = look(c.k, c.task, path);
  return typeof node === "number" ? node : 0;
}

const getcwd: Syscall = (c) => {
  const bytes = new TextEncoder().encode(`${c.process.fs.cwd}\0`);
  if (c.addr(1) < bytes.length) return -E.ERANGE;
  return copyToUser(c.k, c.task, c.addr(0), bytes) ? bytes.length : -E.EFAULT;
};
const chdir: Syscall = (c) => {
  const path = pathAt(c, 0);
  if (typeof path === "number") return path;
  const node = look(c.k, c.task, path);
  if (typeof node === "number") return node;
  if (node.kind !== "dir") return -E.ENOTDIR;
  c.process.fs.cwd = path;
  return 0;
};

export const FILE_CALLS: SyscallGroup = {
  open: (c) => open(c, pathAt(c, 0), c.int(1)),
  creat: (c) => open(c, pathAt(c, 0), O.O_CREAT | O.O_WRONLY | O.O_TRUNC),
  openat: (c) => open(c, pathAt(c, 1, c.int(0)), c.int(2)),
  stat: stat(false),
  lstat: stat(false),
  fstat: fstat(false),
  stat64: stat(true),
  lstat64: stat(true),
  fstat64: fstat(true),
  newfstatat: fstatat,
  fstatat64: fstatat,
  statx,
  memfd_create: memfdCreate,
  readlink: (c) => readlink(c, 0),
  readlinkat: (c) => readlink(c, 1),
  access: (c) => access(c, 0),
  faccessat: (c) => access(c, 1),
  faccessat2: (c) => access(c, 1),
  getcwd,
  chdir,
};
