/** iced's names of the sixteen conditions, in encoding order, for the families Jcc, SETcc and CMOVcc. */
import { type Lowering, lowered, type Operation, type OperationTable } from "../operation.ts";

const NAMES = ["o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"];

export function forEachCondition(prefix: string, make: (cc: number) => Lowering): OperationTable {
  return Object.fromEntries(NAMES.map((name, cc): [string, Operation] => [prefix + name, lowered(make(cc))]));
}
