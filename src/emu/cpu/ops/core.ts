/** What every processor refuses, and the up-call that ours alone has. */
import { TOO_LONG, UPCALL } from "../decode.ts";
import { gp, ud } from "../fault.ts";
import { Mnemonic } from "../iced.ts";
import type { Helper, Insn, Operation } from "../operation.ts";
import { computed, system } from "../operation.ts";

const undefinedOpcode: Helper = () => {
  throw ud("the bytes are no instruction of this processor in this mode");
};
const undefinedByDesign: Helper = () => {
  throw ud("UD0, UD1 or UD2: an instruction that is undefined by design");
};
const tooLong: Helper = () => {
  throw gp(0, "the instruction is longer than the processor permits");
};

/** 0F 3F iw at CPL 0: the kernel's TypeScript runs; it may change any state. Elsewhere it is what it is on Intel and AMD, #UD. */
const upcall: Helper = (cpu, insn) => {
  const operand = insn.ops[0];
  if (cpu.hooks.upcall === undefined || cpu.cpl !== 0 || operand?.kind !== "imm")
    throw ud("0F 3F is an undefined opcode");
  cpu.hooks.upcall(cpu, operand.low);
};

/** An instruction that iced knows and we do not: #UD for the guest, and a visible event for the user. */
const unimplemented: Helper = (cpu, insn) => {
  const name = Mnemonic[insn.mnemonic] ?? `mnemonic ${insn.mnemonic}`;
  cpu.hooks.unimplemented?.(cpu, name);
  throw ud(`${name.toUpperCase()} is not implemented`);
};
export const UNIMPLEMENTED: Operation = system(unimplemented);

const SPECIAL: Readonly<Record<number, Operation>> = {
  [UPCALL]: system(upcall),
  [TOO_LONG]: system(tooLong),
  [Mnemonic.INVALID]: system(undefinedOpcode),
  [Mnemonic.Ud0]: system(undefinedByDesign),
  [Mnemonic.Ud1]: system(undefinedByDesign),
  [Mnemonic.Ud2]: system(undefinedByDesign),
  [Mnemonic.Nop]: computed(() => {}),
};
export const specialOperation = (insn: Insn): Operation | undefined => SPECIAL[insn.mnemonic];
