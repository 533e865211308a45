/** Futexes: sleepers by the word they watch. The word is in memory; who waits is in the tasks. */
import type { Addr } from "../cpu/state.ts";
import type { Kernel } from "./kernel.ts";
import { PAGE_SIZE } from "./layout/linux-6.1.ts";
import { modulo } from "./memory.ts";
import { faultIn } from "./mm/fault.ts";
import { pageTables } from "./mm/pages.ts";
import { frameOf } from "./mm/pagetable.ts";
import { findVma } from "./mm/vma.ts";
import { wakeUp } from "./sched.ts";
import { type Task, VM } from "./state.ts";

/** get_futex_key(): a word of shared memory is the same for all who map it; any other belongs to its address space. */
export function futexKey(k: Kernel, task: Task, addr: Addr): string {
  const mm = k.mm(task);
  const vma = findVma(mm, addr);
  if (vma === undefined || (vma.flags & VM.SHARED) === 0) return `${mm.id}:${addr}`;
  faultIn(k, task, mm, addr, { write: false, exec: false });
  return `physical:${frameOf(pageTables(k).lookup(mm.pgd, addr)) + modulo(addr, PAGE_SIZE)}`;
}

const waiters = (k: Kernel, key: string): Task[] =>
  k.state.tasks.filter((t) => t.wait?.reason === "futex" && t.wait.key === key && t.wait.done !== true && !t.dead);

/** futex_wake(): how many were woken. */
export function futexWake(k: Kernel, task: Task, addr: Addr, count: number, bitset: number): number {
  const woken = waiters(k, futexKey(k, task, addr))
    .filter((t) => (t.wait!.bitset! & bitset) !== 0)
    .slice(0, Math.max(count, 0));
  for (const waiter of woken) {
    waiter.wait!.done = true;
    wakeUp(k, waiter);
  }
  return woken.length;
}

/** The other half of futex_requeue(): those not woken wait for another word. */
export function futexRequeue(k: Kernel, task: Task, from: Addr, to: Addr, count: number): number {
  const moved = waiters(k, futexKey(k, task, from)).slice(0, Math.max(count, 0));
  const key = futexKey(k, task, to);
  for (const waiter of moved) waiter.wait!.key = key;
  return moved.length;
}
