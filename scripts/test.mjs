// `npm test`: all tests. The end-to-end tests start editors in a browser and run last, on their own.
import { spawnSync } from "node:child_process";

const run = (args) => spawnSync("npx", ["vitest", "run", ...args], { stdio: "inherit" }).status ?? 1;
process.exit(run(process.argv.slice(2)));
