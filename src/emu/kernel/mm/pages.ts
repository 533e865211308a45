/** The physical page allocator: a bump pointer and a stack of pages given back. Deterministic; its state is plain data. */
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { PageTables } from "./pagetable.ts";

const ZEROS = new Uint8Array(PAGE_SIZE);

/** A zeroed page's physical address, or undefined when RAM is used up. */
export function allocPage(k: Kernel): number | undefined {
  const { pages } = k.state;
  const reused = pages.free.pop();
  if (reused !== undefined) {
    k.memory.writePhys(k.memory.who, k.memory.virt(reused * PAGE_SIZE), reused * PAGE_SIZE, ZEROS);
    return reused * PAGE_SIZE;
  }
  if (pages.next < pages.end) return pages.next++ * PAGE_SIZE;
  return pages.low < pages.lowEnd ? pages.low++ * PAGE_SIZE : undefined;
}

/** What the kernel keeps for its own needs, page tables above all (min_free_kbytes). */
const reserve = ({ state }: Kernel): number => 256 + Math.floor(state.pages.available * 0.02);
/** A page for a program: undefined while there is still enough for the kernel. */
export const allocUserPage = (k: Kernel): number | undefined => (freePages(k) > reserve(k) ? allocPage(k) : undefined);

/** For what the kernel cannot go on without, at boot. */
export function mustAllocPage(k: Kernel): number {
  const page = allocPage(k);
  if (page === undefined) throw new Error("not enough guest memory to boot");
  return page;
}

/** Physically contiguous zeroed pages; boot only, before anything is freed. */
export function allocContiguous(k: Kernel, count: number): number {
  const { pages } = k.state;
  if (pages.next + count > pages.end) throw new Error("not enough guest memory to boot");
  const first = pages.next;
  pages.next += count;
  return first * PAGE_SIZE;
}

/** put_page(): a page that others still map stays. */
export function freePage(k: Kernel, pa: number): void {
  const page = pa / PAGE_SIZE;
  const { shared, free } = k.state.pages;
  const others = shared[page] ?? 0;
  if (others > 1) shared[page] = others - 1;
  else if (others === 1) delete shared[page];
  else free.push(page);
}

/** get_page(): one more address space maps it. */
export function sharePage(k: Kernel, pa: number): void {
  const page = pa / PAGE_SIZE;
  k.state.pages.shared[page] = (k.state.pages.shared[page] ?? 0) + 1;
}
export const isShared = (k: Kernel, pa: number): boolean => k.state.pages.shared[pa / PAGE_SIZE] !== undefined;

export function freePages(k: Kernel): number {
  const { free, next, end, low, lowEnd, pgds = [] } = k.state.pages;
  return free.length + 2 * pgds.length + end - next + lowEnd - low;
}
export const totalPages = (k: Kernel): number => Math.floor(k.machine.core.ramSize / PAGE_SIZE);

export const pageTables = (k: Kernel): PageTables => new PageTables(k.memory, k.arch.paging, () => allocPage(k));
