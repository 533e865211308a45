/**
 * Linux's own x86 selftests, where their sources are installed: each on both vendors' processors with two CPUs, its whole transcript that
 * of a real Linux. `npm run conformance:selftests` has the same table, and with it what takes a minute.
 */
import { describe, expect, test } from "vitest";
import { requireTool } from "../../tools.ts";
import { buildSelftest, requireSources, SELFTESTS, TARGETS } from "./build.ts";
import { differences, expectedTranscript } from "./expected.ts";
import { runSelftest } from "./run.ts";

/** A hundred million instructions: for the command alone. */
const LONG: readonly string[] = ["syscall_numbering"];

const cases = ([64, 32] as const).flatMap((bits) =>
  SELFTESTS[bits]
    .filter((name) => !LONG.includes(name))
    .flatMap((name) => TARGETS[bits].map((target) => ({ name, bits, target, ...target }))),
);

describe.runIf(requireTool("gcc") && requireSources())("says what it says on a real Linux", () => {
  test.each(cases)(
    "$name, $bits bit, on $arch, $vendor",
    ({ name, bits, target }) => {
      const built = buildSelftest(name, bits);
      if ("problem" in built) throw new Error(built.problem);
      const { why, transcript } = runSelftest(built.file, target);
      expect(why).toBe("");
      const expected = expectedTranscript(built.file, name, target);
      expect(expected, "the host runs it to its end").toBeDefined();
      expect(differences(transcript, expected!)).toEqual([]);
    },
    120_000,
  ); // the first one unpacks the sources
});
