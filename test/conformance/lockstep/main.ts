/** Command line of `npm run conformance:lockstep`. */
import { parseArgs } from "node:util";
import type { Vendor } from "../../../src/emu/cpu/cpu.ts";
import { hostVendor } from "./host.ts";
import type { Bits } from "./layout.ts";
import { Native } from "./native.ts";
import { lockstep, type Report } from "./run.ts";

const USAGE = `conformance:lockstep: random instruction sequences here and on this host's processor, compared instruction by instruction.
  --instructions N   how many in all (default 200000)
  --seed S           reproduces a run (default 1)
  --bits 16|32|64    mode; default all three, a third of the instructions each
  --cpu intel|amd    our processor's vendor (default: the host's). Other than the host's: what the two share
  --only REGEX       only mnemonics that match (iced's names)
  --batch K          only batch K of the run: what a difference says to repeat it
  --keep-going N     go on after a difference, up to N; prints one example a mnemonic
  --keep FILE        leaves the last batch's program, an ELF file that runs under any debugger, in FILE`;

const OPTIONS = {
  instructions: { type: "string", default: "200000" },
  seed: { type: "string", default: "1" },
  bits: { type: "string", default: "64,32,16" },
  cpu: { type: "string" },
  only: { type: "string" },
  batch: { type: "string" },
  "keep-going": { type: "string", default: "1" },
  keep: { type: "string" },
  tracer: { type: "string", default: "" },
  help: { type: "boolean", default: false },
} as const;

const number = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${text} is not a count`);
  return value;
};

/** Prints one example a mnemonic, at once. */
function examples(): (name: string, text: string) => void {
  const shown = new Set<string>();
  return (name, text) => {
    if (!shown.has(name)) console.log(text);
    shown.add(name);
  };
}

/** How often each mnemonic differed. */
function printCounts({ differences, covered }: Report): void {
  const counts = new Map<string, number>();
  for (const { name } of differences) counts.set(name, (counts.get(name) ?? 0) + 1);
  if (counts.size > 1) console.log([...counts].map(([name, n]) => `${name} ${n}/${covered.get(name) ?? 0}`).join(", "));
}

function progressOf(bits: number, total: number) {
  const start = Date.now();
  let last = start;
  return (compared: number, differences: number) => {
    const now = Date.now();
    if (now - last < 5000) return;
    last = now;
    const rate = Math.round((compared * 1000) / (now - start));
    process.stderr.write(`${bits}-bit: ${compared} of ${total}, ${rate} a second, ${differences} differences\n`);
  };
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const modes = values.bits.split(",").map(Number);
  if (modes.some((bits) => bits !== 16 && bits !== 32 && bits !== 64))
    throw new Error(`--bits ${values.bits}: 16, 32 or 64`);
  const vendor = (values.cpu ?? hostVendor()) as Vendor;
  if (vendor !== "intel" && vendor !== "amd") throw new Error(`--cpu ${vendor}: intel or amd`);
  const native = new Native(values.tracer, values.keep);
  const total = { compared: 0, setUps: 0, differences: 0, mnemonics: new Set<string>() };
  try {
    for (const [i, bits] of modes.entries()) {
      const all = number(values.instructions);
      const instructions = Math.floor((all * (i + 1)) / modes.length) - Math.floor((all * i) / modes.length);
      const report = await lockstep(
        {
          bits: bits as Bits,
          instructions,
          seed: number(values.seed),
          vendor,
          only: values.only === undefined ? undefined : new RegExp(values.only),
          batch: values.batch === undefined ? undefined : number(values.batch),
          limit: number(values["keep-going"]),
          progress: progressOf(bits, instructions),
          found: examples(),
        },
        native,
      );
      printCounts(report);
      console.log(
        `${bits}-bit: ${report.compared} instructions (and ${report.setUps} set-up moves), ${report.covered.size} mnemonics, ${report.differences.length} differences`,
      );
      if (report.absent.length > 0) console.log(`  not on this host: ${report.absent.join(" ")}`);
      total.compared += report.compared;
      total.setUps += report.setUps;
      total.differences += report.differences.length;
      for (const name of report.covered.keys()) total.mnemonics.add(name);
    }
  } finally {
    native.close();
  }
  console.log(
    `lockstep: ${total.compared} instructions (and ${total.setUps} set-up moves) of ${total.mnemonics.size} mnemonics as ${vendor} on an ${hostVendor()} host, seed ${values.seed}: ${total.differences} differences`,
  );
  return total.differences > 0 ? 1 : 0;
}

process.exitCode = await main();
