/**
 * Loads and stores of tier 0: address arithmetic, segment bounds and the TLB's fast path inline, everything else in the CPU's slow
 * path. Three shapes of address (base + index * 2^shift + displacement) times load and store.
 */
import type { Cpu } from "../cpu.ts";
import type { MemSize } from "../ir/types.ts";
import { OFF, SEGF, type SegIndex, TLBF } from "../layout.ts";
import type { Exec } from "./arith.ts";
import type { Slot, Slots } from "./slots.ts";

const WRITE = TLBF.WRITE_TAG >> 2;
const ADDEND = TLBF.ADDEND >> 2;
/** (low >>> 7) & this: byte offset of a page's entry in its TLB, = ((low >>> 12) & 1023) * 32. */
const ENTRY = 0x7fe0;

/** base + (index << shift) + disp, then wrapped by `wrap` (0xffff or all ones). Absent parts are slots that hold zero. */
export interface Address {
  readonly base: Slot;
  readonly index: Slot;
  readonly indexed: boolean;
  readonly shift: number;
  readonly dispLow: number;
  readonly dispHigh: number;
  readonly wrap: number;
}

export class Accesses {
  private readonly cpu: Cpu;
  private readonly i32: Int32Array;
  private readonly u32: Uint32Array;
  private readonly u8: Uint8Array;
  private readonly view: DataView;
  private readonly slots: Slots;
  private readonly tlb: Slot;

  constructor(cpu: Cpu, slots: Slots) {
    this.cpu = cpu;
    this.i32 = cpu.i32;
    this.u32 = cpu.u32;
    this.u8 = cpu.u8;
    this.view = cpu.view;
    this.slots = slots;
    this.tlb = slots.field(OFF.TLB_BASE);
  }

  /** Puts the address itself (linear in 64-bit mode, else the offset) into the address temporary. */
  private offset(at: Address, wide: boolean): Exec {
    const { i32 } = this;
    const { base, index, shift, dispLow, dispHigh, wrap } = at;
    const where = this.slots.temp(TEMP_ADDRESS);
    if (!wide) {
      return () => {
        i32[where] = (i32[base]! + (i32[index]! << shift) + dispLow) & wrap;
      };
    }
    return () => {
      const il = i32[index]!;
      const ih = shift === 0 ? i32[index + 1]! : (i32[index + 1]! << shift) | (il >>> (32 - shift));
      const sum = (i32[base]! >>> 0) + ((il << shift) >>> 0) + (dispLow >>> 0);
      i32[where + 1] = i32[base + 1]! + ih + dispHigh + (sum >= 0x2_0000_0000 ? 2 : sum >= 0x1_0000_0000 ? 1 : 0);
      i32[where] = sum;
    };
  }

  /** 64-bit linear address. */
  load64(d: Slot, at: Address, size: MemSize, seg: SegIndex, forWrite: boolean): Exec {
    const { cpu, i32, u8, view, tlb } = this;
    const { base, index, indexed, shift, dispLow, dispHigh } = at;
    const state = cpu.base;
    const last = size - 1;
    const tag = forWrite ? WRITE : 0;
    return () => {
      const b = i32[base]!;
      let low = (b + dispLow) | 0;
      let high = (i32[base + 1]! + dispHigh + (low >>> 0 < b >>> 0 ? 1 : 0)) | 0;
      if (indexed) {
        const il = i32[index]!;
        const x = il << shift;
        const ih = shift === 0 ? i32[index + 1]! : (i32[index + 1]! << shift) | (il >>> (32 - shift));
        low = (low + x) | 0;
        high = (high + ih + (low >>> 0 < x >>> 0 ? 1 : 0)) | 0;
      }
      const e = (state + i32[tlb]! + ((low >>> 7) & ENTRY)) >> 2;
      if (i32[e + tag]! === ((low + last) & -4096) && i32[e + tag + 1]! === high) {
        const p = (low + i32[e + ADDEND]!) | 0;
        if (size === 8) {
          i32[d + 1] = view.getInt32(p + 4, true);
          i32[d] = view.getInt32(p, true);
          return;
        }
        i32[d] = size === 4 ? view.getInt32(p, true) : size === 1 ? u8[p]! : view.getUint16(p, true);
        i32[d + 1] = 0;
        return;
      }
      const value = cpu.slowLoad(seg, low, high, size, forWrite);
      i32[d] = value;
      i32[d + 1] = size === 8 ? cpu.high : 0;
    };
  }

  store64(v: Slot, at: Address, size: MemSize, seg: SegIndex): Exec {
    const { cpu, i32, u8, view, tlb } = this;
    const { base, index, indexed, shift, dispLow, dispHigh } = at;
    const state = cpu.base;
    const last = size - 1;
    return () => {
      const b = i32[base]!;
      let low = (b + dispLow) | 0;
      let high = (i32[base + 1]! + dispHigh + (low >>> 0 < b >>> 0 ? 1 : 0)) | 0;
      if (indexed) {
        const il = i32[index]!;
        const x = il << shift;
        const ih = shift === 0 ? i32[index + 1]! : (i32[index + 1]! << shift) | (il >>> (32 - shift));
        low = (low + x) | 0;
        high = (high + ih + (low >>> 0 < x >>> 0 ? 1 : 0)) | 0;
      }
      const e = (state + i32[tlb]! + ((low >>> 7) & ENTRY)) >> 2;
      if (i32[e + WRITE]! === ((low + last) & -4096) && i32[e + WRITE + 1]! === high) {
        const p = (low + i32[e + ADDEND]!) | 0;
        if (size === 8) {
          view.setInt32(p, i32[v]!, true);
          view.setInt32(p + 4, i32[v + 1]!, true);
        } else if (size === 4) view.setInt32(p, i32[v]!, true);
        else if (size === 1) u8[p] = i32[v]!;
        else view.setInt16(p, i32[v]!, true);
        return;
      }
      cpu.slowStore(seg, low, high, size, i32[v]!, i32[v + 1]!);
    };
  }

  /** Outside 64-bit mode. A flat segment (`checked` false) is its own linear address. */
  load32(d: Slot, at: Address, size: MemSize, seg: SegIndex, checked: boolean, forWrite: boolean): Exec {
    const { cpu, i32, u32, u8, view, tlb, slots } = this;
    const { base, index, shift, dispLow, wrap } = at;
    const state = cpu.base;
    const last = size - 1;
    const tag = forWrite ? WRITE : 0;
    const first = slots.segField(seg, forWrite ? SEGF.WRITE_FIRST : SEGF.READ_FIRST);
    const segBase = slots.segBase(seg);
    return () => {
      const offset = (i32[base]! + (i32[index]! << shift) + dispLow) & wrap;
      let low = offset;
      let inside = true;
      if (checked) {
        inside = offset >>> 0 >= u32[first]! && (offset >>> 0) + last <= u32[first + 1]!;
        low = (offset + i32[segBase]!) | 0;
      }
      const e = (state + i32[tlb]! + ((low >>> 7) & ENTRY)) >> 2;
      if (inside && i32[e + tag]! === ((low + last) & -4096) && i32[e + tag + 1]! === 0) {
        const p = (low + i32[e + ADDEND]!) | 0;
        if (size === 8) {
          i32[d + 1] = view.getInt32(p + 4, true);
          i32[d] = view.getInt32(p, true);
          return;
        }
        i32[d] = size === 4 ? view.getInt32(p, true) : size === 1 ? u8[p]! : view.getUint16(p, true);
        i32[d + 1] = 0;
        return;
      }
      const value = forWrite ? cpu.loadSegForWrite(seg, offset, 0, size) : cpu.loadSeg(seg, offset, 0, size);
      i32[d] = value;
      i32[d + 1] = size === 8 ? cpu.high : 0;
    };
  }

  store32(v: Slot, at: Address, size: MemSize, seg: SegIndex, checked: boolean): Exec {
    const { cpu, i32, u32, u8, view, tlb, slots } = this;
    const { base, index, shift, dispLow, wrap } = at;
    const state = cpu.base;
    const last = size - 1;
    const first = slots.segField(seg, SEGF.WRITE_FIRST);
    const segBase = slots.segBase(seg);
    return () => {
      const offset = (i32[base]! + (i32[index]! << shift) + dispLow) & wrap;
      let low = offset;
      let inside = true;
      if (checked) {
        inside = offset >>> 0 >= u32[first]! && (offset >>> 0) + last <= u32[first + 1]!;
        low = (offset + i32[segBase]!) | 0;
      }
      const e = (state + i32[tlb]! + ((low >>> 7) & ENTRY)) >> 2;
      if (inside && i32[e + WRITE]! === ((low + last) & -4096) && i32[e + WRITE + 1]! === 0) {
        const p = (low + i32[e + ADDEND]!) | 0;
        if (size === 4) view.setInt32(p, i32[v]!, true);
        else if (size === 1) u8[p] = i32[v]!;
        else if (size === 2) view.setInt16(p, i32[v]!, true);
        else {
          view.setInt32(p, i32[v]!, true);
          view.setInt32(p + 4, i32[v + 1]!, true);
        }
        return;
      }
      cpu.storeSeg(seg, offset, 0, size, i32[v]!, i32[v + 1]!);
    };
  }

  /** With alignment checks on: no fast path. */
  loadSlow(d: Slot, at: Address, size: MemSize, seg: SegIndex, wide: boolean, forWrite: boolean): Exec {
    const { cpu, i32 } = this;
    const offset = this.offset(at, wide);
    const where = this.slots.temp(TEMP_ADDRESS);
    return () => {
      offset();
      let low: number;
      if (wide) low = cpu.slowLoad(seg, i32[where]!, i32[where + 1]!, size, forWrite);
      else low = forWrite ? cpu.loadSegForWrite(seg, i32[where]!, 0, size) : cpu.loadSeg(seg, i32[where]!, 0, size);
      i32[d] = low;
      i32[d + 1] = size === 8 ? cpu.high : 0;
    };
  }
  storeSlow(v: Slot, at: Address, size: MemSize, seg: SegIndex, wide: boolean): Exec {
    const { cpu, i32 } = this;
    const offset = this.offset(at, wide);
    const where = this.slots.temp(TEMP_ADDRESS);
    return () => {
      offset();
      if (wide) cpu.slowStore(seg, i32[where]!, i32[where + 1]!, size, i32[v]!, i32[v + 1]!);
      else cpu.storeSeg(seg, i32[where]!, 0, size, i32[v]!, i32[v + 1]!);
    };
  }
}

/** The temporary in which slow accesses hold their address: the last one, which no instruction of ours reaches. */
export const TEMP_ADDRESS = 255;
