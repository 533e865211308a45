/** The interrupt shadow: the one instruction boundary after MOV SS, POP SS and STI at which nothing is let in. */
import type { Cpu } from "../cpu.ts";
import { OFF } from "../layout.ts";

/** Values of OFF.SHADOW_KIND. MOV SS and POP SS also hold back debug traps. */
const KIND = { sti: 1, "mov-ss": 2 } as const;

/** Call from the instruction itself: the boundary meant is the one right after it. */
export function inhibitInterrupts(cpu: Cpu, kind: keyof typeof KIND): void {
  cpu.syncCount();
  cpu.set32(OFF.SHADOW, (cpu.get32(OFF.ICOUNT) + 1) | 0);
  cpu.set32(OFF.SHADOW_KIND, KIND[kind]);
}
