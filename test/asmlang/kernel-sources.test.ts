/** The kernel's own entry code, the largest GNU source here: what we make of it against what `as` makes. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { assemble, writeElfObject } from "../../src/asmlang/index.ts";
import { X86_64 } from "../../src/emu/kernel/arch64.ts";
import { chooseDesigns } from "../../src/emu/kernel/designs.ts";
import { I386 } from "../../src/emu/kernel/i386/arch.ts";
import { requireTool } from "../tools.ts";
import { describeElf } from "./elf.ts";
import { inTemporaryFolder, run } from "./oracle.ts";

/** Symbols that depend on the processor are constants like the others: any value will do. */
const CPU_SYMBOLS = /\b(X86_[A-Z]+_[A-Z0-9_]+|CPU_[A-Z0-9_]+|NR_CPUS)\b/g;

describe.runIf(requireTool("as"))("kernel entry code against as", () => {
  it.each([["64-bit", X86_64] as const, ["32-bit", I386] as const])("%s", (_, arch) => {
    const choice = chooseDesigns("linux-6.1", {});
    if (typeof choice === "string") throw new Error(choice);
    const defines: Record<string, number | bigint> = { ...arch.layout.defines, ...choice.defines };
    for (const { text } of [...arch.sources, ...Object.values(arch.includes).map((text) => ({ text }))])
      for (const [name] of text.matchAll(CPU_SYMBOLS)) defines[name] ??= 2;
    for (const source of arch.sources) {
      const result = assemble(source, {
        dialect: "gas",
        bits: arch.bits,
        defines,
        include: (name) => {
          const text = arch.includes[name];
          return text === undefined ? undefined : { uri: `kernel/${name}`, text };
        },
      });
      expect(result.diagnostics.filter((one) => one.severity === "error")).toEqual([]);
      expect(describeElf(writeElfObject(result, arch.bits === 64))).toEqual(
        describeElf(reference(source.text, arch, defines)),
      );
    }
  });
});

function reference(text: string, arch: typeof X86_64, defines: Readonly<Record<string, number | bigint>>): Uint8Array {
  return inTemporaryFolder((folder) => {
    for (const [name, content] of Object.entries(arch.includes)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), content);
    }
    const values = Object.entries(defines).map(([name, value]) => `.set ${name}, ${value}\n`);
    writeFileSync(path.join(folder, "a.S"), values.join("") + text);
    run("gcc", [`-m${arch.bits}`, "-c", "a.S", "-o", "a.o"], folder);
    return readFileSync(path.join(folder, "a.o"));
  });
}
