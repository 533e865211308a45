/** What a preset's Linux looks like in memory: bit numbers, offsets, selectors, addresses. Plain data; both kernels have one. */
import type { Addr } from "../../cpu/state.ts";

export interface Field {
  readonly offset: number;
  readonly size: 1 | 2 | 4 | 8;
}
export type FieldMap = Readonly<Record<string, Field>>;

/** One item of the work on the way to user mode: the flags that ask for it, any of them. */
export interface ExitWork {
  readonly item: string;
  readonly flags: readonly string[];
  /** What it does beyond being seen and clearing its flags. */
  readonly kind?: "schedule" | "signal" | "resume" | "io-bitmap";
}

/** What a preset's layout has otherwise than 6.1's. */
export type LayoutChange = Pick<KernelLayout, "tif" | "syscallWork" | "status" | "work" | "exitWork">;

export interface KernelLayout {
  /** The preset's Linux, e.g. "linux-6.1". */
  readonly name: string;
  readonly arch: "x86_64" | "i386";
  /** sizeof(long). */
  readonly wordSize: 4 | 8;
  /** TIF_* bit numbers, without the prefix: SIGPENDING: 2. */
  readonly tif: Readonly<Record<string, number>>;
  /** SYSCALL_WORK_* bit numbers, without the prefix. */
  readonly syscallWork: Readonly<Record<string, number>>;
  /** TS_* masks in thread_info.status. */
  readonly status: Readonly<Record<string, number>>;
  /** EXIT_TO_USER_MODE_WORK, SYSCALL_WORK_ENTER, SYSCALL_WORK_EXIT as masks. */
  readonly work: { readonly exitToUserMode: number; readonly syscallEnter: number; readonly syscallExit: number };
  /** In order: until none of the loop's flags is set, and then once more what comes last. */
  readonly exitWork: {
    /** The functions around a system call that somebody watches. */
    readonly names: { readonly enter: string; readonly exit: string };
    readonly loop: readonly ExitWork[];
    readonly late: readonly ExitWork[];
  };
  /** thread_info is the start of task_struct. */
  readonly threadInfo: FieldMap;
  readonly taskStructSize: number;
  /** In task_struct: what a user copy is asked to do (usercopy.S), and the kernel's side of it. */
  readonly userCopy: {
    readonly fields: Readonly<Record<"function" | "to" | "from" | "size" | "left", Field>>;
    readonly buffer: { readonly offset: number; readonly size: number };
  };
  readonly ptRegs: FieldMap;
  readonly ptRegsSize: number;
  readonly threadSize: number;
  /** Bytes between pt_regs and the top of the kernel stack. */
  readonly stackPadding: number;
  /** Offsets in the per-CPU area (%gs: on 64 bit, %fs: on 32 bit). */
  readonly perCpu: FieldMap;
  readonly perCpuSize: number;
  /** Fields of the hardware TSS, offsets from its start. */
  readonly tss: FieldMap;
  /** Offsets in tss_struct: the task's I/O bitmap, one that allows all, and an offset beyond the limit. */
  readonly ioBitmap: { readonly offset: number; readonly mapAll: number; readonly invalid: number };
  /** GDT entry numbers. */
  readonly gdt: Readonly<Record<string, number>>;
  readonly gdtEntries: number;
  /** Selectors by Linux's names: __USER_CS, ... */
  readonly selectors: Readonly<Record<string, number>>;
  readonly address: {
    /** The direct map of physical memory. */
    readonly pageOffset: Addr;
    /** Kernel text, and the physical address it is loaded at. */
    readonly text: Addr;
    readonly textPhysical: number;
    readonly cpuEntryArea: Addr;
    /** Kernel mappings for LDTs of more than a page: 128 KiB for each address space. */
    readonly ldtArea: Addr;
    /** LDT_BASE_ADDR: where each address space has its own LDT under page table isolation. */
    readonly ldtRemap?: Addr;
    /** End of user space for everyone. */
    readonly taskSizeMax: Addr;
    /** vm.mmap_min_addr: the lowest address a program may map. vm86 needs 0. */
    readonly mmapMinAddr: Addr;
  };
  /** Everything entry/*.S may name: symbols predefined for the assembler. */
  readonly defines: Readonly<Record<string, number | bigint>>;
}

/** Exception table types of asm/extable_fixup_types.h; the three POP_ZERO make a segment register null whose POP faulted. */
export const EX_TYPE = { DEFAULT: 1, UACCESS: 3, POP_ZERO_DS: 0x20, POP_ZERO_ES: 0x21, POP_ZERO_FS: 0x22 } as const;
export const EX_TYPE_DEFINES = Object.fromEntries(
  Object.entries(EX_TYPE).map(([name, value]) => [`EX_TYPE_${name}`, value]),
);

/** What a user copy is asked, from `start` on in task_struct, and the symbols that assembly has for it. */
export function userCopyLayout(wordSize: 4 | 8, start: number, buffer: { offset: number; size: number }) {
  const names = ["function", "to", "from", "size", "left"] as const;
  const rows = names.map((name, i) => [name, { offset: start + i * wordSize, size: wordSize }] as const);
  return {
    userCopy: { fields: Object.fromEntries(rows) as Record<(typeof names)[number], Field>, buffer },
    defines: Object.fromEntries(rows.map(([name, { offset }]) => [`TASK_copy_${name}`, offset])),
  };
}

/** Lays fields out one after the other, each aligned to its own size. */
export function fields(sizes: Readonly<Record<string, 1 | 2 | 4 | 8>>, start = 0): { map: FieldMap; size: number } {
  const map: Record<string, Field> = {};
  let offset = start;
  for (const [name, size] of Object.entries(sizes)) {
    offset = Math.ceil(offset / size) * size;
    map[name] = { offset, size };
    offset += size;
  }
  return { map, size: offset };
}
