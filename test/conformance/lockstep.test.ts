/** A CI-size run of the lockstep oracle (`npm run conformance:lockstep` runs it at any size), and that it would find what differs. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Vendor } from "../../src/emu/cpu/cpu.ts";
import { requireTool } from "../tools.ts";
import { Batch } from "./lockstep/batch.ts";
import { Builder } from "./lockstep/builder.ts";
import { Comparison } from "./lockstep/compare.ts";
import { formsFor } from "./lockstep/forms.ts";
import { hostExecutes, hostVendor } from "./lockstep/host.ts";
import { type Bits, RESULT, RESULT_WORDS, WORD } from "./lockstep/layout.ts";
import { Native } from "./lockstep/native.ts";
import { implemented, lockstep } from "./lockstep/run.ts";

const MODES: readonly Bits[] = [64, 32, 16];
const INSTRUCTIONS = 200_000;
const SEED = 20150714;

/** The tracer steps this host's own processor, whoever made it. */
function linux(): boolean {
  if (process.platform === "linux" && process.arch === "x64") return true;
  console.warn("skipped: the lockstep oracle, which needs an x86-64 Linux host");
  return false;
}

describe.runIf(linux() && requireTool("gcc"))("lockstep with the host's processor", () => {
  const host = hostVendor();
  const other: Vendor = host === "amd" ? "intel" : "amd";
  let native: Native;
  beforeAll(() => {
    native = new Native(fileURLToPath(new URL("native/tracer.c", import.meta.url)));
  });
  afterAll(() => native?.close());

  const run = (bits: Bits, instructions: number, vendor: Vendor) =>
    lockstep({ bits, instructions, seed: SEED, vendor, limit: 5 }, native);

  it.each(MODES)(
    "%i-bit code, as the host's vendor",
    async (bits) => {
      const { compared, covered, differences } = await run(bits, Math.ceil(INSTRUCTIONS / MODES.length), host);
      expect(differences.map((difference) => difference.text)).toEqual([]);
      expect(compared).toBeGreaterThanOrEqual(INSTRUCTIONS / MODES.length);
      expect(covered.size).toBeGreaterThan(700);
    },
    240_000,
  );

  it.each(MODES)(
    "%i-bit code, what the other vendor shares",
    async (bits) => {
      const { compared, covered, differences } = await run(bits, 8000, other);
      expect(differences.map((difference) => difference.text)).toEqual([]);
      expect(compared).toBeGreaterThanOrEqual(8000);
      expect(covered.size).toBeGreaterThan(600);
    },
    120_000,
  );

  it("makes the same batch of the same seed", () => {
    const executes = hostExecutes();
    const forms = formsFor(64, implemented).filter((form) => executes(form.code));
    const build = (number: number, before: readonly number[]) => {
      const builder = new Builder({ bits: 64, seed: SEED, vendor: host, host, forms });
      const batch = new Batch(64);
      for (const earlier of [...before, number]) builder.build(batch, earlier, 500);
      return [Buffer.from(batch.code).toString("base64"), batch.results.slice(0, batch.count * RESULT_WORDS)];
    };
    expect(build(3, [])).toEqual(build(3, [0, 1]));
    expect(build(3, [])[0]).not.toEqual(build(4, [])[0]);
  });

  it("finds one bit of a register, a defined flag, a byte of memory, a signal's code", async () => {
    const executes = hostExecutes();
    const forms = formsFor(64, implemented).filter((form) => executes(form.code) && form.mnemonic === "Add");
    const batch = new Batch(64);
    new Builder({ bits: 64, seed: SEED, vendor: host, host, forms }).build(batch, 0, 400);
    const outcome = await native.run(batch);
    const lines = () => new Comparison(batch, outcome).mismatches().map((mismatch) => mismatch.lines.join("; "));
    expect(lines()).toEqual([]);
    const stores = batch.entries.findIndex((_, i) => batch.result(i, RESULT.CHANGES_COUNT) > 0);
    const faults = batch.entries.findIndex((_, i) => batch.result(i, RESULT.SIGNAL) !== 0);
    const spoil = (words: Int32Array | Uint32Array, at: number, bit: number, expected: RegExp) => {
      words[at]! ^= bit;
      expect(lines()).toEqual([expect.stringMatching(expected)]);
      words[at]! ^= bit;
    };
    const state = RESULT.STATE;
    const { results, changes } = outcome;
    spoil(results, state + WORD.GPR + 2 * 11, 1, /^r11: ours 0x[0-9a-f]+, host 0x[0-9a-f]+$/);
    spoil(results, stores * RESULT_WORDS + state + WORD.EFLAGS, 0x40, /^eflags: /);
    spoil(changes, results[stores * RESULT_WORDS + RESULT.CHANGES_AT]!, 0x80, /^data\+0x[0-9a-f]+: ours 0x/);
    spoil(
      results,
      faults * RESULT_WORDS + RESULT.CODE,
      1,
      /^ours signal 11 code \d address .* host signal 11 code \d /,
    );
    spoil(results, state + WORD.YMM + 15 * 8 + 7, 1 << 31, /^ymm15\[3\]: /);
  });
});
