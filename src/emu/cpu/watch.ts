/**
 * Data watch: ranges of addresses whose reads or writes are to be seen, for the debug registers and for a debugger. Pages without a
 * range keep their fast path. On the others accesses take the slow path, which asks here; compiled code that meets such a page often
 * looks into a map of offsets first, and stays on the fast path if it keeps off what is watched.
 */
import type { Addr } from "./state.ts";

export interface WatchRange {
  /** Linear, or physical if `physical`. */
  readonly start: Addr;
  readonly length: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly physical?: boolean;
}

/** What an instruction did to a watched range. */
export interface WatchHit {
  readonly range: WatchRange;
  /** Linear address and bytes of the access. */
  readonly address: Addr;
  readonly size: number;
  readonly write: boolean;
}

/** Of a page: whose accesses must be seen. */
export const SEE = { WRITES: 1, READS: 2 } as const;

const PAGE = 0x1000;
const overlaps = (range: WatchRange, from: Addr, size: number): boolean =>
  from < range.start + range.length && from + size > range.start;
const pageOf = (addr: Addr): Addr => Math.floor(addr / PAGE) * PAGE;

/** Marks the offsets from which an access touches bytes from `first` to before `end`. */
function markOffsets(map: Uint8Array, first: number, end: number): void {
  for (const size of [1, 2, 4, 8]) {
    for (let at = Math.max(0, first - size + 1); at < end; at++) map[at]! |= size;
  }
}

export class Watches {
  active = false;
  /** The first hit of a debugger's range by the instruction that is running. */
  hit: WatchHit | undefined;
  /** DR6's B0 to B3: debug registers that the running instruction has hit. */
  debugBits = 0;
  private ranges: readonly WatchRange[] = [];
  /** Ranges of debug registers 0 to 3. */
  private debug: readonly (WatchRange | undefined)[] = [];
  private all: readonly WatchRange[] = [];

  /** False if there are none, and were none. */
  setRanges(ranges: readonly WatchRange[]): boolean {
    if (this.ranges.length === 0 && ranges.length === 0) return false;
    this.ranges = ranges;
    this.changed();
    return true;
  }
  setDebug(ranges: readonly (WatchRange | undefined)[]): void {
    this.debug = ranges;
    this.changed();
  }
  private changed(): void {
    this.all = [...this.ranges, ...this.debug.filter((range) => range !== undefined)];
    this.active = this.all.length > 0;
  }

  get pending(): boolean {
    return this.hit !== undefined || this.debugBits !== 0;
  }
  /** The instruction did not retire. */
  forget(): void {
    this.hit = undefined;
    this.debugBits = 0;
  }

  /** Fills the map of offsets whose accesses must be seen (WATCH_MAP). */
  draw(map: Uint8Array): void {
    map.fill(0);
    for (const { start, length } of this.all) {
      // What goes beyond a page has marked every offset by then.
      const end = start + Math.min(length, 2 * PAGE);
      for (let from = start; from < end; from = pageOf(from) + PAGE) {
        const first = from - pageOf(from);
        markOffsets(map, first, Math.min(first + end - from, PAGE));
      }
    }
  }

  /** SEE bits of a page, by its linear address and its physical one. */
  pageBits(linear: Addr, physical: number): number {
    let bits = 0;
    for (const range of this.all) {
      if (!overlaps(range, range.physical ? physical : linear, PAGE)) continue;
      bits |= SEE.WRITES | (range.read ? SEE.READS : 0);
    }
    return bits;
  }

  /** An access within one page has been translated. True = it is watched. */
  note(linear: Addr, physical: number, size: number, write: boolean): boolean {
    const isHit = (range: WatchRange): boolean =>
      (write ? range.write : range.read) && overlaps(range, range.physical ? physical : linear, size);
    for (const range of this.ranges) {
      if (!this.hit && isHit(range)) this.hit = { range, address: linear, size, write };
    }
    this.debug.forEach((range, i) => {
      if (range && isHit(range)) this.debugBits |= 1 << i;
    });
    return this.pending;
  }
}
