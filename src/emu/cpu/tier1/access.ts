/**
 * Loads and stores in compiled code: the TLB (and a segment's bounds) inline. An access that misses leaves the region, and tier 0 runs
 * its instruction: a call in its place would cost the loop around it its registers. Where misses are the rule (Tier1.missed) it is a
 * call after all, which returns a status: 0 done, 1 a fault is kept aside, 2 done, but leave after this instruction.
 */
import type { Load, Peek, Space, Store, Value } from "../ir/types.ts";
import {
  PEEK_ENTRIES,
  PEEKS,
  SEGF,
  type SegIndex,
  TAG_WATCHED,
  TLB_ENTRIES,
  TLBF,
  WATCH_END,
  WATCH_FIRST,
} from "../layout.ts";
import { EXCHANGE, type Frame, importIndex } from "./frame.ts";
import type { Values } from "./values.ts";
import { type FunctionBody, I32, I64, type MemName } from "./wasm.ts";

const LOADS: Record<number, MemName> = { 1: "i32.load8_u", 2: "i32.load16_u", 4: "i32.load", 8: "i64.load" };
const STORES: Record<number, MemName> = { 1: "i32.store8", 2: "i32.store16", 4: "i32.store", 8: "i64.store" };
/** An entry's offset is the page number's low bits times the stride of 32: bits 12.. of the address moved to bits 5.. */
const ENTRY_MASK = (TLB_ENTRIES - 1) << 5;

export interface SlowPath {
  /** Does the present instruction call for its slow accesses, or leave? */
  calls(): boolean;
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
    this.probe(s.space, s.address, s.size, s.forWrite);
    f.if();
    this.hostAddress();
    f.mem(LOADS[s.size]!, 0).set(local);
    f.else();
    if (!this.slow.calls()) {
      this.slow.leave();
      f.end();
      return;
    }
    this.nearby(s.space, s.size, s.forWrite);
    f.if();
    this.hostAddress();
    f.mem(LOADS[s.size]!, 0).set(local);
    f.else();
    this.slowArguments(s.space, s.size, s.forWrite);
    f.call(importIndex("load"));
    this.slow.checkStatus();
    f.i32(0)
      .mem(s.size === 8 ? "i64.load" : "i32.load", this.frame.base + EXCHANGE)
      .set(local);
    f.end().end();
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
    this.probe(s.space, s.address, s.size, true);
    f.if();
    this.hostAddress();
    this.values.value(s.value);
    f.mem(STORES[s.size]!, 0);
    f.else();
    if (!this.slow.calls()) {
      this.slow.leave();
      f.end();
      return;
    }
    this.nearby(s.space, s.size, true);
    f.if();
    this.hostAddress();
    this.values.value(s.value);
    f.mem(STORES[s.size]!, 0);
    f.else();
    f.i32(0);
    this.values.value(s.value);
    f.mem(s.size === 8 ? "i64.store" : "i32.store", this.frame.base + EXCHANGE);
    this.slowArguments(s.space, s.size, true);
    f.call(importIndex("store"));
    this.slow.checkStatus();
    f.end().end();
  }

  /** After a probe that failed: leaves 1 where the page is watched, but none of the access's bytes may be. */
  private nearby(space: Space, size: number, write: boolean): void {
    const { f, frame } = this;
    if (space.kind !== "linear") {
      f.i32(0);
      return;
    }
    f.get(this.entry).mem("i64.load", write ? TLBF.WRITE_TAG : TLBF.READ_TAG);
    f.get(this.address64)
      .i64(size - 1, 0)
      .op("i64.add");
    f.i64(-4096, -1).op("i64.and").i64(TAG_WATCHED, 0).op("i64.or").op("i64.eq");
    f.get(this.address64).i64(size, 0).op("i64.add");
    f.i32(0)
      .mem("i64.load", frame.base + WATCH_FIRST)
      .op("i64.le_u");
    f.i32(0)
      .mem("i64.load", frame.base + WATCH_END)
      .get(this.address64)
      .op("i64.le_u");
    f.op("i32.or").op("i32.and");
  }

  /** Leaves 1 on the stack when the TLB has the page (and the segment permits it), with `entry` and the linear address in locals. */
  private probe(space: Space, address: Value, size: number, write: boolean): void {
    const { f } = this;
    const tag = write ? TLBF.WRITE_TAG : TLBF.READ_TAG;
    if (space.kind === "linear" && space.type === 64) {
      this.values.value(address);
      f.set(this.address64);
      this.findEntry();
      this.hasTag(tag, size);
      return;
    }
    this.values.value(address);
    f.set(this.address32).get(this.address32);
    if (space.kind === "segment") f.i32(0).mem("i32.load", this.values.segField(space.seg, SEGF.BASE)).op("i32.add");
    f.op("i64.extend_u").set(this.address64);
    this.findEntry();
    f.get(this.entry).mem("i64.load", tag);
    f.get(this.address64).op("i32.wrap");
    if (size > 1) f.i32(size - 1).op("i32.add");
    f.i32(-4096).op("i32.and").op("i64.extend_u").op("i64.eq");
    if (space.kind === "segment") this.bounds(space.seg, size, write);
  }

  /** Leaves 1 where `entry` has the page of the linear address, up to its last byte: one that crosses has another page there. */
  private hasTag(tag: number, size: number): void {
    const { f } = this;
    f.get(this.entry).mem("i64.load", tag).get(this.address64);
    if (size > 1) f.i64(size - 1, 0).op("i64.add");
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
