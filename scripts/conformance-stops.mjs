// npm run conformance:stops -- --kernel-stops N: every scenario by a scripted client, N instructions into the kernel or to the end.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { "kernel-stops": { type: "string" }, help: { type: "boolean" } } });
if (values.help) {
  console.log(
    "conformance:stops: every scenario stop by stop through the debug adapter, line by line and instruction by instruction\n" +
      "  --kernel-stops N   at most N single instructions of each (default: to its end)",
  );
} else {
  const env = { ...process.env, DAP_KERNEL_STOPS: values["kernel-stops"] ?? "Infinity" };
  const { status } = spawnSync("npx", ["vitest", "run", "test/dap/scenarios.test.ts"], { stdio: "inherit", env });
  process.exitCode = status ?? 1;
}
