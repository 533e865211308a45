/** INT n, INT3, INTO, INT1, BOUND. */
import { Fault, VECTOR } from "../fault.ts";
import { EFLAGS } from "../layout.ts";
import type { Helper } from "../operation.ts";
import { deliverSoftware } from "./deliver.ts";
import { offsetPlus } from "./far.ts";

export const intN: Helper = (cpu, insn) => {
  const op = insn.ops[0]!;
  if (op.kind !== "imm") throw new Error("INT without its vector");
  deliverSoftware(cpu, op.low & 0xff, "int", insn.ipLow, insn.ipHigh);
};
export const int3: Helper = (cpu, insn) => deliverSoftware(cpu, VECTOR.BP, "int3", insn.ipLow, insn.ipHigh);
/** A debug trap that MOV SS has put off until now is part of this exception: DR6 has its bits, and it does not come by itself. */
export const int1: Helper = (cpu, insn) => {
  deliverSoftware(cpu, VECTOR.DB, "int1", insn.ipLow, insn.ipHigh);
  cpu.mergeDebugTrap();
};
export const into: Helper = (cpu, insn) => {
  if ((cpu.getFlags() & EFLAGS.OF) !== 0) deliverSoftware(cpu, VECTOR.OF, "into", insn.ipLow, insn.ipHigh);
};

/** Index below the first or above the second signed bound in memory: #BR. */
export const bound: Helper = (cpu, insn) => {
  const op = insn.ops[1]!;
  if (op.kind !== "mem") throw new Error("BOUND's bounds are in memory");
  const size = insn.opSize === 16 ? 2 : 4;
  const signed = (value: number) => (size === 2 ? (value << 16) >> 16 : value | 0);
  const at = cpu.effectiveAddress(insn, 1);
  const { high } = cpu;
  const index = signed(cpu.readOp(insn, 0));
  const lower = signed(cpu.loadSeg(op.seg, at, high, size));
  // The upper bound is not read then (measured).
  if (index < lower) throw new Fault(VECTOR.BR, 0, `BOUND: index ${index} is below ${lower}`);
  const second = offsetPlus(insn, at, high, size);
  const upper = signed(cpu.loadSeg(op.seg, second.low, second.high, size));
  if (index > upper) throw new Fault(VECTOR.BR, 0, `BOUND: index ${index} is above ${upper}`);
};
