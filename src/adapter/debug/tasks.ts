/**
 * The kernel's tasks as threads: what each is doing, and, of one that no CPU runs, a stand-in: a processor that holds what the kernel has
 * saved of it and never runs, so that all that reads a CPU can read the task.
 */
import { Cpu } from "../../emu/cpu/cpu.ts";
import { disassemble } from "../../emu/cpu/disassemble.ts";
import { EFLAGS, GPR, OFF, SEG, SEG_STRIDE, SEGF, type SegIndex, STATE_BYTES } from "../../emu/cpu/layout.ts";
import { type Addr, addrToBig } from "../../emu/cpu/state.ts";
import { attrOf, segmentValueOf } from "../../emu/cpu/system/descriptor.ts";
import { setSegmentRaw } from "../../emu/cpu/system/segment.ts";
import { syscallName } from "../../emu/kernel/abi/syscalls.ts";
import type { Kernel } from "../../emu/kernel/kernel.ts";
import { currentPgd } from "../../emu/kernel/mm/pti.ts";
import { isStopped } from "../../emu/kernel/ptrace/stop.ts";
import type { Process, Task } from "../../emu/kernel/state.ts";
import { switchFpu } from "../../emu/kernel/task/fpu.ts";
import { peekBytes, peekValue } from "./guest-memory.ts";
import type { TaskInfo } from "./target.ts";

export class Tasks {
  readonly #kernel: Kernel;
  #standIn: Cpu | undefined;
  /** pid of the task that the stand-in stands for. */
  #standsFor: number | undefined;
  #resumesAt: Addr | undefined;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Tasks by pid, then what is left of ended ones, then the idle tasks of the CPUs that have nothing else to run. */
  list(): TaskInfo[] {
    const { state } = this.#kernel;
    const live = state.tasks.filter(({ idle }) => !idle).sort((a, b) => a.pid - b.pid);
    const idle = state.tasks.filter((task) => task.idle && runsOn(this.#kernel, task) !== undefined);
    return [
      ...live.map((task) => this.#infoOf(task)),
      ...state.processes.filter((process) => isZombie(process, live)).map(zombieInfo),
      ...idle.map((task) => this.#infoOf(task)),
    ];
  }

  #infoOf(task: Task): TaskInfo {
    const k = this.#kernel;
    const cpu = runsOn(k, task);
    const name = task.idle ? `swapper/${task.cpu}` : k.process(task).comm;
    return { pid: task.pid, tgid: task.tgid, name, idle: task.idle, cpu, state: stateOf(k, task, cpu) };
  }

  /** The task that a CPU runs, or that the stand-in stands for. */
  of(cpu: Cpu): Task {
    const k = this.#kernel;
    return cpu === this.#standIn ? k.task(this.#standsFor!) : k.current(cpu);
  }

  pidOn(cpu: Cpu): number {
    return cpu === this.#standIn ? this.#standsFor! : this.#kernel.state.current[cpu.index]!;
  }

  /** The process that a CPU's task is of, if it has memory. */
  processOn(cpu: Cpu): number | undefined {
    const task = this.of(cpu);
    return this.#kernel.mmOf(task) === undefined ? undefined : task.tgid;
  }

  /** A CPU to read a process's memory from; undefined if it has none now. */
  seenFromProcess(process: number): Cpu | undefined {
    const k = this.#kernel;
    const task = k.state.tasks.find((each) => each.tgid === process && k.mmOf(each) !== undefined);
    return k.machine.cpus.find((cpu) => this.processOn(cpu) === process) ?? (task && this.standIn(task.pid));
  }

  /** The CPU whose per-CPU variables count. */
  home(cpu: Cpu): Cpu {
    return cpu === this.#standIn ? this.#kernel.machine.cpus[this.of(cpu).cpu]! : cpu;
  }

  /** A processor as it will be when `__switch_to_asm` has come to the stack of task `pid`. undefined: there is nothing of it to be seen. */
  standIn(pid: number): Cpu | undefined {
    const k = this.#kernel;
    const task = k.state.tasks.find((each) => each.pid === pid);
    this.#resumesAt ??= resumesAt(k);
    const ip = this.#resumesAt;
    if (task === undefined || ip === undefined) return undefined;
    this.#standIn ??= new Cpu(k.machine.core, k.machine.cpus.length, k.options.cpu);
    this.#standsFor = pid;
    loadSaved(k, this.#standIn, task, ip);
    return this.#standIn;
  }
}

/** The CPU that runs a task now. */
const runsOn = (k: Kernel, task: Task): number | undefined => {
  const cpu = k.state.current.indexOf(task.pid);
  return cpu < 0 ? undefined : cpu;
};

function stateOf(k: Kernel, task: Task, cpu: number | undefined): string {
  if (task.idle) return "idle";
  if (task.dead) return "exiting";
  if (cpu !== undefined) return `running on CPU ${cpu}`;
  if (isStopped(task)) return task.stop!.state === "traced" ? "stopped for its tracer" : "stopped";
  if (!task.asleep) return "runnable";
  return `blocked in ${syscallOf(k, task) ?? task.wait?.reason ?? "the kernel"}`;
}

/** The system call that a task is in, by the number that its entry left in pt_regs. */
function syscallOf(k: Kernel, task: Task): string | undefined {
  const number = Number(BigInt.asIntN(32, k.userRegs(task).get("orig_ax")));
  return number < 0 ? undefined : syscallName(k.inIa32Syscall(task) ? "i386" : "x86_64", number);
}

const isZombie = (process: Process, live: readonly Task[]): boolean =>
  process.zombie !== undefined && !live.some(({ pid }) => pid === process.tgid);

const zombieInfo = ({ tgid, comm }: Process): TaskInfo => ({
  pid: tgid,
  tgid,
  name: comm,
  idle: false,
  cpu: undefined,
  state: "zombie",
});

const LONGEST_SWITCH = 128;

/** Behind the instruction of `__switch_to_asm` that loads the stack pointer of the task to run: it is read from the code, which a user may have written. */
function resumesAt(k: Kernel): Addr | undefined {
  if (!k.hasSymbol("__switch_to_asm")) return undefined;
  const start = k.symbol("__switch_to_asm");
  const bits = k.layout.wordSize === 8 ? 64 : 32;
  const bytes = peekBytes(k.machine.cpus[0]!, start, LONGEST_SWITCH);
  const lines = disassemble(bytes, addrToBig(start), bits, "nasm", LONGEST_SWITCH);
  const loads = lines.findIndex(({ text }) => /^mov [er]sp, ?\[/.test(text));
  const next = lines[loads + 1];
  return loads < 0 || next === undefined ? undefined : start + Number(next.address - lines[0]!.address);
}

/** What a switch to the task would load: stack pointer, page tables, per-CPU segment, FPU, what the user left in segment registers. */
function loadSaved(k: Kernel, cpu: Cpu, task: Task, ip: Addr): void {
  const home = k.machine.cpus[task.cpu]!;
  home.settleFlags();
  cpu.core.u8.copyWithin(cpu.base, home.base, home.base + STATE_BYTES);
  const mm = k.mmOf(task);
  cpu.set64(OFF.CR3, BigInt(mm?.pgd ?? currentPgd(k, home)));
  const { wordSize, defines } = k.layout;
  cpu.setFlagsRaw(EFLAGS.FIXED);
  cpu.set32(OFF.CPL, 0);
  loadKernelSegments(k, cpu, task);
  for (let i = 0; i < 16; i++) cpu.set64(OFF.GPR + i * 8, 0n);
  cpu.set64(OFF.RIP, wordSize === 8 ? addrToBig(ip) : BigInt(ip));
  cpu.set64(OFF.GPR + GPR.RSP * 8, k.memory.readScalar(task.address + Number(defines.TASK_threadsp), wordSize));
  if (!task.idle) switchFpu(k, cpu, { ...task, idle: true }, task);
  cpu.stateReplaced();
}

function loadKernelSegments(k: Kernel, cpu: Cpu, task: Task): void {
  const { __KERNEL_CS = 0, __KERNEL_DS = 0, __KERNEL_PERCPU } = k.layout.selectors;
  loadFlat(cpu, SEG.CS, __KERNEL_CS);
  loadFlat(cpu, SEG.SS, __KERNEL_DS);
  cpu.updateMode();
  if (__KERNEL_PERCPU === undefined) loadBases(k, cpu, task);
  else loadFlat(cpu, SEG.FS, __KERNEL_PERCPU);
}

/** The 64-bit kernel's GS, and the user's FS and GS, which wait for its return. */
function loadBases(k: Kernel, cpu: Cpu, task: Task): void {
  const base = (seg: SegIndex, value: bigint) => cpu.set64(OFF.SEG + seg * SEG_STRIDE + SEGF.BASE, value);
  base(SEG.GS, addrToBig(k.perCpuBase(k.machine.cpus[task.cpu]!)));
  const { segments } = task;
  if (segments === undefined) return;
  base(SEG.FS, segments.fsBase);
  cpu.set64(OFF.KERNEL_GS_BASE, segments.gsBase);
}

/** As the GDT says it, which is only looked at: no check, and no accessed bit is set. */
function loadFlat(cpu: Cpu, seg: SegIndex, selector: number): void {
  const address = cpu.getAddr(OFF.GDTR_BASE) + (selector & 0xfff8);
  const [low, high] = [0, 4].map((offset) => Number(peekValue(cpu, address + offset, 4) ?? 0n));
  const attr = attrOf(high!);
  setSegmentRaw(cpu, seg, segmentValueOf({ selector, address, low: low!, high: high!, attr }));
}
