/**
 * thread_struct of the 32-bit kernel, as far as entry code depends on it: sp0, the top of the task's kernel stack, which v8086 mode
 * moves up by its four segment registers, and what MSR_IA32_SYSENTER_CS has to be. Sources: asm/switch_to.h, kernel/process_32.c.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { OFF, SEG } from "../../cpu/layout.ts";
import type { Addr } from "../../cpu/state.ts";
import type { Kernel } from "../kernel.ts";
import type { Field } from "../layout/types.ts";
import type { Task } from "../state.ts";
import { TASK } from "./layout.ts";

export const SEGMENT_GS = SEG.GS;

const read = (k: Kernel, task: Task, name: string): number => Number(k.memory.readField(task.address, TASK[name]!));
const write = (k: Kernel, task: Task, name: string, value: number): void =>
  k.memory.writeField(task.address, TASK[name]!, BigInt(value));

/** thread.sp0 as a task begins with it. */
export const initialSp0 = (k: Kernel, task: Task): Addr => task.stack + k.layout.threadSize - k.layout.stackPadding;

export const stackTop = (k: Kernel, task: Task): Addr => read(k, task, "sp0");
export const savedGs = (k: Kernel, task: Task): number => read(k, task, "gs");
export const saveGs = (k: Kernel, task: Task, selector: number): void => write(k, task, "gs", selector);

/** A task that has never run has no thread_struct yet. */
export function initThread(k: Kernel, task: Task): void {
  if (stackTop(k, task) !== 0) return;
  write(k, task, "sp0", initialSp0(k, task));
  write(k, task, "sysenter_cs", k.layout.selectors.__KERNEL_CS!);
}

/** vm86's way in and out: a new sp0, and SYSENTER off (0) or on. */
export function changeStackTop(k: Kernel, cpu: Cpu, task: Task, sp0: Addr, sysenterCs: number): void {
  write(k, task, "sp0", sp0);
  write(k, task, "sysenter_cs", sysenterCs);
  updateTaskStack(k, cpu, task);
}

/** update_task_stack() and refresh_sysenter_cs(): what the entry code finds in the TSS, and the MSR that TSS.ss1 caches. */
export function updateTaskStack(k: Kernel, cpu: Cpu, task: Task): void {
  setTss(k, cpu, "sp1", stackTop(k, task));
  const cs = read(k, task, "sysenter_cs");
  if (tss(k, cpu, "ss1") === cs) return;
  setTss(k, cpu, "ss1", cs);
  cpu.set64(OFF.SYSENTER_CS, BigInt(cs));
}

const tssField = (k: Kernel, name: string): Field => ({
  offset: k.layout.perCpu.cpu_tss_rw!.offset + k.layout.tss[name]!.offset,
  size: k.layout.tss[name]!.size,
});
export const tss = (k: Kernel, cpu: Cpu, name: string): number =>
  Number(k.memory.readField(k.perCpuBase(cpu), tssField(k, name)));
export const setTss = (k: Kernel, cpu: Cpu, name: string, value: number): void =>
  k.memory.writeField(k.perCpuBase(cpu), tssField(k, name), BigInt(value));
