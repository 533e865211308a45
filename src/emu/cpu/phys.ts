/**
 * Physical memory as one CPU sees it: guest RAM in the machine's memory, everything else on the bus. All writes keep the machine's
 * page bookkeeping (dirty, touched, decoded code), so nothing else needs to know of it.
 */
import type { CoreMemory } from "./memory.ts";
import { CpuState } from "./state.ts";

export type AccessSize = 1 | 2 | 4 | 8;

/** Physical addresses outside RAM. Values are unsigned; 8-byte accesses arrive as two of 4. */
export interface PhysicalBus {
  read(pa: number, size: 1 | 2 | 4): number;
  write(pa: number, size: 1 | 2 | 4, value: number): void;
}

/** What an undriven bus reads as. */
const FLOATING: PhysicalBus = {
  read: (_pa, size) => (size === 4 ? 0xffff_ffff : size === 2 ? 0xffff : 0xff),
  write: () => {},
};

export class PhysicalMemory extends CpuState {
  /** Second half of 64-bit results. */
  high = 0;
  readonly ramBase: number;
  readonly ramSize: number;
  readonly view: DataView;
  readonly u8: Uint8Array;
  protected bus: PhysicalBus = FLOATING;

  constructor(core: CoreMemory, index: number) {
    super(core, index);
    this.ramBase = core.ramBase;
    this.ramSize = core.ramSize;
    this.view = core.view;
    this.u8 = core.u8;
  }

  /** After an access to the bus, which may have changed anything a device can: interrupts are looked at before the next instruction. */
  protected afterBusAccess(): void {}

  isRam(pa: number, size: number): boolean {
    return pa + size <= this.ramSize;
  }

  /** Unsigned for 1, 2, 4; for 8 the low half as int32 with `high` set. */
  physRead(pa: number, size: AccessSize): number {
    if (!this.isRam(pa, size)) return this.busRead(pa, size);
    const at = this.ramBase + pa;
    switch (size) {
      case 1:
        return this.u8[at]!;
      case 2:
        return this.view.getUint16(at, true);
      case 4:
        return this.view.getUint32(at, true);
      default:
        this.high = this.view.getInt32(at + 4, true);
        return this.view.getInt32(at, true);
    }
  }

  physWrite(pa: number, size: AccessSize, low: number, high = 0): void {
    if (!this.isRam(pa, size)) {
      this.busWrite(pa, size, low, high);
      return;
    }
    const inPage = Math.min(size, 0x1000 - (pa & 0xfff));
    this.core.noteWrite(pa, inPage);
    if (inPage < size) this.core.noteWrite(pa + inPage, size - inPage);
    const at = this.ramBase + pa;
    if (size === 1) this.u8[at] = low;
    else if (size === 2) this.view.setUint16(at, low, true);
    else {
      this.view.setInt32(at, low, true);
      if (size === 8) this.view.setInt32(at + 4, high, true);
    }
  }

  private busRead(pa: number, size: AccessSize): number {
    let low: number;
    if (size === 8) {
      low = this.bus.read(pa, 4) | 0;
      this.high = this.bus.read(pa + 4, 4) | 0;
    } else low = this.bus.read(pa, size);
    this.afterBusAccess();
    return low;
  }

  private busWrite(pa: number, size: AccessSize, low: number, high: number): void {
    if (size === 8) {
      this.bus.write(pa, 4, low >>> 0);
      this.bus.write(pa + 4, 4, high >>> 0);
    } else this.bus.write(pa, size, size === 4 ? low >>> 0 : low & (size === 2 ? 0xffff : 0xff));
    this.afterBusAccess();
  }
}
