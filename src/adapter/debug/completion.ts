/** What could stand at a place in an expression or console command. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { EXPRESSION_WORDS } from "./expression-tree.ts";
import { kernelNames } from "./kernel-fields.ts";
import { registerNames } from "./registers.ts";
import type { Target } from "./target.ts";

export interface Completion {
  readonly label: string;
  readonly type: "keyword" | "variable" | "field" | "function" | "value";
  /** Zero-based column of the text that it replaces, and how much of it. */
  readonly start: number;
  readonly length: number;
}

const MOST = 200;

/** Completions for the name that ends at `column` (zero-based) of `text`. Names that begin as it does, in any case of letters. */
export function completions(
  target: Target,
  cpu: Cpu,
  commands: readonly string[],
  text: string,
  column: number,
): Completion[] {
  const before = text.slice(0, Math.max(0, column));
  const typed = /[A-Za-z_.@][\w.$@]*$/.exec(before)?.[0] ?? "";
  const start = before.length - typed.length;
  const first = before.slice(0, start).trim() === "";
  const groups: readonly (readonly [Completion["type"], readonly string[]])[] = [
    ["function", first ? commands : []],
    ["variable", registerNames()],
    ["field", target.kernel === undefined ? [] : kernelNames(target.kernel, cpu)],
    ["keyword", EXPRESSION_WORDS],
    ["value", target.symbols(cpu).all.map(({ name }) => name)],
  ];
  const lower = typed.toLowerCase();
  const found = groups.flatMap(([type, names]) =>
    names
      .filter((name) => name.toLowerCase().startsWith(lower))
      .map((label) => ({ label, type, start, length: typed.length })),
  );
  return found.slice(0, MOST);
}
