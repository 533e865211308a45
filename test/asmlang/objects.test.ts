/**
 * objects.txt: statements and small programs, our objects against the tools' in every fact: types and flags of sections, order of
 * relocations, symbols. A line that starts with `!` is one that the tool refuses, and so do we.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { assemble, writeElfObject, writeFlatBinary } from "../../src/asmlang/index.ts";
import { requireTool } from "../tools.ts";
import { elfFacts } from "./elf-facts.ts";
import { inTemporaryFolder } from "./oracle.ts";

type Kind = "gas64" | "gas32" | "nasm64" | "nasm32" | "nasmbin";

interface Program {
  readonly kind: Kind;
  readonly refused: boolean;
  readonly source: string;
}

const programs = readFileSync(path.join(import.meta.dirname, "objects.txt"), "utf8")
  .split("\n")
  .flatMap((line): Program[] => {
    const match = /^(!?)(gas64|gas32|nasm64|nasm32|nasmbin): (.*)$/.exec(line);
    return match ? [{ kind: match[2] as Kind, refused: match[1] === "!", source: match[3]! }] : [];
  });

const hex = (bytes: Uint8Array): string[] => [Buffer.from(bytes).toString("hex")];

/** What the tool makes of it; undefined: it refuses. */
function theirs(kind: Kind, text: string): string[] | undefined {
  return inTemporaryFolder((folder) => {
    const gas = kind.startsWith("gas");
    writeFileSync(path.join(folder, gas ? "a.s" : "a.asm"), text);
    const [command, args] = gas
      ? ["as", [kind === "gas64" ? "--64" : "--32", "a.s", "-o", "o"]]
      : ["nasm", ["-f", kind === "nasmbin" ? "bin" : kind.replace("nasm", "elf"), "a.asm", "-o", "o"]];
    const out = path.join(folder, "o");
    if (
      spawnSync(command as string, args as string[], { cwd: folder, timeout: 10_000 }).status !== 0 ||
      !existsSync(out)
    )
      return undefined;
    return kind === "nasmbin" ? hex(readFileSync(out)) : elfFacts(readFileSync(out));
  });
}

function ours(kind: Kind, text: string): string[] | undefined {
  const dialect = kind.startsWith("gas") ? "gas" : "nasm";
  const bits = kind === "nasmbin" ? 16 : kind.endsWith("64") ? 64 : 32;
  const output = kind === "nasmbin" ? "flat" : "object";
  const result = assemble({ uri: dialect === "gas" ? "a.s" : "a.asm", text }, { dialect, bits, output });
  if (result.diagnostics.some(({ severity }) => severity === "error")) return undefined;
  if (kind !== "nasmbin") return elfFacts(writeElfObject(result, bits === 64));
  const { bytes, diagnostics } = writeFlatBinary(result);
  return diagnostics.some(({ severity }) => severity === "error") ? undefined : hex(bytes);
}

describe.runIf(requireTool("as") && requireTool("nasm", ["-v"]))("objects in every fact", () => {
  it.each(programs.map((one) => [`${one.kind}: ${one.source}`, one] as const))("%s", (_, { kind, refused, source }) => {
    const text = `${source.replaceAll(";;", "\n")}\n`;
    const expected = theirs(kind, text);
    expect(expected === undefined).toBe(refused);
    expect(ours(kind, text)).toEqual(expected);
  });
});
