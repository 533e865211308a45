/** The LDT of an address space, in guest memory: one page from the page allocator, or several mapped in a row (kernel/ldt.c). */
import type { Cpu } from "../../cpu/cpu.ts";
import type { Addr } from "../../cpu/state.ts";
import { raiseIrq } from "../irq.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE, VECTORS } from "../layout/linux-6.1.ts";
import { modulo } from "../memory.ts";
import { flushPage } from "../mm/mm.ts";
import { allocPage, freePage, pageTables } from "../mm/pages.ts";
import { PTE } from "../mm/pagetable.ts";
import { isIsolated, shareRootEntry } from "../mm/pti.ts";
import type { Mm, Task } from "../state.ts";

const KERNEL_PAGE = PTE.PRESENT | PTE.RW | PTE.ACCESSED | PTE.DIRTY | PTE.NX;
const LDT_BYTES = 65536;

/**
 * Puts a new table with entry `index` set in the place of the old one; false = no memory. Pages in which nothing changes go from the
 * old table to the new one: nobody can see which pages a table lies in.
 */
export function installLdt(k: Kernel, cpu: Cpu, task: Task, mm: Mm, index: number, value: bigint): boolean {
  const old = mm.context.ldt;
  const entries = Math.max(old?.entries ?? 0, index + 1);
  const changed = Math.floor((index * 8) / PAGE_SIZE);
  const replaced = old?.pages[changed];
  const pages = pagesWith(k, old?.pages ?? [], Math.ceil((entries * 8) / PAGE_SIZE), changed);
  if (pages === undefined) return false;
  const place = k.memory.virt(pages[changed]!);
  if (replaced !== undefined) k.memory.write(place, k.memory.readPhys(replaced, PAGE_SIZE));
  k.memory.writeScalar(place + ((index * 8) % PAGE_SIZE), 8, value);
  const address = mapTable(k, mm, pages);
  if (address === undefined) {
    for (const page of pages) if (old?.pages.includes(page) !== true) freePage(k, page);
    return false;
  }
  mm.context.ldt = { address, entries, pages };
  k.arch.loadLdt(k, cpu, mm);
  reloadSegments(k, cpu, task);
  // flush_ldt() on the other CPUs that run threads of the program: an interrupt, after which the return to user mode sees what is gone
  for (const other of k.machine.cpus) {
    const running = k.current(other);
    if (other === cpu || running.mm !== mm.id) continue;
    k.arch.loadLdt(k, other, mm);
    reloadSegments(k, other, running);
    raiseIrq(k, other, VECTORS.RESCHEDULE);
  }
  if (old !== undefined) unmapTable(k, mm, old);
  if (replaced !== undefined) freePage(k, replaced);
  return true;
}

/** The old table's pages, with a new one for page `changed` and what is to be added; undefined = no memory. */
function pagesWith(k: Kernel, old: readonly number[], count: number, changed: number): number[] | undefined {
  const total = Math.max(count, old.length);
  const isNew = (i: number) => i === changed || i >= old.length;
  const fresh = allocPages(k, Array.from({ length: total }, (_, i) => i).filter(isNew).length);
  if (fresh === undefined) return undefined;
  let used = 0;
  return Array.from({ length: total }, (_, i) => (isNew(i) ? fresh[used++]! : old[i]!));
}

/** ldt_dup_context(); false = no memory. */
export function copyLdt(k: Kernel, from: Mm, to: Mm): boolean {
  const old = from.context.ldt;
  if (old === undefined) return true;
  const pages = allocPages(k, old.pages.length);
  if (pages === undefined) return false;
  const address = mapTable(k, to, pages);
  if (address === undefined) {
    for (const page of pages) freePage(k, page);
    return false;
  }
  pages.forEach((page, i) => {
    k.memory.write(k.memory.virt(page), k.memory.readPhys(old.pages[i]!, PAGE_SIZE));
  });
  to.context.ldt = { address, entries: old.entries, pages };
  return true;
}

function allocPages(k: Kernel, count: number): number[] | undefined {
  const pages: number[] = [];
  while (pages.length < count) {
    const page = allocPage(k);
    if (page === undefined) {
      for (const other of pages) freePage(k, other);
      return undefined;
    }
    pages.push(page);
  }
  return pages;
}

/**
 * Where the mappings are that put tables of several pages in a row: room for two, the one in use and the one that replaces it. Under page
 * table isolation the processor must find them from user mode too, so that each address space has them in a part of its own.
 */
function rowsOf(k: Kernel, mm: Mm): { readonly root: number; readonly base: Addr; readonly flags: bigint } {
  const { ldtArea, ldtRemap } = k.layout.address;
  if (isIsolated(k)) return { root: mm.pgd, base: ldtRemap!, flags: KERNEL_PAGE & ~PTE.RW };
  return { root: k.state.mms[0]!.pgd, base: ldtArea + mm.id * 2 * LDT_BYTES, flags: KERNEL_PAGE };
}

/** map_ldt_struct(): the table's address for the processor; undefined = no memory. */
function mapTable(k: Kernel, mm: Mm, pages: readonly number[]): Addr | undefined {
  if (pages.length === 1 && !isIsolated(k)) return k.memory.virt(pages[0]!);
  const { root, base, flags } = rowsOf(k, mm);
  const address = mm.context.ldt?.address === base ? base + LDT_BYTES : base;
  for (const [i, page] of pages.entries()) {
    if (!pageTables(k).map(root, address + i * PAGE_SIZE, page, flags)) return undefined;
  }
  if (isIsolated(k)) shareRootEntry(k, root, address);
  return address;
}

/** unmap_ldt_struct(): nobody can use it any more. */
function unmapTable(k: Kernel, mm: Mm, { address, pages }: NonNullable<Mm["context"]["ldt"]>): void {
  if (address === k.memory.virt(pages[0]!)) return;
  const tables = pageTables(k);
  pages.forEach((_, i) => {
    const page = address + i * PAGE_SIZE;
    tables.writeEntry(tables.leaf(rowsOf(k, mm).root, page, false)!, 0n);
    flushPage(k, page);
  });
}

/** destroy_context_ldt() and ldt_arch_exit_mmap(), with the address space. */
export function freeLdt(k: Kernel, mm: Mm): void {
  const { ldt } = mm.context;
  if (ldt !== undefined) unmapTable(k, mm, ldt);
  for (const page of ldt?.pages ?? []) freePage(k, page);
  if (!isIsolated(k)) return;
  const { shift, bits } = k.arch.paging.levels[0]!;
  const index = modulo(Math.floor(rowsOf(k, mm).base / 2 ** shift), 2 ** bits);
  for (const table of pageTables(k).tablePages(mm.pgd, index, index)) freePage(k, table);
}

/** refresh_ldt_segments(): registers that hold LDT selectors see the new table; ds and es only, as Linux does. */
function reloadSegments(k: Kernel, cpu: Cpu, task: Task): void {
  const regs = k.userRegs(task);
  if (k.layout.wordSize !== 8) return;
  for (const name of ["ds", "es"] as const) {
    const selector = k.arch.userSegment(k, cpu, regs, name);
    if ((selector & 4) !== 0) k.arch.setUserSegment(k, cpu, regs, name, selector);
  }
}
