/** What a task knows about seccomp: plain data, part of the kernel's state. A filter does not change once it is there. */
import type { Fate } from "../exit.ts";

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
}
export interface Seccomp {
  /** "dead": the task is on its way to its end. */
  mode: "strict" | "filter" | "dead";
  /** Oldest first. A task and the tasks it has forked share a beginning. */
  filters: readonly SeccompFilter[];
  /** How a thread ends that is "dead", when no signal does it. */
  end?: Fate;
}
