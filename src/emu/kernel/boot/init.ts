/**
 * The part of boot that both kernels share: the kernel image in memory, the init page table with the direct map, the idle tasks and
 * the first program. What is left, the processor's own tables and registers, is the architecture's.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { RLIM_INFINITY_64, RLIMIT } from "../abi/file.ts";
import { NSIG, SIG, SIG_DFL } from "../abi/signal.ts";
import type { Arch } from "../arch.ts";
import { execProgram } from "../exec/exec.ts";
import { readExecutable } from "../exec/executable.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { modulo } from "../memory.ts";
import { allocContiguous, freePages, pageTables } from "../mm/pages.ts";
import { PTE } from "../mm/pagetable.ts";
import { kernelPage, mustAllocPgd } from "../mm/pti.ts";
import { emptyPending, type KernelState, type Mm, type Process, type SigAction, type Task } from "../state.ts";
import { ROOT, rootCred } from "../task/cred.ts";
import type { LinkedImage } from "./packed.ts";

const KERNEL_PAGE = PTE.PRESENT | PTE.RW | PTE.ACCESSED | PTE.DIRTY | PTE.GLOBAL;

/** Bytes from the start of kernel text to the end of the image. */
const imageSize = (arch: Arch, image: LinkedImage): number =>
  Math.max(
    ...image.segments.map(
      (s) => Number(s.address - BigInt.asUintN(arch.bits, BigInt(arch.layout.address.text))) + s.memorySize,
    ),
  );

/** State before anything runs. */
export function initialState(
  arch: Arch,
  image: LinkedImage,
  ramSize: number,
  files: Readonly<Record<string, Uint8Array>>,
): KernelState {
  return {
    pages: {
      next: Math.ceil((arch.layout.address.textPhysical + imageSize(arch, image)) / PAGE_SIZE),
      end: Math.floor(ramSize / PAGE_SIZE),
      // the first MiB is a PC's own
      low: 256,
      lowEnd: Math.floor(arch.layout.address.textPhysical / PAGE_SIZE),
      available: 0,
      free: [],
      shared: {},
      committed: 0,
    },
    tasks: [],
    processes: [],
    zombieThreads: [],
    pipes: {},
    sockets: {},
    listeners: {},
    mms: [],
    current: [],
    runQueues: [],
    slices: [],
    ioBitmaps: [],
    freeTasks: [],
    nextId: 1,
    lastPid: 0,
    stdinPosition: 0,
    vdsoPages: {},
    files: { ...files },
    rootBytes: Object.values(files).reduce((sum, { length }) => sum + length, 0),
    inodes: {},
    injected: [],
    irq: [],
  };
}

/** @returns one sentence if the program cannot be run. */
export function bootKernel(k: Kernel): string | undefined {
  k.state.mms.push(initMm(k));
  placeImage(k);
  mapImage(k);
  mapDirect(k);
  k.state.processes.push(newProcess(0, "swapper"));
  for (const cpu of k.machine.cpus) newTask(k, { pid: -cpu.index, tgid: 0, cpu: cpu.index, idle: true });
  k.state.current = k.machine.cpus.map((cpu) => -cpu.index);
  k.state.runQueues = k.machine.cpus.map(() => []);
  k.state.slices = k.machine.cpus.map(() => Number.POSITIVE_INFINITY);
  k.state.ioBitmaps = k.machine.cpus.map(() => 0);
  k.state.irq = k.machine.cpus.map(() => []);
  k.arch.boot(k);
  for (const cpu of k.machine.cpus) k.arch.goIdle(k, cpu);
  k.state.pages.available = freePages(k);
  return startFirstProgram(k, k.machine.cpus[0]!);
}

function initMm(k: Kernel): Mm {
  return {
    id: 0,
    pgd: mustAllocPgd(k),
    vmas: [],
    startBrk: 0,
    brk: 0,
    startStack: 0,
    argStart: 0,
    envStart: 0,
    envEnd: 0,
    mmapBase: 0,
    mmapCompatBase: 0,
    taskSize: 0,
    committed: 0,
    context: { vdso: 0, vdsoImage: "", ia32: false },
    auxv: [],
    exe: "",
  };
}

const imageAddress = (k: Kernel, address: bigint): number =>
  k.layout.wordSize === 8 ? Number(BigInt.asIntN(64, address)) : Number(address);

function placeImage(k: Kernel): void {
  for (const segment of k.image.segments) k.memory.kernelWrite("boot", imageAddress(k, segment.address), segment.bytes);
}

/** Kernel text read-only and executable, its data writable and not; a page that both share is both. */
function mapImage(k: Kernel): void {
  const rights = new Map<number, { write: boolean; exec: boolean }>();
  for (const { address, memorySize, flags } of k.image.segments) {
    const start = imageAddress(k, address);
    for (let page = start - modulo(start, PAGE_SIZE); page < start + memorySize; page += PAGE_SIZE) {
      const old = rights.get(page) ?? { write: false, exec: false };
      rights.set(page, { write: old.write || flags.write, exec: old.exec || flags.exec });
    }
  }
  const tables = pageTables(k);
  for (const [page, { write, exec }] of rights) {
    const flags = (write ? KERNEL_PAGE : KERNEL_PAGE & ~PTE.RW) | (exec ? 0n : PTE.NX);
    tables.map(k.state.mms[0]!.pgd, page, k.memory.phys(page), kernelPage(k, flags));
  }
}

/** All of RAM at PAGE_OFFSET, in large pages where the image's small ones are not in the way. */
function mapDirect(k: Kernel): void {
  const tables = pageTables(k);
  const { levels, hasNx } = k.arch.paging;
  const level = levels.length - 2;
  const span = 2 ** levels[level]!.shift;
  const flags = kernelPage(k, hasNx ? KERNEL_PAGE | PTE.NX : KERNEL_PAGE);
  const root = k.state.mms[0]!.pgd;
  for (let pa = 0; pa < k.machine.core.ramSize; pa += span) {
    const at = tables.entryAt(root, k.memory.virt(pa), level, true)!;
    if (tables.read(at) === 0n) tables.writeEntry(at, BigInt(pa) | flags | PTE.PSE);
    else fillSmall(k, pa, span / PAGE_SIZE, flags);
  }
}

function fillSmall(k: Kernel, from: number, pages: number, flags: bigint): void {
  const tables = pageTables(k);
  const root = k.state.mms[0]!.pgd;
  for (let i = 0; i < pages; i++) {
    const pa = from + i * PAGE_SIZE;
    if (tables.lookup(root, k.memory.virt(pa)) === 0n) tables.map(root, k.memory.virt(pa), pa, flags);
  }
}

const STACK_LIMIT = 8n * 1024n * 1024n;

const DEFAULT_ACTION: SigAction = Object.freeze({ handler: BigInt(SIG_DFL), flags: 0, restorer: 0n, mask: 0n });

export function newProcess(tgid: number, comm: string): Process {
  const rlimits = Array.from({ length: 16 }, (): [bigint, bigint] => [RLIM_INFINITY_64, RLIM_INFINITY_64]);
  rlimits[RLIMIT.RLIMIT_STACK] = [STACK_LIMIT, RLIM_INFINITY_64];
  rlimits[RLIMIT.RLIMIT_NOFILE] = [1024n, 4096n];
  return {
    tgid,
    ppid: 0,
    pgrp: tgid,
    sid: tgid,
    exitSignal: SIG.SIGCHLD,
    comm,
    uid: ROOT,
    actions: new Array<SigAction>(NSIG).fill(DEFAULT_ACTION),
    sharedPending: emptyPending(),
    files: {
      0: { path: "stdin", flags: 0, position: 0 },
      1: { path: "stdout", flags: 1, position: 0 },
      2: { path: "stderr", flags: 1, position: 0 },
    },
    rlimits,
    closeOnExec: {},
    fs: { umask: 0o022, cwd: "/" },
  };
}

/** A task with its task_struct and kernel stack in guest memory. */
export function newTask(k: Kernel, what: Pick<Task, "pid" | "tgid" | "cpu" | "idle">): Task {
  const task: Task = {
    ...what,
    mm: undefined,
    ...taskMemory(k),
    dead: false,
    asleep: false,
    affinity: 2 ** k.machine.cpus.length - 1,
    cred: rootCred(),
    blocked: 0n,
    pending: emptyPending(),
    altstack: { sp: 0n, size: 0n, flags: 0 },
    thread: { trapNr: 0, errorCode: 0, cr2: 0n },
    tls: [0n, 0n, 0n],
    clearChildTid: 0n,
    robustList: 0n,
    compatRobustList: 0n,
  };
  k.state.tasks.push(task);
  k.setThreadInfo(task, "cpu", what.cpu);
  return task;
}

function taskMemory(k: Kernel): Pick<Task, "address" | "stack"> {
  const { layout } = k;
  const old = k.state.freeTasks.pop();
  if (old === undefined) {
    return {
      address: k.memory.virt(allocContiguous(k, layout.taskStructSize / PAGE_SIZE)),
      stack: k.memory.virt(allocContiguous(k, layout.threadSize / PAGE_SIZE)),
    };
  }
  k.memory.write(old.address, new Uint8Array(layout.taskStructSize));
  return old;
}

/** Is there room for one more task? */
export const taskMemoryLeft = (k: Kernel): boolean =>
  k.state.freeTasks.length > 0 ||
  k.state.pages.end - k.state.pages.next >= (k.layout.taskStructSize + k.layout.threadSize) / PAGE_SIZE;

/** pid of the first program: not 1, which Linux treats unlike all others. */
const FIRST_PID = 1000;

function startFirstProgram(k: Kernel, cpu: Cpu): string | undefined {
  const { program, args, env } = k.options;
  const process = newProcess(FIRST_PID, program.name.split("/").at(-1)!.slice(0, 15));
  const argv = [program.name, ...args];
  const executable = readExecutable(k, program, { filename: program.name, argv, cwd: process.fs.cwd });
  if ("problem" in executable) return executable.problem;
  k.state.processes.push(process);
  const task = newTask(k, { pid: FIRST_PID, tgid: FIRST_PID, cpu: cpu.index, idle: false });
  const environment = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const problem = execProgram(k, cpu, task, executable, environment);
  if (problem !== undefined) return problem;
  // no call has begun it: ret_from_fork asks
  k.userRegs(task).set("orig_ax", -1);
  k.arch.goFork(k, cpu, task);
  // as if it had been switched to: schedule_tail() takes it off
  k.setPerCpu(cpu, "__preempt_count", 1);
  k.timeline.begin(cpu, "ret_from_fork");
  return undefined;
}
