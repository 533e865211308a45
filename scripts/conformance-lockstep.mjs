// npm run conformance:lockstep: random instructions here and on the host's processor. See --help.
import { join } from "node:path";
import { root, runBundled } from "./conformance-run.mjs";

const tracer = join(root, "test/conformance/native/tracer.c");
await runBundled("test/conformance/lockstep/main.ts", ["--tracer", tracer, ...process.argv.slice(2)]);
