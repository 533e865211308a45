/** The task state segment as delivery, call gates and I/O permission read it: stack pointers, IST, I/O bitmap. */
import type { Cpu } from "../cpu.ts";
import { ts } from "../fault.ts";
import { SEG } from "../layout.ts";
import { errorOf, hex, linear, SYS, typeOf } from "./descriptor.ts";

/** A stack as the TSS names it. `pointer` is exact for canonical values and all 32-bit ones. */
export interface TssStack {
  readonly selector: number;
  readonly pointer: number;
}

export const isTss16 = (cpu: Cpu): boolean => {
  const type = typeOf(cpu.segAttr(SEG.TR));
  return type === SYS.TSS16 || type === SYS.TSS16_BUSY;
};

export const tssRead = (cpu: Cpu, offset: number, size: 1 | 2 | 4): number =>
  cpu.readLinear(linear(cpu, cpu.segBase(SEG.TR), offset), size, false);

function checkTssRange(cpu: Cpu, last: number, what: string, ext: number): void {
  if (last <= cpu.segLimit(SEG.TR)) return;
  const limit = hex(cpu.segLimit(SEG.TR));
  throw ts(errorOf(cpu.selector(SEG.TR), ext), `${what} is outside the TSS, whose limit is ${limit}`);
}

/** SSn:ESPn of a 16- or 32-bit TSS. */
export function legacyStack(cpu: Cpu, level: number, ext: number): TssStack {
  if (isTss16(cpu)) {
    const at = level * 4 + 2;
    checkTssRange(cpu, at + 3, `SP${level}`, ext);
    return { pointer: tssRead(cpu, at, 2), selector: tssRead(cpu, at + 2, 2) };
  }
  const at = level * 8 + 4;
  checkTssRange(cpu, at + 5, `ESP${level}`, ext);
  return { pointer: tssRead(cpu, at, 4), selector: tssRead(cpu, at + 4, 2) };
}

/** RSPn (ist = 0) or ISTn of a 64-bit TSS, as a number. */
export function longStackPointer(cpu: Cpu, level: number, ist: number, ext: number): number {
  const at = ist === 0 ? level * 8 + 4 : ist * 8 + 0x1c;
  checkTssRange(cpu, at + 7, ist === 0 ? `RSP${level}` : `IST${ist}`, ext);
  return (tssRead(cpu, at + 4, 4) | 0) * 0x1_0000_0000 + tssRead(cpu, at, 4);
}

/** Offset of the I/O permission bitmap, or undefined for a 16-bit TSS or one too short to say. */
export function ioBitmapBase(cpu: Cpu): number | undefined {
  if (isTss16(cpu) || cpu.segLimit(SEG.TR) < 0x67) return undefined;
  return tssRead(cpu, 0x66, 2);
}

/** Bit of `vector` in the VME interrupt redirection bitmap (the 32 bytes below the I/O bitmap); a short TSS reads as 1. */
export function redirectionBit(cpu: Cpu, vector: number): boolean {
  const base = ioBitmapBase(cpu);
  if (base === undefined) return true;
  const at = base - 32 + (vector >> 3);
  if (at < 0 || at > cpu.segLimit(SEG.TR)) return true;
  return ((tssRead(cpu, at, 1) >> (vector & 7)) & 1) !== 0;
}
