/** npm run conformance:selftests -- [--show] [NAME...]: a table of Linux's x86 selftests on every kernel and vendor. */
import { buildSelftest, hasSources, SELFTESTS, TARGETS } from "./build.ts";
import { differences, expectedTranscript, type Target } from "./expected.ts";
import { runSelftest } from "./run.ts";

const args = process.argv.slice(2);
const show = args.includes("--show");
const names = args.filter((arg) => !arg.startsWith("--"));

function report(name: string, bits: 32 | 64, target: Target): boolean {
  const label = `${`${name}_${bits}`.padEnd(28)} ${`${target.arch} ${target.vendor}`.padEnd(14)}`;
  const built = buildSelftest(name, bits);
  if ("problem" in built) {
    console.log(`${label} not built: ${built.problem.split("\n")[0]}`);
    return false;
  }
  const start = process.cpuUsage().user;
  const outcome = runSelftest(built.file, target);
  const seconds = ((process.cpuUsage().user - start) / 1e6).toFixed(1);
  const expected = expectedTranscript(built.file, name, target);
  const different = expected === undefined ? ["the host does not finish"] : differences(outcome.transcript, expected);
  const missing = outcome.missing.length === 0 ? "" : ` (not there: ${outcome.missing.join(", ")})`;
  const right = outcome.why === "" && different.length === 0;
  const verdict = outcome.why !== "" ? outcome.why : right ? "as a real Linux" : `${different.length} lines differ`;
  console.log(`${label} ${verdict}${missing} [${seconds} s]`);
  if (show) console.log([outcome.transcript, ...different].join("\n"));
  return right;
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
  console.log(`${passed} of ${all} as a real Linux`);
  process.exitCode = passed === all ? 0 : 1;
}
