/** Switching tasks: what the entry code's ret_from_fork and idle loop call. There is one program and an idle task a CPU as yet. */
import type { UpcallTable } from "./upcall.ts";

export const SCHED_UPCALLS: UpcallTable = {
  /** The task switched to has begun to run; `rdi` is the one before. */
  schedule_tail: () => {},
  /** An idle CPU woke up: is there something to run? */
  schedule_idle: () => {},
  /** Last part of a switch: everything of the new task but its stack, which the entry code has switched. */
  __switch_to: (u) => {
    const next = u.kernel.state.tasks.find((task) => task.address === u.pointer(1));
    if (next === undefined) throw new Error("__switch_to a task that does not exist");
    const previous = u.arg(0);
    u.kernel.arch.switchTo(u.kernel, u.cpu, next);
    return previous;
  },
};
