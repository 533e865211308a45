/** Programs of random branches, padding and labels: sizes and distances must settle as in the tools. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assemble, writeElfObject } from "../../src/asmlang/index.ts";
import { requireTool } from "../tools.ts";
import { describeElf } from "./elf.ts";
import { gnuObject, nasmOutput } from "./oracle.ts";

const LABELS = 12;
type Line = { kind: "branch" | "jump" | "fill" | "align" | "data" | "add"; target: number; amount: number };

const line: fc.Arbitrary<Line> = fc.record({
  kind: fc.constantFrom("branch", "jump", "jump", "fill", "align", "data", "add"),
  target: fc.nat(LABELS - 1),
  amount: fc.oneof(fc.integer({ min: 0, max: 130 }), fc.integer({ min: 100, max: 128 })),
});
const program = fc.array(fc.array(line, { maxLength: 8 }), { minLength: LABELS, maxLength: LABELS });

function gas(parts: Line[][], bits: number): string {
  const text = (one: Line): string =>
    ({
      branch: `jne l${one.target}`,
      jump: `jmp l${one.target}`,
      fill: `.skip ${one.amount}, 0x90`,
      align: `.p2align ${one.amount % 6}`,
      data: `.long l${one.target} - l${one.amount % LABELS}`,
      add: `add $l${one.target} - l${one.amount % LABELS}, %eax`,
    })[one.kind];
  return `.code${bits}\n${parts.map((part, i) => `l${i}:\n${part.map((one) => ` ${text(one)}\n`).join("")}`).join("")}`;
}

function nasm(parts: Line[][], bits: number): string {
  const text = (one: Line): string =>
    ({
      branch: `jne l${one.target}`,
      jump: `jmp l${one.target}`,
      fill: `times ${one.amount} nop`,
      align: `align ${1 << (one.amount % 6)}`,
      data: `dd l${one.target} - l${one.amount % LABELS}`,
      add: `add eax, l${one.target} - l${one.amount % LABELS}`,
    })[one.kind];
  return `bits ${bits}\n${parts.map((part, i) => `l${i}:\n${part.map((one) => ` ${text(one)}\n`).join("")}`).join("")}`;
}

/** There are programs in which sizes chase each other; NASM stops after a thousand passes. */
function nasmOrGivesUp(text: string, format: "elf32" | "elf64"): Uint8Array | undefined {
  try {
    return nasmOutput(text, format);
  } catch (error) {
    if (/unable to find valid values/.test(String(error))) return undefined;
    throw error;
  }
}

const RUNS = { numRuns: Number(process.env.FUZZ_RUNS ?? 25) };

describe("relaxation", () => {
  it.runIf(requireTool("as")).each([16, 32, 64] as const)("as, %i-bit", (bits) => {
    const wide = bits === 64 ? 64 : 32;
    const usable = program.map((parts) => parts.map((part) => part.filter((one) => one.kind !== "add")));
    fc.assert(
      fc.property(usable, (parts) => {
        const text = gas(parts, bits);
        const result = assemble({ uri: "a.s", text }, { dialect: "gas", bits: wide });
        expect(result.diagnostics).toEqual([]);
        expect(describeElf(writeElfObject(result, bits === 64)).join("\n")).toBe(
          describeElf(gnuObject(text, wide)).join("\n"),
        );
      }),
      RUNS,
    );
  });

  it.runIf(requireTool("nasm", ["-v"])).each([16, 32, 64] as const)("nasm, %i-bit", (bits) => {
    fc.assert(
      fc.property(program, (parts) => {
        const text = nasm(parts, bits);
        const result = assemble({ uri: "a.asm", text }, { dialect: "nasm", bits });
        expect(result.diagnostics).toEqual([]);
        const format = bits === 64 ? "elf64" : "elf32";
        const theirs = nasmOrGivesUp(text, format);
        fc.pre(theirs !== undefined);
        expect(describeElf(writeElfObject(result, bits === 64)).join("\n")).toBe(describeElf(theirs!).join("\n"));
      }),
      RUNS,
    );
  });
});
