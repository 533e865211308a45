/**
 * A filter has said SECCOMP_RET_USER_NOTIF (seccomp_do_user_notification()): the task tells the filter's listener, and waits for its answer.
 * While it waits it is in the middle of an up-call, which is made again whenever it wakes.
 */
import { E, ERESTART } from "../abi/errno.ts";
import { fdLimit, installFd, setFd, wakeForFiles } from "../fs/fdtable.ts";
import { descriptorsClosed } from "../fs/file-operations.ts";
import type { Kernel } from "../kernel.ts";
import type { PtRegs } from "../ptregs.ts";
import { killPending, signalPending } from "../signal/send.ts";
import type { Process, Task } from "../state.ts";
import { wakeUp } from "../task/sched.ts";
import { SCHEDULE } from "../upcall.ts";
import type { Handing, Notification, SeccompFilter } from "./types.ts";

/** @param data struct seccomp_data */
export function notifyListener(
  k: Kernel,
  task: Task,
  regs: PtRegs,
  filter: SeccompFilter,
  data: Uint8Array,
): "go on" | "skip" | typeof SCHEDULE {
  const listener = k.state.listeners[filter.id];
  if (listener === undefined) {
    regs.ax = -E.ENOSYS;
    return "skip";
  }
  const id = listener.nextId;
  listener.nextId = BigInt.asUintN(64, id + 1n);
  task.notification = { filter: filter.id, id, data, state: "init", error: 0, value: 0n, proceed: false, handing: [] };
  listener.waiting.push(task.pid);
  listener.requests++;
  wakeForFiles(k);
  return awaitAnswer(k, task, regs);
}

/** It wakes up: for a file that it is handed, for the answer, or for a signal; or for nothing at all. */
export function awaitAnswer(k: Kernel, task: Task, regs: PtRegs): "go on" | "skip" | typeof SCHEDULE {
  const notification = task.notification!;
  for (let handing = notification.handing.shift(); handing !== undefined; handing = notification.handing.shift())
    takeFile(k, task, notification, handing);
  const { state, error, value, proceed } = notification;
  if (state === "replied") {
    forget(k, task, notification);
    if (proceed) return "go on";
    regs.ax = error === 0 ? value : error;
    return "skip";
  }
  notification.killable = killable(task, notification);
  if (notification.killable ? killPending(k, task) : signalPending(k, task)) {
    forget(k, task, notification);
    regs.ax = -ERESTART.ERESTARTSYS;
    return "skip";
  }
  task.asleep = true;
  return SCHEDULE;
}

/** should_sleep_killable(). */
const killable = (task: Task, { filter, state }: Notification): boolean =>
  state !== "init" && task.seccomp!.filters.some(({ id, killable }) => id === filter && killable);

function forget(k: Kernel, task: Task, { filter }: Notification): void {
  delete task.notification;
  const listener = k.state.listeners[filter];
  if (listener !== undefined) listener.waiting = listener.waiting.filter((pid) => pid !== task.pid);
}

/** seccomp_handle_addfd(). */
function takeFile(k: Kernel, task: Task, notification: Notification, handing: Handing): void {
  const fd = receiveFd(k, k.process(task), handing);
  if (handing.send) {
    if (fd < 0) notification.state = "sent";
    else Object.assign(notification, { error: 0, value: BigInt(fd), proceed: false });
  }
  const giver = k.state.tasks.find(({ pid, wait }) => pid === handing.by && wait?.reason === "addfd");
  if (giver === undefined) return;
  giver.wait!.result = fd;
  wakeUp(k, giver);
}

/** receive_fd(), receive_fd_replace(). */
function receiveFd(k: Kernel, process: Process, { file, fd, cloexec }: Handing): number {
  if (fd === undefined) return installFd(process, file, cloexec);
  if (fd >= fdLimit(process)) return -E.EBADF;
  const old = process.files[fd];
  setFd(process, fd, file, cloexec);
  if (old !== undefined) descriptorsClosed(k, [old]);
  return fd;
}
