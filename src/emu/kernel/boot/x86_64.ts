/**
 * Boot of the 64-bit kernel's processors: per-CPU areas, cpu_entry_area with GDT, TSS and exception stacks, the IDT, MSRs and control
 * registers, all as Linux has them when the first program starts (kernel/cpu/common.c, kernel/idt.c, mm/cpu_entry_area.c).
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { CR0, CR4, EFER, EFLAGS, OFF, SEG } from "../../cpu/layout.ts";
import { type Addr, addrToBig } from "../../cpu/state.ts";
import { XFEATURES } from "../../cpu/system/cpuid-data.ts";
import { loadSegment, loadTr } from "../../cpu/system/segment.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE, VECTORS } from "../layout/linux-6.1.ts";
import {
  CPU_ENTRY_AREA,
  cpuEntryArea,
  EXCEPTION_STKSZ,
  IST_INDEX,
  SYSCALL_MASK,
  TSS_IO_BITMAP_OFFSET,
  TSS_LIMIT,
  TSS_PAGES,
} from "../layout/linux-6.1-64.ts";
import { allocContiguous, mustAllocPage, pageTables } from "../mm/pages.ts";
import { PTE } from "../mm/pagetable.ts";
import { initPti } from "../mm/pti.ts";
import { packDescriptor, packGate64, upperDescriptor } from "../x86/descriptors.ts";
import { bootEspfix } from "./espfix.ts";

/** Vectors with a handler of their own. ist: index in TSS.ist. dpl 3: INT n of user mode may use it. */
const TRAPS: readonly (readonly [vector: number, symbol: string, options?: { ist?: number; dpl?: 3 }])[] = [
  [0, "asm_exc_divide_error"],
  [1, "asm_exc_debug", { ist: IST_INDEX.DB }],
  [2, "asm_exc_nmi", { ist: IST_INDEX.NMI }],
  [3, "asm_exc_int3", { dpl: 3 }],
  [4, "asm_exc_overflow", { dpl: 3 }],
  [5, "asm_exc_bounds"],
  [6, "asm_exc_invalid_op"],
  [7, "asm_exc_device_not_available"],
  [8, "asm_exc_double_fault", { ist: IST_INDEX.DF }],
  [9, "asm_exc_coproc_segment_overrun"],
  [10, "asm_exc_invalid_tss"],
  [11, "asm_exc_segment_not_present"],
  [12, "asm_exc_stack_segment"],
  [13, "asm_exc_general_protection"],
  [14, "asm_exc_page_fault"],
  [15, "asm_exc_spurious_interrupt_bug"],
  [16, "asm_exc_coprocessor_error"],
  [17, "asm_exc_alignment_check"],
  [18, "asm_exc_machine_check", { ist: IST_INDEX.MCE }],
  [19, "asm_exc_simd_coprocessor_error"],
  [VECTORS.LOCAL_TIMER, "asm_sysvec_apic_timer_interrupt"],
  [VECTORS.RESCHEDULE, "asm_sysvec_reschedule_ipi"],
  [VECTORS.SPURIOUS_APIC, "asm_sysvec_spurious_apic_interrupt"],
];
/** Bytes of one stub at irq_entries_start. */
const IRQ_STUB = 16;
export const PAGE_KERNEL = PTE.PRESENT | PTE.RW | PTE.ACCESSED | PTE.DIRTY | PTE.GLOBAL | PTE.NX;
export const PAGE_KERNEL_RO = PAGE_KERNEL & ~PTE.RW;

export function bootX86_64(k: Kernel): void {
  const idt = mustAllocPage(k);
  writeIdt(k, idt);
  mapKernel(k, k.layout.address.cpuEntryArea, idt, PAGE_KERNEL_RO);
  const root = k.state.mms[0]!.pgd;
  // the root entry must exist before address spaces copy it
  pageTables(k).entryAt(root, k.layout.address.ldtArea, 1, true);
  for (const cpu of k.machine.cpus) {
    setUpMemory(k, cpu);
    bootEspfix(k, cpu);
    setUpRegisters(k, cpu);
  }
  initPti(k);
}

export function mapKernel(k: Kernel, addr: Addr, pa: number, flags: bigint): void {
  if (!pageTables(k).map(k.state.mms[0]!.pgd, addr, pa, flags)) throw new Error("not enough guest memory to boot");
}

function writeIdt(k: Kernel, idt: number): void {
  const { __KERNEL_CS = 0 } = k.layout.selectors;
  const gate = (vector: number, target: Addr, ist: number, dpl: number) => {
    packGate64(target, __KERNEL_CS, ist, dpl).forEach((half, i) => {
      k.memory.writeScalar(k.memory.virt(idt) + vector * 16 + i * 8, 8, half);
    });
  };
  const irqs = k.symbol("irq_entries_start");
  for (let vector: number = VECTORS.FIRST_EXTERNAL; vector < VECTORS.LOCAL_TIMER; vector++) {
    gate(vector, irqs + (vector - VECTORS.FIRST_EXTERNAL) * IRQ_STUB, 0, 0);
  }
  for (const [vector, symbol, options] of TRAPS) {
    gate(vector, k.symbol(symbol), options?.ist === undefined ? 0 : options.ist + 1, options?.dpl ?? 0);
  }
  gate(VECTORS.IA32_SYSCALL, k.symbol(k.choice.hooks.compatEntries!.int80), 0, 3);
}

/** The per-CPU area, and the CPU's part of cpu_entry_area, which shows pieces of it at addresses user mode cannot move. */
function setUpMemory(k: Kernel, cpu: Cpu): void {
  const { perCpu, perCpuSize } = k.layout;
  const pa = allocContiguous(k, perCpuSize / PAGE_SIZE);
  const area = k.memory.virt(pa);
  const entryArea = cpuEntryArea(cpu.index);
  k.memory.writeScalar(k.symbol("__per_cpu_offset") + cpu.index * 8, 8, addrToBig(area));
  k.setPerCpu(cpu, "cpu_number", cpu.index);
  k.setPerCpu(cpu, "stack_canary", BigInt(k.machine.random.next32()) << 8n);

  const gdt = mustAllocPage(k);
  writeGdt(k, cpu, k.memory.virt(gdt), entryArea);
  k.setPerCpu(cpu, "gdt_page", k.memory.virt(gdt));
  mapKernel(k, entryArea + CPU_ENTRY_AREA.gdt, gdt, PAGE_KERNEL_RO);
  mapKernel(k, entryArea + CPU_ENTRY_AREA.entry_stack, mustAllocPage(k), PAGE_KERNEL);
  const tss = perCpu.cpu_tss_rw!.offset;
  for (let at = 0; at < TSS_PAGES * PAGE_SIZE; at += PAGE_SIZE) {
    mapKernel(k, entryArea + CPU_ENTRY_AREA.tss + at, pa + tss + at, PAGE_KERNEL_RO);
  }
  for (const name of ["DF", "NMI", "DB", "MCE"] as const) {
    for (let at = 0; at < EXCEPTION_STKSZ; at += PAGE_SIZE) {
      mapKernel(k, entryArea + CPU_ENTRY_AREA[`${name}_stack`] + at, mustAllocPage(k), PAGE_KERNEL);
    }
  }
  writeTss(k, area + tss, entryArea);
}

/** Descriptor flags: granularity, default size, long. */
const G = 8;
const DB = 4;
const L = 2;
/** All with the accessed bit set: the processor must never want to write to the read-only GDT. */
const ACCESS = {
  KERNEL_CODE: 0x9b,
  KERNEL_DATA: 0x93,
  USER_CODE: 0xfb,
  USER_DATA: 0xf3,
  LIMIT_ONLY: 0xf5,
  TSS: 0x89,
} as const;
const FLAT = 0xf_ffff;

function writeGdt(k: Kernel, cpu: Cpu, gdt: Addr, entryArea: Addr): void {
  const index = k.layout.gdt;
  const set = (entry: number, value: bigint) => k.memory.writeScalar(gdt + entry * 8, 8, value);
  const flat = (access: number, flags: number) => packDescriptor({ base: 0, limit: FLAT, access, flags });
  set(index.KERNEL32_CS!, flat(ACCESS.KERNEL_CODE, G | DB));
  set(index.KERNEL_CS!, flat(ACCESS.KERNEL_CODE, G | L));
  set(index.KERNEL_DS!, flat(ACCESS.KERNEL_DATA, G | DB));
  set(index.DEFAULT_USER32_CS!, flat(ACCESS.USER_CODE, G | DB));
  set(index.DEFAULT_USER_DS!, flat(ACCESS.USER_DATA, G | DB));
  set(index.DEFAULT_USER_CS!, flat(ACCESS.USER_CODE, G | L));
  const tss = entryArea + CPU_ENTRY_AREA.tss;
  set(index.TSS!, packDescriptor({ base: tss | 0, limit: TSS_LIMIT, access: ACCESS.TSS, flags: 0 }));
  set(index.TSS! + 1, upperDescriptor(tss));
  // LSL on it gives the CPU number, from user mode too
  set(index.CPUNODE!, packDescriptor({ base: 0, limit: cpu.index, access: ACCESS.LIMIT_ONLY, flags: DB }));
}

function writeTss(k: Kernel, tss: Addr, entryArea: Addr): void {
  const set = (name: string, value: Addr) => k.memory.writeField(tss, k.layout.tss[name]!, BigInt(value));
  set("sp0", entryArea + CPU_ENTRY_AREA.entry_stack + PAGE_SIZE);
  for (const name of ["DF", "NMI", "DB", "MCE"] as const) {
    set(`ist${IST_INDEX[name] + 1}`, entryArea + CPU_ENTRY_AREA[`${name}_stack`] + EXCEPTION_STKSZ);
  }
  // no bitmap within the limit; both bitmaps end in ones, which the processor may read behind them
  set("io_bitmap_base", TSS_LIMIT + 1);
  for (const end of [TSS_IO_BITMAP_OFFSET + 8192, TSS_LIMIT + 1 - 8])
    k.memory.writeScalar(tss + end, 8, 0xffff_ffff_ffff_ffffn);
}

function setUpRegisters(k: Kernel, cpu: Cpu): void {
  const { selectors, gdt, gdtEntries, address } = k.layout;
  const entryArea = cpuEntryArea(cpu.index);
  const features = k.arch.defines(cpu);
  const optional = (name: string, bit: number) => (features[name] === 1 ? bit : 0);
  cpu.set64(OFF.CR3, BigInt(k.state.mms[0]!.pgd));
  const always = CR4.PAE | CR4.PGE | CR4.MCE | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE;
  cpu.set64(OFF.XCR0, BigInt(XFEATURES));
  cpu.set64(
    OFF.CR4,
    BigInt(
      always |
        optional("X86_FEATURE_FSGSBASE", CR4.FSGSBASE) |
        optional("X86_FEATURE_SMEP", CR4.SMEP) |
        optional("X86_FEATURE_SMAP", CR4.SMAP),
    ),
  );
  cpu.set64(OFF.EFER, BigInt(EFER.SCE | EFER.LME | EFER.LMA | EFER.NXE));
  cpu.set64(OFF.CR0, BigInt((CR0.PE | CR0.MP | CR0.ET | CR0.NE | CR0.WP | CR0.AM | CR0.PG) >>> 0));
  cpu.setFlagsRaw(EFLAGS.FIXED);
  cpu.setAddr(OFF.GDTR_BASE, entryArea + CPU_ENTRY_AREA.gdt);
  cpu.set32(OFF.GDTR_LIMIT, gdtEntries * 8 - 1);
  cpu.setAddr(OFF.IDTR_BASE, address.cpuEntryArea);
  cpu.set32(OFF.IDTR_LIMIT, 256 * 16 - 1);
  cpu.flushTlb();
  cpu.set32(OFF.CPL, 0);
  cpu.updateMode();
  loadSegment(cpu, SEG.CS, selectors.__KERNEL_CS!);
  cpu.updateMode();
  loadSegment(cpu, SEG.SS, selectors.__KERNEL_DS!);
  for (const seg of [SEG.DS, SEG.ES, SEG.FS, SEG.GS]) loadSegment(cpu, seg, 0);
  loadTask(k, cpu, gdt.TSS! * 8);
  cpu.setAddr(OFF.SEG + SEG.GS * 0x40 + 0x10, k.perCpuBase(cpu));
  setUpMsrs(k, cpu, entryArea);
  cpu.updateMode();
}

/** LTR marks the descriptor busy, so it needs the writable GDT for a moment: native_load_tr_desc(). */
function loadTask(k: Kernel, cpu: Cpu, selector: number): void {
  const readOnly = cpu.getAddr(OFF.GDTR_BASE);
  cpu.setAddr(OFF.GDTR_BASE, Number(BigInt.asIntN(64, k.perCpu(cpu, "gdt_page"))));
  loadTr(cpu, selector);
  cpu.setAddr(OFF.GDTR_BASE, readOnly);
}

function setUpMsrs(k: Kernel, cpu: Cpu, entryArea: Addr): void {
  const { __USER32_CS = 0, __KERNEL_CS = 0 } = k.layout.selectors;
  cpu.set64(OFF.STAR, (BigInt(__USER32_CS) << 48n) | (BigInt(__KERNEL_CS) << 32n));
  const { cstar, sysenter } = k.choice.hooks.compatEntries!;
  cpu.setAddr(OFF.LSTAR, k.symbol("entry_SYSCALL_64"));
  cpu.setAddr(OFF.CSTAR, k.symbol(cstar));
  cpu.set64(OFF.SFMASK, BigInt(SYSCALL_MASK));
  cpu.set64(OFF.SYSENTER_CS, BigInt(__KERNEL_CS));
  cpu.setAddr(OFF.SYSENTER_ESP, entryArea + CPU_ENTRY_AREA.entry_stack + PAGE_SIZE);
  cpu.setAddr(OFF.SYSENTER_EIP, k.symbol(sysenter));
  cpu.set64(OFF.KERNEL_GS_BASE, 0n);
  cpu.set64(OFF.TSC_AUX, BigInt(cpu.index));
}
