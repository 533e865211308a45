/** Nearly right operands for every mnemonic the tool knows: what it refuses is refused, and the rest has its bytes. */
import { describe, expect, it } from "vitest";
import { isNasmMnemonic } from "../../src/asmlang/encode/index.ts";
import type { Bits } from "../../src/asmlang/types.ts";
import { requireTool } from "../tools.ts";
import type { Syntax } from "./asm-encode/line.ts";
import { describe as show } from "./asm-encode/main.ts";
import { explanationOf } from "./wrong-operands/explained.ts";
import { knownNames } from "./wrong-operands/lines.ts";
import { compareWrong } from "./wrong-operands/main.ts";

const SYNTAXES: readonly Syntax[] = ["nasm", "att", "intel"];
const BITS: readonly Bits[] = [16, 32, 64];
/** Lines of each mnemonic in each mode. */
const LINES = 4;

for (const syntax of SYNTAXES) {
  describe.runIf(requireTool(syntax === "nasm" ? "nasm" : "as"))(`${syntax} syntax`, () => {
    it.each(BITS)("%i-bit code", { timeout: 120_000 }, (bits) => {
      const counts = { same: 0, "both-reject": 0, different: 0, "we-reject": 0, "we-accept": 0 };
      const unexplained: string[] = [];
      for (const outcome of compareWrong({ syntax, bits, seed: 1, lines: LINES })) {
        counts[outcome.verdict]++;
        const agreed = outcome.verdict === "same" || outcome.verdict === "both-reject";
        if (!agreed && explanationOf(outcome) === undefined) unexplained.push(show(outcome));
      }
      expect(unexplained).toEqual([]);
      expect(counts.same).toBeGreaterThan(1000);
      expect(counts["both-reject"]).toBeGreaterThan(5000);
    });
  });
}

it("every mnemonic of NASM's is known", () => {
  expect(knownNames("nasm").filter((name) => !isNasmMnemonic(name) && !/^vgetm(ax|in)[ps]h$/.test(name))).toEqual([]);
});
