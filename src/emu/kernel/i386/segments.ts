/** The GDT of a CPU, the LDT register, and the user's segment registers, which but for GS are in pt_regs. */
import type { Cpu } from "../../cpu/cpu.ts";
import { Fault } from "../../cpu/fault.ts";
import { SEG } from "../../cpu/layout.ts";
import { loadLdtr, loadSegment } from "../../cpu/system/segment.ts";
import type { DataSegment } from "../arch.ts";
import type { Kernel } from "../kernel.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Mm, Task } from "../state.ts";
import { ACCESS, systemSegment } from "./descriptors.ts";

/** Writes a GDT entry by its name in the layout. */
export function setGdtEntry(k: Kernel, cpu: Cpu, name: string, value: bigint, index = 0): void {
  const entry = k.layout.gdt[name]! + index;
  k.memory.writeScalar(k.perCpuBase(cpu) + k.layout.perCpu.gdt_page!.offset + entry * 8, 8, value);
}

export function loadTls(k: Kernel, cpu: Cpu, task: Task): void {
  task.tls.forEach((value, index) => {
    setGdtEntry(k, cpu, "TLS_MIN", value, index);
  });
}

export function loadLdt(k: Kernel, cpu: Cpu, mm: Mm): void {
  const { ldt } = mm.context;
  if (ldt === undefined) {
    loadLdtr(cpu, 0);
    return;
  }
  setGdtEntry(k, cpu, "LDT", systemSegment(ldt.address, ldt.entries * 8 - 1, ACCESS.LDT));
  loadLdtr(cpu, k.layout.gdt.LDT! * 8);
}

export const userSegment = (cpu: Cpu, regs: PtRegs, name: DataSegment): number =>
  name === "gs" ? cpu.selector(SEG.GS) : Number(regs.get(name)) & 0xffff;

export function setUserSegment(cpu: Cpu, regs: PtRegs, name: DataSegment, selector: number): void {
  if (name === "gs") loadGs(cpu, selector);
  else regs.set(name, selector & 0xffff);
}

/** loadsegment(gs, selector): what cannot be loaded leaves null. */
export function loadGs(cpu: Cpu, selector: number): void {
  try {
    loadSegment(cpu, SEG.GS, selector);
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    loadSegment(cpu, SEG.GS, 0);
  }
}
