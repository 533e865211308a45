/** A point of the program's future as far as it is known: where code goes on, in which mode, with which registers and memory. */
import type { Cpu } from "../../../emu/cpu/cpu.ts";
import type { Knowledge, Known } from "../../../emu/cpu/ir/foresee.ts";
import type { IrInsn } from "../../../emu/cpu/ir/types.ts";
import { EFER, GPR, OFF, SEG, SEG_NULL, type SegIndex } from "../../../emu/cpu/layout.ts";
import { type Bits, MODE } from "../../../emu/cpu/mode.ts";
import { type Addr, addrToBig, bigToAddr } from "../../../emu/cpu/state.ts";
import { ATTR, baseOf } from "../../../emu/cpu/system/descriptor.ts";
import { isParagraphMode, isV86, stackBits } from "../../../emu/cpu/system/predicates.ts";
import { peekBytes, peekValue } from "../guest-memory.ts";
import { codeBits } from "../registers.ts";
import { NO_EFFECTS, type UpcallEffects } from "./upcalls.ts";

export interface Segment {
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

/** Bytes around the stack pointer that are taken for stack. */
const STACK_REACH = 0x1_0000;

/** A value that the path followed would have stored, newest first. Shared by paths that part later. */
interface Stored {
  readonly address: number;
  readonly bytes: number;
  readonly value: Known;
  readonly older: Stored | undefined;
}

export interface ReadCode {
  readonly modeKey: number;
  readonly ir: IrInsn | undefined;
}

/** Memory as it is now: nothing changes it meanwhile. */
export interface Notes {
  /** Instructions that paths have come to. */
  readonly code: Map<Addr, ReadCode>;
  /** Bytes that functions take off the stack when they return. */
  readonly popped: Map<Addr, number>;
  /** Where ELF files that are mapped have their table of frame descriptions. */
  readonly headers: Map<Addr, Addr | undefined>;
}

export class Place implements Knowledge {
  readonly cpu: Cpu;
  mode: Mode;
  /** Offset in CS. */
  ip: bigint;
  readonly regs: Known[];
  flags = 0;
  flagsKnown = 0;
  /** GS base, and what SWAPGS would make of it. */
  gs: { readonly base: Known; readonly swapped: Known };
  /** Return addresses of the calls that the path is in, innermost last. */
  calls: readonly bigint[] = [];
  /** What places of one call stack have found out. */
  notes: Notes = { code: new Map(), popped: new Map(), headers: new Map() };
  goesBothWays = false;
  /** What up-calls on the way do. */
  effects: UpcallEffects = NO_EFFECTS;
  /** What memory that the path has not written is known to hold: that of stacks only, where others may write the rest meanwhile. */
  #trusted: "all" | "stacks" | "none" = "all";
  #stored: Stored | undefined;
  /** Where the stack pointer was before the path went to another stack, and to the next. */
  #stacks: readonly Addr[] = [];
  /** Bases of segment registers that the path has loaded. */
  #bases: ReadonlyMap<SegIndex, Known> = new Map();

  constructor(cpu: Cpu, mode: Mode, ip: bigint, regs: readonly Known[], gs: Place["gs"]) {
    this.cpu = cpu;
    this.mode = mode;
    this.ip = ip;
    this.regs = [...regs];
    this.gs = gs;
  }

  /** The CPU's own state. */
  static of(cpu: Cpu): Place {
    const mode: Mode = {
      code: { bits: codeBits(cpu), base: cpu.segBase(SEG.CS) },
      stack: { bits: stackBits(cpu), base: cpu.segBase(SEG.SS) },
      cpl: cpu.cpl,
      v86: isV86(cpu),
      paragraphs: isParagraphMode(cpu),
    };
    const gs = { base: addrToBig(cpu.segBase(SEG.GS)), swapped: cpu.get64(OFF.KERNEL_GS_BASE) };
    const regs = Array.from({ length: 16 }, (_, i) => cpu.gpr(i));
    const place = new Place(cpu, mode, cpu.get64(OFF.RIP), regs, gs);
    place.flags = cpu.getFlags();
    place.flagsKnown = -1;
    return place;
  }

  /** The same point, with memory doubted that others could write before the path comes to read it. */
  doubting(): Place {
    const other = this.copy();
    other.#trusted = "stacks";
    const entry = entryStack(this.cpu);
    if (entry !== undefined) other.#stacks = [entry];
    return other;
  }

  /** The same point, where branches may go both ways: a loop ends some time, however often what is known now says that it goes on. */
  undecided(): Place {
    const other = this.copy();
    other.goesBothWays = true;
    return other;
  }

  /** The same point, but for going on at an address. */
  goneTo(address: Addr): Place {
    const { bits, base } = this.mode.code;
    const other = this.copy();
    other.ip = BigInt.asUintN(bits, addrToBig(address) - addrToBig(base));
    return other;
  }

  /** Other code of the same mode, of which nothing is known but its stack pointer, `offset` from this one, and maybe the same frame pointer. */
  unknownAt(address: Addr, offset: number): Place {
    const other = this.goneTo(address);
    other.forget(new Set([GPR.RSP, GPR.RBP]));
    other.gs = { base: undefined, swapped: undefined };
    other.#stored = undefined;
    other.#trusted = "none";
    other.release(offset);
    return other;
  }

  /** The same point, to follow another path from. */
  copy(): Place {
    const other = this.at(this.mode, this.ip);
    other.flags = this.flags;
    other.flagsKnown = this.flagsKnown;
    return other;
  }

  /** What is known of registers and memory, elsewhere. */
  at(mode: Mode, ip: bigint): Place {
    const other = new Place(this.cpu, mode, ip, this.regs, this.gs);
    other.#stored = this.#stored;
    other.#bases = this.#bases;
    other.#stacks = this.#stacks;
    other.calls = this.calls;
    other.effects = this.effects;
    other.notes = this.notes;
    other.goesBothWays = this.goesBothWays;
    other.#trusted = this.#trusted;
    return other;
  }

  get address(): Addr {
    return this.addressOf(this.ip);
  }

  /** Linear, of an offset in CS. */
  addressOf(ip: bigint): Addr {
    const { code } = this.mode;
    return code.bits === 64 ? bigToAddr(ip) : Number(BigInt.asUintN(32, addrToBig(code.base) + ip));
  }

  /** The stack pointer as the mode takes it, linear; undefined where it is not known. */
  get sp(): Addr | undefined {
    const { stack } = this.mode;
    const whole = this.regs[4];
    if (whole === undefined) return undefined;
    if (stack.bits === 64) return bigToAddr(whole);
    return Number(BigInt.asUintN(32, addrToBig(stack.base) + BigInt.asUintN(stack.bits, whole)));
  }

  /** The word at the stack pointer plus `offset`. */
  stackWord(offset: number, bytes: number): Known {
    const { sp } = this;
    return sp === undefined ? undefined : this.load(addrToBig(sp + offset), bytes);
  }

  /** `count` words from the stack pointer on, fewer where memory ends; read at once if the path has stored nothing. */
  stackWords(count: number, bytes: 2 | 4 | 8): Known[] {
    const { sp } = this;
    if (sp === undefined) return [];
    if (this.#stored !== undefined || this.#trusted !== "all")
      return Array.from({ length: count }, (_, i) => this.stackWord(i * bytes, bytes));
    return wordsIn(peekBytes(this.cpu, sp, count * bytes), bytes);
  }

  /** Moves the stack pointer, in its own width. */
  release(bytes: number): void {
    const { bits } = this.mode.stack;
    const whole = this.regs[4];
    if (whole === undefined) return;
    const low = BigInt.asUintN(bits, whole + BigInt(bytes));
    this.regs[4] = bits === 16 ? (whole & ~0xffffn) | low : low;
  }

  /** The mode key that instructions here are decoded and lowered under. */
  get modeKey(): number {
    const { code, stack, cpl, v86, paragraphs } = this.mode;
    const user = cpl === 3 ? MODE.USER : 0;
    if (code.bits === 64) return user | 2 | (2 << 2);
    if (paragraphs) return user | (v86 ? MODE.V86 : MODE.REAL);
    return user | (code.bits === 32 ? 1 : 0) | (stack.bits === 32 ? 1 << 2 : 0);
  }

  /** Registers become unknown, but for those in `kept`; so do the flags. */
  forget(kept: ReadonlySet<number>): void {
    for (let i = 0; i < 16; i++) if (!kept.has(i)) this.regs[i] = undefined;
    this.flagsKnown = 0;
  }

  /** A segment register gets the base that its descriptor says; in 64-bit mode only FS and GS have one, which no load gives. */
  loadSegment(seg: SegIndex, selector: Known): void {
    if (this.mode.code.bits === 64) return;
    const found = selector === undefined ? undefined : segmentOf(this.cpu, Number(selector & 0xffffn), this.mode.v86);
    const base = found === undefined ? undefined : addrToBig(found.base);
    if (seg === SEG.SS && found !== undefined) this.mode = { ...this.mode, stack: found };
    this.#bases = new Map([...this.#bases, [seg, base]]);
    if (seg === SEG.GS) this.gs = { ...this.gs, base };
  }

  segBase(seg: SegIndex): Known {
    if (this.#bases.has(seg)) return this.#bases.get(seg);
    if (seg === SEG.GS) return this.gs.base;
    if (seg === SEG.CS) return addrToBig(this.mode.code.base);
    if (seg === SEG.SS) return addrToBig(this.mode.stack.base);
    return addrToBig(this.cpu.segBase(seg));
  }

  load(address: bigint, bytes: number): Known {
    const at = this.#stored === undefined ? 0 : this.#physical(address);
    for (let one = this.#stored; one !== undefined; one = one.older) {
      if (one.address === at && one.bytes === bytes) return one.value;
      if (bytes >= DECIDES_NOTHING && isWithin(one, at, bytes)) return partOf(one, at, bytes);
      if (one.address < at + bytes && at < one.address + one.bytes)
        return this.mode.cpl === 3 ? this.#loadBytes(address, at, bytes) : undefined;
    }
    return this.#loadNow(address, bytes);
  }

  /** Of what several stores, or one of another size, have made. */
  #loadBytes(address: bigint, at: number, bytes: number): Known {
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) {
      const byte = this.#storedByte(at + i) ?? this.#loadNow(address + BigInt(i), 1);
      if (byte === undefined || byte === "unknown") return undefined;
      value = (value << 8n) | byte;
    }
    return value;
  }

  #storedByte(at: number): bigint | "unknown" | undefined {
    for (let one = this.#stored; one !== undefined; one = one.older)
      if (isWithin(one, at, 1)) return partOf(one, at, 1) ?? "unknown";
    return undefined;
  }

  #loadNow(address: bigint, bytes: number): Known {
    if (this.#trusted === "none" || (this.#trusted === "stacks" && !this.#isNearStack(address))) return undefined;
    return peekValue(this.cpu, bigToAddr(address), bytes);
  }

  /** Memory is what it is now while the stack pointer is loaded: where a task's stacks are is nobody else's to change. */
  changeStack<T>(load: () => T): T {
    const trusted = this.#trusted;
    const before = this.sp;
    if (trusted === "stacks") this.#trusted = "all";
    const result = load();
    this.#trusted = trusted;
    if (before !== undefined) this.#stacks = [...this.#stacks, before];
    return result;
  }

  #isNearStack(address: bigint): boolean {
    const at = bigToAddr(address);
    return [...this.#stacks, this.sp].some((stack) => stack !== undefined && Math.abs(at - stack) < STACK_REACH);
  }

  /** Pages may have aliases (espfix stacks do), so stored values are known by their physical address; by the linear one where there is none. */
  #physical(address: bigint): number {
    const linear = bigToAddr(address);
    return this.cpu.peekTranslate(linear) ?? linear;
  }

  store(address: Known, bytes: number, value: Known): void {
    if (address === undefined) return;
    this.#stored = { address: this.#physical(address), bytes, value, older: this.#stored };
  }
}

function wordsIn(memory: Uint8Array, bytes: 2 | 4 | 8): bigint[] {
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  const narrow = (at: number): number => (bytes === 4 ? view.getUint32(at, true) : view.getUint16(at, true));
  const count = Math.floor(memory.length / bytes);
  if (bytes === 8) return Array.from({ length: count }, (_, i) => view.getBigUint64(i * 8, true));
  return Array.from({ length: count }, (_, i) => BigInt(narrow(i * bytes)));
}

/** Single bytes of what is saved decide about the 32-bit kernel's espfix segment, whose LSS no path follows: better not to know them. */
const DECIDES_NOTHING = 4;

const isWithin = (one: Stored, at: number, bytes: number): boolean =>
  one.address <= at && at + bytes <= one.address + one.bytes;

const partOf = ({ address, value }: Stored, at: number, bytes: number): Known =>
  value === undefined ? undefined : BigInt.asUintN(8 * bytes, value >> BigInt(8 * (at - address)));

/** Where an exception from user mode begins to push: RSP0 or ESP0 of the TSS. */
function entryStack(cpu: Cpu): Addr | undefined {
  const wide = (cpu.get32(OFF.EFER) & EFER.LMA) !== 0;
  const pointer = peekValue(cpu, cpu.segBase(SEG.TR) + 4, wide ? 8 : 4);
  return pointer === undefined ? undefined : bigToAddr(pointer);
}

/** What a selector would load, by the tables as they are now; undefined where there is no such descriptor. */
export function segmentOf(cpu: Cpu, selector: number, v86: boolean): Segment | undefined {
  if (v86) return { bits: 16, base: selector << 4 };
  const table = selector & 4 ? { base: cpu.segBase(SEG.LDTR), limit: cpu.segLimit(SEG.LDTR) >>> 0 } : gdt(cpu);
  const offset = selector & 0xfff8;
  if (offset + 7 > table.limit || ((selector & 4) !== 0 && (cpu.segAttr(SEG.LDTR) & SEG_NULL) !== 0)) return undefined;
  const low = peekValue(cpu, table.base + offset, 4);
  const high = peekValue(cpu, table.base + offset + 4, 4);
  if (low === undefined || high === undefined) return undefined;
  const attr = Number(high) >>> 8;
  const long = (cpu.get32(OFF.EFER) & EFER.LMA) !== 0 && (attr & ATTR.CODE) !== 0 && (attr & ATTR.L) !== 0;
  return { bits: long ? 64 : attr & ATTR.DB ? 32 : 16, base: long ? 0 : baseOf(Number(low), Number(high)) };
}

const gdt = (cpu: Cpu) => ({ base: cpu.getAddr(OFF.GDTR_BASE), limit: cpu.get32(OFF.GDTR_LIMIT) & 0xffff });

export const EFLAGS_VM = 1n << 17n;

/** The mode that a far return with this CS, SS and flags goes to; undefined where a selector names nothing. */
export function modeFor(cpu: Cpu, cs: bigint, ss: bigint | undefined, flags: bigint, from: Mode): Mode | undefined {
  const v86 = (flags & EFLAGS_VM) !== 0n;
  const code = segmentOf(cpu, Number(cs & 0xffffn), v86);
  if (code === undefined) return undefined;
  const cpl = v86 ? 3 : Number(cs & 3n);
  const named = ss === undefined ? from.stack : segmentOf(cpu, Number(ss & 0xffffn), v86);
  const stack = code.bits === 64 ? { bits: 64 as const, base: 0 } : named;
  return stack === undefined ? undefined : { code, stack, cpl, v86, paragraphs: v86 || from.paragraphs };
}
