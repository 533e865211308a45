/**
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT: flat segments by rule, no descriptor read. Intel has SYSCALL in 64-bit mode only; AMD
 * has SYSENTER outside long mode only, and its SYSRET leaves SS's hidden part alone.
 */
import type { Cpu } from "../cpu.ts";
import { gp, ud } from "../fault.ts";
import { EFER, EFLAGS, GPR, OFF, SEG } from "../layout.ts";
import type { Helper, Insn } from "../operation.ts";
import { isCanonical } from "../state.ts";
import { setCpl } from "./code.ts";
import { DR6 } from "./deliver.ts";
import { ATTR } from "./descriptor.ts";
import { is64Bit, isLongMode, isProtected } from "./predicates.ts";
import { setSegmentRaw } from "./segment.ts";
import { originAt, reportTransfer } from "./transfer.ts";

const isAmd = (cpu: Cpu): boolean => cpu.model.vendor === "amd";

const FLAT = ATTR.G | ATTR.P | ATTR.S | ATTR.ACCESSED | ATTR.RW;
const DATA = FLAT | ATTR.DB;
const CODE32 = FLAT | ATTR.DB | ATTR.CODE;
const CODE64 = FLAT | ATTR.L | ATTR.CODE;

function loadFlat(cpu: Cpu, seg: typeof SEG.CS | typeof SEG.SS, selector: number, attr: number, dpl: number): void {
  setSegmentRaw(cpu, seg, { selector: selector & 0xffff, attr: attr | (dpl << 5), base: 0, limit: 0xffffffff });
}

const starLow = (cpu: Cpu): number => cpu.get32(OFF.STAR);
/** STAR[47:32]: selectors of SYSCALL. */
const syscallSelector = (cpu: Cpu): number => cpu.get32(OFF.STAR + 4) & 0xffff;
/** STAR[63:48]: selectors of SYSRET. */
const sysretSelector = (cpu: Cpu): number => cpu.get32(OFF.STAR + 4) >>> 16;

function requireSyscall(cpu: Cpu, name: string): void {
  if ((cpu.get32(OFF.EFER) & EFER.SCE) === 0) throw ud(`${name} with EFER.SCE clear`);
  if (!isAmd(cpu) && !is64Bit(cpu)) throw ud(`${name} outside 64-bit mode, which Intel processors do not have`);
}

/** Long mode: return address in RCX, flags in R11, entry from LSTAR or CSTAR. */
function syscallLong(cpu: Cpu): void {
  const entry = is64Bit(cpu) ? OFF.LSTAR : OFF.CSTAR;
  const flags = cpu.getFlags() & ~EFLAGS.RF;
  cpu.setGprHalves(GPR.RCX, cpu.get32(OFF.RIP), cpu.get32(OFF.RIP + 4));
  cpu.setGprHalves(GPR.R11, flags, 0);
  cpu.setFlagsRaw(flags & ~cpu.get32(OFF.SFMASK));
  cpu.setRip(cpu.get32(entry), cpu.get32(entry + 4));
  loadFlat(cpu, SEG.CS, syscallSelector(cpu) & 0xfffc, CODE64, 0);
}

/** AMD outside long mode: return address in ECX, entry from STAR[31:0]; TF is not masked and ESP not loaded. */
function syscallLegacy(cpu: Cpu): void {
  cpu.setGprHalves(GPR.RCX, cpu.get32(OFF.RIP), 0);
  cpu.setFlagsRaw(cpu.getFlags() & ~(EFLAGS.VM | EFLAGS.IF | EFLAGS.RF));
  cpu.setRip(starLow(cpu), 0);
  loadFlat(cpu, SEG.CS, syscallSelector(cpu) & 0xfffc, CODE32, 0);
}

export const syscall: Helper = (cpu, insn) => {
  requireSyscall(cpu, "SYSCALL");
  const from = originAt(cpu, insn.ipLow, insn.ipHigh);
  // commit
  if (isLongMode(cpu)) syscallLong(cpu);
  else syscallLegacy(cpu);
  loadFlat(cpu, SEG.SS, (syscallSelector(cpu) & 0xfffc) + 8, DATA, 0);
  setCpl(cpu, 0);
  reportTransfer(cpu, "syscall", from);
};

/** Bits of RFLAGS that SYSRET loads from R11. */
const SYSRET_FLAGS = 0x3c7fd7;

function sysretCs(cpu: Cpu, to64: boolean): void {
  const selector = sysretSelector(cpu) + (to64 ? 16 : 0);
  loadFlat(cpu, SEG.CS, selector | 3, to64 ? CODE64 : CODE32, 3);
}

/** Intel loads all of SS; AMD only its selector, so that a register left null by an interrupt stays unusable. */
function sysretSs(cpu: Cpu): void {
  const selector = sysretSelector(cpu) + 8;
  if (!isAmd(cpu)) {
    loadFlat(cpu, SEG.SS, selector | 3, DATA, 3);
    return;
  }
  const hidden = { attr: cpu.segAttr(SEG.SS), base: cpu.segBase(SEG.SS), limit: cpu.segLimit(SEG.SS) };
  setSegmentRaw(cpu, SEG.SS, { selector: selector & 0xffff, ...hidden });
}

function sysretFlags(cpu: Cpu): void {
  if (is64Bit(cpu)) cpu.setFlagsRaw(cpu.gprLow(GPR.R11) & SYSRET_FLAGS);
  else cpu.setFlagsRaw(cpu.getFlags() | EFLAGS.IF);
}

/** The check of RCX is Intel's; AMD takes any RIP, and the fetch faults at CPL 3. */
function checkSysretRip(cpu: Cpu): void {
  if (!isAmd(cpu) && !isCanonical(cpu.gprHigh(GPR.RCX))) throw gp(0, "SYSRET to a RIP (RCX) that is not canonical");
}

export const sysret: Helper = (cpu, insn: Insn) => {
  requireSyscall(cpu, "SYSRET");
  if (!isProtected(cpu) || cpu.cpl !== 0) throw gp(0, `SYSRET at CPL ${cpu.cpl}`);
  const to64 = is64Bit(cpu) && insn.opSize === 64;
  if (to64) checkSysretRip(cpu);
  const from = originAt(cpu, insn.ipLow, insn.ipHigh);
  // commit
  sysretFlags(cpu);
  cpu.setRip(cpu.gprLow(GPR.RCX), to64 ? cpu.gprHigh(GPR.RCX) : 0);
  sysretCs(cpu, to64);
  sysretSs(cpu);
  setCpl(cpu, 3);
  // Unlike IRET and POPF, SYSRET that sets TF traps before the next instruction.
  if (cpu.get32(OFF.EFLAGS) & EFLAGS.TF) cpu.raiseDebug(DR6.BS);
  reportTransfer(cpu, "sysret", from);
};

function requireSysenter(cpu: Cpu, name: string): void {
  if (isAmd(cpu) && isLongMode(cpu)) throw ud(`${name} in long mode, where AMD processors do not have it`);
}

const sysenterSelector = (cpu: Cpu): number => cpu.get32(OFF.SYSENTER_CS) & 0xfffc;

export const sysenter: Helper = (cpu, insn) => {
  requireSysenter(cpu, "SYSENTER");
  if (!isProtected(cpu)) throw gp(0, "SYSENTER in real mode");
  if (sysenterSelector(cpu) === 0) throw gp(0, "SYSENTER with a null IA32_SYSENTER_CS");
  const from = originAt(cpu, insn.ipLow, insn.ipHigh);
  // commit
  const wide = isLongMode(cpu);
  cpu.setFlagsRaw(cpu.getFlags() & ~(EFLAGS.VM | EFLAGS.IF | EFLAGS.RF));
  cpu.setGprHalves(GPR.RSP, cpu.get32(OFF.SYSENTER_ESP), wide ? cpu.get32(OFF.SYSENTER_ESP + 4) : 0);
  cpu.setRip(cpu.get32(OFF.SYSENTER_EIP), wide ? cpu.get32(OFF.SYSENTER_EIP + 4) : 0);
  loadFlat(cpu, SEG.CS, sysenterSelector(cpu), wide ? CODE64 : CODE32, 0);
  loadFlat(cpu, SEG.SS, sysenterSelector(cpu) + 8, DATA, 0);
  setCpl(cpu, 0);
  reportTransfer(cpu, "sysenter", from);
};

export const sysexit: Helper = (cpu, insn) => {
  requireSysenter(cpu, "SYSEXIT");
  if (!isProtected(cpu) || cpu.cpl !== 0) throw gp(0, `SYSEXIT at CPL ${cpu.cpl}`);
  if (sysenterSelector(cpu) === 0) throw gp(0, "SYSEXIT with a null IA32_SYSENTER_CS");
  const to64 = insn.opSize === 64;
  if (to64 && !isCanonical(cpu.gprHigh(GPR.RCX))) throw gp(0, "SYSEXIT to an RSP (RCX) that is not canonical");
  if (to64 && !isCanonical(cpu.gprHigh(GPR.RDX))) throw gp(0, "SYSEXIT to a RIP (RDX) that is not canonical");
  const from = originAt(cpu, insn.ipLow, insn.ipHigh);
  // commit
  const cs = sysenterSelector(cpu) + (to64 ? 32 : 16);
  cpu.setGprHalves(GPR.RSP, cpu.gprLow(GPR.RCX), to64 ? cpu.gprHigh(GPR.RCX) : 0);
  cpu.setRip(cpu.gprLow(GPR.RDX), to64 ? cpu.gprHigh(GPR.RDX) : 0);
  loadFlat(cpu, SEG.CS, cs | 3, to64 ? CODE64 : CODE32, 3);
  loadFlat(cpu, SEG.SS, (cs + 8) | 3, DATA, 3);
  setCpl(cpu, 3);
  reportTransfer(cpu, "sysexit", from);
};
