// npm run conformance:selftests -- [--show] [NAME...]: Linux's x86 selftests, from Debian's linux-source-6.1, on every kernel and vendor.
import { runBundled } from "./conformance-run.mjs";

await runBundled("test/conformance/selftests/main.ts", process.argv.slice(2));
