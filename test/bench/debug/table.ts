/** The table that the benchmark prints: a row a measure, as it comes, a column a debugger. */

export const DEBUGGERS = ["Ringside", "gdb", "gdb record full", "gdb on QEMU's stub", "Unicorn"] as const;
export type Debugger = (typeof DEBUGGERS)[number];

export interface Row {
  readonly measure: string;
  readonly wanted: string;
  readonly cells: Partial<Record<Debugger, string>>;
}

const HEADS = ["measure", "wanted", ...DEBUGGERS];
/** As wide as the widest cells get. */
const WIDTHS = [55, 6, 48, 15, 26, 19, 16];

const print = (cells: readonly string[]) => console.log(cells.map((cell, i) => cell.padEnd(WIDTHS[i]!)).join(" | "));

export function printHead(): void {
  print(HEADS);
  print(WIDTHS.map((width) => "-".repeat(width)));
}

export function printRow({ measure, wanted, cells }: Row): void {
  print([measure, wanted, ...DEBUGGERS.map((debugger_) => cells[debugger_] ?? "-")]);
}
