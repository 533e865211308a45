/** What a task knows about seccomp: plain data, part of the kernel's state. A filter does not change once it is there. */

import type { OpenFile } from "../state.ts";
import type { Fate } from "../task/exit.ts";

/** One instruction of classic BPF. */
export interface SockFilter {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}
export interface SeccompFilter {
  readonly id: number;
  readonly program: readonly SockFilter[];
  /** SECCOMP_FILTER_FLAG_LOG. */
  readonly log: boolean;
  /** SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV. */
  readonly killable: boolean;
}
/** struct notification: what those who read a listener's descriptor share. */
export interface Listener {
  nextId: bigint;
  /** The semaphore: how many notifications there are to be received. */
  requests: number;
  /** pids of the tasks that wait for an answer, the first one first. */
  waiting: number[];
}
/** struct seccomp_kaddfd: a file for the task that waits, and who waits for that. */
export interface Handing {
  readonly by: number;
  readonly file: OpenFile;
  /** undefined: the lowest free descriptor. */
  readonly fd: number | undefined;
  readonly cloexec: boolean;
  /** The descriptor's number is the answer. */
  readonly send: boolean;
}
/** struct seccomp_knotif: a task's system call as its filter's listener sees it. */
export interface Notification {
  /** The filter, and the call's number among those that the listener has been told. */
  readonly filter: number;
  readonly id: bigint;
  /** struct seccomp_data. */
  readonly data: Uint8Array;
  state: "init" | "sent" | "replied";
  error: number;
  value: bigint;
  /** SECCOMP_USER_NOTIF_FLAG_CONTINUE: the call is made after all. */
  proceed: boolean;
  handing: Handing[];
  /** It waits where only a signal that kills it disturbs. */
  killable?: boolean;
}
export interface Seccomp {
  /** "dead": the task is on its way to its end. */
  mode: "strict" | "filter" | "dead";
  /** Oldest first. A task and the tasks it has forked share a beginning. */
  filters: readonly SeccompFilter[];
  /** How a thread ends that is "dead", when no signal does it. */
  end?: Fate;
}
