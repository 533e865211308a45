/**
 * copy_from_user and its kind: the kernel's TypeScript reading and writing the current program's memory, page by page, faulting pages
 * in as the program's own access would. undefined or false is EFAULT.
 */
import type { Addr } from "../../cpu/state.ts";
import type { Fields, Struct, View } from "../abi/struct.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { modulo } from "../memory.ts";
import type { Mm, Task } from "../state.ts";
import { faultIn } from "./fault.ts";
import { pageTables } from "./pages.ts";
import { frameOf, PTE } from "./pagetable.ts";

/** access_ok(): the range lies in user space. NaN and fractions, which no pointer gives, are refused too. */
const accessOk = (k: Kernel, addr: Addr, length: number): boolean =>
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
export function readUser(k: Kernel, task: Task, addr: Addr, length: number): Uint8Array {
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

export function copyFromUser(k: Kernel, task: Task, addr: Addr, length: number): Uint8Array | undefined {
  const bytes = readUser(k, task, addr, length);
  return bytes.length === length ? bytes : undefined;
}

/** Writes in the name of the running up-call; false = EFAULT, with the bytes before the bad page written. */
export function copyToUser(k: Kernel, task: Task, addr: Addr, bytes: Uint8Array): boolean {
  if (!accessOk(k, addr, bytes.length)) return false;
  const mm = k.mm(task);
  for (let done = 0; done < bytes.length; ) {
    const pa = userPhys(k, task, mm, addr + done, true);
    if (pa === undefined) return false;
    const part = bytes.subarray(done, done + PAGE_SIZE - modulo(addr + done, PAGE_SIZE));
    k.memory.writePhys(k.memory.who, addr + done, pa, part);
    done += part.length;
  }
  return true;
}

/** A string up to its zero byte, which is not part of the result; "toolong" if there is none within `limit` bytes. */
export function strncpyFromUser(k: Kernel, task: Task, addr: Addr, limit: number): string | "toolong" | undefined {
  const bytes: number[] = [];
  while (bytes.length < limit) {
    const room = PAGE_SIZE - modulo(addr + bytes.length, PAGE_SIZE);
    const part = copyFromUser(k, task, addr + bytes.length, room);
    if (part === undefined) return undefined;
    const end = part.indexOf(0);
    for (const byte of end < 0 ? part : part.subarray(0, end)) bytes.push(byte);
    if (end >= 0) return bytes.length < limit ? new TextDecoder().decode(Uint8Array.from(bytes)) : "toolong";
  }
  return "toolong";
}

export function getStruct<F extends Fields>(k: Kernel, task: Task, addr: Addr, struct: Struct<F>): View<F> | undefined {
  const bytes = copyFromUser(k, task, addr, struct.size);
  return bytes === undefined ? undefined : struct.at(bytes);
}
export const putStruct = <F extends Fields>(k: Kernel, task: Task, addr: Addr, view: View<F>): boolean =>
  copyToUser(k, task, addr, view.bytes.subarray(view.start, view.start + view.struct.size));

export function getWord(k: Kernel, task: Task, addr: Addr, size: 4 | 8): bigint | undefined {
  const bytes = copyFromUser(k, task, addr, size);
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, size);
  return size === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
}
export function putWord(k: Kernel, task: Task, addr: Addr, size: 4 | 8, value: bigint | number): boolean {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  return copyToUser(k, task, addr, bytes.subarray(0, size));
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
