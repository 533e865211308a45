/** A CI-size run of the lockstep oracle (`npm run conformance:lockstep` runs it at any size). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireTool } from "../tools.ts";
import type { Bits } from "./lockstep/forms.ts";
import { Native } from "./lockstep/native.ts";
import { lockstep } from "./lockstep/run.ts";

const SIZES: readonly (readonly [Bits, number])[] = [
  [64, 8000],
  [32, 6000],
  [16, 6000],
];

/** The tracer steps this host's own processor, and expects what an Intel one leaves in undefined places. */
function intelLinux(): boolean {
  if (process.platform !== "linux" || process.arch !== "x64") {
    console.warn("skipped: the lockstep oracle, which needs an x86-64 Linux host");
    return false;
  }
  const intel = readFileSync("/proc/cpuinfo", "utf8").includes("GenuineIntel");
  if (!intel) console.warn("skipped: the lockstep oracle, which needs an Intel host");
  return intel;
}

describe.runIf(intelLinux() && requireTool("gcc"))("lockstep with the host's processor", () => {
  let native: Native;
  beforeAll(() => {
    native = new Native(fileURLToPath(new URL("native/tracer.c", import.meta.url)));
  });
  afterAll(() => native?.close());

  it.each(SIZES)(
    "%i-bit code, %i instructions",
    (bits, instructions) => {
      const { compared, covered, mismatches } = lockstep(
        { bits, instructions, seed: 20150714, vendor: "intel" },
        native,
        5,
      );
      expect(mismatches.map(({ candidate, lines }) => [candidate.text, ...lines].join("\n"))).toEqual([]);
      expect(compared).toBeGreaterThanOrEqual(instructions);
      expect(covered.size).toBeGreaterThan(700);
    },
    240_000,
  );
});
