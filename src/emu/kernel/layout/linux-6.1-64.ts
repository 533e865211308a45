/**
 * The 64-bit kernel of the preset linux-6.1: 4-level paging, KASLR off, SMP, FSGSBASE used where the processor has it.
 * Offsets that Linux leaves to the linker or the configuration (the per-CPU area, task_struct past thread_info) are our choice.
 */
import { EFLAGS } from "../../cpu/layout.ts";
import type { Addr } from "../../cpu/state.ts";
import { E, MAX_ERRNO } from "../abi/errno.ts";
import { AUDIT_ARCH } from "../abi/ptrace.ts";
import { syscallMax, X32_SYSCALL_BIT } from "../abi/syscalls.ts";
import { EXIT_WORK, PAGE_SIZE, PT_REGS_64, SYSCALL_WORK, TIF, TS, VECTORS, WORK } from "./linux-6.1.ts";
import { EX_TYPE_DEFINES, type FieldMap, type KernelLayout, userCopyLayout } from "./types.ts";

/** struct x86_hw_tss: a packed structure that starts with a reserved u32. */
const tss: FieldMap = {
  sp0: { offset: 4, size: 8 },
  sp1: { offset: 12, size: 8 },
  sp2: { offset: 20, size: 8 },
  ist1: { offset: 36, size: 8 },
  ist2: { offset: 44, size: 8 },
  ist3: { offset: 52, size: 8 },
  ist4: { offset: 60, size: 8 },
  ist5: { offset: 68, size: 8 },
  io_bitmap_base: { offset: 102, size: 2 },
};
/** struct tss_struct: the hardware part, the task's I/O bitmap with its bookkeeping, and a bitmap that allows all. */
export const TSS_IO_BITMAP_OFFSET = 0x68 + 16;
export const TSS_PAGES = 5;
/** __KERNEL_TSS_LIMIT: up to the byte of ones after the second bitmap. */
export const TSS_LIMIT = TSS_IO_BITMAP_OFFSET + 2 * (8192 + 8) - 1;

/** Stack numbers in TSS.ist, counted from 0 as in asm/page_64_types.h; a gate's IST field is one more. */
export const IST_INDEX = { DF: 0, NMI: 1, DB: 2, MCE: 3 } as const;
export const EXCEPTION_STKSZ = 2 * PAGE_SIZE;

const GDT = {
  KERNEL32_CS: 1,
  KERNEL_CS: 2,
  KERNEL_DS: 3,
  DEFAULT_USER32_CS: 4,
  DEFAULT_USER_DS: 5,
  DEFAULT_USER_CS: 6,
  TSS: 8,
  LDT: 10,
  TLS_MIN: 12,
  TLS_MAX: 14,
  CPUNODE: 15,
} as const;

const selectors = {
  __KERNEL32_CS: GDT.KERNEL32_CS * 8,
  __KERNEL_CS: GDT.KERNEL_CS * 8,
  __KERNEL_DS: GDT.KERNEL_DS * 8,
  __USER32_CS: GDT.DEFAULT_USER32_CS * 8 + 3,
  __USER32_DS: GDT.DEFAULT_USER_DS * 8 + 3,
  __USER_DS: GDT.DEFAULT_USER_DS * 8 + 3,
  __USER_CS: GDT.DEFAULT_USER_CS * 8 + 3,
  __CPUNODE_SEG: GDT.CPUNODE * 8 + 3,
} as const;

/** The per-CPU area; its base is GS in the kernel. Page 1 on holds the TSS, after it the exception stacks' memory. */
const perCpu: FieldMap = {
  fixed_percpu_data: { offset: 0, size: 8 },
  stack_canary: { offset: 40, size: 8 },
  cpu_current_top_of_stack: { offset: 64, size: 8 },
  current_task: { offset: 72, size: 8 },
  cpu_number: { offset: 80, size: 4 },
  __preempt_count: { offset: 84, size: 4 },
  espfix_stack: { offset: 88, size: 8 },
  espfix_waddr: { offset: 96, size: 8 },
  /** The writable address of this CPU's GDT. */
  gdt_page: { offset: 104, size: 8 },
  /** context_tracking.state. */
  context_tracking: { offset: 112, size: 4 },
  cpu_tss_rw: { offset: PAGE_SIZE, size: 8 },
};

/** struct cpu_entry_area of one CPU: offsets of its parts. Each guard is an unmapped page. */
const stackAt = (index: number): number =>
  PAGE_SIZE * (2 + TSS_PAGES) + index * (PAGE_SIZE + EXCEPTION_STKSZ) + PAGE_SIZE;
export const CPU_ENTRY_AREA = {
  gdt: 0,
  entry_stack: PAGE_SIZE,
  tss: 2 * PAGE_SIZE,
  DF_stack: stackAt(IST_INDEX.DF),
  NMI_stack: stackAt(IST_INDEX.NMI),
  DB_stack: stackAt(IST_INDEX.DB),
  MCE_stack: stackAt(IST_INDEX.MCE),
  /** VC and VC2 stacks, the guard at the top and the debug store keep their address space though nothing is mapped there. */
  size: stackAt(6) + 33 * PAGE_SIZE,
} as const;

/** PGD slot -4: the read-only IDT, then the areas of the CPUs. */
export const CPU_ENTRY_AREA_BASE: Addr = -4 * 2 ** 39;
export const cpuEntryArea = (cpu: number): Addr => CPU_ENTRY_AREA_BASE + PAGE_SIZE + cpu * CPU_ENTRY_AREA.size;

/** VMALLOC_START. */
const VMALLOC_START: Addr = -0x3700_0000_0000;
const PGDIR_SHIFT = 39;
const LDT_PGD_ENTRY = -240;
/** PGD slot -2. */
export const ESPFIX_PGD_ENTRY = -2;
export const ESPFIX_BASE_ADDR: Addr = ESPFIX_PGD_ENTRY * 2 ** PGDIR_SHIFT;

export const MAX_CPUS = 8;
const THREAD_SIZE = 4 * PAGE_SIZE;
/** task_struct's thread.sp, past thread_info. */
export const TASK_THREADSP = 64;
/** The second page of task_struct is the kernel's side of user copies, where Linux has its page cache, pipes and stack. */
const USER_COPY = userCopyLayout(8, 128, { offset: PAGE_SIZE, size: PAGE_SIZE });
const threadInfo: FieldMap = {
  flags: { offset: 0, size: 8 },
  syscall_work: { offset: 8, size: 8 },
  status: { offset: 16, size: 4 },
  cpu: { offset: 20, size: 4 },
};

/** Bits of RFLAGS that SYSCALL clears, as syscall_init programs MSR_SYSCALL_MASK. */
export const SYSCALL_MASK =
  EFLAGS.CF |
  EFLAGS.PF |
  EFLAGS.AF |
  EFLAGS.ZF |
  EFLAGS.SF |
  EFLAGS.TF |
  EFLAGS.IF |
  EFLAGS.DF |
  EFLAGS.OF |
  EFLAGS.IOPL |
  EFLAGS.NT |
  EFLAGS.RF |
  EFLAGS.AC |
  EFLAGS.ID;

const upper = (prefix: string, map: FieldMap): Record<string, number> =>
  Object.fromEntries(Object.entries(map).map(([name, field]) => [prefix + name, field.offset]));

const regOffsets = Object.fromEntries(
  Object.entries(PT_REGS_64.map).map(([name, field]) => [REG_NAME(name), field.offset]),
);
/** entry code's names for pt_regs offsets: RAX, R11, EFLAGS, ... */
function REG_NAME(name: string): string {
  if (name === "flags") return "EFLAGS";
  if (name === "orig_ax") return "ORIG_RAX";
  if (name === "cs" || name === "ss" || name.startsWith("r")) return name.toUpperCase();
  return `R${name.toUpperCase()}`;
}

export const LINUX_6_1_64: KernelLayout = {
  name: "linux-6.1",
  arch: "x86_64",
  wordSize: 8,
  tif: TIF,
  syscallWork: SYSCALL_WORK,
  status: TS,
  work: WORK,
  exitWork: EXIT_WORK,
  threadInfo,
  taskStructSize: 2 * PAGE_SIZE,
  userCopy: USER_COPY.userCopy,
  ptRegs: PT_REGS_64.map,
  ptRegsSize: PT_REGS_64.size,
  threadSize: THREAD_SIZE,
  stackPadding: 0,
  perCpu,
  perCpuSize: PAGE_SIZE * (1 + TSS_PAGES),
  tss,
  ioBitmap: { offset: TSS_IO_BITMAP_OFFSET, mapAll: TSS_IO_BITMAP_OFFSET + 8192 + 8, invalid: TSS_LIMIT + 1 },
  gdt: GDT,
  gdtEntries: 16,
  selectors,
  address: {
    pageOffset: -0x7780_0000_0000,
    text: -0x7f00_0000,
    textPhysical: 0x100_0000,
    cpuEntryArea: CPU_ENTRY_AREA_BASE,
    ldtArea: VMALLOC_START,
    ldtRemap: LDT_PGD_ENTRY * 2 ** PGDIR_SHIFT,
    taskSizeMax: 0x7fff_ffff_f000,
    mmapMinAddr: 0x1_0000,
  },
  defines: {
    ...selectors,
    ...regOffsets,
    PTREGS_SIZE: PT_REGS_64.size,
    ...upper("PER_CPU_", perCpu),
    ...upper("TSS_", tss),
    ...upper("TI_", threadInfo),
    THREAD_SIZE,
    EXCEPTION_STKSZ,
    PGDIR_SHIFT,
    ESPFIX_PGD_ENTRY,
    TASK_threadsp: TASK_THREADSP,
    ...USER_COPY.defines,
    ...EX_TYPE_DEFINES,
    NR_CPUS: MAX_CPUS,
    VDSO_CPUNODE_MASK: 0xfff,
    EFAULT: E.EFAULT,
    ENOSYS: E.ENOSYS,
    MAX_ERRNO,
    AUDIT_ARCH_X86_64: AUDIT_ARCH.X86_64,
    AUDIT_ARCH_I386: AUDIT_ARCH.I386,
    MSR_GS_BASE: 0xc0000101,
    X86_EFLAGS_FIXED: EFLAGS.FIXED,
    X86_EFLAGS_IF_BIT: Math.log2(EFLAGS.IF),
    X32_SYSCALL_BIT: Math.log2(X32_SYSCALL_BIT),
    NR_SYSCALL_MAX: syscallMax("x86_64", "x32"),
    IA32_NR_SYSCALL_MAX: syscallMax("i386"),
    X86_EFLAGS_TF: EFLAGS.TF,
    X86_EFLAGS_DF: EFLAGS.DF,
    X86_EFLAGS_NT: EFLAGS.NT,
    X86_EFLAGS_RF: EFLAGS.RF,
    X86_EFLAGS_AC: EFLAGS.AC,
    X86_TRAP_BP: 3,
    FIRST_EXTERNAL_VECTOR: VECTORS.FIRST_EXTERNAL,
    LOCAL_TIMER_VECTOR: VECTORS.LOCAL_TIMER,
  },
};
