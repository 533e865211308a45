/** MXCSR and the FXSAVE area. */
import type { Cpu } from "../cpu.ts";
import { gp, nm, ud } from "../fault.ts";
import { CR0, CR4, OFF } from "../layout.ts";
import { computed, type Insn, type OperationTable } from "../operation.ts";
import { LINEAR_BITS } from "../system/cpuid-data.ts";
import { checkBlock, checkBoundary, loadAt, loadBig, storeAt, storeBig } from "./block-memory.ts";
import { checkWide, xmmIndex } from "./sse-lanes.ts";
import { setControl } from "./x87-control.ts";
import { loadSelectors, selectorImage } from "./x87-pointers.ts";
import { readPhysical, status, tagOf, top, writePhysical } from "./x87-state.ts";

export const MXCSR_INITIAL = 0x1f80;
/** Writable bits, DAZ included; also what FXSAVE reports as MXCSR_MASK. */
export const MXCSR_MASK = 0xffff;

/** Offset of the XMM registers in the area. */
export const XMM_AREA = 160;

function checkFxsave(cpu: Cpu, insn: Insn): void {
  const cr0 = cpu.get32(OFF.CR0);
  if (cr0 & CR0.EM) throw ud("FXSAVE or FXRSTOR with CR0.EM set");
  if (cr0 & CR0.TS) throw nm("FXSAVE or FXRSTOR with CR0.TS set");
  checkBoundary(cpu, insn, 16, "the FXSAVE area");
}

/** SSE registers in the area: sixteen in 64-bit mode, eight elsewhere; none while CR4.OSFXSR is clear. */
const registerCount = (cpu: Cpu, insn: Insn): number =>
  cpu.get32(OFF.CR4) & CR4.OSFXSR ? (insn.bits === 64 ? 16 : 8) : 0;

/** One bit a register: not empty. */
function abridgedTags(cpu: Cpu): number {
  const tags = cpu.get32(OFF.FTW);
  let bits = 0;
  for (let i = 0; i < 8; i++) if (((tags >> (i * 2)) & 3) !== 3) bits |= 1 << i;
  return bits;
}

/** The x87 part of the image. `wide`: FXSAVE64's 64-bit pointers in place of offset and selector. */
export function saveX87(cpu: Cpu, insn: Insn, wide: boolean): void {
  storeAt(cpu, insn, 0, 2, cpu.get32(OFF.FCW));
  storeAt(cpu, insn, 2, 2, status(cpu));
  storeAt(cpu, insn, 4, 2, abridgedTags(cpu));
  storeAt(cpu, insn, 6, 2, cpu.get32(OFF.FOP));
  if (wide) {
    storeBig(cpu, insn, 8, cpu.get64(OFF.FIP));
    storeBig(cpu, insn, 16, cpu.get64(OFF.FDP));
  } else {
    storeAt(cpu, insn, 8, 8, cpu.get32(OFF.FIP), selectorImage(cpu, OFF.FCS));
    storeAt(cpu, insn, 16, 8, cpu.get32(OFF.FDP), selectorImage(cpu, OFF.FDS));
  }
  for (let i = 0; i < 8; i++) {
    const { mant, signExponent } = readPhysical(cpu, (top(cpu) + i) & 7);
    storeBig(cpu, insn, 32 + i * 16, mant);
    storeAt(cpu, insn, 40 + i * 16, 8, signExponent);
  }
}

export function saveMxcsr(cpu: Cpu, insn: Insn): void {
  storeAt(cpu, insn, 24, 8, cpu.get32(OFF.MXCSR), MXCSR_MASK);
}

/** `count` registers' lower (`part` 0) or upper (4) halves to the area at `offset`. */
export function saveVectors(cpu: Cpu, insn: Insn, offset: number, count: number, part: 0 | 4): void {
  for (let i = 0; i < count; i++) {
    const at = xmmIndex(cpu, i) + part;
    storeAt(cpu, insn, offset + i * 16, 8, cpu.i32[at]!, cpu.i32[at + 1]!);
    storeAt(cpu, insn, offset + 8 + i * 16, 8, cpu.i32[at + 2]!, cpu.i32[at + 3]!);
  }
}

const save = (wide: boolean) => (cpu: Cpu, insn: Insn) => {
  checkFxsave(cpu, insn);
  checkBlock(cpu, insn, 0, 512, true);
  saveX87(cpu, insn, wide);
  saveMxcsr(cpu, insn);
  saveVectors(cpu, insn, XMM_AREA, registerCount(cpu, insn), 0);
};

export function restoreX87(cpu: Cpu, insn: Insn, wide: boolean): void {
  cpu.set32(OFF.FSW, loadAt(cpu, insn, 2, 2));
  setControl(cpu, loadAt(cpu, insn, 0, 2));
  cpu.set32(OFF.FOP, loadAt(cpu, insn, 6, 2) & 0x7ff);
  loadPointers(cpu, insn, wide);
  for (let i = 0; i < 8; i++) {
    const mant = loadBig(cpu, insn, 32 + i * 16);
    writePhysical(cpu, (top(cpu) + i) & 7, { mant, signExponent: loadAt(cpu, insn, 40 + i * 16, 2) });
  }
  restoreTags(cpu, loadAt(cpu, insn, 4, 1));
}

export function restoreVectors(cpu: Cpu, insn: Insn, offset: number, count: number, part: 0 | 4): void {
  for (let i = 0; i < count; i++) {
    const at = xmmIndex(cpu, i) + part;
    for (let word = 0; word < 4; word++) cpu.i32[at + word] = loadAt(cpu, insn, offset + i * 16 + word * 4, 4) | 0;
  }
}

const restore = (wide: boolean) => (cpu: Cpu, insn: Insn) => {
  checkFxsave(cpu, insn);
  checkBlock(cpu, insn, 0, 512, false);
  const registers = registerCount(cpu, insn);
  const mxcsr = loadAt(cpu, insn, 24, 4);
  if (registers > 0) setMxcsr(cpu, mxcsr);
  restoreX87(cpu, insn, wide);
  restoreVectors(cpu, insn, XMM_AREA, registers, 0);
};

function loadPointers(cpu: Cpu, insn: Insn, wide: boolean): void {
  if (wide) {
    // The instruction pointer has the bits of an address, the other one all 64 (measured on Intel).
    cpu.set64(OFF.FIP, BigInt.asUintN(64, BigInt.asIntN(LINEAR_BITS, loadBig(cpu, insn, 8))));
    cpu.set64(OFF.FDP, loadBig(cpu, insn, 16));
    loadSelectors(cpu, 0, 0);
    return;
  }
  cpu.set64(OFF.FIP, BigInt(loadAt(cpu, insn, 8, 4)));
  cpu.set64(OFF.FDP, BigInt(loadAt(cpu, insn, 16, 4)));
  loadSelectors(cpu, loadAt(cpu, insn, 12, 2), loadAt(cpu, insn, 20, 2));
}

/** The full tags come from what the registers hold. */
function restoreTags(cpu: Cpu, abridged: number): void {
  let tags = 0;
  for (let i = 0; i < 8; i++) tags |= ((abridged >> i) & 1 ? tagOf(readPhysical(cpu, i)) : 3) << (i * 2);
  cpu.set32(OFF.FTW, tags);
}

export function setMxcsr(cpu: Cpu, value: number): void {
  if (value & ~MXCSR_MASK) throw gp(0, "reserved bits of MXCSR set");
  cpu.set32(OFF.MXCSR, value);
}

export const sseStateOperations: OperationTable = {
  Ldmxcsr: computed((cpu, insn) => {
    checkWide(cpu, insn);
    setMxcsr(cpu, cpu.readOp(insn, 0));
  }),
  Stmxcsr: computed((cpu, insn) => {
    checkWide(cpu, insn);
    cpu.writeOp(insn, 0, cpu.get32(OFF.MXCSR), 0);
  }),
  Fxsave: computed(save(false)),
  Fxsave64: computed(save(true)),
  Fxrstor: computed(restore(false)),
  Fxrstor64: computed(restore(true)),
};
