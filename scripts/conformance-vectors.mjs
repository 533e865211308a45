// npm run conformance:vectors -- DIR: hardware vectors in real mode. See --help.
import { runBundled } from "./conformance-run.mjs";

await runBundled("test/conformance/vectors/main.ts", process.argv.slice(2));
