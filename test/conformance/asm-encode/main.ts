/**
 * The assembler against nasm and GNU as, a statement a line: every form of iced's tables in every mode and syntax, with varied
 * operands. Prints what differs and the totals.
 */
import { parseArgs } from "node:util";
import type { Bits } from "../../../src/asmlang/types.ts";
import { compareLine, type Outcome, type Verdict } from "./compare.ts";
import { explanationOf } from "./explained.ts";
import { allForms, lineFor } from "./generate.ts";
import type { Line, Syntax } from "./line.ts";
import { Random } from "./random.ts";
import { assemble } from "./tools.ts";

export interface RunOptions {
  /** Lines of each form in each mode and syntax; less than 1: a share of the forms. */
  readonly rounds: number;
  readonly seed: number;
  /** Share of disturbed lines. */
  readonly noise: number;
  readonly syntaxes: readonly Syntax[];
  readonly bits: readonly Bits[];
  /** Only mnemonics that match. */
  readonly only?: RegExp;
}

/** Lines that a tool gets at once. */
const BATCH = 20_000;

function makeLines(options: RunOptions, syntax: Syntax, bits: Bits): Line[] {
  const random = new Random(options.seed * 7919 + bits * 31 + syntax.length);
  const forms = allForms(syntax === "nasm" ? "nasm" : "gas").filter(
    (form) => (form.modes & bits) !== 0 && (options.only?.test(form.mnemonic) ?? true),
  );
  const lines: Line[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const share = Math.min(1, options.rounds - round);
    for (const form of forms) {
      if (share < 1 && !random.chance(share)) continue;
      lines.push(lineFor(form, { random, syntax, bits, noise: round === 0 ? 0 : options.noise }));
    }
  }
  return lines;
}

export function* runComparison(options: RunOptions): Generator<Outcome> {
  for (const syntax of options.syntaxes) {
    for (const bits of options.bits) {
      const lines = makeLines(options, syntax, bits);
      for (let at = 0; at < lines.length; at += BATCH) {
        const batch = lines.slice(at, at + BATCH);
        const answers = assemble(
          syntax,
          bits,
          batch.map(({ text }) => text),
        );
        for (const [index, line] of batch.entries()) yield compareLine(line, answers[index]!);
      }
    }
  }
}

export interface Totals {
  readonly lines: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
  readonly explained: ReadonlyMap<string, number>;
  readonly unexplained: readonly Outcome[];
}

const AGREEMENT: ReadonlySet<Verdict> = new Set(["same", "both-reject"]);

export function total(outcomes: Iterable<Outcome>): Totals {
  const verdicts = { same: 0, "both-reject": 0, different: 0, "we-reject": 0, "we-accept": 0 };
  const explained = new Map<string, number>();
  const unexplained: Outcome[] = [];
  let lines = 0;
  for (const outcome of outcomes) {
    lines++;
    verdicts[outcome.verdict]++;
    if (AGREEMENT.has(outcome.verdict)) continue;
    const reason = explanationOf(outcome);
    if (reason === undefined) unexplained.push(outcome);
    else explained.set(reason, (explained.get(reason) ?? 0) + 1);
  }
  return { lines, verdicts, explained, unexplained };
}

export function describe({ line, verdict, ours, theirs }: Outcome): string {
  return `${verdict.padEnd(10)} ${line.syntax}${line.bits}  ${line.text}\n             ours   ${ours}\n             theirs ${theirs}`;
}

function report({ lines, verdicts, explained, unexplained }: Totals): string {
  const reasons = [...explained]
    .sort((a, b) => b[1] - a[1])
    .map(([reason, count]) => `${String(count).padStart(9)}  ${reason}\n`);
  return `lines        ${lines}
equal bytes  ${verdicts.same}
both reject  ${verdicts["both-reject"]}
explained    ${[...explained.values()].reduce((sum, count) => sum + count, 0)}
${reasons.join("")}unexplained  ${unexplained.length}
`;
}

const HELP = `Compares the assembler with nasm and GNU as, a statement a line.
  --rounds N   lines of each form in each mode and syntax (default 6; 0.1: a tenth of the forms)   --seed S  (default 1)
  --noise P    share of disturbed lines after the first round (default 0.15)   --only RE  mnemonics
  --syntax L   nasm,att,intel (default all)   --bits L  16,32,64 (default all)   --max N  differences to print (default 100)
`;

export function main(args: readonly string[]): number {
  const text = (fallback: string) => ({ type: "string" as const, default: fallback });
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: text("6"),
      seed: text("1"),
      noise: text("0.15"),
      only: text(""),
      syntax: text("nasm,att,intel"),
      bits: text("16,32,64"),
      max: text("100"),
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const totals = total(
    runComparison({
      rounds: Number(values.rounds),
      seed: Number(values.seed),
      noise: Number(values.noise),
      syntaxes: values.syntax.split(",") as Syntax[],
      bits: values.bits.split(",").map(Number) as Bits[],
      ...(values.only !== "" && { only: new RegExp(values.only) }),
    }),
  );
  for (const outcome of totals.unexplained.slice(0, Number(values.max))) process.stdout.write(`${describe(outcome)}\n`);
  process.stdout.write(report(totals));
  return totals.unexplained.length === 0 ? 0 : 1;
}
