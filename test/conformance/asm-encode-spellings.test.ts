/**
 * Statements as people write them (aliases, shorthands, implied operands), one a line in asm-encode/spellings, assembled by our
 * assembler and by the tool, in every mode: 64-bit as written, 32- and 16-bit with the registers' names shortened.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { assemble } from "../../src/asmlang/index.ts";
import type { Bits } from "../../src/asmlang/types.ts";
import { requireTool } from "../tools.ts";
import type { Syntax } from "./asm-encode/line.ts";
import { assemble as assembleByTool } from "./asm-encode/tools.ts";

const folder = path.join(import.meta.dirname, "asm-encode/spellings");

/** The memory operands are based on registers of the mode's width. */
function linesFor(syntax: Syntax, bits: Bits): string[] {
  const lines = readFileSync(path.join(folder, `${syntax}.txt`), "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "");
  if (bits === 64) return lines;
  const usable = lines.filter((line) => !/[xy]mm[89]|^jmp 0x/.test(line));
  return [...new Set(usable.map((line) => line.replace(/\br([abcd]x|[sd]i|[sb]p)\b/g, "e$1")))];
}

const HEADS: Readonly<Record<Syntax, (bits: Bits) => string>> = {
  nasm: (bits) => `bits ${bits}\nextern ext\nsection .text\n`,
  att: (bits) => `.code${bits}\n`,
  intel: (bits) => `.code${bits}\n.intel_syntax noprefix\n`,
};

function ours(syntax: Syntax, bits: Bits, line: string): string {
  const source = { uri: "line", text: `${HEADS[syntax](bits)}${line}\n` };
  const result = assemble(source, { dialect: syntax === "nasm" ? "nasm" : "gas", bits });
  const error = result.diagnostics.find(({ severity }) => severity === "error");
  if (error !== undefined) return `error: ${error.message}`;
  return Buffer.from(result.sections.find(({ name }) => name === ".text")?.bytes ?? []).toString("hex");
}

/** A relocation's field: GNU as lists the addend there in 32-bit objects. */
const hasSymbol = (line: string): boolean => /\bext\b/.test(line);

/** We take these and the tool does not, or the other way round; with what reason. */
const EXPLAINED: readonly (readonly [RegExp, string])[] = [
  [
    /^(jmpw|ljmpq|lfs|lss|lgs|icebp|vmrun|skinit|sysret|sysexit|movabs)/,
    "instructions that the tool's templates leave out of a mode or syntax",
  ],
  [/^call far ptr/, "the parser does not hand on `far ptr` yet"],
  [/^mov cr8, eax/, "the parser takes CR8 for a symbol outside 64-bit mode"],
  [/^(sgdt|rdfsbase)/, "GNU as checks a size or mode that the encoding does not need"],
];

function differences(syntax: Syntax, bits: Bits): string[] {
  const lines = linesFor(syntax, bits);
  const answers = assembleByTool(syntax, bits, lines);
  return lines.flatMap((line, index) => {
    const answer = answers[index]!;
    const mine = ours(syntax, bits, line);
    const theirs = answer.hex ?? `error: ${answer.message}`;
    const bothReject = answer.hex === undefined && mine.startsWith("error");
    const inField = syntax !== "nasm" && bits !== 64 && hasSymbol(line) && mine.length === theirs.length;
    if (mine === theirs || bothReject || inField || EXPLAINED.some(([text]) => text.test(line))) return [];
    return [`${line}: ours ${mine}, the tool's ${theirs}`];
  });
}

for (const syntax of ["nasm", "att", "intel"] as const) {
  describe.runIf(requireTool(syntax === "nasm" ? "nasm" : "as"))(`${syntax} spellings`, () => {
    it.each([64, 32, 16] as const)("%i-bit", { timeout: 60_000 }, (bits) => {
      expect(differences(syntax, bits)).toEqual([]);
    });
  });
}
