/**
 * Context tracking (CONFIG_CONTEXT_TRACKING): a variable of each CPU says whether it runs user mode, for those who would rather not
 * disturb it with a tick. The hooks that keep it right cost time on every trip, so how many there are is a design.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import type { Kernel } from "../kernel.ts";
import type { Task } from "../state.ts";
import type { Upcall } from "../upcall.ts";

/** enum ctx_state. */
const IN_KERNEL = 0;
const IN_USER = 1;

/** `by`: the function of Linux that has the hook. A hook may find that nothing changes. */
function track(k: Kernel, cpu: Cpu, task: Task, item: "user_exit" | "user_enter", by: string): void {
  if (!k.testFlag(task, "NOHZ")) return;
  const to = item === "user_exit" ? IN_KERNEL : IN_USER;
  const redundant = k.perCpu(cpu, "context_tracking") === BigInt(to);
  k.timeline.contextTracking(cpu, item, by, redundant);
  if (!redundant) k.setPerCpu(cpu, "context_tracking", to);
}
export const userExit = (k: Kernel, cpu: Cpu, task: Task, by: string): void => track(k, cpu, task, "user_exit", by);
export const userEnter = (k: Kernel, cpu: Cpu, task: Task, by: string): void => track(k, cpu, task, "user_enter", by);

/** Each function on the way out has hooks of its own, since it cannot know which has run before it. */
export const hooksEverywhere = (k: Kernel): boolean => k.choice.hooks.contextTrackingEverywhere === true;

/** exception_enter() and exception_exit() around a handler; without them entry code has the first half, and the way out the other. */
export function trackedEntry(name: string, handler: Upcall): Upcall {
  const isException = name.includes("exc_");
  return (u) => {
    const { kernel: k, cpu } = u;
    const task = k.current(cpu);
    if (!hooksEverywhere(k)) {
      if (u.regs().user) userExit(k, cpu, task, "enter_from_user_mode");
      return handler(u);
    }
    if (!isException) return handler(u);
    const wasUser = k.perCpu(cpu, "context_tracking") === BigInt(IN_USER);
    userExit(k, cpu, task, "exception_enter");
    const result = handler(u);
    if (wasUser) userEnter(k, cpu, task, "exception_exit");
    return result;
  };
}
