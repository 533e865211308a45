/** Runs nasm or GNU as over many lines at once and reads each line's bytes from the listing; undefined = rejected. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Bits } from "../../../src/asmlang/types.ts";
import type { Syntax } from "./line.ts";

export interface ToolAnswer {
  /** Hex, lower case; undefined when the tool has an error on this line. */
  readonly hex: string | undefined;
  readonly message: string | undefined;
}

const HEADS: Readonly<Record<Syntax, (bits: Bits) => string[]>> = {
  nasm: (bits) => [`bits ${bits}`, "extern ext"],
  att: (bits) => [`.code${bits}`, ".att_syntax"],
  intel: (bits) => [`.code${bits}`, ".intel_syntax noprefix"],
};

interface Output {
  readonly text: string;
  readonly status: number | null;
}

function run(command: string, args: readonly string[], directory: string): Output {
  const result = spawnSync(command, [...args], { cwd: directory, encoding: "utf8", maxBuffer: 1 << 28 });
  if (result.error !== undefined) throw result.error;
  return { text: `${result.stderr}${result.stdout}`, status: result.status };
}

/** Errors by line number of the file; NASM also panics on some lines. */
function errorsOf(output: string): Map<number, string> {
  const errors = new Map<number, string>();
  for (const match of output.matchAll(/^(?:panic: in\.s:(\d+): (.*)|in\.s:(\d+): ([Ee]rror.*|Internal error.*))$/gm)) {
    errors.set(Number(match[1] ?? match[3]), match[2] === undefined ? match[4]! : `panic: ${match[2]}`);
  }
  return errors;
}

function nasmListing(text: string): Map<number, string> {
  const bytes = new Map<number, string>();
  for (const row of text.split("\n")) {
    const match = /^ *(\d+) [0-9A-F]{8} ([0-9A-F[\]()-]+)/.exec(row);
    if (match)
      bytes.set(
        Number(match[1]),
        (bytes.get(Number(match[1])) ?? "") + match[2]!.replace(/[^0-9A-F]/g, "").toLowerCase(),
      );
  }
  return bytes;
}

function gasListing(text: string): Map<number, string> {
  const bytes = new Map<number, string>();
  for (const row of text.split("\n")) {
    const match = /^ *(\d+) (?:[0-9a-f]{4,8}| {4}) ((?:[0-9A-F]{2,8} ?)+)/.exec(row);
    if (match)
      bytes.set(Number(match[1]), (bytes.get(Number(match[1])) ?? "") + match[2]!.replace(/ /g, "").toLowerCase());
  }
  return bytes;
}

interface Run {
  readonly errors: Map<number, string>;
  readonly bytes: Map<number, string>;
}

/** A tool that finds errors lists nothing, or not all: its bad lines are taken out and it runs again, until it finds none. */
function runUntilClean(lines: readonly string[], directory: string, tool: () => Output): Map<number, string> {
  const errors = new Map<number, string>();
  for (let round = 0; round < 40; round++) {
    const kept = lines.map((line, index) => (errors.has(index + 1) ? "" : line));
    writeFileSync(path.join(directory, "in.s"), `${kept.join("\n")}\n`);
    const output = tool();
    const found = errorsOf(output.text);
    if (found.size === 0 && output.status !== 0) throw new Error(`the tool failed: ${output.text.slice(-1000)}`);
    if (found.size === 0) return errors;
    for (const [line, message] of found) errors.set(line, message);
  }
  throw new Error(`the tool still finds errors: ${[...errors.values()].at(-1)}`);
}

const listing = (directory: string): string => {
  const file = path.join(directory, "list");
  return existsSync(file) ? readFileSync(file, "utf8") : "";
};

function runNasm(lines: readonly string[], bits: Bits, directory: string): Run {
  const args = [
    "-f",
    bits === 64 ? "elf64" : "elf32",
    "-w-all",
    "-w+error=label-orphan",
    "-l",
    "list",
    "-o",
    "out.o",
    "in.s",
  ];
  const errors = runUntilClean(lines, directory, () => run("nasm", args, directory));
  return { errors, bytes: nasmListing(listing(directory)) };
}

function runGas(lines: readonly string[], bits: Bits, directory: string): Run {
  const args = [
    bits === 64 ? "--64" : "--32",
    "-al=list",
    "--listing-lhs-width=8",
    "--listing-cont-lines=4",
    "-o",
    "out.o",
    "in.s",
  ];
  const errors = runUntilClean(lines, directory, () => run("as", args, directory));
  return { errors, bytes: gasListing(listing(directory)) };
}

/** Each line on its own, in one run of the tool. */
export function assemble(syntax: Syntax, bits: Bits, lines: readonly string[]): ToolAnswer[] {
  const directory = mkdtempSync(path.join(tmpdir(), "asm-encode-"));
  try {
    const head = HEADS[syntax](bits);
    const all = [...head, ...lines];
    const { errors, bytes } = syntax === "nasm" ? runNasm(all, bits, directory) : runGas(all, bits, directory);
    return lines.map((_, index) => {
      const line = index + head.length + 1;
      const message = errors.get(line);
      const hex = message === undefined ? bytes.get(line) : undefined;
      return { hex, message: hex === undefined ? (message ?? "taken for a label") : undefined };
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
