/**
 * What a kernel of one architecture provides to the parts that both share: its layout, entry code, up-calls and system call tables,
 * its boot, and how it reaches the user's segment registers. `arch64.ts` and `i386/arch.ts` are the two.
 */
import type { SourceText } from "../../asmlang/types.ts";
import type { Cpu } from "../cpu/cpu.ts";
import type { Addr } from "../cpu/state.ts";
import type { DesignHooks } from "./designs/designs.ts";
import type { Kernel } from "./kernel.ts";
import type { KernelLayout } from "./layout/types.ts";
import type { PageFormat } from "./mm/pagetable.ts";
import type { PtRegs } from "./ptregs.ts";
import type { Mm, Task } from "./state.ts";
import type { SyscallTable } from "./syscall/types.ts";
import type { FunctionTable, UpcallTable } from "./upcall.ts";
import type { VdsoKind } from "./vdso/index.ts";

export type DataSegment = "ds" | "es" | "fs" | "gs";
/** What an entry into the kernel was, for the timeline. */
export interface EntryLabel {
  /** e.g. "syscall", "int80", "sysenter", "syscall32", "exception", "irq", "nmi". */
  readonly kind: string;
  readonly compat?: boolean;
}

export interface Arch {
  readonly layout: KernelLayout;
  readonly paging: PageFormat;
  /** The same under page table isolation, where the kernel has that. */
  readonly isolatedPaging?: PageFormat;
  /** Sources assembled into the kernel image, in order; the user's own entry code replaces the first. */
  readonly sources: readonly SourceText[];
  /** Files that the sources may include, by name. */
  readonly includes: Readonly<Record<string, string>>;
  readonly bits: 32 | 64;
  /** Symbols predefined for the assembler beyond the layout's: what this processor makes the kernel choose. */
  defines(cpu: Cpu): Readonly<Record<string, number | bigint>>;
  readonly upcalls: UpcallTable;
  readonly functions: FunctionTable;
  /** System calls of the kernel's own table, and of the compat one if it has any. */
  readonly native: SyscallTable;
  readonly compat: SyscallTable | undefined;
  /** Names of entry points under the designs, and how an entry through each is called on the timeline. */
  entries(hooks: DesignHooks): Readonly<Record<string, EntryLabel>>;
  /** Labels of exit code worth a place in an exit's path; a check's label stands where its test begins. */
  readonly exitLabels: readonly string[];
  /** Labels in exitLabels that begin a test of a fast exit; the last one seen when that exit was not taken is the failing one. */
  readonly checkLabels: readonly string[];
  /** Labels that say that the fast exit was taken. */
  readonly fastExits: readonly string[];

  /** Builds every CPU's tables and registers. The kernel image is in memory; the init page table exists. */
  boot(kernel: Kernel): void;
  /** Address of a task's pt_regs for an entry from user mode. */
  userRegs(task: Task): Addr;
  /** copy_thread(): what a new task's switch frame and thread_struct hold. `task`'s pt_regs are filled; the parent is current. */
  copyThread(kernel: Kernel, cpu: Cpu, task: Task): void;
  /** The user's FS or, with a user_desc, a TLS entry for CLONE_SETTLS; 0 or a negative error number. */
  setTls(kernel: Kernel, cpu: Cpu, task: Task, tls: bigint, desc: Uint8Array | undefined): number;
  /** Makes `task` the one that `cpu` runs: registers no stack holds, per-CPU variables, kernel stack pointers, CR3, TLS, LDT. */
  switchTo(kernel: Kernel, cpu: Cpu, task: Task): void;
  /** enter_lazy_tlb() at a task's end: the kernel's own page tables. */
  leaveMm(kernel: Kernel, cpu: Cpu): void;
  /** Puts the CPU at the start of the idle loop, on the idle task's stack. */
  goIdle(kernel: Kernel, cpu: Cpu): void;
  /** Makes a CPU about to run ret_from_fork for the task it is switched to. */
  goFork(kernel: Kernel, cpu: Cpu, task: Task): void;
  /** start_thread(): registers and segments of a program that begins. */
  startThread(kernel: Kernel, cpu: Cpu, regs: PtRegs, ip: Addr, sp: Addr, bits: 32 | 64): void;

  userSegment(kernel: Kernel, cpu: Cpu, regs: PtRegs, name: DataSegment): number;
  /** Loads the user's data segment register as Linux's loadsegment() does: a selector that faults leaves null. */
  setUserSegment(kernel: Kernel, cpu: Cpu, regs: PtRegs, name: DataSegment, selector: number): void;
  /** load_TLS(). */
  loadTls(kernel: Kernel, cpu: Cpu, task: Task): void;
  /** load_mm_ldt(). */
  loadLdt(kernel: Kernel, cpu: Cpu, mm: Mm): void;
  /** Which vDSO image a program of the given width gets on this processor. */
  vdsoKind(kernel: Kernel, bits: 32 | 64): VdsoKind;
  /** AT_HWCAP, AT_HWCAP2 and AT_PLATFORM for a program of the given width. */
  hwcap(kernel: Kernel, bits: 32 | 64): { hwcap: bigint; hwcap2: bigint; platform: string };
  /** fixup_exception(): changes `regs` and says true if the entry code expects a fault there. */
  fixupException(kernel: Kernel, regs: PtRegs): boolean;
  /** Hooks of vm86; only the 32-bit kernel has them. */
  readonly vm86?: Vm86Hooks;
}

export interface Vm86Hooks {
  /** v8086_mode(): the context runs in v8086 mode. */
  mode(regs: PtRegs): boolean;
  /** handle_vm86_trap(); false = the trap is not vm86's business, raise the signal. */
  trap(kernel: Kernel, cpu: Cpu, regs: PtRegs, errorCode: number, trapNr: number): boolean;
  /** handle_vm86_fault(): a #GP in v8086 mode. */
  fault(kernel: Kernel, cpu: Cpu, regs: PtRegs, errorCode: number): void;
  /** save_v86_state(): leave v8086 mode before a signal is delivered. */
  leave(kernel: Kernel, cpu: Cpu, regs: PtRegs, reason: number): void;
}
