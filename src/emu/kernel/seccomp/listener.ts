/**
 * The listener of a filter (SECCOMP_FILTER_FLAG_NEW_LISTENER), from the side of who has its descriptor: receiving notifications, answering
 * them, handing descriptors over. The task that waits for the answer is notify.ts.
 */
import { E, ERESTART } from "../abi/errno.ts";
import { O } from "../abi/file.ts";
import { POLL, POLL_READ, POLL_WRITE } from "../abi/poll.ts";
import {
  SECCOMP_ADDFD_FLAG as ADDFD,
  IOC_REST,
  IOC_SIZE,
  SECCOMP_IOCTL as IOCTL,
  SECCOMP_NOTIF,
  SECCOMP_NOTIF_ADDFD,
  SECCOMP_NOTIF_RESP,
  SECCOMP_USER_NOTIF_FLAG_CONTINUE,
} from "../abi/seccomp.ts";
import { wakeForFiles } from "../fs/fdtable.ts";
import type { FileOperations } from "../fs/file-operations.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { copyFromUser, getStruct, getWord, putStruct } from "../mm/uaccess.ts";
import { signalPending } from "../signal/send.ts";
import type { OpenFile, Task } from "../state.ts";
import { BLOCK, type SyscallContext, type SyscallResult } from "../syscall/types.ts";
import { wakeUp } from "../task/sched.ts";
import type { Handing, Listener, Notification } from "./types.ts";

const PREFIX = "listener:";
const filterOf = ({ path }: OpenFile): number => Number(path.slice(PREFIX.length));
const listenerOf = (k: Kernel, file: OpenFile): Listener => k.state.listeners[filterOf(file)]!;

/** init_listener(): the open file of a filter's new listener. */
export function initListener(k: Kernel, filter: number): OpenFile {
  const random = new DataView(k.machine.random.bytes(8).buffer);
  k.state.listeners[filter] = { nextId: random.getBigUint64(0, true), requests: 0, waiting: [] };
  return { path: `${PREFIX}${filter}`, flags: O.O_RDWR, position: 0 };
}

interface Waiting {
  readonly task: Task;
  readonly notification: Notification;
}
/** The tasks that wait for an answer. */
const waiting = (k: Kernel, { waiting: pids }: Listener): Waiting[] =>
  pids.map((pid) => k.task(pid)).map((task) => ({ task, notification: task.notification! }));
/** find_notification(). */
const find = (k: Kernel, file: OpenFile, id: bigint): Waiting | undefined =>
  waiting(k, listenerOf(k, file)).find(({ notification }) => notification.id === id);

/** seccomp_notify_poll(). */
function poll(k: Kernel, file: OpenFile): number {
  const states = waiting(k, listenerOf(k, file)).map(({ notification }) => notification.state);
  const filter = filterOf(file);
  const used = k.state.tasks.some((task) => !task.dead && task.seccomp?.filters.some(({ id }) => id === filter));
  return (states.includes("init") ? POLL_READ : 0) | (states.includes("sent") ? POLL_WRITE : 0) | (used ? 0 : POLL.HUP);
}

/** seccomp_notify_detach(): who still waits is told that there is no such call. */
function release(k: Kernel, file: OpenFile): void {
  for (const { task, notification } of waiting(k, listenerOf(k, file))) {
    if (notification.state !== "replied")
      Object.assign(notification, { state: "replied", error: -E.ENOSYS, value: 0n });
    wakeUp(k, task);
  }
  delete k.state.listeners[filterOf(file)];
}

/** seccomp_notify_recv(). */
function receive(c: SyscallContext, file: OpenFile, address: number): SyscallResult {
  const { k, task } = c;
  const given = copyFromUser(k, task, address, SECCOMP_NOTIF.size);
  if (given === undefined) return -E.EFAULT;
  if (given.some((byte) => byte !== 0)) return -E.EINVAL;
  const next = k.once("seccomp_notify_recv", () => takeNext(c, file));
  if (next === BLOCK || typeof next === "number") return next;
  const view = SECCOMP_NOTIF.make({ id: next.id, pid: next.pid });
  view.region("data").set(next.data);
  if (putStruct(k, task, address, view)) return 0;
  putBack(k, file, next.id);
  return -E.EFAULT;
}

interface Next {
  readonly id: bigint;
  readonly pid: number;
  readonly data: Uint8Array;
}
/** Waits for a notification, and marks it as received. */
function takeNext(c: SyscallContext, file: OpenFile): Next | number | typeof BLOCK {
  const { k, task } = c;
  const listener = listenerOf(k, file);
  if (listener.requests === 0) {
    if (signalPending(k, task)) return -E.EINTR;
    task.wait = { reason: "listener" };
    return BLOCK;
  }
  listener.requests--;
  const found = waiting(k, listener).find(({ notification }) => notification.state === "init");
  // it was interrupted in the meantime
  if (found === undefined) return -E.ENOENT;
  const { notification } = found;
  notification.state = "sent";
  wakeForFiles(k);
  return { id: notification.id, pid: found.task.pid, data: notification.data };
}

/** What could not be copied out can be received again. */
function putBack(k: Kernel, file: OpenFile, id: bigint): void {
  const found = find(k, file, id);
  if (found === undefined) return;
  found.notification.state = "init";
  wakeUp(k, found.task);
  listenerOf(k, file).requests++;
  wakeForFiles(k);
}

/** seccomp_notify_send(). */
function send(c: SyscallContext, file: OpenFile, address: number): number {
  const answer = getStruct(c.k, c.task, address, SECCOMP_NOTIF_RESP);
  if (answer === undefined) return -E.EFAULT;
  const [flags, error, value] = [answer.get("flags"), answer.get("error"), answer.big("val")];
  if ((flags & ~SECCOMP_USER_NOTIF_FLAG_CONTINUE) !== 0) return -E.EINVAL;
  const proceed = (flags & SECCOMP_USER_NOTIF_FLAG_CONTINUE) !== 0;
  if (proceed && (error !== 0 || value !== 0n)) return -E.EINVAL;
  const found = find(c.k, file, answer.big("id"));
  if (found === undefined) return -E.ENOENT;
  if (found.notification.state !== "sent") return -E.EINPROGRESS;
  Object.assign(found.notification, { state: "replied", error, value, proceed });
  wakeUp(c.k, found.task);
  return 0;
}

/** seccomp_notify_id_valid(). */
function idValid(c: SyscallContext, file: OpenFile, address: number): number {
  const id = getWord(c.k, c.task, address, 8);
  if (id === undefined) return -E.EFAULT;
  return find(c.k, file, id)?.notification.state === "sent" ? 0 : -E.ENOENT;
}

/** seccomp_notify_addfd(): queues a file for the task, and waits until it has taken it. */
function addFd(c: SyscallContext, file: OpenFile, address: number, size: number): SyscallResult {
  const { k, task } = c;
  if (task.wait !== undefined) return handedOver(c, file);
  if (size < SECCOMP_NOTIF_ADDFD.size || size >= PAGE_SIZE) return -E.EINVAL;
  const bytes = copyFromUser(k, task, address, size);
  if (bytes === undefined) return -E.EFAULT;
  if (bytes.subarray(SECCOMP_NOTIF_ADDFD.size).some((byte) => byte !== 0)) return -E.E2BIG;
  const asked = SECCOMP_NOTIF_ADDFD.at(bytes);
  const [flags, newfd, newfdFlags] = [asked.get("flags"), asked.get("newfd"), asked.get("newfd_flags")];
  if ((newfdFlags & ~O.O_CLOEXEC) !== 0 || (flags & ~(ADDFD.SETFD | ADDFD.SEND)) !== 0) return -E.EINVAL;
  if (newfd !== 0 && (flags & ADDFD.SETFD) === 0) return -E.EINVAL;
  const source = c.process.files[asked.get("srcfd")];
  if (source === undefined) return -E.EBADF;
  return queue(c, file, asked.big("id"), {
    by: task.pid,
    file: source,
    fd: (flags & ADDFD.SETFD) === 0 ? undefined : newfd,
    cloexec: (newfdFlags & O.O_CLOEXEC) !== 0,
    send: (flags & ADDFD.SEND) !== 0,
  });
}

function queue(c: SyscallContext, file: OpenFile, id: bigint, handing: Handing): SyscallResult {
  const found = find(c.k, file, id);
  if (found === undefined) return -E.ENOENT;
  const { notification, task } = found;
  if (notification.state !== "sent") return -E.EINPROGRESS;
  if (handing.send) {
    if (notification.handing.length > 0) return -E.EBUSY;
    notification.state = "replied";
  }
  notification.handing.unshift(handing);
  c.task.wait = { reason: "addfd" };
  wakeUp(c.k, task);
  return BLOCK;
}

/** The waiting task has taken the file, or is gone; or a signal came first. */
function handedOver(c: SyscallContext, file: OpenFile): SyscallResult {
  const { result } = c.task.wait!;
  if (result !== undefined) return result;
  if (!signalPending(c.k, c.task)) return BLOCK;
  for (const { notification } of waiting(c.k, listenerOf(c.k, file)))
    notification.handing = notification.handing.filter(({ by }) => by !== c.task.pid);
  return -ERESTART.ERESTARTSYS;
}

/** seccomp_notify_ioctl(). */
function ioctl(c: SyscallContext, file: OpenFile, command: number, address: number): SyscallResult {
  switch (command) {
    case IOCTL.NOTIF_RECV:
      return receive(c, file, address);
    case IOCTL.NOTIF_SEND:
      return send(c, file, address);
    case IOCTL.NOTIF_ID_VALID:
    case IOCTL.NOTIF_ID_VALID_WRONG_DIR:
      return idValid(c, file, address);
  }
  return IOC_REST(command) === IOCTL.NOTIF_ADDFD ? addFd(c, file, address, IOC_SIZE(command)) : -E.EINVAL;
}

export const LISTENER_OPERATIONS: FileOperations = { poll, release, ioctl };
