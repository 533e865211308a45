/** The table that the benchmark prints: a row a measure, a column a debugger. */

export const DEBUGGERS = ["Ringside", "gdb", "gdb record full", "gdb on QEMU's stub", "Unicorn"] as const;
export type Debugger = (typeof DEBUGGERS)[number];

export interface Row {
  readonly measure: string;
  readonly wanted: string;
  readonly cells: Partial<Record<Debugger, string>>;
}

export function printTable(rows: readonly Row[]): void {
  const heads = ["measure", "wanted", ...DEBUGGERS];
  const lines = rows.map(({ measure, wanted, cells }) => [
    measure,
    wanted,
    ...DEBUGGERS.map((debugger_) => cells[debugger_] ?? "-"),
  ]);
  const widths = heads.map((head, i) => Math.max(head.length, ...lines.map((line) => line[i]!.length)));
  const print = (cells: readonly string[]) => console.log(cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | "));
  print(heads);
  print(widths.map((width) => "-".repeat(width)));
  for (const line of lines) print(line);
}
