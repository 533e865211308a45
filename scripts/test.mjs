// `npm test`: all tests; `npm test -- FILTER...` those of vitest's that match. The end-to-end tests start editors in a browser and run last, on their own.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const vitest = path.join(root, "node_modules", "vitest", "vitest.mjs");
const run = (...args) =>
  spawnSync(process.execPath, [vitest, "run", ...args], { cwd: root, stdio: "inherit" }).status ?? 1;

const filters = process.argv.slice(2);
const status = run(...filters);
const endToEnd = filters.length > 0 ? 0 : run("--config", "vitest.e2e.config.ts");
process.exit(status || endToEnd);
