/**
 * Every instruction by its case file: our assembler makes the bytes, the decoder reads them back, the printer gives the line of
 * assembly, and both tiers do what the file says, to the last bit of the processor's state. The files are filled by a processor, not
 * by us (`npm run cases`); where there is gcc and an Intel processor, that is checked here again.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { disassemble } from "../../../src/emu/cpu/disassemble.ts";
import { bitsOf, decode, ipOf } from "./casekit/decode.ts";
import { describe as nameOf } from "./casekit/fill.ts";
import { type Group, itemText, parseCases, type Run } from "./casekit/format.ts";
import { CaseMachine } from "./casekit/machine.ts";
import { ourBytes } from "./casekit/tools.ts";

const DIRECTORY = path.join(import.meta.dirname, "cases");
const files = readdirSync(DIRECTORY).filter((name) => name.endsWith(".txt"));
const read = (file: string): Group[] => parseCases(readFileSync(path.join(DIRECTORY, file), "utf8"), file);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const machines = new Map<string, CaseMachine>();
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

function problemsOf(group: Group): string[] {
  const bytes = hex(group.bytes);
  const found: string[] = [];
  const ours = ourBytes(group);
  if (ours !== bytes) found.push(`our assembler makes ${ours}, not ${bytes}`);
  const decoded = decode(group.bytes, group.mode);
  if (decoded.length !== group.bytes.length) found.push(`the decoder reads ${decoded.length} bytes`);
  const [line] = disassemble(group.bytes, ipOf(group.mode), bitsOf(group.mode), group.dialect);
  if (line?.text !== group.text) found.push(`the printer gives '${line?.text}'`);
  if (group.runs.length === 0) found.push("no run");
  for (const run of group.runs) {
    for (const tier of [0, 1] as const) {
      const differences = machineFor(group, tier).differences(group, run, tier === 1 && !neverCompiled(run));
      for (const text of differences.slice(0, 8))
        found.push(`tier ${tier}, before ${run.before.map(itemText).join(" ")}: ${text}`);
    }
  }
  return found.map((text) => `${nameOf(group)}: ${text}`);
}

describe("case files", () => {
  it.each(files)("%s", (file) => {
    const groups = read(file);
    expect(groups.length).toBeGreaterThan(0);
    const wrong = groups.filter(({ bytes, mode }) => `${decode(bytes, mode).mnemonic.toLowerCase()}.txt` !== file);
    expect(wrong.map(nameOf), "of another instruction").toEqual([]);
    expect(groups.flatMap(problemsOf)).toEqual([]);
  });

  it("nothing is written elsewhere", () => {
    for (const [key, machine] of machines) expect(machine.strayWrites(), key).toEqual([]);
  });
});
