// npm run fuzz:dap -- --messages N --seed S: N odd messages to the debug adapter, from seed S.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { messages: { type: "string" }, seed: { type: "string" }, help: { type: "boolean" } },
});
if (values.help) {
  console.log(
    "fuzz:dap: odd messages to the debug adapter\n  --messages N   how many (default 100000)\n  --seed S       where they begin (default 1)",
  );
} else {
  const env = { ...process.env, DAP_MESSAGES: values.messages ?? "100000", DAP_SEED: values.seed ?? "1" };
  const { status } = spawnSync("npx", ["vitest", "run", "test/dap/fuzz.test.ts"], { stdio: "inherit", env });
  process.exitCode = status ?? 1;
}
