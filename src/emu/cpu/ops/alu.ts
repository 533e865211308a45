/** Integer arithmetic and logic on two operands, and the one-operand forms. Flags are written before the result. */
import { type LazyKind, LF, type OpSize } from "../flags.ts";
import type { IrBuilder } from "../ir/builder.ts";
import type { BinaryOp, Value } from "../ir/types.ts";
import { ARITH_FLAGS, EFLAGS, GPR } from "../layout.ts";
import { type Lowering, lowered, type OperationTable } from "../operation.ts";

const zero = (b: IrBuilder, size: OpSize): Value => b.const(size, 0);
const withoutCarry = ARITH_FLAGS & ~EFLAGS.CF;

/** ADD and SUB; CMP is SUB without the result. */
const arith =
  (op: "add" | "sub", kind: LazyKind, keep: boolean): Lowering =>
  (b) => {
    const size = b.sizeOf(0);
    const target = keep ? b.modify(0) : { value: b.read(0), write: () => {} };
    const source = b.read(1);
    const result = b.let(b.truncate(size, b.binary(op, target.value, source)));
    b.setFlags(kind, size, result, target.value, source);
    target.write(result);
  };

const withCarry =
  (op: "add" | "sub", kind: LazyKind): Lowering =>
  (b) => {
    const size = b.sizeOf(0);
    const target = b.modify(0);
    const source = b.read(1);
    const carry = size === 64 ? b.extend(b.carry(), false) : b.carry();
    const result = b.let(b.truncate(size, b.binary(op, b.binary(op, target.value, source), carry)));
    b.setFlags(kind, size, result, target.value, source);
    target.write(result);
  };

/** AND, OR, XOR; TEST is AND without the result. */
const logic =
  (op: BinaryOp, keep: boolean): Lowering =>
  (b) => {
    const size = b.sizeOf(0);
    const target = keep ? b.modify(0) : { value: b.read(0), write: () => {} };
    const result = b.let(b.binary(op, target.value, b.read(1)));
    b.setFlags(LF.LOGIC, size, result, zero(b, size), zero(b, size));
    target.write(result);
  };

/** INC and DEC leave CF alone. */
const step =
  (op: "add" | "sub", kind: LazyKind): Lowering =>
  (b) => {
    const size = b.sizeOf(0);
    const target = b.modify(0);
    const one = b.const(size, 1, 0);
    const result = b.let(b.truncate(size, b.binary(op, target.value, one)));
    b.setFlags(kind, size, result, target.value, one, withoutCarry);
    target.write(result);
  };

const neg: Lowering = (b) => {
  const size = b.sizeOf(0);
  const target = b.modify(0);
  const from = zero(b, size);
  const result = b.let(b.truncate(size, b.sub(from, target.value)));
  b.setFlags(LF.SUB, size, result, from, target.value);
  target.write(result);
};

const not: Lowering = (b) => {
  const target = b.modify(0);
  target.write(b.truncate(b.sizeOf(0), b.not(target.value)));
};

/** The source gets the old target; if they are one register, it ends with the sum. */
const xadd: Lowering = (b) => {
  const size = b.sizeOf(0);
  const target = b.modify(0);
  const old = b.let(target.value);
  const source = b.let(b.read(1));
  const result = b.let(b.truncate(size, b.add(old, source)));
  b.setFlags(LF.ADD, size, result, old, source);
  b.write(1, old);
  target.write(result);
};

/** The target is always written; the accumulator only changes when the comparison fails. */
const cmpxchg: Lowering = (b) => {
  const size = b.sizeOf(0);
  const target = b.modify(0);
  const old = b.let(target.value);
  const accumulator = b.let(b.reg(GPR.RAX, size));
  const source = b.let(b.read(1));
  const op = b.operand(0);
  const target64 = size === 32 && op.kind === "reg" ? b.let(b.reg(op.reg, 64)) : undefined;
  const whole = size === 32 ? b.let(b.reg(GPR.RAX, 64)) : undefined;
  const result = b.let(b.truncate(size, b.sub(accumulator, old)));
  const equal = b.let(b.compare("eq", accumulator, old));
  b.setFlags(LF.SUB, size, result, accumulator, old);
  if (whole) b.setReg(GPR.RAX, 64, b.select(equal, whole, b.extend(old, false)));
  else b.setReg(GPR.RAX, size, b.select(equal, accumulator, old));
  // A 32-bit register that is not exchanged keeps its upper half too. If it is the accumulator, it has just been compared with itself.
  if (target64 && op.kind === "reg") b.setReg(op.reg, 64, b.select(equal, b.extend(source, false), target64));
  else target.write(b.select(equal, source, old));
};

export const aluOperations: OperationTable = {
  Add: lowered(arith("add", LF.ADD, true)),
  Sub: lowered(arith("sub", LF.SUB, true)),
  Cmp: lowered(arith("sub", LF.SUB, false)),
  Adc: lowered(withCarry("add", LF.ADC)),
  Sbb: lowered(withCarry("sub", LF.SBB)),
  And: lowered(logic("and", true)),
  Or: lowered(logic("or", true)),
  Xor: lowered(logic("xor", true)),
  Test: lowered(logic("and", false)),
  Inc: lowered(step("add", LF.ADD)),
  Dec: lowered(step("sub", LF.SUB)),
  Neg: lowered(neg),
  Not: lowered(not),
  Xadd: lowered(xadd),
  Cmpxchg: lowered(cmpxchg),
};
