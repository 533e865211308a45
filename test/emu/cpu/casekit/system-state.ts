/**
 * The rest of the processor's state by the names that case files use: cr0 .. cr8, xcr0, efer and the other system registers;
 * gdtr=base:limit and idtr; ds=23 and the other segment registers, hidden part from the tables in memory (or by mode); cpl; activity=1
 * (halted); [1000]=00ff, any memory. Numbers are hexadecimal. What happens at ports is "out=port:size:value" and "in=port:size".
 */
import { OFF, SEG, type SegIndex } from "../../../../src/emu/cpu/layout.ts";
import { nullSegment, setSegmentRaw } from "../../../../src/emu/cpu/system/segment.ts";
import type { Bench } from "../system/kit.ts";
import type { Item, Mode } from "./format.ts";
import { memoryAddress } from "./state.ts";

const WIDE_FIELDS: Readonly<Record<string, number>> = {
  cr0: OFF.CR0,
  cr2: OFF.CR2,
  cr3: OFF.CR3,
  cr4: OFF.CR4,
  cr8: OFF.CR8,
  xcr0: OFF.XCR0,
  efer: OFF.EFER,
  star: OFF.STAR,
  lstar: OFF.LSTAR,
  cstar: OFF.CSTAR,
  sfmask: OFF.SFMASK,
  kernel_gs_base: OFF.KERNEL_GS_BASE,
  sysenter_cs: OFF.SYSENTER_CS,
  sysenter_esp: OFF.SYSENTER_ESP,
  sysenter_eip: OFF.SYSENTER_EIP,
  tsc_aux: OFF.TSC_AUX,
  tsc_offset: OFF.TSC_OFFSET,
  ...Object.fromEntries([0, 1, 2, 3, 6, 7].map((n) => [`dr${n}`, OFF.DR + n * 8])),
};
const NARROW_FIELDS: Readonly<Record<string, number>> = {
  activity: OFF.ACTIVITY,
  nmi_blocked: OFF.NMI_BLOCKED,
  cpl: OFF.CPL,
  shadow: OFF.SHADOW_KIND,
};
const SEGMENTS: Readonly<Record<string, SegIndex>> = {
  es: SEG.ES,
  cs: SEG.CS,
  ss: SEG.SS,
  ds: SEG.DS,
  fs: SEG.FS,
  gs: SEG.GS,
  ldtr: SEG.LDTR,
  tr: SEG.TR,
};
const REAL_ATTR = 0x93;
const PORT_ITEMS = ["in", "out"];

const parse = (value: string): number => Number.parseInt(value, 16);

/** LDTR and TR: descriptors of 8 bytes, whose base and limit lie low enough. */
function setSystemSegment(bench: Bench, seg: SegIndex, selector: number): void {
  const { cpu } = bench;
  const at = Number(cpu.get64(OFF.GDTR_BASE)) + (selector & ~7);
  const [limit, low, middle, attr] = [
    bench.read(at, 2),
    bench.read(at + 2, 2),
    bench.read(at + 4, 1),
    bench.read(at + 5, 1),
  ];
  setSegmentRaw(cpu, seg, { selector, attr, base: low | (middle << 16), limit });
}

function setSegment(bench: Bench, mode: Mode, seg: SegIndex, value: number): void {
  if (seg === SEG.LDTR || seg === SEG.TR) {
    if (value === 0) bench.null(seg);
    else setSystemSegment(bench, seg, value);
  } else if (mode === "real") bench.paragraph(seg, value, REAL_ATTR);
  else if (mode === "v86") bench.paragraph(seg, value);
  else if ((value & ~3) === 0) setSegmentRaw(bench.cpu, seg, nullSegment(bench.cpu, seg, value));
  else bench.load(seg, value);
}

function setTable(bench: Bench, name: string, value: string): boolean {
  if (name !== "gdtr" && name !== "idtr") return false;
  const [base, limit] = value.split(":") as [string, string];
  bench.cpu.set64(name === "gdtr" ? OFF.GDTR_BASE : OFF.IDTR_BASE, BigInt(`0x${base}`));
  bench.cpu.set32(name === "gdtr" ? OFF.GDTR_LIMIT : OFF.IDTR_LIMIT, parse(limit));
  return true;
}

/** A segment's base alone: fs_base, gs_base. */
function setBase(bench: Bench, name: string, value: string): boolean {
  const seg = name === "fs_base" ? SEG.FS : name === "gs_base" ? SEG.GS : undefined;
  if (seg === undefined) return false;
  bench.cpu.set64(OFF.SEG + seg * 0x40 + 0x10, BigInt(`0x${value}`));
  return true;
}

export function setSystemItem(bench: Bench, mode: Mode, { name, value }: Item): void {
  const { cpu } = bench;
  const address = memoryAddress(name);
  if (address !== undefined) Buffer.from(value, "hex").forEach((byte, i) => void bench.write(address + i, 1, byte));
  else if (name in WIDE_FIELDS) cpu.set64(WIDE_FIELDS[name]!, BigInt(`0x${value}`));
  else if (name in NARROW_FIELDS) cpu.set32(NARROW_FIELDS[name]!, parse(value));
  else if (name in SEGMENTS) setSegment(bench, mode, SEGMENTS[name]!, parse(value));
  else if (!setTable(bench, name, value) && !setBase(bench, name, value) && !PORT_ITEMS.includes(name))
    throw new Error(`nothing is called ${name}`);
}

/** What `after` says of ports, as `portsOf` gives it. */
export const expectedPorts = (after: readonly Item[]): string =>
  after
    .filter(({ name }) => PORT_ITEMS.includes(name))
    .map(({ name, value }) => `${name}=${value}`)
    .join(" ");

export const portsOf = (bench: Bench): string =>
  bench.ports
    .map(({ port, size, value }) =>
      value === undefined
        ? `in=${port.toString(16)}:${size}`
        : `out=${port.toString(16)}:${size}:${(value >>> 0).toString(16)}`,
    )
    .join(" ");

/** The name of the field that a byte of the state belongs to. */
export function fieldAt(offset: number): string {
  for (const [name, at] of Object.entries(WIDE_FIELDS)) if (offset >= at && offset < at + 8) return name;
  for (const [name, at] of Object.entries(NARROW_FIELDS)) if (offset >= at && offset < at + 4) return name;
  for (const [name, seg] of Object.entries(SEGMENTS)) {
    const at = offset - OFF.SEG - seg * 0x40;
    if (at >= 0 && at < 0x40) return `${name}+${at.toString(16)}`;
  }
  return `state+${offset.toString(16)}`;
}
