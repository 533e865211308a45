/** Another task's memory (access_remote_vm(), process_vm_rw()): page by page, a tracer's way even where the mapping forbids it. */
import type { Addr } from "../../cpu/state.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { modulo, pageOf } from "../memory.ts";
import { type Mm, type Task, VM, type Vma } from "../state.ts";
import { concat } from "./direct.ts";
import { breakCow, handleMmFault } from "./fault.ts";
import { pageTables } from "./pages.ts";
import { frameOf, inUse } from "./pagetable.ts";
import { findVma } from "./vma.ts";

/** FOLL_FORCE: only a mapping that could never be accessed so refuses. */
function permitted(vma: Vma, write: boolean, force: boolean): boolean {
  const wanted = write ? VM.WRITE : VM.READ;
  if ((vma.flags & wanted) !== 0) return true;
  // writing by force makes a copy, which a shared or special mapping cannot have
  return force && (!write || (vma.flags & (VM.SHARED | VM.SPECIAL)) === 0);
}

/** get_user_pages_remote() for one page: the physical address behind `addr`, undefined = none. */
function remotePage(k: Kernel, mm: Mm, addr: Addr, write: boolean, force: boolean): number | undefined {
  const vma = findVma(mm, addr);
  if (vma === undefined || !permitted(vma, write, force)) return undefined;
  const tables = pageTables(k);
  const page = pageOf(addr);
  if (!inUse(tables.lookup(mm.pgd, page))) {
    if (handleMmFault(k, mm, vma, page, { write: false, exec: false }) !== "mapped") return undefined;
  }
  if (write && breakCow(k, mm, vma, page) !== "mapped") return undefined;
  return frameOf(tables.lookup(mm.pgd, page));
}

const room = (addr: Addr, left: number): number => Math.min(left, PAGE_SIZE - modulo(addr, PAGE_SIZE));

/** What could be read, possibly less than asked for. */
export function readRemote(k: Kernel, task: Task, addr: Addr, length: number, force = true): Uint8Array {
  const mm = k.mmOf(task);
  const parts: Uint8Array[] = [];
  for (let done = 0; mm !== undefined && done < length; ) {
    const page = remotePage(k, mm, addr + done, false, force);
    if (page === undefined) break;
    const part = room(addr + done, length - done);
    parts.push(k.memory.readPhys(page + modulo(addr + done, PAGE_SIZE), part));
    done += part;
  }
  return concat(parts);
}

/** How many bytes could be written. */
export function accessRemote(k: Kernel, task: Task, addr: Addr, bytes: Uint8Array, force = true): number {
  const mm = k.mmOf(task);
  let done = 0;
  while (mm !== undefined && done < bytes.length) {
    const page = remotePage(k, mm, addr + done, true, force);
    if (page === undefined) break;
    const part = bytes.subarray(done, done + room(addr + done, bytes.length - done));
    k.memory.writePhys(k.memory.who, addr + done, page + modulo(addr + done, PAGE_SIZE), part);
    done += part.length;
  }
  return done;
}
