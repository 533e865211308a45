/** Single flags and the AH forms. */
import type { IrBuilder } from "../ir/builder.ts";
import { EFLAGS, GPR } from "../layout.ts";
import { type Lowering, lowered, type OperationTable } from "../operation.ts";

const AH_FLAGS = EFLAGS.SF | EFLAGS.ZF | EFLAGS.AF | EFLAGS.PF | EFLAGS.CF;

const put =
  (flag: number, on: boolean): Lowering =>
  (b) =>
    b.setFlagBits(flag, b.i32(on ? flag : 0));
const ah = (b: IrBuilder) => b.reg(GPR.RAX, 8, true);

export const flagOperations: OperationTable = {
  Clc: lowered(put(EFLAGS.CF, false)),
  Stc: lowered(put(EFLAGS.CF, true)),
  Cmc: lowered((b) => b.setFlagBits(EFLAGS.CF, b.xor(b.carry(), b.i32(1)))),
  Cld: lowered(put(EFLAGS.DF, false)),
  Std: lowered(put(EFLAGS.DF, true)),
  Lahf: lowered((b) => b.setReg(GPR.RAX, 8, b.or(b.eflags(AH_FLAGS), b.i32(EFLAGS.FIXED)), true)),
  Sahf: lowered((b) => b.setFlagBits(AH_FLAGS, ah(b))),
  Salc: lowered((b) => b.setReg(GPR.RAX, 8, b.truncate(8, b.sub(b.i32(0), b.carry())))),
};
