/** Descriptors (fs/file.c): the lowest free number, the limit that RLIMIT_NOFILE is, and who has a file open at all. */
import { E } from "../abi/errno.ts";
import { RLIMIT } from "../abi/file.ts";
import type { Kernel } from "../kernel.ts";
import type { OpenFile, Process, Wait } from "../state.ts";
import { wakeUp } from "../task/sched.ts";

/** Descriptors are below this. */
export const fdLimit = (process: Process): number => Number(process.rlimits[RLIMIT.RLIMIT_NOFILE]![0]);

/** get_unused_fd_flags(): the lowest free number from `from` on, or EMFILE. */
export function lowestFd(process: Process, from = 0): number {
  let fd = from;
  while (process.files[fd] !== undefined) fd++;
  return fd < fdLimit(process) ? fd : -E.EMFILE;
}
/** fd_install() there. */
export function installFd(process: Process, file: OpenFile, cloexec: boolean, from = 0): number {
  const fd = lowestFd(process, from);
  return fd < 0 ? fd : setFd(process, fd, file, cloexec);
}

/** The descriptor is this file now, whatever it was before. */
export function setFd(process: Process, fd: number, file: OpenFile, cloexec: boolean): number {
  process.files[fd] = file;
  if (cloexec) process.closeOnExec[fd] = true;
  else delete process.closeOnExec[fd];
  return fd;
}

/** Every reference to an open file: descriptors, messages on their way, and what a seccomp listener is handing over. */
export function heldFiles(k: Kernel): OpenFile[] {
  const { processes, sockets, tasks } = k.state;
  return [
    ...processes.flatMap(({ files }) => Object.values(files)),
    ...Object.values(sockets).flatMap(({ queue }) => queue.flatMap(({ files }) => files)),
    ...tasks.flatMap(({ notification }) => notification?.handing.map(({ file }) => file) ?? []),
  ];
}

const FOR_FILES: readonly Wait["reason"][] = ["pipe", "socket", "listener", "poll"];
/** Every sleeper in a pipe, a socket, a listener or poll looks again. */
export function wakeForFiles(k: Kernel): void {
  for (const task of k.state.tasks)
    if (task.wait !== undefined && FOR_FILES.includes(task.wait.reason)) wakeUp(k, task);
}
