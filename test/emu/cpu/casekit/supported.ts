/** Which instructions there are, from the tables of operations. */
import { Code, Instruction, Mnemonic } from "../../../../src/emu/cpu/iced.ts";
import type { Insn } from "../../../../src/emu/cpu/operation.ts";
import { UNIMPLEMENTED } from "../../../../src/emu/cpu/ops/core.ts";
import { operationOf } from "../../../../src/emu/cpu/ops/index.ts";

/** iced's own: data directives, no bytes, and the names that stand for WAIT and another instruction, which decode as two. */
const NO_INSTRUCTIONS: ReadonlySet<string> = new Set(
  "Db Dw Dd Dq Zero_bytes INVALID Fclex Fdisi Feni Finit Fsave Fstcw Fstenv Fstsw Fsetpm Fstdw Fstsg".split(" "),
);

let known: ReadonlySet<number> | undefined;

export function supportedMnemonics(): ReadonlySet<number> {
  if (known) return known;
  const found = new Set<number>();
  const instruction = new Instruction();
  for (const code of Object.values(Code).filter((value): value is number => typeof value === "number")) {
    instruction.code = code;
    const { mnemonic } = instruction;
    const operation = operationOf({ code, mnemonic, ops: [] } as unknown as Insn);
    if (operation !== UNIMPLEMENTED && !NO_INSTRUCTIONS.has(Mnemonic[mnemonic]!)) found.add(mnemonic);
  }
  instruction.free();
  known = found;
  return found;
}

export const caseName = (mnemonic: number): string => Mnemonic[mnemonic]!.toLowerCase();
