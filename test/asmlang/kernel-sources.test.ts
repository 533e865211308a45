/** The kernel's own entry code, the largest GNU source here: what we make of it against what `as` makes. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { assemble, writeElfObject } from "../../src/asmlang/index.ts";
import type { Arch } from "../../src/emu/kernel/arch.ts";
import { X86_64 } from "../../src/emu/kernel/arch64.ts";
import { chooseDesigns } from "../../src/emu/kernel/designs/designs.ts";
import { I386 } from "../../src/emu/kernel/i386/arch.ts";
import { chooseLayout } from "../../src/emu/kernel/layout/choose.ts";
import { requireTool } from "../tools.ts";
import { describeElf } from "./elf.ts";
import { inTemporaryFolder, run } from "./oracle.ts";

/** Symbols that depend on the processor are constants like the others: any value will do. */
const CPU_SYMBOLS = /\b((?:PTREGS|IRET)_CALLS_[0-7]|X86_[A-Z]+_[A-Z0-9_]+|CPU_[A-Z0-9_]+|NR_CPUS)\b/g;

describe.runIf(requireTool("as"))("kernel entry code against as", () => {
  const CASES: readonly (readonly [string, Arch, Record<string, string>, string])[] = [
    ["64-bit", X86_64, {}, "linux-6.1"],
    ["64-bit, the designs with other code", X86_64, { espfix: "prototype", exitPaths: "tif-iret" }, "linux-6.1"],
    ["64-bit, with page table isolation", X86_64, { pti: "on", exitPaths: "conditional-swapgs" }, "linux-6.1"],
    ["64-bit, with page table isolation, of old", X86_64, { pti: "on" }, "linux-3.14"],
    [
      "64-bit, one way out of interrupts",
      X86_64,
      { sysret: "fast-path-only", exitPaths: "conditional-swapgs", nmi: "plain" },
      "linux-6.1",
    ],
    ["64-bit, 3.14's", X86_64, {}, "linux-3.14"],
    ["64-bit, 4.0's", X86_64, {}, "linux-4.0"],
    ["64-bit, 4.6's", X86_64, {}, "linux-4.6"],
    [
      "64-bit, a loop in assembly over two words of flags",
      X86_64,
      { exitLoop: "assembly", audit: "fast-path-32" },
      "linux-6.1",
    ],
    ["32-bit", I386, {}, "linux-6.1"],
  ];
  it.each(CASES)("%s", (_, arch, designs, preset) => {
    const choice = chooseDesigns(preset, designs);
    if (typeof choice === "string") throw new Error(choice);
    const layout = chooseLayout(arch.layout, choice);
    const defines: Record<string, number | bigint> = { ...layout.defines, ...choice.defines };
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
