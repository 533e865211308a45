/**
 * What the run loop asks between instructions: shadows, single-step traps, what watched data, debug registers and pending interrupts ask
 * for. What may be delivered now is delivered here.
 */
import type { Block } from "./blocks.ts";
import { ACTIVITY, PENDING, SHADOW } from "./contract.ts";
import type { Cpu } from "./cpu.ts";
import { Fault, VECTOR } from "./fault.ts";
import { Mnemonic } from "./iced.ts";
import { EFLAGS, OFF } from "./layout.ts";
import { debugBitsAt } from "./system/debug-registers.ts";
import { DR6, debugException, deliverException, deliverInterrupt } from "./system/deliver.ts";
import type { WatchHit } from "./watch.ts";

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

/** The shadow of MOV SS holds back instruction breakpoints and the traps of the last instruction. */
const holdsDebugBack = (cpu: Cpu): boolean => inShadow(cpu) && cpu.get32(OFF.SHADOW_KIND) === SHADOW.MOV_SS;

/** Does the instruction that a block consists of, run with TF set, trap? */
export function takesStepTrap(cpu: Cpu, block: Block): boolean {
  const { mnemonic } = block.insns[0]!;
  if (NO_STEP_TRAP.has(mnemonic) || cpu.get32(OFF.ACTIVITY) === ACTIVITY.SHUTDOWN) return false;
  // SYSCALL traps at its target if the mask (in long mode; legacy mode has none) leaves TF set.
  if (mnemonic === Mnemonic.Syscall && !(cpu.get32(OFF.EFLAGS) & EFLAGS.TF)) return false;
  // BTF: only branches that are taken.
  const falls = cpu.get32(OFF.RIP) === block.endLow && cpu.get32(OFF.RIP + 4) === block.endHigh;
  if (cpu.get32(OFF.DEBUGCTL) & DEBUGCTL_BTF && falls) return false;
  return !holdsDebugBack(cpu);
}

/** Is something pending that may be delivered now, shadows aside? */
export function deliverable(cpu: Cpu): boolean {
  const pending = cpu.get32(OFF.PENDING);
  if (pending === 0) return false;
  if (pending & (PENDING.MC | PENDING.DEBUG) || (pending & PENDING.NMI && cpu.get32(OFF.NMI_BLOCKED) === 0))
    return true;
  return (pending & PENDING.INTR) !== 0 && (cpu.get32(OFF.EFLAGS) & EFLAGS.IF) !== 0;
}

/** Debug registers that the last instruction has hit become a pending trap; a debugger's range a reason to stop. */
export function takeWatchHits(cpu: Cpu): WatchHit | undefined {
  const { watches } = cpu;
  if (!watches.pending) return undefined;
  const { hit, debugBits } = watches;
  watches.forget();
  if (debugBits) cpu.raiseDebug(debugBits);
  return hit;
}

/** Raises the #DB of an instruction breakpoint at RIP, unless RF or a shadow holds it back. */
export function takesInstructionBreakpoint(cpu: Cpu): boolean {
  if (cpu.get32(OFF.EFLAGS) & EFLAGS.RF || holdsDebugBack(cpu)) return false;
  const bits = debugBitsAt(cpu, cpu.linearIp);
  if (!bits) return false;
  cpu.deliver(() => deliverException(cpu, debugException(bits, "instruction breakpoint in a debug register")));
  return true;
}

/** Takes the highest pending interrupt that may be taken now (SDM volume 3, 6.9: machine checks come before debug traps; no shadow holds them back). */
export function takesInterrupt(cpu: Cpu): boolean {
  const pending = cpu.get32(OFF.PENDING);
  if (pending === 0) return false;
  if (pending & PENDING.MC) {
    cpu.lower(PENDING.MC);
    cpu.deliver(() => deliverException(cpu, new Fault(VECTOR.MC, 0, "machine check")));
    return true;
  }
  if (pending & PENDING.DEBUG && !holdsDebugBack(cpu)) {
    debugTrap(cpu);
    return true;
  }
  if (inShadow(cpu)) return false;
  if (pending & PENDING.NMI && cpu.get32(OFF.NMI_BLOCKED) === 0) {
    cpu.lower(PENDING.NMI);
    cpu.deliver(() => deliverInterrupt(cpu, VECTOR.NMI, "nmi"));
    return true;
  }
  if (!(pending & PENDING.INTR) || !(cpu.get32(OFF.EFLAGS) & EFLAGS.IF)) return false;
  const vector = cpu.hooks.interruptVector();
  if (vector < 0) {
    cpu.lower(PENDING.INTR);
    return false;
  }
  cpu.deliver(() => deliverInterrupt(cpu, vector, "interrupt"));
  return true;
}

function debugTrap(cpu: Cpu): void {
  const dr6 = cpu.get32(OFF.PENDING_DEBUG);
  cpu.set32(OFF.PENDING_DEBUG, 0);
  cpu.lower(PENDING.DEBUG);
  const why = [dr6 & DR6.BS ? "single step: EFLAGS.TF was set" : "", dr6 & 0xf ? "breakpoint in a debug register" : ""];
  cpu.deliver(() => deliverException(cpu, debugException(dr6, why.filter((part) => part !== "").join("; "))));
}
