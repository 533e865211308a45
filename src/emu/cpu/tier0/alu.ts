/**
 * Closures for flags, and the fused shape that most instructions have: result, lazy flags and destination in one. What they store is
 * what flags.ts reads.
 */
import type { Cpu } from "../cpu.ts";
import { conditionHolds, type DirectCondition, type LazyKind, LF, lazyOp, type OpSize, settleSome } from "../flags.ts";
import type { BinaryOp, Relation } from "../ir/types.ts";
import { ARITH_FLAGS, EFLAGS, OFF } from "../layout.ts";
import { type Exec, relation32, relation64, type Test } from "./arith.ts";
import type { Slot, Slots } from "./slots.ts";

export type FusedOp = Extract<BinaryOp, "add" | "sub" | "and" | "or" | "xor">;
export const isFused = (op: string): op is FusedOp =>
  op === "add" || op === "sub" || op === "and" || op === "or" || op === "xor";

/** Two bits, by slot and position. */
export type BitSlots = readonly [BitSlot, BitSlot];
export interface BitSlot {
  readonly slot: Slot;
  readonly shift: number;
}

export class FlagClosures {
  private readonly cpu: Cpu;
  private readonly i32: Int32Array;
  private readonly op: Slot;
  readonly res: Slot;
  readonly a: Slot;
  readonly b: Slot;
  private readonly mask: Slot;
  private readonly eflags: Slot;

  constructor(cpu: Cpu, slots: Slots) {
    this.cpu = cpu;
    this.i32 = cpu.i32;
    this.op = slots.field(OFF.LF_OP);
    this.res = slots.field(OFF.LF_RES);
    this.a = slots.field(OFF.LF_A);
    this.b = slots.field(OFF.LF_B);
    this.mask = slots.field(OFF.LF_MASK);
    this.eflags = slots.field(OFF.EFLAGS);
  }

  /** d = x op y with the flags in `set`, 32 bits or narrower (`cut` masks the result). Logic sets all flags. */
  alu32(op: FusedOp, kind: LazyKind, size: OpSize, d: Slot, x: Slot, y: Slot, set: number): Exec {
    const { cpu, i32, op: lop, res, a, b, mask } = this;
    const others = ARITH_FLAGS & ~set;
    const code = lazyOp(kind, size);
    const cut = size === 8 ? 0xff : size === 16 ? 0xffff : -1;
    const h = d + 1;
    switch (op) {
      case "add":
        return () => {
          if (others !== 0 && i32[mask]! & others) settleSome(cpu, others);
          const p = i32[x]!;
          const q = i32[y]!;
          const r = (p + q) & cut;
          i32[lop] = code;
          i32[mask] = set;
          i32[a] = p;
          i32[b] = q;
          i32[res] = r;
          i32[d] = r;
          i32[h] = 0;
        };
      case "sub":
        return () => {
          if (others !== 0 && i32[mask]! & others) settleSome(cpu, others);
          const p = i32[x]!;
          const q = i32[y]!;
          const r = (p - q) & cut;
          i32[lop] = code;
          i32[mask] = set;
          i32[a] = p;
          i32[b] = q;
          i32[res] = r;
          i32[d] = r;
          i32[h] = 0;
        };
      default:
        return () => {
          const p = i32[x]!;
          const q = i32[y]!;
          const r = op === "and" ? p & q : op === "or" ? p | q : p ^ q;
          i32[lop] = code;
          i32[mask] = ARITH_FLAGS;
          i32[res] = r;
          i32[d] = r;
          i32[h] = 0;
        };
    }
  }

  alu64(op: FusedOp, kind: LazyKind, d: Slot, x: Slot, y: Slot, set: number): Exec {
    const { cpu, i32, op: lop, res, a, b, mask } = this;
    const others = ARITH_FLAGS & ~set;
    const code = lazyOp(kind, 64);
    switch (op) {
      case "add":
        return () => {
          if (others !== 0 && i32[mask]! & others) settleSome(cpu, others);
          const p = i32[x]!;
          const q = i32[y]!;
          const ph = i32[x + 1]!;
          const qh = i32[y + 1]!;
          const r = (p + q) | 0;
          const rh = (ph + qh + (r >>> 0 < p >>> 0 ? 1 : 0)) | 0;
          i32[lop] = code;
          i32[mask] = set;
          i32[a] = p;
          i32[a + 1] = ph;
          i32[b] = q;
          i32[b + 1] = qh;
          i32[res] = r;
          i32[res + 1] = rh;
          i32[d] = r;
          i32[d + 1] = rh;
        };
      case "sub":
        return () => {
          if (others !== 0 && i32[mask]! & others) settleSome(cpu, others);
          const p = i32[x]!;
          const q = i32[y]!;
          const ph = i32[x + 1]!;
          const qh = i32[y + 1]!;
          const r = (p - q) | 0;
          const rh = (ph - qh - (p >>> 0 < q >>> 0 ? 1 : 0)) | 0;
          i32[lop] = code;
          i32[mask] = set;
          i32[a] = p;
          i32[a + 1] = ph;
          i32[b] = q;
          i32[b + 1] = qh;
          i32[res] = r;
          i32[res + 1] = rh;
          i32[d] = r;
          i32[d + 1] = rh;
        };
      default:
        return () => {
          const p = i32[x]!;
          const q = i32[y]!;
          const ph = i32[x + 1]!;
          const qh = i32[y + 1]!;
          const r = op === "and" ? p & q : op === "or" ? p | q : p ^ q;
          const rh = op === "and" ? ph & qh : op === "or" ? ph | qh : ph ^ qh;
          i32[lop] = code;
          i32[mask] = ARITH_FLAGS;
          i32[res] = r;
          i32[res + 1] = rh;
          i32[d] = r;
          i32[d + 1] = rh;
        };
    }
  }

  /** Lazy flags from values that are there already; flags outside `mask` keep what they are. */
  lazy(kind: LazyKind, size: OpSize, r: Slot, x: Slot, y: Slot, mask: number): Exec {
    const { i32, cpu, op: lop, res, a, b, mask: maskSlot } = this;
    const code = lazyOp(kind, size);
    const others = ARITH_FLAGS & ~mask;
    return () => {
      if (i32[maskSlot]! & others) settleSome(cpu, others);
      i32[lop] = code;
      i32[maskSlot] = mask;
      i32[a] = i32[x]!;
      i32[a + 1] = i32[x + 1]!;
      i32[b] = i32[y]!;
      i32[b + 1] = i32[y + 1]!;
      i32[res] = i32[r]!;
      i32[res + 1] = i32[r + 1]!;
    };
  }

  /** EFLAGS bits by value. */
  bits(mask: number, value: Slot): Exec {
    const { i32, eflags, mask: maskSlot } = this;
    return () => {
      i32[eflags] = (i32[eflags]! & ~mask) | (i32[value]! & mask);
      i32[maskSlot] = i32[maskSlot]! & ~mask;
    };
  }

  /** CF and OF from single bits; the other flags of the mask become 0. A missing bit is bit 0 of a slot that holds zero. */
  plainBits(mask: number, [c, e]: BitSlots, [o, p]: BitSlots): Exec {
    const { i32, eflags, mask: maskSlot } = this;
    const [cs, ct, es, et] = [c.slot, c.shift, e.slot, e.shift];
    const [os, ot, ps, pt] = [o.slot, o.shift, p.slot, p.shift];
    if (!(mask & EFLAGS.OF)) {
      return () => {
        i32[eflags] = (i32[eflags]! & ~mask) | (((i32[cs]! >>> ct) ^ (i32[es]! >>> et)) & 1);
        i32[maskSlot] = i32[maskSlot]! & ~mask;
      };
    }
    return () => {
      const cf = ((i32[cs]! >>> ct) ^ (i32[es]! >>> et)) & 1;
      const of = ((i32[os]! >>> ot) ^ (i32[ps]! >>> pt)) & 1;
      i32[eflags] = (i32[eflags]! & ~mask) | cf | (of << 11);
      i32[maskSlot] = i32[maskSlot]! & ~mask;
    };
  }

  /** What is in slot `d` as the result of a logic operation that sets the flags in `set`; the others are settled already. */
  logicOf(size: OpSize, d: Slot, set: number): Exec {
    const { i32, op: lop, res, mask } = this;
    const code = lazyOp(LF.LOGIC, size);
    return () => {
      i32[lop] = code;
      i32[mask] = set;
      i32[res] = i32[d]!;
      i32[res + 1] = i32[d + 1]!;
    };
  }

  /** A 32-bit shift by a constant with all its flags: CF and OF from single bits, AF 0, the rest lazy. */
  shift32(op: "shl" | "shr" | "sar", d: Slot, a: Slot, n: number, [c]: BitSlots, [o, p]: BitSlots, set: number): Exec {
    const { i32, op: lop, res, mask, eflags } = this;
    const code = lazyOp(LF.LOGIC, 32);
    const others = ARITH_FLAGS & ~set;
    const [cs, ct, os, ot, ps, pt] = [c.slot, c.shift, o.slot, o.shift, p.slot, p.shift];
    return () => {
      const x = i32[a]!;
      const r = op === "shl" ? x << n : op === "shr" ? x >>> n : x >> n;
      const of = ((i32[os]! >>> ot) ^ (i32[ps]! >>> pt)) & 1;
      i32[eflags] = (i32[eflags]! & ~others) | ((i32[cs]! >>> ct) & 1) | (of << 11);
      i32[lop] = code;
      i32[mask] = set;
      i32[res] = r;
      i32[d] = r;
      i32[d + 1] = 0;
    };
  }

  /** A condition when what set the flags is not known. */
  condition(cc: number): Test {
    const { cpu } = this;
    return () => conditionHolds(cc, cpu.getFlags());
  }

  /** A condition right after a known operation, as a comparison of what it left. */
  direct(condition: DirectCondition, size: OpSize, zero: Slot): Test {
    const left = condition.of === "ab" ? this.a : this.res;
    const right = condition.of === "ab" ? this.b : zero;
    const signed =
      condition.relation === "lts" ||
      condition.relation === "ges" ||
      condition.relation === "les" ||
      condition.relation === "gts";
    if (size === 64) return relation64(this.i32, condition.relation, left, right);
    if (signed && size < 32) return this.narrowSigned(condition.relation, left, right, 32 - size);
    return relation32(this.i32, condition.relation, left, right);
  }

  private narrowSigned(relation: Relation, left: Slot, right: Slot, shift: number): Test {
    const { i32 } = this;
    switch (relation) {
      case "lts":
        return () => i32[left]! << shift < i32[right]! << shift;
      case "ges":
        return () => i32[left]! << shift >= i32[right]! << shift;
      case "les":
        return () => i32[left]! << shift <= i32[right]! << shift;
      default:
        return () => i32[left]! << shift > i32[right]! << shift;
    }
  }

  eflagsValue(d: Slot, mask: number): Exec {
    const { i32, cpu } = this;
    return () => {
      i32[d] = cpu.getFlags() & mask;
      i32[d + 1] = 0;
    };
  }
}
