/**
 * Closures for pairs that most code is full of: an operation that sets the flags with the conditional branch that tests them, and a
 * change of the stack pointer with the jump of CALL and RET. Neither half can fault or be stopped between.
 */
import type { Cpu } from "../cpu.ts";
import { type DirectCondition, type LazyKind, lazyOp, type OpSize, settleSome } from "../flags.ts";
import { ARITH_FLAGS, OFF } from "../layout.ts";
import type { FusedOp } from "./alu.ts";
import type { Exec } from "./arith.ts";
import type { Ways } from "./branch.ts";
import type { Slot, Slots } from "./slots.ts";

/** An operation as it was fused: `d = x op y` with flags. */
export interface FusedAlu {
  readonly op: FusedOp;
  readonly kind: LazyKind;
  readonly size: OpSize;
  readonly d: Slot;
  readonly x: Slot;
  readonly y: Slot;
  readonly mask: number;
}

/** Which comparison: of the operands unsigned or signed, or of the result with zero. */
const EQUAL = 0;
const BELOW = 1;
const ABOVE = 2;
const LESS = 3;
const GREATER = 4;
const NEGATIVE = 5;
const POSITIVE = 6;

/** The comparison, and whether the branch is taken when it does not hold. */
function comparisonOf({ relation, of }: DirectCondition): readonly [number, boolean] {
  const ab = of === "ab";
  switch (relation) {
    case "eq":
      return [EQUAL, false];
    case "ne":
      return [EQUAL, true];
    case "ltu":
      return [BELOW, false];
    case "geu":
      return [BELOW, true];
    case "gtu":
      return [ABOVE, false];
    case "leu":
      return [ABOVE, true];
    case "lts":
      return [ab ? LESS : NEGATIVE, false];
    case "ges":
      return [ab ? LESS : NEGATIVE, true];
    case "gts":
      return [ab ? GREATER : POSITIVE, false];
    case "les":
      return [ab ? GREATER : POSITIVE, true];
  }
}

const otherWay = ({ rip, low, high, nextLow, nextHigh }: Ways): Ways => ({
  rip,
  low: nextLow,
  high: nextHigh,
  nextLow: low,
  nextHigh: high,
});

export function aluBranch(cpu: Cpu, slots: Slots, alu: FusedAlu, condition: DirectCondition, to: Ways): Exec {
  const [test, negated] = comparisonOf(condition);
  const ways = negated ? otherWay(to) : to;
  return alu.size === 64 ? aluBranch64(cpu, slots, alu, test, ways) : aluBranch32(cpu, slots, alu, test, ways);
}

function aluBranch32(cpu: Cpu, slots: Slots, alu: FusedAlu, test: number, ways: Ways): Exec {
  const { i32 } = cpu;
  const { op, size, d, x, y, mask: set } = alu;
  const { rip, low, high, nextLow, nextHigh } = ways;
  const [lop, mask, res] = [slots.field(OFF.LF_OP), slots.field(OFF.LF_MASK), slots.field(OFF.LF_RES)];
  const [a, b] = [slots.field(OFF.LF_A), slots.field(OFF.LF_B)];
  const others = ARITH_FLAGS & ~set;
  const code = lazyOp(alu.kind, size);
  const cut = size === 8 ? 0xff : size === 16 ? 0xffff : -1;
  return () => {
    if (others !== 0 && i32[mask]! & others) settleSome(cpu, others);
    const p = i32[x]!;
    const q = i32[y]!;
    const r = (op === "sub" ? p - q : op === "and" ? p & q : op === "add" ? p + q : op === "or" ? p | q : p ^ q) & cut;
    i32[lop] = code;
    i32[mask] = set;
    i32[a] = p;
    i32[b] = q;
    i32[res] = r;
    i32[d] = r;
    i32[d + 1] = 0;
    let taken: boolean;
    if (test === EQUAL) taken = r === 0;
    else if (test === BELOW) taken = p >>> 0 < q >>> 0;
    else if (test === ABOVE) taken = p >>> 0 > q >>> 0;
    else if (test === LESS) taken = p < q;
    else if (test === GREATER) taken = p > q;
    else taken = test === NEGATIVE ? r < 0 : r > 0;
    i32[rip] = taken ? low : nextLow;
    i32[rip + 1] = taken ? high : nextHigh;
  };
}

function aluBranch64(cpu: Cpu, slots: Slots, alu: FusedAlu, test: number, ways: Ways): Exec {
  const { i32 } = cpu;
  const { op, d, x, y, mask: set } = alu;
  const { rip, low, high, nextLow, nextHigh } = ways;
  const [lop, mask, res] = [slots.field(OFF.LF_OP), slots.field(OFF.LF_MASK), slots.field(OFF.LF_RES)];
  const [a, b] = [slots.field(OFF.LF_A), slots.field(OFF.LF_B)];
  const others = ARITH_FLAGS & ~set;
  const code = lazyOp(alu.kind, 64);
  return () => {
    if (others !== 0 && i32[mask]! & others) settleSome(cpu, others);
    const p = i32[x]!;
    const q = i32[y]!;
    const ph = i32[x + 1]!;
    const qh = i32[y + 1]!;
    let r: number;
    let rh: number;
    if (op === "sub") {
      r = (p - q) | 0;
      rh = (ph - qh - (p >>> 0 < q >>> 0 ? 1 : 0)) | 0;
    } else if (op === "add") {
      r = (p + q) | 0;
      rh = (ph + qh + (r >>> 0 < p >>> 0 ? 1 : 0)) | 0;
    } else {
      r = op === "and" ? p & q : op === "or" ? p | q : p ^ q;
      rh = op === "and" ? ph & qh : op === "or" ? ph | qh : ph ^ qh;
    }
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
    let taken: boolean;
    if (test === EQUAL) taken = (r | rh) === 0;
    else if (test === BELOW) taken = ph === qh ? p >>> 0 < q >>> 0 : ph >>> 0 < qh >>> 0;
    else if (test === ABOVE) taken = ph === qh ? p >>> 0 > q >>> 0 : ph >>> 0 > qh >>> 0;
    else if (test === LESS) taken = ph === qh ? p >>> 0 < q >>> 0 : ph < qh;
    else if (test === GREATER) taken = ph === qh ? p >>> 0 > q >>> 0 : ph > qh;
    else taken = test === NEGATIVE ? rh < 0 : rh >= 0 && (r | rh) !== 0;
    i32[rip] = taken ? low : nextLow;
    i32[rip + 1] = taken ? high : nextHigh;
  };
}

/** Where a jump goes: a constant, or a slot that is checked first if `check`. */
export type JumpTarget =
  | { readonly low: number; readonly high: number }
  | { readonly slot: Slot; readonly check: boolean };

/** `sp = sp + delta; RIP = target`, in 64-bit code or with a flat 32-bit stack. */
export function stackJump(
  cpu: Cpu,
  wide: boolean,
  [sp, rip]: readonly [Slot, Slot],
  [deltaLow, deltaHigh]: readonly [number, number],
  to: JumpTarget,
): Exec {
  const { i32 } = cpu;
  const move = (): void => {
    const old = i32[sp]!;
    const low = (old + deltaLow) | 0;
    i32[sp] = low;
    i32[sp + 1] = wide ? i32[sp + 1]! + deltaHigh + (low >>> 0 < old >>> 0 ? 1 : 0) : 0;
  };
  if ("low" in to) {
    const { low, high } = to;
    return () => {
      move();
      i32[rip] = low;
      i32[rip + 1] = high;
    };
  }
  const { slot, check } = to;
  return () => {
    const low = i32[slot]!;
    const high = wide ? i32[slot + 1]! : 0;
    if (check && high >> 15 !== 0 && high >> 15 !== -1) cpu.checkNearTarget(low, high);
    move();
    i32[rip] = low;
    i32[rip + 1] = high;
  };
}
