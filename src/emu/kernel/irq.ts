/** Interrupts that the kernel's CPUs send each other and that its timer sends them: the local APICs as far as anyone can tell. */
import { type Cpu, PENDING } from "../cpu/cpu.ts";
import type { Kernel } from "./kernel.ts";

/** Offers a vector to a CPU; one that is offered already is not offered twice. */
export function raiseIrq(k: Kernel, cpu: Cpu, vector: number): void {
  const offered = k.state.irq[cpu.index]!;
  if (!offered.includes(vector)) offered.push(vector);
  k.machine.interrupt(cpu, PENDING.INTR);
}

/** The CPU takes the vector of the highest priority. */
function acknowledge(k: Kernel, cpu: Cpu): number {
  const offered = k.state.irq[cpu.index]!;
  const vector = Math.max(-1, ...offered);
  k.state.irq[cpu.index] = offered.filter((v) => v !== vector);
  if (offered.length <= 1) cpu.lower(PENDING.INTR);
  return vector;
}

export function installIrqs(k: Kernel): void {
  for (const cpu of k.machine.cpus) cpu.hooks.interruptVector = () => acknowledge(k, cpu);
}
