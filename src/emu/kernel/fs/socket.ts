/** Pairs of UNIX sockets (net/unix/af_unix.c): streams, datagrams and sequenced packets between two ends, with open files in them. */
import { E, ERESTART } from "../abi/errno.ts";
import { O } from "../abi/file.ts";
import { POLL, POLL_READ, POLL_WRITE } from "../abi/poll.ts";
import { SIG } from "../abi/signal.ts";
import { SHUT, SOCK } from "../abi/socket.ts";
import type { Kernel } from "../kernel.ts";
import { sendOwn } from "../ptrace/stop.ts";
import { signalPending } from "../signal/send.ts";
import type { OpenFile, Task } from "../state.ts";
import { wakeForFiles } from "./fdtable.ts";

export interface Message {
  readonly bytes: Uint8Array;
  readonly files: readonly OpenFile[];
}
export interface Socket {
  /** SOCK_*. */
  readonly type: number;
  /** The other end's number; undefined = it is gone. */
  peer: number | undefined;
  /** What has come and was not read; replaced, never changed. */
  queue: readonly Message[];
  /** RCV_SHUTDOWN, SEND_SHUTDOWN. */
  receiveShut: boolean;
  sendShut: boolean;
  /** sk_err: told once. */
  error: number;
  /** Who made the pair. */
  readonly owner: { readonly pid: number; readonly uid: number; readonly gid: number };
}

/** sk_sndbuf: how much may wait at the other end. */
export const SOCKET_CAPACITY = 212_992;
const PREFIX = "socket:";
const numberOf = (file: OpenFile): number => Number(file.path.slice(PREFIX.length));
export const isSocket = (file: OpenFile): boolean => file.path.startsWith(PREFIX);
export const socketOf = (k: Kernel, file: OpenFile): Socket => k.state.sockets[numberOf(file)]!;
const peerOf = (k: Kernel, { peer }: Socket): Socket | undefined =>
  peer === undefined ? undefined : k.state.sockets[peer];

/** The two ends of a new pair. */
export function createPair(k: Kernel, task: Task, type: number, flags: number): readonly [OpenFile, OpenFile] {
  const numbers = [k.state.nextId++, k.state.nextId++] as const;
  const owner = { pid: task.tgid, uid: task.cred.euid, gid: task.cred.egid };
  const end = (i: 0 | 1): OpenFile => {
    const peer = numbers[i === 0 ? 1 : 0];
    k.state.sockets[numbers[i]] = { type, peer, queue: [], receiveShut: false, sendShut: false, error: 0, owner };
    return { path: `${PREFIX}${numbers[i]}`, flags: O.O_RDWR | flags, position: 0 };
  };
  return [end(0), end(1)];
}

/** unix_release_sock(): the other end sees the end of what comes, or an error if something sent was not read. */
export function releaseSocket(k: Kernel, file: OpenFile): void {
  const socket = socketOf(k, file);
  const peer = peerOf(k, socket);
  delete k.state.sockets[numberOf(file)];
  if (peer === undefined) return;
  peer.peer = undefined;
  if (socket.type === SOCK.DGRAM) return;
  peer.receiveShut = true;
  peer.sendShut = true;
  if (socket.queue.length > 0) peer.error = E.ECONNRESET;
}

export function shutdown(k: Kernel, file: OpenFile, how: number): void {
  const socket = socketOf(k, file);
  const peer = peerOf(k, socket);
  const [read, write] = [how !== SHUT.WR, how !== SHUT.RD];
  if (read) socket.receiveShut = true;
  if (write) socket.sendShut = true;
  if (peer !== undefined && peer.type !== SOCK.DGRAM) {
    if (read) peer.sendShut = true;
    if (write) peer.receiveShut = true;
  }
  wakeForFiles(k);
}

/** SO_ERROR: what went wrong, once. */
export function takeError(socket: Socket): number {
  const { error } = socket;
  socket.error = 0;
  return error;
}

const queued = (socket: Socket): number => socket.queue.reduce((sum, { bytes }) => sum + bytes.length, 0);

/** unix_poll(). */
export function pollSocket(k: Kernel, file: OpenFile): number {
  const socket = socketOf(k, file);
  const peer = peerOf(k, socket);
  const readable = socket.queue.length > 0 || socket.receiveShut;
  const full = peer !== undefined && queued(peer) >= SOCKET_CAPACITY;
  const over = socket.receiveShut && socket.sendShut;
  return (
    (readable ? POLL_READ : 0) |
    (full ? 0 : POLL_WRITE) |
    (socket.receiveShut ? POLL.RDHUP : 0) |
    (over ? POLL.HUP : 0) |
    (socket.error === 0 ? 0 : POLL.ERR)
  );
}

export const WAIT_FOR_SOCKET = "wait";
export interface Received extends Message {
  /** The whole length of a packet, of which `bytes` is what was asked for. */
  readonly length: number;
}

/** The next packet, or what of a stream there is up to the next open files; nothing at the end. */
export function receive(
  k: Kernel,
  task: Task,
  file: OpenFile,
  count: number,
  how: { readonly peek: boolean; readonly wait: boolean },
): Received | number | typeof WAIT_FOR_SOCKET {
  const socket = socketOf(k, file);
  const [first, ...rest] = socket.queue;
  if (first === undefined) {
    if (socket.error !== 0) return -takeError(socket);
    if (socket.receiveShut) return { bytes: new Uint8Array(0), files: [], length: 0 };
    if (!how.wait) return -E.EAGAIN;
    return signalPending(k, task) ? -ERESTART.ERESTARTSYS : WAIT_FOR_SOCKET;
  }
  const bytes = first.bytes.subarray(0, count);
  const left = first.bytes.subarray(bytes.length);
  if (!how.peek) {
    socket.queue = socket.type === SOCK.STREAM && left.length > 0 ? [{ bytes: left, files: [] }, ...rest] : rest;
    wakeForFiles(k);
  }
  return { bytes, files: first.files, length: first.bytes.length };
}

/** Sends a packet, or as much of a stream as there is room for: how many bytes went. */
export function send(
  k: Kernel,
  task: Task,
  file: OpenFile,
  message: Message,
  how: { readonly signal: boolean; readonly wait: boolean },
): number | typeof WAIT_FOR_SOCKET {
  const socket = socketOf(k, file);
  const peer = peerOf(k, socket);
  if (socket.type === SOCK.DGRAM && peer === undefined) return -E.ECONNREFUSED;
  if (socket.sendShut || peer === undefined || peer.receiveShut) {
    if (how.signal && socket.type === SOCK.STREAM) sendOwn(k, task, SIG.SIGPIPE);
    return -E.EPIPE;
  }
  const { length } = message.bytes;
  const isStream = socket.type === SOCK.STREAM;
  if (!isStream && length > SOCKET_CAPACITY) return -E.EMSGSIZE;
  const room = Math.max(0, SOCKET_CAPACITY - queued(peer));
  if (isStream ? room === 0 && length > 0 : room < length) {
    if (!how.wait) return -E.EAGAIN;
    return signalPending(k, task) ? -ERESTART.ERESTARTSYS : WAIT_FOR_SOCKET;
  }
  const bytes = message.bytes.slice(0, room);
  if (!isStream || length > 0) peer.queue = append(peer, { bytes, files: message.files });
  wakeForFiles(k);
  return bytes.length;
}

/** A stream has no borders, but where open files came with it. */
function append({ type, queue }: Socket, message: Message): readonly Message[] {
  const last = queue.at(-1);
  if (type !== SOCK.STREAM || last === undefined || message.files.length > 0 || last.files.length > 0)
    return [...queue, message];
  const bytes = new Uint8Array(last.bytes.length + message.bytes.length);
  bytes.set(last.bytes);
  bytes.set(message.bytes, last.bytes.length);
  return [...queue.slice(0, -1), { bytes, files: [] }];
}
