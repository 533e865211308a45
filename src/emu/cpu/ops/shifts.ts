/**
 * Shifts and rotates. Counts are masked to 5 bits (6 for 64-bit operands); a count of zero changes no flag. The manuals define OF
 * for a count of one only; for others it is what Intel's processors leave: OF of the first step, except that a rotate of a
 * register by an immediate above one leaves it alone. Shifts clear AF.
 */
import { LF, type OpSize } from "../flags.ts";
import type { IrBuilder } from "../ir/builder.ts";
import type { Value } from "../ir/types.ts";
import { EFLAGS } from "../layout.ts";
import { type Lowering, lowered, type OperationTable } from "../operation.ts";

/** These stay lazy; the others are set first, so that nothing older is left to settle. */
const SZP = EFLAGS.SF | EFLAGS.ZF | EFLAGS.PF;
const CF_OF = EFLAGS.CF | EFLAGS.OF;

/** The masked count as a 32-bit value, and whether it is not zero (undefined = surely). */
interface Count {
  readonly n: Value;
  readonly when: Value | undefined;
  readonly zero: boolean;
  /** A register by an immediate above one. */
  readonly many: boolean;
}
function countOf(b: IrBuilder, size: OpSize, operand: number): Count {
  const mask = size === 64 ? 63 : 31;
  const op = b.operand(operand);
  if (op.kind === "imm") {
    const n = op.low & mask;
    return { n: b.i32(n), when: undefined, zero: n === 0, many: n > 1 && b.operand(0).kind === "reg" };
  }
  const n = b.let(b.and(b.low(b.read(operand)), b.i32(mask)));
  return { n, when: n, zero: false, many: false };
}

const minusOne = (b: IrBuilder, n: Value): Value => (n.op === "const" ? b.i32(n.low - 1) : b.sub(n, b.i32(1)));
const bit0 = (b: IrBuilder, v: Value): Value => b.and(b.low(v), b.i32(1));
/** CF in bit 0 and OF in bit 11. */
const carryOverflow = (b: IrBuilder, cf: Value, of: Value): Value => b.or(cf, b.shl(of, b.i32(11)));

/** The bit below the top one, as 0 or 1. */
const nextToTop = (b: IrBuilder, size: OpSize, v: Value): Value =>
  size === 64 ? b.and(b.shr(b.high(v), b.i32(30)), b.i32(1)) : b.and(b.shr(v, b.i32(size - 2)), b.i32(1));

/** OF of one step to the left: the sign changes. */
const topsDiffer = (b: IrBuilder, size: OpSize, v: Value): Value => b.xor(b.signBit(size, v), nextToTop(b, size, v));

const shift =
  (op: "shl" | "shr" | "sar"): Lowering =>
  (b) => {
    const size = b.sizeOf(0);
    const count = countOf(b, size, 1);
    const target = b.modify(0);
    if (count.zero) {
      target.write(target.value);
      return;
    }
    const { n } = count;
    const before = minusOne(b, n);
    const a = op === "sar" ? b.let(b.signExtend(size, size === 64 ? 64 : 32, target.value)) : b.let(target.value);
    const result = b.let(b.truncate(size, b.binary(op, a, n)));
    // A shift by count - 1 leaves the last bit out at the edge.
    const almost = b.binary(op, a, before);
    const cf = b.let(op === "shl" ? b.signBit(size, almost) : bit0(b, almost));
    let of: Value = b.i32(0);
    if (op === "shl") of = topsDiffer(b, size, a);
    else if (op === "shr") of = b.signBit(size, a);
    const zero = b.const(size, 0);
    const bits = b.let(carryOverflow(b, cf, of));
    b.setFlagBits(CF_OF | EFLAGS.AF, bits, count.when);
    b.setFlags(LF.LOGIC, size, result, zero, zero, SZP, count.when);
    target.write(result);
  };

/** Only CF and OF change, for `many` only CF. */
function rotateFlags(b: IrBuilder, size: OpSize, left: boolean, a: Value, result: Value, count: Count): void {
  const cf = left ? bit0(b, result) : b.signBit(size, result);
  if (count.many) {
    b.setFlagBits(EFLAGS.CF, cf);
    return;
  }
  const of = left ? topsDiffer(b, size, a) : b.xor(b.signBit(size, a), bit0(b, a));
  b.setFlagBits(CF_OF, carryOverflow(b, cf, of), count.when);
}

const rotate =
  (left: boolean): Lowering =>
  (b) => {
    const size = b.sizeOf(0);
    const count = countOf(b, size, 1);
    const target = b.modify(0);
    if (count.zero) {
      target.write(target.value);
      return;
    }
    const a = b.let(target.value);
    let result: Value;
    if (size >= 32) result = b.binary(left ? "rol" : "ror", a, count.n);
    else {
      const n = b.let(b.and(count.n, b.i32(size - 1)));
      const back = b.sub(b.i32(size), n);
      const [up, down] = left ? [n, back] : [back, n];
      result = b.truncate(size, b.or(b.shl(a, up), b.shr(a, down)));
    }
    const made = b.let(result);
    rotateFlags(b, size, left, a, made, count);
    target.write(made);
  };

/** Remainder of a count below 32 by 9 or 17. */
function modulo(b: IrBuilder, n: Value, by: number): Value {
  let rest = n;
  for (let limit = by; limit < 32; limit += by)
    rest = b.sub(rest, b.select(b.compare("geu", n, b.i32(limit)), b.i32(by), b.i32(0)));
  return rest;
}

/** Rotation through carry, as a rotation of size + 1 bits in a 64-bit value. */
function throughCarryNarrow(
  b: IrBuilder,
  size: OpSize,
  left: boolean,
  a: Value,
  count: Value,
): { result: Value; cf: Value } {
  const width = size + 1;
  const n = b.let(size === 32 ? count : modulo(b, count, width));
  const wide = b.let(b.or(b.extend(a, false), b.shl(b.extend(b.carry(), false), b.i32(size))));
  const back = b.sub(b.i32(width), n);
  const [up, down] = left ? [n, back] : [back, n];
  const turned = b.let(b.or(b.shl(wide, up), b.shr(wide, down)));
  return { result: b.truncate(size, b.low(turned)), cf: bit0(b, b.low(b.shr(turned, b.i32(size)))) };
}

/** 65 bits do not fit a value: the count is known not to be zero where this counts. */
function throughCarry64(b: IrBuilder, left: boolean, a: Value, n: Value): { result: Value; cf: Value } {
  const carry = b.extend(b.carry(), false);
  const one = b.i32(1);
  const back = b.sub(b.i32(64), n);
  const before = b.sub(n, one);
  const zero = b.const(64, 0);
  if (left) {
    const wrapped = b.shr(b.shr(a, one), b.and(back, b.i32(63)));
    const result = b.or(b.or(b.shl(a, n), b.shl(carry, before)), b.select(b.compare("eq", n, one), zero, wrapped));
    return { result, cf: bit0(b, b.low(b.shr(a, back))) };
  }
  const wrapped = b.shl(b.shl(a, one), b.and(back, b.i32(63)));
  const result = b.or(b.or(b.shr(a, n), b.shl(carry, back)), b.select(b.compare("eq", n, one), zero, wrapped));
  return { result, cf: bit0(b, b.low(b.shr(a, before))) };
}

const rotateCarry =
  (left: boolean): Lowering =>
  (b) => {
    const size = b.sizeOf(0);
    const count = countOf(b, size, 1);
    const target = b.modify(0);
    if (count.zero) {
      target.write(target.value);
      return;
    }
    const a = b.let(target.value);
    const { result, cf } =
      size === 64 ? throughCarry64(b, left, a, count.n) : throughCarryNarrow(b, size, left, a, count.n);
    const made = b.let(count.when ? b.select(count.when, result, a) : result);
    const carry = b.let(cf);
    const of = left ? topsDiffer(b, size, a) : b.xor(b.signBit(size, a), b.carry());
    b.setFlagBits(CF_OF, carryOverflow(b, carry, of), count.when);
    target.write(made);
  };

/** SHLD and SHRD. With 16-bit operands and counts above 16 the source comes round again, as on Intel. */
const double =
  (left: boolean): Lowering =>
  (b) => {
    const size = b.sizeOf(0);
    const count = countOf(b, size, 2);
    const target = b.modify(0);
    if (count.zero) {
      target.write(target.value);
      return;
    }
    const a = b.let(target.value);
    const s = b.let(b.read(1));
    const { n } = count;
    const made = b.let(size === 64 ? double64(b, left, a, s, n) : doubleNarrow(b, size, left, a, s, n));
    const cf = b.let(bit0(b, lastOut(b, size, left, a, s, n)));
    const of = left ? topsDiffer(b, size, a) : b.xor(b.signBit(size, a), bit0(b, s));
    const zero = b.const(size, 0);
    const bits = b.let(carryOverflow(b, cf, of));
    b.setFlagBits(CF_OF | EFLAGS.AF, bits, count.when);
    b.setFlags(LF.LOGIC, size, made, zero, zero, SZP, count.when);
    target.write(made);
  };

function double64(b: IrBuilder, left: boolean, a: Value, s: Value, n: Value): Value {
  const one = b.i32(1);
  const rest = b.sub(b.i32(63), n);
  return left ? b.or(b.shl(a, n), b.shr(b.shr(s, one), rest)) : b.or(b.shr(a, n), b.shl(b.shl(s, one), rest));
}

/** Target and source side by side in 64 bits; 16-bit operands with the target once more behind. */
function together(b: IrBuilder, size: OpSize, left: boolean, a: Value, s: Value): Value {
  const wide = (v: Value, at: number): Value => b.shl(b.extend(v, false), b.i32(at));
  if (size === 32) return left ? b.or(wide(a, 32), wide(s, 0)) : b.or(wide(s, 32), wide(a, 0));
  return left ? b.or(b.or(wide(a, 48), wide(s, 32)), wide(a, 16)) : b.or(b.or(wide(a, 0), wide(s, 16)), wide(a, 32));
}

function doubleNarrow(b: IrBuilder, size: OpSize, left: boolean, a: Value, s: Value, n: Value): Value {
  const both = together(b, size, left, a, s);
  if (!left) return b.truncate(size, b.low(b.shr(both, n)));
  return b.low(b.shr(b.shl(both, n), b.i32(64 - size)));
}

/** A value whose bit 0 is the last bit shifted out. */
function lastOut(b: IrBuilder, size: OpSize, left: boolean, a: Value, s: Value, n: Value): Value {
  if (size === 64) return left ? b.shr(a, b.sub(b.i32(64), n)) : b.shr(a, b.sub(n, b.i32(1)));
  const both = together(b, size, left, a, s);
  return left ? b.shr(both, b.sub(b.i32(64), n)) : b.shr(both, b.sub(n, b.i32(1)));
}

export const shiftOperations: OperationTable = {
  Shl: lowered(shift("shl")),
  Sal: lowered(shift("shl")),
  Shr: lowered(shift("shr")),
  Sar: lowered(shift("sar")),
  Rol: lowered(rotate(true)),
  Ror: lowered(rotate(false)),
  Rcl: lowered(rotateCarry(true)),
  Rcr: lowered(rotateCarry(false)),
  Shld: lowered(double(true)),
  Shrd: lowered(double(false)),
};
