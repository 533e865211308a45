/** The 64-bit kernel as the shared parts see it. */
import type { Cpu } from "../cpu/cpu.ts";
import { Fault } from "../cpu/fault.ts";
import { EFLAGS, GPR, OFF, SEG, SEG_STRIDE, SEGF, type SegIndex } from "../cpu/layout.ts";
import { type Addr, addrHigh, addrLow } from "../cpu/state.ts";
import { leafOf } from "../cpu/system/cpuid.ts";
import { loadLdtr, loadSegment } from "../cpu/system/segment.ts";
import { IRET_CALLS, PTREGS_CALLS } from "./abi/syscalls.ts";
import type { Arch, DataSegment, EntryLabel } from "./arch.ts";
import { ldtEspfix } from "./boot/espfix.ts";
import { bootX86_64 } from "./boot/x86_64.ts";
import type { DesignHooks } from "./designs/designs.ts";
import { AUDIT_UPCALLS } from "./entry/audit.ts";
import auditCompat from "./entry/audit_compat.S?raw";
import auditMacros from "./entry/audit_macros.S?raw";
import calling from "./entry/calling.S?raw";
import { SYSCALL_FUNCTIONS_64, SYSCALL_UPCALLS_64 } from "./entry/do-syscall.ts";
import entry64 from "./entry/entry_64.S?raw";
import compat64 from "./entry/entry_64_compat.S?raw";
import espfixPrototype from "./entry/espfix_prototype.S?raw";
import fastPath from "./entry/fast_path_64.S?raw";
import ia32entry from "./entry/ia32entry.S?raw";
import nmi64 from "./entry/nmi_64.S?raw";
import pti64 from "./entry/pti_64.S?raw";
import retint64 from "./entry/retint_64.S?raw";
import syscallMacros from "./entry/syscall_macros.S?raw";
import systemCall from "./entry/system_call.S?raw";
import usercopy64 from "./entry/usercopy_64.S?raw";
import type { Kernel } from "./kernel.ts";
import { LINUX_6_1_64 as layout, TASK_THREADSP } from "./layout/linux-6.1-64.ts";
import { FOUR_LEVEL, FOUR_LEVEL_ISOLATED } from "./mm/pagetable.ts";
import type { PtRegs } from "./ptregs.ts";
import type { Mm, Task, UserSegments } from "./state.ts";
import { COMPAT_CALLS, NATIVE_CALLS } from "./syscall/tables.ts";
import { saveFpu, switchFpu } from "./task/fpu.ts";
import { SCHED_FUNCTIONS_64, SCHED_UPCALLS } from "./task/sched.ts";
import { TRAP_FUNCTIONS, TRAP_UPCALLS } from "./trap/traps.ts";
import { TRAP_FUNCTIONS_64, TRAP_UPCALLS_64 } from "./trap/traps-64.ts";
import { hasFeature } from "./x86/cpufeature.ts";
import { packDescriptor, upperDescriptor } from "./x86/descriptors.ts";
import { fixupException } from "./x86/extable.ts";
import { baseOf, setTlsEntry } from "./x86/tls.ts";

const label = (kind: string, compat?: boolean): EntryLabel => (compat === undefined ? { kind } : { kind, compat });
const exceptions = (...names: string[]): Record<string, EntryLabel> =>
  Object.fromEntries(names.map((name) => [`asm_exc_${name}`, label("exception")]));

const entries: Record<string, EntryLabel> = {
  asm_exc_nmi: label("nmi"),
  asm_sysvec_apic_timer_interrupt: label("irq"),
  asm_sysvec_reschedule_ipi: label("irq"),
  asm_sysvec_spurious_apic_interrupt: label("irq"),
  ...exceptions(
    "divide_error",
    "debug",
    "int3",
    "overflow",
    "bounds",
    "invalid_op",
    "device_not_available",
    "double_fault",
  ),
  ...exceptions("coproc_segment_overrun", "invalid_tss", "segment_not_present", "stack_segment", "general_protection"),
  ...exceptions(
    "page_fault",
    "spurious_interrupt_bug",
    "coprocessor_error",
    "alignment_check",
    "machine_check",
    "simd_coprocessor_error",
  ),
};

/** Where SYSCALL, SYSENTER and INT $0x80 lead to. */
const systemCalls = ({
  syscallEntry = "entry_SYSCALL_64",
  compatEntries,
}: DesignHooks): Record<string, EntryLabel> => ({
  [syscallEntry]: label("syscall", false),
  [compatEntries!.cstar]: label("syscall32", true),
  [compatEntries!.sysenter]: label("sysenter", true),
  [compatEntries!.int80]: label("int80", true),
});

const CHECKS = [
  "fast_path_check_entry_work",
  "fast_path_check_only_audit",
  "fast_path_check_stub",
  "fast_path_check_exit_work",
  "fast_path_check_more_work",
  "sysenter_check_entry_work",
  "sysenter_check_exit_work",
  "cstar_check_entry_work",
  "cstar_check_exit_work",
  "exit_check_tif_iret",
  "sysret_check_rcx_rip",
  "sysret_check_canonical",
  "sysret_check_cs",
  "sysret_check_r11_flags",
  "sysret_check_rf_tf",
  "sysret_check_ss",
];

/** Where CR3 is loaded under page table isolation. */
const CR3_LOADS = [
  ...["entry_SYSCALL_64", "entry_SYSCALL_compat", "entry_SYSENTER_compat", "error_entry", "error_bad_iret", "espfix"],
  ...["paranoid", "nmi", "ia32_sysenter", "ia32_cstar", "int80"],
].map((at) => `${at}_kernel_cr3`);
const CR3_RETURNS = ["sysret", "sysretl", "sysexit", "iret", "espfix"].map((at) => `${at}_user_cr3`);
const CR3_RESTORES = ["paranoid_restore_cr3", "nmi_restore_cr3"];

/** The exit paths' labels, in the order of the source. */
const exitLabels = [
  ...CR3_LOADS,
  ...CR3_RETURNS,
  ...CR3_RESTORES,
  ...CHECKS,
  "auditsys",
  "sysret_careful",
  "sysret_signal",
  "sysret_audit",
  "tracesys",
  "tracesys_phase2",
  "int_ret_from_sys_call",
  "int_with_check",
  "int_careful",
  "int_very_careful",
  "int_signal",
  "int_restore_rest",
  "retint_with_reschedule",
  "retint_careful",
  "retint_signal",
  "retint_kernel",
  "retint_swapgs",
  "sysenter_tracesys",
  "sysenter_auditsys",
  "sysexit_audit",
  "sysexit_from_sys_call",
  "cstar_tracesys",
  "cstar_auditsys",
  "sysretl_audit",
  "sysretl_from_sys_call",
  "ia32_tracesys",
  "ia32_ret_from_sys_call",
  "ia32_badsys",
  "ia32_badarg",
  "ia32_auditsys",
  "ia32_sysexit_audit",
  "syscall_return_via_sysret",
  "sysret32_from_system_call",
  "error_return",
  "paranoid_exit",
  "swapgs_restore_regs_and_return_to_usermode",
  "restore_regs_and_return_to_kernel",
  "native_irq_return_ldt",
  "espfix_on_ministack",
  "espfix_not_needed",
  "espfix_fix_stack",
  "native_irq_return_iret",
  "error_bad_iret",
  "nested_nmi",
  "repeat_nmi",
];

/** System calls as bits by number: eight words of 64. */
function callBits(name: string, calls: readonly number[]): Record<string, bigint> {
  const bits = calls.reduce((mask, nr) => mask | (1n << BigInt(nr)), 0n);
  return Object.fromEntries(
    Array.from({ length: 8 }, (_, i) => [`${name}_${i}`, BigInt.asUintN(64, bits >> BigInt(64 * i))]),
  );
}

const userRegs = (task: Task): Addr => task.stack + layout.threadSize - layout.ptRegsSize;

/** save_fsgs() and the data segments: what the user left in the processor. */
const readSegments = (cpu: Cpu): UserSegments => ({
  ds: cpu.selector(SEG.DS),
  es: cpu.selector(SEG.ES),
  fs: cpu.selector(SEG.FS),
  gs: cpu.selector(SEG.GS),
  fsBase: getBase(cpu, SEG.FS),
  gsBase: cpu.get64(OFF.KERNEL_GS_BASE),
});

/** x86_fsgsbase_load(): a selector above 3 brings its descriptor's base, unless user mode can have changed that. */
function loadSegments(k: Kernel, cpu: Cpu, next: UserSegments): void {
  const keepsBase = (selector: number) => selector <= 3 || k.arch.defines(cpu).X86_FEATURE_FSGSBASE === 1;
  loadOrNull(cpu, SEG.ES, next.es);
  loadOrNull(cpu, SEG.DS, next.ds);
  loadOrNull(cpu, SEG.FS, next.fs);
  if (keepsBase(next.fs)) setBase(cpu, SEG.FS, next.fsBase);
  loadGsIndex(cpu, next.gs);
  if (keepsBase(next.gs)) cpu.set64(OFF.KERNEL_GS_BASE, next.gsBase);
}

const NO_SEGMENTS: UserSegments = { ds: 0, es: 0, fs: 0, gs: 0, fsBase: 0n, gsBase: 0n };

function switchTo(k: Kernel, cpu: Cpu, task: Task): void {
  const previous = k.current(cpu);
  if (!previous.idle) previous.segments = readSegments(cpu);
  switchFpu(k, cpu, previous, task);
  k.state.current[cpu.index] = task.pid;
  k.setPerCpu(cpu, "current_task", task.address);
  k.setPerCpu(cpu, "cpu_current_top_of_stack", task.stack + layout.threadSize);
  loadTls(k, cpu, task);
  // enter_lazy_tlb(): an idle task runs on whatever page tables there are
  const mm = k.mmOf(task);
  if (mm !== undefined) {
    loadCr3(cpu, mm);
    loadLdt(k, cpu, mm);
  }
  if (!task.idle) loadSegments(k, cpu, task.segments ?? NO_SEGMENTS);
  fixSysretSsAttrs(k, cpu);
}

function loadCr3(cpu: Cpu, mm: Mm): void {
  if (cpu.get64(OFF.CR3) === BigInt(mm.pgd)) return;
  cpu.set64(OFF.CR3, BigInt(mm.pgd));
  cpu.flushTlbNonGlobal();
}

/** On AMD SYSRET leaves SS's hidden part as it is, and an interrupt from user mode had made it null: no such SS leaves here. */
function fixSysretSsAttrs(k: Kernel, cpu: Cpu): void {
  const { __KERNEL_DS = 0 } = layout.selectors;
  if (k.choice.hooks.fixSysretSs !== true) return;
  if (k.options.cpu.vendor === "amd" && cpu.selector(SEG.SS) !== __KERNEL_DS) loadSegment(cpu, SEG.SS, __KERNEL_DS);
}

/** struct inactive_task_frame: six registers of which rbx = 0 says that this is no kernel thread, and where __switch_to returns. */
function writeSwitchFrame(k: Kernel, task: Task, end: Addr, symbol: string): void {
  const sp = end - 7 * 8;
  for (let word = 0; word < 6; word++) k.memory.writeScalar(sp + word * 8, 8, 0n);
  k.memory.writeScalar(sp + 6 * 8, 8, BigInt(k.symbol(symbol)));
  k.memory.writeScalar(task.address + TASK_THREADSP, 8, BigInt(sp));
}

function copyThread(k: Kernel, cpu: Cpu, task: Task): void {
  task.segments = readSegments(cpu);
  task.fpu = saveFpu(k, cpu);
  writeSwitchFrame(k, task, userRegs(task), "ret_from_fork");
}

function setTls(k: Kernel, _cpu: Cpu, task: Task, tls: bigint, desc: Uint8Array | undefined): number {
  const segments = task.segments ?? NO_SEGMENTS;
  if (desc === undefined) {
    task.segments = { ...segments, fs: 0, fsBase: tls };
    return 0;
  }
  const index = setTlsEntry(k, task, desc);
  if (index < 0) return index;
  const selector = index * 8 + 3;
  const base = BigInt(baseOf(task.tls[index - layout.gdt.TLS_MIN!]!));
  if (segments.fs === selector) task.segments = { ...segments, fsBase: base };
  if (segments.gs === selector) task.segments = { ...segments, gsBase: base };
  return 0;
}

function runKernel(k: Kernel, cpu: Cpu, symbol: string, sp: Addr): void {
  const ip = k.symbol(symbol);
  cpu.setGpr(GPR.RSP, BigInt(sp));
  cpu.setRip(addrLow(ip), addrHigh(ip));
  cpu.setFlagsRaw(EFLAGS.FIXED);
  cpu.updateMode();
}

function goIdle(k: Kernel, cpu: Cpu): void {
  const idle = k.state.tasks.find((task) => task.idle && task.cpu === cpu.index)!;
  loadCr3(cpu, k.state.mms[0]!);
  switchTo(k, cpu, idle);
  writeSwitchFrame(k, idle, idle.stack + layout.threadSize, "do_idle");
  runKernel(k, cpu, "do_idle", idle.stack + layout.threadSize);
}

function goFork(k: Kernel, cpu: Cpu, task: Task): void {
  cpu.setGpr(GPR.RAX, 0n);
  cpu.setGpr(GPR.RBX, 0n);
  runKernel(k, cpu, "ret_from_fork", userRegs(task));
}

/** start_thread_common(). */
function startThread(k: Kernel, cpu: Cpu, regs: PtRegs, ip: Addr, sp: Addr, bits: 32 | 64): void {
  const { __USER_CS = 0, __USER32_CS = 0, __USER_DS = 0 } = layout.selectors;
  const data = bits === 64 ? 0 : __USER_DS;
  for (const name of Object.keys(layout.ptRegs)) regs.set(name, 0);
  setUserSegment(k, cpu, regs, "fs", 0);
  setUserSegment(k, cpu, regs, "es", data);
  setUserSegment(k, cpu, regs, "ds", data);
  setUserSegment(k, cpu, regs, "gs", 0);
  setBase(cpu, SEG.FS, 0n);
  cpu.set64(OFF.KERNEL_GS_BASE, 0n);
  regs.set("cs", bits === 64 ? __USER_CS : __USER32_CS);
  regs.set("ss", __USER_DS);
  regs.set("ip", ip);
  regs.set("sp", sp);
  regs.set("flags", EFLAGS.IF);
  // not in a system call that could be restarted
  regs.set("orig_ax", -1n);
}

const SEGMENTS: Readonly<Record<DataSegment, SegIndex>> = { ds: SEG.DS, es: SEG.ES, fs: SEG.FS, gs: SEG.GS };
const setBase = (cpu: Cpu, seg: SegIndex, base: bigint): void =>
  cpu.set64(OFF.SEG + seg * SEG_STRIDE + SEGF.BASE, base);
const getBase = (cpu: Cpu, seg: SegIndex): bigint => cpu.get64(OFF.SEG + seg * SEG_STRIDE + SEGF.BASE);

/** The user's data segments stay in the registers while the kernel runs. */
const userSegment: Arch["userSegment"] = (_k, cpu, _regs, name) => cpu.selector(SEGMENTS[name]);

function setUserSegment(_k: Kernel, cpu: Cpu, _regs: PtRegs, name: DataSegment, selector: number): void {
  if (name === "gs") loadGsIndex(cpu, selector);
  else loadOrNull(cpu, SEGMENTS[name], selector);
}

function loadOrNull(cpu: Cpu, seg: SegIndex, selector: number): void {
  try {
    loadSegment(cpu, seg, selector);
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    // ex_handler_clear_fs(): on AMD a null selector keeps the base, so one with base 0 goes before it
    loadSegment(cpu, seg, layout.selectors.__USER_DS!);
    loadSegment(cpu, seg, 0);
  }
}

/** load_gs_index(): loading GS changes the base that is active, so the user's is made so for the moment. */
function loadGsIndex(cpu: Cpu, selector: number): void {
  const kernelBase = getBase(cpu, SEG.GS);
  setBase(cpu, SEG.GS, cpu.get64(OFF.KERNEL_GS_BASE));
  loadOrNull(cpu, SEG.GS, selector);
  cpu.set64(OFF.KERNEL_GS_BASE, getBase(cpu, SEG.GS));
  setBase(cpu, SEG.GS, kernelBase);
}

const gdt = (k: Kernel, cpu: Cpu): Addr => Number(BigInt.asIntN(64, k.perCpu(cpu, "gdt_page")));

function loadTls(k: Kernel, cpu: Cpu, task: Task): void {
  task.tls.forEach((descriptor, i) => {
    k.memory.writeScalar(gdt(k, cpu) + (layout.gdt.TLS_MIN! + i) * 8, 8, descriptor);
  });
}

/** set_ldt() through the writable GDT; the processor never writes to an LDT descriptor. */
function loadLdt(k: Kernel, cpu: Cpu, mm: Mm): void {
  const { ldt } = mm.context;
  if (ldt === undefined) {
    loadLdtr(cpu, 0);
    return;
  }
  ldtEspfix(k, cpu);
  const index = layout.gdt.LDT!;
  const low = packDescriptor({ base: ldt.address | 0, limit: ldt.entries * 8 - 1, access: 0x82, flags: 0 });
  k.memory.writeScalar(gdt(k, cpu) + index * 8, 8, low);
  k.memory.writeScalar(gdt(k, cpu) + index * 8 + 8, 8, upperDescriptor(ldt.address));
  loadLdtr(cpu, index * 8);
}

const HWCAP2_FSGSBASE = 2n;

export const X86_64: Arch = {
  layout,
  paging: FOUR_LEVEL,
  isolatedPaging: FOUR_LEVEL_ISOLATED,
  bits: 64,
  sources: [
    { uri: "ringside:kernel/entry/entry_64.S", text: entry64 },
    { uri: "ringside:kernel/entry/usercopy_64.S", text: usercopy64 },
  ],
  includes: {
    "audit_compat.S": auditCompat,
    "audit_macros.S": auditMacros,
    "calling.S": calling,
    "entry_64_compat.S": compat64,
    "espfix_prototype.S": espfixPrototype,
    "fast_path_64.S": fastPath,
    "ia32entry.S": ia32entry,
    "nmi_64.S": nmi64,
    "pti_64.S": pti64,
    "retint_64.S": retint64,
    "syscall_macros.S": syscallMacros,
    "system_call.S": systemCall,
  },
  defines: (cpu) => ({
    X86_FEATURE_FSGSBASE: hasFeature(cpu, "fsgsbase") ? 1 : 0,
    X86_FEATURE_SMEP: hasFeature(cpu, "smep") ? 1 : 0,
    X86_FEATURE_SMAP: hasFeature(cpu, "smap") ? 1 : 0,
    ...callBits("PTREGS_CALLS", PTREGS_CALLS),
    ...callBits("IRET_CALLS", IRET_CALLS),
  }),
  upcalls: { ...SYSCALL_UPCALLS_64, ...AUDIT_UPCALLS, ...TRAP_UPCALLS, ...TRAP_UPCALLS_64, ...SCHED_UPCALLS },
  functions: { ...SYSCALL_FUNCTIONS_64, ...TRAP_FUNCTIONS, ...TRAP_FUNCTIONS_64, ...SCHED_FUNCTIONS_64 },
  native: { abi: "x86_64", arguments: ["di", "si", "dx", "r10", "r8", "r9"], compat: false, calls: NATIVE_CALLS },
  compat: { abi: "i386", arguments: ["bx", "cx", "dx", "si", "di", "bp"], compat: true, calls: COMPAT_CALLS },
  entries: (hooks) => ({ ...systemCalls(hooks), ...entries }),
  exitLabels,
  checkLabels: CHECKS,
  fastExits: ["syscall_return_via_sysret", "sysexit_from_sys_call", "sysretl_from_sys_call"],
  boot: bootX86_64,
  userRegs,
  copyThread,
  setTls,
  switchTo,
  leaveMm: (k, cpu) => loadCr3(cpu, k.state.mms[0]!),
  goIdle,
  goFork,
  startThread,
  userSegment,
  setUserSegment,
  loadTls,
  loadLdt,
  vdsoKind: (k, bits) => (bits === 64 ? "64" : k.options.cpu.vendor === "intel" ? "32-sysenter" : "32-syscall"),
  hwcap: (k, bits) => {
    const cpu = k.machine.cpus[0]!;
    return {
      hwcap: BigInt(leafOf(cpu, 1, 0).edx >>> 0),
      hwcap2: hasFeature(cpu, "fsgsbase") ? HWCAP2_FSGSBASE : 0n,
      platform: bits === 64 ? "x86_64" : "i686",
    };
  },
  fixupException,
};
