/**
 * The vsyscall page (arch/x86/entry/vsyscall): three calls at fixed addresses from before there was a vDSO. Nothing is mapped there: the
 * fault of the fetch is the call, as in Linux's mode "xonly", and a read is a fault like any other.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { PF_ERROR } from "../../cpu/fault.ts";
import type { Addr } from "../../cpu/state.ts";
import { E } from "../abi/errno.ts";
import { SIG } from "../abi/signal.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { getWord } from "../mm/uaccess.ts";
import type { PtRegs } from "../ptregs.ts";
import { forceSig } from "../signal/send.ts";
import { SyscallContext } from "../syscall/types.ts";

/** VSYSCALL_ADDR: 10 MiB below the end of the address space. */
export const VSYSCALL_ADDR: Addr = -10 * 2 ** 20;
/** By their place in the page, 1024 bytes each. */
const CALLS = ["gettimeofday", "time", "getcpu"] as const;
const SLOT = 1024;

export const isVsyscallAddress = (k: Kernel, address: Addr): boolean =>
  k.layout.wordSize === 8 && address >= VSYSCALL_ADDR && address < VSYSCALL_ADDR + PAGE_SIZE;

/** emulate_vsyscall(): false = the fault is an ordinary one. */
export function emulateVsyscall(k: Kernel, cpu: Cpu, regs: PtRegs, address: Addr, errorCode: number): boolean {
  if ((errorCode & (PF_ERROR.W | PF_ERROR.U)) !== PF_ERROR.U) return false;
  // read, not called
  if (BigInt.asUintN(64, BigInt(address)) !== regs.ip) return false;
  const task = k.current(cpu);
  const offset = address - VSYSCALL_ADDR;
  const name = offset % SLOT === 0 ? CALLS[offset / SLOT] : undefined;
  const caller = getWord(k, task, Number(regs.sp), 8);
  if (name === undefined || caller === undefined) {
    forceSig(k, cpu, task, SIG.SIGSEGV);
    return true;
  }
  const table = k.arch.native;
  const args = [regs.get("di"), regs.get("si"), 0n, 0n, 0n, 0n];
  const result = table.calls[name]!(new SyscallContext(k, cpu, task, regs, table, args));
  k.machine.events.emit("vsyscall", cpu.index, { name });
  if (result === -E.EFAULT) {
    forceSig(k, cpu, task, SIG.SIGSEGV);
    return true;
  }
  if (typeof result === "number" || typeof result === "bigint") regs.ax = result;
  // the caller's return address, taken off as RET would
  regs.set("ip", caller);
  regs.set("sp", regs.sp + 8n);
  return true;
}
