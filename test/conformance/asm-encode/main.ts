/** Compares N generated lines of each group, mode and syntax with the tools and prints what differs. */
import { parseArgs } from "node:util";
import type { Bits } from "../../../src/asmlang/types.ts";
import { compareLine, type Outcome, type Verdict } from "./compare.ts";
import { explanationOf } from "./explained.ts";
import { formsOf, type Group, lineFor } from "./generate.ts";
import type { Line, Syntax } from "./line.ts";
import { Random } from "./random.ts";
import { assemble } from "./tools.ts";

export interface RunOptions {
  /** Per syntax and mode; every form is taken at least once if it is large enough. */
  readonly lines: number;
  readonly seed: number;
  readonly noise: number;
  readonly groups: readonly Group[];
  readonly syntaxes: readonly Syntax[];
  readonly bits: readonly Bits[];
}

function makeLines(options: RunOptions, syntax: Syntax, bits: Bits): Line[] {
  const random = new Random(options.seed * 7919 + bits * 31 + syntax.length);
  const forms = options.groups
    .flatMap((group) => formsOf(group, syntax === "nasm" ? "nasm" : "gas"))
    .filter((form) => (form.modes & bits) !== 0);
  return Array.from({ length: options.lines }, (_, i) => {
    const form = i < forms.length ? forms[i]! : random.pick(forms);
    return lineFor(form, { random, syntax, bits, noise: i < forms.length ? 0 : options.noise });
  });
}

export function runComparison(options: RunOptions): Outcome[] {
  const outcomes: Outcome[] = [];
  for (const syntax of options.syntaxes) {
    for (const bits of options.bits) {
      const lines = makeLines(options, syntax, bits);
      const answers = assemble(
        syntax,
        bits,
        lines.map((line) => line.text),
      );
      outcomes.push(...lines.map((line, index) => compareLine(line, answers[index]!)));
    }
  }
  return outcomes;
}

export function tally(outcomes: readonly Outcome[]): Record<Verdict, number> {
  const counts: Record<Verdict, number> = {
    same: 0,
    "both-reject": 0,
    different: 0,
    "we-reject": 0,
    "we-accept": 0,
    "tool-lacks": 0,
  };
  for (const { verdict } of outcomes) counts[verdict]++;
  return counts;
}

/** Different bytes, or a line that the tool takes and we do not, for no known reason. */
export function unexplained(outcomes: readonly Outcome[]): Outcome[] {
  const bad = outcomes.filter(({ verdict }) => verdict === "different" || verdict === "we-reject");
  return bad.filter((outcome) => explanationOf(outcome) === undefined);
}

export function describe({ line, verdict, ours, theirs }: Outcome): string {
  return `${verdict.padEnd(10)} ${line.syntax}${line.request.bits}  ${line.text}\n             ours   ${ours}\n             theirs ${theirs}`;
}

const HELP = `Compares the encoder with nasm and GNU as on generated lines.
  --lines N    lines for each syntax and mode (default 1000)      --seed S     (default 1)
  --groups L   integer,x87,vector (default integer,x87)           --noise P    share of disturbed lines (default 0.15)
  --syntax L   nasm,att,intel (default all)                       --bits L     16,32,64 (default all)
  --show L     verdicts to print: different,we-reject,we-accept (default different,we-reject)    --max N  at most (default 100)
  --all        print explained lines too
`;

export function main(args: readonly string[]): number {
  const text = (fallback: string) => ({ type: "string" as const, default: fallback });
  const { values } = parseArgs({
    args: [...args],
    options: {
      lines: text("1000"),
      seed: text("1"),
      noise: text("0.15"),
      groups: text("integer,x87"),
      syntax: text("nasm,att,intel"),
      bits: text("16,32,64"),
      show: text("different,we-reject"),
      max: text("100"),
      all: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const outcomes = runComparison({
    lines: Number(values.lines),
    seed: Number(values.seed),
    noise: Number(values.noise),
    groups: values.groups.split(",") as Group[],
    syntaxes: values.syntax.split(",") as Syntax[],
    bits: values.bits.split(",").map(Number) as Bits[],
  });
  const wanted = outcomes.filter(({ verdict }) => values.show.split(",").includes(verdict));
  const shown = wanted
    .filter((outcome) => values.all || explanationOf(outcome) === undefined)
    .slice(0, Number(values.max));
  for (const outcome of shown) process.stdout.write(`${describe(outcome)}\n`);
  const counts = tally(outcomes);
  const open = unexplained(outcomes);
  process.stdout.write(`${JSON.stringify(counts)}; without explanation: ${open.length}\n`);
  return open.length === 0 ? 0 : 1;
}
