/**
 * MONITOR, MWAIT and their kin for user code. A wait may end at any time and for no reason, so all of ours end at once; what remains
 * is what they check. No time limit is ever reached: CF = 0.
 */
import type { Cpu } from "../cpu.ts";
import { gp, ud } from "../fault.ts";
import { ARITH_FLAGS, CR4, GPR, SEG } from "../layout.ts";
import type { Helper, Insn } from "../operation.ts";
import { announced } from "./announced.ts";
import { hasCr4 } from "./predicates.ts";

/** The watched address is checked as a load of one byte from DS. */
function checkWatched(cpu: Cpu, insn: Insn, reg: number): void {
  const low = cpu.readReg(reg, insn.addrSize);
  const { high } = cpu;
  cpu.checkSeg(SEG.DS, low, high, 1, false);
}

/** #UD and not #GP where the privilege is missing. */
function requireInner(cpu: Cpu, name: string): void {
  if (cpu.cpl !== 0) throw ud(`${name} at CPL ${cpu.cpl}`);
}

function requireExtensions(cpu: Cpu, name: string, known: number): void {
  const asked = cpu.gprLow(GPR.RCX);
  if ((asked & ~known) !== 0) throw gp(0, `${name}: ECX asks for extensions that do not exist`);
}

export const monitor: Helper = announced("monitor", (cpu, insn) => {
  requireInner(cpu, "MONITOR");
  requireExtensions(cpu, "MONITOR", 0);
  checkWatched(cpu, insn, GPR.RAX);
});

/** ECX bit 0: interrupts end the wait even while they are masked. */
export const mwait: Helper = announced("monitor", (cpu) => {
  requireInner(cpu, "MWAIT");
  requireExtensions(cpu, "MWAIT", 1);
});

export const monitorx: Helper = announced("monitorx", (cpu, insn) => {
  requireExtensions(cpu, "MONITORX", 0);
  checkWatched(cpu, insn, GPR.RAX);
});

/** ECX bit 1: EBX is a time limit. */
export const mwaitx: Helper = announced("monitorx", (cpu) => requireExtensions(cpu, "MWAITX", 3));

export const umonitor: Helper = announced("waitpkg", (cpu, insn) => {
  const op = insn.ops[0]!;
  if (op.kind !== "reg") throw new Error("UMONITOR takes a register");
  checkWatched(cpu, insn, op.reg);
});

/** UMWAIT and TPAUSE: bit 0 of the operand chooses the depth of sleep. */
export const userWait = (name: string): Helper =>
  announced("waitpkg", (cpu, insn) => {
    if (cpu.cpl !== 0 && hasCr4(cpu, CR4.TSD)) throw gp(0, `${name} at CPL ${cpu.cpl} with CR4.TSD set`);
    if ((cpu.readOp(insn, 0) & ~1) !== 0) throw gp(0, `${name} with reserved bits of its operand set`);
    cpu.setArithFlags(0, ARITH_FLAGS);
  });
