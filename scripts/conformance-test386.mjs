// npm run conformance:test386 -- ROM: boots a test386 ROM and reports its last POST code. See --help.
import { runBundled } from "./conformance-run.mjs";

await runBundled("test/conformance/test386/main.ts", process.argv.slice(2));
