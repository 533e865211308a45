/**
 * Where tier 0 keeps values: everything is a pair of 32-bit words in the machine's memory, named by the index of its low word.
 * Registers are where they are; temporaries and constants have pairs of their own. So one closure serves all kinds of operands.
 */
import { OFF, SEG_STRIDE, SEGF, type SegIndex, TEMP_COUNT, TEMPS } from "../layout.ts";
import { POOL_BYTES } from "../memory.ts";
import type { CpuState } from "../state.ts";

export type Slot = number;

/** Room that a block may need at most: its constants. */
const RESERVE = 2048;

export class Slots {
  private readonly i32: Int32Array;
  private readonly gpr: Slot;
  private readonly base: number;
  private readonly temps: Slot;
  private readonly pool: Slot;
  private readonly poolEnd: Slot;
  private next: Slot;
  private readonly constants = new Map<number, Map<number, Slot>>();

  constructor(state: CpuState) {
    this.i32 = state.i32;
    this.base = state.base;
    this.gpr = (state.base + OFF.GPR) >> 2;
    this.temps = (state.base + TEMPS) >> 2;
    this.pool = state.core.poolBase(state.index) >> 2;
    this.poolEnd = this.pool + (POOL_BYTES >> 2);
    this.next = this.pool;
  }

  /** Is it time to throw all compiled code away and start the constants anew? */
  get nearlyFull(): boolean {
    return this.next + RESERVE > this.poolEnd;
  }

  reset(): void {
    this.constants.clear();
    this.next = this.pool;
  }

  reg(reg: number): Slot {
    return this.gpr + reg * 2;
  }
  temp(index: number): Slot {
    if (index >= TEMP_COUNT) throw new Error("an instruction needs too many temporaries");
    return this.temps + index * 2;
  }
  field(offset: number): Slot {
    return (this.base + offset) >> 2;
  }
  segField(seg: SegIndex, field: number): Slot {
    return this.field(OFF.SEG + seg * SEG_STRIDE + field);
  }
  segBase(seg: SegIndex): Slot {
    return this.segField(seg, SEGF.BASE);
  }

  constant(low: number, high: number): Slot {
    let row = this.constants.get(high);
    if (!row) this.constants.set(high, (row = new Map()));
    let slot = row.get(low);
    if (slot === undefined) {
      slot = this.next;
      this.next += 2;
      if (this.next > this.poolEnd) throw new Error("the constant pool has overflowed");
      this.i32[slot] = low;
      this.i32[slot + 1] = high;
      row.set(low, slot);
    }
    return slot;
  }
}
