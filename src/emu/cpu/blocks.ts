/**
 * Decoded code: basic blocks by physical page, found by where they are and the mode they were decoded under. A block lies in one
 * page, except that a single instruction may be a block across two. Writes to a page throw away only the blocks whose bytes they hit.
 */

import type { Cpu } from "./cpu.ts";
import { type DecodeContext, InsnStream, MAX_LENGTH } from "./decode.ts";
import { Fault, gp } from "./fault.ts";
import type { IrInsn } from "./ir/types.ts";
import { OFF } from "./layout.ts";
import { deadFlags, endingOf, lowerInsn } from "./lower.ts";
import { Marks, SPECIAL } from "./marks.ts";
import { MODE, modeBits, modeStack } from "./mode.ts";
import { factsOf } from "./model.ts";
import type { Insn } from "./operation.ts";
import { ACCESS } from "./paging.ts";
import type { Addr } from "./state.ts";
import type { Exec } from "./tier0/arith.ts";
import { Compiler } from "./tier0/compile.ts";
import type { Region } from "./tier1/tier1.ts";

const MAX_INSNS = 64;
const CACHE = 8192;
const NO_OPS = new Uint8Array(1);

export class Block {
  /** The closures of all its instructions, and for each (and one past them) the instruction that it belongs to. */
  ops: readonly Exec[] = [];
  insnOf: Uint8Array = NO_OPS;
  /** Closures to run: all of them, or those up to the end of the running instruction. */
  n = 0;
  /** Instructions. */
  total = 0;
  /** Low halves of the instructions' addresses in CS (the high half is the block's), and what they are. */
  readonly insns: Insn[] = [];
  ir: readonly IrInsn[] = [];
  mode = -1;
  ipLow = 0;
  ipHigh = 0;
  endLow = 0;
  endHigh = 0;
  linearLow = 0;
  linearHigh = 0;
  csLimit = 0;
  /** Physical page of the first byte, -1 when dead or never to be kept; page of the second part of a crossing instruction, or -1. */
  frame = -1;
  frame2 = -1;
  /** Byte range in the first page; `end2` bytes are in the second. */
  start = 0;
  end = 0;
  end2 = 0;
  jumps = false;
  system = false;
  special = 0;
  /** Successors met last, valid in one epoch. */
  link0: Block | undefined;
  link1: Block | undefined;
  linkEpoch = -1;
  /** Times entered, and for tier 1 the compiled regions that have it, the one to enter it by, and where in there. */
  runs = 0;
  regions: readonly Region[] = [];
  region: Region | undefined;
  entry = 0;
}

/** A physical page that holds decoded code. */
class CodePage {
  readonly blocks = new Set<Block>();
}

export class Blocks {
  private readonly cpu: Cpu;
  private readonly compiler: Compiler;
  private readonly cache: (Block | undefined)[] = new Array(CACHE).fill(undefined);
  private readonly pages = new Map<number, CodePage>();
  readonly marks = new Marks();
  /** Physical addresses of breakpoints, whatever linear address they are run by. */
  private physicalMarks: ReadonlySet<number> = new Set();

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.compiler = new Compiler(cpu);
  }

  /** The block at RIP; throws the faults of fetching and decoding its first instruction. */
  find(step: boolean): Block {
    return this.at(this.cpu.get32(OFF.RIP), this.cpu.get32(OFF.RIP + 4), step);
  }

  /** A block that could be entered without any effect on the guest: its page has been executed. For tier 1's look ahead. */
  peek(low: number, high: number): Block | undefined {
    const { cpu } = this;
    const linear = cpu.in64 ? low : (low + cpu.csBaseLow) | 0;
    if ((linear & 0xfff) > 0x1000 - MAX_LENGTH || !cpu.fetchIsCached(linear, cpu.in64 ? high : 0)) return undefined;
    try {
      return this.at(low, high, false);
    } catch (thrown) {
      if (thrown instanceof Fault) return undefined;
      throw thrown;
    }
  }

  private at(low: number, high: number, step: boolean): Block {
    const { cpu } = this;
    const mode = step ? cpu.mode | MODE.STEP : cpu.mode;
    const slot = (low ^ (low >>> 13) ^ (step ? 0x1000 : 0)) & (CACHE - 1);
    const known = this.cache[slot];
    let linLow = low;
    let linHigh = high;
    if ((mode & MODE.CODE) !== 2) {
      linLow = (low + cpu.csBaseLow) | 0;
      linHigh = 0;
    } else if (high >> 15 !== 0 && high >> 15 !== -1) throw gp(0, "RIP is not canonical");
    const access = ACCESS.EXEC | (mode & MODE.USER ? ACCESS.USER : 0);
    const pa = cpu.translateHalves(linLow, linHigh, access);
    if (known !== undefined && this.matches(known, low, high, linLow, linHigh, mode, pa)) return known;
    const page = this.pages.get(Math.floor(pa / 0x1000));
    if (page) {
      for (const block of page.blocks) {
        if (this.matches(block, low, high, linLow, linHigh, mode, pa)) return (this.cache[slot] = block);
      }
    }
    const block = this.build(low, high, linLow, linHigh, mode, pa);
    if (block.frame >= 0) this.cache[slot] = block;
    return block;
  }

  private matches(
    b: Block,
    low: number,
    high: number,
    linLow: number,
    linHigh: number,
    mode: number,
    pa: number,
  ): boolean {
    if (b.ipLow !== low || b.ipHigh !== high || b.mode !== mode || b.linearLow !== linLow || b.linearHigh !== linHigh)
      return false;
    if (b.csLimit !== this.cpu.csLimit || b.frame * 0x1000 + b.start !== pa) return false;
    return b.frame2 < 0 || b.frame2 === this.secondFrame(linLow, linHigh);
  }

  /** Physical page after the one of a linear address: an instruction that crosses needs it, with its own faults. */
  private secondFrame(linLow: number, linHigh: number): number {
    const { cpu } = this;
    const next = ((linLow & ~0xfff) + 0x1000) | 0;
    const nextHigh = cpu.in64 && next === 0 ? (linHigh + 1) | 0 : linHigh;
    const access = ACCESS.EXEC | (cpu.mode & MODE.USER ? ACCESS.USER : 0);
    return Math.floor(cpu.translateHalves(next, nextHigh, access) / 0x1000);
  }

  private build(low: number, high: number, linLow: number, linHigh: number, mode: number, pa: number): Block {
    const { cpu } = this;
    if (this.compiler.slots.nearlyFull) this.flush();
    const block = new Block();
    Object.assign(block, {
      ipLow: low,
      ipHigh: high,
      linearLow: linLow,
      linearHigh: linHigh,
      mode,
      csLimit: cpu.csLimit,
    });
    block.frame = Math.floor(pa / 0x1000);
    block.start = pa % 0x1000;
    this.decode(block);
    this.compile(block);
    const linear = linHigh * 0x1_0000_0000 + (linLow >>> 0);
    block.special = this.marks.at(linear) | (this.physicalMarks.has(pa) ? SPECIAL.BREAKPOINT : 0);
    if (!cpu.isRam(pa, 1)) block.frame = -1;
    else this.keep(block);
    return block;
  }

  private keep(block: Block): void {
    for (const frame of [block.frame, block.frame2]) {
      if (frame < 0 || frame * 0x1000 >= this.cpu.ramSize) continue;
      let page = this.pages.get(frame);
      if (!page) this.pages.set(frame, (page = new CodePage()));
      page.blocks.add(block);
      this.cpu.core.noteCode(frame, this.cpu.index);
    }
  }

  private fetch(pa: number, size: number): Uint8Array {
    const { cpu } = this;
    if (cpu.isRam(pa, size)) return cpu.u8.slice(cpu.ramBase + pa, cpu.ramBase + pa + size);
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) bytes[i] = cpu.physRead(pa + i, 1);
    return bytes;
  }

  private context(mode: number): DecodeContext {
    const { vendor } = this.cpu.model;
    return {
      bits: modeBits(mode),
      stackSize: modeStack(mode),
      real: (mode & (MODE.REAL | MODE.V86)) !== 0,
      amd: vendor === "amd",
      facts: factsOf(this.cpu),
    };
  }

  /** Fills in the block's instructions: up to a jump, a system instruction, a mark, the page's end or the CS limit. */
  private decode(block: Block): void {
    const pa = block.frame * 0x1000 + block.start;
    const most = block.mode & MODE.STEP ? 1 : MAX_INSNS;
    const inPage = Math.min(0x1000 - block.start, most * MAX_LENGTH);
    const stream = new InsnStream(this.fetch(pa, inPage), block.ipLow, block.ipHigh, this.context(block.mode));
    const ir: IrInsn[] = [];
    const linear = block.linearHigh * 0x1_0000_0000 + (block.linearLow >>> 0);
    try {
      while (ir.length < most) {
        if (ir.length > 0 && this.isMarked(linear + stream.position, pa + stream.position)) break;
        const insn = stream.next();
        if (!insn) break;
        if (!this.insideLimit(insn)) {
          if (ir.length === 0) throw gp(0, "the instruction lies outside the code segment's limit");
          break;
        }
        const lowered = lowerInsn(insn, block.mode, block.csLimit, this.cpu.model.model);
        ir.push(lowered);
        block.insns.push(insn);
        const ending = endingOf(lowered);
        block.jumps = ending === "jump";
        block.system = ending === "system";
        if (ending !== "none") break;
      }
      block.end = block.start + stream.position;
    } finally {
      stream.free();
    }
    if (ir.length === 0) ir.push(this.decodeCrossing(block, pa));
    block.ir = ir;
    block.total = ir.length;
    const last = ir[ir.length - 1]!.insn;
    const end = (last.ipLow >>> 0) + last.length;
    block.endLow = end | 0;
    block.endHigh = last.bits === 64 && end > 0xffff_ffff ? (last.ipHigh + 1) | 0 : last.ipHigh;
  }

  private decodeCrossing(block: Block, pa: number): IrInsn {
    const left = 0x1000 - block.start;
    // An instruction that would run past the limit is #GP before its second page is looked at.
    if (block.csLimit - (block.ipLow >>> 0) < left)
      throw gp(0, "the instruction lies outside the code segment's limit");
    block.frame2 = this.secondFrame(block.linearLow, block.linearHigh);
    const bytes = new Uint8Array(MAX_LENGTH + 1);
    bytes.set(this.fetch(pa, left));
    bytes.set(this.fetch(block.frame2 * 0x1000, bytes.length - left), left);
    const stream = new InsnStream(bytes, block.ipLow, block.ipHigh, this.context(block.mode));
    try {
      const insn = stream.next();
      if (!insn) throw gp(0, "the instruction is longer than 15 bytes");
      if (!this.insideLimit(insn)) throw gp(0, "the instruction lies outside the code segment's limit");
      const lowered = lowerInsn(insn, block.mode, block.csLimit, this.cpu.model.model);
      block.insns.push(insn);
      block.end = 0x1000;
      block.end2 = insn.length - left;
      const ending = endingOf(lowered);
      block.jumps = ending === "jump";
      block.system = ending === "system";
      return lowered;
    } finally {
      stream.free();
    }
  }

  private isMarked(linear: Addr, pa: number): boolean {
    return this.marks.at(linear) !== 0 || this.physicalMarks.has(pa);
  }

  /** The kinds of marks on the instruction at a linear address. */
  marksAt(linear: Addr): number {
    const kinds = this.marks.at(linear);
    if (this.physicalMarks.size === 0) return kinds;
    const pa = this.cpu.peekTranslate(linear);
    return pa !== undefined && this.physicalMarks.has(pa) ? kinds | SPECIAL.BREAKPOINT : kinds;
  }

  /** Breakpoints by physical address; replaces those there were. */
  setPhysicalMarks(addresses: ReadonlySet<number>): void {
    const changed = [...addresses, ...this.physicalMarks].filter(
      (pa) => addresses.has(pa) !== this.physicalMarks.has(pa),
    );
    this.physicalMarks = addresses;
    for (const pa of changed) this.written(Math.floor(pa / 0x1000), pa % 0x1000, 1);
  }

  private insideLimit(insn: Insn): boolean {
    return insn.bits === 64 || (insn.ipLow >>> 0) + insn.length - 1 <= this.cpu.csLimit;
  }

  private compile(block: Block): void {
    const { ops, insnOf } = this.compiler.block(block.ir, block.mode, deadFlags(block.ir));
    block.ops = ops;
    block.insnOf = insnOf;
    block.n = block.ops.length;
  }

  /** Bytes of a page have changed. */
  written(frame: number, offset: number, size: number): void {
    const page = this.pages.get(frame);
    if (!page) return;
    for (const block of page.blocks) {
      const [from, to] = block.frame === frame ? [block.start, block.end] : [0, block.end2];
      if (offset < to && offset + size > from) this.kill(block);
    }
  }

  private kill(block: Block): void {
    this.cpu.epoch++;
    block.mode = -1;
    this.cpu.codeDied(block);
    if (block.regions.length > 0) this.cpu.regionsDied(block);
    for (const frame of [block.frame, block.frame2]) {
      const page = this.pages.get(frame);
      if (!page) continue;
      page.blocks.delete(block);
      if (page.blocks.size > 0) continue;
      this.pages.delete(frame);
      this.cpu.core.code[frame]! &= ~(1 << this.cpu.index);
    }
  }

  flush(): void {
    for (const page of [...this.pages.values()]) for (const block of [...page.blocks]) this.kill(block);
    this.cache.fill(undefined);
    this.compiler.slots.reset();
    this.cpu.epoch++;
  }

  /** Replaces one kind of mark; blocks that contain a mark that came or went are rebuilt. */
  setMarks(kind: number, addresses: Iterable<Addr>): void {
    const changed = this.marks.replace(kind, addresses);
    if (changed.length > 0) this.rebuildAt(changed);
  }

  private rebuildAt(addresses: readonly number[]): void {
    const all = new Set<Block>();
    for (const page of this.pages.values()) for (const block of page.blocks) all.add(block);
    for (const block of all) {
      const from = block.linearHigh * 0x1_0000_0000 + (block.linearLow >>> 0);
      const to = from + block.end - block.start + block.end2;
      if (addresses.some((addr) => addr >= from && addr < to)) this.kill(block);
    }
  }
}
