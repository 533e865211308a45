// npm run conformance:stops -- --kernel-stops N: every scenario by a scripted client, N instructions into the kernel or to the end.
import { parseArgs } from "node:util";
import { runTests } from "./conformance-run.mjs";

const { values } = parseArgs({ options: { "kernel-stops": { type: "string" }, help: { type: "boolean" } } });
if (values.help) {
  console.log(
    "conformance:stops: every scenario stop by stop through the debug adapter, line by line and instruction by instruction\n" +
      "  --kernel-stops N   at most N single instructions of each (default: to its end)",
  );
} else {
  runTests("test/dap/scenarios.test.ts", { DAP_KERNEL_STOPS: values["kernel-stops"] ?? "Infinity" });
}
