/**
 * Fuzzing: byte soup in every mode and ring. No JavaScript exception escapes, nothing hangs, and both tiers end in the same state.
 * `npm run fuzz:cpu -- --runs N --seed S` runs more of it.
 */
import { describe, expect, it } from "vitest";
import { PLACES, runSoup } from "./soup.ts";

const RUNS = Number(process.env["FUZZ_RUNS"] ?? 8);
const SEED = Number(process.env["FUZZ_SEED"] ?? 1);
const INSTRUCTIONS = 700;

describe.each(PLACES)("%s", (place) => {
  it(`${RUNS} soups from seed ${SEED} on`, { timeout: 20_000 + RUNS * 500 }, () => {
    for (let seed = SEED; seed < SEED + RUNS; seed++) {
      const { cold, hot } = runSoup(place, seed, INSTRUCTIONS);
      expect(hot, `${place}, seed ${seed}`).toEqual(cold);
    }
  });
});
