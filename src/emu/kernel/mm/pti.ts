/**
 * Page table isolation (arch/x86/mm/pti.c): what the user's PGD has of the kernel, and the pairs of pages that PGDs are then. Everything
 * here is only asked where the page tables' format has a user root.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { OFF } from "../../cpu/layout.ts";
import type { Addr } from "../../cpu/state.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { ESPFIX_BASE_ADDR } from "../layout/linux-6.1-64.ts";
import { allocPage, freePage, pageTables } from "./pages.ts";
import { frameOf, PTE, userPgd } from "./pagetable.ts";

export const isIsolated = (k: Kernel): boolean => k.arch.paging.userRoot !== undefined;

/** What entry code must define: the pages between are in every user PGD. */
export const ENTRY_TEXT = ["__entry_text_start", "__entry_text_end"] as const;

/** pgd_alloc(): a zeroed root, or the pair of them; undefined = no memory. */
export function allocPgd(k: Kernel): number | undefined {
  if (!isIsolated(k)) return allocPage(k);
  const { pages } = k.state;
  const old = pages.pgds?.pop();
  if (old !== undefined) {
    k.memory.write(k.memory.virt(old), new Uint8Array(2 * PAGE_SIZE));
    return old;
  }
  // bit 12 tells the two apart, so the first has an even number
  const first = pages.next + (pages.next % 2);
  if (first + 2 > pages.end) return undefined;
  if (first !== pages.next) pages.free.push(pages.next);
  pages.next = first + 2;
  return first * PAGE_SIZE;
}

export function mustAllocPgd(k: Kernel): number {
  const pgd = allocPgd(k);
  if (pgd === undefined) throw new Error("not enough guest memory to boot");
  return pgd;
}

/** Pairs stay pairs, for the next address space. */
export function freePgd(k: Kernel, pgd: number): void {
  if (isIsolated(k)) (k.state.pages.pgds ??= []).push(pgd);
  else freePage(k, pgd);
}

/** The kernel's root of the page tables that a CPU is on. */
export function currentPgd(k: Kernel, cpu: Cpu): number {
  const root = frameOf(cpu.get64(OFF.CR3));
  return isIsolated(k) ? root - (root % (2 * PAGE_SIZE)) : root;
}

/** __default_kernel_pte_mask: under isolation a translation of the kernel's must not outlive its page tables. */
export const kernelPage = (k: Kernel, flags: bigint): bigint => (isIsolated(k) ? flags & ~PTE.GLOBAL : flags);

/** The user's root has the entry for `addr` that the kernel's has. */
export function shareRootEntry(k: Kernel, pgd: number, addr: Addr): void {
  const tables = pageTables(k);
  const at = tables.entryAt(pgd, addr, 0, false)!;
  tables.writeEntry(userPgd(at), tables.read(at));
}

/** pti_init(), once everything that is shared has its place in the kernel's own page tables. */
export function initPti(k: Kernel): void {
  if (!isIsolated(k)) return;
  for (const cpu of k.machine.cpus) cpu.hooks.kernelRoot = () => currentPgd(k, cpu);
  const init = k.state.mms[0]!.pgd;
  shareRootEntry(k, init, k.layout.address.cpuEntryArea);
  shareRootEntry(k, init, ESPFIX_BASE_ADDR);
  for (const cpu of k.machine.cpus) cloneTss(k, cpu);
  cloneEntryText(k);
}

const PAGE_KERNEL = PTE.PRESENT | PTE.RW | PTE.ACCESSED | PTE.DIRTY | PTE.GLOBAL | PTE.NX;

/** SYSCALL switches no stack: until it has, it finds one word of scratch here, at the address that the per-CPU area has. */
function cloneTss(k: Kernel, cpu: Cpu): void {
  const addr = k.perCpuBase(cpu) + k.layout.perCpu.cpu_tss_rw!.offset;
  mapForUser(k, addr, BigInt(k.memory.phys(addr)) | PAGE_KERNEL);
}

function cloneEntryText(k: Kernel): void {
  const tables = pageTables(k);
  const init = k.state.mms[0]!.pgd;
  const [start, end] = ENTRY_TEXT.map((name) => k.symbol(name));
  for (let addr = start!; addr < end!; addr += PAGE_SIZE) {
    const at = tables.leaf(init, addr, false)!;
    const entry = tables.read(at) | PTE.GLOBAL;
    tables.writeEntry(at, entry);
    mapForUser(k, addr, entry);
  }
}

/** A page of the kernel's in tables of the user PGD's own: pti_user_pagetable_walk_pte(). */
function mapForUser(k: Kernel, addr: Addr, entry: bigint): void {
  const tables = pageTables(k);
  const at = tables.leaf(userPgd(k.state.mms[0]!.pgd), addr, true);
  if (at === undefined) throw new Error("not enough guest memory to boot");
  tables.writeEntry(at, entry);
}
