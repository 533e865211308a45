/** The command behind `npm run cases`: fills case files, checks them, proposes new ones. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { Host } from "../host/native.ts";
import { check, fill } from "./fill.ts";
import { fileText, type Group, parseCases } from "./format.ts";
import { generate, mnemonicNamed } from "./generate.ts";
import { caseName, supportedMnemonics } from "./supported.ts";

const HELP = `npm run cases -- fill FILE...     bytes by nasm or as, 'after' by this processor; files with a 'source' keep theirs
npm run cases -- check [FILE...]  runs all cases on this processor and compares; bytes too
npm run cases -- generate [NAME...] [--all] [--seed S] [--verbose]
                                  proposes cases for mnemonics that have none (or for those named, or all) and fills them;
                                  groups with a 'source' or a remark stay
`;

const read = (file: string): Group[] => parseCases(readFileSync(file, "utf8"), path.basename(file));

const allFiles = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith(".txt"))
    .sort()
    .map((name) => path.join(directory, name));

function fillFiles(files: readonly string[], host: Host): number {
  const complaints: string[] = [];
  for (const file of files) writeFileSync(file, fileText(fill(read(file), host, complaints)));
  for (const line of complaints) process.stderr.write(`${line}\n`);
  return complaints.length === 0 ? 0 : 1;
}

function checkFiles(files: readonly string[], host: Host): number {
  const { differences, agreed, absent } = check(files.flatMap(read), host);
  for (const line of differences) process.stdout.write(`${line}\n`);
  process.stdout.write(
    `${agreed} agree with this processor, ${differences.length} differ, ${absent} it does not have\n`,
  );
  return differences.length === 0 ? 0 : 1;
}

function generateFiles(directory: string, names: readonly string[], host: Host, options: Options): number {
  const have = new Set(allFiles(directory).map((file) => path.basename(file, ".txt")));
  const named = new Set(names.map(mnemonicNamed));
  const accepts = (mnemonic: number) =>
    supportedMnemonics().has(mnemonic) &&
    (named.size > 0 ? named.has(mnemonic) : options.all || !have.has(caseName(mnemonic)));
  const { files, complaints } = generate({ directory, host, seed: Number(options.seed), accepts });
  if (options.verbose) for (const line of complaints) process.stdout.write(`${line}\n`);
  process.stdout.write(`${files.length} files written, ${complaints.length} proposals refused (--verbose)\n`);
  return 0;
}

interface Options {
  readonly all: boolean;
  readonly verbose: boolean;
  readonly seed: string;
}

export function main(args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      root: { type: "string", default: "." },
      help: { type: "boolean", default: false },
      all: { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
      seed: { type: "string", default: "1" },
    },
  });
  const [command, ...names] = positionals;
  const directory = path.join(values.root, "test/emu/cpu/cases");
  if (values.help || command === undefined) {
    process.stdout.write(HELP);
    return values.help ? 0 : 2;
  }
  const host = new Host(path.join(values.root, "test/emu/cpu/host/runner.c"));
  try {
    const files = names.length > 0 ? names : allFiles(directory);
    if (command === "fill") return fillFiles(names, host);
    if (command === "generate") return generateFiles(directory, names, host, values);
    if (command === "check") return checkFiles(files, host);
    process.stdout.write(HELP);
    return 2;
  } finally {
    host.close();
  }
}

process.exitCode = main(process.argv.slice(2));
