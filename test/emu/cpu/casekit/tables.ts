/**
 * The selectors that a program of a 64-bit Linux finds, so that instructions that load or ask about segments do here what they do on
 * the host: the kernel's and the user's segments in the GDT, and in the LDT the two 16-bit ones that the native runner makes. And what
 * the runner tells of segment registers as items of cases.
 */
import { OFF, SEG } from "../../../../src/emu/cpu/layout.ts";
import { setSegmentRaw } from "../../../../src/emu/cpu/system/segment.ts";
import { CODE_PAGE, DATA_PAGE } from "../host/native.ts";
import { AT, type Bench, handler } from "../system/kit.ts";
import type { Item, Mode } from "./format.ts";

export const KERNEL_CS = 0x10;
const KERNEL_DS = 0x18;
const USER32_CS = 0x23;
const USER_DS = 0x2b;
const USER_CS = 0x33;
const TR = 0x40;
const LDTR = 0x50;
const LDT_CODE = 7;
const LDT_DATA = 0xf;
const LDT_LIMIT = 0xf;
const GDT_LIMIT = 0x7f;
const TSS_LIMIT = 0x3ff;
const VECTORS = 48;

const GDT: Readonly<Record<number, bigint>> = {
  8: 0x00cf9b000000ffffn,
  [KERNEL_CS]: 0x00af9b000000ffffn,
  [KERNEL_DS]: 0x00cf93000000ffffn,
  [USER32_CS & ~3]: 0x00cffb000000ffffn,
  [USER_DS & ~3]: 0x00cff3000000ffffn,
  [USER_CS & ~3]: 0x00affb000000ffffn,
};

const small = (rights: bigint, base: number, limit: number): bigint =>
  (rights << 40n) | (BigInt(base) << 16n) | BigInt(limit);

/** ES CS SS DS FS GS before every case of these modes. */
export function linuxSelectors(mode: Mode): number[] {
  const data = mode === "16" ? LDT_DATA : USER_DS;
  const code = mode === "16" ? LDT_CODE : mode === "32" ? USER32_CS : USER_CS;
  return [data, code, data, data, 0, 0];
}

/** The base that a selector's descriptor has. */
export const linuxBase = (selector: number): bigint =>
  BigInt(selector === LDT_CODE ? CODE_PAGE : selector === LDT_DATA ? DATA_PAGE : 0);

// --- segment registers of native runs

const NAMES = ["es", "cs", "ss", "ds", "fs", "gs"];
const FS = 4;

/** Selectors in encoding order, and the bases of FS and GS. */
export interface Segments {
  readonly selectors: readonly number[];
  readonly bases: readonly [bigint, bigint];
}

export function namedSegments(mode: Mode, items: readonly Item[]): Segments {
  const selectors = linuxSelectors(mode);
  const bases: [bigint, bigint] = [0n, 0n];
  for (const { name, value } of items) {
    const seg = NAMES.indexOf(name.replace("_base", ""));
    if (seg < 0) continue;
    if (name.endsWith("_base")) bases[seg - FS] = BigInt(`0x${value}`);
    else {
      selectors[seg] = Number.parseInt(value, 16);
      if (seg >= FS) bases[seg - FS] = linuxBase(selectors[seg]);
    }
  }
  return { selectors, bases };
}

/** What makes `to` of `from`. */
export function segmentItems(from: Segments, to: Segments): Item[] {
  const loaded = (seg: number): boolean => from.selectors[seg] !== to.selectors[seg];
  const selectors = to.selectors.flatMap((value, seg) =>
    loaded(seg) ? [{ name: NAMES[seg]!, value: value.toString(16) }] : [],
  );
  const bases = to.bases.flatMap((base, i) => {
    const expected = loaded(FS + i) ? linuxBase(to.selectors[FS + i]!) : from.bases[i];
    return base === expected ? [] : [{ name: `${NAMES[FS + i]!}_base`, value: base.toString(16) }];
  });
  return [...selectors, ...bases];
}

// --- the tables

function buildTables(bench: Bench): void {
  const { cpu } = bench;
  for (let at = 0; at <= GDT_LIMIT; at += 8) bench.write(AT.GDT + at, 8, GDT[at] ?? 0n);
  bench.write(AT.GDT + TR, 8, small(0x8bn, AT.TSS, TSS_LIMIT));
  bench.write(AT.GDT + LDTR, 8, small(0x82n, AT.LDT, LDT_LIMIT));
  bench.write(AT.LDT, 8, small(0xfbn, CODE_PAGE, 0xffff));
  bench.write(AT.LDT + 8, 8, small(0xf3n, DATA_PAGE, 0xffff));
  cpu.set32(OFF.GDTR_LIMIT, GDT_LIMIT);
  setSegmentRaw(cpu, SEG.TR, { selector: TR, attr: 0x8b, base: AT.TSS, limit: TSS_LIMIT });
  setSegmentRaw(cpu, SEG.LDTR, { selector: LDTR, attr: 0x82, base: AT.LDT, limit: LDT_LIMIT });
  // INT3 and INTO are for everybody.
  for (let vector = 0; vector < VECTORS; vector++)
    bench.gate(vector, { dpl: vector === 3 || vector === 4 ? 3 : 0, selector: KERNEL_CS, offset: handler(vector) });
}

/** Tables and segment registers. */
export function enterLinux(bench: Bench, mode: Mode, cpl0: boolean): void {
  const { cpu } = bench;
  buildTables(bench);
  const selectors = cpl0 ? [KERNEL_DS, KERNEL_CS, KERNEL_DS, KERNEL_DS, 0, 0] : linuxSelectors(mode);
  cpu.set32(OFF.CPL, cpl0 ? 0 : 3);
  selectors.forEach((selector, seg) => {
    if (selector === 0) bench.null(seg as typeof SEG.FS);
    else bench.load(seg as typeof SEG.FS, selector);
  });
  cpu.updateMode();
}
