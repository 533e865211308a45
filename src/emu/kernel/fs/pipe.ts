/** Pipes (fs/pipe.c): bytes between descriptors. Who has an end open is read off the descriptors, never counted. */
import { E, ERESTART } from "../abi/errno.ts";
import { O } from "../abi/file.ts";
import { POLL, POLL_READ, POLL_WRITE } from "../abi/poll.ts";
import { SIG } from "../abi/signal.ts";
import type { Kernel } from "../kernel.ts";
import { concat } from "../mm/direct.ts";
import { sendOwn } from "../ptrace/stop.ts";
import { signalPending } from "../signal/send.ts";
import type { OpenFile, Pipe, Task } from "../state.ts";
import { heldFiles, wakeForFiles } from "./fdtable.ts";

export const PIPE_CAPACITY = 65536;
/** Writes up to this size are not mixed with others. */
export const PIPE_BUF = 4096;
const PREFIX = "pipe:";

export const isPipe = (file: OpenFile): boolean => file.path.startsWith(PREFIX);
const numberOf = (file: OpenFile): number => Number(file.path.slice(PREFIX.length));
export const pipeOf = (k: Kernel, file: OpenFile): Pipe => k.state.pipes[numberOf(file)]!;
const writes = (file: OpenFile): boolean => (file.flags & O.O_ACCMODE) !== O.O_RDONLY;

/** The two ends of a new pipe. */
export function createPipe(k: Kernel, flags: number): { readonly read: OpenFile; readonly write: OpenFile } {
  const path = `${PREFIX}${k.state.nextId}`;
  k.state.pipes[k.state.nextId++] = { bytes: new Uint8Array(0) };
  return {
    read: { path, flags: O.O_RDONLY | flags, position: 0 },
    write: { path, flags: O.O_WRONLY | flags, position: 0 },
  };
}

/** Has anybody the other end open? */
export const otherEndOpen = (k: Kernel, file: OpenFile): boolean =>
  heldFiles(k).some((f) => f.path === file.path && writes(f) !== writes(file));

/** Nobody has either end open any more. */
export function releasePipe(k: Kernel, file: OpenFile): void {
  delete k.state.pipes[numberOf(file)];
}

/** What poll tells of an end. */
export function pollPipe(k: Kernel, file: OpenFile): number {
  const { bytes } = pipeOf(k, file);
  const other = otherEndOpen(k, file);
  if (!writes(file)) return (bytes.length > 0 ? POLL_READ : 0) | (other ? 0 : POLL.HUP);
  return (bytes.length + PIPE_BUF <= PIPE_CAPACITY ? POLL_WRITE : 0) | (other ? 0 : POLL.ERR);
}

export const WAIT_FOR_PIPE = "wait";

/** Up to `count` bytes, 0 bytes at the end; or a negative error number, or that there is nothing yet. */
export function readPipe(
  k: Kernel,
  task: Task,
  file: OpenFile,
  count: number,
): Uint8Array | number | typeof WAIT_FOR_PIPE {
  const pipe = pipeOf(k, file);
  if (pipe.bytes.length > 0 || count === 0) {
    const bytes = pipe.bytes.slice(0, count);
    pipe.bytes = pipe.bytes.slice(bytes.length);
    wakeForFiles(k);
    return bytes;
  }
  if (!otherEndOpen(k, file)) return new Uint8Array(0);
  return orWait(k, task, file);
}

/** What was read and could not be written where it was to go stays in front. */
export function unreadPipe(k: Kernel, file: OpenFile, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  const pipe = pipeOf(k, file);
  pipe.bytes = concat([bytes, pipe.bytes]).slice();
  wakeForFiles(k);
}

/** How many bytes went in; waits for room. `whole`: all of them or none. */
export function writePipe(
  k: Kernel,
  task: Task,
  file: OpenFile,
  bytes: Uint8Array,
  whole: boolean,
): { readonly done: number; readonly error: number | typeof WAIT_FOR_PIPE | undefined } {
  if (!otherEndOpen(k, file)) {
    sendOwn(k, task, SIG.SIGPIPE);
    return { done: 0, error: -E.EPIPE };
  }
  const pipe = pipeOf(k, file);
  const room = PIPE_CAPACITY - pipe.bytes.length;
  const part = bytes.subarray(0, whole && bytes.length > room ? 0 : room);
  if (part.length > 0) {
    pipe.bytes = concat([pipe.bytes, part]).slice();
    wakeForFiles(k);
  }
  const done = part.length;
  return { done, error: done === bytes.length ? undefined : orWait(k, task, file) };
}

function orWait(k: Kernel, task: Task, file: OpenFile): number | typeof WAIT_FOR_PIPE {
  if ((file.flags & O.O_NONBLOCK) !== 0) return -E.EAGAIN;
  return signalPending(k, task) ? -ERESTART.ERESTARTSYS : WAIT_FOR_PIPE;
}
