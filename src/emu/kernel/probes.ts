/** Addresses at which the kernel's own parts want to be told before an instruction runs: one set for all of them, on every CPU. */
import type { Cpu } from "../cpu/cpu.ts";
import type { Addr } from "../cpu/state.ts";
import type { Machine } from "../machine/machine.ts";

export type ProbeHandler = (cpu: Cpu, addr: Addr) => void;

export class Probes {
  readonly #handlers = new Map<Addr, ProbeHandler[]>();

  add(addr: Addr, handler: ProbeHandler): void {
    this.#handlers.set(addr, [...(this.#handlers.get(addr) ?? []), handler]);
  }

  /** Once, when all are added. */
  install(machine: Machine): void {
    for (const cpu of machine.cpus) {
      cpu.hooks.probe = (c: Cpu, addr: Addr) => {
        for (const handler of this.#handlers.get(addr) ?? []) handler(c, addr);
      };
      cpu.setProbes(this.#handlers.keys());
    }
  }
}
