/** Linux's own x86 selftests that pass, where their sources are installed. `npm run conformance:selftests` has them all. */
import { describe, expect, test } from "vitest";
import { requireTool } from "../../tools.ts";
import { buildSelftest, requireSources } from "./build.ts";
import { differences, runSelftest } from "./run.ts";

const INTEL = { arch: "x86_64", vendor: "intel" } as const;
const AMD = { arch: "x86_64", vendor: "amd" } as const;
const I386 = { arch: "i386", vendor: "intel" } as const;

describe.runIf(requireTool("gcc") && requireSources())("passes, and says what it says on the host", () => {
  test.each([
    ["sysret_ss_attrs", 64, AMD],
    ["syscall_nt", 64, INTEL],
    ["sigtrap_loop", 64, AMD],
    ["syscall_arg_fault", 64, INTEL],
    ["sysret_rip", 64, INTEL],
    ["sigtrap_loop", 32, I386],
    ["syscall_arg_fault", 32, I386],
  ] as const)(
    "%s, %i bit, on %o",
    (name, bits, target) => {
      const built = buildSelftest(name, bits);
      if ("problem" in built) throw new Error(built.problem);
      const { why, transcript } = runSelftest(built.file, target);
      expect(why).toBe("");
      expect(differences(built.file, transcript)).toEqual([]);
    },
    120_000,
  ); // the first one unpacks the sources
});
