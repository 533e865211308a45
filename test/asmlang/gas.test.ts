/** GNU sources: our objects against those of `as`, byte for byte. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { assemble, writeElfObject } from "../../src/asmlang/index.ts";
import { requireTool } from "../tools.ts";
import { describeElf } from "./elf.ts";
import { gnuObject } from "./oracle.ts";

const folder = path.join(import.meta.dirname, "sources");
const sources = readdirSync(folder).filter((name) => /\.[sS]$/.test(name));

/** 32-bit sources have 32 in their name. */
const bitsOf = (name: string): 32 | 64 => (/32|16/.test(name) ? 32 : 64);

describe.runIf(requireTool("as"))("GNU dialect against as", () => {
  it.each(sources)("%s", (name) => {
    const text = readFileSync(path.join(folder, name), "utf8");
    const bits = bitsOf(name);
    const result = assemble({ uri: `file:///${name}`, text }, { dialect: "auto", bits });
    expect(result.diagnostics.filter((one) => one.severity === "error")).toEqual([]);
    const ours = describeElf(writeElfObject(result, bits === 64));
    expect(ours).toEqual(describeElf(gnuObject(text, bits, name.endsWith(".S"))));
  });
});
