/**
 * Loads and stores in compiled code: the TLB (and a segment's bounds) inline. An access that misses leaves the region, and tier 0 runs
 * its instruction: a call in its place would cost the loop around it its registers. Where misses are the rule (Tier1.missed) because
 * bytes of the page are watched, it is looked at inline whether these are; where they are for other reasons, it is a call after all,
 * which returns a status: 0 done, 1 a fault is kept aside, 2 done, but leave after this instruction.
 */
import type { Load, Peek, Space, Store, Value } from "../ir/types.ts";
import { PEEK_ENTRIES, PEEKS, SEGF, type SegIndex, TAG_WATCHED, TLB_ENTRIES, TLBF, WATCH_MAP } from "../layout.ts";
import { EXCHANGE, type Frame, importIndex } from "./frame.ts";
import type { Values } from "./values.ts";
import { type FunctionBody, I32, I64, type Label, type MemName } from "./wasm.ts";

const LOADS: Record<number, MemName> = { 1: "i32.load8_u", 2: "i32.load16_u", 4: "i32.load", 8: "i64.load" };
const STORES: Record<number, MemName> = { 1: "i32.store8", 2: "i32.store16", 4: "i32.store", 8: "i64.store" };
/** An entry's offset is the page number's low bits times the stride of 32: bits 12.. of the address moved to bits 5.. */
const ENTRY_MASK = (TLB_ENTRIES - 1) << 5;

/** What is known of an instruction's misses: the rule only near watched bytes, or for other reasons too. */
export type Missing = "never" | "nearby" | "often";

export interface SlowPath {
  /** Of the present instruction. */
  missing(): Missing;
  leave(): void;
  /** Takes the status of a call from the stack. */
  checkStatus(): void;
}

export class AccessEmitter {
  private readonly f: FunctionBody;
  private readonly frame: Frame;
  private readonly values: Values;
  private readonly slow: SlowPath;
  private readonly address64: number;
  private readonly address32: number;
  private readonly entry: number;

  constructor(values: Values, slow: SlowPath) {
    this.values = values;
    this.f = values.f;
    this.frame = values.frame;
    this.slow = slow;
    this.address64 = this.f.local(I64);
    this.address32 = this.f.local(I32);
    this.entry = this.f.local(I32);
  }

  load(s: Load): void {
    const { f } = this;
    const local = this.values.temp(s.temp);
    this.access(
      s.space,
      s.address,
      s.size,
      s.forWrite,
      () => {
        this.slowArguments(s.space, s.size, s.forWrite);
        f.call(importIndex("load"));
        this.slow.checkStatus();
        f.i32(0)
          .mem(s.size === 8 ? "i64.load" : "i32.load", this.frame.base + EXCHANGE)
          .set(local);
      },
      () => {
        this.hostAddress();
        f.mem(LOADS[s.size]!, 0).set(local);
      },
    );
  }

  /** A load without any effect but its value, or what `giveUp` emits: by translations of its own, with whatever rights. */
  peek({ temp, size, address }: Peek, giveUp: () => void): void {
    const { f, frame } = this;
    this.values.value(address);
    f.set(this.address64).get(this.address64).op("i32.wrap").i32(7).op("i32.shr_u");
    f.i32((PEEK_ENTRIES - 1) << 5)
      .op("i32.and")
      .i32(frame.base + PEEKS)
      .op("i32.add")
      .set(this.entry);
    const known = f.block();
    this.hasTag(TLBF.READ_TAG, size);
    f.brIf(known);
    this.wideAddress();
    f.call(importIndex("peek")).if();
    // an access that crosses into another page has not got it by that
    this.hasTag(TLBF.READ_TAG, size);
    f.brIf(known).end();
    giveUp();
    f.end();
    this.hostAddress();
    f.mem(LOADS[size]!, 0).set(this.values.temp(temp));
  }

  store(s: Store): void {
    const { f } = this;
    this.access(
      s.space,
      s.address,
      s.size,
      true,
      () => {
        f.i32(0);
        this.values.value(s.value);
        f.mem(s.size === 8 ? "i64.store" : "i32.store", this.frame.base + EXCHANGE);
        this.slowArguments(s.space, s.size, true);
        f.call(importIndex("store"));
        this.slow.checkStatus();
      },
      () => {
        this.hostAddress();
        this.values.value(s.value);
        f.mem(STORES[s.size]!, 0);
      },
    );
  }

  /** What `fast` emits where the TLB permits it, else what the present instruction does about misses. */
  private access(space: Space, address: Value, size: number, write: boolean, call: () => void, fast: () => void): void {
    const { f, slow } = this;
    const missing = slow.missing();
    const out = f.block();
    const permitted = f.block();
    this.find(space, address);
    if (missing !== "never") {
      const near = f.block();
      this.offWatch(size, write, near);
      if (space.kind === "segment") this.bounds(space.seg, size, write);
      f.brIf(permitted);
      f.end();
    }
    this.probe(space, size, write);
    f.brIf(permitted);
    if (missing === "often") {
      call();
      f.br(out);
    } else slow.leave();
    f.end();
    fast();
    f.end();
  }

  /** Branches to `not` where the TLB has not the page as a watched one; leaves 1 where the access keeps off the watched bytes. */
  private offWatch(size: number, write: boolean, not: Label): void {
    const { f, frame } = this;
    f.get(this.entry).mem("i64.load", write ? TLBF.WRITE_TAG : TLBF.READ_TAG);
    this.lastByte(size);
    f.i64(TAG_WATCHED, 0).op("i64.or").op("i64.ne").brIf(not);
    f.get(this.address64)
      .op("i32.wrap")
      .i32(0xfff)
      .op("i32.and")
      .mem("i32.load8_u", frame.base + WATCH_MAP);
    f.i32(size).op("i32.and").op("i32.eqz");
  }

  private lastByte(size: number): void {
    const { f } = this;
    f.get(this.address64);
    if (size > 1) f.i64(size - 1, 0).op("i64.add");
  }

  /** Puts the linear address, and the TLB entry in which it would be, into locals. */
  private find(space: Space, address: Value): void {
    const { f } = this;
    this.values.value(address);
    if (space.kind === "linear" && space.type === 64) f.set(this.address64);
    else {
      f.set(this.address32).get(this.address32);
      if (space.kind === "segment") f.i32(0).mem("i32.load", this.values.segField(space.seg, SEGF.BASE)).op("i32.add");
      f.op("i64.extend_u").set(this.address64);
    }
    this.findEntry();
  }

  /** After find(): leaves 1 when the TLB has the page (and the segment permits it). */
  private probe(space: Space, size: number, write: boolean): void {
    const { f } = this;
    const tag = write ? TLBF.WRITE_TAG : TLBF.READ_TAG;
    if (space.kind === "linear" && space.type === 64) {
      this.hasTag(tag, size);
      return;
    }
    f.get(this.entry).mem("i64.load", tag);
    f.get(this.address64).op("i32.wrap");
    if (size > 1) f.i32(size - 1).op("i32.add");
    f.i32(-4096).op("i32.and").op("i64.extend_u").op("i64.eq");
    if (space.kind === "segment") this.bounds(space.seg, size, write);
  }

  /** Leaves 1 where `entry` has the page of the linear address, up to its last byte: one that crosses has another page there. */
  private hasTag(tag: number, size: number): void {
    const { f } = this;
    f.get(this.entry).mem("i64.load", tag);
    this.lastByte(size);
    f.i64(-4096, -1).op("i64.and").op("i64.eq");
  }

  private findEntry(): void {
    const { f, frame } = this;
    f.get(this.address64).op("i32.wrap").i32(7).op("i32.shr_u").i32(ENTRY_MASK).op("i32.and");
    f.get(frame.tlb).op("i32.add").set(this.entry);
  }

  /** Ands the segment's bounds to the 1 or 0 on the stack. */
  private bounds(seg: SegIndex, size: number, write: boolean): void {
    const { f } = this;
    const first = this.values.segField(seg, write ? SEGF.WRITE_FIRST : SEGF.READ_FIRST);
    f.get(this.address32).i32(0).mem("i32.load", first).op("i32.ge_u").op("i32.and");
    f.get(this.address32)
      .op("i64.extend_u")
      .i64(size - 1, 0)
      .op("i64.add");
    f.i32(0)
      .mem("i32.load", first + 4)
      .op("i64.extend_u")
      .op("i64.le_u")
      .op("i32.and");
  }

  /** Pushes what the slow path takes: what access, and where (linear address in 64-bit mode, else the offset). */
  private slowArguments(space: Space, size: number, forWrite: boolean): void {
    const { f } = this;
    const wide = space.kind === "linear" && space.type === 64;
    f.i32(space.seg | (size << 4) | (wide ? 0x100 : 0) | (forWrite ? 0x200 : 0));
    if (wide) this.wideAddress();
    else f.get(this.address32).i32(0);
  }

  private wideAddress(): void {
    const { f } = this;
    f.get(this.address64).op("i32.wrap").get(this.address64).i64(32, 0).op("i64.shr_u").op("i32.wrap");
  }

  private hostAddress(): void {
    const { f } = this;
    f.get(this.address64).op("i32.wrap").get(this.entry).mem("i32.load", TLBF.ADDEND).op("i32.add");
  }
}
