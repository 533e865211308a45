/** What only the 64-bit entry code calls: stack handling for exceptions, the IST exceptions, and the espfix side of #DF. */
import type { Kernel } from "../kernel.ts";
import { ESPFIX_BASE_ADDR } from "../layout/linux-6.1-64.ts";
import type { PtRegs } from "../ptregs.ts";
import { type FunctionTable, idtEntries, type UpcallContext, type UpcallTable } from "../upcall.ts";
import { die } from "./common.ts";
import { debugKernel, debugUserUpcall } from "./traps.ts";

const FRAME_WORDS = ["ip", "cs", "flags", "sp", "ss"] as const;

/** sync_regs(): a frame from user mode belongs on the task's stack. */
function syncRegs(u: UpcallContext): number {
  const { kernel: k, cpu } = u;
  const from = u.pointer(0);
  const to = Number(BigInt.asIntN(64, k.perCpu(cpu, "cpu_current_top_of_stack"))) - k.layout.ptRegsSize;
  if (from !== to) k.memory.write(to, k.memory.read(from, k.layout.ptRegsSize));
  return to;
}

/** pt_regs that an entry from user mode through TSS.sp0 would have made. */
function entryStackRegs(k: Kernel, u: UpcallContext): PtRegs {
  const tss = k.perCpuBase(u.cpu) + k.layout.perCpu.cpu_tss_rw!.offset;
  const sp0 = Number(BigInt.asIntN(64, k.memory.readField(tss, k.layout.tss.sp0!)));
  return k.regsAt(sp0 - k.layout.ptRegsSize);
}

/** fixup_bad_iret(): the fault of an IRET, as if it had struck at that IRET's target. */
function fixupBadIret(u: UpcallContext): number {
  const { kernel: k } = u;
  const bad = u.regs();
  const target = entryStackRegs(k, u);
  const upper = k.layout.ptRegs.ip!.offset;
  const lower = k.memory.read(bad.address, upper);
  const frame = k.memory.read(Number(BigInt.asIntN(64, bad.sp)), k.layout.ptRegsSize - upper);
  k.memory.write(target.address, lower);
  k.memory.write(target.address + upper, frame);
  return target.address;
}

/**
 * exc_double_fault(): an IRET that faulted on the read-only espfix stack. The frame that could not be pushed there is made up on the
 * entry stack, and #DF's own frame is changed to return into the #GP handler: the cause of the fault is lost, it becomes #GP(0).
 */
function doubleFault(u: UpcallContext): void {
  const { kernel: k, cpu } = u;
  const regs = u.regs();
  if (k.choice.hooks.espfix64?.writable === false && isEspfixIret(k, regs)) {
    const gp = entryStackRegs(k, u);
    const frame = Number(BigInt.asIntN(64, regs.sp));
    FRAME_WORDS.forEach((name, i) => {
      gp.set(name, k.memory.readScalar(frame + i * 8, 8));
    });
    gp.set("orig_ax", 0n);
    regs.set("ip", BigInt(k.symbol("asm_exc_general_protection")));
    regs.set("sp", BigInt(gp.address + k.layout.ptRegs.orig_ax!.offset));
    k.machine.events.emit("espfix", cpu.index, { step: "double fault becomes #GP(0)", ip: `0x${gp.ip.toString(16)}` });
    return;
  }
  die({ k, cpu, regs }, "double fault", Number(u.arg(1)));
}

function isEspfixIret(k: Kernel, regs: PtRegs): boolean {
  const slot = BigInt.asIntN(64, regs.sp) >> 39n;
  return (
    slot === BigInt(ESPFIX_BASE_ADDR / 2 ** 39) &&
    regs.cs === k.layout.selectors.__KERNEL_CS &&
    regs.ip === BigInt.asUintN(64, BigInt(k.symbol("native_irq_return_iret")))
  );
}

function excDebug(u: UpcallContext): void {
  debugKernel({ k: u.kernel, cpu: u.cpu, regs: u.regs() }, ["entry_SYSENTER_compat", "__end_entry_SYSENTER_compat"]);
}

/** A machine check or NMI that nobody claims: seen on the timeline, and gone. */
function unclaimed(u: UpcallContext): void {
  u.kernel.machine.events.emit("unclaimed", u.cpu.index, { name: u.name, user: u.regs().user });
}

const USER_DEBUG = idtEntries({ noist_exc_debug: debugUserUpcall });

export const TRAP_FUNCTIONS_64: FunctionTable = USER_DEBUG.functions;
export const TRAP_UPCALLS_64: UpcallTable = {
  ...USER_DEBUG.upcalls,
  sync_regs: syncRegs,
  fixup_bad_iret: fixupBadIret,
  exc_double_fault: doubleFault,
  exc_debug: excDebug,
  exc_machine_check: unclaimed,
  noist_exc_machine_check: unclaimed,
  exc_nmi: unclaimed,
};
