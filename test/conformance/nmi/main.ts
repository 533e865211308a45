/** npm run conformance:nmi: NMIs and machine checks at every instruction of every entry and exit path, under every design of them. */
import { DESIGNS } from "../../../src/emu/kernel/design-table.ts";
import { type Break, PROGRAM_NAMES, type Setting, sweep } from "./sweep.ts";

/** Designs that break, and why: nothing else may. */
const KNOWN: Readonly<Record<string, string>> = {
  "nmi=plain":
    "an NMI that strikes another one after an IRET in its handler starts at the top of the same stack, over the first one's frame",
};
const KEYS = ["nmi", "exitPaths", "sysret", "espfix", "espfixInit"];

const only = process.argv.slice(2);
let unexpected = 0;
for (const { key, value } of DESIGNS.filter((design) => KEYS.includes(design.key))) {
  const name = `${key}=${value}`;
  if (only.length > 0 && !only.includes(name)) continue;
  for (const vendor of ["intel", "amd"] as const)
    for (const program of PROGRAM_NAMES)
      for (const event of ["nmi", "mc"] as const) report(name, { vendor, designs: { [key]: value }, program }, event);
}
console.log(unexpected === 0 ? "nothing else breaks" : `${unexpected} settings break`);
process.exitCode = unexpected === 0 ? 0 : 1;

function report(name: string, setting: Setting, event: "nmi" | "mc"): void {
  // a machine check inside a machine check's handler writes over the first one's frame, on real hardware too
  if (event === "mc" && setting.program === "inside an NMI") return;
  const { tried, breaks } = sweep(setting, event);
  const known = KNOWN[name];
  const label = `${name} ${setting.vendor}, ${setting.program}: ${event} at ${tried} instructions`;
  console.log(
    `${label}${breaks.length === 0 ? "" : `, ${breaks.length} break${known === undefined ? "" : ` (${known})`}`}`,
  );
  for (const line of breaks.slice(0, 3).map(describe)) console.log(`    ${line}`);
  if (breaks.length > 0 && known === undefined) unexpected++;
}

function describe({ at, why }: Break): string {
  return `${at}: ${why}`;
}
