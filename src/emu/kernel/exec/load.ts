/**
 * Where a program's segments go (fs/binfmt_elf.c): a program that is linked to an address there, a position-independent one with an
 * interpreter at ELF_ET_DYN_BASE and some randomness, anything else that can move (interpreters, static PIE) where mmap puts things.
 */
import type { Addr } from "../../cpu/state.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { modulo } from "../memory.ts";
import { leafFlags, mapRange } from "../mm/mm.ts";
import { allocPage, pageTables } from "../mm/pages.ts";
import { frameOf, inUse, PTE } from "../mm/pagetable.ts";
import { findFreeBelow, offsetAt, overlaps, pageAlign } from "../mm/vma.ts";
import { type Mm, VM } from "../state.ts";
import type { Loadable, LoadSegment } from "./elf.ts";
import type { Executable } from "./executable.ts";
import { RANDOM } from "./random.ts";

/** Where a loaded program is: the addresses that the auxiliary vector tells, and where the task begins. */
export interface Loaded {
  /** What is added to its addresses. */
  readonly bias: Addr;
  /** The same of its interpreter; 0 without one. */
  readonly interpreterBias: Addr;
  /** The first instruction to run: the interpreter's, where there is one. */
  readonly start: Addr;
}

/** Maps and fills program and interpreter, and sets the break; undefined if they do not fit. */
export function loadProgram(
  k: Kernel,
  mm: Mm,
  { loadable: program, name, interpreter }: Executable,
): Loaded | undefined {
  const bias = program.relocatable ? placeFor(k, mm, program, interpreter !== undefined) : 0;
  if (bias === undefined || !loadSegments(k, mm, program, bias, name)) return undefined;
  mm.startBrk = mm.brk =
    pageAlign(endOf(program) + bias) + k.machine.random.below(RANDOM[program.bits].brk / PAGE_SIZE) * PAGE_SIZE;
  if (interpreter === undefined) return { bias, interpreterBias: 0, start: program.entry + bias };
  const { loadable, path } = interpreter;
  const interpreterBias = loadable.relocatable ? placeFor(k, mm, loadable, false) : 0;
  if (interpreterBias === undefined || !loadSegments(k, mm, loadable, interpreterBias, path)) return undefined;
  return { bias, interpreterBias, start: loadable.entry + interpreterBias };
}

const firstOf = ({ segments }: Loadable): Addr => pageStart(Math.min(...segments.map((s) => s.address)));
const endOf = ({ segments }: Loadable): Addr => Math.max(...segments.map((s) => s.address + s.memorySize));
const pageStart = (address: number): number => address - modulo(address, PAGE_SIZE);

/** The bias of what can be anywhere. */
function placeFor(k: Kernel, mm: Mm, loadable: Loadable, interpreted: boolean): Addr | undefined {
  const first = firstOf(loadable);
  if (!interpreted) {
    const start = findFreeBelow(mm, pageAlign(endOf(loadable)) - first, mm.mmapBase, PAGE_SIZE);
    return start === undefined ? undefined : start - first;
  }
  const random = k.machine.random.below(2 ** RANDOM[loadable.bits].mmapBits) * PAGE_SIZE;
  const place = dynBase(k, mm, loadable.bits) + random;
  return pageStart(place - modulo(place, loadable.alignment) - first);
}

/** ELF_ET_DYN_BASE: two thirds of user space; for 32-bit programs on the 64-bit kernel a third and 16 MiB. */
function dynBase(k: Kernel, mm: Mm, bits: 32 | 64): Addr {
  if (k.arch.bits === 32) return 0x40_0000;
  return bits === 64 ? Math.floor(mm.taskSize / 3) * 2 : pageAlign(Math.floor(mm.taskSize / 3)) + 0x100_0000;
}

function loadSegments(k: Kernel, mm: Mm, { segments }: Loadable, bias: Addr, name: string): boolean {
  return segments.every((segment) => loadSegment(k, mm, segment, bias, name));
}

function loadSegment(k: Kernel, mm: Mm, segment: LoadSegment, bias: number, name: string): boolean {
  const start = segment.address + bias;
  const end = pageAlign(start + segment.memorySize);
  const flags = (segment.read ? VM.READ : 0) | (segment.write ? VM.WRITE : 0) | (segment.exec ? VM.EXEC : 0);
  // segments may share a page; the later one's rights hold for it, as with Linux's MAP_FIXED
  let from = pageStart(start);
  while (from < end && overlaps(mm, from, from + PAGE_SIZE)) from += PAGE_SIZE;
  if (from < end) {
    if (
      overlaps(mm, from, end) ||
      mapRange(k, mm, { start: from, end, flags, name, ...offsetAt({ ...segment, start }, from) }) !== 0
    )
      return false;
  }
  return populate(k, mm, start, segment.bytes, flags);
}

/** Puts bytes into a new address space: pages are made as they are met. */
export function populate(k: Kernel, mm: Mm, start: number, bytes: Uint8Array, flags: number): boolean {
  const tables = pageTables(k);
  for (let done = 0; done < bytes.length; ) {
    const address = start + done;
    const page = pageStart(address);
    const entry = tables.lookup(mm.pgd, page);
    const frame = inUse(entry) ? frameOf(entry) : allocPage(k);
    if (frame === undefined || !tables.map(mm.pgd, page, frame, leafFlags(flags) | PTE.ACCESSED)) return false;
    const offset = address - page;
    const part = bytes.subarray(done, done + PAGE_SIZE - offset);
    k.memory.writePhys("execve", address, frame + offset, part);
    done += part.length;
  }
  return true;
}
