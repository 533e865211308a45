/** Questions that the run loop asks between instructions: shadows, single-step traps, and whether something pending may be delivered. */
import type { Block } from "./blocks.ts";
import { ACTIVITY, PENDING, SHADOW } from "./contract.ts";
import type { Cpu } from "./cpu.ts";
import { Mnemonic } from "./iced.ts";
import { EFLAGS, OFF } from "./layout.ts";

const DEBUGCTL_BTF = 2;
/** Instructions that clear TF as part of what they do take no single-step trap. */
const NO_STEP_TRAP: ReadonlySet<number> = new Set([Mnemonic.Int, Mnemonic.Int3, Mnemonic.Into, Mnemonic.Int1]);

/** In the shadow of the instruction that has just retired? Forgets one that has passed. */
export function inShadow(cpu: Cpu): boolean {
  if (cpu.get32(OFF.SHADOW_KIND) === SHADOW.NONE) return false;
  if (cpu.get32(OFF.SHADOW) === (cpu.retired | 0)) return true;
  cpu.set32(OFF.SHADOW_KIND, SHADOW.NONE);
  return false;
}

/** Does the instruction that a block consists of, run with TF set, trap? */
export function takesStepTrap(cpu: Cpu, block: Block): boolean {
  const { mnemonic } = block.insns[0]!;
  if (NO_STEP_TRAP.has(mnemonic) || cpu.get32(OFF.ACTIVITY) === ACTIVITY.SHUTDOWN) return false;
  // SYSCALL traps at its target if the mask (in long mode; legacy mode has none) leaves TF set.
  if (mnemonic === Mnemonic.Syscall && !(cpu.get32(OFF.EFLAGS) & EFLAGS.TF)) return false;
  // BTF: only branches that are taken.
  const falls = cpu.get32(OFF.RIP) === block.endLow && cpu.get32(OFF.RIP + 4) === block.endHigh;
  if (cpu.get32(OFF.DEBUGCTL) & DEBUGCTL_BTF && falls) return false;
  return !(inShadow(cpu) && cpu.get32(OFF.SHADOW_KIND) === SHADOW.MOV_SS);
}

/** Is something pending that may be delivered now, shadows aside? */
export function deliverable(cpu: Cpu): boolean {
  const pending = cpu.get32(OFF.PENDING);
  if (pending === 0) return false;
  if (pending & (PENDING.MC | PENDING.DEBUG) || (pending & PENDING.NMI && cpu.get32(OFF.NMI_BLOCKED) === 0))
    return true;
  return (pending & PENDING.INTR) !== 0 && (cpu.get32(OFF.EFLAGS) & EFLAGS.IF) !== 0;
}
