/**
 * User memory read and written at once, by the page tables, without the guest's copy loops: for boot, for another task's memory, and
 * where Linux holds a lock or reads through a mapping of its own. What a program asks for goes through uaccess.ts.
 */
import type { Addr } from "../../cpu/state.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { modulo } from "../memory.ts";
import type { Mm, Task } from "../state.ts";
import { faultIn } from "./fault.ts";
import { pageTables } from "./pages.ts";
import { frameOf, PTE } from "./pagetable.ts";

/** access_ok(): the range lies in user space. NaN and fractions, which no pointer gives, are refused too. */
export const accessOk = (k: Kernel, addr: Addr, length: number): boolean =>
  Number.isSafeInteger(addr) && addr >= 0 && addr + length <= k.layout.address.taskSizeMax;

/** Physical address of a user byte, its page faulted in; undefined = it cannot be accessed so. */
function userPhys(k: Kernel, task: Task, mm: Mm, addr: Addr, write: boolean): number | undefined {
  const tables = pageTables(k);
  const need = write ? PTE.PRESENT | PTE.USER | PTE.RW : PTE.PRESENT | PTE.USER;
  let entry = tables.lookup(mm.pgd, addr);
  if ((entry & need) !== need) {
    if (faultIn(k, task, mm, addr, { write, exec: false }) !== "mapped") return undefined;
    entry = tables.lookup(mm.pgd, addr);
    if ((entry & need) !== need) return undefined;
  }
  return frameOf(entry) + modulo(addr, PAGE_SIZE);
}

/** How much of a range could be read: the bytes, possibly fewer than asked for. */
export function readDirect(k: Kernel, task: Task, addr: Addr, length: number): Uint8Array {
  if (!accessOk(k, addr, length)) return new Uint8Array(0);
  const mm = k.mm(task);
  const parts: Uint8Array[] = [];
  for (let done = 0; done < length; ) {
    const pa = userPhys(k, task, mm, addr + done, false);
    if (pa === undefined) break;
    const room = Math.min(length - done, PAGE_SIZE - modulo(addr + done, PAGE_SIZE));
    parts.push(k.memory.readPhys(pa, room));
    done += room;
  }
  return concat(parts);
}

/** Writes in the name of the running up-call: how many bytes could be. */
export function writeDirect(k: Kernel, task: Task, addr: Addr, bytes: Uint8Array): number {
  if (!accessOk(k, addr, bytes.length)) return 0;
  const mm = k.mm(task);
  let done = 0;
  while (done < bytes.length) {
    const pa = userPhys(k, task, mm, addr + done, true);
    if (pa === undefined) break;
    const part = bytes.subarray(done, done + PAGE_SIZE - modulo(addr + done, PAGE_SIZE));
    k.memory.writePhys(k.memory.who, addr + done, pa, part);
    done += part.length;
  }
  return done;
}

/** A string up to its zero byte, which is not part of the result; "toolong" if there is none within `limit` bytes. */
export function readStringDirect(k: Kernel, task: Task, addr: Addr, limit: number): string | "toolong" | undefined {
  const bytes: number[] = [];
  while (bytes.length < limit) {
    const room = PAGE_SIZE - modulo(addr + bytes.length, PAGE_SIZE);
    const part = readDirect(k, task, addr + bytes.length, room);
    if (part.length < room) return undefined;
    const end = part.indexOf(0);
    for (const byte of end < 0 ? part : part.subarray(0, end)) bytes.push(byte);
    if (end >= 0) return bytes.length < limit ? new TextDecoder().decode(Uint8Array.from(bytes)) : "toolong";
  }
  return "toolong";
}

export function readWordDirect(k: Kernel, task: Task, addr: Addr, size: 4 | 8): bigint | undefined {
  const bytes = readDirect(k, task, addr, size);
  return bytes.length < size ? undefined : wordOf(bytes, size);
}
export const writeWordDirect = (k: Kernel, task: Task, addr: Addr, size: 4 | 8, value: bigint | number): boolean =>
  writeDirect(k, task, addr, bytesOf(value, size)) === size;

export function wordOf(bytes: Uint8Array, size: 4 | 8): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, size);
  return size === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
}
export function bytesOf(value: bigint | number, size: 4 | 8): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  return bytes.subarray(0, size);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
