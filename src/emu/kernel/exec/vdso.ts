/** Mapping the vDSO and, in front of it, vvar: at program start, and by arch_prctl(ARCH_MAP_VDSO_*). */
import type { Addr } from "../../cpu/state.ts";
import { E } from "../abi/errno.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { mapRange } from "../mm/mm.ts";
import { mustAllocPage } from "../mm/pages.ts";
import { findFreeBelow, overlaps, pageAlign } from "../mm/vma.ts";
import { type Mm, NO_PAGE, type Task, VM } from "../state.ts";
import { type VdsoImage, VVAR_PAGES, vdsoImage } from "../vdso/index.ts";

/** The pages that hold an image; made once and shared by all who map it. */
function imagePages(k: Kernel, image: VdsoImage): readonly number[] {
  const known = k.state.vdsoPages[image.kind];
  if (known !== undefined) return known;
  const pages: number[] = [];
  for (let at = 0; at < image.bytes.length; at += PAGE_SIZE) {
    const page = mustAllocPage(k);
    k.memory.writePhys("init_vdso_image", k.memory.virt(page), page, image.bytes.subarray(at, at + PAGE_SIZE));
    pages.push(page);
  }
  k.state.vdsoPages[image.kind] = Object.freeze(pages);
  return pages;
}

/** vvar_fault(): only the first page exists. There is no paravirtual clock behind pvclock and hvclock, and no time namespace. */
function vvarPages(k: Kernel): readonly number[] {
  return (k.state.vdsoPages.vvar ??= Object.freeze([
    mustAllocPage(k),
    ...Array.from({ length: VVAR_PAGES - 1 }, () => NO_PAGE),
  ]));
}

/** map_vdso(): at `addr`, or where there is room when it is 0 or taken. Address of the image, or a negative error number. */
export function mapVdsoAt(k: Kernel, mm: Mm, image: VdsoImage, addr: Addr): Addr {
  const length = VVAR_PAGES * PAGE_SIZE + image.bytes.length;
  const top = image.bits === 32 ? Math.min(mm.mmapCompatBase, mm.mmapBase) : mm.mmapBase;
  const wanted = addr !== 0 && !overlaps(mm, addr, addr + length) && addr + length <= mm.taskSize ? addr : undefined;
  const start = wanted ?? findFreeBelow(mm, length, top, PAGE_SIZE);
  if (start === undefined) return -E.ENOMEM;
  const text = start + VVAR_PAGES * PAGE_SIZE;
  mapRange(k, mm, { start, end: text, flags: VM.READ | VM.SPECIAL, name: "[vvar]", pages: vvarPages(k) });
  const flags = VM.READ | VM.EXEC | VM.SPECIAL;
  mapRange(k, mm, { start: text, end: text + image.bytes.length, flags, name: "[vdso]", pages: imagePages(k, image) });
  mm.context.vdso = text;
  mm.context.vdsoImage = image.kind;
  return text;
}

/** Where fast 32-bit calls return to, for entry code that takes it from thread_info: map_vdso() of kernels that had it so. */
export function setSysenterReturn(k: Kernel, task: Task, image: VdsoImage, text: Addr): void {
  if (k.choice.hooks.sysenterReturn !== true || image.bits !== 32) return;
  k.setThreadInfo(task, "sysenter_return", text + (image.symbols.get("int80_landing_pad") ?? 0));
}

const PMD_SIZE = 2 ** 21;
/** vdso_addr(): somewhere above the stack, in the page table that the stack needs anyway. */
function vdsoAddr(k: Kernel, mm: Mm, image: VdsoImage): Addr {
  const length = VVAR_PAGES * PAGE_SIZE + image.bytes.length;
  const start = pageAlign(mm.startStack);
  const end = Math.min(Math.ceil((start + length) / PMD_SIZE) * PMD_SIZE, mm.taskSize) - length;
  return end > start ? start + k.machine.random.below((end - start) / PAGE_SIZE + 1) * PAGE_SIZE : start;
}

/** arch_setup_additional_pages(). */
export function mapVdso(k: Kernel, mm: Mm, bits: 32 | 64): VdsoImage {
  const image = vdsoImage(k.arch.vdsoKind(k, bits));
  mapVdsoAt(k, mm, image, bits === 64 ? vdsoAddr(k, mm, image) : 0);
  return image;
}
