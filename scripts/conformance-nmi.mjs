// npm run conformance:nmi -- [--all] [--every N] [KEY=VALUE...]: an NMI and a machine check at every instruction of the kernel's entry and
// exit paths, under the final designs, or under every design and preset.
import { runBundled } from "./conformance-run.mjs";

await runBundled("test/conformance/nmi/main.ts", process.argv.slice(2));
