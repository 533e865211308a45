/**
 * Flags in compiled code. While a block is emitted this knows, for each of the six, whether it is to be computed from the last lazy
 * operation (and by which formula), whether it lies in EFLAGS, or neither: then TypeScript is asked.
 */
import {
  adjustWord,
  CC,
  carryWord,
  conditionReads,
  directCondition,
  type LazyKind,
  lazyOp,
  type OpSize,
  overflowWord,
  type WordAlgebra,
} from "../flags.ts";
import type { Relation } from "../ir/types.ts";
import { ARITH_FLAGS, EFLAGS } from "../layout.ts";
import { type Frame, importIndex } from "./frame.ts";
import type { FunctionBody, OpName } from "./wasm.ts";

export const RELATION: Record<Relation, string> = {
  eq: "eq",
  ne: "ne",
  ltu: "lt_u",
  geu: "ge_u",
  leu: "le_u",
  gtu: "gt_u",
  lts: "lt_s",
  ges: "ge_s",
  les: "le_s",
  gts: "gt_s",
};

interface LazyFlags {
  readonly kind: LazyKind;
  readonly size: OpSize;
  readonly mask: number;
}

/** Emits a word. */
type Word = () => void;

const bitOf = (flag: number): number => 31 - Math.clz32(flag);
const SIX = [EFLAGS.CF, EFLAGS.PF, EFLAGS.AF, EFLAGS.ZF, EFLAGS.SF, EFLAGS.OF] as const;

export class FlagState {
  private readonly f: FunctionBody;
  private readonly frame: Frame;
  private readonly words: WordAlgebra<Word>;
  private lazy: LazyFlags | undefined;
  /** Flags that surely are in EFLAGS. */
  private settled = 0;

  constructor(f: FunctionBody, frame: Frame) {
    this.f = f;
    this.frame = frame;
    const both =
      (name: OpName) =>
      (a: Word, b: Word): Word =>
      () => {
        a();
        b();
        f.op(name);
      };
    this.words = {
      and: both("i64.and"),
      or: both("i64.or"),
      xor: both("i64.xor"),
      not: (a) => () => {
        a();
        f.i64(-1, -1).op("i64.xor");
      },
      zero: () => f.i64(0, 0),
    };
  }

  /** Nothing is known: at a block's start, and after a helper. */
  forget(): void {
    this.lazy = undefined;
    this.settled = 0;
  }

  // --- reading

  private isKnown(flags: number): boolean {
    return (flags & ~((this.lazy?.mask ?? 0) | this.settled)) === 0;
  }

  /** Leaves 1 or 0. */
  condition(cc: number): void {
    const { f, frame, lazy } = this;
    const reads = conditionReads(cc);
    const direct = lazy && (reads & ~lazy.mask) === 0 ? directCondition(cc, lazy.kind) : undefined;
    if (lazy && direct) {
      this.compare(lazy, direct.relation, direct.of === "ab");
      return;
    }
    if (!this.isKnown(reads)) {
      frame.storeFlags();
      f.i32(cc).call(importIndex("condition"));
      return;
    }
    if (cc >= CC.L) {
      this.flag(EFLAGS.SF);
      this.flag(EFLAGS.OF);
      f.op("i32.xor");
    } else this.flag(reads & EFLAGS.CF ? EFLAGS.CF : reads);
    if (reads & EFLAGS.ZF && reads !== EFLAGS.ZF) {
      this.flag(EFLAGS.ZF);
      f.op("i32.or");
    }
    if (cc & 1) f.op("i32.eqz");
  }

  private compare({ size }: LazyFlags, relation: Relation, ab: boolean): void {
    const { f, frame } = this;
    const signed = relation.endsWith("s");
    const shift = signed && size < 64 ? 64 - size : 0;
    const side = (local: number): void => {
      f.get(local);
      if (shift) f.i64(shift, 0).op("i64.shl");
    };
    side(ab ? frame.flags.a : frame.flags.res);
    if (ab) side(frame.flags.b);
    else f.i64(0, 0);
    f.op(`i64.${RELATION[relation]}` as OpName);
  }

  /** Leaves the bits of EFLAGS that are in `mask`. */
  image(mask: number): void {
    const { f, frame } = this;
    if (!this.isKnown(mask & ARITH_FLAGS)) {
      frame.storeFlags();
      f.i32(mask).call(importIndex("flags"));
      return;
    }
    const computed = mask & (this.lazy?.mask ?? 0);
    f.get(frame.flags.eflags)
      .i32(mask & ~computed)
      .op("i32.and");
    this.orComputed(computed);
  }

  /** Ors flags of the lazy operation to the word on the stack. */
  private orComputed(flags: number): void {
    for (const flag of SIX) {
      if (!(flags & flag)) continue;
      this.flag(flag);
      if (flag !== EFLAGS.CF) this.f.i32(bitOf(flag)).op("i32.shl");
      this.f.op("i32.or");
    }
  }

  /** One known flag as 0 or 1. */
  private flag(flag: number): void {
    const { f, frame, lazy, words } = this;
    if (!lazy || !(lazy.mask & flag)) {
      f.get(frame.flags.eflags);
      if (flag !== EFLAGS.CF) f.i32(bitOf(flag)).op("i32.shr_u");
      f.i32(1).op("i32.and");
      return;
    }
    const [r, a, b] = [frame.flags.res, frame.flags.a, frame.flags.b].map((local) => () => void f.get(local));
    const top = lazy.size - 1;
    switch (flag) {
      case EFLAGS.CF:
        this.bit(carryWord(words, lazy.kind, r!, a!, b!), top);
        return;
      case EFLAGS.OF:
        this.bit(overflowWord(words, lazy.kind, r!, a!, b!), top);
        return;
      case EFLAGS.AF:
        this.bit(adjustWord(words, lazy.kind, r!, a!, b!), 4);
        return;
      case EFLAGS.SF:
        this.bit(r!, top);
        return;
      case EFLAGS.ZF:
        this.compare(lazy, "eq", false);
        return;
      default:
        f.get(frame.flags.res).op("i32.wrap").i32(0xff).op("i32.and").op("i32.popcnt").i32(1).op("i32.and");
        f.op("i32.eqz");
    }
  }

  private bit(word: Word, index: number): void {
    word();
    this.f.i64(index, 0).op("i64.shr_u").op("i32.wrap").i32(1).op("i32.and");
  }

  // --- writing

  /** The operands' words are on the stack: result, a, b. `sometimes`: under a condition that is only known at run time. */
  setLazy(kind: LazyKind, size: OpSize, mask: number): void {
    const { f } = this;
    const { flags } = this.frame;
    f.set(flags.b).set(flags.a).set(flags.res);
    f.i32(lazyOp(kind, size)).set(flags.op);
    f.i32(mask).set(flags.mask);
  }
  /** What is known after `setLazy`. */
  noteLazy(kind: LazyKind, size: OpSize, mask: number, sometimes: boolean): void {
    this.lazy = sometimes ? undefined : { kind, size, mask };
    this.settled = (sometimes ? this.settled : ARITH_FLAGS) & ~mask;
  }

  /** Flags that the coming lazy operation leaves alone must not stay lazy. */
  settle(others: number): void {
    const { f, frame } = this;
    const { flags } = frame;
    const pending = others & ~this.settled;
    if (pending === 0) return;
    if (this.isKnown(pending)) {
      f.get(flags.eflags).i32(~pending).op("i32.and");
      this.orComputed(pending);
      f.set(flags.eflags);
      return;
    }
    f.get(flags.mask).i32(pending).op("i32.and").if();
    frame.storeFlags();
    f.i32(pending).call(importIndex("settle")).set(flags.eflags);
    f.end();
  }

  /** An EFLAGS image is on the stack: its bits in `mask` are the flags now. */
  setBits(mask: number): void {
    const { f } = this;
    const { flags } = this.frame;
    f.i32(mask).op("i32.and").get(flags.eflags).i32(~mask).op("i32.and").op("i32.or").set(flags.eflags);
    if (mask & ARITH_FLAGS) f.get(flags.mask).i32(~mask).op("i32.and").set(flags.mask);
  }
  noteBits(mask: number, sometimes: boolean): void {
    if (this.lazy) this.lazy = { ...this.lazy, mask: this.lazy.mask & ~mask };
    if (!sometimes) this.settled |= mask & ARITH_FLAGS;
  }
}
