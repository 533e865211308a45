/**
 * Speed of the assembler (`npm run bench`): a file of 100,000 lines beside `nasm` on the same text, and what an edit of one
 * line of a 5,000-line file costs: the diagnostics of the whole file anew. Measured is what ships, one bundle: in the modules
 * that the test runner makes, every use of an import is a look-up.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import * as esbuild from "esbuild";
import { afterAll, bench, describe } from "vitest";
import { embeddedIced, rawText } from "../../scripts/iced-plugin.mjs";
import type * as asmlang from "../../src/asmlang/index.ts";
import type { Dialect } from "../../src/asmlang/types.ts";
import { requireTool } from "../tools.ts";
import { edits, plausible } from "./edited.ts";

const REGISTERS = ["ax", "bx", "cx", "dx", "si", "di", "bp"];

/** Instructions of all common shapes, with a function every 200 lines; the same numbers each time. */
function program(lines: number, dialect: Dialect): string {
  let seed = 12345;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  const register = (width: "r" | "e") => width + REGISTERS[random(REGISTERS.length)]!;
  const gas = dialect === "gas";
  const out = gas ? [".intel_syntax noprefix", ".text"] : ["bits 64", "section .text"];
  const memory = () => `[${register("r")}+${random(300)}]`;
  const shapes = [
    () => `mov ${register("r")}, ${register("r")}`,
    () => `add ${register("e")}, ${random(5000)}`,
    () => `mov ${register("r")}, ${memory()}`,
    () => `lea ${register("r")}, [${register("r")}+${register("r")}*4+8]`,
    () => `cmp ${register("e")}, ${register("e")}`,
    () => `xor ${register("e")}, ${register("e")}`,
    () => `mov dword ${gas ? "ptr " : ""}${memory()}, ${random(1000)}`,
    () => `call f${random(Math.floor(out.length / 200) + 1)}`,
    () => `jne f${Math.floor(out.length / 200)}`,
    () => `push ${register("r")}`,
  ];
  for (let i = 0; out.length < lines; i++) {
    if (out.length % 200 === 0 || i === 0) out.push(`f${Math.floor(out.length / 200)}:`);
    out.push(`    ${shapes[random(shapes.length)]!()}`);
  }
  return `${out.join("\n")}\n`;
}

const folder = mkdtempSync(path.join(tmpdir(), "ringside-bench-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bundle = path.join(folder, "asmlang.cjs");
await esbuild.build({
  entryPoints: [path.join(import.meta.dirname, "../../src/asmlang/index.ts")],
  outfile: bundle,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  plugins: [rawText, embeddedIced],
});
const { assemble, writeElfObject } = createRequire(import.meta.url)(bundle) as typeof asmlang;

const once = { iterations: 3, time: 0, warmupIterations: 1, warmupTime: 0 };

describe("a file of 100,000 lines", () => {
  for (const dialect of ["nasm", "gas"] as const) {
    const text = program(100_000, dialect);
    bench(
      `ringside, ${dialect}`,
      () => void writeElfObject(assemble({ uri: "a", text }, { dialect, bits: 64 }), true),
      once,
    );
  }
  if (requireTool("nasm", ["-v"])) {
    writeFileSync(path.join(folder, "a.asm"), program(100_000, "nasm"));
    bench("nasm", () => void spawnSync("nasm", ["-f", "elf64", "a.asm", "-o", "a.o"], { cwd: folder }), once);
  }
});

/** Processor time of this process: what an edit costs, however busy the machine is. */
const processorTime = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

const measured = { now: processorTime, iterations: 40, time: 0, warmupIterations: 20, warmupTime: 0 };

function diagnose(lines: readonly string[], dialect: Dialect): void {
  const { diagnostics } = assemble({ uri: "a", text: lines.join("\n") }, { dialect, bits: 64 });
  if (diagnostics.length > 0) throw new Error(diagnostics[0]!.message);
}

describe("an edit of one line of 5,000 instructions, in processor time", () => {
  for (const dialect of ["nasm", "gas"] as const) {
    const lines = program(5000, dialect).split("\n");
    let number = 0;
    const edit = () => {
      lines[2500] = `    add eax, ${number++}`;
      diagnose(lines, dialect);
    };
    bench(dialect, edit, measured);
  }
});

describe("an edit of one line of a program of 5,000 lines, in processor time", () => {
  for (const dialect of ["nasm", "gas"] as const) {
    const before = plausible(dialect);
    for (const { name, at, line } of edits(dialect)) {
      const lines = [...before];
      const place = at(before);
      let number = 0;
      const edit = () => {
        lines[place] = line(number++);
        diagnose(lines, dialect);
      };
      bench(`${dialect}, ${name}`, edit, measured);
    }
  }
});
