/** Bit tests (with memory bit offsets), bit scans and counts, BMI1 and BMI2. */
import { LF, type OpSize } from "../flags.ts";
import type { IrBuilder } from "../ir/builder.ts";
import type { Value } from "../ir/types.ts";
import { ARITH_FLAGS, EFLAGS } from "../layout.ts";
import { computed, type Helper, type Lowering, lowered, type OperationTable } from "../operation.ts";

const SZ = EFLAGS.SF | EFLAGS.ZF;
const flag = (b: IrBuilder, bit: number, value: Value): Value => b.shl(value, b.i32(bit));

type Change = ((b: IrBuilder, value: Value, mask: Value) => Value) | undefined;

/** A register bit offset reaches memory far from the operand, in steps of the operand's size, in both directions. */
function bitOperand(b: IrBuilder, size: OpSize, writes: boolean): { value: Value; write(v: Value): void } {
  const op = b.operand(0);
  if (op.kind !== "mem" || b.operand(1).kind !== "reg") {
    return writes ? b.modify(0) : { value: b.read(0), write: () => {} };
  }
  const shift = size === 64 ? 6 : size === 32 ? 5 : 4;
  let offset = b.read(1);
  if (size === 16) offset = b.signExtend(16, 32, offset);
  let bytes = b.shl(b.sar(offset, b.i32(shift)), b.i32(shift - 3));
  const address = b.effectiveAddress(op);
  if (address.type === 64) bytes = b.extend(bytes, true);
  else bytes = b.low(bytes);
  const sum = b.add(address, bytes);
  const place = b.placeAt(op.seg, b.insn.addrSize === 16 ? b.and(sum, b.i32(0xffff)) : sum);
  const fixed = { address: b.let(place.address), space: place.space };
  const value = b.load(fixed, size, writes);
  return { value, write: (v) => b.store(fixed, size, v) };
}

/** BT, BTS, BTR, BTC: CF gets the bit; nothing else changes. */
const bitTest =
  (change: Change): Lowering =>
  (b) => {
    const size = b.sizeOf(0);
    const target = bitOperand(b, size, change !== undefined);
    const value = b.let(target.value);
    const n = b.let(b.and(b.low(b.read(1)), b.i32(size - 1)));
    const cf = b.let(b.and(b.low(b.shr(value, n)), b.i32(1)));
    if (change) {
      const mask = b.shl(size === 64 ? b.const(64, 1, 0) : b.i32(1), n);
      const result = b.let(b.truncate(size, change(b, value, mask)));
      b.setFlagBits(EFLAGS.CF, cf);
      target.write(result);
    } else b.setFlagBits(EFLAGS.CF, cf);
  };

/** BSF and BSR of zero set ZF and leave the target as it was. The other flags are undefined; Intel clears all but PF. */
const scan =
  (forward: boolean): Lowering =>
  (b) => {
    const size = b.sizeOf(0);
    const source = b.let(b.read(1));
    const none = b.let(b.isZero(source));
    const found = forward
      ? b.low(b.unary("ctz", source))
      : b.sub(b.i32(size === 64 ? 63 : 31), b.low(b.unary("clz", source)));
    const result = size === 64 ? b.extend(found, false) : found;
    b.setFlagBits(ARITH_FLAGS & ~EFLAGS.PF, flag(b, 6, none));
    if (size !== 32) b.write(0, b.select(none, b.read(0), result));
    else {
      const op = b.operand(0);
      if (op.kind !== "reg") throw new Error("BSF and BSR write registers");
      b.setReg(op.reg, 64, b.select(none, b.reg(op.reg, 64), b.extend(result, false)));
    }
  };

const popcnt: Lowering = (b) => {
  const source = b.let(b.read(1));
  b.setFlagBits(ARITH_FLAGS, flag(b, 6, b.isZero(source)));
  b.write(0, b.unary("popcnt", source));
};

/** LZCNT and TZCNT: CF if there is no bit, ZF if the count is zero; Intel clears the others. */
const count =
  (leading: boolean): Lowering =>
  (b) => {
    const size = b.sizeOf(0);
    const source = b.let(b.read(1));
    let result: Value;
    if (leading) {
      const all = b.unary("clz", source);
      result = size === 16 ? b.sub(all, b.i32(16)) : all;
    } else if (size === 16) result = b.unary("ctz", b.or(source, b.i32(0x10000)));
    else result = b.unary("ctz", source);
    const made = b.let(result);
    const bits = b.or(b.isZero(source), flag(b, 6, b.isZero(made)));
    b.setFlagBits(ARITH_FLAGS, bits);
    b.write(0, made);
  };

// --- BMI; PF and AF are undefined, Intel clears them

const logicFlags = (b: IrBuilder, size: OpSize, result: Value, carry?: Value): void => {
  const zero = b.const(size, 0);
  b.setFlagBits(ARITH_FLAGS & ~SZ, carry ?? b.i32(0));
  b.setFlags(LF.LOGIC, size, result, zero, zero, SZ);
};

const andn: Lowering = (b) => {
  const size = b.sizeOf(0);
  const result = b.let(b.and(b.not(b.read(1)), b.read(2)));
  logicFlags(b, size, result);
  b.write(0, result);
};

/** BLSI, BLSR, BLSMSK: the target is operand 0, the source operand 1. */
const lowestBit =
  (combine: (b: IrBuilder, source: Value, one: Value) => Value, carryIfZero: boolean): Lowering =>
  (b) => {
    const size = b.sizeOf(0);
    const source = b.let(b.read(1));
    const result = b.let(combine(b, source, b.const(size, 1, 0)));
    const carry = b.let(carryIfZero ? b.isZero(source) : b.nonZero(source));
    logicFlags(b, size, result, carry);
    b.write(0, result);
  };

const bextr: Lowering = (b) => {
  const size = b.sizeOf(0);
  const source = b.read(1);
  const control = b.let(b.low(b.read(2)));
  const start = b.let(b.and(control, b.i32(0xff)));
  const length = b.let(b.and(b.shr(control, b.i32(8)), b.i32(0xff)));
  const zero = b.const(size, 0);
  const width = b.i32(size);
  const shifted = b.select(b.compare("ltu", start, width), b.shr(source, start), zero);
  const mask = b.sub(b.shl(b.const(size, 1, 0), length), b.const(size, 1, 0));
  const result = b.let(b.select(b.compare("ltu", length, width), b.and(shifted, mask), shifted));
  logicFlags(b, size, result);
  b.write(0, result);
};

const bzhi: Lowering = (b) => {
  const size = b.sizeOf(0);
  const source = b.let(b.read(1));
  const index = b.let(b.and(b.low(b.read(2)), b.i32(0xff)));
  const inside = b.let(b.compare("ltu", index, b.i32(size)));
  const mask = b.sub(b.shl(b.const(size, 1, 0), index), b.const(size, 1, 0));
  const result = b.let(b.select(inside, b.and(source, mask), source));
  logicFlags(b, size, result, b.let(b.isZero(inside)));
  b.write(0, result);
};

/** SARX, SHLX, SHRX, RORX: no flags. */
const flagless =
  (op: "sar" | "shl" | "shr" | "ror"): Lowering =>
  (b) =>
    b.write(0, b.binary(op, b.read(1), b.low(b.read(2))));

/** PDEP and PEXT: bits of the source to or from the places that the mask names. */
const scatter =
  (deposit: boolean): Helper =>
  (cpu, insn) => {
    const sourceLow = cpu.readOp(insn, 1);
    const source = (BigInt(cpu.high >>> 0) << 32n) | BigInt(sourceLow >>> 0);
    const maskLow = cpu.readOp(insn, 2);
    let mask = (BigInt(cpu.high >>> 0) << 32n) | BigInt(maskLow >>> 0);
    let result = 0n;
    for (let k = 0n; mask !== 0n; k++) {
      const lowest = mask & -mask;
      if (deposit && (source >> k) & 1n) result |= lowest;
      if (!deposit && source & lowest) result |= 1n << k;
      mask &= mask - 1n;
    }
    cpu.writeOp(insn, 0, Number(BigInt.asIntN(32, result)), Number(BigInt.asIntN(32, result >> 32n)));
  };

export const bitOperations: OperationTable = {
  Bt: lowered(bitTest(undefined)),
  Bts: lowered(bitTest((b, v, mask) => b.or(v, mask))),
  Btr: lowered(bitTest((b, v, mask) => b.and(v, b.not(mask)))),
  Btc: lowered(bitTest((b, v, mask) => b.xor(v, mask))),
  Bsf: lowered(scan(true)),
  Bsr: lowered(scan(false)),
  Popcnt: lowered(popcnt),
  Lzcnt: lowered(count(true)),
  Tzcnt: lowered(count(false)),
  Andn: lowered(andn),
  Blsi: lowered(lowestBit((b, s) => b.and(s, b.unary("neg", s)), false)),
  Blsr: lowered(lowestBit((b, s, one) => b.and(s, b.sub(s, one)), true)),
  Blsmsk: lowered(lowestBit((b, s, one) => b.xor(s, b.sub(s, one)), true)),
  Bextr: lowered(bextr),
  Bzhi: lowered(bzhi),
  Rorx: lowered(flagless("ror")),
  Sarx: lowered(flagless("sar")),
  Shlx: lowered(flagless("shl")),
  Shrx: lowered(flagless("shr")),
  Pdep: computed(scatter(true)),
  Pext: computed(scatter(false)),
};
