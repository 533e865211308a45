/**
 * npm run conformance:nmi -- [--all] [--every N] [KEY=VALUE...]: an NMI and a machine check at every instruction that the kernel executes, under the final
 * designs, or under each design and preset in turn. A break is right where explained.ts says why, and only there.
 */
import { EXPLAINED, type Explanation, isExplained } from "./explained.ts";
import { type Named, SETTINGS } from "./settings.ts";
import { type Break, PROGRAM_NAMES, sweep } from "./sweep.ts";

const args = process.argv.slice(2);
const every = args.includes("--every") ? Number(args[args.indexOf("--every") + 1]) : 1;
const names = args.filter((arg) => arg.includes("="));
const chosen = args.includes("--all") ? SETTINGS : names.length === 0 ? SETTINGS.slice(0, 1) : SETTINGS.filter(isNamed);
let unexplained = 0;

function isNamed({ name }: Named): boolean {
  return names.includes(name);
}

/** One line a vendor: how many instructions were tried, and what broke. */
function row(setting: Named, vendor: "intel" | "amd"): string {
  const cells: string[] = [];
  const broken: { program: string; event: string; line: Break }[] = [];
  for (const event of ["nmi", "mc"] as const) {
    let tried = 0;
    for (const program of PROGRAM_NAMES) {
      // a machine check inside a machine check's handler writes over the first one's frame, on real hardware too
      if (event === "mc" && program === "inside an NMI") continue;
      const swept = sweep({ ...setting, vendor, program, every }, event);
      tried += swept.tried;
      broken.push(...swept.breaks.map((line) => ({ program, event, line })));
    }
    cells.push(`${event} at ${String(tried).padStart(5)}`);
  }
  const explanation = EXPLAINED.get(setting.name);
  return `${setting.name.padEnd(32)} ${vendor.padEnd(5)}  ${cells.join("  ")}  ${verdict(broken, explanation)}`;
}

function verdict(
  broken: readonly { program: string; event: string; line: Break }[],
  explanation: Explanation | undefined,
): string {
  if (broken.length === 0 && explanation === undefined) return "clean";
  if (broken.length === 0) return every === 1 ? stale() : "clean where it was tried";
  const other = broken.filter(
    ({ program, line }) => explanation === undefined || !isExplained(explanation, program, line),
  );
  unexplained += other.length;
  const shown = (other.length > 0 ? other : broken).slice(0, 2);
  const lines = shown.map(({ program, event, line }) => `\n    ${program}, ${event} at ${line.at}: ${line.why}`);
  const head = other.length > 0 ? `${other.length} UNEXPLAINED` : `${broken.length} breaks: ${explanation!.why}`;
  return `${head}${lines.join("")}`;
}

/** A reason for what does not happen any more is none. */
function stale(): string {
  unexplained++;
  return "clean, and EXPLAINED all the same";
}

for (const setting of chosen) for (const vendor of ["intel", "amd"] as const) console.log(row(setting, vendor));
console.log(unexplained === 0 ? "nothing breaks that is not explained" : `${unexplained} breaks are not explained`);
process.exitCode = unexplained === 0 ? 0 : 1;
