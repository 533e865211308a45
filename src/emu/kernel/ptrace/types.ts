/** What a task knows about being traced and stopped: plain data, part of the kernel's state. */
import type { Siginfo } from "../abi/siginfo.ts";

/** Which up-call waits for the tracer, and goes on when it is called again. */
export type StopPlace = "syscall-enter" | "syscall-exit" | "signal" | "event" | "exit" | "job";

/** A task that waits for its tracer's word, or as part of a stopped process for SIGCONT. */
export interface Stop {
  at: StopPlace;
  /** TASK_TRACED, TASK_STOPPED; "over": it may go on, and `answer` says with which signal. */
  state: "traced" | "stopped" | "over";
  /** task->exit_code: what wait reports, 0 once it has. */
  code: number;
  /** last_siginfo: undefined in a group stop of a task that was not seized. */
  info?: Siginfo;
  message: bigint;
  answer: number;
  /** The system call about to begin is the tracer's to emulate (PTRACE_SYSEMU). */
  emulated?: boolean;
  /** JOBCTL_LISTENING: neither wait nor ptrace see the stop any more, until something happens. */
  listening?: boolean;
}

export interface Traced {
  /** pid of the tracing thread. */
  tracer: number;
  seized: boolean;
  /** PTRACE_O_*. */
  options: number;
}

/** task->jobctl: what get_signal() has to see to before it looks for signals. */
export interface JobControl {
  /** JOBCTL_STOP_PENDING: take part in the group stop, which this signal began. */
  stopPending?: boolean;
  /** JOBCTL_STOP_SIGMASK: the signal of the last group stop. */
  stopSignal?: number;
  /** JOBCTL_TRAP_STOP and JOBCTL_TRAP_NOTIFY. */
  trapStop?: boolean;
  trapNotify?: boolean;
}

/** thread.ptrace_bps and ptrace_dr7. */
export interface DebugRegisters {
  address: bigint[];
  /** DR7 as last written. */
  control: number;
}
