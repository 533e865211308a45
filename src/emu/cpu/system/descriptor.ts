/** Segment and gate descriptors: their bits, and how they are fetched from the GDT and LDT. No privilege rule lives here. */
import type { Cpu } from "../cpu.ts";
import { EFER, OFF, SEG, SEG_NULL } from "../layout.ts";
import { type Addr, addrOf } from "../state.ts";

/** Bits of the attribute word: a descriptor's second dword >> 8, limit bits left out. */
export const ATTR = {
  TYPE: 0x0f,
  ACCESSED: 0x01,
  /** Data: writable. Code: readable. */
  RW: 0x02,
  /** Data: expand-down. Code: conforming. */
  EXPAND_DOWN: 0x04,
  CONFORMING: 0x04,
  CODE: 0x08,
  S: 0x10,
  DPL: 0x60,
  P: 0x80,
  AVL: 0x1000,
  L: 0x2000,
  DB: 0x4000,
  G: 0x8000,
} as const;

/** Types of system descriptors (S=0). */
export const SYS = {
  TSS16: 1,
  LDT: 2,
  TSS16_BUSY: 3,
  CALL16: 4,
  TASK_GATE: 5,
  INT16: 6,
  TRAP16: 7,
  TSS: 9,
  TSS_BUSY: 11,
  CALL: 12,
  INT: 14,
  TRAP: 15,
} as const;

export interface Descriptor {
  readonly selector: number;
  /** Linear address of its 8 bytes. */
  readonly address: Addr;
  readonly low: number;
  readonly high: number;
  readonly attr: number;
}

/** What a segment register holds: selector and hidden part. */
export interface SegmentValue {
  readonly selector: number;
  readonly attr: number;
  readonly base: Addr;
  /** Byte granular. */
  readonly limit: number;
}

export const attrOf = (high: number): number => (high >>> 8) & 0xf0ff;
export const dplOf = (attr: number): number => (attr >> 5) & 3;
export const typeOf = (attr: number): number => attr & ATTR.TYPE;
export const isPresent = (attr: number): boolean => (attr & ATTR.P) !== 0;
export const isSystem = (attr: number): boolean => (attr & ATTR.S) === 0;
export const isCode = (attr: number): boolean => (attr & (ATTR.S | ATTR.CODE)) === (ATTR.S | ATTR.CODE);
export const isConforming = (attr: number): boolean =>
  (attr & (ATTR.S | ATTR.CODE | ATTR.CONFORMING)) === (ATTR.S | ATTR.CODE | ATTR.CONFORMING);
export const isWritableData = (attr: number): boolean => (attr & (ATTR.S | ATTR.CODE | ATTR.RW)) === (ATTR.S | ATTR.RW);
export const isReadable = (attr: number): boolean =>
  (attr & ATTR.S) !== 0 && ((attr & ATTR.CODE) === 0 || (attr & ATTR.RW) !== 0);
export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;
export const rplOf = (selector: number): number => selector & 3;
/** The form of a selector in an error code: RPL gone, TI kept. */
export const errorOf = (selector: number, ext = 0): number => (selector & 0xfffc) | ext;
export const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

export function limitOf(low: number, high: number): number {
  const limit = (low & 0xffff) | (high & 0xf0000);
  return ((high >>> 8) & ATTR.G) !== 0 ? ((limit << 12) | 0xfff) >>> 0 : limit;
}
export const baseOf = (low: number, high: number): Addr =>
  ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0;

export const segmentValueOf = (descriptor: Descriptor): SegmentValue => ({
  selector: descriptor.selector,
  attr: descriptor.attr,
  base: baseOf(descriptor.low, descriptor.high),
  limit: limitOf(descriptor.low, descriptor.high),
});

/** base + offset as the linear-address adder gives it: 32 bits outside long mode. */
export function linear(cpu: Cpu, base: Addr, offset: number): Addr {
  const sum = base + offset;
  return (cpu.get32(OFF.EFER) & EFER.LMA) !== 0 ? sum : sum >>> 0;
}

/**
 * Linear address of table entry `selector`, or undefined when its `bytes` are not all within the table's limit
 * (or the selector names an LDT and there is none).
 */
function entryAddress(cpu: Cpu, selector: number, bytes: number): Addr | undefined {
  const offset = selector & 0xfff8;
  const last = offset + bytes - 1;
  if ((selector & 4) === 0) {
    if (last > (cpu.get32(OFF.GDTR_LIMIT) & 0xffff)) return undefined;
    return linear(cpu, cpu.getAddr(OFF.GDTR_BASE), offset);
  }
  if ((cpu.segAttr(SEG.LDTR) & SEG_NULL) !== 0 || last > cpu.segLimit(SEG.LDTR)) return undefined;
  return linear(cpu, cpu.segBase(SEG.LDTR), offset);
}

/** Undefined when the selector lies outside its table; may #PF. Does not look at whether the selector is null. */
export function readDescriptor(cpu: Cpu, selector: number): Descriptor | undefined {
  const address = entryAddress(cpu, selector, 8);
  if (address === undefined) return undefined;
  const low = cpu.readLinear(address, 4, false);
  const high = cpu.readLinear(linear(cpu, address, 4), 4, false);
  return { selector, address, low, high, attr: attrOf(high) };
}

/** Second half of a 16-byte system descriptor of long mode; undefined when it lies outside the table. */
export function readUpperHalf(cpu: Cpu, descriptor: Descriptor): { low: number; high: number } | undefined {
  if (entryAddress(cpu, descriptor.selector, 16) === undefined) return undefined;
  return {
    low: cpu.readLinear(descriptor.address + 8, 4, false),
    high: cpu.readLinear(descriptor.address + 12, 4, false),
  };
}

/** A system segment's value in long mode, its base 64 bits wide. The base may be non-canonical: look at `high` first. */
export const wideValueOf = (descriptor: Descriptor, upperLow: number): SegmentValue => ({
  ...segmentValueOf(descriptor),
  base: addrOf(baseOf(descriptor.low, descriptor.high), upperLow | 0),
});

const WRITE = { write: true, exec: false, user: false } as const;

/** Raises now the page fault that writing the descriptor back would cause. */
export function probeDescriptorWrite(cpu: Cpu, descriptor: Descriptor): void {
  cpu.translate(linear(cpu, descriptor.address, 4), WRITE);
}

/** Check phase of setting the accessed bit. */
export function probeAccessed(cpu: Cpu, descriptor: Descriptor): void {
  if ((descriptor.attr & ATTR.ACCESSED) === 0) probeDescriptorWrite(cpu, descriptor);
}

/** Commit phase: sets the accessed bit in memory if it is clear, and gives the descriptor as it now is. */
export function setAccessed(cpu: Cpu, descriptor: Descriptor): Descriptor {
  if ((descriptor.attr & ATTR.ACCESSED) !== 0) return descriptor;
  return rewriteType(cpu, descriptor, descriptor.high | 0x100);
}

/** Replaces the descriptor's second dword in memory (accessed, busy). */
export function rewriteType(cpu: Cpu, descriptor: Descriptor, high: number): Descriptor {
  cpu.writeLinear(linear(cpu, descriptor.address, 5), 1, (high >>> 8) & 0xff, false);
  return { ...descriptor, high, attr: attrOf(high) };
}
