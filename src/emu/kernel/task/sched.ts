/**
 * The scheduler: a run queue a CPU, first come first served, with time slices while someone waits. Everything is plain data and depends
 * on the instruction count alone. The stack is switched by guest code: schedule() below calls __switch_to_asm of the entry code.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { raiseIrq } from "../irq.ts";
import type { Kernel } from "../kernel.ts";
import { VECTORS } from "../layout/linux-6.1.ts";
import { putWord } from "../mm/uaccess.ts";
import { switchDebug } from "../ptrace/debugreg.ts";
import { isStopped } from "../ptrace/stop.ts";
import type { Task } from "../state.ts";
import { switchTsc } from "../tsc.ts";
import { type FunctionTable, SCHEDULE, type UpcallContext, type UpcallTable } from "../upcall.ts";
import { invalidateIoBitmap, updateIoBitmap } from "./ioport.ts";
import { expireTimers } from "./itimer.ts";
import { rseqEvent } from "./rseq.ts";

/** Machine time that a task runs while others wait. */
const SLICE = 100_000;
const TIMER = "kernel";
const NEVER = Number.POSITIVE_INFINITY;

/** set_cpus_allowed(): a task that waits on a queue it may no longer be on changes over; one that runs there leaves. */
export function setAffinity(k: Kernel, task: Task, mask: number): void {
  task.affinity = mask;
  if (allowed(task, task.cpu)) return;
  const queue = queueOf(k, task.cpu);
  const at = queue.indexOf(task.pid);
  if (at >= 0) {
    queue.splice(at, 1);
    enqueue(k, task, false);
  } else if (isCurrent(k, task)) {
    reschedule(k, task);
    kick(k, task);
  }
}

const runnable = (task: Task): boolean => !task.idle && !task.dead && !task.asleep;
export const isCurrent = (k: Kernel, task: Task): boolean => k.state.current.includes(task.pid);
const allowed = (task: Task, cpu: number): boolean => (task.affinity & (1 << cpu)) !== 0;
const queueOf = (k: Kernel, cpu: number): number[] => k.state.runQueues[cpu]!;
/** Tasks that run or want to run there. */
const load = (k: Kernel, cpu: number): number => queueOf(k, cpu).length + (k.state.current[cpu]! > 0 ? 1 : 0);

/** select_task_rq(): where the fewest want to run, at home if that is no worse. */
function selectCpu(k: Kernel, task: Task): number {
  const candidates = k.machine.cpus.map((cpu) => cpu.index).filter((cpu) => allowed(task, cpu));
  const home = allowed(task, task.cpu) ? task.cpu : candidates[0]!;
  return candidates.reduce((best, cpu) => (load(k, cpu) < load(k, best) ? cpu : best), home);
}

/** Puts a runnable task on a run queue. `preempt`: it has slept, and goes before who runs there. */
function enqueue(k: Kernel, task: Task, preempt: boolean): void {
  const target = selectCpu(k, task);
  if (target !== task.cpu) rseqEvent(k, task);
  task.cpu = target;
  k.setThreadInfo(task, "cpu", target);
  queueOf(k, target).push(task.pid);
  const running = k.task(k.state.current[target]!);
  const here = k.machine.currentCpu.index === target;
  if (preempt && !running.idle) k.setFlag(running, "NEED_RESCHED");
  if (!here && (preempt || running.idle)) raiseIrq(k, k.machine.cpus[target]!, VECTORS.RESCHEDULE);
  if (!running.idle && k.state.slices[target] === NEVER) startSlice(k, target);
}

export function wakeUpNewTask(k: Kernel, task: Task): void {
  rseqEvent(k, task);
  enqueue(k, task, false);
}

/** try_to_wake_up(). A task that has not left its CPU yet goes on there, or is queued when it leaves. */
export function wakeUp(k: Kernel, task: Task): void {
  // what it once waited for wakes no one who has stopped
  if (!task.asleep || task.dead || isStopped(task)) return;
  task.asleep = false;
  if (!isCurrent(k, task)) enqueue(k, task, true);
}

/** kick_process(): a task that runs on another CPU comes into the kernel and sees its flags. */
export function kick(k: Kernel, task: Task): void {
  const cpu = k.state.current.indexOf(task.pid);
  if (cpu >= 0 && cpu !== k.machine.currentCpu.index) raiseIrq(k, k.machine.cpus[cpu]!, VECTORS.RESCHEDULE);
}

/** sched_yield(), and a task that may no longer run where it does. */
export const reschedule = (k: Kernel, task: Task): void => k.setFlag(task, "NEED_RESCHED");

/** The part of __schedule() before the switch: the task_struct to switch to, 0 = go on with the present one. */
function pickNextTask({ kernel: k, cpu }: UpcallContext): number {
  const previous = k.current(cpu);
  k.setFlag(previous, "NEED_RESCHED", false);
  const pid = queueOf(k, cpu.index).shift();
  if (pid !== undefined) return k.task(pid).address;
  if (previous.idle || (runnable(previous) && allowed(previous, cpu.index))) return 0;
  return idleTask(k, cpu).address;
}

export const idleTask = (k: Kernel, cpu: Cpu): Task => k.state.tasks.find((t) => t.idle && t.cpu === cpu.index)!;

/** __switch_to() and finish_task_switch(): everything of the new task but its stack, which the entry code has switched. */
function switchTo(u: UpcallContext): bigint {
  const { kernel: k, cpu } = u;
  const previous = k.current(cpu);
  rseqEvent(k, previous);
  const next = k.state.tasks.find((task) => task.address === u.pointer(1));
  if (next === undefined) throw new Error("__switch_to a task that does not exist");
  k.arch.switchTo(k, cpu, next);
  switchTsc(k, cpu, next);
  if (k.testFlag(previous, "IO_BITMAP")) invalidateIoBitmap(k, cpu);
  if (k.choice.hooks.ioBitmapAtSwitch === true && k.testFlag(next, "IO_BITMAP")) updateIoBitmap(k, cpu, next);
  switchDebug(k, cpu, previous, next);
  k.timeline.switched(cpu, previous.pid, next.pid);
  k.state.slices[cpu.index] = NEVER;
  if (runnable(previous)) enqueue(k, previous, false);
  else if (previous.dead) release(k, previous);
  if (queueOf(k, cpu.index).length > 0) {
    // woken while it was being switched away from: an idle task that begins would halt first
    if (next.idle) raiseIrq(k, cpu, VECTORS.RESCHEDULE);
    else startSlice(k, cpu.index);
  }
  if (isStopped(previous)) for (const task of waitersFor(k, previous)) wakeUp(k, task);
  return u.arg(0);
}

/** wait_task_inactive(): tracers that want the registers of a task that had not left its CPU yet. */
const waitersFor = (k: Kernel, task: Task): Task[] =>
  k.state.tasks.filter((t) => t.wait?.reason === "inactive" && t.wait.pid === task.pid);

/** put_task_struct(): the last of a task that ended, once its stack is left. */
function release(k: Kernel, task: Task): void {
  k.state.tasks = k.state.tasks.filter((t) => t !== task);
  k.timeline.ended(task.pid);
  k.state.freeTasks.push({ address: task.address, stack: task.stack });
}

function startSlice(k: Kernel, cpu: number): void {
  k.state.slices[cpu] = k.machine.now + SLICE;
  armTimer(k);
}

const sleepers = (k: Kernel): Task[] => k.state.tasks.filter((t) => t.asleep && t.wait?.deadline !== undefined);

/** The machine's timer for the earliest deadline after `after`; the running slice ends so that the machine sees it. */
export function armTimer(k: Kernel, after = -1): void {
  const due = [
    ...k.state.slices,
    ...sleepers(k).map((t) => t.wait!.deadline!),
    ...k.state.processes.flatMap(({ realTimer }) => realTimer?.expires ?? []),
  ];
  const next = Math.min(NEVER, ...due.filter((time) => time > after));
  k.machine.timers.arm(TIMER, next);
  if (next !== NEVER) k.machine.currentCpu.requestStop();
}

/** The local timers: a CPU on which something is due is interrupted. */
export function installTimer(k: Kernel): void {
  k.machine.timers.define(TIMER, () => {
    const { now } = k.machine;
    for (const cpu of k.machine.cpus) {
      const due =
        sleepers(k).some((t) => t.cpu === cpu.index && t.wait!.deadline! <= now) ||
        k.state.processes.some(({ realTimer }) => realTimer?.cpu === cpu.index && realTimer.expires <= now);
      if (due || k.state.slices[cpu.index]! <= now) raiseIrq(k, cpu, VECTORS.LOCAL_TIMER);
    }
    armTimer(k, now);
  });
}

/** sysvec_apic_timer_interrupt(): wakes who has slept enough, ends interval timers and a time slice. */
export function timerInterrupt(k: Kernel, cpu: Cpu): void {
  const { now } = k.machine;
  for (const task of sleepers(k)) if (task.cpu === cpu.index && task.wait!.deadline! <= now) wakeUp(k, task);
  expireTimers(k, cpu.index);
  if (k.state.slices[cpu.index]! > now) return;
  k.state.slices[cpu.index] = NEVER;
  if (queueOf(k, cpu.index).length > 0) reschedule(k, k.current(cpu));
}

/** The task switched to has begun to run: what the other one's schedule() has disabled is enabled again; then the child's own id. */
function scheduleTail({ kernel: k, cpu }: UpcallContext): void {
  k.once("preempt_enable", () => k.setPerCpu(cpu, "__preempt_count", k.perCpu(cpu, "__preempt_count") - 1n));
  const task = k.current(cpu);
  if (task.setChildTid === undefined) return;
  putWord(k, task, Number(task.setChildTid), 4, task.pid);
  delete task.setChildTid;
}

export const SCHED_UPCALLS: UpcallTable = {
  schedule_tail: scheduleTail,
  /** An idle CPU woke up: is there something to run? */
  schedule_idle: ({ kernel: k, cpu }) => (queueOf(k, cpu.index).length > 0 ? SCHEDULE : undefined),
  pick_next_task: pickNextTask,
  __switch_to: switchTo,
};

/** schedule(): keeps the argument registers, for the up-call that is called again after it. */
export const SCHED_FUNCTIONS_64: FunctionTable = {
  schedule: [
    "pushfq",
    "cli",
    "incl %gs:PER_CPU___preempt_count",
    "pushq %rdi",
    "pushq %rsi",
    "call pick_next_task",
    "testq %rax, %rax",
    "jz 1f",
    "movq %rax, %rsi",
    "movq %gs:PER_CPU_current_task, %rdi",
    "call __switch_to_asm",
    "1:",
    "popq %rsi",
    "popq %rdi",
    "decl %gs:PER_CPU___preempt_count",
    "popfq",
    "ret",
  ],
};
export const SCHED_FUNCTIONS_32: FunctionTable = {
  schedule: [
    "pushfl",
    "cli",
    "incl %fs:PER_CPU___preempt_count",
    "pushl %eax",
    "pushl %edx",
    "call pick_next_task",
    "testl %eax, %eax",
    "jz 1f",
    "movl %eax, %edx",
    "movl %fs:PER_CPU_current_task, %eax",
    "call __switch_to_asm",
    "1:",
    "popl %edx",
    "popl %eax",
    "decl %fs:PER_CPU___preempt_count",
    "popfl",
    "ret",
  ],
};
