/** Makes case files: proposed lines that the tools and our printer agree on, proposed states, outcomes from this host's processor. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { disassemble } from "../../../../src/emu/cpu/disassemble.ts";
import { Mnemonic } from "../../../../src/emu/cpu/iced.ts";
import { CODE_PAGE, DATA_PAGE, type Host, PAGE_BYTES } from "../host/native.ts";
import { bitsOf, decode, ipOf } from "./decode.ts";
import { fill } from "./fill.ts";
import { type Dialect, fileText, type Group, parseCases, type Run } from "./format.ts";
import { type Proposal, proposals } from "./propose.ts";
import { Random } from "./random.ts";
import { ourBytes, toolBytes } from "./tools.ts";
import { proposeRun } from "./values.ts";

const INVALID_OPCODE = 6;
/** Random selectors, vectors and bases would be the host's kernel's business: these cases are written by hand, and then filled. */
const HOST_DEPENDENT = /^([rw]d?r?[fg]sbase|int[13]?|into|lar|lsl|ver[rw]|l[defgs]s)$/i;
const usesSelector = ({ text }: Group): boolean =>
  /^(mov|pop)\w* (%?[cdefgs]s\b|.*, ?%[cdefgs]s$)/.test(text) ||
  (/^(?:push\w*|mov\w*)\s(?:[^,]*,\s*|%)?%?[cdefgs]s$|^mov\w*\s%[cdefgs]s,/.test(text) && !/^mov \w+, \[/.test(text));

/** A line that its tool, our assembler and our printer all take for the same bytes. */
function sound(dialect: Dialect, proposal: Proposal, hex: string | undefined, complaints: string[]): Group | undefined {
  const { mode, form } = proposal;
  const text = proposal.texts[dialect];
  const where = `${dialect} ${mode} | ${text}`;
  if (hex === undefined) {
    complaints.push(`${where}: the tool does not take what our printer writes`);
    return undefined;
  }
  const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
  const { mnemonic, length } = decode(bytes, mode);
  const printed = disassemble(bytes, ipOf(mode), bitsOf(mode), dialect)[0]!.text;
  const ours = ourBytes({ dialect, mode, text });
  if (ours !== hex) complaints.push(`${where}: our assembler makes ${ours}, the tool ${hex}`);
  if (printed !== text) complaints.push(`${where}: printed from the tool's ${hex} as '${printed}'`);
  if (ours !== hex || printed !== text || mnemonic !== form.mnemonic || length !== bytes.length) return undefined;
  const group = { dialect, mode, cpl0: false, vendor: "intel", text, bytes } as const;
  return { ...group, source: undefined, printed: undefined, runs: [], remarks: [] };
}

function lines(found: readonly Proposal[], complaints: string[]): Group[] {
  const answers = (["nasm", "gas"] as const).map((dialect) => ({
    dialect,
    bytes: toolBytes(found.map(({ mode, texts }) => ({ dialect, mode, text: texts[dialect] }))),
  }));
  return found.flatMap((proposal, i) => {
    const [nasm, gas] = answers.map(({ dialect, bytes }) => sound(dialect, proposal, bytes[i], complaints));
    // Both dialects get their share.
    const group = i & 1 ? (gas ?? nasm) : (nasm ?? gas);
    return group ? [group] : [];
  });
}

function runsFor(random: Random, group: Group, away: boolean): Run[] {
  const kinds = group.mode === "64" ? (["plain", "edge"] as const) : ([random.chance(0.5) ? "plain" : "edge"] as const);
  const runs = kinds.map((kind) => proposeRun(random, group.mode, group.bytes, kind));
  if (away) runs.push(proposeRun(random, group.mode, group.bytes, "away"));
  const seen = new Set<string>();
  return runs.filter((run) => {
    const key = JSON.stringify(run.before);
    return !seen.has(key) && seen.add(key);
  });
}

const pointsAway = ({ text }: Group): boolean => /\[[a-z]{2,3}[+\]]|\(%[a-z]{2,3}/.test(text);

export interface Generation {
  readonly directory: string;
  readonly host: Host;
  readonly seed: number;
  readonly accepts: (mnemonic: number) => boolean;
}

export function generate({ directory, host, seed, accepts }: Generation): { files: string[]; complaints: string[] } {
  const random = new Random(seed);
  const complaints: string[] = [];
  const proposed = lines(proposals(random, accepts), complaints);
  const faulted = new Set<string>();
  const withRuns = proposed.map((group) => {
    const key = decode(group.bytes, group.mode).mnemonic;
    const away = group.mode === "64" && !faulted.has(key) && pointsAway(group);
    if (away) faulted.add(key);
    return { ...group, runs: runsFor(random, group, away) };
  });
  const asked = withRuns.filter(
    (group) => !HOST_DEPENDENT.test(decode(group.bytes, group.mode).mnemonic) && !usesSelector(group),
  );
  const filled = fill(asked, host, complaints)
    .map(withinReach)
    .filter((group) => {
      if (group.runs.length === 0) return false;
      const absent = group.runs.some(({ trap }) => trap?.vector === INVALID_OPCODE);
      if (absent) complaints.push(`${group.dialect} ${group.mode} | ${group.text}: #UD on this processor`);
      return !absent;
    });
  return { files: writeFiles(directory, filled), complaints };
}

/** Pages next to the program's: what lies further away is the host's own business. */
const NEAR = [CODE_PAGE, DATA_PAGE].map((page) => [page - PAGE_BYTES, page + 2 * PAGE_BYTES] as const);

/** Without the runs that fault where the two machines need not have the same memory. */
function withinReach(group: Group): Group {
  // which of its pages a long image finds missing is the processor's choice
  const image = /^fx(save|rstor)/.test(group.text);
  const runs = group.runs.filter(({ after }) => {
    const address = after.find(({ name }) => name === "cr2")?.value;
    if (address !== undefined && image) return false;
    return address === undefined || NEAR.some(([from, to]) => isBetween(Number.parseInt(address, 16), from, to));
  });
  return { ...group, runs };
}

const isBetween = (value: number, from: number, to: number): boolean => value >= from && value < to;

function writeFiles(directory: string, groups: readonly Group[]): string[] {
  const byName = new Map<string, Group[]>();
  for (const group of groups) {
    const name = `${decode(group.bytes, group.mode).mnemonic.toLowerCase()}.txt`;
    byName.set(name, [...(byName.get(name) ?? []), group]);
  }
  for (const [name, list] of byName) {
    const file = path.join(directory, name);
    // What was written by hand stays, and says so.
    const old = existsSync(file) ? parseCases(readFileSync(file, "utf8"), name) : [];
    const kept = old.filter(({ source, remarks }) => source !== undefined || remarks.length > 0);
    writeFileSync(file, fileText([...list, ...kept]));
  }
  return [...byName.keys()];
}

export const mnemonicNamed = (name: string): number | undefined =>
  (Mnemonic as unknown as Record<string, number>)[name[0]!.toUpperCase() + name.slice(1).toLowerCase()];
