/** Path arguments: made absolute by the working directory or a descriptor's, with /proc/self/exe followed. */
import { E } from "../abi/errno.ts";
import { AT_FD } from "../abi/file.ts";
import { absolute } from "../exec/program-file.ts";
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

/** The text of argument i, or a negative error number. */
function pathText(c: SyscallContext, i: number): string | number {
  const text = strncpyFromUser(c.k, c.task, c.addr(i), PATH_MAX);
  if (text === undefined) return -E.EFAULT;
  return text === "toolong" ? -E.ENAMETOOLONG : text;
}

function fullPath(c: SyscallContext, text: string, directory: number): string | number {
  if (text === "" || text.startsWith("/")) return text === "" ? "" : normalize(text);
  if (directory === AT_FD.AT_FDCWD) return normalize(`${c.process.fs.cwd}/${text}`);
  const file = c.process.files[directory];
  return file === undefined ? -E.EBADF : normalize(`${file.path}/${text}`);
}

/** The absolute path of argument i, "" for an empty one, or a negative error number. `directory` is a descriptor. */
export function pathArg(c: SyscallContext, i: number, directory: number = AT_FD.AT_FDCWD): string | number {
  const text = pathText(c, i);
  return typeof text === "number" ? text : fullPath(c, text, directory);
}

/** The file meant, links followed: with AT_EMPTY_PATH an empty path is the descriptor itself. */
export function pathAt(c: SyscallContext, i: number, directory: number = AT_FD.AT_FDCWD, flags = 0): string | number {
  const text = pathText(c, i);
  return typeof text === "number" ? text : followed(c, text, directory, flags);
}

function followed(c: SyscallContext, text: string, directory: number, flags: number): string | number {
  const path = fullPath(c, text, directory);
  if (path === "") {
    if ((flags & AT_FD.AT_EMPTY_PATH) === 0) return -E.ENOENT;
    return c.process.files[directory]?.path ?? -E.EBADF;
  }
  return path === "/proc/self/exe" ? absolute(c.mm.exe) : path;
}

/** A file to be executed: where it is, and the name that the new program is told (alloc_bprm()). */
export interface ExecPath {
  readonly path: string;
  readonly filename: string;
}

export function execPath(c: SyscallContext, i: number, directory: number, flags: number): ExecPath | number {
  const text = pathText(c, i);
  if (typeof text === "number") return text;
  const path = followed(c, text, directory, flags);
  if (typeof path === "number") return path;
  const named = text.startsWith("/") || directory === AT_FD.AT_FDCWD;
  const beneath = text === "" ? "" : `/${text}`;
  return { path, filename: named ? text : `/dev/fd/${directory}${beneath}` };
}
