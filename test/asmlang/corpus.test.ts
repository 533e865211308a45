/**
 * The corpus: whole programs of both dialects. Each is assembled to what the dialect's own tool makes of it, byte for byte;
 * objects link with `ld` and run natively; line tables and frames are the tool's; every directive there is occurs.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { assemble, link, writeElfExecutable, writeElfObject, writeFlatBinary } from "../../src/asmlang/index.ts";
import type { AssembleResult } from "../../src/asmlang/types.ts";
import { requireTool } from "../tools.ts";
import { GNU_DIRECTIVES, NASM_DIRECTIVES } from "./corpus-directives.ts";
import { EXPECTED, NOT_RUN } from "./corpus-expected.ts";
import { describeElf } from "./elf.ts";
import { inTemporaryFolder, run } from "./oracle.ts";

const folder = path.join(import.meta.dirname, "corpus");
const others = path.join(import.meta.dirname, "sources");
const isProgram = (name: string) => /\.(s|asm|nasm)$/i.test(name);
const programs = readdirSync(folder).filter(isProgram).sort();
const isGas = (name: string) => /\.s$/i.test(name);
const isFlat = (name: string) => name.includes(".bin.");
const bitsOf = (name: string): 32 | 64 => (/32|16/.test(name) ? 32 : 64);
const TOOLS = requireTool("as") && requireTool("nasm", ["-v"]) && requireTool("ld") && requireTool("readelf");

function beside(name: string, from: string): string | undefined {
  const file = path.join(path.dirname(from.replace(/^file:\/\//, "")), name);
  return existsSync(file) ? file : undefined;
}

function assembled(name: string): AssembleResult {
  const file = path.join(folder, name);
  const result = assemble(
    { uri: `file://${file}`, text: readFileSync(file, "utf8") },
    {
      dialect: "auto",
      bits: isFlat(name) ? 16 : bitsOf(name),
      include: (other, from) => {
        const found = beside(other, from);
        return found === undefined ? undefined : { uri: `file://${found}`, text: readFileSync(found, "utf8") };
      },
      includeBytes: (other, from) => {
        const found = beside(other, from);
        return found === undefined ? undefined : readFileSync(found);
      },
    },
  );
  expect(result.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return result;
}

/** What the dialect's own tool writes for a program. */
function reference(name: string, out: string, debug: boolean): Uint8Array {
  const bits = bitsOf(name);
  if (name.endsWith(".S"))
    run("gcc", [`-m${bits}`, "-fno-pic", "-c", ...(debug ? ["-Wa,-gdwarf-5"] : []), name, "-o", out], folder);
  else if (isGas(name)) run("as", [`--${bits}`, ...(debug ? ["-gdwarf-5"] : []), name, "-o", out], folder);
  else {
    const format = isFlat(name) ? "bin" : `elf${bits}`;
    run("nasm", ["-w-all", "-f", format, ...(debug ? ["-g", "-F", "dwarf"] : []), name, "-o", out], folder);
  }
  return readFileSync(out);
}

const hexLines = (bytes: Uint8Array) =>
  Array.from({ length: Math.ceil(bytes.length / 16) }, (_, i) =>
    Buffer.from(bytes.subarray(i * 16, i * 16 + 16)).toString("hex"),
  );

/** Facts about an object; the debug information that a tool adds of its own accord has a test of its own. */
const facts = (bytes: Uint8Array) => describeElf(bytes).filter((line) => !/^(section )?\.debug_(?!frame)/.test(line));

/** `readelf`'s rows of a line table, as "file line address". */
function rows(file: string, cwd: string): string[] {
  return run("readelf", ["-W", "--debug-dump=decodedline", file], cwd)
    .split("\n")
    .flatMap((line) => {
      const row = /^(\S+)\s+(\d+|-)\s+(0x[\da-f]+|0)\b(.*)$/.exec(line);
      return row ? [`${path.basename(row[1]!)} ${row[2]} ${Number(row[3])} ${/x\s*$/.test(row[4]!) ? "x" : ""}`] : [];
    });
}

const frames = (file: string, cwd: string) =>
  run("readelf", ["-W", "--debug-dump=frames", file], cwd)
    .split("\n")
    .filter((line) => line !== "" && !line.includes("has no debugging data"));

describe.runIf(TOOLS)("the corpus against the tools", () => {
  it.each(programs)("%s", (name) => {
    inTemporaryFolder((temporary) => {
      const theirs = reference(name, path.join(temporary, "theirs"), false);
      const result = assembled(name);
      if (isFlat(name)) {
        const made = writeFlatBinary(result);
        expect(made.diagnostics).toEqual([]);
        expect(hexLines(made.bytes)).toEqual(hexLines(theirs));
      } else expect(facts(writeElfObject(result, bitsOf(name) === 64))).toEqual(facts(theirs));
    });
  });

  it.each(programs.filter((name) => !isFlat(name)))("%s: line table and frames", (name) => {
    inTemporaryFolder((temporary) => {
      reference(name, path.join(temporary, "theirs.o"), true);
      writeFileSync(
        path.join(temporary, "ours.o"),
        writeElfObject(assembled(name), bitsOf(name) === 64, { debug: true }),
      );
      expect(rows("ours.o", temporary)).toEqual(rows("theirs.o", temporary));
      expect(frames("ours.o", temporary)).toEqual(frames("theirs.o", temporary));
    });
  });
});

describe.runIf(TOOLS && process.platform === "linux" && process.arch === "x64")("the corpus run natively", () => {
  it("runs every program that is one", () => {
    expect([...Object.keys(EXPECTED), ...NOT_RUN].sort()).toEqual(programs);
  });

  it.each(Object.entries(EXPECTED))("%s", (name, expected) => {
    inTemporaryFolder((temporary) => {
      const result = assembled(name);
      const bits = bitsOf(name);
      writeFileSync(path.join(temporary, "a.o"), writeElfObject(result, bits === 64));
      run("ld", ["-m", bits === 64 ? "elf_x86_64" : "elf_i386", "-o", "by-ld", "a.o"], temporary);
      const image = link([result]);
      expect(image.diagnostics).toEqual([]);
      writeFileSync(path.join(temporary, "by-us"), writeElfExecutable(image), { mode: 0o755 });
      for (const program of ["by-ld", "by-us"]) {
        const done = spawnSync(path.join(temporary, program), { encoding: "utf8" });
        expect({ program, output: done.stdout, status: done.status }).toEqual({ program, ...expected });
      }
    });
  });
});

describe("what the corpus covers", () => {
  const texts = [folder, others].flatMap((at) =>
    readdirSync(at)
      .filter(isProgram)
      .map((name) => ({ gas: isGas(name), text: readFileSync(path.join(at, name), "utf8") })),
  );
  const all = (gas: boolean) =>
    texts
      .filter((one) => one.gas === gas)
      .map(({ text }) => text)
      .join("\n");

  it("has at least thirty programs of each dialect", () => {
    expect(texts.filter(({ gas }) => gas).length).toBeGreaterThanOrEqual(30);
    expect(texts.filter(({ gas }) => !gas).length).toBeGreaterThanOrEqual(30);
  });

  it.each(GNU_DIRECTIVES)("GNU: %s", (directive) => expect(all(true)).toMatch(directive));
  it.each(NASM_DIRECTIVES)("NASM: %s", (directive) => expect(all(false)).toMatch(directive));
});
