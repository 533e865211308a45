/** Command line of `npm run conformance:test386`. */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { runTest386 } from "./run.ts";

const USAGE = `conformance:test386 ROM: boots a test386 ROM (64 or 128 KB) on the bare machine and reports its last POST code; FF is success.
  --model 386|current      which processor ours is (default current)
  --cpu intel|amd          whose (default intel)
  --post-port P            where the ROM reports (default 0x190)
  --output FILE            what the ROM wrote to port E9 or COM1
  --max-instructions N     (default 1000000000)
The ROM is not part of this project: docs/test386.md says how to make one.`;

const DONE = 0xff;
const hex = (code: number): string => code.toString(16).toUpperCase().padStart(2, "0");

function main(args: string[]): number {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      help: { type: "boolean" },
      model: { type: "string", default: "current" },
      cpu: { type: "string", default: "intel" },
      "post-port": { type: "string", default: "0x190" },
      output: { type: "string" },
      "max-instructions": { type: "string", default: "1000000000" },
    },
  });
  const [rom] = positionals;
  const { model, cpu: vendor, output } = values;
  const known = (model === "386" || model === "current") && (vendor === "intel" || vendor === "amd");
  if (values.help || rom === undefined || !known) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const posts: string[] = [];
  const result = runTest386(readFileSync(rom), {
    model: { vendor, model, quirks: [] },
    postPort: Number(values["post-port"]),
    maxInstructions: Number(values["max-instructions"]),
    post: (code) => posts.push(hex(code)),
  });
  console.log(`POST ${posts.join(" ")}`);
  if (output !== undefined) writeFileSync(output, result.output);
  const last = result.lastPost < 0 ? "none" : hex(result.lastPost);
  const why = result.stop.kind === "shutdown" ? ` (${result.stop.why})` : "";
  console.log(`${result.stop.kind}${why} at ${result.at} after ${result.instructions} instructions`);
  console.log(`last POST code: ${last}`);
  return result.lastPost === DONE ? 0 : 1;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
