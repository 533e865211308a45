/** The kernel of a system as the debugger reads it (target.ts). */

import type { Cpu } from "../../emu/cpu/cpu.ts";
import { OFF, SEG } from "../../emu/cpu/layout.ts";
import { type Addr, bigToAddr } from "../../emu/cpu/state.ts";
import type { Espfix64 } from "../../emu/kernel/designs/designs.ts";
import { inject, injectionProblem } from "../../emu/kernel/inject.ts";
import type { Kernel } from "../../emu/kernel/kernel.ts";
import { type Task, VM, type Vma } from "../../emu/kernel/state.ts";
import type { TriggerReader } from "../../emu/kernel/types.ts";
import { vm86Of } from "../../emu/kernel/vm86/state.ts";
import { linearSp } from "./code.ts";
import { peekValue } from "./guest-memory.ts";
import { readTrigger } from "./injections.ts";
import { expressionScope } from "./scope.ts";
import { isHandled, sendToProcesses } from "./signals.ts";
import type { KernelSpaces } from "./spaces.ts";
import type { EspfixPlace, KernelAccess, Mapping } from "./target.ts";
import { Tasks } from "./tasks.ts";

export function kernelAccess(kernel: Kernel, tasks = new Tasks(kernel)): KernelAccess {
  const { layout, choice } = kernel;
  const current = (cpu: Cpu) => tasks.of(cpu);
  return {
    layout,
    preset: choice.preset,
    text: imageRange(kernel),
    designs: choice.values,
    tasks: () => tasks.list(),
    pidOn: (cpu) => tasks.pidOn(cpu),
    processes: () => [...new Set(kernel.state.tasks.flatMap((task) => (kernel.mmOf(task) ? [task.tgid] : [])))],
    processOn: (cpu) => tasks.processOn(cpu),
    seenFromProcess: (process) => tasks.seenFromProcess(process),
    standIn: (pid) => tasks.standIn(pid),
    task: (cpu) => {
      const task = current(cpu);
      return { pid: task.pid, name: task.idle ? `swapper/${task.cpu}` : kernel.process(task).comm };
    },
    threadInfo: (cpu) => current(cpu).address,
    currentTaskAt: (cpu) =>
      kernel.machine.cpus.includes(cpu) ? kernel.perCpuBase(cpu) + layout.perCpu.current_task!.offset : undefined,
    userRegs: (cpu) => kernel.arch.userRegs(current(cpu)),
    stackEnd: (cpu) => stackEnd(kernel, current(cpu)),
    stackAt: (cpu, address) => {
      const owner = kernel.state.tasks.find(({ stack }) => address > stack && address <= stack + layout.threadSize);
      return owner && (owner === current(cpu) ? "own" : "another's");
    },
    mappings: (cpu) => (kernel.mmOf(current(cpu))?.vmas ?? []).map(mapping),
    outsideVm86: (cpu) => {
      const vm86 = vm86Of(current(cpu));
      return vm86 === undefined || vm86.savedSp0 === 0 ? undefined : vm86.regs32;
    },
    plainFields: (cpu) => plainFields(kernel, current(cpu)),
    onWrite: (listener) =>
      kernel.memory.observe((by, address, physical, bytes) => listener(by, { address, physical, size: bytes.length })),
    injectionProblem: (event) => injectionProblem(kernel, event),
    inject: (cpu, event) => inject(kernel, cpu, event),
    isHandled: (signal) => isHandled(kernel, signal),
    sendToProcesses: (signal, pids) => sendToProcesses(kernel, signal, pids),
    espfix: (cpu) =>
      layout.arch === "x86_64"
        ? espfix64(kernel, cpu, current(cpu), tasks.home(cpu))
        : espfix32(kernel, cpu, current(cpu)),
  };
}

function imageRange({ image, layout }: Kernel) {
  const toAddress = layout.wordSize === 8 ? bigToAddr : Number;
  const starts = image.segments.map(({ address }) => toAddress(address));
  const ends = image.segments.map(({ address, memorySize }) => toAddress(address) + memorySize);
  return { start: Math.min(...starts), end: Math.max(...ends) };
}

const stackEnd = ({ arch, layout }: Kernel, task: Task): Addr =>
  task.idle ? task.stack + layout.threadSize : arch.userRegs(task);

/** What Linux keeps in mm_struct and task_struct, and this kernel in plain data. */
function plainFields(kernel: Kernel, task: Task): Readonly<Record<string, number>> {
  const mm = kernel.mmOf(task);
  const ofTask = { "task.pid": task.pid, "task.tgid": task.tgid, "task.cpu": task.cpu, "task.stack": task.stack };
  if (mm === undefined) return ofTask;
  const { context, pgd, brk, startBrk, startStack, mmapBase, mmapCompatBase, taskSize } = mm;
  return {
    ...ofTask,
    "mm.vdso": context.vdso,
    "mm.pgd": pgd,
    "mm.brk": brk,
    "mm.start_brk": startBrk,
    "mm.start_stack": startStack,
    "mm.mmap_base": mmapBase,
    "mm.mmap_compat_base": mmapCompatBase,
    "mm.task_size": taskSize,
    "mm.ldt": context.ldt?.address ?? 0,
  };
}

export function mapping({ start, end, flags, name, pages }: Vma): Mapping {
  const bit = (mask: number, letter: string) => (flags & mask ? letter : "-");
  const access = bit(VM.READ, "r") + bit(VM.WRITE, "w") + bit(VM.EXEC, "x") + (flags & VM.SHARED ? "s" : "p");
  return { start, end, access, name, pages };
}

/** The user's ESP[31:16], which the alias must carry. */
const HIGH_HALF = 0xffff_0000n;

const IRET_FRAME = ["IP", "CS", "FLAGS", "SP", "SS"];

/** As entry code lays them: rax and the frame at the bottom; the prototype has rdi, rsi, rcx and the frame at the top. */
function ministackWords({ writable, stackSize }: Espfix64): readonly string[] {
  if (!writable) return ["AX", ...IRET_FRAME];
  const saved = ["DI", "SI", "CX", ...IRET_FRAME];
  return [...new Array<string>(stackSize / 8 - saved.length).fill(""), ...saved];
}

function espfix64(kernel: Kernel, cpu: Cpu, task: Task, home: Cpu): EspfixPlace | undefined {
  const { espfix64: design } = kernel.choice.hooks;
  if (design === undefined) return undefined;
  const base = bigToAddr(kernel.perCpu(home, "espfix_stack"));
  const sp = peekValue(cpu, kernel.arch.userRegs(task) + kernel.layout.ptRegs.sp!.offset, 8) ?? 0n;
  const high = Number(sp & HIGH_HALF);
  const alias = base + high;
  const running = linearSp(cpu);
  return {
    writable: bigToAddr(kernel.perCpu(home, "espfix_waddr")),
    alias,
    chosenBecause: `its bits 31:16 (0x${(high / 0x10000).toString(16).padStart(4, "0")}) are those of the user's ESP`,
    bytes: design.stackSize,
    words: ministackWords(design),
    inUse: running >= alias && running <= alias + design.stackSize,
  };
}

/** The 32-bit kernel's form: IRET runs from the task's own stack through a segment whose base makes ESP[31:16] the user's. */
function espfix32(kernel: Kernel, cpu: Cpu, task: Task): EspfixPlace | undefined {
  if (kernel.choice.hooks.espfix32 !== true) return undefined;
  const entry = kernel.layout.gdt.ESPFIX_SS ?? kernel.layout.gdt.GDT_ENTRY_ESPFIX_SS;
  if (entry === undefined) return undefined;
  const descriptor = peekValue(cpu, cpu.getAddr(OFF.GDTR_BASE) + entry * 8, 8) ?? 0n;
  const base = Number(((descriptor >> 16n) & 0xff_ffffn) | ((descriptor >> 32n) & 0xff00_0000n));
  const writable = kernel.arch.userRegs(task) + kernel.layout.ptRegs.ip!.offset;
  return {
    writable,
    alias: base,
    chosenBecause: "the base of ESPFIX_SS: what the kernel's and the user's ESP[31:16] differ by",
    bytes: 20,
    words: IRET_FRAME,
    inUse: cpu.selector(SEG.SS) >> 3 === entry,
  };
}

/** Reads the places of injections, in the debugger's language. */
export function triggerReader(spacesOf: (kernel: Kernel) => KernelSpaces): TriggerReader {
  return (kernel, at) => {
    const spaces = spacesOf(kernel);
    const names = { kernel: kernelAccess(kernel, spaces.tasks), symbols: (cpu: Cpu) => spaces.of(cpu).symbols };
    return readTrigger(at, spaces, (cpu) => expressionScope(names, cpu));
  };
}
