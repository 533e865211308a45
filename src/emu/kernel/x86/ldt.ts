/** The LDT of an address space, in guest memory: one page from the page allocator, or several mapped in a row (kernel/ldt.c). */
import type { Cpu } from "../../cpu/cpu.ts";
import type { Addr } from "../../cpu/state.ts";
import { raiseIrq } from "../irq.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE, VECTORS } from "../layout/linux-6.1.ts";
import { allocPage, freePage, pageTables } from "../mm/pages.ts";
import { PTE } from "../mm/pagetable.ts";
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
  const address = pages.length === 1 ? k.memory.virt(pages[0]!) : mapRow(k, mm, pages);
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
  const address = pages.length === 1 ? k.memory.virt(pages[0]!) : mapRow(k, to, pages);
  k.memory.write(address, k.memory.read(old.address, old.entries * 8));
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

/** Each address space has room for two tables in the kernel's mappings: the one in use and the one that replaces it. */
function mapRow(k: Kernel, mm: Mm, pages: readonly number[]): Addr {
  const base = k.layout.address.ldtArea + mm.id * 2 * LDT_BYTES;
  const address = mm.context.ldt?.address === base ? base + LDT_BYTES : base;
  pages.forEach((page, i) => {
    pageTables(k).map(k.state.mms[0]!.pgd, address + i * PAGE_SIZE, page, KERNEL_PAGE);
  });
  // the place may have been another table's before
  for (const cpu of k.machine.cpus) cpu.flushTlbNonGlobal();
  return address;
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
