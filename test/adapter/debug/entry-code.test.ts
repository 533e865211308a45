/**
 * The call stack at each instruction of the kernels' entry code that scenarios and a set of programs come to, against a shadow stack: of both
 * kernels, on both vendors' processors, under the presets of older ones and other designs, with interrupts, NMIs and machine checks on the way.
 * What is left is listed, each with the reason: nothing else may be left, and nothing that is listed may be come to.
 */
import { describe, expect, it } from "vitest";
import { EntryAccount } from "./entry-account.ts";
import { LEFT } from "./entry-left.ts";
import { load, RUNS } from "./entry-runs.ts";

const MOST_STEPS = 30_000;
const account = new EntryAccount();
const isOf = (entry: string, what: string) =>
  entry.endsWith("*") ? what.startsWith(entry.slice(0, -1)) : what === entry;
const isIn = (list: readonly string[], what: string) => list.some((entry) => isOf(entry, what));

describe("the call stack in entry code", () => {
  it.each(RUNS.map((run) => [run.name, run] as const))(
    "is that of a shadow stack at every instruction that %s comes to",
    { timeout: 300_000 },
    async (_name, run) => {
      const wrong = account.walk(await load(run), MOST_STEPS, run);
      expect(wrong.slice(0, 12)).toEqual([]);
    },
  );

  it("has been compared at every instruction that is not listed, and at none that is", () => {
    expect(account.missing.filter((what) => !isIn(LEFT, what))).toEqual([]);
    expect(account.met.filter((what) => isIn(LEFT, what))).toEqual([]);
    expect(LEFT.filter((entry) => !account.missing.some((what) => isOf(entry, what)))).toEqual([]);
  });
});
