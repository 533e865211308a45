/** What exception handlers share: do_trap() and what becomes of a fault in the kernel itself. */
import type { Cpu } from "../../cpu/cpu.ts";
import { VECTOR } from "../../cpu/fault.ts";
import type { Kernel } from "../kernel.ts";
import { oops } from "../oops.ts";
import type { PtRegs } from "../ptregs.ts";
import { forceSig, forceSigFault } from "../signal/send.ts";

export interface Trap {
  readonly k: Kernel;
  readonly cpu: Cpu;
  readonly regs: PtRegs;
}

/** die(): an exception in the kernel that nobody expects. */
export function die({ k, cpu, regs }: Trap, what: string, errorCode: number): void {
  oops(k, cpu, `${what}, error code 0x${(errorCode >>> 0).toString(16)}, ip 0x${regs.ip.toString(16)}`);
}

/** Outside the task's own code this is a bug; in v8086 mode the first traps belong to vm86. true = dealt with. */
function noSignal(t: Trap, vector: number, what: string, errorCode: number): boolean {
  const { k, cpu, regs } = t;
  if (k.arch.vm86?.mode(regs) === true) {
    if (vector < VECTOR.UD && k.arch.vm86.trap(k, cpu, regs, errorCode, vector)) return true;
  } else if (!regs.user) {
    if (!k.arch.fixupException(k, regs)) die(t, what, errorCode);
    return true;
  }
  const { thread } = k.current(cpu);
  thread.errorCode = errorCode;
  thread.trapNr = vector;
  return false;
}

/** do_trap(): raise the signal; `code` 0 means that the kernel has nothing to say about the cause. */
export function doTrap(
  t: Trap,
  vector: number,
  signr: number,
  what: string,
  errorCode: number,
  code: number,
  addr: bigint,
): void {
  if (noSignal(t, vector, what, errorCode)) return;
  const task = t.k.current(t.cpu);
  if (code === 0) forceSig(t.k, t.cpu, task, signr);
  else forceSigFault(t.k, t.cpu, task, signr, code, addr);
}
