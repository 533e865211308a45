/** The alternate signal stack: whether a stack pointer is on it, and its form in frames and system calls. */
import { E } from "../abi/errno.ts";
import { SS_AUTODISARM, SS_DISABLE, SS_ONSTACK } from "../abi/signal.ts";
import type { Task } from "../state.ts";

/** __on_sig_stack(). */
export const within = (task: Task, sp: bigint): boolean =>
  sp > task.altstack.sp && sp - task.altstack.sp <= task.altstack.size;

/** on_sig_stack(): a self-disarming stack never counts as being in use. */
export const onSigStack = (task: Task, sp: bigint): boolean =>
  (task.altstack.flags & SS_AUTODISARM) === 0 && within(task, sp);

/** sas_ss_flags(). */
export function stackFlags(task: Task, sp: bigint): number {
  if (task.altstack.size === 0n) return SS_DISABLE;
  return onSigStack(task, sp) ? SS_ONSTACK : 0;
}

/** What sigaltstack reports as the old flags. */
export const reportedFlags = (task: Task, sp: bigint): number =>
  stackFlags(task, sp) | (task.altstack.flags & SS_AUTODISARM);

/** do_sigaltstack() with a new stack; 0 or a negative error number. */
export function setAltstack(task: Task, sp: bigint, stack: Task["altstack"], minimum: number): number {
  if (onSigStack(task, sp)) return -E.EPERM;
  const mode = stack.flags & ~SS_AUTODISARM;
  if (mode !== SS_DISABLE && mode !== SS_ONSTACK && mode !== 0) return -E.EINVAL;
  if (mode === SS_DISABLE) task.altstack = { sp: 0n, size: 0n, flags: stack.flags };
  else if (stack.size < BigInt(minimum)) return -E.ENOMEM;
  else task.altstack = { ...stack };
  return 0;
}

export function resetAltstack(task: Task): void {
  task.altstack = { sp: 0n, size: 0n, flags: SS_DISABLE };
}
