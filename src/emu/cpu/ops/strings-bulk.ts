/**
 * REP MOVS and REP STOS by the page: as many whole elements as lie within one page at each end, copied at once. Gives 0 whenever
 * anything is out of the ordinary (a check fails, a page is watched, the ends overlap); then each element is done by itself.
 */
import type { Cpu } from "../cpu.ts";
import { Fault } from "../fault.ts";
import { GPR, OFF, SEG, type SegIndex } from "../layout.ts";
import type { Insn } from "../operation.ts";
import { ACCESS } from "../paging.ts";

/** Elements from a register's offset to the end of its page and of its 16- or 32-bit offset space, at most `count`. */
function elementsInPage(cpu: Cpu, insn: Insn, seg: SegIndex, reg: number, size: number, count: number): number {
  const low = offset(cpu, insn, reg);
  const linear = (low + baseLow(cpu, seg)) & 0xfff;
  const wrap = insn.addrSize === 16 ? 0x10000 - low : Number.POSITIVE_INFINITY;
  return Math.min(count, Math.floor(Math.min(0x1000 - linear, wrap) / size));
}

const offset = (cpu: Cpu, insn: Insn, reg: number): number =>
  insn.addrSize === 16 ? cpu.gprLow(reg) & 0xffff : cpu.gprLow(reg);
const baseLow = (cpu: Cpu, seg: SegIndex): number => (cpu.in64 ? 0 : cpu.segBase(seg) | 0);

/** Byte offset in the machine's memory of the bytes at a register's offset; -1 where only the slow way will do. */
function place(cpu: Cpu, insn: Insn, seg: SegIndex, reg: number, bytes: number, size: number, write: boolean): number {
  const low = offset(cpu, insn, reg);
  const high = insn.addrSize === 64 ? cpu.gprHigh(reg) : 0;
  try {
    cpu.checkSeg(seg, low, high, bytes, write, size);
    const access = (cpu.get32(OFF.CPL) === 3 ? ACCESS.USER : 0) | (write ? ACCESS.WRITE : 0);
    const linear = (low + baseLow(cpu, seg)) | 0;
    const linearHigh = cpu.in64 ? high : 0;
    const pa = cpu.translateHalves(linear, linearHigh, access);
    if (!cpu.isRam(pa, bytes) || cpu.isWatched(linear, linearHigh, pa)) return -1;
    if (write) cpu.core.noteWrite(pa, bytes);
    return cpu.ramBase + pa;
  } catch (fault) {
    if (fault instanceof Fault) return -1;
    throw fault;
  }
}

/** FS and GS have bases in 64-bit mode; such moves are rare. */
const hasBase64 = (cpu: Cpu, seg: SegIndex): boolean => cpu.in64 && (seg === SEG.FS || seg === SEG.GS);

export function bulkMove(cpu: Cpu, insn: Insn, size: number, source: SegIndex, count: number): number {
  if (hasBase64(cpu, source)) return 0;
  let n = elementsInPage(cpu, insn, source, GPR.RSI, size, count);
  n = elementsInPage(cpu, insn, SEG.ES, GPR.RDI, size, n);
  if (n === 0) return 0;
  const from = place(cpu, insn, source, GPR.RSI, n * size, size, false);
  if (from < 0) return 0;
  const to = place(cpu, insn, SEG.ES, GPR.RDI, n * size, size, true);
  if (to < 0) return 0;
  // A destination inside the source repeats a pattern: only element by element is right.
  if (to > from && to < from + n * size) return 0;
  cpu.u8.copyWithin(to, from, from + n * size);
  return n;
}

export function bulkStore(cpu: Cpu, insn: Insn, size: number, _source: SegIndex, count: number): number {
  const n = elementsInPage(cpu, insn, SEG.ES, GPR.RDI, size, count);
  if (n === 0) return 0;
  const to = place(cpu, insn, SEG.ES, GPR.RDI, n * size, size, true);
  if (to < 0) return 0;
  if (size === 1) cpu.u8.fill(cpu.gprLow(GPR.RAX), to, to + n);
  else fillPattern(cpu, to, n * size, size);
  return n;
}

/** Writes RAX once and doubles the filled part. */
function fillPattern(cpu: Cpu, to: number, bytes: number, size: number): void {
  for (let i = 0; i < size; i++) {
    cpu.u8[to + i] = (i < 4 ? cpu.gprLow(GPR.RAX) >>> (i * 8) : cpu.gprHigh(GPR.RAX) >>> (i * 8 - 32)) & 0xff;
  }
  for (let done = size; done < bytes; done *= 2) {
    cpu.u8.copyWithin(to + done, to, to + Math.min(done, bytes - done));
  }
}
