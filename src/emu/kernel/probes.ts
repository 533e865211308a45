/** Addresses at which the kernel's own parts want to be told before an instruction runs: one set for all of them, on every CPU. */
import type { Cpu } from "../cpu/cpu.ts";
import type { Addr } from "../cpu/state.ts";
import type { Machine } from "../machine/machine.ts";

export type ProbeHandler = (cpu: Cpu, addr: Addr) => void;

export class Probes {
  readonly #handlers = new Map<Addr, ProbeHandler[]>();
  #machine: Machine | undefined;

  add(addr: Addr, handler: ProbeHandler): void {
    this.#handlers.set(addr, [...(this.#handlers.get(addr) ?? []), handler]);
    for (const cpu of this.#machine?.cpus ?? []) cpu.setProbes(this.#handlers.keys());
  }

  /** Once; what is added before costs less. */
  install(machine: Machine): void {
    this.#machine = machine;
    for (const cpu of machine.cpus) {
      cpu.hooks.probe = (c: Cpu, addr: Addr) => {
        for (const handler of this.#handlers.get(addr) ?? []) handler(c, addr);
      };
      cpu.setProbes(this.#handlers.keys());
    }
  }
}
