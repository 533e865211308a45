/** npm run conformance:selftests -- [--show] [NAME...]: a table of Linux's x86 selftests on every kernel and vendor. */
import { buildSelftest, hasSources, SELFTESTS } from "./build.ts";
import { differences, runSelftest, type Target } from "./run.ts";

const args = process.argv.slice(2);
const show = args.includes("--show");
const names = args.filter((arg) => !arg.startsWith("--"));

const TARGETS: Readonly<Record<32 | 64, readonly Target[]>> = {
  64: [
    { arch: "x86_64", vendor: "intel" },
    { arch: "x86_64", vendor: "amd" },
  ],
  32: [
    { arch: "x86_64", vendor: "intel" },
    { arch: "x86_64", vendor: "amd" },
    { arch: "i386", vendor: "intel" },
  ],
};

function report(name: string, bits: 32 | 64, target: Target): boolean {
  const label = `${`${name}_${bits}`.padEnd(28)} ${`${target.arch} ${target.vendor}`.padEnd(14)}`;
  const built = buildSelftest(name, bits);
  if ("problem" in built) {
    console.log(`${label} not built: ${built.problem.split("\n")[0]}`);
    return false;
  }
  const outcome = runSelftest(built.file, target);
  const different = outcome.why === "" ? differences(built.file, outcome.transcript) : undefined;
  const native =
    different === undefined ? "" : different.length === 0 ? ", as on the host" : `, ${different.length} lines differ`;
  const missing = outcome.missing.length === 0 ? "" : ` (not there: ${outcome.missing.join(", ")})`;
  console.log(`${label} ${outcome.why === "" ? `passes${native}` : outcome.why}${missing}`);
  if (show) console.log([outcome.transcript, ...(different ?? [])].join("\n"));
  return outcome.why === "";
}

if (!hasSources()) {
  console.error("skipped: the selftests need Debian's package linux-source-6.1, which is not installed");
} else {
  let passed = 0;
  let all = 0;
  for (const bits of [64, 32] as const) {
    for (const name of SELFTESTS[bits].filter((n) => names.length === 0 || names.includes(n))) {
      for (const target of TARGETS[bits]) {
        all++;
        if (report(name, bits, target)) passed++;
      }
    }
  }
  console.log(`${passed} of ${all} pass`);
  process.exitCode = passed === all ? 0 : 1;
}
