/**
 * espfix64's stacks (arch/x86/kernel/espfix_64.c): a ministack of 64 bytes a CPU, on a physical page mapped 65,536 times. Tables are
 * shared, so that every value of address bits 31:16 leads to the same page; the address that is left has the page number of the
 * stack moved above them.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import type { Addr } from "../../cpu/state.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { ESPFIX_BASE_ADDR, ESPFIX_STACK_SIZE } from "../layout/linux-6.1-64.ts";
import { mustAllocPage, pageTables } from "../mm/pages.ts";
import { frameOf, PTE } from "../mm/pagetable.ts";

const STACKS_PER_PAGE = PAGE_SIZE / ESPFIX_STACK_SIZE;
/** Pages there is address space for: bits 47 less 12 of page offset less 16 of alias, in one root entry of 2^39 bytes. */
export const ESPFIX_PAGE_SPACE = 2 ** (39 - 12 - 16);
export const ESPFIX_MAX_CPUS = STACKS_PER_PAGE * ESPFIX_PAGE_SPACE;
/** Entries of a page table 64 KiB apart. */
const PTE_STRIDE = 65536 / PAGE_SIZE;
const TABLE_ENTRIES = 512;
/** 32 entries a page table, all 512 of a page directory: 4 directory pointers make 65,536. */
const PUD_CLONES = 65536 / ((TABLE_ENTRIES / PTE_STRIDE) * TABLE_ENTRIES);

const TABLE_FLAGS = PTE.PRESENT | PTE.ACCESSED | PTE.DIRTY | PTE.NX;
const STACK_FLAGS = PTE.PRESENT | PTE.ACCESSED | PTE.DIRTY | PTE.GLOBAL | PTE.NX;

/** Where the stacks lie: chosen once, at boot. */
export interface EspfixPlacement {
  readonly pageRandom: number;
  readonly slotRandom: number;
}

/** espfix_base_addr(): the bottom of a CPU's ministack with alias bits 31:16 zero. */
export function espfixBaseAddr(cpu: number, { pageRandom, slotRandom }: EspfixPlacement): Addr {
  const page = Math.floor(cpu / STACKS_PER_PAGE) ^ pageRandom;
  const slot = (cpu + slotRandom) % STACKS_PER_PAGE;
  const packed = page * PAGE_SIZE + slot * ESPFIX_STACK_SIZE;
  const low = packed % 65536;
  return ESPFIX_BASE_ADDR + (packed - low) * 65536 + low;
}

/** init_espfix_bsp() and init_espfix_ap(), where the design has them. */
export function initEspfix(k: Kernel, cpu: Cpu): void {
  if (k.choice.hooks.espfix64 !== true) return;
  const placement = (k.state.espfix ??= {
    slotRandom: k.machine.random.below(STACKS_PER_PAGE),
    pageRandom: k.machine.random.below(ESPFIX_PAGE_SPACE),
    pages: [],
  });
  const addr = espfixBaseAddr(cpu.index, placement);
  const number = Math.floor(cpu.index / STACKS_PER_PAGE);
  const stackPage = (placement.pages[number] ??= mapStackPage(k, addr));
  k.setPerCpu(cpu, "espfix_stack", addr);
  k.setPerCpu(cpu, "espfix_waddr", k.memory.virt(stackPage) + (((addr % PAGE_SIZE) + PAGE_SIZE) % PAGE_SIZE));
}

/** A physical page behind all aliases of `addr`'s page. */
function mapStackPage(k: Kernel, addr: Addr): number {
  const tables = pageTables(k);
  const root = k.state.mms[0]!.pgd;
  const pud = tables.entryAt(root, addr, 1, true)!;
  const pmdTable = sharedTable(k, pud, PUD_CLONES, 8);
  const pmdIndex = indexIn(addr, 21);
  const pteTable = sharedTable(k, pmdTable, TABLE_ENTRIES, 8, pmdIndex);
  const page = mustAllocPage(k);
  const first = indexIn(addr, 12);
  for (let i = 0; i < TABLE_ENTRIES / PTE_STRIDE; i++) {
    tables.writeEntry(pteTable + (first + i * PTE_STRIDE) * 8, BigInt(page) | STACK_FLAGS);
  }
  return page;
}

/** The table that `count` entries from `at` share; made if it is not there. `probe`: which entry to look at. */
function sharedTable(k: Kernel, at: number, count: number, size: number, probe = 0): number {
  const tables = pageTables(k);
  const old = tables.read(at + probe * size);
  if ((old & PTE.PRESENT) !== 0n) return frameOf(old);
  const table = mustAllocPage(k);
  for (let i = 0; i < count; i++) tables.writeEntry(at + i * size, BigInt(table) | TABLE_FLAGS);
  return table;
}

const indexIn = (addr: Addr, shift: number): number => {
  const index = Math.floor(addr / 2 ** shift) % TABLE_ENTRIES;
  return index < 0 ? index + TABLE_ENTRIES : index;
};
