/** Decimal adjustment: DAA, DAS, AAA, AAS, AAM, AAD. Undefined flags are left as they are, except where noted. */
import type { Cpu } from "../cpu.ts";
import { Fault, VECTOR } from "../fault.ts";
import { parity } from "../flags.ts";
import { EFLAGS, GPR } from "../layout.ts";
import { computed, type OperationTable } from "../operation.ts";
import { readAh } from "./implied.ts";

const RESULT_FLAGS = EFLAGS.SF | EFLAGS.ZF | EFLAGS.PF;

function resultFlags(al: number): number {
  return (al & 0x80 ? EFLAGS.SF : 0) | (al === 0 ? EFLAGS.ZF : 0) | (parity(al) << 2);
}

/** DAA (direction 1) and DAS (direction -1). */
function decimalAdjust(cpu: Cpu, direction: 1 | -1): void {
  const flags = cpu.getFlags();
  const before = cpu.readReg(GPR.RAX, 8);
  let al = before;
  let carry = 0;
  let auxiliary = 0;
  if ((al & 0xf) > 9 || flags & EFLAGS.AF) {
    const adjusted = al + direction * 6;
    carry = flags & EFLAGS.CF || adjusted < 0 || adjusted > 0xff ? EFLAGS.CF : 0;
    al = adjusted & 0xff;
    auxiliary = EFLAGS.AF;
  }
  if (before > 0x99 || flags & EFLAGS.CF) {
    al = (al + direction * 0x60) & 0xff;
    carry = EFLAGS.CF;
  } else if (direction === 1) carry = 0;
  cpu.writeReg(GPR.RAX, 8, al);
  cpu.setArithFlags(resultFlags(al) | carry | auxiliary, RESULT_FLAGS | EFLAGS.CF | EFLAGS.AF);
}

/** AAA (direction 1) and AAS (direction -1): since the 286, AX as a whole is adjusted by 0x106. */
function asciiAdjust(cpu: Cpu, direction: 1 | -1): void {
  let ax = cpu.readReg(GPR.RAX, 16);
  const adjust = (ax & 0xf) > 9 || cpu.getFlags() & EFLAGS.AF;
  if (adjust) ax += direction * 0x106;
  cpu.writeReg(GPR.RAX, 16, ax & 0xff0f);
  cpu.setArithFlags(adjust ? EFLAGS.AF | EFLAGS.CF : 0, EFLAGS.AF | EFLAGS.CF);
}

function setAxWithFlags(cpu: Cpu, ah: number, al: number): void {
  cpu.writeReg(GPR.RAX, 16, (ah << 8) | al);
  cpu.setArithFlags(resultFlags(al), RESULT_FLAGS);
}

export const bcdOperations: OperationTable = {
  Daa: computed((cpu) => decimalAdjust(cpu, 1)),
  Das: computed((cpu) => decimalAdjust(cpu, -1)),
  Aaa: computed((cpu) => asciiAdjust(cpu, 1)),
  Aas: computed((cpu) => asciiAdjust(cpu, -1)),
  Aam: computed((cpu, insn) => {
    const base = cpu.readOp(insn, 0) & 0xff;
    if (base === 0) throw new Fault(VECTOR.DE, 0, "AAM with base 0");
    const al = cpu.readReg(GPR.RAX, 8);
    setAxWithFlags(cpu, Math.floor(al / base), al % base);
  }),
  Aad: computed((cpu, insn) => {
    const base = cpu.readOp(insn, 0) & 0xff;
    setAxWithFlags(cpu, 0, (cpu.readReg(GPR.RAX, 8) + readAh(cpu) * base) & 0xff);
  }),
};
