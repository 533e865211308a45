/** The list of mappings of an address space: finding, splitting, merging, and finding room. No page tables here. */
import type { Addr } from "../../cpu/state.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { type Mm, VM, type Vma } from "../state.ts";

/** Pages that stay free below a stack that may grow (stack_guard_gap). */
const STACK_GUARD_GAP = 256 * PAGE_SIZE;

/** The mapping that contains an address. */
export function findVma(mm: Mm, addr: Addr): Vma | undefined {
  return mm.vmas.find((v) => addr >= v.start && addr < v.end);
}
/** The first mapping that ends above an address: find_vma(). */
export function nextVma(mm: Mm, addr: Addr): Vma | undefined {
  return mm.vmas.find((v) => addr < v.end);
}
export const overlaps = (mm: Mm, start: Addr, end: Addr): boolean =>
  mm.vmas.some((v) => v.start < end && start < v.end);

/** Adds a mapping where there is none, joined with an equal neighbour. */
export function insertVma(mm: Mm, vma: Vma): void {
  mm.vmas.push(vma);
  mm.vmas.sort((a, b) => a.start - b.start);
  mergeAll(mm);
}

/** The offset in its file of an address in a mapping, as a mapping has it. */
export const offsetAt = ({ start, offset }: Pick<Vma, "start" | "offset">, addr: Addr): Pick<Vma, "offset"> =>
  offset === undefined ? {} : { offset: offset + addr - start };

const mergeable = (a: Vma, b: Vma): boolean =>
  a.end === b.start &&
  a.flags === b.flags &&
  a.name === b.name &&
  offsetAt(a, b.start).offset === b.offset &&
  a.pages === undefined &&
  b.pages === undefined;

export function mergeAll(mm: Mm): void {
  for (let i = mm.vmas.length - 1; i > 0; i--) {
    const below = mm.vmas[i - 1]!;
    const above = mm.vmas[i]!;
    if (!mergeable(below, above)) continue;
    below.end = above.end;
    mm.vmas.splice(i, 1);
  }
}

/** Makes `addr` a boundary between mappings. */
export function splitAt(mm: Mm, addr: Addr): void {
  const vma = mm.vmas.find((v) => v.start < addr && addr < v.end);
  if (vma === undefined) return;
  const above: Vma = { ...vma, ...offsetAt(vma, addr), start: addr };
  if (vma.pages !== undefined) {
    const below = (addr - vma.start) / PAGE_SIZE;
    above.pages = vma.pages.slice(below);
    vma.pages = vma.pages.slice(0, below);
  }
  vma.end = addr;
  mm.vmas.splice(mm.vmas.indexOf(vma) + 1, 0, above);
}

/** Takes the mappings of a range out of the list. */
export function removeRange(mm: Mm, start: Addr, end: Addr): Vma[] {
  splitAt(mm, start);
  splitAt(mm, end);
  const gone = mm.vmas.filter((v) => v.start >= start && v.end <= end);
  mm.vmas = mm.vmas.filter((v) => !gone.includes(v));
  return gone;
}

/** Where a mapping would start if a stack above it may still grow: vm_start_gap(). */
const startGap = (v: Vma): Addr => ((v.flags & VM.GROWSDOWN) !== 0 ? Math.max(0, v.start - STACK_GUARD_GAP) : v.start);

/** The highest free range of `length` bytes that ends at or below `top`, at or above `floor`. */
export function findFreeBelow(mm: Mm, length: number, top: Addr, floor: Addr): Addr | undefined {
  let end = top;
  for (let i = mm.vmas.length - 1; i >= 0; i--) {
    const v = mm.vmas[i]!;
    if (startGap(v) >= end) continue;
    if (end - length >= Math.max(v.end, floor)) return end - length;
    end = Math.min(end, startGap(v));
  }
  return end - length >= floor ? end - length : undefined;
}
/** The lowest free range of `length` bytes at or above `floor` and below `top`. */
export function findFreeAbove(mm: Mm, length: number, floor: Addr, top: Addr): Addr | undefined {
  let start = floor;
  for (const v of mm.vmas) {
    if (v.end <= start) continue;
    if (start + length <= startGap(v)) break;
    start = v.end;
  }
  return start + length <= top ? start : undefined;
}

export const pageCount = (length: number): number => Math.ceil(length / PAGE_SIZE);
export const pageAlign = (value: number): number => pageCount(value) * PAGE_SIZE;
/** Memory that counts against the commit limit: private and writable. */
export const accountable = (flags: number): boolean => (flags & (VM.WRITE | VM.SHARED)) === VM.WRITE;
