/** The encoder against nasm and GNU as: every integer, system and x87 form of iced, and a share of lines that must be rejected. */
import { describe, expect, it } from "vitest";
import type { Bits } from "../../src/asmlang/types.ts";
import { requireTool } from "../tools.ts";
import type { Syntax } from "./asm-encode/line.ts";
import { runComparison, describe as show, tally, unexplained } from "./asm-encode/main.ts";

const BITS: readonly Bits[] = [16, 32, 64];
const SYNTAXES: readonly Syntax[] = ["nasm", "att", "intel"];

for (const syntax of SYNTAXES) {
  describe.runIf(requireTool(syntax === "nasm" ? "nasm" : "as"))(`${syntax} syntax`, () => {
    it.each(BITS)("%i-bit code has the tool's bytes", { timeout: 60_000 }, (bits) => {
      const options = { lines: 1300, seed: 20, noise: 0.3, syntaxes: [syntax], bits: [bits] };
      const outcomes = runComparison({ ...options, groups: ["integer", "x87"] });
      expect(unexplained(outcomes).map(show)).toEqual([]);
      const { same } = tally(outcomes);
      expect(same).toBeGreaterThan(900);
    });

    it("vector instructions have the tool's bytes", { timeout: 60_000 }, () => {
      const options = { lines: 1500, seed: 21, noise: 0, syntaxes: [syntax], bits: [64] as const };
      expect(unexplained(runComparison({ ...options, groups: ["vector"] })).map(show)).toEqual([]);
    });
  });
}
