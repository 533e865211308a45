/** The kernel's own code is at fault: the machine stops and says why; there is nothing to go on with. */
import { ACTIVITY, type Cpu } from "../cpu/cpu.ts";
import { OFF } from "../cpu/layout.ts";
import type { Kernel } from "./kernel.ts";

export function oops(k: Kernel, cpu: Cpu, what: string): void {
  const why = `kernel oops: ${what}`;
  k.machine.events.emit("oops", cpu.index, { why });
  cpu.set32(OFF.ACTIVITY, ACTIVITY.SHUTDOWN);
  cpu.shutdownWhy = why;
  k.machine.stop({ kind: "shutdown", why });
}
