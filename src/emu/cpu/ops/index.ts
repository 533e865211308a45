/** All operations by mnemonic number: the one place where the groups meet. */
import { Mnemonic } from "../iced.ts";
import type { Insn, Operation, OperationTable } from "../operation.ts";
import { aluOperations } from "./alu.ts";
import { bitOperations } from "./bits.ts";
import { branchOperations } from "./branches.ts";
import { COMPUTING_TABLES } from "./computing.ts";
import { specialOperation, UNIMPLEMENTED } from "./core.ts";
import { flagOperations } from "./flagops.ts";
import { moveOperations } from "./moves.ts";
import { shiftOperations } from "./shifts.ts";
import { systemForm, systemOperations } from "./system.ts";

const TABLES: readonly OperationTable[] = [
  aluOperations,
  bitOperations,
  branchOperations,
  flagOperations,
  moveOperations,
  shiftOperations,
  systemOperations,
  ...COMPUTING_TABLES,
];

const byMnemonic = new Map<number, Operation>();
for (const table of TABLES) {
  for (const [name, operation] of Object.entries(table)) {
    const mnemonic = Mnemonic[name as keyof typeof Mnemonic];
    if (mnemonic === undefined) throw new Error(`no mnemonic is called ${name}`);
    if (byMnemonic.has(mnemonic)) throw new Error(`${name} has two operations`);
    byMnemonic.set(mnemonic, operation);
  }
}

export function operationOf(insn: Insn): Operation {
  return specialOperation(insn) ?? systemForm(insn) ?? byMnemonic.get(insn.mnemonic) ?? UNIMPLEMENTED;
}
