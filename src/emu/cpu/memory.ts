/**
 * The one WebAssembly.Memory of a machine: CPU states first, guest RAM after them. Fixed in size from the start, so no view ever
 * goes stale; the host commits pages only when they are touched.
 */
import { CPU_STRIDE } from "./layout.ts";

const WASM_PAGE = 0x10000;
export const PAGE_SIZE = 4096;

export class CoreMemory {
  readonly wasm: WebAssembly.Memory;
  readonly cpuCount: number;
  /** Byte offset of guest physical address 0. */
  readonly ramBase: number;
  /** Bytes of guest RAM, a multiple of 64 KiB. */
  readonly ramSize: number;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  readonly view: DataView;
  /** One byte a RAM page: 1 = written since the last `clearDirty` of that page (snapshots, hashing). */
  readonly dirty: Uint8Array;
  /** One byte a RAM page: 1 = ever written, so a full save copies only these. */
  readonly touched: Uint8Array;

  /** @param ramSize bytes, at most 2 GiB; rounded up to 64 KiB. */
  constructor(cpuCount: number, ramSize: number) {
    this.cpuCount = cpuCount;
    this.ramBase = Math.ceil((cpuCount * CPU_STRIDE) / WASM_PAGE) * WASM_PAGE;
    this.ramSize = Math.ceil(ramSize / WASM_PAGE) * WASM_PAGE;
    const pages = (this.ramBase + this.ramSize) / WASM_PAGE;
    this.wasm = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.u8 = new Uint8Array(this.wasm.buffer);
    this.i32 = new Int32Array(this.wasm.buffer);
    this.u32 = new Uint32Array(this.wasm.buffer);
    this.u64 = new BigUint64Array(this.wasm.buffer);
    this.view = new DataView(this.wasm.buffer);
    this.dirty = new Uint8Array(this.ramSize / PAGE_SIZE);
    this.touched = new Uint8Array(this.ramSize / PAGE_SIZE);
  }

  /** Byte offset of CPU `index`'s state. */
  cpuBase(index: number): number {
    return index * CPU_STRIDE;
  }
}
