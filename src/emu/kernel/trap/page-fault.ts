/** exc_page_fault(): demand paging for user addresses, SIGSEGV for what no mapping allows (arch/x86/mm/fault.c). */

import { PF_ERROR, VECTOR } from "../../cpu/fault.ts";
import { CR4, EFLAGS, OFF } from "../../cpu/layout.ts";
import type { Addr } from "../../cpu/state.ts";
import { SI_CODE, SIG } from "../abi/signal.ts";
import { hex } from "../memory.ts";
import { faultIn } from "../mm/fault.ts";
import { forceSig, forceSigFault } from "../signal/send.ts";
import { die, type Trap } from "./common.ts";
import { emulateVsyscall, isVsyscallAddress } from "./vsyscall.ts";

export function excPageFault(t: Trap, errorCode: number): void {
  const { k, cpu, regs } = t;
  // a fault of our own copies from user memory changes CR2
  const address = k.once("read_cr2", () => cpu.getAddr(OFF.CR2));
  const task = k.current(cpu);
  const mm = k.mmOf(task);
  if (isVsyscallAddress(k, address) && regs.user && emulateVsyscall(k, cpu, regs, address, errorCode)) return;
  const inKernel = address < 0 || address >= k.layout.address.taskSizeMax;
  if (inKernel || mm === undefined) {
    badArea(t, address, errorCode, SI_CODE.SEGV_MAPERR);
    return;
  }
  if (isSmapViolation(t)) {
    die(t, `supervisor access of user address ${hex(address)} without AC`, errorCode);
    return;
  }
  // a present page that was touched from user mode with reserved bits set cannot come of these page tables
  const access = { write: (errorCode & PF_ERROR.W) !== 0, exec: (errorCode & PF_ERROR.I) !== 0 };
  const result = faultIn(k, task, mm, address, access);
  if (result === "mapped") return;
  if (result === "oom") {
    forceSig(k, cpu, task, SIG.SIGKILL);
    if (!regs.user) badArea(t, address, errorCode, SI_CODE.SEGV_MAPERR);
    return;
  }
  if (result === "sigbus") {
    badArea(t, address, errorCode, SI_CODE.BUS_ADRERR, SIG.SIGBUS);
    return;
  }
  badArea(t, address, errorCode, result === "maperr" ? SI_CODE.SEGV_MAPERR : SI_CODE.SEGV_ACCERR);
}

/** With SMAP the kernel touches user pages only where it says so: anything else is a bug of its own, mapped or not. */
const isSmapViolation = ({ cpu, regs }: Trap): boolean =>
  !regs.user && (cpu.get32(OFF.CR4) & CR4.SMAP) !== 0 && (regs.flags & EFLAGS.AC) === 0;

/** __bad_area_nosemaphore(), and do_sigbus(). */
function badArea(t: Trap, address: Addr, errorCode: number, code: number, signr: number = SIG.SIGSEGV): void {
  const { k, cpu, regs } = t;
  if (!regs.user) {
    if (!k.arch.fixupException(k, regs)) die(t, `unable to handle page fault for address ${hex(address)}`, errorCode);
    return;
  }
  const task = k.current(cpu);
  // user mode is not to learn from the error code what is mapped in the kernel
  const shown = address < 0 || address >= k.layout.address.taskSizeMax ? errorCode | PF_ERROR.P : errorCode;
  task.thread.trapNr = VECTOR.PF;
  task.thread.errorCode = shown | PF_ERROR.U;
  task.thread.cr2 = BigInt.asUintN(64, BigInt(address));
  forceSigFault(k, cpu, task, signr, code, BigInt.asUintN(64, BigInt(address)));
}
