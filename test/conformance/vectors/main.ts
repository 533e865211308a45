/** Command line of `npm run conformance:vectors`. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readVectors, skipReason, type Vector, VectorMachine } from "./run.ts";

const USAGE = `conformance:vectors DIR: runs every *.jsonl.gz of hardware vectors in real mode.
  --model 286|386   which processor ours is (default 286)
  --verbose         every failure, not only how many`;

interface Count {
  passed: number;
  failed: number;
}

const describe = (vector: Vector, wrong: readonly string[]): string => {
  const exception = vector.exception ? ` exception ${vector.exception.vector}` : "";
  return `  ${vector.name} [${vector.bytes}]${exception}: ${wrong.join("; ")}`;
};

function runFile(file: string, machine: VectorMachine, skipped: Map<string, number>, verbose: boolean): Count {
  const count = { passed: 0, failed: 0 };
  for (const vector of readVectors(file)) {
    const reason = skipReason(vector);
    if (reason !== undefined) {
      skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
      continue;
    }
    const wrong = machine.run(vector);
    if (wrong.length === 0) count.passed++;
    else {
      count.failed++;
      if (verbose) console.log(describe(vector, wrong));
    }
  }
  return count;
}

function runAll(directory: string, files: readonly string[], model: "286" | "386", verbose: boolean): number {
  const machine = new VectorMachine(model);
  const total = { passed: 0, failed: 0 };
  const skipped = new Map<string, number>();
  for (const name of files) {
    const { passed, failed } = runFile(join(directory, name), machine, skipped, verbose);
    console.log(`${name}: ${passed} passed, ${failed} failed`);
    total.passed += passed;
    total.failed += failed;
  }
  let skips = 0;
  for (const [reason, count] of skipped) {
    console.log(`skipped ${count}: ${reason}`);
    skips += count;
  }
  console.log(`total: ${total.passed} passed, ${total.failed} failed, ${skips} skipped`);
  return total.failed > 0 ? 1 : 0;
}

function main(args: string[]): number {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      help: { type: "boolean" },
      model: { type: "string", default: "286" },
      verbose: { type: "boolean", default: false },
    },
  });
  const [directory] = positionals;
  const { model } = values;
  if (values.help || directory === undefined || (model !== "286" && model !== "386")) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const files = readdirSync(directory)
    .filter((file) => file.endsWith(".jsonl.gz"))
    .sort();
  if (files.length === 0) throw new Error(`${directory} has no *.jsonl.gz`);
  return runAll(directory, files, model, values.verbose);
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
