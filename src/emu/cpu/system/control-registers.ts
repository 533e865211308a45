/** MOV to and from control and debug registers, LMSW, SMSW, CLTS: which bits may be written when, and what follows from them. */
import type { Cpu } from "../cpu.ts";
import { gp, ud } from "../fault.ts";
import { CR0, CR4, EFER, OFF, SEG } from "../layout.ts";
import { factsOf } from "../model.ts";
import type { Helper, Insn } from "../operation.ts";
import { PHYSICAL_BITS } from "../paging.ts";
import { CR4_IMPLEMENTED } from "./cpuid-data.ts";
import { DR6, debugException } from "./deliver.ts";
import { ATTR, hex } from "./descriptor.ts";
import { hasCr4, is64Bit, isLongMode } from "./predicates.ts";
import { checkUmip, requireCpl0 } from "./privilege.ts";
import { isTss16 } from "./tss.ts";

/** Conditions on a new CR0 as a whole. */
function checkCr0(cpu: Cpu, value: number, high: number): void {
  if (high !== 0) throw gp(0, "MOV to CR0 sets a bit above 31");
  if ((value & CR0.PG) !== 0 && (value & CR0.PE) === 0) throw gp(0, "CR0.PG without CR0.PE");
  if ((value & CR0.NW) !== 0 && (value & CR0.CD) === 0) throw gp(0, "CR0.NW without CR0.CD");
  const old = cpu.get32(OFF.CR0);
  if ((old & CR0.PG) === 0 && (value & CR0.PG) !== 0) checkPagingOn(cpu);
  if ((old & CR0.PG) !== 0 && (value & CR0.PG) === 0 && is64Bit(cpu)) throw gp(0, "CR0.PG cleared in 64-bit mode");
}

function checkPagingOn(cpu: Cpu): void {
  if ((cpu.get32(OFF.EFER) & EFER.LME) === 0) return;
  if (!hasCr4(cpu, CR4.PAE)) throw gp(0, "paging turned on with EFER.LME set and CR4.PAE clear");
  if ((cpu.segAttr(SEG.CS) & ATTR.L) !== 0) throw gp(0, "long mode activated while CS.L is set");
  if (isTss16(cpu)) throw gp(0, "long mode activated while TR holds a 16-bit TSS");
}

const CR0_TRANSLATION = CR0.PG | CR0.WP | CR0.PE;

function setCr0(cpu: Cpu, value: number): void {
  const old = cpu.get32(OFF.CR0);
  const { cr0, cr0Fixed } = factsOf(cpu);
  const next = (value & cr0) | cr0Fixed;
  cpu.set32(OFF.CR0, next);
  if (((old ^ next) & CR0.PG) !== 0) {
    const efer = cpu.get32(OFF.EFER);
    const active = (next & CR0.PG) !== 0 && (efer & EFER.LME) !== 0;
    cpu.set32(OFF.EFER, active ? efer | EFER.LMA : efer & ~EFER.LMA);
  }
  if (((old ^ next) & CR0_TRANSLATION) !== 0) cpu.flushTlb();
  cpu.updateMode();
}

function setCr3(cpu: Cpu, low: number, high: number): void {
  const reservedHigh = -1 << (PHYSICAL_BITS - 32);
  if (isLongMode(cpu) && (high & reservedHigh) !== 0) throw gp(0, "MOV to CR3 sets a reserved bit");
  cpu.set32(OFF.CR3, low);
  cpu.set32(OFF.CR3 + 4, isLongMode(cpu) ? high : 0);
  cpu.flushTlbNonGlobal();
}

const CR4_TRANSLATION = CR4.PSE | CR4.PAE | CR4.PGE | CR4.SMEP | CR4.SMAP;

function setCr4(cpu: Cpu, value: number, high: number): void {
  const reserved = value & ~CR4_IMPLEMENTED;
  if (high !== 0 || reserved !== 0)
    throw gp(0, `MOV to CR4 sets bits that this processor does not have: ${hex(reserved)}`);
  if (isLongMode(cpu) && (value & CR4.PAE) === 0) throw gp(0, "CR4.PAE cleared in long mode");
  const changed = cpu.get32(OFF.CR4) ^ value;
  cpu.set32(OFF.CR4, value);
  if ((changed & CR4_TRANSLATION) !== 0) cpu.flushTlb();
  if ((changed & CR4.DE) !== 0) cpu.debugRegistersChanged();
  cpu.updateMode();
}

function setCr8(cpu: Cpu, low: number, high: number): void {
  if (high !== 0 || (low & ~0xf) !== 0) throw gp(0, "MOV to CR8 sets a bit above 3");
  cpu.set32(OFF.CR8, low);
}

const CR_OFFSET: Readonly<Record<number, number>> = { 0: OFF.CR0, 2: OFF.CR2, 3: OFF.CR3, 4: OFF.CR4, 8: OFF.CR8 };

/** CR8 outside 64-bit mode is AMD's LOCK MOV CR0: the decoder knows. */
function controlRegister(cpu: Cpu, insn: Insn, index: number): number {
  const op = insn.ops[index]!;
  if (op.kind !== "cr") throw new Error("not a control register");
  if (CR_OFFSET[op.reg] === undefined || (op.reg === 4 && !factsOf(cpu).hasCr4)) throw ud(`CR${op.reg} does not exist`);
  requireCpl0(cpu, `MOV with CR${op.reg}`);
  return op.reg;
}

/** General register of 64 bits in 64-bit mode, else 32, whatever the prefixes. */
function gprOperand(insn: Insn, index: number): number {
  const op = insn.ops[index]!;
  if (op.kind !== "reg") throw new Error("not a general register");
  return op.reg;
}

const highIf64 = (insn: Insn, high: number): number => (insn.bits === 64 ? high : 0);

export const movFromCr: Helper = (cpu, insn) => {
  const at = CR_OFFSET[controlRegister(cpu, insn, 1)]!;
  cpu.setGprHalves(gprOperand(insn, 0), cpu.get32(at), highIf64(insn, cpu.get32(at + 4)));
};

export const movToCr: Helper = (cpu, insn) => {
  const number = controlRegister(cpu, insn, 0);
  const reg = gprOperand(insn, 1);
  const low = cpu.gprLow(reg);
  const high = highIf64(insn, cpu.gprHigh(reg));
  if (number === 0) {
    checkCr0(cpu, low, high);
    setCr0(cpu, low);
  } else if (number === 2) {
    cpu.set32(OFF.CR2, low);
    cpu.set32(OFF.CR2 + 4, high);
  } else if (number === 3) setCr3(cpu, low, high);
  else if (number === 4) setCr4(cpu, low, high);
  else setCr8(cpu, low, high);
};

// ---- debug registers

const DR7_GD = 1 << 13;
const drOffset = (reg: number): number => OFF.DR + reg * 8;

/** DR4 and DR5 are other names of DR6 and DR7 unless CR4.DE takes them away. */
function debugRegister(cpu: Cpu, insn: Insn, index: number): number {
  const op = insn.ops[index]!;
  if (op.kind !== "dr") throw new Error("not a debug register");
  if (op.reg > 7) throw ud(`DR${op.reg} does not exist`);
  requireCpl0(cpu, `MOV with DR${op.reg}`);
  const alias = op.reg === 4 || op.reg === 5;
  if (alias && hasCr4(cpu, CR4.DE)) throw ud(`DR${op.reg} with CR4.DE set`);
  if ((cpu.get32(drOffset(7)) & DR7_GD) !== 0)
    throw debugException(DR6.BD, `MOV with DR${op.reg} while DR7.GD guards the debug registers`);
  return alias ? op.reg + 2 : op.reg;
}

export const movFromDr: Helper = (cpu, insn) => {
  const at = drOffset(debugRegister(cpu, insn, 1));
  cpu.setGprHalves(gprOperand(insn, 0), cpu.get32(at), highIf64(insn, cpu.get32(at + 4)));
};

const DR6_FIXED = 0xffff0ff0 | 0;
const DR6_WRITABLE = 0xe00f;
const DR7_FIXED = 0x400;
const DR7_WRITABLE = 0xffff23ff | 0;

export const movToDr: Helper = (cpu, insn) => {
  const number = debugRegister(cpu, insn, 0);
  const reg = gprOperand(insn, 1);
  const low = cpu.gprLow(reg);
  const high = highIf64(insn, cpu.gprHigh(reg));
  if (number >= 6 && high !== 0) throw gp(0, `MOV to DR${number} sets a bit above 31`);
  const at = drOffset(number);
  if (number === 6) cpu.set32(at, (low & DR6_WRITABLE) | DR6_FIXED);
  else if (number === 7) cpu.set32(at, (low & DR7_WRITABLE) | DR7_FIXED);
  else cpu.set32(at, low);
  cpu.set32(at + 4, number >= 6 ? 0 : high);
  cpu.debugRegistersChanged();
};

// ---- machine status word

export const smsw: Helper = (cpu, insn) => {
  checkUmip(cpu, "SMSW");
  cpu.writeOp(insn, 0, cpu.get32(OFF.CR0), 0);
};

/** Loads PE, MP, EM, TS; cannot clear PE. */
export const lmsw: Helper = (cpu, insn) => {
  requireCpl0(cpu, "LMSW");
  const source = cpu.readOp(insn, 0) & 0xf;
  const old = cpu.get32(OFF.CR0);
  setCr0(cpu, (old & ~0xe) | source);
};

export const clts: Helper = (cpu) => {
  requireCpl0(cpu, "CLTS");
  cpu.set32(OFF.CR0, cpu.get32(OFF.CR0) & ~CR0.TS);
};
