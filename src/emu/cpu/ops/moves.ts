/** Data movement: MOV and its extending kin, exchange, stack moves, conversions, byte swaps. */
import type { OpSize } from "../flags.ts";
import type { IrBuilder } from "../ir/builder.ts";
import type { Value } from "../ir/types.ts";
import { GPR } from "../layout.ts";
import { type Lowering, lowered, type OperationTable } from "../operation.ts";
import { forEachCondition } from "./conditions.ts";

const mov: Lowering = (b) => b.write(0, b.read(1));

const extending =
  (signed: boolean): Lowering =>
  (b) => {
    const from = b.sizeOf(1);
    const to = b.sizeOf(0);
    const value = b.read(1);
    b.write(0, signed ? b.signExtend(from, to, value) : b.zeroExtend(to, value));
  };

const lea: Lowering = (b) => {
  const op = b.operand(1);
  if (op.kind !== "mem") throw new Error("LEA without a memory operand");
  const size = b.sizeOf(0);
  const address = b.effectiveAddress(op);
  b.write(0, size === 64 ? b.extend(address, false) : b.truncate(size, address));
};

const xchg: Lowering = (b) => {
  const source = b.let(b.read(1));
  const target = b.modify(0);
  const old = b.let(target.value);
  target.write(source);
  b.write(1, old);
};

/** The load happens, and a 32-bit target loses its high half, whatever the condition. */
const cmov =
  (cc: number): Lowering =>
  (b) => {
    const source = b.read(1);
    b.write(0, b.select(b.condition(cc), source, b.read(0)));
  };
const set =
  (cc: number): Lowering =>
  (b) =>
    b.write(0, b.condition(cc));

// --- the stack

const stackSize = (b: IrBuilder): OpSize => b.insn.opSize;

const push: Lowering = (b) => {
  const size = stackSize(b);
  const value = b.read(0);
  b.pushValue(size, value.type === 64 || size !== 64 ? value : b.extend(value, true));
};

/** A memory target is addressed with the stack pointer already moved. */
const pop: Lowering = (b) => {
  const size = stackSize(b);
  const value = b.load(b.stackPlace(b.stackPointer(0)), size);
  const moved = b.let(b.stackPointer(size >> 3));
  const op = b.operand(0);
  if (op.kind !== "mem") {
    b.setStackPointer(moved);
    b.write(0, value);
    return;
  }
  let offset = b.effectiveAddress(op);
  if (op.base === GPR.RSP) offset = b.add(offset, b.const(offset.type, size >> 3, 0));
  b.store(b.placeAt(op.seg, offset), size, value);
  b.setStackPointer(moved);
};

/** The stack pointer comes from the frame pointer, in the stack's width. */
const leave: Lowering = (b) => {
  const size = stackSize(b);
  const narrow = b.insn.stackSize === 16;
  const whole = b.reg(GPR.RBP, b.stackType);
  const frame = b.let(narrow ? b.and(whole, b.i32(0xffff)) : whole);
  const value = b.load(b.stackPlace(frame), size);
  const moved = b.let(b.add(frame, b.const(b.stackType, size >> 3, 0)));
  b.setStackPointer(moved);
  b.setReg(GPR.RBP, size, value);
};

// --- conversions

const convert =
  (from: OpSize, to: OpSize): Lowering =>
  (b) =>
    b.setReg(GPR.RAX, to, b.signExtend(from, to, b.reg(GPR.RAX, from)));

/** RDX gets copies of RAX's sign. */
const spread =
  (size: OpSize): Lowering =>
  (b) => {
    const sign = b.signBit(size, b.reg(GPR.RAX, size));
    const filled = b.sub(b.i32(0), sign);
    b.setReg(GPR.RDX, size, size === 64 ? b.extend(filled, true) : b.truncate(size, filled));
  };

function swapped32(b: IrBuilder, v: Value): Value {
  const outer = b.and(b.binary("rol", v, b.i32(8)), b.i32(0x00ff00ff));
  const inner = b.and(b.binary("rol", v, b.i32(24)), b.i32(0xff00ff00 | 0));
  return b.or(outer, inner);
}
function swapped(b: IrBuilder, size: OpSize, v: Value): Value {
  if (size === 16) return b.or(b.shr(v, b.i32(8)), b.and(b.shl(v, b.i32(8)), b.i32(0xff00)));
  if (size === 32) return swapped32(b, v);
  const low = b.extend(swapped32(b, b.high(v)), false);
  const high = b.shl(b.extend(swapped32(b, b.low(v)), false), b.i32(32));
  return b.or(low, high);
}

/** With a 16-bit operand the result is undefined; processors leave zero. */
const bswap: Lowering = (b) => {
  const size = b.sizeOf(0);
  b.write(0, size === 16 ? b.i32(0) : swapped(b, size, b.let(b.read(0))));
};
const movbe: Lowering = (b) => b.write(0, swapped(b, b.sizeOf(0), b.let(b.read(1))));

const xlat: Lowering = (b) => {
  const op = b.operand(0);
  if (op.kind !== "mem") throw new Error("XLAT without its memory operand");
  const al = b.reg(GPR.RAX, 8);
  const base = b.effectiveAddress(op);
  const sum = b.add(base, base.type === 64 ? b.extend(al, false) : al);
  const offset = b.insn.addrSize === 16 ? b.and(sum, b.i32(0xffff)) : sum;
  b.setReg(GPR.RAX, 8, b.load(b.placeAt(op.seg, offset), 8));
};

export const moveOperations: OperationTable = {
  Mov: lowered(mov),
  Movzx: lowered(extending(false)),
  Movsx: lowered(extending(true)),
  Movsxd: lowered(extending(true)),
  Lea: lowered(lea),
  Xchg: lowered(xchg),
  Push: lowered(push),
  Pop: lowered(pop),
  Leave: lowered(leave),
  Cbw: lowered(convert(8, 16)),
  Cwde: lowered(convert(16, 32)),
  Cdqe: lowered(convert(32, 64)),
  Cwd: lowered(spread(16)),
  Cdq: lowered(spread(32)),
  Cqo: lowered(spread(64)),
  Bswap: lowered(bswap),
  Movbe: lowered(movbe),
  Xlatb: lowered(xlat),
  ...forEachCondition("Cmov", cmov),
  ...forEachCondition("Set", set),
};
