// npm run cases: fills and checks the case files of instructions, test/emu/cpu/cases. See --help.
import { root, runBundled } from "./conformance-run.mjs";

await runBundled("test/emu/cpu/casekit/main.ts", ["--root", root, ...process.argv.slice(2)]);
