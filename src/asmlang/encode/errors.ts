/** Error texts, in the field's words. */
import { CodeExt } from "../../emu/cpu/iced.ts";
import { decorationError } from "./decoration-errors.ts";
import { formsNamed, mnemonics } from "./forms.ts";
import type { Query } from "./match.ts";
import { candidates, misfit } from "./match.ts";
import { resolveMnemonic } from "./mnemonics.ts";
import type { AsmOperand, EncodeRequest, EncodeResult } from "./types.ts";

/** Letters added, left out, changed, or swapped with their neighbour: how many of these lead from `a` to `b`. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : changed;
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, changed, swapped));
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}

function nearest(name: string): string | undefined {
  let best: string | undefined;
  let least = Math.min(3, name.length);
  for (const candidate of mnemonics()) {
    if (Math.abs(candidate.length - name.length) >= least || /^d[bwdq]$/.test(candidate)) continue;
    const apart = distance(name, candidate);
    if (apart < least) {
      least = apart;
      best = candidate;
    }
  }
  return best;
}

/** AT&T syntax says L for doublewords: STOSD is `stosl`. */
function attName(request: EncodeRequest): string | undefined {
  if (request.dialect === "nasm" || request.intelMnemonics || !request.mnemonic.endsWith("d")) return undefined;
  const mnemonic = `${request.mnemonic.slice(0, -1)}l`;
  return resolveMnemonic({ ...request, mnemonic }).length > 0 ? mnemonic : undefined;
}

export function unknownMnemonic(request: EncodeRequest): string {
  const near = attName(request) ?? nearest(request.mnemonic);
  return `unknown instruction "${request.mnemonic}"${near === undefined ? "" : `; did you mean "${near}"?`}`;
}

export function ambiguous(request: EncodeRequest): string {
  if (request.dialect === "nasm") return "operation size not specified";
  return request.intelMnemonics
    ? `ambiguous operand size for "${request.mnemonic}"`
    : `no instruction mnemonic suffix given and no register operands; operand size of "${request.mnemonic}" is ambiguous`;
}

const MOST_SHOWN = 6;

/** "r/m32, imm8": operand lists of the forms that this mode has, in the manual's notation. */
function operandLists(query: Query, request: EncodeRequest): string[] {
  const lists = new Set<string>();
  for (const form of query.names.flatMap(formsNamed)) {
    if ((form.modes & request.bits) === 0 || form.obsolete) continue;
    const info = CodeExt.opCode(form.code);
    lists.add(info.instructionString.replace(/^\S+ ?/, ""));
    info.free();
  }
  return [...lists];
}

function valid(query: Query, request: EncodeRequest): string {
  const lists = operandLists(query, request);
  if (lists.length === 0) return "";
  if (lists.length === 1 && lists[0] === "") return `; "${request.mnemonic}" takes no operands`;
  const shown = lists.slice(0, MOST_SHOWN).map((list) => (list === "" ? "none" : list));
  return `; "${request.mnemonic}" takes: ${shown.join(" | ")}${lists.length > MOST_SHOWN ? " | ..." : ""}`;
}

export function noSuchCombination(request: EncodeRequest, queries: readonly Query[]): EncodeResult {
  const elsewhere = queries.some((query) => candidates(query, request).otherMode);
  if (elsewhere) return { ok: false, message: `instruction not supported in ${request.bits}-bit mode`, operand: -1 };
  const decoration = decorationError(request, queries);
  if (decoration !== undefined) return { ok: false, ...decoration };
  const size = sizeMismatch(request, queries);
  if (size !== undefined) return size;
  const query = queries[0]!;
  const operand = Math.max(...queries.map((one) => misfit(one, request)));
  return { ok: false, message: `invalid combination of opcode and operands${valid(query, request)}`, operand };
}

const KEYWORDS: readonly (readonly [string, number])[] = [
  ["byte", 1],
  ["word", 2],
  ["dword", 4],
  ["qword", 8],
  ["tword", 10],
  ["oword", 16],
  ["yword", 32],
  ["zword", 64],
];

function withSize(operand: AsmOperand, size: number): AsmOperand | undefined {
  if (operand.kind === "mem") return { ...operand, size };
  if (operand.kind !== "imm" || size > 8) return undefined;
  const { size: _, ...plain } = operand;
  return size === 0 ? plain : { ...plain, size: (size * 8) as 8 | 16 | 32 | 64 };
}

/** NASM: the operands would fit but for a size keyword; which ones are taken there. */
function sizeMismatch(request: EncodeRequest, queries: readonly Query[]): EncodeResult | undefined {
  if (request.dialect !== "nasm") return undefined;
  const fits = (at: number, size: number): boolean => {
    const operand = withSize(request.operands[at]!, size);
    if (operand === undefined) return false;
    const shape = { ...request, operands: request.operands.with(at, operand) };
    return queries.some((query) => candidates(query, shape).patterns.length > 0);
  };
  const at = request.operands.findIndex(
    (operand, i) => (operand.kind === "mem" || operand.kind === "imm") && operand.size && fits(i, 0),
  );
  if (at < 0) return undefined;
  const words = KEYWORDS.filter(([, size]) => fits(at, size)).map(([word]) => word);
  const taken = words.length === 0 ? "no size keyword" : words.join(" or ");
  return { ok: false, message: `mismatch in operand sizes; "${request.mnemonic}" takes ${taken} here`, operand: at };
}
