/**
 * Saving, restoring and hashing a whole machine. A snapshot copies the pages written since the last one and shares the rest;
 * restoring writes back only the pages that differ.
 */
import type { Cpu } from "../cpu/cpu.ts";
import { OFF } from "../cpu/layout.ts";
import { type CoreMemory, PAGE_SIZE } from "../cpu/memory.ts";
import { canonicalText, Hasher } from "./hash.ts";
import type { Component, Snapshot } from "./types.ts";

/** Bytes of a CPU's state that are architectural: everything before its TLBs. */
const CPU_STATE_BYTES = OFF.TLB;

/**
 * A snapshot drops all translations: a run that goes on from it and a run that is restored to it walk the same page tables, even if
 * the guest changes them and forgets INVLPG.
 */
const dropTranslations = (machine: Subject): void => {
  for (const cpu of machine.cpus) cpu.flushTlb();
};

/** What memory looked like at the last save or restore: pages not dirty since then still equal it. */
export interface SnapshotMemory {
  last: ReadonlyMap<number, Uint8Array> | undefined;
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
  const pages = copyPages(machine.core, machine.snapshots.last);
  machine.core.dirty.fill(0);
  dropTranslations(machine);
  machine.snapshots.last = pages;
  const components: Record<string, unknown> = { [CLOCK]: [...clock] };
  for (const component of machine.components) components[component.name] = component.save();
  return { icount: machine.icount, cpus: machine.cpus.map((cpu) => cpuState(machine.core, cpu)), pages, components };
}

/** @returns the machine's clock. */
export function restoreSnapshot(machine: Subject, snapshot: Snapshot): readonly number[] {
  restorePages(machine, snapshot.pages);
  machine.snapshots.last = snapshot.pages;
  machine.cpus.forEach((cpu, i) => {
    machine.core.u8.set(snapshot.cpus[i]!, cpu.base);
    cpu.stateReplaced();
  });
  for (const component of machine.components) component.restore(snapshot.components[component.name]);
  return snapshot.components[CLOCK] as readonly number[];
}

export function hashMachine(machine: Subject, clock: readonly number[]): string {
  const hasher = new Hasher();
  for (const cpu of machine.cpus) hasher.words(new Int32Array(cpuState(machine.core, cpu).buffer));
  const { core } = machine;
  for (let page = 0; page < core.touched.length; page++) {
    if (core.touched[page] === 0) continue;
    const words = new Int32Array(core.wasm.buffer, core.ramBase + page * PAGE_SIZE, PAGE_SIZE / 4);
    // a page of zeros equals one that was never written
    if (words.every((word) => word === 0)) continue;
    hasher.word(page);
    hasher.words(words);
  }
  for (const component of machine.components) hasher.text(canonicalText(component.save()));
  hasher.text(canonicalText(clock));
  return hasher.digest();
}

/** The CPU's architectural bytes, with lazy flags settled and what only the run loop knows cleared. */
function cpuState(core: CoreMemory, cpu: Cpu): Uint8Array {
  cpu.settleFlags();
  const bytes = core.u8.slice(cpu.base, cpu.base + CPU_STATE_BYTES);
  new DataView(bytes.buffer).setUint32(OFF.BUDGET, 0, true);
  return bytes;
}

function copyPages(core: CoreMemory, last: ReadonlyMap<number, Uint8Array> | undefined): Map<number, Uint8Array> {
  const pages = new Map<number, Uint8Array>();
  for (let page = 0; page < core.touched.length; page++) {
    if (core.touched[page] === 0) continue;
    const shared = core.dirty[page] === 0 ? last?.get(page) : undefined;
    const start = core.ramBase + page * PAGE_SIZE;
    pages.set(page, shared ?? core.u8.slice(start, start + PAGE_SIZE));
  }
  return pages;
}

function restorePages({ core, snapshots }: Subject, pages: ReadonlyMap<number, Uint8Array>): void {
  for (let page = 0; page < core.touched.length; page++) {
    const wanted = pages.get(page);
    if (core.touched[page] === 0 && wanted === undefined) continue;
    if (core.dirty[page] === 0 && wanted !== undefined && snapshots.last?.get(page) === wanted) continue;
    const start = core.ramBase + page * PAGE_SIZE;
    if (wanted === undefined) core.u8.fill(0, start, start + PAGE_SIZE);
    else core.u8.set(wanted, start);
    core.noteWrite(page * PAGE_SIZE, PAGE_SIZE);
  }
  core.dirty.fill(0);
  core.touched.fill(0);
  for (const page of pages.keys()) core.touched[page] = 1;
}
