/**
 * What an open file that is no file of the root does (struct file_operations): pipes, sockets, seccomp's listeners. Such a file's path is
 * its kind and a number.
 */

import type { Kernel } from "../kernel.ts";
import { LISTENER_OPERATIONS } from "../seccomp/listener.ts";
import type { OpenFile } from "../state.ts";
import type { Buffer } from "../syscall/iovec.ts";
import { PIPE_OPERATIONS } from "../syscall/pipes.ts";
import { SOCKET_OPERATIONS } from "../syscall/sockets.ts";
import type { SyscallContext, SyscallResult } from "../syscall/types.ts";
import { heldFiles, wakeForFiles } from "./fdtable.ts";
import { forgetOrphans } from "./root.ts";

export interface FileOperations {
  poll(k: Kernel, file: OpenFile): number;
  /** Nobody has it open any more. */
  release(k: Kernel, file: OpenFile): void;
  read?(c: SyscallContext, file: OpenFile, buffers: readonly Buffer[]): SyscallResult;
  write?(c: SyscallContext, file: OpenFile, buffers: readonly Buffer[]): SyscallResult;
  ioctl?(c: SyscallContext, file: OpenFile, command: number, argument: number): SyscallResult;
}

const OPERATIONS: ReadonlyMap<string, () => FileOperations> = new Map([
  ["pipe", () => PIPE_OPERATIONS],
  ["socket", () => SOCKET_OPERATIONS],
  ["listener", () => LISTENER_OPERATIONS],
]);

/** undefined: one of the streams, or a file of the root. */
export const operationsOf = ({ path }: Pick<OpenFile, "path">): FileOperations | undefined => {
  const end = path.indexOf(":");
  return end < 0 ? undefined : OPERATIONS.get(path.slice(0, end))?.();
};

/** Descriptors were closed: what nobody has open any more is gone, and whoever waits for a file looks again. */
export function descriptorsClosed(k: Kernel, files: readonly OpenFile[]): void {
  forgetOrphans(k, files);
  const special = files.filter((file) => operationsOf(file) !== undefined);
  if (special.length === 0) return;
  const held = new Set(heldFiles(k).map(({ path }) => path));
  for (const file of special) if (!held.has(file.path)) operationsOf(file)!.release(k, file);
  wakeForFiles(k);
}
