/** Path arguments: made absolute by the working directory or a descriptor's, with /proc/self/exe followed. */
import { E } from "../abi/errno.ts";
import { AT_FD } from "../abi/file.ts";
import { strncpyFromUser } from "../mm/uaccess.ts";
import type { SyscallContext } from "./types.ts";

const PATH_MAX = 4096;

export function normalize(text: string): string {
  const parts: string[] = [];
  for (const part of text.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** The absolute path of argument i, "" for an empty one, or a negative error number. `directory` is a descriptor. */
export function pathArg(c: SyscallContext, i: number, directory: number = AT_FD.AT_FDCWD): string | number {
  const text = strncpyFromUser(c.k, c.task, c.addr(i), PATH_MAX);
  if (text === undefined) return -E.EFAULT;
  if (text === "toolong") return -E.ENAMETOOLONG;
  if (text === "" || text.startsWith("/")) return text === "" ? "" : normalize(text);
  if (directory === AT_FD.AT_FDCWD) return normalize(`${c.process.fs.cwd}/${text}`);
  const file = c.process.files[directory];
  return file === undefined ? -E.EBADF : normalize(`${file.path}/${text}`);
}

/** The file meant, links followed: with AT_EMPTY_PATH an empty path is the descriptor itself. */
export function pathAt(c: SyscallContext, i: number, directory: number = AT_FD.AT_FDCWD, flags = 0): string | number {
  const path = pathArg(c, i, directory);
  if (typeof path === "number") return path;
  if (path === "") {
    if ((flags & AT_FD.AT_EMPTY_PATH) === 0) return -E.ENOENT;
    return c.process.files[directory]?.path ?? -E.EBADF;
  }
  if (path !== "/proc/self/exe") return path;
  const { exe } = c.mm;
  return exe.startsWith("/") ? exe : `/${exe}`;
}
