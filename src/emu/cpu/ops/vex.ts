/**
 * Which form of a vector instruction an encoding is. A VEX form computes what the legacy form does, from separate sources, and clears
 * the destination's register above what it writes; so an operation's one body asks here, and the tables give it both names.
 */
import { EncodingKind } from "../iced.ts";
import { opCodes } from "../opcodes.ts";
import type { Insn, OperationTable } from "../operation.ts";

/** By iced's Code: 0 a legacy encoding, 16 or 32 the vector length of a VEX one, -1 an encoding that we do not have. */
const widths: number[] = [];

function measure(code: number): number {
  const { encoding, L } = opCodes.of(code);
  if (encoding === EncodingKind.Legacy || encoding === EncodingKind.D3NOW) return 0;
  return encoding === EncodingKind.VEX ? (L === 1 ? 32 : 16) : -1;
}

/** Bytes of the vectors of a VEX form; 0 for a legacy form. */
export const vexBytes = (insn: Insn): number => (widths[insn.code] ??= measure(insn.code));

/** EVEX, XOP and the like: an encoding of instructions that this processor does not have. */
export const isForeignEncoding = (insn: Insn): boolean => vexBytes(insn) < 0;

/** Index of the last register or memory source: legacy forms have it second, VEX forms with two sources third. */
export function sourceIndex(insn: Insn): 1 | 2 {
  if (vexBytes(insn) === 0) return 1;
  const third = insn.ops[2];
  return third !== undefined && third.kind !== "imm" ? 2 : 1;
}

/** Index of the operand that a legacy form overwrites and a VEX form only reads. */
export const firstIndex = (insn: Insn): 0 | 1 => (vexBytes(insn) === 0 ? 0 : 1);

/** The same operations under the names of their VEX forms. */
export const vexForms = (table: OperationTable, except: readonly string[] = []): OperationTable =>
  Object.fromEntries(
    Object.entries(table)
      .filter(([name]) => !except.includes(name))
      .map(([name, operation]) => [`V${name.toLowerCase()}`, operation]),
  );
