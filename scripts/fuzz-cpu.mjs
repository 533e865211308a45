// npm run fuzz:cpu -- --runs N --seed S: byte soup as code in every mode and ring, N times each, from seed S on.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { runs: { type: "string" }, seed: { type: "string" }, help: { type: "boolean" } },
});
if (values.help) {
  console.log(
    "fuzz:cpu: byte soup as code in every mode and ring, in both tiers\n  --runs N   a mode (default 500)\n  --seed S   the first (default 1)",
  );
} else {
  const env = { ...process.env, FUZZ_RUNS: values.runs ?? "500", FUZZ_SEED: values.seed ?? "1" };
  const { status } = spawnSync("npx", ["vitest", "run", "test/emu/cpu/soup.test.ts"], { stdio: "inherit", env });
  process.exitCode = status ?? 1;
}
