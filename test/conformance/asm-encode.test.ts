/** The assembler against nasm and GNU as: a share of every form of iced's tables; `npm run conformance:asm` runs them all. */
import { describe, expect, it } from "vitest";
import type { Bits } from "../../src/asmlang/types.ts";
import { requireTool } from "../tools.ts";
import type { Syntax } from "./asm-encode/line.ts";
import { runComparison, describe as show, total } from "./asm-encode/main.ts";

const BITS: readonly Bits[] = [16, 32, 64];
const SYNTAXES: readonly Syntax[] = ["nasm", "att", "intel"];

for (const syntax of SYNTAXES) {
  describe.runIf(requireTool(syntax === "nasm" ? "nasm" : "as"))(`${syntax} syntax`, () => {
    it.each(BITS)("%i-bit code has the tool's bytes", { timeout: 120_000 }, (bits) => {
      const options = { rounds: 0.5, seed: 20, noise: 0.3, syntaxes: [syntax], bits: [bits] };
      const totals = total(runComparison(options));
      expect(totals.unexplained.map(show)).toEqual([]);
      expect(totals.verdicts.same).toBeGreaterThan(1000);
    });
  });
}
