/** errors.txt: every wrong input gives just the diagnostics written there. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { assemble } from "../../src/asmlang/index.ts";
import type { Diagnostic, Dialect } from "../../src/asmlang/types.ts";

interface Block {
  readonly dialect: Dialect;
  readonly source: string;
  readonly expected: string[];
}

function read(): Block[] {
  const blocks: Block[] = [];
  for (const line of readFileSync(path.join(import.meta.dirname, "errors.txt"), "utf8").split("\n")) {
    const start = /^(gas|nasm): (.*)$/.exec(line);
    if (start) blocks.push({ dialect: start[1] as Dialect, source: start[2]!, expected: [] });
    else if (line.startsWith(" ")) blocks.at(-1)!.expected.push(line.trim());
  }
  return blocks;
}

const shown = ({ severity, message, range }: Diagnostic): string =>
  `${range.line + 1}:${range.column + 1}-${range.endColumn + 1} ${severity === "error" ? "" : "warning: "}${message}`;

describe("error corpus", () => {
  const blocks = read();

  it("has at least 150 inputs", () => expect(blocks.length).toBeGreaterThanOrEqual(150));

  it.each(blocks.map((block) => [`${block.dialect}: ${block.source}`, block] as const))("%s", (_, block) => {
    const text = `${block.source.replaceAll(";;", "\n")}\n`;
    const { dialect } = block;
    const { diagnostics } = assemble({ uri: dialect === "gas" ? "a.s" : "a.asm", text }, { dialect, bits: 64 });
    expect(diagnostics.map(shown)).toEqual(block.expected);
  });
});
