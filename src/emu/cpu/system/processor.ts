/** Single instructions of the processor itself: halting, caches, translation, time, random numbers, FS/GS bases, AC. */
import type { Cpu } from "../cpu.ts";
import { gp, ud } from "../fault.ts";
import { ARITH_FLAGS, CR4, EFLAGS, GPR, OFF, SEG, type SegIndex } from "../layout.ts";
import type { Helper, Insn } from "../operation.ts";
import { addrOf, isCanonical } from "../state.ts";
import { announced } from "./announced.ts";
import { MAX_RDPRU } from "./cpuid-data.ts";
import { offsetPlus } from "./far.ts";
import { timeStamp } from "./msr.ts";
import { hasCr4, isLongMode, isProtected } from "./predicates.ts";
import { requireCpl0 } from "./privilege.ts";
import { segmentBaseHigh, segmentBaseLow, setSegmentBase } from "./segment.ts";

export const hlt: Helper = (cpu) => {
  requireCpl0(cpu, "HLT");
  cpu.set32(OFF.ACTIVITY, 1);
};

/** Caches are not modelled: these check their privilege. */
export const wbinvd: Helper = (cpu) => requireCpl0(cpu, "WBINVD");
export const wbnoinvd: Helper = (cpu) => requireCpl0(cpu, "WBNOINVD");
export const invd: Helper = (cpu) => requireCpl0(cpu, "INVD");

/** CLFLUSH, CLFLUSHOPT and CLWB are checked as a load of one byte. */
export const clflush: Helper = (cpu, insn) => {
  const op = insn.ops[0]!;
  if (op.kind !== "mem") throw new Error("CLFLUSH names memory");
  const low = cpu.effectiveAddress(insn, 0);
  cpu.checkSeg(op.seg, low, cpu.high, 1, false);
};

/** AMD's: a cache line of zeros at DS:rAX, wherever in the line that is. */
export const clzero: Helper = announced("clzero", (cpu, insn) => {
  const low = cpu.readReg(GPR.RAX, insn.addrSize) & ~63;
  const { high } = cpu;
  cpu.checkSeg(SEG.DS, low, high, 64, true);
  for (let by = 0; by < 64; by += 8) cpu.storeSeg(SEG.DS, low + by, high, 8, 0, 0);
});

/** Every instruction completes before the next one starts. */
export const serialize: Helper = announced("serialize", () => {});

// ---- translation

/** Linear address of a memory operand whose segment's limit is not looked at. */
function linearOperand(cpu: Cpu, insn: Insn, index: number): number | undefined {
  const op = insn.ops[index]!;
  if (op.kind !== "mem") throw new Error("INVLPG names memory");
  const low = cpu.effectiveAddress(insn, index);
  const { high } = cpu;
  if (insn.bits !== 64) return ((low >>> 0) + cpu.segBase(op.seg)) >>> 0;
  if (!isCanonical(high)) return undefined;
  const based = op.seg === SEG.FS || op.seg === SEG.GS;
  return addrOf(low, high) + (based ? cpu.segBase(op.seg) : 0);
}

/** A non-canonical address has no translation to drop. */
export const invlpg: Helper = (cpu, insn) => {
  requireCpl0(cpu, "INVLPG");
  const address = linearOperand(cpu, insn, 0);
  if (address !== undefined) cpu.flushTlbPage(address);
};

/** Without CR4.PCIDE the only PCID is 0. */
export const invpcid: Helper = (cpu, insn) => {
  requireCpl0(cpu, "INVPCID");
  const op = insn.ops[1]!;
  if (op.kind !== "mem") throw new Error("INVPCID's descriptor is in memory");
  const type = cpu.readOp(insn, 0);
  const typeHigh = insn.bits === 64 ? cpu.high : 0;
  const at = cpu.effectiveAddress(insn, 1);
  const atHigh = cpu.high;
  const pcid = cpu.loadSeg(op.seg, at, atHigh, 8);
  const pcidHigh = cpu.high;
  const second = offsetPlus(insn, at, atHigh, 8);
  const low = cpu.loadSeg(op.seg, second.low, second.high, 8);
  const { high } = cpu;
  if (type >>> 0 > 3 || typeHigh !== 0) throw gp(0, `INVPCID type ${type >>> 0} does not exist`);
  if (pcidHigh !== 0 || (pcid & ~0xfff) !== 0) throw gp(0, "INVPCID: bits 63:12 of its descriptor are reserved");
  if (type < 2 && pcid !== 0) throw gp(0, "INVPCID with a PCID while CR4.PCIDE is clear");
  if (type === 0 && !isCanonical(high)) throw gp(0, "INVPCID with an address that is not canonical");
  if (type === 0) cpu.flushTlbPage(addrOf(low, high));
  else if (type === 2) cpu.flushTlb();
  else cpu.flushTlbNonGlobal();
};

// ---- time

function checkTsd(cpu: Cpu, name: string): void {
  if (cpu.cpl !== 0 && isProtected(cpu) && hasCr4(cpu, CR4.TSD))
    throw gp(0, `${name} at CPL ${cpu.cpl} with CR4.TSD set`);
}

function storeTimeStamp(cpu: Cpu): void {
  const now = timeStamp(cpu);
  cpu.setGprHalves(GPR.RAX, Number(BigInt.asIntN(32, now)), 0);
  cpu.setGprHalves(GPR.RDX, Number(BigInt.asIntN(32, now >> 32n)), 0);
}

export const rdtsc: Helper = (cpu) => {
  checkTsd(cpu, "RDTSC");
  storeTimeStamp(cpu);
};

export const rdtscp: Helper = (cpu) => {
  checkTsd(cpu, "RDTSCP");
  storeTimeStamp(cpu);
  cpu.setGprHalves(GPR.RCX, cpu.get32(OFF.TSC_AUX), 0);
};

/** AMD's: MPERF and APERF, which count as the time stamp does; other registers read as 0. */
export const rdpru: Helper = announced("rdpru", (cpu) => {
  if (cpu.cpl !== 0 && isProtected(cpu) && hasCr4(cpu, CR4.TSD)) throw ud(`RDPRU at CPL ${cpu.cpl} with CR4.TSD set`);
  const known = cpu.gprLow(GPR.RCX) >>> 0 <= MAX_RDPRU;
  if (known) storeTimeStamp(cpu);
  else for (const reg of [GPR.RAX, GPR.RDX]) cpu.setGprHalves(reg, 0, 0);
  cpu.setArithFlags(known ? EFLAGS.CF : 0, ARITH_FLAGS);
});

/** No performance counters exist, so whatever ECX names is refused. */
export const rdpmc: Helper = (cpu) => {
  if (cpu.cpl !== 0 && isProtected(cpu) && !hasCr4(cpu, CR4.PCE))
    throw gp(0, `RDPMC at CPL ${cpu.cpl} with CR4.PCE clear`);
  throw gp(0, `RDPMC: performance counter ${cpu.gprLow(GPR.RCX) >>> 0} does not exist`);
};

export const rdpid: Helper = (cpu, insn) => cpu.writeOp(insn, 0, cpu.get32(OFF.TSC_AUX), 0);

/** RDRAND and RDSEED always succeed: CF = 1, the other five flags 0. */
export const random: Helper = (cpu, insn) => {
  const low = cpu.hooks.random() | 0;
  const high = cpu.hooks.random() | 0;
  cpu.writeOp(insn, 0, low, high);
  cpu.setArithFlags(EFLAGS.CF, ARITH_FLAGS);
};

// ---- FS and GS bases

export const swapgs: Helper = (cpu) => {
  requireCpl0(cpu, "SWAPGS");
  const low = segmentBaseLow(cpu, SEG.GS);
  const high = segmentBaseHigh(cpu, SEG.GS);
  setSegmentBase(cpu, SEG.GS, cpu.get32(OFF.KERNEL_GS_BASE), cpu.get32(OFF.KERNEL_GS_BASE + 4));
  cpu.set32(OFF.KERNEL_GS_BASE, low);
  cpu.set32(OFF.KERNEL_GS_BASE + 4, high);
};

function requireFsgsbase(cpu: Cpu, name: string): void {
  if (!isLongMode(cpu)) throw ud(`${name} outside 64-bit mode`);
  if (!hasCr4(cpu, CR4.FSGSBASE)) throw ud(`${name} with CR4.FSGSBASE clear`);
}

export const readBase =
  (seg: SegIndex, name: string): Helper =>
  (cpu, insn) => {
    requireFsgsbase(cpu, name);
    cpu.writeOp(insn, 0, segmentBaseLow(cpu, seg), segmentBaseHigh(cpu, seg));
  };

export const writeBase =
  (seg: SegIndex, name: string): Helper =>
  (cpu, insn) => {
    requireFsgsbase(cpu, name);
    const low = cpu.readOp(insn, 0);
    const { high } = cpu;
    if (!isCanonical(high)) throw gp(0, `${name} with an address that is not canonical`);
    setSegmentBase(cpu, seg, low, high);
  };

// ---- SMAP's override

const setAc =
  (name: string, value: number): Helper =>
  (cpu) => {
    if (cpu.cpl !== 0) throw ud(`${name} at CPL ${cpu.cpl}`);
    cpu.set32(OFF.EFLAGS, (cpu.get32(OFF.EFLAGS) & ~EFLAGS.AC) | value);
  };
export const stac = setAc("STAC", EFLAGS.AC);
export const clac = setAc("CLAC", 0);
