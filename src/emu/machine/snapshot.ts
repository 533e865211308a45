/**
 * Saving, restoring and hashing a whole machine. A snapshot copies the pages written since the last one and shares the rest;
 * restoring writes back only the pages that differ. Neither looks at pages that nobody wrote.
 */
import type { Cpu } from "../cpu/cpu.ts";
import { OFF } from "../cpu/layout.ts";
import { type CoreMemory, PAGE_SIZE } from "../cpu/memory.ts";
import { canonicalText, Hasher } from "./hash.ts";
import { PageStore, type PageTable } from "./pages.ts";
import type { Component, Snapshot } from "./types.ts";

/** Bytes of a CPU's state that are architectural: everything before its TLBs. */
const CPU_STATE_BYTES = OFF.TLB;

export class SnapshotMemory {
  readonly store = new PageStore();
  /** What memory looked like at the last save or restore: pages not dirty since then still equal it. A table of its own. */
  last: PageTable | undefined;
  /** Pages that were dirty at the last save. */
  dirty: ReadonlySet<number> = new Set();
  saves = 0;
}

interface Subject {
  readonly core: CoreMemory;
  readonly cpus: readonly Cpu[];
  readonly components: readonly Component[];
  readonly snapshots: SnapshotMemory;
  readonly icount: number;
}

const CLOCK = "machine clock";

export function takeSnapshot(machine: Subject, clock: readonly number[]): Snapshot {
  const { core, snapshots, cpus } = machine;
  const pages = savePages(core, snapshots);
  for (const cpu of cpus) cpu.dropWriteTags();
  const components: Record<string, unknown> = { [CLOCK]: [...clock] };
  for (const component of machine.components) components[component.name] = component.save();
  return {
    icount: machine.icount,
    cpus: cpus.map((cpu) => cpuState(core, cpu)),
    translations: cpus.map((cpu) => cpu.saveTlb()),
    pages,
    components,
  };
}

/** @returns the machine's clock. */
export function restoreSnapshot(machine: Subject, snapshot: Snapshot): readonly number[] {
  restorePages(machine, snapshot.pages);
  remember(machine.snapshots, snapshot.pages);
  machine.cpus.forEach((cpu, i) => {
    machine.core.u8.set(snapshot.cpus[i]!, cpu.base);
    cpu.stateReplaced();
    cpu.restoreTlb(snapshot.translations[i]!);
  });
  // with their write tags, pages are spared again
  machine.snapshots.dirty = new Set(machine.core.dirtyNow);
  for (const component of machine.components) component.restore(snapshot.components[component.name]);
  return snapshot.components[CLOCK] as readonly number[];
}

export function forgetSnapshots({ core, snapshots }: Subject): void {
  const { store, last } = snapshots;
  if (last === undefined) return;
  for (const page of last.differences(undefined)) if (core.touched[page] !== 0) core.markDirty(page);
  store.letGo(last);
  snapshots.last = undefined;
}

export function hashMachine(machine: Subject, clock: readonly number[]): string {
  const hasher = new Hasher();
  for (const cpu of machine.cpus) hasher.words(new Int32Array(cpuState(machine.core, cpu).buffer));
  const { core } = machine;
  const { touched } = core;
  for (let page = touched.indexOf(1); page >= 0; page = touched.indexOf(1, page + 1)) {
    const words = new Int32Array(core.wasm.buffer, core.ramBase + page * PAGE_SIZE, PAGE_SIZE / 4);
    // a page of zeros equals one that was never written
    if (isZero(words)) continue;
    hasher.word(page);
    hasher.words(words);
  }
  for (const component of machine.components) hasher.text(canonicalText(component.save()));
  hasher.text(canonicalText(clock));
  return hasher.digest();
}

function isZero(words: Int32Array): boolean {
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}

/** The CPU's architectural bytes, with lazy flags settled and what only the run loop knows cleared. */
function cpuState(core: CoreMemory, cpu: Cpu): Uint8Array {
  cpu.settleFlags();
  const bytes = core.u8.slice(cpu.base, cpu.base + CPU_STATE_BYTES);
  new DataView(bytes.buffer).setUint32(OFF.BUDGET, 0, true);
  return bytes;
}

const ramOf = (core: CoreMemory): Int32Array =>
  core.i32.subarray(core.ramBase >> 2, (core.ramBase + core.ramSize) >> 2);

/** One page in so many is looked at when it might be spared: a needless copy costs less than a slow write, and looking about as much. */
const LOOK_AT = 4;

/**
 * A table of memory now. The first write to each page after this is a slow one, by which it becomes dirty; a page that was dirty twice
 * in a row is spared that and counts as dirty, until it seems the same when it is looked at.
 */
function savePages(core: CoreMemory, snapshots: SnapshotMemory): PageTable {
  const { store, last, dirty } = snapshots;
  const ram = ramOf(core);
  const changed = core.takeDirty();
  const turn = snapshots.saves++;
  for (const page of changed) {
    if (!dirty.has(page)) continue;
    if ((page + turn) % LOOK_AT !== 0 || !last?.seemsSame(page, ram)) core.markDirty(page);
  }
  snapshots.dirty = new Set(changed);
  const pages = store.derive(last, changed, ram);
  remember(snapshots, pages);
  return pages;
}

/** Keeps what memory looks like now, even if the snapshot is let go. */
function remember(snapshots: SnapshotMemory, pages: PageTable): void {
  const { store, last } = snapshots;
  snapshots.last = store.share(pages);
  if (last !== undefined) store.letGo(last);
}

/** Every page that has been written is dirty, or in the table of the last save or restore. */
function restorePages({ core, snapshots }: Subject, pages: PageTable): void {
  const changed = new Set(core.takeDirty());
  for (const page of pages.differences(snapshots.last)) changed.add(page);
  for (const page of changed) {
    const wanted = pages.get(page);
    const start = (core.ramBase + page * PAGE_SIZE) >> 2;
    if (wanted === undefined) core.i32.fill(0, start, start + PAGE_SIZE / 4);
    else core.i32.set(wanted, start);
    core.noteWrite(page * PAGE_SIZE, PAGE_SIZE);
    core.touched[page] = wanted === undefined ? 0 : 1;
  }
  core.takeDirty();
}
