/**
 * Stacks that are read or written as a whole by a system instruction: every word is checked (limit, canonical address, page)
 * before the first one is written, and the stack pointer changes only when the caller commits.
 */
import type { Cpu } from "../cpu.ts";
import { ss } from "../fault.ts";
import { GPR, SEG } from "../layout.ts";
import { ACCESS } from "../paging.ts";
import { type Addr, addrHigh, addrLow } from "../state.ts";
import { errorOf, type SegmentValue } from "./descriptor.ts";
import { is64Bit, stackBits } from "./predicates.ts";
import { currentSegment, withinLimit } from "./segment.ts";

export type StackBits = 16 | 32 | 64;
export type WordSize = 2 | 4 | 8;

const CANONICAL_END = 2 ** 47;
/** For a number made of 64 bits; rounding of values that are no addresses cannot make them canonical. */
export const isCanonicalNumber = (value: number): boolean => value >= -CANONICAL_END && value < CANONICAL_END;
/** Canonical from `value` through `value + size - 1`. */
export const isCanonicalRange = (value: number, size: number): boolean =>
  isCanonicalNumber(value) && isCanonicalNumber(value + size - 1);

/** RSP as a number; exact for canonical values, and for all 32-bit ones. */
export const stackPointer = (cpu: Cpu): number => cpu.gprHigh(GPR.RSP) * 0x1_0000_0000 + (cpu.gprLow(GPR.RSP) >>> 0);

/** Writes as much of RSP as the stack's size says: SP alone, ESP zero-extended, or RSP. */
export function setStackPointer(cpu: Cpu, bits: StackBits, low: number, high: number): void {
  if (bits === 16) cpu.setGprHalves(GPR.RSP, (cpu.gprLow(GPR.RSP) & ~0xffff) | (low & 0xffff), cpu.gprHigh(GPR.RSP));
  else cpu.setGprHalves(GPR.RSP, low | 0, bits === 64 ? high | 0 : 0);
}

export interface Stack {
  readonly segment: SegmentValue;
  readonly bits: StackBits;
  /** Whole stack pointer. */
  readonly pointer: number;
  /** Accessed with user privilege. */
  readonly user: boolean;
  /** Error code of #SS when a word does not fit. */
  readonly errorCode: number;
}

export const currentStack = (cpu: Cpu, ext = 0): Stack => ({
  segment: currentSegment(cpu, SEG.SS),
  bits: stackBits(cpu),
  pointer: is64Bit(cpu) ? stackPointer(cpu) : cpu.gprLow(GPR.RSP) >>> 0,
  user: cpu.cpl === 3,
  errorCode: ext,
});

/** A stack that is switched to, named in its faults by its selector. */
export const newStack = (segment: SegmentValue, bits: StackBits, pointer: number, cpl: number, ext: number): Stack => ({
  segment,
  bits,
  pointer,
  user: cpl === 3,
  errorCode: bits === 64 ? ext : errorOf(segment.selector, ext),
});

/** As user code, or as an implicit supervisor access. */
const accessOf = (user: boolean): number => (user ? ACCESS.USER : ACCESS.IMPLICIT);

/** Raises now the page fault that writing these bytes would cause. */
export function probeWrite(cpu: Cpu, address: Addr, size: number, user: boolean): void {
  cpu.probeWrite(addrLow(address), addrHigh(address), size, accessOf(user));
}

function writeWord(cpu: Cpu, { address, size, low, high }: StackWord, user: boolean): void {
  const value = size === 2 ? low & 0xffff : low;
  cpu.writeHalves(addrLow(address), addrHigh(address), size, value, high, accessOf(user));
}

interface StackWord {
  readonly address: Addr;
  readonly size: WordSize;
  readonly low: number;
  readonly high: number;
}

/** The stack offset `delta` above `pointer`, wrapped to the stack's size. */
function offsetIn(bits: StackBits, pointer: number, delta: number): number {
  if (bits === 64) return pointer + delta;
  return bits === 32 ? (pointer + delta) >>> 0 : (pointer + delta) & 0xffff;
}

function checkWord(stack: Stack, offset: number, size: number): Addr {
  if (stack.bits === 64) {
    if (isCanonicalRange(offset, size)) return offset;
    throw ss(stack.errorCode, "the stack pointer is not canonical");
  }
  if (!withinLimit(stack.segment, offset, size))
    throw ss(stack.errorCode, `a stack word at offset 0x${offset.toString(16)} is outside the stack segment's limit`);
  return (stack.segment.base + offset) >>> 0;
}

export class StackWriter {
  private readonly cpu: Cpu;
  private readonly stack: Stack;
  private depth = 0;
  private readonly words: StackWord[] = [];

  constructor(cpu: Cpu, stack: Stack) {
    this.cpu = cpu;
    this.stack = stack;
  }

  /** Check phase of one push. */
  push(size: WordSize, low: number, high = 0): void {
    this.depth += size;
    const offset = offsetIn(this.stack.bits, this.stack.pointer, -this.depth);
    const address = checkWord(this.stack, offset, size);
    probeWrite(this.cpu, address, size, this.stack.user);
    this.words.push({ address, size, low, high });
  }

  /** Commit phase: the words, and as much of RSP as the stack's size says. A 32-bit TSS's ESP is loaded whole even if SS.B=0. */
  commit(): void {
    this.write();
    this.move();
  }

  write(): void {
    for (const word of this.words) writeWord(this.cpu, word, this.stack.user);
  }

  move(): void {
    const { cpu, stack } = this;
    const end = offsetIn(stack.bits, stack.pointer, -this.depth);
    const low = stack.bits === 16 ? (stack.pointer & ~0xffff) | end : end;
    const high = Math.floor(end / 0x1_0000_0000);
    if (stack.bits === 16) cpu.setGprHalves(GPR.RSP, low | 0, cpu.gprHigh(GPR.RSP));
    else setStackPointer(cpu, stack.bits, low, high);
  }
}

/** Reads the current stack upwards without moving it. */
export class StackReader {
  private readonly cpu: Cpu;
  private readonly bits: StackBits;
  private readonly pointer: number;
  private depth = 0;
  /** High half of the word last popped. */
  high = 0;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.bits = stackBits(cpu);
    this.pointer = this.bits === 64 ? stackPointer(cpu) : cpu.gprLow(GPR.RSP) >>> 0;
  }

  /** Low half of the next word, unsigned below 8 bytes; `high` has the other. */
  pop(size: WordSize): number {
    const offset = this.next();
    const low = this.cpu.loadSeg(SEG.SS, offset | 0, Math.floor(offset / 0x1_0000_0000) | 0, size);
    this.high = size === 8 ? this.cpu.high : 0;
    this.depth += size;
    return size === 8 ? low | 0 : low >>> 0;
  }

  popSelector(size: WordSize): number {
    return this.pop(size) & 0xffff;
  }

  /** Raises now the fault of a word `offset` bytes further up: frames are not read in order (measured). */
  touch(offset: number, size: WordSize): void {
    const at = offsetIn(this.bits, this.pointer, this.depth + offset);
    this.cpu.loadSeg(SEG.SS, at | 0, Math.floor(at / 0x1_0000_0000) | 0, size);
  }

  skip(bytes: number): void {
    this.depth += bytes;
  }

  private next(): number {
    return offsetIn(this.bits, this.pointer, this.depth);
  }

  /** Moves RSP past everything read. */
  commit(): void {
    const end = this.next();
    setStackPointer(this.cpu, this.bits, end | 0, Math.floor(end / 0x1_0000_0000));
  }
}
