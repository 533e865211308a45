/** Pipes (fs/pipe.c): bytes between descriptors. Who has an end open is read off the processes' descriptors, never counted. */
import { E, ERESTART } from "./abi/errno.ts";
import { O } from "./abi/file.ts";
import { SIG } from "./abi/signal.ts";
import type { Kernel } from "./kernel.ts";
import { concat } from "./mm/direct.ts";
import { sendOwn } from "./ptrace/stop.ts";
import { forgetOrphans } from "./root.ts";
import { wakeUp } from "./sched.ts";
import { signalPending } from "./signal/send.ts";
import type { OpenFile, Pipe, Task } from "./state.ts";

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

/** Does a process have the other end open? */
export const otherEndOpen = (k: Kernel, file: OpenFile): boolean =>
  k.state.processes.some((p) => Object.values(p.files).some((f) => f.path === file.path && writes(f) !== writes(file)));

/** Descriptors were closed: pipes and nameless files that nobody has any more are gone, and whoever waits for a pipe looks again. */
export function descriptorsClosed(k: Kernel, files: readonly OpenFile[]): void {
  forgetOrphans(k, files);
  const pipes = files.filter(isPipe);
  for (const file of pipes) {
    const used = k.state.processes.some((p) => Object.values(p.files).some((f) => f.path === file.path));
    if (!used) delete k.state.pipes[numberOf(file)];
  }
  if (pipes.length > 0) wakePipes(k);
}

/** Every sleeper in a pipe or poll looks again. */
export function wakePipes(k: Kernel): void {
  for (const task of k.state.tasks) if (task.wait?.reason === "pipe" || task.wait?.reason === "poll") wakeUp(k, task);
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
    wakePipes(k);
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
  wakePipes(k);
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
    wakePipes(k);
  }
  const done = part.length;
  return { done, error: done === bytes.length ? undefined : orWait(k, task, file) };
}

function orWait(k: Kernel, task: Task, file: OpenFile): number | typeof WAIT_FOR_PIPE {
  if ((file.flags & O.O_NONBLOCK) !== 0) return -E.EAGAIN;
  return signalPending(k, task) ? -ERESTART.ERESTARTSYS : WAIT_FOR_PIPE;
}
