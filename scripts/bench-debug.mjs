// npm run bench:debug -- [--only TEXT]: the debugger's speed beside gdb, QEMU's stub and Unicorn, in one run.
import { spawnSync } from "node:child_process";
import { root, runBundled } from "./conformance-run.mjs";

const built = spawnSync(process.execPath, ["scripts/build.mjs"], { cwd: root, stdio: "inherit" });
if (built.status === 0) await runBundled("test/bench/debug/main.ts", [root, ...process.argv.slice(2)]);
else process.exitCode = built.status ?? 1;
