/**
 * Linear memory: the software TLBs in the machine's memory, the slow path behind them, and byte-exact accesses. The fast path of
 * both tiers reads the same entries; only this file writes them.
 */
import { Fault, gp, VECTOR } from "./fault.ts";
import {
  CR0,
  CR4,
  EFLAGS,
  OFF,
  PEEK_ENTRIES,
  PEEKS,
  TAG_WATCHED,
  TLB_BYTES,
  TLB_ENTRIES,
  TLB_FRAME_MASK,
  TLB_GLOBAL,
  TLB_LARGE,
  TLB_NONE,
  TLB_STRIDE,
  TLBF,
  WATCH_MAP,
} from "./layout.ts";
import type { CoreMemory } from "./memory.ts";
import { ACCESS, PageWalk, type WalkStep } from "./paging.ts";
import { PhysicalMemory } from "./phys.ts";
import { type Addr, addrHigh, addrLow, addrOf, isCanonical } from "./state.ts";
import { SEE, Watches } from "./watch.ts";

const WORDS = TLB_STRIDE >> 2;
const READ = TLBF.READ_TAG >> 2;
const WRITE = TLBF.WRITE_TAG >> 2;
const EXEC = TLBF.EXEC_TAG >> 2;
const ADDEND = TLBF.ADDEND >> 2;
const FRAME = TLBF.FRAME >> 2;

/** Byte offsets of the three TLBs from the CPU's base. */
export const TLB_USER = OFF.TLB;
export const TLB_SUPERVISOR = OFF.TLB + TLB_BYTES;
export const TLB_SUPERVISOR_AC = OFF.TLB + 2 * TLB_BYTES;

const gibOf = (low: number, high: number): number => high * 4 + (low >>> 30);
const MOST_LARGE = 1024;

export interface TranslateAccess {
  readonly write?: boolean;
  readonly exec?: boolean;
  readonly user?: boolean;
}

export class Mmu extends PhysicalMemory {
  protected readonly walk: PageWalk;
  /** Counts changes of translations and of code: links between blocks hold only within one epoch. */
  epoch = 0;
  /** Counts fast paths that were opened where none was before. */
  protected opened = 0;
  readonly watches = new Watches();
  private readonly tlbStart: number;
  private readonly tlbEnd: number;
  /** Each GiB of the linear space of which some entry may be a piece of a large page. */
  private readonly largeAt = new Set<number>();
  /** Places of all entries in use; some may be named twice, or be in use no more. */
  private filled: number[] = [];
  private readonly peeks: number;
  /** Some translation for looks is kept. */
  private peeked = false;

  constructor(core: CoreMemory, index: number) {
    super(core, index);
    this.walk = new PageWalk(this);
    this.tlbStart = (this.base + OFF.TLB) >> 2;
    this.tlbEnd = this.tlbStart + 3 * TLB_ENTRIES * WORDS;
    this.i32.fill(TLB_NONE, this.tlbStart, this.tlbEnd);
    this.peeks = (this.base + PEEKS) >> 2;
    this.i32.fill(TLB_NONE, this.peeks, this.peeks + PEEK_ENTRIES * WORDS);
  }

  // --- TLB maintenance

  flushTlb(): void {
    for (const e of this.filled) this.dropEntry(e);
    this.largeAt.clear();
    this.filled = [];
    this.translationsChanged();
  }

  flushTlbNonGlobal(): void {
    const { i32 } = this;
    for (const e of this.filled) {
      if (!(i32[e + FRAME]! & TLB_GLOBAL)) this.dropEntry(e);
    }
    this.translationsChanged();
  }

  private translationsChanged(): void {
    this.epoch++;
    if (!this.peeked) return;
    this.i32.fill(TLB_NONE, this.peeks, this.peeks + PEEK_ENTRIES * WORDS);
    this.peeked = false;
  }

  /**
   * Keeps the translation of a page for looks from compiled code, until any translation changes: the guest never uses it, its TLBs
   * and accessed bits are as if nobody had looked. False where there is no RAM.
   */
  fillPeek(low: number, high: number): boolean {
    if (!isCanonical(high) || !this.walk.run(low, high, ACCESS.PEEK, false)) return false;
    const page = Math.floor(this.walk.phys / 0x1000);
    if (page * 0x1000 >= this.ramSize) return false;
    const { i32 } = this;
    const e = this.peeks + ((low >>> 12) & (PEEK_ENTRIES - 1)) * WORDS;
    i32[e + READ] = low & ~0xfff;
    i32[e + READ + 1] = high;
    i32[e + ADDEND] = (this.ramBase + page * 0x1000 - (low & ~0xfff)) | 0;
    this.peeked = true;
    return true;
  }

  /** Looks at the places that the page's own number gives, one a TLB; what else lies there may be dropped too. */
  flushTlbPage(addr: Addr): void {
    const place = this.tlbStart + ((addrLow(addr) >>> 12) & (TLB_ENTRIES - 1)) * WORDS;
    for (let e = place; e < this.tlbEnd; e += TLB_ENTRIES * WORDS) this.dropEntry(e);
    if (this.largeAt.has(gibOf(addrLow(addr), addrHigh(addr)))) this.dropLarge();
    this.translationsChanged();
  }

  /** A large page's entries are pieces of it, at many places; dropping those of all large pages is permitted and simple. */
  private dropLarge(): void {
    const { i32 } = this;
    for (const e of this.filled) if (i32[e + FRAME]! & TLB_LARGE) this.dropEntry(e);
    this.largeAt.clear();
  }

  private noteLarge(low: number, high: number): void {
    if (this.largeAt.size >= MOST_LARGE) this.dropLarge();
    this.largeAt.add(gibOf(low, high));
  }

  /** With its frame gone it is not looked at again until it is filled. */
  private dropEntry(e: number): void {
    const { i32 } = this;
    for (let word = e; word < e + ADDEND; word++) i32[word] = TLB_NONE;
    i32[e + FRAME] = TLB_NONE;
  }

  /** After the machine's dirty bytes were cleared: the next write to each page that is clean must be seen. */
  dropWriteTags(): void {
    const { i32 } = this;
    const { dirty } = this.core;
    for (const e of this.filled) {
      if (i32[e + WRITE] === TLB_NONE || dirty[i32[e + FRAME]! & TLB_FRAME_MASK]) continue;
      i32[e + WRITE] = TLB_NONE;
      i32[e + WRITE + 1] = TLB_NONE;
    }
  }

  /** The entries in use, each behind its number: for restoreTlb(). */
  saveTlb(): Int32Array {
    const { i32 } = this;
    this.filled = this.inUse();
    const saved = new Int32Array(this.filled.length * (WORDS + 1));
    let at = 0;
    for (const e of this.filled) {
      saved[at++] = e;
      for (let word = 0; word < WORDS; word++) saved[at++] = i32[e + word]!;
    }
    return saved;
  }

  /** Places of the entries in use, each once, in order. */
  private inUse(): number[] {
    const { i32 } = this;
    return [...new Set(this.filled)].filter((e) => i32[e + FRAME] !== TLB_NONE).sort((a, b) => a - b);
  }

  private noteFilled(e: number): void {
    if (this.filled.push(e) > 8 * TLB_ENTRIES) this.filled = this.inUse();
  }

  /** Puts saved entries into an empty TLB; what is watched now, or has become code, gets no fast path from it. */
  restoreTlb(saved: Int32Array): void {
    const { i32, core } = this;
    for (let at = 0; at < saved.length; at += WORDS + 1) {
      const e = saved[at]!;
      this.filled.push(e);
      for (let word = 0; word < WORDS; word++) i32[e + word] = saved[at + 1 + word]!;
      const page = i32[e + FRAME]! & TLB_FRAME_MASK;
      const tag = [READ, WRITE, EXEC].find((each) => i32[e + each] !== TLB_NONE);
      if (tag === undefined) continue;
      const [low, high] = [i32[e + tag]! & ~TAG_WATCHED, i32[e + tag + 1]!];
      if (i32[e + FRAME]! & TLB_LARGE) this.noteLarge(low, high);
      const seen = this.seenAt(low, high, page);
      if (seen & SEE.READS) i32.fill(TLB_NONE, e + READ, e + READ + 2);
      if (seen !== 0 || core.code[page]) i32.fill(TLB_NONE, e + WRITE, e + WRITE + 2);
      else if (i32[e + WRITE] !== TLB_NONE) core.markDirty(page);
    }
  }

  /** The same for one physical page. */
  dropWriteTagsOf(page: number): void {
    const { i32 } = this;
    for (const e of this.filled) {
      if ((i32[e + FRAME]! & TLB_FRAME_MASK) !== page) continue;
      i32[e + WRITE] = TLB_NONE;
      i32[e + WRITE + 1] = TLB_NONE;
    }
  }

  /** After the watched ranges have changed: every access is looked at anew. */
  protected dropDataTags(): void {
    const { i32 } = this;
    this.watches.draw(this.u8.subarray(this.base + WATCH_MAP, this.base + WATCH_MAP + 0x1000));
    for (const e of this.filled) i32.fill(TLB_NONE, e + READ, e + EXEC);
  }

  /** A watched access was made. */
  protected afterWatchHit(): void {}

  private noteAccess(low: number, high: number, pa: number, size: number, write: boolean): void {
    if (this.watches.note(addrOf(low, high), pa, size, write)) this.afterWatchHit();
  }

  /** SEE bits of a page. */
  private seenAt(pageLow: number, high: number, page: number): number {
    return this.watches.active ? this.watches.pageBits(addrOf(pageLow, high), page * 0x1000) : 0;
  }

  /** Must accesses to the page of this place be seen one by one? */
  isWatched(low: number, high: number, pa: number): boolean {
    return this.seenAt(low & ~0xfff, high, pa >>> 12) !== 0;
  }

  /** Chooses the TLB for explicit data accesses at the present privilege. */
  protected selectTlb(): void {
    let tlb: number = TLB_SUPERVISOR;
    if (this.cpl === 3) tlb = TLB_USER;
    else if (this.get32(OFF.EFLAGS) & EFLAGS.AC && this.get32(OFF.CR4) & CR4.SMAP) tlb = TLB_SUPERVISOR_AC;
    this.set32(OFF.TLB_BASE, tlb);
  }

  /** Word index of the entry for a linear page in the TLB that an access uses. */
  protected entryFor(low: number, access: number): number {
    let tlb: number = TLB_SUPERVISOR;
    if (access & ACCESS.USER) tlb = TLB_USER;
    else if (!(access & (ACCESS.IMPLICIT | ACCESS.EXEC)))
      tlb = this.get32(OFF.TLB_BASE) === TLB_SUPERVISOR_AC ? TLB_SUPERVISOR_AC : TLB_SUPERVISOR;
    return (this.base + tlb + (((low >>> 12) & (TLB_ENTRIES - 1)) << 5)) >> 2;
  }

  // --- translation

  /** Physical address of one byte's access, through the TLB. Throws #PF; the address must be canonical. */
  translateHalves(low: number, high: number, access: number): number {
    const { i32 } = this;
    const e = this.entryFor(low, access);
    const tag = e + (access & ACCESS.EXEC ? EXEC : access & ACCESS.WRITE ? WRITE : READ);
    if ((i32[tag]! & ~TAG_WATCHED) === (low & ~0xfff) && i32[tag + 1] === high) {
      return (i32[e + FRAME]! & TLB_FRAME_MASK) * 0x1000 + (low & 0xfff);
    }
    return this.fill(e, low, high, access);
  }

  /** Word index of the TLB entry for fetches at the present privilege. */
  fetchEntry(low: number): number {
    return this.entryFor(low, ACCESS.EXEC | (this.cpl === 3 ? ACCESS.USER : 0));
  }

  /** Is the page's translation for fetches in the TLB? */
  fetchIsCached(low: number, high: number): boolean {
    const e = this.fetchEntry(low) + EXEC;
    return this.i32[e] === (low & ~0xfff) && this.i32[e + 1] === high;
  }

  private fill(e: number, low: number, high: number, access: number): number {
    const { walk, core } = this;
    if (!walk.run(low, high, access, true))
      throw new Fault(VECTOR.PF, walk.error, this.pageFaultText(low, high), low, high);
    const pa = walk.phys;
    if (pa >= this.ramSize) return pa;
    const page = pa >>> 12;
    const { i32 } = this;
    if (walk.large) this.noteLarge(low, high);
    const pageLow = low & ~0xfff;
    const seen = this.seenAt(pageLow, high, page);
    const fresh = i32[e + FRAME] === TLB_NONE || this.sameEntry(e, pageLow, high, page);
    if (i32[e + FRAME] === TLB_NONE) this.noteFilled(e);
    else if (!fresh) this.dropEntry(e);
    i32[e + ADDEND] = (this.ramBase + page * 0x1000 - pageLow) | 0;
    i32[e + FRAME] = page | (walk.global ? TLB_GLOBAL : 0) | (walk.large ? TLB_LARGE : 0);
    let tag = EXEC;
    let watched = 0;
    if (access & ACCESS.WRITE) {
      if (core.code[page]) return pa;
      watched = seen;
      tag = WRITE;
    } else if (!(access & ACCESS.EXEC)) {
      watched = seen & SEE.READS;
      tag = READ;
    }
    if (tag === WRITE) core.markDirty(page);
    i32[e + tag] = watched === 0 ? pageLow : pageLow | TAG_WATCHED;
    i32[e + tag + 1] = high;
    if (fresh && watched === 0) this.opened++;
    return pa;
  }

  /** Is the entry that of this page, or has it lost all its tags (a checkpoint takes those of writes)? */
  private sameEntry(e: number, pageLow: number, high: number, page: number): boolean {
    const { i32 } = this;
    for (const tag of [READ, WRITE, EXEC]) {
      if (i32[e + tag] === TLB_NONE) continue;
      const same = (i32[e + FRAME]! & TLB_FRAME_MASK) === page;
      return same && (i32[e + tag]! & ~TAG_WATCHED) === pageLow && i32[e + tag + 1] === high;
    }
    return true;
  }

  private pageFaultText(low: number, high: number): string {
    const digits = (high ? (high >>> 0).toString(16) : "") + (low >>> 0).toString(16).padStart(high ? 8 : 1, "0");
    return `${this.walk.why} (linear address 0x${digits})`;
  }

  /** Physical address; throws #PF and sets accessed and dirty bits like the access itself. `user` defaults to an implicit supervisor access. */
  translate(addr: Addr, access: TranslateAccess = {}): number {
    let bits = access.user ? ACCESS.USER : ACCESS.IMPLICIT;
    if (access.write) bits |= ACCESS.WRITE;
    if (access.exec) bits |= ACCESS.EXEC;
    return this.translateAddr(addr, bits);
  }

  private translateAddr(addr: Addr, access: number): number {
    const high = addrHigh(addr);
    if (!isCanonical(high)) throw gp(0, "the linear address is not canonical");
    return this.translateHalves(addrLow(addr), high, access);
  }

  /** Without side effects and without permission checks, for debugger and kernel; undefined where nothing is mapped. */
  peekTranslate(addr: Addr): number | undefined {
    const high = addrHigh(addr);
    if (!isCanonical(high)) return undefined;
    return this.walk.run(addrLow(addr), high, ACCESS.PEEK, false) ? this.walk.phys : undefined;
  }

  /** The page-table entries on the way to an address. */
  pageWalk(addr: Addr): WalkStep[] {
    return this.walk.steps(addrLow(addr), addrHigh(addr));
  }

  paging(): boolean {
    return (this.get32(OFF.CR0) & CR0.PG) !== 0;
  }

  // --- linear accesses, any alignment

  /** Low half (unsigned for 1, 2, 4; int32 with `high` for 8). */
  readHalves(low: number, high: number, size: 1 | 2 | 4 | 8, access: number): number {
    if ((low & 0xfff) + size > 0x1000) return this.readCrossing(low, high, size, access);
    const pa = this.translateHalves(low, high, access);
    if (this.watches.active) this.noteAccess(low, high, pa, size, false);
    return this.physRead(pa, size);
  }

  writeHalves(
    low: number,
    high: number,
    size: 1 | 2 | 4 | 8,
    valueLow: number,
    valueHigh: number,
    access: number,
  ): void {
    if ((low & 0xfff) + size > 0x1000) {
      this.writeCrossing(low, high, size, valueLow, valueHigh, access | ACCESS.WRITE);
      return;
    }
    const pa = this.translateHalves(low, high, access | ACCESS.WRITE);
    if (this.watches.active) this.noteAccess(low, high, pa, size, true);
    this.physWrite(pa, size, valueLow, valueHigh);
  }

  /** Physical address of the first byte of the page after `low`; linear addresses wrap at 4 GiB outside 64-bit mode. */
  private nextPage(low: number, high: number, access: number): number {
    const next = (low & ~0xfff) + 0x1000;
    const carry = low >>> 0 >= 0xffff_f000 ? 1 : 0;
    const nextHigh = this.wrapsAt4G() ? 0 : (high + carry) | 0;
    if (!isCanonical(nextHigh)) throw gp(0, "the access runs past the last canonical address");
    return this.translateHalves(next | 0, nextHigh, access);
  }

  private noteCrossing(low: number, high: number, pa: number, next: number, size: number, write: boolean): void {
    const first = 0x1000 - (low & 0xfff);
    this.noteAccess(low, high, pa, first, write);
    const second = (low + first) | 0;
    this.noteAccess(second, second === 0 && !this.wrapsAt4G() ? (high + 1) | 0 : high, next, size - first, write);
  }

  protected wrapsAt4G(): boolean {
    return true;
  }

  private readCrossing(low: number, high: number, size: number, access: number): number {
    const first = 0x1000 - (low & 0xfff);
    const pa = this.translateHalves(low, high, access);
    const next = this.nextPage(low, high, access);
    if (this.watches.active) this.noteCrossing(low, high, pa, next, size, false);
    let resultLow = 0;
    let resultHigh = 0;
    for (let i = 0; i < size; i++) {
      const byte = this.physRead(i < first ? pa + i : next + i - first, 1);
      if (i < 4) resultLow |= byte << (i * 8);
      else resultHigh |= byte << (i * 8 - 32);
    }
    this.high = resultHigh;
    return size === 8 ? resultLow : resultLow >>> 0;
  }

  private writeCrossing(
    low: number,
    high: number,
    size: number,
    valueLow: number,
    valueHigh: number,
    access: number,
  ): void {
    const first = 0x1000 - (low & 0xfff);
    const pa = this.translateHalves(low, high, access);
    const next = this.nextPage(low, high, access);
    if (this.watches.active) this.noteCrossing(low, high, pa, next, size, true);
    for (let i = 0; i < size; i++) {
      const byte = (i < 4 ? valueLow >>> (i * 8) : valueHigh >>> (i * 8 - 32)) & 0xff;
      this.physWrite(i < first ? pa + i : next + i - first, 1, byte);
    }
  }

  /** Does all that a write of these bytes would check, and writes nothing. */
  probeWrite(low: number, high: number, size: number, access: number): void {
    this.translateHalves(low, high, access | ACCESS.WRITE);
    if ((low & 0xfff) + size > 0x1000) this.nextPage(low, high, access | ACCESS.WRITE);
  }
  probeRead(low: number, high: number, size: number, access: number): void {
    this.translateHalves(low, high, access);
    if ((low & 0xfff) + size > 0x1000) this.nextPage(low, high, access);
  }

  private checkCanonical(addr: Addr): void {
    if (!isCanonical(addrHigh(addr))) throw gp(0, "the linear address is not canonical");
  }

  /** `user` false: an implicit supervisor access (descriptor tables, TSS, stacks of a transfer). Unsigned. */
  readLinear(addr: Addr, size: 1 | 2 | 4, user: boolean): number {
    this.checkCanonical(addr);
    return this.readHalves(addrLow(addr), addrHigh(addr), size, user ? ACCESS.USER : ACCESS.IMPLICIT);
  }
  readLinear64(addr: Addr, user: boolean): bigint {
    this.checkCanonical(addr);
    const low = this.readHalves(addrLow(addr), addrHigh(addr), 8, user ? ACCESS.USER : ACCESS.IMPLICIT);
    return (BigInt(this.high >>> 0) << 32n) | BigInt(low >>> 0);
  }
  writeLinear(addr: Addr, size: 1 | 2 | 4, value: number, user: boolean): void {
    this.checkCanonical(addr);
    this.writeHalves(addrLow(addr), addrHigh(addr), size, value | 0, 0, user ? ACCESS.USER : ACCESS.IMPLICIT);
  }
  writeLinear64(addr: Addr, value: bigint, user: boolean): void {
    this.checkCanonical(addr);
    const low = Number(BigInt.asIntN(32, value));
    const high = Number(BigInt.asIntN(32, value >> 32n));
    this.writeHalves(addrLow(addr), addrHigh(addr), 8, low, high, user ? ACCESS.USER : ACCESS.IMPLICIT);
  }
}
