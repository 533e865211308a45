/** Futexes: sleepers by the word they watch. The word is in memory; who waits is in the tasks. */
import type { Addr } from "../../cpu/state.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { modulo } from "../memory.ts";
import { readWordDirect, writeWordDirect } from "../mm/direct.ts";
import { faultIn } from "../mm/fault.ts";
import { pageTables } from "../mm/pages.ts";
import { frameOf } from "../mm/pagetable.ts";
import { findVma } from "../mm/vma.ts";
import { type Task, VM } from "../state.ts";
import { wakeUp } from "./sched.ts";

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

const FUTEX_WAITERS = 0x8000_0000;
const FUTEX_OWNER_DIED = 0x4000_0000;
const FUTEX_TID_MASK = 0x3fff_ffff;
const ROBUST_LIST_LIMIT = 2048;

/** exit_robust_list(), both kinds: locks that the thread holds say that their owner died, and someone who waits is woken. */
export function exitRobustLists(k: Kernel, task: Task): void {
  if (task.mm === undefined) return;
  if (task.robustList !== 0n) exitRobustList(k, task, task.robustList, 8);
  if (task.compatRobustList !== 0n) exitRobustList(k, task, task.compatRobustList, 4);
  task.robustList = 0n;
  task.compatRobustList = 0n;
}

/** struct robust_list_head: next, offset of the lock in an entry, and the entry about to be added or removed. Bit 0 marks PI locks. */
function exitRobustList(k: Kernel, task: Task, head: bigint, word: 4 | 8): void {
  const read = (address: bigint) => readWordDirect(k, task, Number(address), word);
  const offset = read(head + BigInt(word));
  const pending = read(head + BigInt(2 * word));
  let entry = read(head);
  if (offset === undefined || pending === undefined) return;
  const lock = (at: bigint) => Number((at & ~1n) + BigInt.asIntN(word * 8, offset));
  for (let count = 0; count < ROBUST_LIST_LIMIT && entry !== undefined && (entry & ~1n) !== head; count++) {
    // the next one is read first: a woken thread may free this one
    const next: bigint | undefined = read(entry & ~1n);
    if (entry !== pending && !handleFutexDeath(k, task, lock(entry), false)) return;
    entry = next;
  }
  if (pending !== 0n) handleFutexDeath(k, task, lock(pending), true);
}

/** handle_futex_death(): false = there is no such word. */
function handleFutexDeath(k: Kernel, task: Task, addr: Addr, pendingOp: boolean): boolean {
  if (addr % 4 !== 0) return false;
  const value = readWordDirect(k, task, addr, 4);
  if (value === undefined) return false;
  const old = Number(value);
  if (pendingOp && old === 0) {
    futexWake(k, task, addr, 1, -1);
    return true;
  }
  if ((old & FUTEX_TID_MASK) !== task.pid) return true;
  const waits = (old & FUTEX_WAITERS) !== 0;
  if (!writeWordDirect(k, task, addr, 4, ((waits ? FUTEX_WAITERS : 0) | FUTEX_OWNER_DIED) >>> 0)) return false;
  if (waits) futexWake(k, task, addr, 1, -1);
  return true;
}
