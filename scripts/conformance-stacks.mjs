// npm run conformance:stacks -- --steps N: the call stack at every instruction of every scenario, N instructions into it or to the end.
import { parseArgs } from "node:util";
import { runTests } from "./conformance-run.mjs";

const { values } = parseArgs({ options: { steps: { type: "string" }, help: { type: "boolean" } } });
if (values.help) {
  console.log(
    "conformance:stacks: the call stack at every instruction of every scenario, against a shadow stack of what was executed\n" +
      "  --steps N   at most N instructions of each (default: to its end)",
  );
} else {
  runTests("test/adapter/debug/unwind.test.ts", { UNWIND_STEPS: values.steps ?? "Infinity" });
}
