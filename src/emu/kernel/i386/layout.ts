/**
 * The 32-bit kernel of the preset linux-6.1: PAE, SMP, CONFIG_VM86, no KPTI. Numbers from asm/segment.h, asm/processor.h,
 * asm/cpu_entry_area.h, asm/thread_info.h, asm/page_32_types.h. Where Linux leaves an offset to the linker or the configuration (the
 * per-CPU area, task_struct past thread_info, the fixmap) it is our choice.
 */
import { EFLAGS } from "../../cpu/layout.ts";
import type { Addr } from "../../cpu/state.ts";
import { EXIT_WORK, PAGE_SIZE, PT_REGS_32, SYSCALL_WORK, TIF, TS, VECTORS, WORK } from "../layout/linux-6.1.ts";
import { EX_TYPE_DEFINES, type FieldMap, fields, type KernelLayout, userCopyLayout } from "../layout/types.ts";

const MAX_CPUS = 8;
const THREAD_SIZE = 2 * PAGE_SIZE;
/** Room above pt_regs: v8086 mode's four segment registers. */
const TOP_OF_KERNEL_STACK_PADDING = 16;

/** struct x86_hw_tss: selectors are the lower half of a dword. */
const tss: FieldMap = {
  back_link: { offset: 0, size: 2 },
  sp0: { offset: 4, size: 4 },
  ss0: { offset: 8, size: 2 },
  /** Top of the current task's stack; ring 1 is not used. */
  sp1: { offset: 12, size: 4 },
  /** What MSR_IA32_SYSENTER_CS holds. */
  ss1: { offset: 16, size: 2 },
  sp2: { offset: 20, size: 4 },
  ss2: { offset: 24, size: 2 },
  cr3: { offset: 28, size: 4 },
  ip: { offset: 32, size: 4 },
  flags: { offset: 36, size: 4 },
  ax: { offset: 40, size: 4 },
  cx: { offset: 44, size: 4 },
  dx: { offset: 48, size: 4 },
  bx: { offset: 52, size: 4 },
  sp: { offset: 56, size: 4 },
  bp: { offset: 60, size: 4 },
  si: { offset: 64, size: 4 },
  di: { offset: 68, size: 4 },
  es: { offset: 72, size: 2 },
  cs: { offset: 76, size: 2 },
  ss: { offset: 80, size: 2 },
  ds: { offset: 84, size: 2 },
  fs: { offset: 88, size: 2 },
  gs: { offset: 92, size: 2 },
  ldt: { offset: 96, size: 2 },
  trace: { offset: 100, size: 2 },
  io_bitmap_base: { offset: 102, size: 2 },
};
export const TSS_SIZE = 104;
/** struct tss_struct: the hardware part, x86_io_bitmap's bookkeeping (12 bytes), the task's bitmap, and one that allows all. */
export const TSS_IO_BITMAP_OFFSET = TSS_SIZE + 12;
const IO_BITMAP_BYTES = 8192 + 4;
export const TSS_MAPALL_OFFSET = TSS_IO_BITMAP_OFFSET + IO_BITMAP_BYTES;
export const TSS_PAGES = 5;
/** __KERNEL_TSS_LIMIT. */
export const TSS_LIMIT = TSS_MAPALL_OFFSET + IO_BITMAP_BYTES - 1;
/** IO_BITMAP_OFFSET_INVALID: no bitmap within the limit. */
export const TSS_IO_BITMAP_INVALID = TSS_LIMIT + 1;

const GDT = {
  TLS_MIN: 6,
  TLS_MAX: 8,
  KERNEL_CS: 12,
  KERNEL_DS: 13,
  DEFAULT_USER_CS: 14,
  DEFAULT_USER_DS: 15,
  TSS: 16,
  LDT: 17,
  ESPFIX_SS: 26,
  PERCPU: 27,
  DOUBLEFAULT_TSS: 31,
} as const;

const selectors = {
  __KERNEL_CS: GDT.KERNEL_CS * 8,
  __KERNEL_DS: GDT.KERNEL_DS * 8,
  __USER_CS: GDT.DEFAULT_USER_CS * 8 + 3,
  __USER_DS: GDT.DEFAULT_USER_DS * 8 + 3,
  __ESPFIX_SS: GDT.ESPFIX_SS * 8,
  __KERNEL_PERCPU: GDT.PERCPU * 8,
} as const;

/** The per-CPU area; FS is its segment in the kernel. The GDT has page 1, the double-fault stack page 2, the TSS what follows. */
const perCpu: FieldMap = {
  this_cpu_off: { offset: 0, size: 4 },
  cpu_number: { offset: 4, size: 4 },
  current_task: { offset: 8, size: 4 },
  cpu_current_top_of_stack: { offset: 12, size: 4 },
  cpu_entry_area: { offset: 16, size: 4 },
  __preempt_count: { offset: 20, size: 4 },
  /** context_tracking.state. */
  context_tracking: { offset: 24, size: 4 },
  gdt_page: { offset: PAGE_SIZE, size: 4 },
  doublefault_stack: { offset: 2 * PAGE_SIZE, size: 4 },
  cpu_tss_rw: { offset: 3 * PAGE_SIZE, size: 4 },
};
const PER_CPU_PAGES = 3 + TSS_PAGES;

/** struct cpu_entry_area of one CPU, in pages: gdt, guard, entry stack, guard, double-fault stack, TSS. */
export const CPU_ENTRY_AREA = {
  gdt: 0,
  entry_stack: 2 * PAGE_SIZE,
  doublefault_stack: 4 * PAGE_SIZE,
  tss: 5 * PAGE_SIZE,
  size: (5 + TSS_PAGES) * PAGE_SIZE,
} as const;
/** The double-fault TSS ends the page of its stack. */
export const DOUBLEFAULT_TSS_OFFSET = PAGE_SIZE - TSS_SIZE;
/** First the read-only IDT, then the areas of the CPUs. */
const CPU_ENTRY_AREA_BASE: Addr = 0xff40_0000;
export const cpuEntryArea = (cpu: number): Addr => CPU_ENTRY_AREA_BASE + PAGE_SIZE + cpu * CPU_ENTRY_AREA.size;

const threadInfo: FieldMap = fields({ flags: 4, syscall_work: 4, status: 4, cpu: 4 }).map;

/** task_struct past thread_info, as far as it is in guest memory: parts of thread_struct. */
export const TASK: FieldMap = {
  threadsp: { offset: 64, size: 4 },
  sp0: { offset: 68, size: 4 },
  sysenter_cs: { offset: 72, size: 4 },
  /** The user's GS while another task runs; the running one's is in the processor. */
  gs: { offset: 76, size: 4 },
};

/** The second page of task_struct is the kernel's side of user copies. */
const USER_COPY = userCopyLayout(4, 128, { offset: PAGE_SIZE, size: PAGE_SIZE });

const prefixed = (prefix: string, map: Readonly<Record<string, { offset: number }>>): Record<string, number> =>
  Object.fromEntries(Object.entries(map).map(([name, field]) => [prefix + name, field.offset]));

/** Entry code's names for pt_regs offsets, as in Linux's asm-offsets. */
const PT_NAMES: Readonly<Record<string, string>> = {
  orig_ax: "PT_ORIG_EAX",
  flags: "PT_EFLAGS",
  sp: "PT_OLDESP",
  ss: "PT_OLDSS",
};
const SEGMENT = /^[cdefg]s$/;
const ptName = (name: string): string => PT_NAMES[name] ?? `PT_${SEGMENT.test(name) ? "" : "E"}${name.toUpperCase()}`;

export const LINUX_6_1_32: KernelLayout = {
  name: "linux-6.1",
  arch: "i386",
  wordSize: 4,
  tif: TIF,
  syscallWork: SYSCALL_WORK,
  status: TS,
  work: WORK,
  exitWork: EXIT_WORK,
  threadInfo,
  taskStructSize: 2 * PAGE_SIZE,
  userCopy: USER_COPY.userCopy,
  ptRegs: PT_REGS_32.map,
  ptRegsSize: PT_REGS_32.size,
  threadSize: THREAD_SIZE,
  stackPadding: TOP_OF_KERNEL_STACK_PADDING,
  perCpu,
  perCpuSize: PER_CPU_PAGES * PAGE_SIZE,
  tss,
  ioBitmap: { offset: TSS_IO_BITMAP_OFFSET, mapAll: TSS_MAPALL_OFFSET, invalid: TSS_IO_BITMAP_INVALID },
  gdt: GDT,
  gdtEntries: 32,
  selectors,
  address: {
    pageOffset: 0xc000_0000,
    text: 0xc100_0000,
    textPhysical: 0x100_0000,
    cpuEntryArea: CPU_ENTRY_AREA_BASE,
    ldtArea: 0xf900_0000,
    taskSizeMax: 0xc000_0000,
    mmapMinAddr: 0,
  },
  defines: {
    ...selectors,
    ...Object.fromEntries(Object.entries(PT_REGS_32.map).map(([name, field]) => [ptName(name), field.offset])),
    PTREGS_SIZE: PT_REGS_32.size,
    ...prefixed("PER_CPU_", perCpu),
    ...prefixed("TSS_", tss),
    ...prefixed("TI_", threadInfo),
    ...prefixed("TASK_", TASK),
    ...USER_COPY.defines,
    ...EX_TYPE_DEFINES,
    GDT_ENTRY_ESPFIX_SS: GDT.ESPFIX_SS,
    CPU_ENTRY_AREA_entry_stack: CPU_ENTRY_AREA.entry_stack,
    SIZEOF_entry_stack: PAGE_SIZE,
    /** From the end of the entry stack to TSS.sp1, in the cpu_entry_area. */
    TSS_entry2task_stack: CPU_ENTRY_AREA.tss + tss.sp1!.offset - (CPU_ENTRY_AREA.entry_stack + PAGE_SIZE),
    THREAD_SIZE,
    TOP_OF_KERNEL_STACK_PADDING,
    NR_CPUS: MAX_CPUS,
    EFAULT: 14,
    ENOSYS: 38,
    X86_EFLAGS_FIXED: EFLAGS.FIXED,
    X86_EFLAGS_TF: EFLAGS.TF,
    X86_EFLAGS_IF_BIT: 9,
    X86_EFLAGS_NT: EFLAGS.NT,
    X86_EFLAGS_VM: EFLAGS.VM,
    X86_EFLAGS_AC: EFLAGS.AC,
    FIRST_EXTERNAL_VECTOR: VECTORS.FIRST_EXTERNAL,
    LOCAL_TIMER_VECTOR: VECTORS.LOCAL_TIMER,
  },
};
