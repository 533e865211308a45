/** Demand paging: what handle_mm_fault() and the search for the mapping before it do. exc_page_fault and user copies both end here. */
import type { Addr } from "../../cpu/state.ts";
import { RLIMIT } from "../abi/file.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { pageOf } from "../memory.ts";
import { type Mm, NO_PAGE, type Task, VM, type Vma } from "../state.ts";
import { commit, flushPage, isCow, leafFlags } from "./mm.ts";
import { allocUserPage, freePage, pageTables } from "./pages.ts";
import { frameOf, inUse, PTE } from "./pagetable.ts";
import { findVma, nextVma, pageCount } from "./vma.ts";

export interface Access {
  readonly write: boolean;
  readonly exec: boolean;
}
/** mapped: the page is there now. maperr, accerr: SIGSEGV with that code. sigbus: the mapping has no page there. oom: no memory. */
export type FaultResult = "mapped" | "maperr" | "accerr" | "sigbus" | "oom";

/** Makes the page at a user address usable for the access, if the mapping there allows it. */
export function faultIn(k: Kernel, task: Task, mm: Mm, addr: Addr, access: Access): FaultResult {
  const vma = findVma(mm, addr) ?? growStack(k, task, mm, addr);
  if (vma === undefined) return "maperr";
  if (!allows(vma, access)) return "accerr";
  return handleMmFault(k, mm, vma, addr, access);
}

/** access_error(), negated. */
function allows(vma: Vma, access: Access): boolean {
  if (access.write) return (vma.flags & VM.WRITE) !== 0;
  // without NX a fetch asks only for a readable page; the page tables decide whether it may execute
  if (access.exec) return (vma.flags & VM.EXEC) !== 0;
  return (vma.flags & (VM.READ | VM.WRITE | VM.EXEC)) !== 0;
}

export function handleMmFault(k: Kernel, mm: Mm, vma: Vma, addr: Addr, access: Access): FaultResult {
  const page = pageOf(addr);
  const tables = pageTables(k);
  const at = tables.leaf(mm.pgd, page, true);
  if (at === undefined) return "oom";
  const entry = tables.read(at);
  if (inUse(entry)) {
    if (access.write && (entry & PTE.RW) === 0n) return doWpPage(k, mm, vma, page, frameOf(entry));
    // the rights are there, so a TLB must have held older ones
    flushPage(k, page);
    return "mapped";
  }
  const frame = vma.pages === undefined ? allocUserPage(k) : vma.pages[(page - vma.start) / PAGE_SIZE];
  if (frame === NO_PAGE) return "sigbus";
  if (frame === undefined) return "oom";
  return tables.map(mm.pgd, page, frame, leafFlags(vma.flags) | PTE.ACCESSED) ? "mapped" : "oom";
}

/** do_wp_page(): a page left read-only by fork becomes this address space's own. */
function doWpPage(k: Kernel, mm: Mm, vma: Vma, page: Addr, frame: number): FaultResult {
  let own = frame;
  if (isCow(k, vma, frame)) {
    const copy = allocUserPage(k);
    if (copy === undefined) return "oom";
    k.memory.write(k.memory.virt(copy), k.memory.readPhys(frame, PAGE_SIZE));
    freePage(k, frame);
    own = copy;
  }
  pageTables(k).map(mm.pgd, page, own, leafFlags(vma.flags) | PTE.ACCESSED);
  flushPage(k, page);
  return "mapped";
}

/** Makes a present page this address space's own, whether or not the mapping may be written: a tracer may. */
export function breakCow(k: Kernel, mm: Mm, vma: Vma, page: Addr): FaultResult {
  const entry = pageTables(k).lookup(mm.pgd, page);
  return (entry & PTE.RW) !== 0n ? "mapped" : doWpPage(k, mm, vma, page, frameOf(entry));
}

/** expand_stack(): the mapping above may grow down to the address, as far as RLIMIT_STACK goes. */
function growStack(k: Kernel, task: Task, mm: Mm, addr: Addr): Vma | undefined {
  const vma = nextVma(mm, addr);
  if (vma === undefined || (vma.flags & VM.GROWSDOWN) === 0) return undefined;
  const start = pageOf(addr);
  const limit = k.process(task).rlimits[RLIMIT.RLIMIT_STACK]![0];
  if (BigInt(vma.end - start) > limit) return undefined;
  const below = mm.vmas[mm.vmas.indexOf(vma) - 1];
  if (below !== undefined && start - below.end < 256 * PAGE_SIZE) return undefined;
  if (!commit(k, mm, pageCount(vma.start - start))) return undefined;
  vma.start = start;
  return vma;
}
