// npm run conformance:nmi -- [KEY=VALUE...]: an NMI and a machine check at every instruction of the kernel's entry and exit paths.
import { runBundled } from "./conformance-run.mjs";

await runBundled("test/conformance/nmi/main.ts", process.argv.slice(2));
