/** All operations by mnemonic number: the one place where the groups meet. */
import type { CpuModel } from "../cpu.ts";
import { Mnemonic } from "../iced.ts";
import type { Insn, Operation, OperationTable } from "../operation.ts";
import { aluOperations } from "./alu.ts";
import { bitOperations } from "./bits.ts";
import { branchOperations } from "./branches.ts";
import { COMPUTING_TABLES } from "./computing.ts";
import { specialOperation, UNIMPLEMENTED } from "./core.ts";
import { flagOperations } from "./flagops.ts";
import { i286Operations } from "./i286.ts";
import { moveOperations } from "./moves.ts";
import { shiftOperations } from "./shifts.ts";
import { systemForm, systemOperations } from "./system.ts";
import { isForeignEncoding } from "./vex.ts";

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

function byMnemonic(tables: readonly OperationTable[]): ReadonlyMap<number, Operation> {
  const map = new Map<number, Operation>();
  for (const table of tables) {
    for (const [name, operation] of Object.entries(table)) {
      const mnemonic = Mnemonic[name as keyof typeof Mnemonic];
      if (mnemonic === undefined) throw new Error(`no mnemonic is called ${name}`);
      if (map.has(mnemonic)) throw new Error(`${name} has two operations`);
      map.set(mnemonic, operation);
    }
  }
  return map;
}

const common = byMnemonic(TABLES);
/** What a model does in its own way. */
const own: Readonly<Record<CpuModel["model"], ReadonlyMap<number, Operation>>> = {
  "286": byMnemonic([i286Operations]),
  "386": new Map(),
  current: new Map(),
};

export function operationOf(insn: Insn, model: CpuModel["model"] = "current"): Operation {
  // EVEX and XOP encodings share names with VEX ones.
  if (isForeignEncoding(insn)) return UNIMPLEMENTED;
  return (
    specialOperation(insn) ??
    systemForm(insn) ??
    own[model].get(insn.mnemonic) ??
    common.get(insn.mnemonic) ??
    UNIMPLEMENTED
  );
}
