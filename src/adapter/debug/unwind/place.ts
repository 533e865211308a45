/** A point of the program's future as far as it is known: where code goes on, in which mode, with which registers and memory. */
import type { Cpu } from "../../../emu/cpu/cpu.ts";
import type { OpSize } from "../../../emu/cpu/flags.ts";
import { type Knowledge, type Known, withPart } from "../../../emu/cpu/ir/foresee.ts";
import type { IrInsn } from "../../../emu/cpu/ir/types.ts";
import { EFER, GPR, OFF, SEG, type SegIndex } from "../../../emu/cpu/layout.ts";
import { MODE } from "../../../emu/cpu/mode.ts";
import { type Addr, addrToBig, bigToAddr } from "../../../emu/cpu/state.ts";
import { isParagraphMode, isV86, stackBits } from "../../../emu/cpu/system/predicates.ts";
import { peekBytes, peekValue, translate } from "../guest-memory.ts";
import { codeBits } from "../registers.ts";
import { type Mode, type Segment, segmentOf } from "./segments.ts";
import { NO_EFFECTS, type UpcallEffects } from "./upcalls.ts";

/** Bytes around the stack pointer that are taken for stack. */
export const STACK_REACH = 0x1_0000;

/** A value that the path followed would have stored, newest first. Shared by paths that part later. */
interface Stored {
  readonly address: number;
  readonly bytes: number;
  readonly value: Known;
  readonly older: Stored | undefined;
}

interface LoadedSegment {
  readonly selector: Known;
  readonly base: Known;
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
  /** What the path has loaded into segment registers other than CS and SS. */
  #loaded: ReadonlyMap<SegIndex, LoadedSegment> = new Map();

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
      code: { selector: BigInt(cpu.selector(SEG.CS)), bits: codeBits(cpu), base: cpu.segBase(SEG.CS) },
      stack: { selector: BigInt(cpu.selector(SEG.SS)), bits: stackBits(cpu), base: cpu.segBase(SEG.SS) },
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
    other.#loaded = this.#loaded;
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

  /** As stackWord(), whatever the path has stored meanwhile. */
  stackWordNow(offset: number, bytes: number): Known {
    const { sp } = this;
    return sp === undefined ? undefined : peekValue(this.cpu, sp + offset, bytes);
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

  setRegister(reg: number, size: OpSize, value: Known): void {
    this.regs[reg] = withPart(this.regs[reg], size, false, value);
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

  /** A segment register gets what its descriptor says. With an SS that is not known the stack pointer is not either. */
  loadSegment(seg: SegIndex, selector: Known): void {
    const named = selector === undefined ? undefined : BigInt.asUintN(16, selector);
    const found = named === undefined ? undefined : this.segment(named, this.mode.v86);
    if (seg === SEG.SS) {
      if (found === undefined) this.regs[GPR.RSP] = undefined;
      else this.mode = { ...this.mode, stack: found };
      return;
    }
    const base = found === undefined ? undefined : addrToBig(found.base);
    this.#loaded = new Map([...this.#loaded, [seg, { selector: named, base }]]);
    if (seg === SEG.GS) this.gs = { ...this.gs, base };
  }

  /** What a selector would load, by the descriptor tables as they are then. */
  segment(selector: bigint, v86: boolean): Segment | undefined {
    return this.#trusting(() => segmentOf(this.cpu, Number(selector), v86, (at) => this.load(addrToBig(at), 4)));
  }

  selector(seg: SegIndex): Known {
    if (seg === SEG.CS) return this.mode.code.selector;
    if (seg === SEG.SS) return this.mode.stack.selector;
    const loaded = this.#loaded.get(seg);
    return loaded === undefined ? BigInt(this.cpu.selector(seg)) : loaded.selector;
  }

  segBase(seg: SegIndex): Known {
    if (seg === SEG.GS) return this.gs.base;
    if (seg === SEG.CS) return addrToBig(this.mode.code.base);
    if (seg === SEG.SS) return addrToBig(this.mode.stack.base);
    const loaded = this.#loaded.get(seg);
    return loaded === undefined ? addrToBig(this.cpu.segBase(seg)) : loaded.base;
  }

  load(address: bigint, bytes: number): Known {
    const at = this.#stored === undefined ? 0 : this.#physical(address);
    for (let one = this.#stored; one !== undefined; one = one.older) {
      if (isWithin(one, at, bytes)) return partOf(one, at, bytes);
      if (one.address < at + bytes && at < one.address + one.bytes) return this.#loadBytes(address, at, bytes);
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
    const before = this.sp;
    const result = this.#trusted === "none" ? load() : this.#trusting(load);
    if (before !== undefined) this.#stacks = [...this.#stacks, before];
    return result;
  }

  /** With memory as it is now, but for what the path has written. */
  #trusting<T>(load: () => T): T {
    const trusted = this.#trusted;
    this.#trusted = "all";
    const result = load();
    this.#trusted = trusted;
    return result;
  }

  #isNearStack(address: bigint): boolean {
    const at = bigToAddr(address);
    return [...this.#stacks, this.sp].some((stack) => stack !== undefined && Math.abs(at - stack) < STACK_REACH);
  }

  /** Pages may have aliases (espfix stacks do), so stored values are known by their physical address; by the linear one where there is none. */
  #physical(address: bigint): number {
    const linear = bigToAddr(address);
    return translate(this.cpu, linear) ?? linear;
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
