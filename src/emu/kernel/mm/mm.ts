/**
 * Address spaces: creating them, mapping and unmapping, protection, the break. A mapping is a promise, for which a page is found when it
 * is touched; one that is larger than all of RAM is refused, and who touches more than there is dies.
 */
import type { Addr } from "../../cpu/state.ts";
import { E } from "../abi/errno.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { type Mm, VM, type Vma } from "../state.ts";
import { freeLdt } from "../x86/ldt.ts";
import { allocPage, freePage, isShared, pageTables } from "./pages.ts";
import { frameOf, PTE, userPgd } from "./pagetable.ts";
import { allocPgd, currentPgd, freePgd, isIsolated } from "./pti.ts";
import { accountable, insertVma, mergeAll, offsetAt, overlaps, pageCount, removeRange, splitAt } from "./vma.ts";

/** Root entries that belong to user space; those above are the kernel's and shared by all. */
const userRootEntries = (k: Kernel): number => {
  const { shift } = k.arch.paging.levels[0]!;
  return Math.ceil(k.layout.address.taskSizeMax / 2 ** shift);
};

/** mm_alloc(): an empty address space with the kernel's half. */
export function createMm(k: Kernel): Mm | undefined {
  const pgd = allocPgd(k);
  if (pgd === undefined) return undefined;
  copyKernelHalf(k, pgd);
  if (!preallocate(k, pgd)) return undefined;
  const mm: Mm = {
    id: k.state.nextId++,
    pgd,
    vmas: [],
    startBrk: 0,
    brk: 0,
    startStack: 0,
    argStart: 0,
    envStart: 0,
    envEnd: 0,
    mmapBase: 0,
    mmapCompatBase: 0,
    taskSize: k.layout.address.taskSizeMax,
    committed: 0,
    context: { vdso: 0, vdsoImage: "", ia32: false },
    auxv: [],
    exe: "",
  };
  k.state.mms.push(mm);
  return mm;
}

function copyKernelHalf(k: Kernel, pgd: number): void {
  const { entrySize, levels } = k.arch.paging;
  const first = userRootEntries(k) * entrySize;
  const bytes = 2 ** levels[0]!.bits * entrySize;
  const initPgd = k.state.mms[0]!.pgd;
  const copy = (to: number, from: number) =>
    k.memory.write(k.memory.virt(to + first), k.memory.readPhys(from + first, bytes - first));
  copy(pgd, initPgd);
  if (isIsolated(k)) copy(userPgd(pgd), userPgd(initPgd));
}

/** PAE processors read the root's four entries when CR3 is loaded and not again, so the tables below must be there from the start. */
function preallocate(k: Kernel, pgd: number): boolean {
  const { levels, entrySize, tableFlags } = k.arch.paging;
  if (levels[0]!.bits !== 2) return true;
  for (let i = 0; i < userRootEntries(k); i++) {
    const table = allocPage(k);
    if (table === undefined) return false;
    pageTables(k).writeEntry(pgd + i * entrySize, BigInt(table) | tableFlags[0]!);
  }
  return true;
}

/** mmput() by the last user: every page and table goes back. */
export function destroyMm(k: Kernel, mm: Mm): void {
  // CPUs that idle may still be on its page tables
  for (const cpu of k.machine.cpus) if (currentPgd(k, cpu) === mm.pgd) k.arch.leaveMm(k, cpu);
  for (const vma of [...mm.vmas]) unmapRange(k, mm, vma.start, vma.end);
  for (const page of pageTables(k).tablePages(mm.pgd, 0, userRootEntries(k) - 1)) freePage(k, page);
  freeLdt(k, mm);
  freePgd(k, mm.pgd);
  k.state.mms = k.state.mms.filter((m) => m.id !== mm.id);
}

/** Drops the pages of a range. */
function zap(k: Kernel, mm: Mm, vma: Vma): void {
  const tables = pageTables(k);
  const flush = new Flush(k, mm);
  tables.eachLeaf(mm.pgd, vma.start, vma.end, (at, entry, addr) => {
    tables.writeEntry(at, 0n);
    if ((vma.flags & VM.SPECIAL) === 0) freePage(k, frameOf(entry));
    flush.add(addr);
  });
  flush.done();
}

/** Above this many pages the whole TLB goes: tlb_single_page_flush_ceiling. */
const FLUSH_CEILING = 33;

/** Pages of an address space whose entries have changed, to be dropped from the TLBs of the CPUs that use it. */
export class Flush {
  readonly #k: Kernel;
  readonly #mm: Mm;
  readonly #pages: Addr[] = [];

  constructor(k: Kernel, mm: Mm) {
    this.#k = k;
    this.#mm = mm;
  }
  add(page: Addr): void {
    if (this.#pages.length <= FLUSH_CEILING) this.#pages.push(page);
  }
  done(): void {
    for (const cpu of this.#k.machine.cpus) {
      if (currentPgd(this.#k, cpu) !== this.#mm.pgd) continue;
      if (this.#pages.length > FLUSH_CEILING) cpu.flushTlbNonGlobal();
      else for (const page of this.#pages) cpu.flushTlbPage(page);
    }
  }
}

/** One page, on every CPU: for addresses that all address spaces have. */
export function flushPage(k: Kernel, addr: Addr): void {
  for (const cpu of k.machine.cpus) cpu.flushTlbPage(addr);
}

/** do_munmap() of a page-aligned range. */
export function unmapRange(k: Kernel, mm: Mm, start: Addr, end: Addr): void {
  for (const vma of removeRange(mm, start, end)) {
    zap(k, mm, vma);
    if ((vma.flags & VM.ACCOUNT) !== 0) uncommit(k, mm, pageCount(vma.end - vma.start));
  }
}

/** __vm_enough_memory() under OVERCOMMIT_GUESS: only what is obviously too much is refused. */
export function commit(k: Kernel, mm: Mm, pages: number): boolean {
  if (pages > k.state.pages.available) return false;
  k.state.pages.committed += pages;
  mm.committed += pages;
  return true;
}
export function uncommit(k: Kernel, mm: Mm, pages: number): void {
  k.state.pages.committed -= pages;
  mm.committed -= pages;
}

/** Adds a mapping to a free, page-aligned range; 0 or a negative error number. */
export function mapRange(k: Kernel, mm: Mm, vma: Vma): number {
  if (vma.end > mm.taskSize && vma.end > k.layout.address.taskSizeMax) return -E.ENOMEM;
  const account = accountable(vma.flags) && (vma.flags & VM.SPECIAL) === 0;
  if (account && !commit(k, mm, pageCount(vma.end - vma.start))) return -E.ENOMEM;
  insertVma(mm, { ...vma, flags: account ? vma.flags | VM.ACCOUNT : vma.flags });
  return 0;
}

/** move_vma(): pages keep their contents and go to a free range; what is beyond the new length is dropped. The new start, or an error. */
export function moveRange(k: Kernel, mm: Mm, start: Addr, oldLength: number, newLength: number, target: Addr): number {
  splitAt(mm, start);
  splitAt(mm, start + oldLength);
  const vma = mm.vmas.find((v) => v.start === start)!;
  const pages = vma.pages?.slice(0, newLength / PAGE_SIZE);
  const moved: Vma = {
    start: target,
    end: target + newLength,
    flags: vma.flags & ~VM.ACCOUNT,
    name: vma.name,
    ...offsetAt(vma, start),
  };
  const error = mapRange(k, mm, pages === undefined ? moved : { ...moved, pages });
  if (error !== 0) return error;
  const tables = pageTables(k);
  const flush = new Flush(k, mm);
  let full = false;
  tables.eachLeaf(mm.pgd, start, start + Math.min(oldLength, newLength), (at, entry, addr) => {
    const to = tables.leaf(mm.pgd, target + (addr - start), true);
    full ||= to === undefined;
    if (to === undefined) return;
    tables.writeEntry(to, entry);
    tables.writeEntry(at, 0n);
    flush.add(addr);
  });
  flush.done();
  if (full) return -E.ENOMEM;
  // vdso_mremap(): the kernel follows the image
  if (vma.name === "[vdso]" && mm.context.vdso === start) mm.context.vdso = target;
  unmapRange(k, mm, start, start + oldLength);
  return target;
}

/** mprotect of a page-aligned range; every page of it must be mapped. */
export function protectRange(k: Kernel, mm: Mm, start: Addr, end: Addr, flags: number): number {
  splitAt(mm, start);
  splitAt(mm, end);
  let at = start;
  for (const vma of mm.vmas.filter((v) => v.start < end && start < v.end)) {
    if (vma.start > at) break;
    const error = protectVma(k, mm, vma, flags);
    if (error !== 0) return error;
    at = vma.end;
  }
  mergeAll(mm);
  return at >= end ? 0 : -E.ENOMEM;
}

function protectVma(k: Kernel, mm: Mm, vma: Vma, flags: number): number {
  const rights = VM.READ | VM.WRITE | VM.EXEC;
  const wanted = (vma.flags & ~rights) | (flags & rights);
  if (accountable(wanted) && (vma.flags & (VM.ACCOUNT | VM.SPECIAL)) === 0) {
    if (!commit(k, mm, pageCount(vma.end - vma.start))) return -E.ENOMEM;
    vma.flags = wanted | VM.ACCOUNT;
  } else vma.flags = wanted;
  const tables = pageTables(k);
  const flush = new Flush(k, mm);
  tables.eachLeaf(mm.pgd, vma.start, vma.end, (at, entry, addr) => {
    const dirt = entry & (PTE.ACCESSED | PTE.DIRTY);
    const rights = isCow(k, vma, frameOf(entry)) ? leafFlags(vma.flags) & ~PTE.RW : leafFlags(vma.flags);
    const fresh = BigInt(frameOf(entry)) | rights | dirt;
    tables.writeEntry(at, k.arch.paging.hasNx ? fresh : fresh & ~PTE.NX);
    flush.add(addr);
  });
  flush.done();
  return 0;
}

/** A page of a private mapping that another address space has too: the first write makes a copy. */
export const isCow = (k: Kernel, vma: Vma, frame: number): boolean =>
  (vma.flags & (VM.SHARED | VM.SPECIAL)) === 0 && isShared(k, frame);

/** vm_get_page_prot(): what a present page of such a mapping allows. */
export function leafFlags(flags: number): bigint {
  if ((flags & (VM.READ | VM.WRITE | VM.EXEC)) === 0) return PTE.PROTNONE;
  let pte: bigint = PTE.PRESENT | PTE.USER;
  if ((flags & VM.WRITE) !== 0) pte |= PTE.RW;
  if ((flags & VM.EXEC) === 0) pte |= PTE.NX;
  return pte;
}

/** brk(2): the new break, or the old one if it cannot be had. */
export function setBrk(k: Kernel, mm: Mm, wanted: Addr): Addr {
  if (!(wanted >= mm.startBrk)) return mm.brk;
  const oldEnd = Math.ceil(mm.brk / PAGE_SIZE) * PAGE_SIZE;
  const newEnd = Math.ceil(wanted / PAGE_SIZE) * PAGE_SIZE;
  if (newEnd < oldEnd) unmapRange(k, mm, newEnd, oldEnd);
  if (newEnd > oldEnd) {
    if (overlaps(mm, oldEnd, newEnd + PAGE_SIZE) || newEnd > mm.taskSize) return mm.brk;
    const flags = VM.READ | VM.WRITE;
    if (mapRange(k, mm, { start: oldEnd, end: newEnd, flags, name: "[heap]" }) !== 0) return mm.brk;
  }
  mm.brk = wanted;
  return wanted;
}
