/**
 * The XSAVE family: x87, SSE and AVX state in an area of 832 bytes, by the components that XCR0 enables and EDX:EAX asks for (SDM
 * volume 1, chapter 13). With AVX as the only extended component the compacted format has the standard one's offsets.
 */
import type { Cpu } from "../cpu.ts";
import { gp, nm, ud } from "../fault.ts";
import { CR0, CR4, GPR, OFF } from "../layout.ts";
import { computed, type Insn, type Operation, type OperationTable, system } from "../operation.ts";
import { AVX_OFFSET, XFEATURE, XFEATURES, xsaveSize } from "../system/cpuid-data.ts";
import { requireCpl0 } from "../system/privilege.ts";
import { checkBlock, checkBoundary, loadAt, storeAt } from "./block-memory.ts";
import { xmmIndex } from "./sse-lanes.ts";
import {
  MXCSR_INITIAL,
  MXCSR_MASK,
  restoreVectors,
  restoreX87,
  saveMxcsr,
  saveVectors,
  saveX87,
  setMxcsr,
  XMM_AREA,
} from "./sse-state.ts";
import { clearPointers } from "./x87-pointers.ts";
import { FCW_INITIAL } from "./x87-state.ts";

/** Offsets of the header and its fields. */
const XSTATE_BV = 512;
const XCOMP_BV = 520;
const HEADER_END = 576;
const COMPACTED = 0x8000_0000;

const vectorCount = (insn: Insn): number => (insn.bits === 64 ? 16 : 8);

function requireOsxsave(cpu: Cpu): void {
  if (!(cpu.get32(OFF.CR4) & CR4.OSXSAVE)) throw ud("an instruction of the XSAVE family with CR4.OSXSAVE clear");
}

/** Components to work on. */
function check(cpu: Cpu, insn: Insn): number {
  requireOsxsave(cpu);
  if (cpu.get32(OFF.CR0) & CR0.TS) throw nm("an instruction of the XSAVE family with CR0.TS set");
  checkBoundary(cpu, insn, 64, "the XSAVE area");
  return cpu.get32(OFF.XCR0) & cpu.gprLow(GPR.RAX);
}

const anyVector = (cpu: Cpu, part: 0 | 4): boolean => {
  for (let i = 0; i < 16; i++)
    for (let word = 0; word < 4; word++) if (cpu.i32[xmmIndex(cpu, i) + part + word] !== 0) return true;
  return false;
};

function x87InUse(cpu: Cpu): boolean {
  if (cpu.get32(OFF.FCW) !== FCW_INITIAL || cpu.get32(OFF.FSW) !== 0 || cpu.get32(OFF.FTW) !== 0xffff) return true;
  if (cpu.get32(OFF.FOP) !== 0 || cpu.get64(OFF.FIP) !== 0n || cpu.get64(OFF.FDP) !== 0n) return true;
  for (let i = 0; i < 32; i++) if (cpu.i32[((cpu.base + OFF.X87) >> 2) + i] !== 0) return true;
  return false;
}

/** Components that are not in their initial configuration; MXCSR counts with SSE when it is saved. */
function inUse(cpu: Cpu): number {
  const sse = anyVector(cpu, 0) || cpu.get32(OFF.MXCSR) !== MXCSR_INITIAL;
  return (x87InUse(cpu) ? XFEATURE.X87 : 0) | (sse ? XFEATURE.SSE : 0) | (anyVector(cpu, 4) ? XFEATURE.AVX : 0);
}

function saveComponents(cpu: Cpu, insn: Insn, components: number, wide: boolean): void {
  if (components & XFEATURE.X87) saveX87(cpu, insn, wide);
  if (components & XFEATURE.SSE) saveVectors(cpu, insn, XMM_AREA, vectorCount(insn), 0);
  if (components & XFEATURE.AVX) saveVectors(cpu, insn, AVX_OFFSET, vectorCount(insn), 4);
}

/** XSAVE writes all it is asked for, XSAVEOPT only what is in use; both leave other bits of XSTATE_BV alone. */
const save = (wide: boolean, optimized: boolean) =>
  computed((cpu, insn) => {
    const asked = check(cpu, insn);
    checkBlock(cpu, insn, 0, xsaveSize(asked), true);
    const used = inUse(cpu);
    saveComponents(cpu, insn, optimized ? asked & used : asked, wide);
    if (asked & (XFEATURE.SSE | XFEATURE.AVX)) saveMxcsr(cpu, insn);
    storeAt(cpu, insn, XSTATE_BV, 4, (loadAt(cpu, insn, XSTATE_BV, 4) & ~asked) | (asked & used));
  });

const saveCompacted = (wide: boolean) =>
  computed((cpu, insn) => {
    const asked = check(cpu, insn);
    checkBlock(cpu, insn, 0, xsaveSize(asked), true);
    const used = inUse(cpu) & asked;
    saveComponents(cpu, insn, used, wide);
    if (used & XFEATURE.SSE) saveMxcsr(cpu, insn);
    storeAt(cpu, insn, XSTATE_BV, 8, used, 0);
    storeAt(cpu, insn, XCOMP_BV, 8, asked, COMPACTED | 0);
  });

/** XSAVES and XRSTORS: for CPL 0. There are no supervisor components, so they do as XSAVEC and as XRSTOR with a compacted area. */
const supervisor = (name: string, operation: Operation, check: (cpu: Cpu, insn: Insn) => void): Operation =>
  computed((cpu, insn) => {
    requireOsxsave(cpu);
    if (cpu.get32(OFF.CR0) & CR0.TS) throw nm(`${name} with CR0.TS set`);
    requireCpl0(cpu, name);
    check(cpu, insn);
    if ("helper" in operation) operation.helper(cpu, insn);
  });

function requireCompacted(cpu: Cpu, insn: Insn): void {
  check(cpu, insn);
  if (loadAt(cpu, insn, XCOMP_BV + 4, 4) >>> 31 === 0) throw gp(0, "XRSTORS from an area that is not compacted");
}

/** #GP for a header that breaks the rules; true for the compacted format. */
function checkHeader(cpu: Cpu, insn: Insn): boolean {
  const allowed = cpu.get32(OFF.XCR0);
  const word = (at: number) => loadAt(cpu, insn, at, 4);
  const compacted = word(XCOMP_BV + 4) >>> 31 === 1;
  const components = compacted ? word(XCOMP_BV) : 0;
  const bad =
    (word(XSTATE_BV) & ~allowed) !== 0 ||
    word(XSTATE_BV + 4) !== 0 ||
    word(XCOMP_BV + 4) >>> 0 !== (compacted ? COMPACTED : 0) ||
    (compacted ? (components & ~allowed) | (word(XSTATE_BV) & ~components) : word(XCOMP_BV)) !== 0;
  if (bad) throw gp(0, "XRSTOR from an area whose header names components that are not enabled");
  for (let at = XCOMP_BV + 8; at < (compacted ? HEADER_END : XCOMP_BV + 16); at += 4)
    if (word(at) !== 0) throw gp(0, "XRSTOR from an area with reserved bits of its header set");
  return compacted;
}

function initialX87(cpu: Cpu): void {
  cpu.set32(OFF.FCW, FCW_INITIAL);
  cpu.set32(OFF.FSW, 0);
  cpu.set32(OFF.FTW, 0xffff);
  clearPointers(cpu);
  cpu.core.u8.fill(0, cpu.base + OFF.X87, cpu.base + OFF.X87 + 128);
}

function initialVectors(cpu: Cpu, insn: Insn, part: 0 | 4): void {
  for (let i = 0; i < vectorCount(insn); i++) {
    const at = xmmIndex(cpu, i) + part;
    cpu.i32.fill(0, at, at + 4);
  }
}

const restore = (wide: boolean) =>
  computed((cpu, insn) => {
    const asked = check(cpu, insn);
    checkBlock(cpu, insn, 0, HEADER_END, false);
    const compacted = checkHeader(cpu, insn);
    const present = loadAt(cpu, insn, XSTATE_BV, 4);
    checkBlock(cpu, insn, 0, xsaveSize(asked & present), false);
    restoreMxcsr(cpu, insn, asked, present, compacted);
    if (asked & present & XFEATURE.X87) restoreX87(cpu, insn, wide);
    else if (asked & XFEATURE.X87) initialX87(cpu);
    if (asked & present & XFEATURE.SSE) restoreVectors(cpu, insn, XMM_AREA, vectorCount(insn), 0);
    else if (asked & XFEATURE.SSE) initialVectors(cpu, insn, 0);
    if (asked & present & XFEATURE.AVX) restoreVectors(cpu, insn, AVX_OFFSET, vectorCount(insn), 4);
    else if (asked & XFEATURE.AVX) initialVectors(cpu, insn, 4);
  });

/** The standard format's MXCSR counts even when XSTATE_BV says that SSE is initial. */
function restoreMxcsr(cpu: Cpu, insn: Insn, asked: number, present: number, compacted: boolean): void {
  if (!(asked & (compacted ? XFEATURE.SSE : XFEATURE.SSE | XFEATURE.AVX))) return;
  if (compacted && !(present & XFEATURE.SSE)) cpu.set32(OFF.MXCSR, MXCSR_INITIAL & MXCSR_MASK);
  else setMxcsr(cpu, loadAt(cpu, insn, 24, 4));
}

/** XCR0, or with ECX = 1 what of it is in use. */
const xgetbv = computed((cpu) => {
  requireOsxsave(cpu);
  const index = cpu.gprLow(GPR.RCX);
  if (index >>> 0 > 1) throw gp(0, "XGETBV of an extended control register that does not exist");
  const value = cpu.get32(OFF.XCR0) & (index === 1 ? inUse(cpu) : -1);
  cpu.setGprHalves(GPR.RAX, value, 0);
  cpu.setGprHalves(GPR.RDX, 0, 0);
});

const xsetbv = system((cpu) => {
  requireOsxsave(cpu);
  if (cpu.cpl !== 0) throw gp(0, "XSETBV at a CPL other than 0");
  const value = cpu.gprLow(GPR.RAX);
  if (cpu.gprLow(GPR.RCX) !== 0 || cpu.gprLow(GPR.RDX) !== 0 || value & ~XFEATURES)
    throw gp(0, "XSETBV of a register or of bits that do not exist");
  if (!(value & XFEATURE.X87) || (value & XFEATURE.AVX && !(value & XFEATURE.SSE)))
    throw gp(0, "XSETBV: x87 state is always enabled, and AVX state needs SSE state");
  cpu.set64(OFF.XCR0, BigInt(value));
});

export const xsaveOperations: OperationTable = {
  Xsave: save(false, false),
  Xsave64: save(true, false),
  Xsaveopt: save(false, true),
  Xsaveopt64: save(true, true),
  Xsavec: saveCompacted(false),
  Xsavec64: saveCompacted(true),
  Xsaves: supervisor("XSAVES", saveCompacted(false), check),
  Xsaves64: supervisor("XSAVES64", saveCompacted(true), check),
  Xrstors: supervisor("XRSTORS", restore(false), requireCompacted),
  Xrstors64: supervisor("XRSTORS64", restore(true), requireCompacted),
  Xrstor: restore(false),
  Xrstor64: restore(true),
  Xgetbv: xgetbv,
  Xsetbv: xsetbv,
};
