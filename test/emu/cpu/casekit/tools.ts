/** Bytes of case lines from nasm and GNU as, and from our assembler: a line stands where the instruction runs. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { assemble, writeFlatBinary } from "../../../../src/asmlang/index.ts";
import { assemble as assembleLines } from "../../../conformance/asm-encode/tools.ts";
import { bitsOf, ipOf } from "./decode.ts";
import type { Dialect, Mode } from "./format.ts";

export interface Line {
  readonly dialect: Dialect;
  readonly mode: Mode;
  readonly text: string;
}

/** Near branches: their bytes depend on where they are. */
const BRANCH =
  /^(?:[a-z0-9]+ )*?(?:j[a-z]+|call|loop[a-z]*|xbegin) (?:short |near |word |dword )*[0-9][0-9A-Fa-fx]*h?$/;
const isPlaced = (line: Line): boolean => line.dialect === "nasm" && BRANCH.test(line.text);

const placedSource = ({ mode, text }: Line): string =>
  `bits ${bitsOf(mode)}\norg 0x${ipOf(mode).toString(16)}\n${text}\n`;

function nasmPlaced(line: Line, directory: string): string | undefined {
  writeFileSync(path.join(directory, "in.asm"), placedSource(line));
  const result = spawnSync("nasm", ["-f", "bin", "-o", "out.bin", "in.asm"], { cwd: directory });
  return result.status === 0 ? readFileSync(path.join(directory, "out.bin")).toString("hex") : undefined;
}

/** Hexadecimal; undefined where the tool has an error. */
export function toolBytes(lines: readonly Line[]): (string | undefined)[] {
  const answers: (string | undefined)[] = new Array(lines.length).fill(undefined);
  const directory = mkdtempSync(path.join(tmpdir(), "ringside-cases-"));
  try {
    const groups = new Map<string, number[]>();
    lines.forEach((line, i) => {
      if (isPlaced(line)) answers[i] = nasmPlaced(line, directory);
      else {
        const key = `${line.dialect} ${bitsOf(line.mode)}`;
        groups.set(key, [...(groups.get(key) ?? []), i]);
      }
    });
    for (const indices of groups.values()) {
      const { dialect, mode } = lines[indices[0]!]!;
      const texts = indices.map((i) => lines[i]!.text);
      const found = assembleLines(dialect === "nasm" ? "nasm" : "att", bitsOf(mode), texts);
      indices.forEach((index, i) => void (answers[index] = found[i]!.hex));
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return answers;
}

/** The bytes that our assembler makes, or what it says. */
export function ourBytes(line: Line): string {
  const nasm = line.dialect === "nasm";
  const source = nasm ? placedSource(line) : `${line.text}\n`;
  const uri = nasm ? "case.asm" : "case.s";
  const result = assemble({ uri, text: source }, { dialect: line.dialect, bits: bitsOf(line.mode) });
  const errors = result.diagnostics.filter(({ severity }) => severity === "error");
  if (errors.length > 0) return errors.map(({ message }) => message).join("; ");
  return Buffer.from(writeFlatBinary(result, ipOf(line.mode)).bytes).toString("hex");
}
