// `npm test`: builds, then all tests; the end-to-end tests, which start editors in a browser, run last and on their own.
// `npm test -- FILTER` runs the matching unit tests only.
import { spawnSync } from "node:child_process";

const run = (command, args) => spawnSync(command, args, { stdio: "inherit" }).status ?? 1;
const filter = process.argv.slice(2);
const steps = [
  ["node", ["scripts/build.mjs"]],
  ["npx", ["vitest", "run", ...filter]],
  ...(filter.length > 0 ? [] : [["npx", ["vitest", "run", "--config", "vitest.e2e.config.ts"]]]),
];
for (const [command, args] of steps) {
  const status = run(command, args);
  if (status !== 0) process.exit(status);
}
