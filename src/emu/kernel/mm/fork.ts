/** dup_mm(): a second address space with the same contents. Private pages are shared until one of the two writes. */
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import { type Mm, type Task, VM, type Vma } from "../state.ts";
import { copyLdt } from "../x86/ldt.ts";
import { faultIn } from "./fault.ts";
import { commit, createMm, destroyMm, Flush } from "./mm.ts";
import { pageTables, sharePage } from "./pages.ts";
import { frameOf, PTE } from "./pagetable.ts";
import { accountable, pageCount } from "./vma.ts";

/** undefined = no memory. */
export function copyMm(k: Kernel, parent: Task): Mm | undefined {
  const from = k.mm(parent);
  const to = createMm(k);
  if (to === undefined) return undefined;
  const { id, pgd, committed } = to;
  Object.assign(to, structuredClone(from), { id, pgd, committed, vmas: [] });
  delete to.context.ldt;
  const flush = new Flush(k, from);
  const complete = from.vmas.every((vma) => copyVma(k, parent, from, to, vma, flush)) && copyLdt(k, from, to);
  flush.done();
  if (complete) return to;
  destroyMm(k, to);
  return undefined;
}

function copyVma(k: Kernel, parent: Task, from: Mm, to: Mm, vma: Vma, flush: Flush): boolean {
  const account = accountable(vma.flags) && (vma.flags & VM.SPECIAL) === 0;
  if (account && !commit(k, to, pageCount(vma.end - vma.start))) return false;
  to.vmas.push(structuredClone(vma));
  if (vma.pages !== undefined) return true;
  if ((vma.flags & VM.SHARED) !== 0) populateShared(k, parent, from, vma);
  const tables = pageTables(k);
  const readOnly = (vma.flags & VM.SHARED) === 0 ? ~PTE.RW : -1n;
  let complete = true;
  tables.eachLeaf(from.pgd, vma.start, vma.end, (at, entry, addr) => {
    const target = tables.leaf(to.pgd, addr, true);
    complete &&= target !== undefined;
    if (target === undefined) return;
    sharePage(k, frameOf(entry));
    tables.writeEntry(target, entry & readOnly);
    if ((entry & readOnly) === entry) return;
    tables.writeEntry(at, entry & readOnly);
    flush.add(addr);
  });
  return complete;
}

/** Pages of a shared mapping that nobody has touched yet must be the same for both. */
function populateShared(k: Kernel, parent: Task, mm: Mm, vma: Vma): void {
  if ((vma.flags & (VM.READ | VM.WRITE | VM.EXEC)) === 0) return;
  for (let addr = vma.start; addr < vma.end; addr += PAGE_SIZE) {
    const exec = (vma.flags & (VM.READ | VM.WRITE)) === 0;
    faultIn(k, parent, mm, addr, { write: false, exec });
  }
}
