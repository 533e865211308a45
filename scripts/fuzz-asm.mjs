// npm run fuzz:asm -- --lines N --seed S: N mutated lines of the corpus in both dialects, from seed S on.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { lines: { type: "string" }, seed: { type: "string" }, help: { type: "boolean" } },
});
if (values.help) {
  console.log(
    "fuzz:asm: mutated lines of the corpus, both dialects\n  --lines N   how many (default 1000000)\n  --seed S    of the first source (default 1)",
  );
} else {
  const env = { ...process.env, FUZZ_LINES: values.lines ?? "1000000", FUZZ_SEED: values.seed ?? "1" };
  const { status } = spawnSync("npx", ["vitest", "run", "test/asmlang/fuzz-lines.test.ts"], { stdio: "inherit", env });
  process.exitCode = status ?? 1;
}
