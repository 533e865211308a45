/** programs.txt: small programs about single features, our objects against the tools', byte for byte. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { assemble, writeElfObject } from "../../src/asmlang/index.ts";
import type { Dialect } from "../../src/asmlang/types.ts";
import { requireTool } from "../tools.ts";
import { describeElf } from "./elf.ts";
import { gnuObject, nasmOutput } from "./oracle.ts";

const lines = readFileSync(path.join(import.meta.dirname, "programs.txt"), "utf8").split("\n");
const programs = lines.flatMap((line) => {
  const match = /^(gas|nasm): (.*)$/.exec(line);
  return match ? [[match[1] as Dialect, match[2]!] as const] : [];
});

describe.runIf(requireTool("as") && requireTool("nasm", ["-v"]))("small programs", () => {
  it.each(programs)("%s: %s", (dialect, source) => {
    const text = `${source.replaceAll(";;", "\n")}\n`;
    const result = assemble({ uri: "a", text }, { dialect, bits: 64 });
    expect(result.diagnostics).toEqual([]);
    const theirs = dialect === "gas" ? gnuObject(text, 64) : nasmOutput(text, "elf64");
    expect(describeElf(writeElfObject(result, true))).toEqual(describeElf(theirs));
  });
});
