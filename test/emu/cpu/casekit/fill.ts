/** Fills cases from what is not ours: bytes by nasm or GNU as, `after` by this host's processor; and checks filled ones against both. */
import { BREAKPOINT, type Host, type NativeOutcome, type UserState } from "../host/native.ts";
import { decode } from "./decode.ts";
import { type Group, type Item, itemText, type Mode, type Run, type Trap } from "./format.ts";
import { beforeState, expectedState, nextRip } from "./machine.ts";
import { settled, stateItems } from "./state.ts";
import { namedSegments, segmentItems } from "./tables.ts";
import { toolBytes } from "./tools.ts";

const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);
const PAGE_FAULT = 14;
const INVALID_OPCODE = 6;

/** Runs on a processor, not from a manual. */
export const isNative = ({ mode, cpl0, source }: Group): boolean =>
  source === undefined && !cpl0 && (mode === "64" || mode === "32" || mode === "16");

/** Results that are right within one unit in the last place, and those that promise less. */
const APPROXIMATE = /^(F2xm1|Fyl2x|Fyl2xp1|Fpatan|Fsin|Fcos|Fptan|Fsincos)$/;
const ROUGH = /^V?R(cp|sqrt)[ps]s$/i;

/** A breakpoint within the instruction is its own, INT3 or INT 3; elsewhere it is where control went to. */
function trapOf({ vector, errorCode, state }: NativeOutcome, before: UserState, length: number): Trap | undefined {
  if (vector === BREAKPOINT)
    return state.rip >= before.rip && state.rip < before.rip + BigInt(length)
      ? { vector, errorCode: undefined }
      : undefined;
  return { vector, errorCode: WITH_ERROR_CODE.has(vector) ? errorCode : undefined };
}

/** RF is the fault's, IF and IOPL the host's kernel's. */
const HOST_FLAGS = 0x10000 | 0x200 | 0x3000;
function seen(outcome: NativeOutcome, before: UserState, mode: Mode): UserState {
  const { state } = outcome;
  state.flags = (state.flags & ~HOST_FLAGS) | (before.flags & HOST_FLAGS);
  // A 64-bit kernel keeps nothing above 32 bits for other programs.
  if (mode !== "64") state.gprs.forEach((value, i) => void (state.gprs[i] = i < 8 ? value & 0xffff_ffffn : 0n));
  return state;
}

const stepOf = (group: Group, run: Run) => ({
  mode: Number(group.mode) as 64 | 32 | 16,
  code: group.bytes,
  state: beforeState(group.mode, run),
  bases: namedSegments(group.mode, run.before).bases,
});

/** What no user program can see of an outcome. */
const isHidden = ({ name }: Item): boolean => name === "shadow";

function outcomeOf(group: Group, run: Run, outcome: NativeOutcome): Run {
  const { mode, bytes } = group;
  const expected = beforeState(mode, run);
  const trap = trapOf(outcome, expected, bytes.length);
  if (trap?.vector === BREAKPOINT) outcome.state.rip++;
  const decoded = decode(bytes, mode);
  const open: Item[] =
    trap || decoded.undefined.length === 0 ? [] : [{ name: "undefined", value: decoded.undefined.join() }];
  if (!trap) expected.rip = nextRip(mode, expected.rip, bytes.length);
  const items = stateItems(expected, settled(seen(outcome, expected, mode), expected, open), mode);
  const approximate = APPROXIMATE.test(decoded.mnemonic) && !trap;
  const rough = ROUGH.test(decoded.mnemonic);
  const after = items.map((item) =>
    (approximate && /^st[01]$/.test(item.name)) || (rough && /^[xy]mm/.test(item.name))
      ? { ...item, value: `~${item.value}` }
      : item,
  );
  if (approximate) open[0] = { name: "undefined", value: [...new Set([...decoded.undefined, "c1"])].join() };
  const address = trap?.vector === PAGE_FAULT ? [{ name: "cr2", value: outcome.cr2.toString(16) }] : [];
  const segments = segmentItems(namedSegments(mode, run.before), outcome);
  return {
    before: run.before,
    after: [...address, ...segments, ...after, ...open, ...run.after.filter(isHidden)],
    trap,
  };
}

/** Its bytes are from the manual: a tool of today may be too old for it. */
const knownElsewhere = ({ source, bytes }: Group): boolean => source !== undefined && bytes.length > 0;

/** Bytes and outcomes of all groups that a processor can be asked for; `complaints` gets what went wrong. */
export function fill(groups: readonly Group[], host: Host, complaints: string[]): Group[] {
  const answers = toolBytes(groups);
  const withBytes = groups.map((group, i) => {
    const hex = answers[i];
    if (hex === undefined && knownElsewhere(group)) return group;
    if (hex === undefined) complaints.push(`${group.dialect} does not take '${group.text}'`);
    return { ...group, bytes: hex === undefined ? new Uint8Array() : Uint8Array.from(Buffer.from(hex, "hex")) };
  });
  const native = withBytes.filter((group) => isNative(group) && group.bytes.length > 0);
  const outcomes = host.run(native.flatMap((group) => group.runs.map((run) => stepOf(group, run))));
  let next = 0;
  return withBytes.map((group) =>
    native.includes(group)
      ? { ...group, runs: group.runs.map((run) => outcomeOf(group, run, outcomes[next++]!)) }
      : group,
  );
}

export interface Checked {
  readonly differences: string[];
  /** Runs that agreed, and those whose instruction this host does not have. */
  readonly agreed: number;
  readonly absent: number;
}

function nativeDifferences(group: Group, run: Run, outcome: NativeOutcome): string[] {
  const want = expectedState(group.mode, group, run);
  const trap = trapOf(outcome, beforeState(group.mode, run), group.bytes.length);
  if (trap?.vector === BREAKPOINT) outcome.state.rip++;
  const state = settled(seen(outcome, want, group.mode), want, run.after);
  const segments = segmentItems(namedSegments(group.mode, [...run.before, ...run.after]), outcome);
  const found = [...segments, ...stateItems(want, state, group.mode)].map((item) => `host ${itemText(item)}`);
  if (trap?.vector !== run.trap?.vector || trap?.errorCode !== run.trap?.errorCode)
    found.push(`host exception ${trap?.vector ?? "none"}(${trap?.errorCode ?? ""})`);
  const cr2 = run.after.find(({ name }) => name === "cr2")?.value;
  if (cr2 !== undefined && cr2 !== outcome.cr2.toString(16)) found.push(`host cr2=${outcome.cr2.toString(16)}`);
  return found;
}

/** Filled cases against the tools and this host's processor. */
export function check(groups: readonly Group[], host: Host): Checked {
  const differences: string[] = [];
  const answers = toolBytes(groups);
  groups.forEach((group, i) => {
    const made = Buffer.from(group.bytes).toString("hex");
    if (answers[i] !== made && !(answers[i] === undefined && knownElsewhere(group)))
      differences.push(`${describe(group)}: ${made}, not ${answers[i] ?? "an error"}`);
  });
  const native = groups.filter(isNative);
  const pairs = native.flatMap((group) => group.runs.map((run) => ({ group, run })));
  const outcomes = host.run(pairs.map(({ group, run }) => stepOf(group, run)));
  let absent = 0;
  pairs.forEach(({ group, run }, i) => {
    const outcome = outcomes[i]!;
    if (outcome.vector === INVALID_OPCODE && run.trap?.vector !== INVALID_OPCODE) absent++;
    else {
      const found = nativeDifferences(group, run, outcome);
      if (found.length > 0)
        differences.push(`${describe(group)}, ${run.before.map(itemText).join(" ")}: ${found.join("; ")}`);
    }
  });
  return { differences, agreed: pairs.length - absent - differences.length, absent };
}

export const describe = ({ dialect, mode, text }: Group): string => `${dialect} ${mode} | ${text}`;
