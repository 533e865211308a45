/** What is wrong with a case: bytes by our assembler, the decoder's reading, the printer's line, and what both tiers do. */
import { disassemble } from "../../../../src/emu/cpu/disassemble.ts";
import { bitsOf, decode, ipOf } from "./decode.ts";
import { describe } from "./fill.ts";
import { type Group, itemText, type Run } from "./format.ts";
import { CaseMachine } from "./machine.ts";
import { ourBytes } from "./tools.ts";

const SHOWN = 8;

/** One for each mode, privilege, vendor and tier that was asked for. */
export const machines = new Map<string, CaseMachine>();
function machineFor(group: Group, tier: 0 | 1): CaseMachine {
  const key = `${group.mode} ${group.cpl0} ${group.vendor} ${tier}`;
  const known = machines.get(key);
  if (known) return known;
  const made = new CaseMachine(group, tier);
  machines.set(key, made);
  return made;
}

/** Alignment checks are tier 0's. */
const neverCompiled = (run: Run): boolean => run.before.some(({ name }) => name === "ac" || name === "tf");

export function problemsOf(group: Group): string[] {
  const bytes = Buffer.from(group.bytes).toString("hex");
  const found: string[] = [];
  const ours = ourBytes(group);
  if (ours !== bytes) found.push(`our assembler makes ${ours}, not ${bytes}`);
  const decoded = decode(group.bytes, group.mode);
  if (decoded.length !== group.bytes.length) found.push(`the decoder reads ${decoded.length} bytes`);
  const [line] = disassemble(group.bytes, ipOf(group.mode), bitsOf(group.mode), group.dialect);
  if (line?.text !== (group.printed ?? group.text)) found.push(`the printer gives '${line?.text}'`);
  if (group.runs.length === 0) found.push("no run");
  for (const run of group.runs) {
    for (const tier of [0, 1] as const) {
      const differences = machineFor(group, tier).differences(group, run, tier === 1 && !neverCompiled(run));
      for (const text of differences.slice(0, SHOWN))
        found.push(`tier ${tier}, before ${run.before.map(itemText).join(" ")}: ${text}`);
    }
  }
  return found.map((text) => `${describe(group)}: ${text}`);
}
