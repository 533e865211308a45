/** execve for the first program: a new address space with segments, break, vDSO and stack, and the registers to begin with. */
import type { Cpu } from "../../cpu/cpu.ts";
import { RLIMIT } from "../abi/file.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { modulo } from "../memory.ts";
import { createMm, leafFlags, mapRange } from "../mm/mm.ts";
import { allocPage, pageTables } from "../mm/pages.ts";
import { frameOf, inUse, PTE } from "../mm/pagetable.ts";
import { findFreeBelow, overlaps, pageAlign } from "../mm/vma.ts";
import { clearFpu } from "../signal/fpstate.ts";
import { type Mm, type Task, VM } from "../state.ts";
import type { Program } from "../types.ts";
import { type Loadable, type LoadSegment, readProgram } from "./elf.ts";
import { pushStrings, pushTables } from "./stack.ts";
import { mapVdso, setSysenterReturn } from "./vdso.ts";

const MIN_GAP = 128 * 2 ** 20;
const STACK_GUARD_GAP = 256 * PAGE_SIZE;
/** End of user space for 32-bit programs on the 64-bit kernel: IA32_PAGE_OFFSET. */
const IA32_PAGE_OFFSET = 0xffff_e000;
/** Bits of randomness, in pages: of the stack's top, of the mmap area; and the range that the break moves in. */
const RANDOM = {
  32: { stack: 0x7ff, mmapBits: 8, brk: 32 * 2 ** 20 },
  64: { stack: 0x3f_ffff, mmapBits: 28, brk: 2 ** 30 },
} as const;

/** @returns one sentence if the program cannot be run. */
export function execProgram(
  k: Kernel,
  cpu: Cpu,
  task: Task,
  program: Program,
  args: readonly string[],
  env: readonly string[],
): string | undefined {
  const loadable = readProgram(program);
  if (typeof loadable === "string") return `${program.name} is ${loadable}`;
  if (loadable.interpreter !== undefined)
    return `${program.name} needs the dynamic linker ${loadable.interpreter}; link it statically`;
  if (loadable.bits === 64 && k.arch.bits === 32)
    return `${program.name} is a 64-bit program; the i386 kernel cannot run it`;
  const mm = createMm(k);
  if (mm === undefined) return "not enough guest memory";
  task.mm = mm.id;
  setupLayout(k, task, mm, loadable.bits, program.name);
  const strings = pushStrings(k, task, mm, loadable, randomStackTop(k, mm, loadable.bits), args, env);
  if (strings === undefined) return "not enough guest memory for arguments and environment";
  const bias = loadSegments(k, mm, loadable, program.name);
  if (bias === undefined) return `${program.name} does not fit into the guest's memory`;
  const image = mapVdso(k, mm, loadable.bits);
  setSysenterReturn(k, task, image, mm.context.vdso);
  k.arch.switchTo(k, cpu, task);
  const sp = pushTables(k, task, mm, loadable, bias, image, strings);
  if (sp === undefined) return "not enough guest memory for arguments and environment";
  clearFpu(cpu);
  k.arch.startThread(k, cpu, k.userRegs(task), loadable.entry + bias, sp, loadable.bits);
  k.setFlag(task, "IA32", loadable.bits === 32 && k.arch.bits === 64);
  k.setFlag(task, "ADDR32", loadable.bits === 32 && k.arch.bits === 64);
  return undefined;
}

/** arch_pick_mmap_layout(). */
function setupLayout(k: Kernel, task: Task, mm: Mm, bits: 32 | 64, name: string): void {
  const compatTop = k.arch.bits === 32 ? k.layout.address.taskSizeMax : IA32_PAGE_OFFSET;
  const stackLimit = Number(k.process(task).rlimits[RLIMIT.RLIMIT_STACK]![0]);
  const base = (top: number, width: 32 | 64) => {
    const room = stackLimit + RANDOM[width].stack * PAGE_SIZE + STACK_GUARD_GAP;
    const gap = Math.min(Math.max(room, MIN_GAP), Math.floor(top / 6) * 5);
    return pageAlign(top - gap - k.machine.random.below(2 ** RANDOM[width].mmapBits) * PAGE_SIZE);
  };
  mm.taskSize = bits === 32 ? compatTop : k.layout.address.taskSizeMax;
  mm.mmapCompatBase = base(compatTop, 32);
  mm.mmapBase = bits === 32 ? mm.mmapCompatBase : base(mm.taskSize, 64);
  mm.context.ia32 = bits === 32;
  mm.exe = name;
}

/** randomize_stack_top(). */
const randomStackTop = (k: Kernel, mm: Mm, bits: 32 | 64): number =>
  mm.taskSize - k.machine.random.below(RANDOM[bits].stack + 1) * PAGE_SIZE;

/** Maps and fills the segments, sets the break; the load bias, or undefined if they do not fit. */
function loadSegments(k: Kernel, mm: Mm, loadable: Loadable, name: string): number | undefined {
  const first = Math.min(...loadable.segments.map((s) => s.address));
  const end = Math.max(...loadable.segments.map((s) => s.address + s.memorySize));
  let bias = 0;
  if (loadable.relocatable) {
    // without an interpreter such a program goes where mmap puts things
    const start = findFreeBelow(mm, pageAlign(end) - pageStart(first), mm.mmapBase, PAGE_SIZE);
    if (start === undefined) return undefined;
    bias = start - pageStart(first);
  }
  for (const segment of loadable.segments) if (!loadSegment(k, mm, segment, bias, name)) return undefined;
  mm.startBrk = mm.brk =
    pageAlign(end + bias) + k.machine.random.below(RANDOM[loadable.bits].brk / PAGE_SIZE) * PAGE_SIZE;
  return bias;
}

const pageStart = (address: number): number => address - modulo(address, PAGE_SIZE);

function loadSegment(k: Kernel, mm: Mm, segment: LoadSegment, bias: number, name: string): boolean {
  const start = segment.address + bias;
  const end = pageAlign(start + segment.memorySize);
  const flags = (segment.read ? VM.READ : 0) | (segment.write ? VM.WRITE : 0) | (segment.exec ? VM.EXEC : 0);
  // segments may share a page; the later one's rights hold for it, as with Linux's MAP_FIXED
  let from = pageStart(start);
  while (from < end && overlaps(mm, from, from + PAGE_SIZE)) from += PAGE_SIZE;
  if (from < end) {
    if (overlaps(mm, from, end) || mapRange(k, mm, { start: from, end, flags, name }) !== 0) return false;
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
