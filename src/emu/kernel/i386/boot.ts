/**
 * Boot of the 32-bit kernel: per-CPU areas, cpu_entry_area, GDT, IDT and TSS in guest memory, and the processor's registers as Linux
 * has them when the first program starts. Sources: kernel/cpu/common.c, kernel/idt.c, mm/cpu_entry_area.c, kernel/doublefault_32.c.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { CR0, CR4, EFER, EFLAGS, OFF, SEG } from "../../cpu/layout.ts";
import type { Addr } from "../../cpu/state.ts";
import { XFEATURES } from "../../cpu/system/cpuid-data.ts";
import { loadSegment, loadTr } from "../../cpu/system/segment.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE, VECTORS } from "../layout/linux-6.1.ts";
import { allocContiguous, mustAllocPage, pageTables } from "../mm/pages.ts";
import { PTE } from "../mm/pagetable.ts";
import { ACCESS, flatSegment, interruptGate, perCpuSegment, systemSegment, taskGate } from "./descriptors.ts";
import {
  CPU_ENTRY_AREA,
  cpuEntryArea,
  DOUBLEFAULT_TSS_OFFSET,
  TSS_IO_BITMAP_INVALID,
  TSS_LIMIT,
  TSS_MAPALL_OFFSET,
  TSS_PAGES,
} from "./layout.ts";

/** Vectors with a handler of their own; 1 = INT n of user mode may use it. */
const TRAPS: readonly (readonly [vector: number, symbol: string, user?: 1])[] = [
  [0, "asm_exc_divide_error"],
  [1, "asm_exc_debug"],
  [2, "asm_exc_nmi"],
  [3, "asm_exc_int3", 1],
  [4, "asm_exc_overflow", 1],
  [5, "asm_exc_bounds"],
  [6, "asm_exc_invalid_op"],
  [7, "asm_exc_device_not_available"],
  [9, "asm_exc_coproc_segment_overrun"],
  [10, "asm_exc_invalid_tss"],
  [11, "asm_exc_segment_not_present"],
  [12, "asm_exc_stack_segment"],
  [13, "asm_exc_general_protection"],
  [14, "asm_exc_page_fault"],
  [15, "asm_exc_spurious_interrupt_bug"],
  [16, "asm_exc_coprocessor_error"],
  [17, "asm_exc_alignment_check"],
  [18, "asm_exc_machine_check"],
  [19, "asm_exc_simd_coprocessor_error"],
  [VECTORS.IA32_SYSCALL, "entry_INT80_32", 1],
  [VECTORS.LOCAL_TIMER, "asm_sysvec_apic_timer_interrupt"],
  [VECTORS.RESCHEDULE, "asm_sysvec_reschedule_ipi"],
  [VECTORS.SPURIOUS_APIC, "asm_sysvec_spurious_apic_interrupt"],
];
const DOUBLE_FAULT = 8;
/** Bytes of one stub at irq_entries_start. */
const IRQ_STUB = 16;

const PAGE_KERNEL = PTE.PRESENT | PTE.RW | PTE.ACCESSED | PTE.DIRTY | PTE.GLOBAL | PTE.NX;
const PAGE_KERNEL_RO = PAGE_KERNEL & ~PTE.RW;

export function bootI386(k: Kernel): void {
  const idt = mustAllocPage(k);
  writeIdt(k, idt);
  map(k, k.layout.address.cpuEntryArea, idt, PAGE_KERNEL_RO);
  for (const cpu of k.machine.cpus) {
    setUpMemory(k, cpu);
    setUpRegisters(k, cpu);
  }
}

function map(k: Kernel, addr: Addr, pa: number, flags: bigint): void {
  if (!pageTables(k).map(k.state.mms[0]!.pgd, addr, pa, flags)) throw new Error("not enough guest memory to boot");
}

function writeIdt(k: Kernel, idt: number): void {
  const { __KERNEL_CS = 0 } = k.layout.selectors;
  const gate = (vector: number, value: bigint) => k.memory.writeScalar(k.memory.virt(idt) + vector * 8, 8, value);
  const irqs = k.symbol("irq_entries_start");
  for (let vector: number = VECTORS.FIRST_EXTERNAL; vector < VECTORS.LOCAL_TIMER; vector++) {
    gate(vector, interruptGate(__KERNEL_CS, irqs + (vector - VECTORS.FIRST_EXTERNAL) * IRQ_STUB));
  }
  for (const [vector, symbol, user] of TRAPS) {
    gate(vector, interruptGate(__KERNEL_CS, k.symbol(symbol), user === 1 ? 3 : 0));
  }
  gate(DOUBLE_FAULT, taskGate(k.layout.gdt.DOUBLEFAULT_TSS! * 8));
}

/** The per-CPU area, and the CPU's part of cpu_entry_area, which shows pieces of it at addresses known to the entry code. */
function setUpMemory(k: Kernel, cpu: Cpu): void {
  const { perCpu, perCpuSize } = k.layout;
  const pa = allocContiguous(k, perCpuSize / PAGE_SIZE);
  const area = k.memory.virt(pa);
  const entryArea = cpuEntryArea(cpu.index);
  k.memory.writeScalar(k.symbol("__per_cpu_offset") + cpu.index * 4, 4, BigInt(area));
  k.setPerCpu(cpu, "this_cpu_off", area);
  k.setPerCpu(cpu, "cpu_number", cpu.index);
  k.setPerCpu(cpu, "cpu_entry_area", entryArea);

  map(k, entryArea + CPU_ENTRY_AREA.gdt, pa + perCpu.gdt_page!.offset, PAGE_KERNEL);
  map(k, entryArea + CPU_ENTRY_AREA.entry_stack, mustAllocPage(k), PAGE_KERNEL);
  map(k, entryArea + CPU_ENTRY_AREA.doublefault_stack, pa + perCpu.doublefault_stack!.offset, PAGE_KERNEL);
  for (let page = 0; page < TSS_PAGES * PAGE_SIZE; page += PAGE_SIZE) {
    map(k, entryArea + CPU_ENTRY_AREA.tss + page, pa + perCpu.cpu_tss_rw!.offset + page, PAGE_KERNEL);
  }
  writeGdt(k, area, entryArea);
  writeTss(k, area + perCpu.cpu_tss_rw!.offset, entryArea);
  writeDoubleFaultTss(k, area + perCpu.doublefault_stack!.offset + DOUBLEFAULT_TSS_OFFSET, entryArea);
}

function writeGdt(k: Kernel, area: Addr, entryArea: Addr): void {
  const { gdt } = k.layout;
  const doubleFaultTss = entryArea + CPU_ENTRY_AREA.doublefault_stack + DOUBLEFAULT_TSS_OFFSET;
  const entries: Readonly<Record<string, bigint>> = {
    KERNEL_CS: flatSegment(ACCESS.KERNEL_CODE),
    KERNEL_DS: flatSegment(ACCESS.DATA),
    DEFAULT_USER_CS: flatSegment(ACCESS.USER_CODE),
    DEFAULT_USER_DS: flatSegment(ACCESS.USER_DATA),
    TSS: systemSegment(entryArea + CPU_ENTRY_AREA.tss, TSS_LIMIT, ACCESS.TSS),
    ESPFIX_SS: flatSegment(ACCESS.DATA),
    PERCPU: perCpuSegment(area),
    DOUBLEFAULT_TSS: systemSegment(doubleFaultTss, TSS_LIMIT, ACCESS.TSS),
  };
  const page = area + k.layout.perCpu.gdt_page!.offset;
  for (const [name, value] of Object.entries(entries)) k.memory.writeScalar(page + gdt[name]! * 8, 8, value);
}

function writeTss(k: Kernel, tss: Addr, entryArea: Addr): void {
  const { tss: field, selectors } = k.layout;
  const set = (name: string, value: number) => k.memory.writeField(tss, field[name]!, BigInt(value));
  set("sp0", entryArea + CPU_ENTRY_AREA.entry_stack + PAGE_SIZE);
  set("ss0", selectors.__KERNEL_DS!);
  set("ss1", selectors.__KERNEL_CS!);
  set("io_bitmap_base", TSS_IO_BITMAP_INVALID);
  // the bitmaps end in ones, which the processor may read behind them
  for (const end of [TSS_MAPALL_OFFSET, TSS_LIMIT + 1]) k.memory.writeScalar(tss + end - 4, 4, 0xffff_ffffn);
}

function writeDoubleFaultTss(k: Kernel, tss: Addr, entryArea: Addr): void {
  const { tss: field, selectors } = k.layout;
  const set = (name: string, value: number) => k.memory.writeField(tss, field[name]!, BigInt(value));
  set("ip", k.symbol("asm_exc_double_fault"));
  set("flags", EFLAGS.FIXED);
  set("sp", entryArea + CPU_ENTRY_AREA.doublefault_stack + DOUBLEFAULT_TSS_OFFSET);
  set("cr3", k.state.mms[0]!.pgd);
  set("cs", selectors.__KERNEL_CS!);
  set("ss", selectors.__KERNEL_DS!);
  set("ds", selectors.__USER_DS!);
  set("es", selectors.__USER_DS!);
  set("fs", selectors.__KERNEL_PERCPU!);
  set("io_bitmap_base", TSS_IO_BITMAP_INVALID);
}

function setUpRegisters(k: Kernel, cpu: Cpu): void {
  const { selectors, gdt, gdtEntries, address } = k.layout;
  const entryArea = cpuEntryArea(cpu.index);
  cpu.set64(OFF.CR3, BigInt(k.state.mms[0]!.pgd));
  cpu.set64(OFF.XCR0, BigInt(XFEATURES));
  const smap = k.arch.defines(cpu).X86_FEATURE_SMAP === 1 ? CR4.SMAP : 0;
  cpu.set64(OFF.CR4, BigInt(CR4.PAE | CR4.PSE | CR4.PGE | CR4.MCE | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE | smap));
  cpu.set64(OFF.EFER, BigInt(EFER.NXE));
  cpu.set64(OFF.CR0, BigInt((CR0.PE | CR0.MP | CR0.ET | CR0.NE | CR0.WP | CR0.AM | CR0.PG) >>> 0));
  cpu.setFlagsRaw(EFLAGS.FIXED);
  cpu.setAddr(OFF.GDTR_BASE, entryArea + CPU_ENTRY_AREA.gdt);
  cpu.set32(OFF.GDTR_LIMIT, gdtEntries * 8 - 1);
  cpu.setAddr(OFF.IDTR_BASE, address.cpuEntryArea);
  cpu.set32(OFF.IDTR_LIMIT, 256 * 8 - 1);
  cpu.flushTlb();
  cpu.set32(OFF.CPL, 0);
  cpu.updateMode();
  loadSegment(cpu, SEG.CS, selectors.__KERNEL_CS!);
  cpu.updateMode();
  loadSegment(cpu, SEG.SS, selectors.__KERNEL_DS!);
  for (const seg of [SEG.DS, SEG.ES]) loadSegment(cpu, seg, selectors.__USER_DS!);
  loadSegment(cpu, SEG.FS, selectors.__KERNEL_PERCPU!);
  loadSegment(cpu, SEG.GS, 0);
  loadTr(cpu, gdt.TSS! * 8);
  cpu.set64(OFF.SYSENTER_CS, BigInt(selectors.__KERNEL_CS!));
  cpu.setAddr(OFF.SYSENTER_ESP, entryArea + CPU_ENTRY_AREA.entry_stack + PAGE_SIZE);
  cpu.setAddr(OFF.SYSENTER_EIP, k.symbol("entry_SYSENTER_32"));
  cpu.updateMode();
}
