/**
 * espfix64's stacks (arch/x86/kernel/espfix_64.c): a ministack a CPU, on a physical page mapped 65,536 times. Tables are shared, so
 * that every value of address bits 31:16 leads to the same page; the address that is left has the page number of the stack moved
 * above them. Who sets them up and when is a design; what was done is kept in the order in which it was.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import type { Addr } from "../../cpu/state.ts";
import type { Espfix64 } from "../designs/designs.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { ESPFIX_BASE_ADDR } from "../layout/linux-6.1-64.ts";
import { modulo } from "../memory.ts";
import { mustAllocPage, pageTables } from "../mm/pages.ts";
import { frameOf, PTE } from "../mm/pagetable.ts";
import type { KernelState } from "../state.ts";

/** Pages there is address space for: bits 47 less 12 of page offset less 16 of alias, in one root entry of 2^39 bytes. */
export const ESPFIX_PAGE_SPACE = 2 ** (39 - 12 - 16);
export const espfixMaxCpus = (stackSize: number): number => (PAGE_SIZE / stackSize) * ESPFIX_PAGE_SPACE;
/** Entries of a page table 64 KiB apart. */
const PTE_STRIDE = 65536 / PAGE_SIZE;
const TABLE_ENTRIES = 512;
/** 32 entries a page table, all 512 of a page directory: 4 directory pointers make 65,536. */
const PUD_CLONES = 65536 / ((TABLE_ENTRIES / PTE_STRIDE) * TABLE_ENTRIES);

const TABLE_FLAGS = PTE.PRESENT | PTE.ACCESSED | PTE.DIRTY | PTE.NX;
const STACK_FLAGS = PTE.PRESENT | PTE.ACCESSED | PTE.DIRTY | PTE.GLOBAL | PTE.NX;

/** Where the stacks lie: chosen once. */
export interface EspfixPlacement {
  readonly pageRandom: number;
  readonly slotRandom: number;
}

/** Stacks of this many CPUs share a page. */
const perPage = (stackSize: number): number => PAGE_SIZE / stackSize;

/** espfix_base_addr(): the bottom of a CPU's ministack with alias bits 31:16 zero. */
export function espfixBaseAddr(cpu: number, { pageRandom, slotRandom }: EspfixPlacement, stackSize: number): Addr {
  const page = Math.floor(cpu / perPage(stackSize)) ^ pageRandom;
  const slot = (cpu + slotRandom) % perPage(stackSize);
  const packed = page * PAGE_SIZE + slot * stackSize;
  const low = packed % 65536;
  return ESPFIX_BASE_ADDR + (packed - low) * 65536 + low;
}

/** The root entry must be there before address spaces copy it, whoever fills in the rest. */
export function bootEspfix(k: Kernel, cpu: Cpu): void {
  const { espfix64, espfixInit } = k.choice.hooks;
  if (espfix64 === undefined) return;
  pageTables(k).entryAt(k.state.mms[0]!.pgd, ESPFIX_BASE_ADDR, 1, true);
  if (espfixInit?.when === "boot") initEspfix(k, cpu, "boot");
}

/** An LDT is about to be loaded: nobody can have an LDT stack segment before. */
export function ldtEspfix(k: Kernel, cpu: Cpu): void {
  const { espfix64, espfixInit } = k.choice.hooks;
  if (espfix64 !== undefined && espfixInit !== undefined && espfixInit.when !== "boot")
    initEspfix(k, cpu, espfixInit.when);
}

function initEspfix(k: Kernel, cpu: Cpu, when: string): void {
  const { tables, known } = k.choice.hooks.espfixInit!;
  if (known === "flag") {
    if (k.state.espfix !== undefined) return;
  } else if (k.perCpu(cpu, "espfix_stack") !== 0n) return;
  for (const each of tables === "all" ? k.machine.cpus : [cpu]) initCpu(k, each, when);
}

/** init_espfix_ap(): one CPU's part, and the page it shares with others if it is the first of them. */
function initCpu(k: Kernel, cpu: Cpu, when: string): void {
  const { espfix64, espfixInit } = k.choice.hooks;
  const { stackSize } = espfix64!;
  const state = (k.state.espfix ??= place(k, espfix64!));
  const addr = espfixBaseAddr(cpu.index, state, stackSize);
  const number = Math.floor(cpu.index / perPage(stackSize));
  const there = espfixInit!.known === "probe" ? pageAt(k, addr) : state.pages[number];
  const page = there ?? mapStackPage(k, addr, espfix64!.writable);
  state.pages[number] = page;
  if (there === undefined) note(k, state, cpu, { when, step: "page tables", address: addr });
  k.setPerCpu(cpu, "espfix_stack", addr);
  k.setPerCpu(cpu, "espfix_waddr", k.memory.virt(page) + modulo(addr, PAGE_SIZE));
  note(k, state, cpu, { when, step: "stack", address: addr });
}

type EspfixState = NonNullable<KernelState["espfix"]>;

function note(k: Kernel, state: EspfixState, cpu: Cpu, what: { when: string; step: string; address: Addr }): void {
  state.log.push({ cpu: cpu.index, ...what });
  const address = `0x${BigInt.asUintN(64, BigInt(what.address)).toString(16)}`;
  k.machine.events.emit("espfix-init", cpu.index, { ...what, address });
}

const place = (k: Kernel, { random, stackSize }: Espfix64): EspfixState => ({
  slotRandom: random ? k.machine.random.below(perPage(stackSize)) : 0,
  pageRandom: random ? k.machine.random.below(ESPFIX_PAGE_SPACE) : 0,
  pages: [],
  log: [],
});

/** espfix_already_there(): the page that the tables lead to. */
function pageAt(k: Kernel, addr: Addr): number | undefined {
  const entry = pageTables(k).lookup(k.state.mms[0]!.pgd, addr);
  return (entry & PTE.PRESENT) === 0n ? undefined : frameOf(entry);
}

/** A physical page behind all aliases of `addr`'s page. */
function mapStackPage(k: Kernel, addr: Addr, writable: boolean): number {
  const tables = pageTables(k);
  const root = k.state.mms[0]!.pgd;
  const pud = tables.entryAt(root, addr, 1, true)!;
  const right = writable ? PTE.RW : 0n;
  const pmdTable = sharedTable(k, { at: pud, count: PUD_CLONES, probe: 0 }, TABLE_FLAGS | right);
  const pteTable = sharedTable(
    k,
    { at: pmdTable, count: TABLE_ENTRIES, probe: indexIn(addr, 21) },
    TABLE_FLAGS | right,
  );
  const page = mustAllocPage(k);
  const first = indexIn(addr, 12);
  for (let i = 0; i < TABLE_ENTRIES / PTE_STRIDE; i++) {
    tables.writeEntry(pteTable + (first + i * PTE_STRIDE) * 8, BigInt(page) | STACK_FLAGS | right);
  }
  return page;
}

/** `count` entries from physical address `at` on that share one table; `probe`: which of them to look at. */
interface Sharing {
  readonly at: number;
  readonly count: number;
  readonly probe: number;
}

/** The table that they share; made if it is not there. */
function sharedTable(k: Kernel, { at, count, probe }: Sharing, flags: bigint): number {
  const tables = pageTables(k);
  const old = tables.read(at + probe * 8);
  if ((old & PTE.PRESENT) !== 0n) return frameOf(old);
  const table = mustAllocPage(k);
  for (let i = 0; i < count; i++) tables.writeEntry(at + i * 8, BigInt(table) | flags);
  return table;
}

const indexIn = (addr: Addr, shift: number): number => {
  const index = Math.floor(addr / 2 ** shift) % TABLE_ENTRIES;
  return index < 0 ? index + TABLE_ENTRIES : index;
};
