/** Segments as descriptor tables say, and the modes that code runs in with them. */
import type { Cpu } from "../../../emu/cpu/cpu.ts";
import type { Known } from "../../../emu/cpu/ir/foresee.ts";
import { EFER, OFF, SEG, SEG_NULL } from "../../../emu/cpu/layout.ts";
import type { Bits } from "../../../emu/cpu/mode.ts";
import type { Addr } from "../../../emu/cpu/state.ts";
import { ATTR, baseOf } from "../../../emu/cpu/system/descriptor.ts";
import { peekValue } from "../guest-memory.ts";
import type { Place } from "./place.ts";

export interface Segment {
  readonly selector: Known;
  readonly bits: Bits;
  readonly base: Addr;
}

/** Where and how code runs. */
export interface Mode {
  readonly code: Segment;
  readonly stack: Segment;
  readonly cpl: number;
  readonly v86: boolean;
  /** Real or virtual-8086 mode: selectors are paragraphs. */
  readonly paragraphs: boolean;
}

/** Four bytes of a descriptor table. */
type ReadTable = (address: Addr) => Known;

/** What a selector would load, by the tables as they are now; undefined where there is no such descriptor. */
export function segmentOf(
  cpu: Cpu,
  selector: number,
  v86: boolean,
  read: ReadTable = (address) => peekValue(cpu, address, 4),
): Segment | undefined {
  const named = { selector: BigInt(selector) };
  if (v86) return { ...named, bits: 16, base: selector << 4 };
  const table = selector & 4 ? { base: cpu.segBase(SEG.LDTR), limit: cpu.segLimit(SEG.LDTR) >>> 0 } : gdt(cpu);
  const offset = selector & 0xfff8;
  if (offset + 7 > table.limit || ((selector & 4) !== 0 && (cpu.segAttr(SEG.LDTR) & SEG_NULL) !== 0)) return undefined;
  const low = read(table.base + offset);
  const high = read(table.base + offset + 4);
  if (low === undefined || high === undefined) return undefined;
  const attr = Number(high) >>> 8;
  const long = isLong(cpu) && (attr & ATTR.CODE) !== 0 && (attr & ATTR.L) !== 0;
  const bits = long ? 64 : attr & ATTR.DB ? 32 : 16;
  return { ...named, bits, base: long ? 0 : baseOf(Number(low), Number(high)) };
}

const isLong = (cpu: Cpu): boolean => (cpu.get32(OFF.EFER) & EFER.LMA) !== 0;

export const gdt = (cpu: Cpu) => ({ base: cpu.getAddr(OFF.GDTR_BASE), limit: cpu.get32(OFF.GDTR_LIMIT) & 0xffff });

export const EFLAGS_VM = 1n << 17n;

/**
 * As modeFor(), of a user state that was saved or asked for: a selector that names nothing, with which the processor will refuse it, stands
 * for a flat segment.
 */
export function modeAskedFor(place: Place, cs: bigint, ss: bigint | undefined, flags: bigint): Mode | undefined {
  const mode = modeFor(place, cs, ss, flags);
  if (mode !== undefined || (cs & 3n) !== 3n) return mode;
  const flat = (selector: Known): Segment => ({ selector, bits: isLong(place.cpu) ? 64 : 32, base: 0 });
  const named = (selector: bigint | undefined) =>
    (selector === undefined ? undefined : place.segment(selector & 0xffffn, false)) ?? flat(selector);
  return { code: named(cs), stack: named(ss), cpl: 3, v86: false, paragraphs: false };
}

/** The mode that a far return with this CS, SS and flags goes to; undefined where a selector names nothing. */
export function modeFor(place: Place, cs: bigint, ss: bigint | undefined, flags: bigint): Mode | undefined {
  const { mode: from } = place;
  const v86 = (flags & EFLAGS_VM) !== 0n;
  const code = place.segment(cs & 0xffffn, v86);
  if (code === undefined) return undefined;
  const cpl = v86 ? 3 : Number(cs & 3n);
  const named = ss === undefined ? from.stack : place.segment(ss & 0xffffn, v86);
  const stack = code.bits === 64 ? { selector: ss, bits: 64 as const, base: 0 } : named;
  return stack === undefined ? undefined : { code, stack, cpl, v86, paragraphs: v86 || from.paragraphs };
}
