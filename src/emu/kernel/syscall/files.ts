/** Files by name: the sandboxed root held in memory, and what /proc/self/exe says. */
import { E } from "../abi/errno.ts";
import { AT_FD, O, S_IF, STAT_32, STAT_64, STAT64_32, STATX, STATX_BASIC_STATS } from "../abi/file.ts";
import { ROOT } from "../cred.ts";
import { copyToUser, putStruct, strncpyFromUser } from "../mm/uaccess.ts";
import { DEVICES, fileOf, freeFd, isStream } from "./io.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

const PATH_MAX = 4096;

/** A path argument made absolute, or a negative error number. The working directory is /. */
function pathArg(c: SyscallContext, i: number): string | number {
  const text = strncpyFromUser(c.k, c.task, c.addr(i), PATH_MAX);
  if (text === undefined) return -E.EFAULT;
  if (text === "toolong") return -E.ENAMETOOLONG;
  return text === "" ? "" : normalize(text);
}
function normalize(text: string): string {
  const parts: string[] = [];
  for (const part of text.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

type Node = { readonly kind: "file"; readonly size: number } | { readonly kind: "dir" } | { readonly kind: "stream" };

function look(c: SyscallContext, path: string): Node | undefined {
  if (DEVICES.includes(path)) return { kind: "stream" };
  const file = c.k.state.files[path];
  if (file !== undefined) return { kind: "file", size: file.length };
  const prefix = path === "/" ? "/" : `${path}/`;
  return path === "/" || Object.keys(c.k.state.files).some((name) => name.startsWith(prefix))
    ? { kind: "dir" }
    : undefined;
}

function open(c: SyscallContext, path: string | number, flags: number): number {
  if (typeof path === "number") return path;
  const node = look(c, path);
  if (node === undefined && (flags & O.O_CREAT) === 0) return -E.ENOENT;
  if (node?.kind === "dir" && (flags & O.O_ACCMODE) !== O.O_RDONLY) return -E.EISDIR;
  if (node !== undefined && (flags & O.O_CREAT) !== 0 && (flags & O.O_EXCL) !== 0) return -E.EEXIST;
  if (node === undefined || (node.kind === "file" && (flags & O.O_TRUNC) !== 0))
    c.k.state.files[path] = new Uint8Array(0);
  const fd = freeFd(c);
  if (fd >= 1024) return -E.EMFILE;
  c.process.files[fd] = { path, flags: flags & ~(O.O_CREAT | O.O_EXCL | O.O_TRUNC), position: 0 };
  return fd;
}

/** What the stat calls agree on. */
function attributes(node: Node) {
  const mode =
    node.kind === "file" ? S_IF.S_IFREG | 0o755 : node.kind === "dir" ? S_IF.S_IFDIR | 0o755 : S_IF.S_IFIFO | 0o600;
  const size = node.kind === "file" ? node.size : 0;
  return { mode, size, blocks: Math.ceil(size / 512), nlink: 1, ino: node.kind === "stream" ? 1 : 2 };
}

const statStruct = (c: SyscallContext, wide: boolean) =>
  (!c.compat ? STAT_64 : wide ? STAT64_32 : STAT_32) as typeof STAT_64;

function putStat(c: SyscallContext, node: Node | undefined, address: number, wide: boolean): number {
  if (node === undefined) return -E.ENOENT;
  const { mode, size, blocks, nlink, ino } = attributes(node);
  const view = statStruct(c, wide).make({
    st_mode: mode,
    st_nlink: nlink,
    st_uid: ROOT,
    st_gid: ROOT,
    st_size: size,
    st_blksize: 4096,
    st_blocks: blocks,
    st_ino: ino,
  });
  return putStruct(c.k, c.task, address, view) ? 0 : -E.EFAULT;
}

function nodeOfFd(c: SyscallContext, fd: number): Node | number {
  const file = fileOf(c, fd);
  if (file === undefined) return -E.EBADF;
  if (isStream(file)) return { kind: "stream" };
  return look(c, file.path) ?? -E.ENOENT;
}

const stat =
  (wide: boolean): Syscall =>
  (c) => {
    const path = pathArg(c, 0);
    return typeof path === "number" ? path : putStat(c, look(c, path), c.addr(1), wide);
  };
const fstat =
  (wide: boolean): Syscall =>
  (c) => {
    const node = nodeOfFd(c, c.int(0));
    return typeof node === "number" ? node : putStat(c, node, c.addr(1), wide);
  };

/** A path relative to a descriptor; with AT_EMPTY_PATH and an empty path the descriptor itself. */
function nodeAt(c: SyscallContext, flags: number): Node | number {
  const path = pathArg(c, 1);
  if (typeof path === "number") return path;
  if (path !== "") return look(c, path) ?? -E.ENOENT;
  return (flags & AT_FD.AT_EMPTY_PATH) !== 0 ? nodeOfFd(c, c.int(0)) : -E.ENOENT;
}
const fstatat: Syscall = (c) => {
  const node = nodeAt(c, c.int(3));
  return typeof node === "number" ? node : putStat(c, node, c.addr(2), true);
};

const statx: Syscall = (c) => {
  const node = nodeAt(c, c.int(2));
  if (typeof node === "number") return node;
  const { mode, size, blocks, nlink, ino } = attributes(node);
  const view = STATX.make({
    stx_mask: STATX_BASIC_STATS,
    stx_blksize: 4096,
    stx_nlink: nlink,
    stx_uid: ROOT,
    stx_gid: ROOT,
    stx_mode: mode,
    stx_ino: ino,
    stx_size: size,
    stx_blocks: blocks,
  });
  return putStruct(c.k, c.task, c.addr(4), view) ? 0 : -E.EFAULT;
};

function readlink(c: SyscallContext, pathIndex: number): number {
  const path = pathArg(c, pathIndex);
  if (typeof path === "number") return path;
  if (path !== "/proc/self/exe") return look(c, path) === undefined ? -E.ENOENT : -E.EINVAL;
  const size = c.int(pathIndex + 2);
  if (size <= 0) return -E.EINVAL;
  const { exe } = c.mm;
  const bytes = new TextEncoder().encode(exe.startsWith("/") ? exe : `/${exe}`).subarray(0, size);
  return copyToUser(c.k, c.task, c.addr(pathIndex + 1), bytes) ? bytes.length : -E.EFAULT;
}

function access(c: SyscallContext, pathIndex: number): number {
  const path = pathArg(c, pathIndex);
  if (typeof path === "number") return path;
  return look(c, path) === undefined ? -E.ENOENT : 0;
}

const getcwd: Syscall = (c) => {
  const bytes = new TextEncoder().encode("/\0");
  if (c.addr(1) < bytes.length) return -E.ERANGE;
  return copyToUser(c.k, c.task, c.addr(0), bytes) ? bytes.length : -E.EFAULT;
};

export const FILE_CALLS: SyscallGroup = {
  open: (c) => open(c, pathArg(c, 0), c.int(1)),
  openat: (c) => open(c, pathArg(c, 1), c.int(2)),
  stat: stat(false),
  lstat: stat(false),
  fstat: fstat(false),
  stat64: stat(true),
  lstat64: stat(true),
  fstat64: fstat(true),
  newfstatat: fstatat,
  fstatat64: fstatat,
  statx,
  readlink: (c) => readlink(c, 0),
  readlinkat: (c) => readlink(c, 1),
  access: (c) => access(c, 0),
  faccessat: (c) => access(c, 1),
  faccessat2: (c) => access(c, 1),
  getcwd,
};
