/** Error texts, in the field's words. */
import { mnemonics } from "./forms.ts";
import type { Query } from "./match.ts";
import { candidates } from "./match.ts";
import type { EncodeRequest, EncodeResult } from "./types.ts";

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

function nearest(name: string): string | undefined {
  let best: string | undefined;
  let least = Math.min(3, name.length);
  for (const candidate of mnemonics()) {
    if (Math.abs(candidate.length - name.length) >= least) continue;
    const apart = distance(name, candidate);
    if (apart < least) {
      least = apart;
      best = candidate;
    }
  }
  return best;
}

export function unknownMnemonic(request: EncodeRequest): string {
  const near = nearest(request.mnemonic);
  return `unknown instruction "${request.mnemonic}"${near === undefined ? "" : `; did you mean "${near}"?`}`;
}

export function ambiguous(request: EncodeRequest): string {
  if (request.dialect === "nasm") return "operation size not specified";
  return request.intelMnemonics
    ? `ambiguous operand size for "${request.mnemonic}"`
    : `no instruction mnemonic suffix given and no register operands; operand size of "${request.mnemonic}" is ambiguous`;
}

export function noSuchCombination(request: EncodeRequest, queries: readonly Query[]): EncodeResult {
  const elsewhere = queries.some((query) => candidates(query, request).otherMode);
  if (elsewhere) return { ok: false, message: `instruction not supported in ${request.bits}-bit mode`, operand: -1 };
  return { ok: false, message: "invalid combination of opcode and operands", operand: -1 };
}
