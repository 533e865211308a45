/** Questions about the present mode that the system instructions ask. Assumes nothing but the architectural state. */
import type { Cpu } from "../cpu.ts";
import { CR0, CR4, EFER, EFLAGS, OFF, SEG } from "../layout.ts";
import { factsOf } from "../model.ts";
import type { CpuState } from "../state.ts";
import { ATTR } from "./descriptor.ts";

export const isProtected = (cpu: CpuState): boolean => (cpu.get32(OFF.CR0) & CR0.PE) !== 0;
/** EFER.LMA: 64-bit or compatibility mode. */
export const isLongMode = (cpu: CpuState): boolean => (cpu.get32(OFF.EFER) & EFER.LMA) !== 0;
/** Long mode and a code segment with L=1. */
export const is64Bit = (cpu: CpuState): boolean => isLongMode(cpu) && (cpu.segAttr(SEG.CS) & ATTR.L) !== 0;
export const isV86 = (cpu: CpuState): boolean => isProtected(cpu) && (cpu.get32(OFF.EFLAGS) & EFLAGS.VM) !== 0;
/** Real-address or virtual-8086 mode: selectors are paragraphs. */
export const isParagraphMode = (cpu: CpuState): boolean => !isProtected(cpu) || isV86(cpu);
export const iopl = (cpu: CpuState): number => (cpu.get32(OFF.EFLAGS) & EFLAGS.IOPL) >> 12;
export const hasCr4 = (cpu: CpuState, bit: number): boolean => (cpu.get32(OFF.CR4) & bit) !== 0;
export const hasVme = (cpu: CpuState): boolean => hasCr4(cpu, CR4.VME);

/** EFLAGS bits that exist here: the 286 keeps IOPL and NT at 0 in real mode, the 386 knows neither AC nor ID. */
export function settableFlags(cpu: Cpu): number {
  const { flags, realFlags } = factsOf(cpu);
  return isProtected(cpu) ? flags : realFlags;
}

/** Bits of the stack pointer in use: 64 in 64-bit mode, else by SS.B. */
export function stackBits(cpu: CpuState): 16 | 32 | 64 {
  if (is64Bit(cpu)) return 64;
  return (cpu.segAttr(SEG.SS) & ATTR.DB) !== 0 ? 32 : 16;
}
