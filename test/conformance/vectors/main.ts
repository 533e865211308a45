/** Command line of `npm run conformance:vectors`. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readVectors, skipReason, VectorMachine } from "./run.ts";

const USAGE = `conformance:vectors DIR: runs every *.jsonl.gz of hardware vectors in real mode.
  --model 286|386   which processor ours is (default 286)
  --verbose         the first failure of each file`;

function main(args: readonly string[]): number {
  const directory = args.find((arg, i) => !arg.startsWith("--") && args[i - 1] !== "--model");
  if (args.includes("--help") || directory === undefined) {
    console.log(USAGE);
    return args.includes("--help") ? 0 : 2;
  }
  const at = args.indexOf("--model");
  const machine = new VectorMachine(at >= 0 && args[at + 1] === "386" ? "386" : "286");
  const total = { passed: 0, failed: 0 };
  const skipped = new Map<string, number>();
  for (const name of readdirSync(directory)
    .filter((file) => file.endsWith(".jsonl.gz"))
    .sort()) {
    let passed = 0;
    let failed = 0;
    let first = "";
    for (const vector of readVectors(join(directory, name))) {
      const reason = skipReason(vector);
      if (reason) {
        skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
        continue;
      }
      const wrong = machine.run(vector);
      if (wrong.length === 0) passed++;
      else {
        failed++;
        first ||= `  ${vector.name} [${vector.bytes}]${vector.exception ? ` exception ${vector.exception.vector}` : ""}: ${wrong.join("; ")}`;
      }
    }
    console.log(`${name}: ${passed} passed, ${failed} failed`);
    if (args.includes("--verbose") && first) console.log(first);
    total.passed += passed;
    total.failed += failed;
  }
  for (const [reason, count] of skipped) console.log(`skipped ${count}: ${reason}`);
  console.log(`total: ${total.passed} passed, ${total.failed} failed`);
  return total.failed > 0 ? 1 : 0;
}

process.exitCode = main(process.argv.slice(2));
