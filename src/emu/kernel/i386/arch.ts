/** The 32-bit kernel as the shared parts see it. */
import type { Cpu } from "../../cpu/cpu.ts";
import { EFLAGS, GPR, OFF, SEG } from "../../cpu/layout.ts";
import type { Addr } from "../../cpu/state.ts";
import { leafOf } from "../../cpu/system/cpuid.ts";
import type { Arch, EntryLabel } from "../arch.ts";
import calling from "../entry/calling.S?raw";
import calling32 from "../entry/calling_32.S?raw";
import { SYSCALL_FUNCTIONS_32 } from "../entry/do-syscall.ts";
import entry32 from "../entry/entry_32.S?raw";
import usercopy32 from "../entry/usercopy_32.S?raw";
import type { Kernel } from "../kernel.ts";
import { PAE } from "../mm/pagetable.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Mm, Task } from "../state.ts";
import { COMPAT_CALLS } from "../syscall/tables.ts";
import { saveFpu, switchFpu } from "../task/fpu.ts";
import { SCHED_FUNCTIONS_32, SCHED_UPCALLS } from "../task/sched.ts";
import { TRAP_FUNCTIONS, TRAP_UPCALLS } from "../trap/traps.ts";
import { VM86_HOOKS, VM86_SYSCALLS } from "../vm86/index.ts";
import { hasFeature } from "../x86/cpufeature.ts";
import { fixupException } from "../x86/extable.ts";
import { setTlsEntry } from "../x86/tls.ts";
import { bootI386 } from "./boot.ts";
import { LINUX_6_1_32 as layout, TASK } from "./layout.ts";
import { loadGs, loadLdt, loadTls, setUserSegment, userSegment } from "./segments.ts";
import { SYSCALL_UPCALLS_32 } from "./syscalls.ts";
import { initialSp0, initThread, savedGs, saveGs, updateTaskStack } from "./thread.ts";
import { TRAP_FUNCTIONS_32, TRAP_UPCALLS_32 } from "./traps.ts";

const label = (kind: string): EntryLabel => ({ kind });
const exceptions = (...names: string[]): Record<string, EntryLabel> =>
  Object.fromEntries(names.map((name) => [`asm_exc_${name}`, label("exception")]));

const entries: Record<string, EntryLabel> = {
  entry_INT80_32: label("int80"),
  entry_SYSENTER_32: label("sysenter"),
  asm_exc_nmi: label("nmi"),
  asm_common_interrupt: label("irq"),
  asm_sysvec_apic_timer_interrupt: label("irq"),
  asm_sysvec_reschedule_ipi: label("irq"),
  asm_sysvec_spurious_apic_interrupt: label("irq"),
  ...exceptions("divide_error", "debug", "int3", "overflow", "bounds", "invalid_op", "device_not_available"),
  ...exceptions("double_fault", "coproc_segment_overrun", "invalid_tss", "segment_not_present", "stack_segment"),
  ...exceptions("general_protection", "page_fault", "spurious_interrupt_bug", "coprocessor_error"),
  ...exceptions("alignment_check", "machine_check", "simd_coprocessor_error"),
};

/** task_pt_regs(): the same in v8086 mode, whose four extra words lie above. */
const userRegs = (task: Task): Addr => task.stack + layout.threadSize - layout.stackPadding - layout.ptRegsSize;

/** __switch_to() but for the stack. */
function switchTo(k: Kernel, cpu: Cpu, task: Task): void {
  const previous = k.state.tasks.find((t) => t.pid === k.state.current[cpu.index]);
  if (previous !== undefined) {
    saveGs(k, previous, cpu.selector(SEG.GS));
    switchFpu(k, cpu, previous, task);
  }
  initThread(k, task);
  k.state.current[cpu.index] = task.pid;
  k.setPerCpu(cpu, "current_task", task.address);
  k.setPerCpu(cpu, "cpu_current_top_of_stack", task.stack + layout.threadSize);
  updateTaskStack(k, cpu, task);
  loadTls(k, cpu, task);
  // enter_lazy_tlb(): an idle task runs on whatever page tables there are
  const mm = k.mmOf(task);
  if (mm !== undefined) {
    loadCr3(cpu, mm);
    loadLdt(k, cpu, mm);
  }
  loadGs(cpu, savedGs(k, task));
}

function loadCr3(cpu: Cpu, mm: Mm): void {
  if (cpu.get64(OFF.CR3) === BigInt(mm.pgd)) return;
  cpu.set64(OFF.CR3, BigInt(mm.pgd));
  cpu.flushTlbNonGlobal();
}

/** struct inactive_task_frame: flags, four registers of which ebx = 0 says that this is no kernel thread, and the way on. */
function writeSwitchFrame(k: Kernel, task: Task, end: Addr, symbol: string): void {
  const sp = end - 6 * 4;
  for (let word = 0; word < 5; word++) k.memory.writeScalar(sp + word * 4, 4, word === 0 ? BigInt(EFLAGS.FIXED) : 0n);
  k.memory.writeScalar(sp + 5 * 4, 4, BigInt(k.symbol(symbol)));
  k.memory.writeField(task.address, TASK.threadsp!, BigInt(sp));
}

function copyThread(k: Kernel, cpu: Cpu, task: Task): void {
  initThread(k, task);
  saveGs(k, task, cpu.selector(SEG.GS));
  task.fpu = saveFpu(k, cpu);
  writeSwitchFrame(k, task, userRegs(task), "ret_from_fork");
}

/** Kernel code at `ip` on a stack, with interrupts off. */
function runKernel(k: Kernel, cpu: Cpu, symbol: string, sp: Addr): void {
  cpu.setGpr(GPR.RSP, BigInt(sp));
  cpu.setRip(k.symbol(symbol) | 0, 0);
  cpu.setFlagsRaw(EFLAGS.FIXED);
  cpu.updateMode();
}

function goIdle(k: Kernel, cpu: Cpu): void {
  const idle = k.state.tasks.find((task) => task.idle && task.cpu === cpu.index)!;
  loadCr3(cpu, k.state.mms[0]!);
  switchTo(k, cpu, idle);
  writeSwitchFrame(k, idle, initialSp0(k, idle), "do_idle");
  runKernel(k, cpu, "do_idle", initialSp0(k, idle));
}

function goFork(k: Kernel, cpu: Cpu, task: Task): void {
  cpu.setGpr(GPR.RAX, 0n);
  cpu.setGpr(GPR.RBX, 0n);
  runKernel(k, cpu, "ret_from_fork", userRegs(task));
}

/** start_thread(). */
function startThread(_k: Kernel, cpu: Cpu, regs: PtRegs, ip: Addr, sp: Addr): void {
  for (const name of Object.keys(layout.ptRegs)) regs.set(name, 0);
  const { __USER_CS = 0, __USER_DS = 0 } = layout.selectors;
  for (const name of ["ds", "es", "ss"]) regs.set(name, __USER_DS);
  regs.set("cs", __USER_CS);
  regs.set("ip", ip);
  regs.set("sp", sp);
  regs.set("flags", EFLAGS.IF | EFLAGS.FIXED);
  regs.set("orig_ax", -1n);
  setUserSegment(cpu, regs, "gs", 0);
}

/** CPUID.1:EDX. */
const features = (k: Kernel): number => leafOf(k.machine.cpus[0]!, 1, 0).edx;
const SEP = 1 << 11;
const hasSep = (k: Kernel): boolean => (features(k) & SEP) !== 0;

export const I386: Arch = {
  layout,
  paging: PAE,
  bits: 32,
  sources: [
    { uri: "ringside:kernel/entry/entry_32.S", text: entry32 },
    { uri: "ringside:kernel/entry/usercopy_32.S", text: usercopy32 },
  ],
  includes: { "calling.S": calling, "calling_32.S": calling32 },
  defines: (cpu) => ({ X86_FEATURE_SMAP: hasFeature(cpu, "smap") ? 1 : 0, EXIT_LOOP_ASM: 0 }),
  upcalls: { ...SYSCALL_UPCALLS_32, ...TRAP_UPCALLS, ...TRAP_UPCALLS_32, ...SCHED_UPCALLS },
  functions: { ...SYSCALL_FUNCTIONS_32, ...TRAP_FUNCTIONS, ...TRAP_FUNCTIONS_32, ...SCHED_FUNCTIONS_32 },
  native: {
    abi: "i386",
    arguments: ["bx", "cx", "dx", "si", "di", "bp"],
    compat: true,
    calls: { ...COMPAT_CALLS, ...VM86_SYSCALLS },
  },
  compat: undefined,
  entries: () => entries,
  exitLabels: [
    "sysexit_restore",
    "sysexit_to_user",
    "restore_all_switch_stack",
    "espfix_applied",
    "nmi_espfix_applied",
    "restore_all",
    "ret_to_kernel",
    "irq_return",
    "asm_iret_error",
    "nmi_espfix_stack",
    "nmi_from_espfix",
  ],
  checkLabels: [],
  fastExits: ["sysexit_restore"],
  boot: bootI386,
  userRegs,
  copyThread,
  setTls: (k, _cpu, task, _tls, desc) => Math.min(0, setTlsEntry(k, task, desc!)),
  switchTo,
  leaveMm: (k, cpu) => loadCr3(cpu, k.state.mms[0]!),
  goIdle,
  goFork,
  startThread,
  userSegment: (_k, cpu, regs, name) => userSegment(cpu, regs, name),
  setUserSegment: (_k, cpu, regs, name, selector) => setUserSegment(cpu, regs, name, selector),
  loadTls,
  loadLdt,
  vdsoKind: (k) => (hasSep(k) ? "32-sysenter" : "32-int80"),
  hwcap: (k) => ({ hwcap: BigInt(features(k) >>> 0), hwcap2: 0n, platform: "i686" }),
  fixupException,
  vm86: VM86_HOOKS,
};
