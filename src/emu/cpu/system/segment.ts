/**
 * Segment registers: loading them with every check of the manuals, and the bounds derived from a hidden part.
 * A load is two steps: `check*` gives what the register would hold or throws; `commit*` cannot fault.
 */
import type { Cpu } from "../cpu.ts";
import { type Fault, gp, np, ss, ts } from "../fault.ts";
import { OFF, SEG, SEG_NULL, SEG_STRIDE, SEGF, type SegIndex } from "../layout.ts";
import { addrHigh, addrLow, isCanonical } from "../state.ts";
import {
  ATTR,
  type Descriptor,
  dplOf,
  errorOf,
  hex,
  isConforming,
  isNull,
  isPresent,
  isReadable,
  isSystem,
  isWritableData,
  probeAccessed,
  probeDescriptorWrite,
  readDescriptor,
  readUpperHalf,
  rewriteType,
  rplOf,
  type SegmentValue,
  SYS,
  segmentValueOf,
  setAccessed,
  typeOf,
  wideValueOf,
} from "./descriptor.ts";
import { is64Bit, isLongMode, isProtected, isV86 } from "./predicates.ts";

const NAMES = ["ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"] as const;
export const segName = (seg: SegIndex): string => NAMES[seg]!;

/** Inclusive range of permitted offsets; first > last permits none. */
interface Bounds {
  readonly first: number;
  readonly last: number;
}
const NOTHING: Bounds = { first: 0xffffffff, last: 0 };

function limitBounds(attr: number, limit: number): Bounds {
  if ((attr & (ATTR.CODE | ATTR.EXPAND_DOWN)) !== ATTR.EXPAND_DOWN) return { first: 0, last: limit };
  const last = (attr & ATTR.DB) !== 0 ? 0xffffffff : 0xffff;
  return limit >= last ? NOTHING : { first: limit + 1, last };
}

/** Writes selector and hidden part as they are, and the bounds that follow from them. No check, no CPL, no mode update. */
export function setSegmentRaw(cpu: Cpu, seg: SegIndex, value: SegmentValue): void {
  const at = OFF.SEG + seg * SEG_STRIDE;
  const { attr, limit } = value;
  cpu.set32(at + SEGF.SELECTOR, value.selector & 0xffff);
  cpu.set32(at + SEGF.ATTR, attr);
  cpu.set32(at + SEGF.LIMIT, limit);
  cpu.setAddr(at + SEGF.BASE, value.base);
  const usable = (attr & SEG_NULL) === 0 && isPresent(attr);
  const range = usable ? limitBounds(attr, limit) : NOTHING;
  const read = usable && isReadable(attr) ? range : NOTHING;
  const write = usable && isWritableData(attr) ? range : NOTHING;
  cpu.set32(at + SEGF.READ_FIRST, read.first);
  cpu.set32(at + SEGF.READ_LAST, read.last);
  cpu.set32(at + SEGF.WRITE_FIRST, write.first);
  cpu.set32(at + SEGF.WRITE_LAST, write.last);
}

export const currentSegment = (cpu: Cpu, seg: SegIndex): SegmentValue => ({
  selector: cpu.selector(seg),
  attr: cpu.segAttr(seg),
  base: cpu.segBase(seg),
  limit: cpu.segLimit(seg),
});

/** Offsets of a segment that a stack access may use: whole in 64-bit mode, by limit and direction elsewhere. */
export function withinLimit(value: SegmentValue, offset: number, size: number): boolean {
  const { first, last } = limitBounds(value.attr, value.limit);
  return offset >= first && offset + size - 1 <= last;
}

export const V86_ATTR = ATTR.P | ATTR.DPL | ATTR.S | ATTR.RW | ATTR.ACCESSED;
const REAL_ATTR = ATTR.P | ATTR.S | ATTR.RW | ATTR.ACCESSED;

/** What a paragraph load gives in virtual-8086 mode. */
export const v86Segment = (selector: number): SegmentValue => ({
  selector,
  attr: V86_ATTR,
  base: selector * 16,
  limit: 0xffff,
});

/**
 * Real mode changes selector and base only; limit and attributes stay ("unreal mode"), save that the segment becomes usable
 * and that CS becomes ordinary writable data of privilege 0.
 */
export function realSegment(cpu: Cpu, seg: SegIndex, selector: number): SegmentValue {
  const old = currentSegment(cpu, seg);
  const base = selector * 16;
  if ((old.attr & SEG_NULL) !== 0 || !isPresent(old.attr)) return { selector, attr: REAL_ATTR, base, limit: 0xffff };
  if (seg === SEG.CS) return { selector, attr: REAL_ATTR | (old.attr & (ATTR.G | ATTR.DB)), base, limit: old.limit };
  return { selector, attr: old.attr, base, limit: old.limit };
}

/** A register loaded with a null selector. Intel clears base and limit; AMD leaves them as they were. */
export function nullSegment(cpu: Cpu, seg: SegIndex, selector: number): SegmentValue {
  const dpl = seg === SEG.SS ? rplOf(selector) << 5 : 0;
  const keep = cpu.model.vendor === "amd";
  return {
    selector,
    attr: SEG_NULL | dpl,
    base: keep ? cpu.segBase(seg) : 0,
    limit: keep ? cpu.segLimit(seg) : 0,
  };
}

/** A checked load. `descriptor` is there when one was read, and its accessed bit is still to be set. */
export interface PendingSegment {
  readonly value: SegmentValue;
  readonly descriptor?: Descriptor | undefined;
}

export function pendingOf(cpu: Cpu, descriptor: Descriptor): PendingSegment {
  probeAccessed(cpu, descriptor);
  return { value: segmentValueOf(descriptor), descriptor };
}

export function commitSegment(cpu: Cpu, seg: SegIndex, pending: PendingSegment): void {
  const { descriptor, value } = pending;
  const attr = descriptor === undefined ? value.attr : setAccessed(cpu, descriptor).attr;
  setSegmentRaw(cpu, seg, attr === value.attr ? value : { ...value, attr });
}

/** CS is loaded with RPL = the new CPL. */
export const withRpl = (pending: PendingSegment, rpl: number): PendingSegment => ({
  ...pending,
  value: { ...pending.value, selector: (pending.value.selector & ~3) | rpl },
});

/** How a failed check is reported: MOV SS and IRET say #GP, a stack taken from the TSS says #TS. */
export type Raise = (errorCode: number, why: string) => Fault;

export function fetchDescriptor(cpu: Cpu, selector: number, what: string, raise: Raise, ext = 0): Descriptor {
  const descriptor = readDescriptor(cpu, selector);
  if (descriptor !== undefined) return descriptor;
  const table = (selector & 4) === 0 ? "GDT" : "LDT";
  throw raise(errorOf(selector, ext), `${what} ${hex(selector)} is outside the ${table}'s limit`);
}

/** Checks of a stack segment for privilege `cpl`, null ones excepted. */
export function checkStackDescriptor(cpu: Cpu, selector: number, cpl: number, raise: Raise, ext = 0): PendingSegment {
  const descriptor = fetchDescriptor(cpu, selector, "SS selector", raise, ext);
  const code = errorOf(selector, ext);
  const { attr } = descriptor;
  if (rplOf(selector) !== cpl)
    throw raise(code, `SS selector ${hex(selector)} has RPL ${rplOf(selector)}, not the privilege level ${cpl}`);
  if (!isWritableData(attr)) throw raise(code, `SS selector ${hex(selector)} does not name a writable data segment`);
  if (dplOf(attr) !== cpl)
    throw raise(
      code,
      `SS selector ${hex(selector)} names a segment of DPL ${dplOf(attr)}, not the privilege level ${cpl}`,
    );
  if (!isPresent(attr)) throw ss(code, `the stack segment named by ${hex(selector)} is not present`);
  return pendingOf(cpu, descriptor);
}

/** A null SS: only for 64-bit code below CPL 3, and with RPL = CPL. */
export function checkNullStack(cpu: Cpu, selector: number, cpl: number, to64: boolean, raise: Raise): PendingSegment {
  if (!to64) throw raise(0, "SS must not be null outside 64-bit mode");
  if (cpl === 3) throw raise(0, "SS must not be null at CPL 3");
  if (rplOf(selector) !== cpl)
    throw raise(0, `null SS selector has RPL ${rplOf(selector)}, not the privilege level ${cpl}`);
  return { value: nullSegment(cpu, SEG.SS, selector) };
}

function checkStackLoad(cpu: Cpu, selector: number): PendingSegment {
  if (isNull(selector)) return checkNullStack(cpu, selector, cpu.cpl, is64Bit(cpu), gp);
  return checkStackDescriptor(cpu, selector, cpu.cpl, gp);
}

function checkDataLoad(cpu: Cpu, seg: SegIndex, selector: number): PendingSegment {
  if (isNull(selector)) return { value: nullSegment(cpu, seg, selector) };
  const name = segName(seg);
  const descriptor = fetchDescriptor(cpu, selector, `${name} selector`, gp);
  const { attr } = descriptor;
  const code = errorOf(selector);
  if (!isReadable(attr)) throw gp(code, `${name} selector ${hex(selector)} names neither data nor readable code`);
  if (!isConforming(attr)) {
    const dpl = dplOf(attr);
    if (rplOf(selector) > dpl)
      throw gp(code, `${name} selector ${hex(selector)} has an RPL above the segment's DPL ${dpl}`);
    if (cpu.cpl > dpl) throw gp(code, `CPL ${cpu.cpl} may not load ${name} with a segment of DPL ${dpl}`);
  }
  if (!isPresent(attr)) throw np(code, `the segment that ${hex(selector)} names for ${name} is not present`);
  return pendingOf(cpu, descriptor);
}

/** MOV/POP/LxS into ES, SS, DS, FS or GS: what the register would hold, in the present mode. */
export function checkSegmentLoad(cpu: Cpu, seg: SegIndex, selector: number): PendingSegment {
  if (!isProtected(cpu)) return { value: realSegment(cpu, seg, selector) };
  if (isV86(cpu)) return { value: v86Segment(selector) };
  return seg === SEG.SS ? checkStackLoad(cpu, selector) : checkDataLoad(cpu, seg, selector);
}

export function loadSegment(cpu: Cpu, seg: SegIndex, selector: number): void {
  commitSegment(cpu, seg, checkSegmentLoad(cpu, seg, selector & 0xffff));
}

/**
 * After a change to an outer level: data registers that the new CPL may not hold become null. A null selector counts as one of DPL 0,
 * so the selectors 1 to 3 become 0; its base stays.
 */
export function dropPrivilegedSegments(cpu: Cpu, cpl: number): void {
  for (const seg of [SEG.ES, SEG.FS, SEG.GS, SEG.DS] as const) {
    const attr = cpu.segAttr(seg);
    if ((attr & SEG_NULL) !== 0) {
      cpu.set32(OFF.SEG + seg * SEG_STRIDE + SEGF.SELECTOR, 0);
      continue;
    }
    if (isConforming(attr) || dplOf(attr) >= cpl) continue;
    setSegmentRaw(cpu, seg, nullSegment(cpu, seg, 0));
  }
}

// ---- LDTR and TR

/** A system segment's value: in long mode its descriptor has 16 bytes and a 64-bit base. */
function systemSegmentValue(cpu: Cpu, descriptor: Descriptor, raise: Raise): SegmentValue {
  if (!isLongMode(cpu)) return segmentValueOf(descriptor);
  const upper = readUpperHalf(cpu, descriptor);
  const code = errorOf(descriptor.selector);
  if (upper === undefined)
    throw raise(code, `the 16-byte descriptor of ${hex(descriptor.selector)} crosses the GDT's limit`);
  if ((upper.high & 0x1f00) !== 0)
    throw raise(code, `the upper half of descriptor ${hex(descriptor.selector)} does not have type 0`);
  if (!isCanonical(upper.low | 0))
    throw raise(code, `the base in descriptor ${hex(descriptor.selector)} is not canonical`);
  return wideValueOf(descriptor, upper.low);
}

/** LDTR's new value. `raise`: #GP for LLDT, #TS in a task switch. */
export function checkLdt(cpu: Cpu, selector: number, raise: Raise): SegmentValue {
  if (isNull(selector)) return nullSegment(cpu, SEG.LDTR, selector);
  if ((selector & 4) !== 0) throw raise(errorOf(selector), `LDT selector ${hex(selector)} points into the LDT`);
  const descriptor = fetchDescriptor(cpu, selector, "LDT selector", raise);
  if (!isSystem(descriptor.attr) || typeOf(descriptor.attr) !== SYS.LDT)
    throw raise(errorOf(selector), `selector ${hex(selector)} does not name an LDT`);
  if (!isPresent(descriptor.attr)) {
    const why = `the LDT named by ${hex(selector)} is not present`;
    throw raise === ts ? ts(errorOf(selector), why) : np(errorOf(selector), why);
  }
  return systemSegmentValue(cpu, descriptor, raise);
}

export function loadLdtr(cpu: Cpu, selector: number): void {
  setSegmentRaw(cpu, SEG.LDTR, checkLdt(cpu, selector, gp));
}

/** LTR: an available TSS becomes busy, and TR's. */
export function loadTr(cpu: Cpu, selector: number): void {
  if (isNull(selector)) throw gp(0, "LTR with a null selector");
  const code = errorOf(selector);
  if ((selector & 4) !== 0) throw gp(code, `TSS selector ${hex(selector)} points into the LDT`);
  const descriptor = fetchDescriptor(cpu, selector, "TSS selector", gp);
  const type = typeOf(descriptor.attr);
  const fits = isSystem(descriptor.attr) && (type === SYS.TSS || (type === SYS.TSS16 && !isLongMode(cpu)));
  if (!fits) throw gp(code, `selector ${hex(selector)} does not name an available TSS`);
  if (!isPresent(descriptor.attr)) throw np(code, `the TSS named by ${hex(selector)} is not present`);
  const value = systemSegmentValue(cpu, descriptor, gp);
  probeDescriptorWrite(cpu, descriptor);
  const busy = rewriteType(cpu, descriptor, descriptor.high | 0x200);
  setSegmentRaw(cpu, SEG.TR, { ...value, attr: busy.attr });
}

/** Halves of a segment base, for the FS/GS base instructions and MSRs. */
export function setSegmentBase(cpu: Cpu, seg: SegIndex, low: number, high: number): void {
  const at = OFF.SEG + seg * SEG_STRIDE + SEGF.BASE;
  cpu.set32(at, low);
  cpu.set32(at + 4, high);
}
export const segmentBaseLow = (cpu: Cpu, seg: SegIndex): number => addrLow(cpu.segBase(seg));
export const segmentBaseHigh = (cpu: Cpu, seg: SegIndex): number => addrHigh(cpu.segBase(seg));
