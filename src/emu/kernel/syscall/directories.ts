/** Directories and names: making, removing, renaming, and what getdents tells. */
import { E } from "../abi/errno.ts";
import { AT_FD, DT, RENAME } from "../abi/file.ts";
import {
  contentsOf,
  type Entry,
  entries,
  look,
  lookParent,
  makeDirectory,
  moveFiles,
  removeDirectory,
  unlinkFile,
} from "../fs/root.ts";
import { concat } from "../mm/direct.ts";
import { writeUser } from "../mm/uaccess.ts";
import { fileOf } from "./io.ts";
import { pathArg } from "./paths.ts";
import type { Syscall, SyscallContext, SyscallGroup } from "./types.ts";

type Path = string | number;

function mkdir({ k, task }: SyscallContext, path: Path): number {
  if (typeof path === "number") return path;
  if (path === "") return -E.ENOENT;
  const node = look(k, task, path);
  if (typeof node !== "number") return -E.EEXIST;
  const error = lookParent(k, task, path);
  if (error !== 0) return error;
  makeDirectory(k, path);
  return 0;
}

function rmdir({ k, task }: SyscallContext, path: Path): number {
  if (typeof path === "number") return path;
  const node = look(k, task, path);
  if (typeof node === "number") return node;
  if (node.kind !== "dir") return -E.ENOTDIR;
  if (path === "/") return -E.EBUSY;
  if (entries(k, path).length > 0) return -E.ENOTEMPTY;
  removeDirectory(k, path);
  return 0;
}

function unlink({ k, task }: SyscallContext, path: Path): number {
  if (typeof path === "number") return path;
  const node = look(k, task, path);
  if (typeof node === "number") return node;
  if (node.kind !== "file") return node.kind === "dir" ? -E.EISDIR : -E.EPERM;
  if (k.state.files[path] === undefined) return -E.EACCES;
  unlinkFile(k, path);
  return 0;
}

/** vfs_rename()'s order of questions. */
function rename({ k, task }: SyscallContext, from: Path, to: Path, flags: number): number {
  if (typeof from === "number") return from;
  if (typeof to === "number") return to;
  if ((flags & ~RENAME.RENAME_NOREPLACE) !== 0) return -E.EINVAL;
  const old = look(k, task, from);
  if (typeof old === "number") return old;
  const error = lookParent(k, task, to);
  if (error !== 0) return error;
  const there = look(k, task, to);
  if (typeof there !== "number" && (flags & RENAME.RENAME_NOREPLACE) !== 0) return -E.EEXIST;
  if (to.startsWith(`${from}/`)) return -E.EINVAL;
  if (from === to) return 0;
  if (old.kind === "stream" || contentsOf(k, task, from) !== undefined) return -E.EXDEV;
  if (typeof there !== "number") {
    if (old.kind === "dir" && there.kind !== "dir") return -E.ENOTDIR;
    if (old.kind !== "dir" && there.kind === "dir") return -E.EISDIR;
    if (there.kind === "stream" || contentsOf(k, task, to) !== undefined) return -E.EBUSY;
    if (there.kind === "dir" && entries(k, to).length > 0) return -E.ENOTEMPTY;
  }
  moveFiles(k, from, to);
  return 0;
}

/** How a struct linux_dirent is laid out: the old one has its type in the last byte (uapi and fs/readdir.c). */
interface Layout {
  readonly word: 4 | 8;
  readonly typeLast: boolean;
}

function direntBytes({ word, typeLast }: Layout, { name, kind }: Entry, next: number): Uint8Array {
  const text = new TextEncoder().encode(name);
  const header = 2 * word + 2;
  const bytes = new Uint8Array(Math.ceil((header + text.length + 2) / word) * word);
  const view = new DataView(bytes.buffer);
  const type = kind === "dir" ? DT.DT_DIR : DT.DT_REG;
  // Little-endian: the low halves say all.
  view.setUint32(0, 2, true);
  view.setUint32(word, next, true);
  view.setUint16(2 * word, bytes.length, true);
  view.setUint8(typeLast ? bytes.length - 1 : header, type);
  bytes.set(text, typeLast ? header : header + 1);
  return bytes;
}

function getdents(c: SyscallContext, layout: Layout): number {
  const file = fileOf(c, c.int(0));
  if (file === undefined) return -E.EBADF;
  const node = look(c.k, c.task, file.path);
  if (typeof node === "number") return node;
  if (node.kind !== "dir") return -E.ENOTDIR;
  const all: Entry[] = [{ name: ".", kind: "dir" }, { name: "..", kind: "dir" }, ...entries(c.k, file.path)];
  const fitting: Uint8Array[] = [];
  let size = 0;
  for (let at = file.position; at < all.length; at++) {
    const bytes = direntBytes(layout, all[at]!, at + 1);
    if (size + bytes.length > c.uint(2)) break;
    fitting.push(bytes);
    size += bytes.length;
  }
  if (fitting.length === 0) return file.position < all.length ? -E.EINVAL : 0;
  const written = writeUser(c.k, c.task, c.addr(1), concat(fitting));
  let done = 0;
  for (const { length } of fitting) {
    if (done + length > written) return done > 0 ? done : -E.EFAULT;
    done += length;
    file.position++;
  }
  return done;
}
const unlinkat: Syscall = (c) => {
  const flags = c.int(2);
  if ((flags & ~AT_FD.AT_REMOVEDIR) !== 0) return -E.EINVAL;
  return (flags === 0 ? unlink : rmdir)(c, pathArg(c, 1, c.int(0)));
};

export const DIRECTORY_CALLS: SyscallGroup = {
  mkdir: (c) => mkdir(c, pathArg(c, 0)),
  mkdirat: (c) => mkdir(c, pathArg(c, 1, c.int(0))),
  rmdir: (c) => rmdir(c, pathArg(c, 0)),
  unlink: (c) => unlink(c, pathArg(c, 0)),
  unlinkat,
  rename: (c) => rename(c, pathArg(c, 0), pathArg(c, 1), 0),
  renameat: (c) => rename(c, pathArg(c, 1, c.int(0)), pathArg(c, 3, c.int(2)), 0),
  renameat2: (c) => rename(c, pathArg(c, 1, c.int(0)), pathArg(c, 3, c.int(2)), c.int(4)),
  getdents: (c) => getdents(c, { word: c.wordSize, typeLast: true }),
  getdents64: (c) => getdents(c, { word: 8, typeLast: false }),
};
