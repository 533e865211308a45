/** What tier 0 need not compute: temporaries that are a register, or a register plus a constant where an access adds that anyway. */
import type { Statement, Value } from "../ir/types.ts";

export interface Shortcuts {
  /** Temporaries to be read from a register directly. */
  readonly registers: ReadonlyMap<number, number>;
  /** Temporaries to be replaced by their value as addresses and in register writes. */
  readonly sums: ReadonlyMap<number, Value>;
}

export function findShortcuts(statements: readonly Statement[]): Shortcuts {
  const registers = new Map<number, number>();
  const sums = new Map<number, Value>();
  for (const s of statements) {
    if (s.op !== "let") continue;
    const { temp, value } = s;
    const reg = sourceRegister(value);
    if (reg < 0) continue;
    const written = statements.findIndex((t) => t.op === "setreg" && t.reg === reg);
    const later = written < 0 ? [] : statements.slice(written + 1);
    if (later.some((t) => usesTemp(t, temp))) continue;
    if (value.op === "reg") registers.set(temp, reg);
    else if (statements.every((t) => t === s || usesOnlyAsSum(t, temp))) sums.set(temp, value);
  }
  return { registers, sums };
}

/** Without what is only made for statements that are not there: values are pure. */
export function withoutDead(statements: readonly Statement[]): readonly Statement[] {
  const needed: Statement[] = [];
  for (let i = statements.length - 1; i >= 0; i--) {
    const s = statements[i]!;
    if (s.op !== "let" || needed.some((t) => usesTemp(t, s.temp))) needed.push(s);
  }
  return needed.reverse();
}

/** The register of `reg` or `reg + constant`, whole; -1 for other values. */
function sourceRegister(v: Value): number {
  if (v.op === "reg") return v.size >= 32 ? v.reg : -1;
  if (v.op === "add" && v.a.op === "reg" && v.b.op === "const") return sourceRegister(v.a);
  return -1;
}

function usesOnlyAsSum(s: Statement, temp: number): boolean {
  if (!usesTemp(s, temp)) return true;
  if (s.op === "load") return isTemp(s.address, temp);
  if (s.op === "store") return isTemp(s.address, temp) && !usesTemp(s.value, temp);
  return s.op === "setreg" && s.size >= 32 && isTemp(s.value, temp);
}

/** Does a statement (or any value in it) mention a temporary? */
function usesTemp(node: Statement | Value, temp: number): boolean {
  if (node.op === "temp") return node.index === temp;
  return Object.entries(node).some(
    ([key, part]) => key !== "helper" && typeof part === "object" && part !== null && usesTemp(part, temp),
  );
}

export const isTemp = (v: Value, index: number): boolean => v.op === "temp" && v.index === index;
