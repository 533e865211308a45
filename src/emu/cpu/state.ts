/**
 * Typed access to one CPU's state in the machine's memory. Nothing is cached here: compiled code, snapshots and views read the
 * same bytes. 64-bit values are 32-bit halves in hot paths and BigInt at the edges.
 */

import { readLazyFlags } from "./flags.ts";
import { ARITH_FLAGS, EFLAGS, OFF, SEG_STRIDE, SEGF, type SegIndex } from "./layout.ts";
import type { CoreMemory } from "./memory.ts";

/**
 * A canonical linear address as a JavaScript number: the 48-bit address sign-extended, so the kernel's half is negative
 * (0xffffffff81000000 is -0x7f000000). Exact, cheap to add to, and `addr | 0` is its low half. In 32-bit modes: 0..2^32-1.
 */
export type Addr = number;

export const addrLow = (addr: Addr): number => addr | 0;
export const addrHigh = (addr: Addr): number => Math.floor(addr / 0x1_0000_0000) | 0;
/** Halves to Addr; the halves must be canonical (isCanonical). */
export const addrOf = (low: number, high: number): Addr => high * 0x1_0000_0000 + (low >>> 0);
export const isCanonical = (high: number): boolean => high >> 15 === 0 || high >> 15 === -1;
export const addrToBig = (addr: Addr): bigint => BigInt.asUintN(64, BigInt(addr));
/** Only for canonical values. */
export const bigToAddr = (value: bigint): Addr => Number(BigInt.asIntN(64, value));

export class CpuState {
  readonly core: CoreMemory;
  readonly index: number;
  /** Byte offset of this CPU's state, and the same in 32-bit words. */
  readonly base: number;
  readonly base32: number;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;

  constructor(core: CoreMemory, index: number) {
    this.core = core;
    this.index = index;
    this.base = core.cpuBase(index);
    this.base32 = this.base >> 2;
    this.i32 = core.i32;
    this.u32 = core.u32;
    this.u64 = core.u64;
  }

  /** 32-bit field at OFF.x, signed. */
  get32(offset: number): number {
    return this.i32[(this.base + offset) >> 2]!;
  }
  set32(offset: number, value: number): void {
    this.i32[(this.base + offset) >> 2] = value;
  }
  get64(offset: number): bigint {
    return this.u64[(this.base + offset) >> 3]!;
  }
  set64(offset: number, value: bigint): void {
    this.u64[(this.base + offset) >> 3] = value;
  }
  /** 64-bit field that holds a canonical address. */
  getAddr(offset: number): Addr {
    const i = (this.base + offset) >> 2;
    return this.i32[i + 1]! * 0x1_0000_0000 + this.u32[i]!;
  }
  setAddr(offset: number, addr: Addr): void {
    const i = (this.base + offset) >> 2;
    this.i32[i] = addrLow(addr);
    this.i32[i + 1] = addrHigh(addr);
  }

  gprLow(reg: number): number {
    return this.i32[this.base32 + reg * 2]!;
  }
  gprHigh(reg: number): number {
    return this.i32[this.base32 + reg * 2 + 1]!;
  }
  setGprHalves(reg: number, low: number, high: number): void {
    this.i32[this.base32 + reg * 2] = low;
    this.i32[this.base32 + reg * 2 + 1] = high;
  }
  gpr(reg: number): bigint {
    return this.get64(OFF.GPR + reg * 8);
  }
  setGpr(reg: number, value: bigint): void {
    this.set64(OFF.GPR + reg * 8, BigInt.asUintN(64, value));
  }

  get rip(): bigint {
    return this.get64(OFF.RIP);
  }
  setRip(low: number, high: number): void {
    this.set32(OFF.RIP, low);
    this.set32(OFF.RIP + 4, high);
  }

  /** The whole of EFLAGS, lazy flags resolved. RFLAGS[63:32] are always 0. */
  getFlags(): number {
    const mask = this.get32(OFF.LF_MASK);
    const flags = this.get32(OFF.EFLAGS);
    return mask === 0 ? flags : (flags & ~mask) | (readLazyFlags(this) & mask);
  }
  /** Replaces EFLAGS as a whole; nothing stays lazy. Callers that change VM, AC or IF use the cpu's methods instead. */
  setFlagsRaw(flags: number): void {
    this.set32(OFF.EFLAGS, flags | EFLAGS.FIXED);
    this.set32(OFF.LF_MASK, 0);
  }
  /** Puts the six arithmetic flags into EFLAGS itself, so that equal states are equal bytes. */
  settleFlags(): void {
    if (this.get32(OFF.LF_MASK) !== 0) this.setFlagsRaw(this.getFlags());
    for (const off of [OFF.LF_OP, OFF.LF_RES, OFF.LF_RES + 4, OFF.LF_A, OFF.LF_A + 4, OFF.LF_B, OFF.LF_B + 4])
      this.set32(off, 0);
  }
  /** Sets the arithmetic six only, from an EFLAGS image. */
  setArithFlags(flags: number, mask: number = ARITH_FLAGS): void {
    this.setFlagsRaw((this.getFlags() & ~mask) | (flags & mask));
  }

  get icount(): bigint {
    return this.get64(OFF.ICOUNT);
  }
  get cpl(): number {
    return this.get32(OFF.CPL);
  }

  private seg32(seg: SegIndex, field: number): number {
    return this.u32[(this.base + OFF.SEG + seg * SEG_STRIDE + field) >> 2]!;
  }
  selector(seg: SegIndex): number {
    return this.seg32(seg, SEGF.SELECTOR);
  }
  segAttr(seg: SegIndex): number {
    return this.seg32(seg, SEGF.ATTR);
  }
  segLimit(seg: SegIndex): number {
    return this.seg32(seg, SEGF.LIMIT);
  }
  segBase(seg: SegIndex): Addr {
    return this.getAddr(OFF.SEG + seg * SEG_STRIDE + SEGF.BASE);
  }
}
