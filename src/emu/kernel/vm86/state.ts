/**
 * struct vm86 of a task, and the frame of a task in v8086 mode (struct kernel_vm86_regs): pt_regs, followed by the four segment
 * registers that the processor pushes and pops only there. Source: asm/vm86.h.
 */
import { EFLAGS } from "../../cpu/layout.ts";
import type { Addr } from "../../cpu/state.ts";
import type { Kernel } from "../kernel.ts";
import type { Field } from "../layout/types.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Task } from "../state.ts";

/** Plain data: it is saved and restored with the task. */
export interface Vm86 {
  /** The caller's vm86_struct, to be written when v8086 mode ends. */
  userVm86: Addr;
  /** The 32-bit registers to come back to. */
  regs32: Uint8Array;
  /** The flags that v8086 code believes to have; VIF in them stands for its IF. */
  veflags: number;
  /** Which flags beyond SAFE_MASK v8086 code may change, in veflags: depends on cpu_type. */
  veflagsMask: number;
  /** thread.sp0 before; 0 = not in v8086 mode. */
  savedSp0: number;
  flags: number;
  cpuType: number;
  intRevectored: Uint8Array;
  int21Revectored: Uint8Array;
  /** vm86plus_info: its flag word, and the table of intercepted interrupts of a debugger. */
  plusFlags: number;
  intxxtab: Uint8Array;
}

export const vm86Of = (task: Task): Vm86 | undefined => task.vm86 as unknown as Vm86 | undefined;
export function setVm86(task: Task, vm86: Vm86): void {
  task.vm86 = vm86 as unknown as Record<string, unknown>;
}

/** Flags that v8086 code has for itself, and those that it gets to see: without and with TF's neighbours, as 6.1 defines them. */
export const SAFE_MASK = 0xdd5;
export const RETURN_MASK = 0xdff;

export type SegmentName = "es" | "ds" | "fs" | "gs";
const SEGMENTS: readonly SegmentName[] = ["es", "ds", "fs", "gs"];

/** kernel_vm86_regs: the words above pt_regs, in the order in which the processor pushes them. */
export class Vm86Regs {
  readonly pt: PtRegs;
  readonly #k: Kernel;

  constructor(k: Kernel, regs: PtRegs) {
    this.#k = k;
    this.pt = regs;
  }

  segment(name: SegmentName): number {
    return Number(this.#k.memory.readField(this.pt.address, this.#field(name))) & 0xffff;
  }
  setSegment(name: SegmentName, value: number): void {
    this.#k.memory.writeField(this.pt.address, this.#field(name), BigInt(value & 0xffff));
  }

  get32(name: string): number {
    return Number(this.pt.get(name));
  }
  set32(name: string, value: number): void {
    this.pt.set(name, value >>> 0);
  }
  /** The low half of ip, sp or ax; the upper half stays. */
  get16(name: string): number {
    return this.get32(name) & 0xffff;
  }
  set16(name: string, value: number): void {
    this.set32(name, (this.get32(name) & 0xffff_0000) | (value & 0xffff));
  }

  #field(name: SegmentName): Field {
    return { offset: this.#k.layout.ptRegsSize + SEGMENTS.indexOf(name) * 4, size: 4 };
  }
}

/** v8086_mode(). */
export const v8086Mode = (regs: PtRegs): boolean => (regs.flags & EFLAGS.VM) !== 0;
