/** Calls on pairs of UNIX sockets, the only ones there are: socketpair, send and recv with their kin, open files in messages, options. */
import { PIPE_FDS } from "../abi/clone.ts";
import { E } from "../abi/errno.ts";
import { O, TTY_IOCTL } from "../abi/file.ts";
import {
  AF_UNIX,
  CMSGHDR_32,
  CMSGHDR_64,
  MSG,
  MSGHDR_32,
  MSGHDR_64,
  SCM_MAX_FD,
  SCM_RIGHTS,
  SHUT,
  SO,
  SOCK,
  SOCK_TYPE_MASK,
  SOCKADDR_FAMILY,
  SOCKETCALLS,
  SOL_SOCKET,
  UCRED,
} from "../abi/socket.ts";
import { roundUp } from "../abi/struct.ts";
import { installFd } from "../fs/fdtable.ts";
import type { FileOperations } from "../fs/file-operations.ts";
import {
  createPair,
  isSocket,
  type Message,
  pollSocket,
  receive,
  releaseSocket,
  SOCKET_CAPACITY,
  send,
  shutdown,
  socketOf,
  takeError,
  WAIT_FOR_SOCKET,
} from "../fs/socket.ts";
import { copyFromUser, copyToUser, getStruct, getWord, putStruct, putWord } from "../mm/uaccess.ts";
import type { OpenFile } from "../state.ts";
import { closeFd, fileOf } from "./io.ts";
import { type Buffer, gather, iovecs, MAX_OUTPUT, scatter, total } from "./iovec.ts";
import { BLOCK, type Syscall, SyscallContext, type SyscallGroup, type SyscallResult } from "./types.ts";

/** sockfd_lookup(). */
function socketArg(c: SyscallContext): OpenFile | number {
  const file = fileOf(c, c.int(0));
  if (file === undefined) return -E.EBADF;
  return isSocket(file) ? file : -E.ENOTSOCK;
}
const onSocket =
  (call: (c: SyscallContext, file: OpenFile) => SyscallResult): Syscall =>
  (c) => {
    const file = socketArg(c);
    return typeof file === "number" ? file : call(c, file);
  };

const PAIR_TYPES: readonly number[] = [SOCK.STREAM, SOCK.DGRAM, SOCK.RAW, SOCK.SEQPACKET];
const socketpair: Syscall = (c) => {
  const [family, protocol] = [c.int(0), c.int(2)];
  const [type, flags] = [c.int(1) & SOCK_TYPE_MASK, c.int(1) & ~SOCK_TYPE_MASK];
  if ((flags & ~(O.O_CLOEXEC | O.O_NONBLOCK)) !== 0) return -E.EINVAL;
  if (family !== AF_UNIX) return -E.EAFNOSUPPORT;
  if (protocol !== 0 && protocol !== AF_UNIX) return -E.EPROTONOSUPPORT;
  if (!PAIR_TYPES.includes(type)) return -E.ESOCKTNOSUPPORT;
  const cloexec = (flags & O.O_CLOEXEC) !== 0;
  const fds = c.k.once("sock_alloc_file", () => {
    const pair = createPair(c.k, c.task, type === SOCK.RAW ? SOCK.DGRAM : type, flags & O.O_NONBLOCK);
    return pair.map((file) => installFd(c.process, file, cloexec));
  });
  const [read, write] = fds as [number, number];
  if (write >= 0 && putStruct(c.k, c.task, c.addr(3), PIPE_FDS.make({ read, write }))) return 0;
  for (const fd of fds) closeFd(c, fd);
  return write < 0 ? -E.EMFILE : -E.EFAULT;
};

function waitForSocket(c: SyscallContext, progress = 0): typeof BLOCK {
  c.task.wait = { reason: "socket", progress };
  return BLOCK;
}
const mayWait = (file: OpenFile, flags: number): boolean =>
  (file.flags & O.O_NONBLOCK) === 0 && (flags & MSG.DONTWAIT) === 0;

interface Outgoing {
  readonly buffers: readonly Buffer[];
  readonly files: readonly OpenFile[];
  readonly flags: number;
}

/** A stream goes in parts, and sleeps in between; files go with the first. */
function sendBuffers(c: SyscallContext, file: OpenFile, { buffers, files, flags }: Outgoing): SyscallResult {
  const all = Math.min(total(buffers), MAX_OUTPUT);
  const how = { signal: (flags & MSG.NOSIGNAL) === 0, wait: mayWait(file, flags) };
  let progress = c.task.wait?.progress ?? 0;
  do {
    const bytes = gather(c, buffers, progress, all - progress);
    if (bytes.length < all - progress) return progress > 0 ? progress : -E.EFAULT;
    const message: Message = { bytes, files: progress === 0 ? files : [] };
    const done = c.k.once("sendmsg", () => {
      const sent = send(c.k, c.task, file, message, how);
      return sent === WAIT_FOR_SOCKET ? waitForSocket(c, progress) : sent;
    });
    if (done === BLOCK) return done;
    if (done < 0) return progress > 0 ? progress : done;
    progress += done;
  } while (progress < all);
  return progress;
}

interface Incoming {
  readonly copied: number;
  readonly files: readonly OpenFile[];
  /** MSG_TRUNC, if more has come than there was room for. */
  readonly flags: number;
  /** The packet's whole length. */
  readonly length: number;
}

function receiveBuffers(
  c: SyscallContext,
  file: OpenFile,
  buffers: readonly Buffer[],
  flags: number,
): Incoming | number | typeof BLOCK {
  const { type } = socketOf(c.k, file);
  const wanted = Math.min(total(buffers), MAX_OUTPUT);
  const how = { peek: (flags & MSG.PEEK) !== 0, wait: mayWait(file, flags) };
  const came = c.k.once("recvmsg", () => {
    const got = receive(c.k, c.task, file, wanted, how);
    return got === WAIT_FOR_SOCKET ? waitForSocket(c) : got;
  });
  if (came === BLOCK || typeof came === "number") return came;
  const { bytes, files, length } = came;
  const copied = scatter(c, buffers, bytes);
  if (copied < bytes.length) return -E.EFAULT;
  const cut = type !== SOCK.STREAM && length > copied;
  return { copied, files, flags: cut ? MSG.TRUNC : 0, length: type === SOCK.STREAM ? copied : length };
}
const received = (incoming: Incoming | number | typeof BLOCK, flags = 0): SyscallResult =>
  typeof incoming !== "object" ? incoming : (flags & MSG.TRUNC) !== 0 ? incoming.length : incoming.copied;

const buffer = (c: SyscallContext): Buffer[] => [{ base: c.addr(1), length: c.addr(2) }];
/** 0, or why a message cannot go to somebody by name: packets in sequence ignore it, and no socket here has a name. */
function toName(c: SyscallContext, file: OpenFile, name: number): number {
  const { type } = socketOf(c.k, file);
  if (name === 0 || type === SOCK.SEQPACKET) return 0;
  return type === SOCK.STREAM ? -E.EISCONN : -E.ENOENT;
}
const sendto: Syscall = onSocket((c, file) => {
  const error = toName(c, file, c.addr(4));
  return error === 0 ? sendBuffers(c, file, { buffers: buffer(c), files: [], flags: c.uint(3) }) : error;
});
const recvfrom: Syscall = onSocket((c, file) => {
  const incoming = receiveBuffers(c, file, buffer(c), c.uint(3));
  if (typeof incoming === "object" && c.addr(4) !== 0 && !putWord(c.k, c.task, c.addr(5), 4, 0)) return -E.EFAULT;
  return received(incoming, c.uint(3));
});

const msghdrOf = (c: SyscallContext) => (c.compat ? MSGHDR_32 : MSGHDR_64) as typeof MSGHDR_64;
const cmsghdrOf = (c: SyscallContext) => (c.compat ? CMSGHDR_32 : CMSGHDR_64) as typeof CMSGHDR_64;

/** __scm_send(): the open files of control messages. */
function filesOf(c: SyscallContext, address: number, length: number): OpenFile[] | number {
  if (address === 0 || length === 0) return [];
  const header = cmsghdrOf(c);
  const bytes = length > MAX_CONTROL ? undefined : copyFromUser(c.k, c.task, address, length);
  if (bytes === undefined) return length > MAX_CONTROL ? -E.ENOBUFS : -E.EFAULT;
  const files: OpenFile[] = [];
  for (let at = 0; at + header.size <= length; ) {
    const view = header.at(bytes, at);
    const size = view.get("cmsg_len");
    if (size < header.size || at + size > length) return -E.EINVAL;
    if (view.get("cmsg_level") === SOL_SOCKET) {
      if (view.get("cmsg_type") !== SCM_RIGHTS) return -E.EINVAL;
      const fds = new DataView(bytes.buffer, bytes.byteOffset + at + header.size, size - header.size);
      if (fds.byteLength >> 2 > SCM_MAX_FD) return -E.EINVAL;
      for (let i = 0; i + 4 <= fds.byteLength; i += 4) {
        const file = fileOf(c, fds.getInt32(i, true));
        if (file === undefined) return -E.EBADF;
        files.push(file);
      }
    }
    at += roundUp(size, c.wordSize);
  }
  return files;
}
/** sysctl_optmem_max. */
const MAX_CONTROL = 20_480;

const sendmsg: Syscall = onSocket((c, file) => {
  const header = getStruct(c.k, c.task, c.addr(1), msghdrOf(c));
  if (header === undefined) return -E.EFAULT;
  const error = toName(c, file, header.get("msg_namelen") > 0 ? header.get("msg_name") : 0);
  if (error !== 0) return error;
  const buffers = iovecs(c, header.get("msg_iov"), header.get("msg_iovlen"));
  if (typeof buffers === "number") return buffers;
  const files = filesOf(c, header.get("msg_control"), header.get("msg_controllen"));
  return typeof files === "number" ? files : sendBuffers(c, file, { buffers, files, flags: c.uint(2) });
});

/** scm_detach_fds(): as many as there is room for. @returns bytes of control messages, and MSG_CTRUNC if some are lost */
function putFiles(
  c: SyscallContext,
  files: readonly OpenFile[],
  address: number,
  room: number,
  cloexec: boolean,
): { readonly length: number; readonly flags: number } | undefined {
  if (files.length === 0) return { length: 0, flags: 0 };
  const header = cmsghdrOf(c);
  const fits = Math.max(0, Math.min(files.length, Math.floor((room - header.size) / 4)));
  const lost = fits < files.length ? MSG.CTRUNC : 0;
  if (address === 0 || fits === 0) return { length: 0, flags: MSG.CTRUNC };
  const fds = c.k.once("receive_fd", () => files.slice(0, fits).map((file) => installFd(c.process, file, cloexec)));
  const size = header.size + fits * 4;
  const bytes = new Uint8Array(size);
  header.at(bytes).assign({ cmsg_len: size, cmsg_level: SOL_SOCKET, cmsg_type: SCM_RIGHTS });
  for (const [i, fd] of fds.entries()) new DataView(bytes.buffer).setInt32(header.size + i * 4, fd, true);
  if (!copyToUser(c.k, c.task, address, bytes)) return undefined;
  return { length: Math.min(header.size + roundUp(fits * 4, c.wordSize), room), flags: lost };
}

const recvmsg: Syscall = onSocket((c, file) => {
  const struct = msghdrOf(c);
  const header = getStruct(c.k, c.task, c.addr(1), struct);
  if (header === undefined) return -E.EFAULT;
  const buffers = iovecs(c, header.get("msg_iov"), header.get("msg_iovlen"));
  if (typeof buffers === "number") return buffers;
  const flags = c.uint(2);
  const incoming = receiveBuffers(c, file, buffers, flags);
  if (typeof incoming !== "object") return incoming;
  const cloexec = (flags & MSG.CMSG_CLOEXEC) !== 0;
  const room = header.get("msg_controllen");
  const control = putFiles(c, incoming.files, header.get("msg_control"), room, cloexec);
  if (control === undefined) return -E.EFAULT;
  const eor = socketOf(c.k, file).type === SOCK.SEQPACKET && incoming.copied > 0 ? MSG.EOR : 0;
  header.assign({
    msg_namelen: 0,
    msg_controllen: control.length,
    msg_flags: incoming.flags | control.flags | eor | (flags & MSG.CMSG_CLOEXEC),
  });
  return putStruct(c.k, c.task, c.addr(1), header) ? received(incoming, flags) : -E.EFAULT;
});

const shutdownCall: Syscall = onSocket((c, file) => {
  const how = c.int(1);
  if (how < SHUT.RD || how > SHUT.RDWR) return -E.EINVAL;
  shutdown(c.k, file, how);
  return 0;
});

/** A nameless socket's name is its family. */
const getName: Syscall = onSocket((c) => {
  const room = getWord(c.k, c.task, c.addr(2), 4);
  if (room === undefined) return -E.EFAULT;
  const name = SOCKADDR_FAMILY.make({ sa_family: AF_UNIX }).bytes;
  if (!copyToUser(c.k, c.task, c.addr(1), name.subarray(0, Number(room)))) return -E.EFAULT;
  return putWord(c.k, c.task, c.addr(2), 4, name.length) ? 0 : -E.EFAULT;
});

const getsockopt: Syscall = onSocket((c, file) => {
  const socket = socketOf(c.k, file);
  if (c.int(1) !== SOL_SOCKET) return -E.EOPNOTSUPP;
  const room = getWord(c.k, c.task, c.addr(4), 4);
  if (room === undefined) return -E.EFAULT;
  const word = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);
  const options: Readonly<Record<number, () => Uint8Array>> = {
    [SO.TYPE]: () => word(socket.type),
    [SO.ERROR]: () => word(c.k.once("sock_error", () => takeError(socket))),
    [SO.SNDBUF]: () => word(SOCKET_CAPACITY),
    [SO.RCVBUF]: () => word(SOCKET_CAPACITY),
    [SO.DOMAIN]: () => word(AF_UNIX),
    [SO.PROTOCOL]: () => word(0),
    [SO.PEERCRED]: () => UCRED.make({ ...socket.owner }).bytes,
  };
  const option = options[c.int(2)];
  if (option === undefined) return -E.ENOPROTOOPT;
  const value = option().subarray(0, Number(room));
  if (!copyToUser(c.k, c.task, c.addr(3), value)) return -E.EFAULT;
  return putWord(c.k, c.task, c.addr(4), 4, value.length) ? 0 : -E.EFAULT;
});

export const SOCKET_OPERATIONS: FileOperations = {
  poll: pollSocket,
  release: releaseSocket,
  read: (c, file, buffers) => received(receiveBuffers(c, file, buffers, 0)),
  write: (c, file, buffers) => sendBuffers(c, file, { buffers, files: [], flags: 0 }),
  ioctl(c, file, command, argument) {
    if (command !== TTY_IOCTL.FIONREAD) return -E.ENOTTY;
    const { type, queue } = socketOf(c.k, file);
    const messages = type === SOCK.DGRAM ? queue.slice(0, 1) : queue;
    const left = messages.reduce((sum, { bytes }) => sum + bytes.length, 0);
    return putWord(c.k, c.task, argument, 4, left) ? 0 : -E.EFAULT;
  },
};

/** There are no networks, and no names of sockets. */
const socket: Syscall = () => -E.EAFNOSUPPORT;
const CALLS: SyscallGroup = {
  socket,
  socketpair,
  sendto,
  recvfrom,
  sendmsg,
  recvmsg,
  shutdown: shutdownCall,
  getsockname: getName,
  getpeername: getName,
  getsockopt,
};

/** i386's one call for all: its number, and the address of its arguments. */
const SOCKETCALL: SyscallGroup = { ...CALLS, send: sendto, recv: recvfrom };
const socketcall: Syscall = (c) => {
  const name = SOCKETCALLS[c.int(0) - 1];
  if (name === undefined) return -E.EINVAL;
  const call = SOCKETCALL[name];
  if (call === undefined) {
    c.k.unimplemented(c.cpu, "socketcall", name);
    return -E.ENOSYS;
  }
  const count = SOCKETCALL_ARGUMENTS[name] ?? 3;
  const args: bigint[] = [];
  for (let i = 0; i < count; i++) {
    const word = getWord(c.k, c.task, c.addr(1) + 4 * i, 4);
    if (word === undefined) return -E.EFAULT;
    args.push(word);
  }
  while (args.length < 6) args.push(0n);
  return call(new SyscallContext(c.k, c.cpu, c.task, c.regs, c.table, args));
};
const SOCKETCALL_ARGUMENTS: Readonly<Record<string, number>> = {
  socketpair: 4,
  send: 4,
  recv: 4,
  sendto: 6,
  recvfrom: 6,
  shutdown: 2,
  getsockopt: 5,
};

export const SOCKET_CALLS: SyscallGroup = { ...CALLS, socketcall };
