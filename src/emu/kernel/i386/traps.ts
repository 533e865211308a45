/** What only the 32-bit entry code calls: #DB wherever it strikes, #DF behind its task gate, and an IRET that failed. */
import { OFF } from "../../cpu/layout.ts";
import { SI_CODE, SIG } from "../abi/signal.ts";
import { die, doTrap, type Trap } from "../trap/common.ts";
import { debugKernel, debugUserUpcall } from "../trap/traps.ts";
import { type FunctionTable, idtEntries, type UpcallContext, type UpcallTable } from "../upcall.ts";
import { ACCESS, systemSegment } from "./descriptors.ts";
import { CPU_ENTRY_AREA, cpuEntryArea, TSS_LIMIT } from "./layout.ts";
import { setGdtEntry } from "./segments.ts";
import { tss } from "./thread.ts";

/** X86_TRAP_IRET: no vector of the processor's. */
const TRAP_IRET = 32;

const trapOf = (u: UpcallContext): Trap => ({ k: u.kernel, cpu: u.cpu, regs: u.regs() });

function excDebug(u: UpcallContext): void {
  const trap = trapOf(u);
  if (trap.regs.user) debugUserUpcall(u);
  else debugKernel(trap, ["__begin_SYSENTER_singlestep_region", "__end_SYSENTER_singlestep_region"]);
}

/** iret_error(): the frame that IRET refused, as a frame from user mode. */
function iretError(u: UpcallContext): void {
  const trap = trapOf(u);
  doTrap(trap, TRAP_IRET, SIG.SIGILL, "iret exception", 0, SI_CODE.ILL_BADSTK, 0n);
}

/** The TSS fields that become pt_regs; orig_ax has none and is 0. */
const TSS_REGS = [
  "bx",
  "cx",
  "dx",
  "si",
  "di",
  "bp",
  "ax",
  "ds",
  "es",
  "fs",
  "gs",
  "ip",
  "cs",
  "flags",
  "sp",
  "ss",
] as const;

/** doublefault_shim(): back to the normal TSS, with the registers that the task switch saved there; then there is no way on. */
function doublefaultShim(u: UpcallContext): void {
  const { kernel: k, cpu } = u;
  const selector = k.layout.gdt.TSS! * 8;
  const base = cpuEntryArea(cpu.index) + CPU_ENTRY_AREA.tss;
  setGdtEntry(k, cpu, "TSS", systemSegment(base, TSS_LIMIT, ACCESS.TSS));
  k.machine.events.emit("double-fault", cpu.index, { cr2: cpu.get32(OFF.CR2) >>> 0, tr: selector });
  const regs = k.regsAt(Number(cpu.gpr(4) & 0xffff_ffffn) - k.layout.ptRegsSize);
  for (const name of TSS_REGS) regs.set(name, tss(k, cpu, name));
  regs.set("orig_ax", 0);
  die({ k, cpu, regs }, "double fault", 0);
}

/** A machine check or NMI that nobody claims: seen on the timeline, and gone. */
function unclaimed(u: UpcallContext): void {
  u.kernel.machine.events.emit("unclaimed", u.cpu.index, { name: u.name.replace(/^__/, ""), user: u.regs().user });
}

const HANDLERS = idtEntries({ exc_debug: excDebug, exc_machine_check: unclaimed, iret_error: iretError });

export const TRAP_FUNCTIONS_32: FunctionTable = HANDLERS.functions;
export const TRAP_UPCALLS_32: UpcallTable = {
  ...HANDLERS.upcalls,
  exc_nmi: unclaimed,
  doublefault_shim: doublefaultShim,
};
