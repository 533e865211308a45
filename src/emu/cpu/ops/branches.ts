/**
 * Near branches. A target outside CS (or not canonical) is #GP of the branch itself, before anything is popped and after a call has
 * written its return address (measured: the faults of that write come first, and it stays when the target is refused).
 */
import { CC } from "../flags.ts";
import type { IrBuilder } from "../ir/builder.ts";
import type { Value } from "../ir/types.ts";
import { GPR } from "../layout.ts";
import { type Lowering, lowered, type OperationTable } from "../operation.ts";
import { forEachCondition } from "./conditions.ts";

/** The target as a value of the code's width: a constant, or a register or memory operand. */
function target(b: IrBuilder): Value {
  const op = b.operand(0);
  if (op.kind === "near") return b.const(b.insn.bits === 64 ? 64 : 32, op.targetLow, op.targetHigh);
  const value = b.read(0);
  return b.insn.bits === 64 ? b.extend(value, false) : value;
}

/** Direct branches need a check only where the limit or the canonical hole can be met. */
function checkDirect(b: IrBuilder, to: Value, taken?: Value): void {
  if (needsCheck(b, to)) b.checkTarget(taken ? b.select(taken, to, b.const(to.type, 0, 0)) : to);
}
const needsCheck = (b: IrBuilder, to: Value): boolean => to.op !== "const" || !b.reaches(to.low, to.high);

const jmp: Lowering = (b) => {
  const to = target(b);
  checkDirect(b, to);
  b.jump(to);
};

const jcc =
  (cc: number): Lowering =>
  (b) => {
    const to = target(b);
    const taken = b.condition(cc);
    checkDirect(b, to, taken);
    b.jump(to, taken);
  };

const call: Lowering = (b) => {
  const size = b.insn.opSize;
  const { low, high } = b.nextIp();
  const to = b.operand(0).kind === "near" ? target(b) : b.let(target(b));
  const pointer = b.let(b.stackPointer(-(size >> 3)));
  b.store(b.stackPlace(pointer), size, b.const(size, low, high));
  if (needsCheck(b, to)) b.checkTarget(to, true);
  b.setStackPointer(pointer);
  b.jump(to);
};

const ret: Lowering = (b) => {
  const size = b.insn.opSize;
  const release = b.insn.ops[0]?.kind === "imm" ? b.insn.ops[0].low : 0;
  const popped = b.load(b.stackPlace(b.stackPointer(0)), size);
  const to = b.insn.bits === 64 ? b.extend(popped, false) : popped;
  checkDirect(b, to);
  b.setStackPointer(b.stackPointer((size >> 3) + release));
  b.jump(to);
};

/** LOOP, LOOPE, LOOPNE count in CX, ECX or RCX by address size. */
const loop =
  (cc: number): Lowering =>
  (b) => {
    const size = b.insn.addrSize;
    const to = target(b);
    const left = b.let(b.truncate(size, b.sub(b.reg(GPR.RCX, size), b.const(size, 1, 0))));
    let taken = b.nonZero(left);
    if (cc >= 0) taken = b.and(taken, b.condition(cc));
    taken = b.let(taken);
    checkDirect(b, to, taken);
    b.setReg(GPR.RCX, size, left);
    b.jump(to, taken);
  };

const jcxz: Lowering = (b) => {
  const to = target(b);
  const taken = b.isZero(b.reg(GPR.RCX, b.insn.addrSize));
  checkDirect(b, to, taken);
  b.jump(to, taken);
};

export const branchOperations: OperationTable = {
  Jmp: lowered(jmp),
  Call: lowered(call),
  Ret: lowered(ret),
  Loop: lowered(loop(-1)),
  Loope: lowered(loop(CC.E)),
  Loopne: lowered(loop(CC.NE)),
  Jcxz: lowered(jcxz),
  Jecxz: lowered(jcxz),
  Jrcxz: lowered(jcxz),
  ...forEachCondition("J", jcc),
};
