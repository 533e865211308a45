/**
 * The one WebAssembly.Memory of a machine: CPU states first, guest RAM after them. Fixed in size from the start, so no view ever
 * goes stale; the host commits pages only when they are touched.
 */
import { CPU_STRIDE } from "./layout.ts";

/** Bytes a CPU's tier 0 has for constants. Derived data: never part of a snapshot. */
export const POOL_BYTES = 0x40000;

/** A processor, as memory sees it: someone to tell when bytes it has decoded change, or when its write tags must go. */
export interface CodeHolder {
  codeWritten(page: number, offset: number, size: number): void;
  dropWriteTagsOf(page: number): void;
}

const WASM_PAGE = 0x10000;
export const PAGE_SIZE = 4096;

/** Of a system whose user says nothing of them. */
export const DEFAULTS = { cpus: 2, ramSize: 256 << 20 } as const;

/** Made by `allocateAhead`, and not in use yet. */
let ahead: { readonly pages: number; readonly memory: WebAssembly.Memory } | undefined;

/**
 * Makes the memory of the first system with the default sizes. An allocation of that size has V8 collect all its garbage, which
 * takes the shorter the less there is yet: so a process that will need it calls this before it loads anything else.
 */
export function allocateAhead(): void {
  const { total: pages } = sizesOf(DEFAULTS.cpus, DEFAULTS.ramSize);
  ahead = { pages, memory: allocate(pages) };
}

const allocate = (pages: number): WebAssembly.Memory => new WebAssembly.Memory({ initial: pages, maximum: pages });

/** New, all zero. */
function takeMemory(pages: number): WebAssembly.Memory {
  if (ahead?.pages !== pages) return allocate(pages);
  const { memory } = ahead;
  ahead = undefined;
  return memory;
}

/** Where RAM begins, its bytes, and all that is needed in WebAssembly's pages. */
function sizesOf(cpuCount: number, ramSize: number) {
  // behind the constant pools: one more state, of a processor that only stands for one
  const base = Math.ceil((cpuCount * (CPU_STRIDE + POOL_BYTES) + CPU_STRIDE) / WASM_PAGE);
  const ram = Math.ceil(ramSize / WASM_PAGE);
  return { ramBase: base * WASM_PAGE, ramSize: ram * WASM_PAGE, total: base + ram };
}

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
  /** One byte a RAM page: 1 = written since it was last asked for by `takeDirty`. Set it through `markDirty`. */
  readonly dirty: Uint8Array;
  private dirtyPages: number[] = [];
  /** One byte a RAM page: 1 = ever written, so a full save copies only these. */
  readonly touched: Uint8Array;

  /** One byte a RAM page, a bit a CPU: that CPU holds decoded code of the page. */
  readonly code: Uint8Array;
  /** The processors on this memory, by index. */
  readonly holders: CodeHolder[] = [];

  /** @param ramSize bytes, a little under 2 GiB at most; rounded up to 64 KiB. */
  constructor(cpuCount: number, ramSize: number) {
    if (cpuCount < 1 || cpuCount > 8) throw new Error(`a machine has 1 to 8 processors, not ${cpuCount}`);
    this.cpuCount = cpuCount;
    const sizes = sizesOf(cpuCount, ramSize);
    this.ramBase = sizes.ramBase;
    this.ramSize = sizes.ramSize;
    if (this.ramBase + this.ramSize > 0x8000_0000) throw new Error("guest RAM must stay under 2 GiB");
    this.wasm = takeMemory(sizes.total);
    this.u8 = new Uint8Array(this.wasm.buffer);
    this.i32 = new Int32Array(this.wasm.buffer);
    this.u32 = new Uint32Array(this.wasm.buffer);
    this.u64 = new BigUint64Array(this.wasm.buffer);
    this.view = new DataView(this.wasm.buffer);
    this.dirty = new Uint8Array(this.ramSize / PAGE_SIZE);
    this.touched = new Uint8Array(this.ramSize / PAGE_SIZE);
    this.code = new Uint8Array(this.ramSize / PAGE_SIZE);
  }

  /** Byte offset of CPU `index`'s constant pool. */
  poolBase(index: number): number {
    return this.cpuCount * CPU_STRIDE + index * POOL_BYTES;
  }

  markDirty(page: number): void {
    if (this.dirty[page] !== 0) return;
    this.dirty[page] = this.touched[page] = 1;
    this.dirtyPages.push(page);
  }

  get dirtyNow(): readonly number[] {
    return this.dirtyPages;
  }

  /** The pages that are dirty, which then no longer are. The processors' write tags are the caller's to drop. */
  takeDirty(): readonly number[] {
    const pages = this.dirtyPages;
    this.dirtyPages = [];
    for (const page of pages) this.dirty[page] = 0;
    return pages;
  }

  /**
   * Every write to RAM that does not go through a write tag ends here: keeps `dirty` and `touched`, and tells the processors that
   * hold code of these bytes. The bytes must lie in one page.
   */
  noteWrite(pa: number, size: number): void {
    const page = pa >>> 12;
    this.markDirty(page);
    const owners = this.code[page]!;
    if (owners === 0) return;
    for (let cpu = 0; cpu < this.cpuCount; cpu++) {
      if (owners & (1 << cpu)) this.holders[cpu]!.codeWritten(page, pa & 0xfff, size);
    }
  }

  /** A CPU starts to hold code of a page: from now on every processor's writes to it take the slow path. */
  noteCode(page: number, cpu: number): void {
    if (this.code[page]! === 0) for (const holder of this.holders) holder.dropWriteTagsOf(page);
    this.code[page]! |= 1 << cpu;
  }

  /** Byte offset of CPU `index`'s state; of the one behind the last, that of a debugger's stand-in, which never runs. */
  cpuBase(index: number): number {
    return index < this.cpuCount ? index * CPU_STRIDE : this.cpuCount * (CPU_STRIDE + POOL_BYTES);
  }
}
