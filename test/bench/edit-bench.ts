/**
 * What an edit of one line of a 5,000-line file costs: the diagnostics of the whole file anew. Each dialect has a process of its own, as
 * an editor's language server has whose user writes one of them.
 */
import { bench, describe } from "vitest";
import type { Dialect } from "../../src/asmlang/types.ts";
import { edits, plausible } from "./edited.ts";
import { program } from "./program.ts";
import { shippedAssembler } from "./shipped.ts";

const { assemble } = await shippedAssembler();

/** Processor time of this process: what an edit costs, however busy the machine is. */
const processorTime = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

const measured = { now: processorTime, iterations: 40, time: 0, warmupIterations: 20, warmupTime: 0 };

function diagnose(lines: readonly string[], dialect: Dialect): void {
  const { diagnostics } = assemble({ uri: "a", text: lines.join("\n") }, { dialect, bits: 64 });
  if (diagnostics.length > 0) throw new Error(diagnostics[0]!.message);
}

export function benchEdits(dialect: Dialect): void {
  describe(`${dialect}: an edit of one line of 5,000 instructions, in processor time`, () => {
    const lines = program(5000, dialect).split("\n");
    let number = 0;
    const edit = () => {
      lines[2500] = `    add eax, ${number++}`;
      diagnose(lines, dialect);
    };
    bench("in the middle", edit, measured);
  });

  describe(`${dialect}: an edit of one line of a program of 5,000 lines, in processor time`, () => {
    const before = plausible(dialect);
    for (const { name, at, line } of edits(dialect)) {
      const lines = [...before];
      const place = at(before);
      let number = 0;
      const edit = () => {
        lines[place] = line(number++);
        diagnose(lines, dialect);
      };
      bench(name, edit, measured);
    }
  });
}
