/** What must be equal after each instruction, here and on the host's processor. */
import { EFLAGS } from "../../../src/emu/cpu/layout.ts";
import type { Batch } from "./batch.ts";
import type { Entry } from "./entries.ts";
import { RESULT, RESULT_WORDS, STATE_WORDS, STATUS, WORD } from "./layout.ts";
import {
  closeEnough,
  foreignBytes,
  isApproximate,
  isChoice,
  undefinedConditions,
  undefinedFlags,
  withinOneUlp,
  writesPartly,
} from "./masks.ts";
import type { Outcome } from "./native.ts";

export interface Mismatch {
  readonly step: number;
  /** Differences, one sentence each. */
  readonly lines: readonly string[];
}

/** IF, IOPL, RF and VM are the host kernel's, TF the tracer's. */
const COMPARED_FLAGS =
  EFLAGS.CF | EFLAGS.PF | EFLAGS.AF | EFLAGS.ZF | EFLAGS.SF | EFLAGS.OF | EFLAGS.DF | EFLAGS.NT | EFLAGS.AC | EFLAGS.ID;

const NAMES = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15 rip".split(" ");
const SEGMENT_NAMES = ["es", "cs", "ss", "ds", "fs", "gs"];
const MOST_LINES = 12;

const hex = (value: number): string => (value >>> 0).toString(16);
const hex64 = (words: Int32Array, at: number): string =>
  `0x${BigInt.asUintN(64, (BigInt(words[at + 1]!) << 32n) | BigInt(words[at]! >>> 0)).toString(16)}`;

export class Comparison {
  private readonly batch: Batch;
  private readonly ours: Int32Array;
  private readonly theirs: Int32Array;
  private readonly outcome: Outcome;

  constructor(batch: Batch, outcome: Outcome) {
    this.batch = batch;
    this.outcome = outcome;
    this.ours = batch.results;
    this.theirs = outcome.results;
  }

  /** First differences of each sequence; what follows them does not count. */
  mismatches(): Mismatch[] {
    const { batch, theirs } = this;
    const found: Mismatch[] = batch.atOnce.map(({ step, word }) => ({
      step,
      lines: [`ours differs from itself when the sequence is run at once, in word ${word} of its last state`],
    }));
    // The sequence that is over, because something differs or might.
    let over = -1;
    for (let i = 0; i < batch.count; i++) {
      const first = batch.first[i]!;
      if (first === over) continue;
      if (theirs[i * RESULT_WORDS + RESULT.STATUS] !== STATUS.DONE) {
        found.push({ step: i, lines: ["the host's program was elsewhere, or had ended"] });
        over = first;
      } else if (!this.equal(i)) {
        const lines = this.describe(i);
        if (lines === undefined || lines.length > 0) over = first;
        if (lines !== undefined && lines.length > 0) found.push({ step: i, lines });
      }
    }
    return found;
  }

  /** The common case: nothing differs but flags that may. */
  private equal(i: number): boolean {
    const { ours, theirs, batch } = this;
    const entry = batch.entries[i];
    const at = i * RESULT_WORDS;
    for (let w = 0; w < RESULT.CHANGES_AT; w++) if (ours[at + w] !== theirs[at + w]) return false;
    const state = at + RESULT.STATE;
    for (let w = 0; w < WORD.EFLAGS; w++) if (ours[state + w] !== theirs[state + w]) return false;
    for (let w = WORD.EFLAGS + 1; w < STATE_WORDS; w++) if (ours[state + w] !== theirs[state + w]) return false;
    const flags = (ours[state + WORD.EFLAGS]! ^ theirs[state + WORD.EFLAGS]!) & COMPARED_FLAGS;
    if (flags !== 0 && (!entry || flags & ~undefinedFlags(entry))) return false;
    return this.sameChanges(at);
  }

  private sameChanges(at: number): boolean {
    const { ours, theirs, batch, outcome } = this;
    const count = ours[at + RESULT.CHANGES_COUNT]!;
    if (count !== theirs[at + RESULT.CHANGES_COUNT]) return false;
    const mine = ours[at + RESULT.CHANGES_AT]!;
    const host = theirs[at + RESULT.CHANGES_AT]!;
    for (let c = 0; c < count; c++) if (batch.changes[mine + c] !== outcome.changes[host + c]) return false;
    return true;
  }

  /** All differences of a step; undefined where both ways are right. */
  private describe(i: number): string[] | undefined {
    const { ours, theirs, batch } = this;
    const entry = batch.entries[i];
    const at = i * RESULT_WORDS;
    const vector = ours[at + RESULT.VECTOR]!;
    const signal = theirs[at + RESULT.SIGNAL]!;
    if (entry && isChoice(entry, { signal: ours[at + RESULT.SIGNAL]!, vector }, { signal })) return undefined;
    const lines: string[] = [];
    this.describeSignal(i, lines);
    const state = at + RESULT.STATE;
    for (let r = 0; r < NAMES.length; r++) {
      const [a, b] = [hex64(ours, state + r * 2), hex64(theirs, state + r * 2)];
      if (a !== b) lines.push(`${NAMES[r]}: ours ${a}, host ${b}`);
    }
    const masked = COMPARED_FLAGS & ~(entry && vector < 0 ? undefinedFlags(entry) : 0);
    this.describeWord("eflags", state + WORD.EFLAGS, masked, lines);
    for (let s = 0; s < 6; s++) this.describeWord(SEGMENT_NAMES[s]!, state + WORD.SELECTORS + s, -1, lines);
    this.describeWord("fs base", state + WORD.FS_BASE, -1, lines);
    this.describeWord("gs base", state + WORD.GS_BASE, -1, lines);
    this.describeMemory(i, entry, lines);
    this.describeFloating(state, entry, lines);
    return lines.length > MOST_LINES ? [...lines.slice(0, MOST_LINES), "..."] : lines;
  }

  private describeWord(name: string, at: number, mask: number, lines: string[]): void {
    const a = this.ours[at]! & mask;
    const b = this.theirs[at]! & mask;
    if (a !== b) lines.push(`${name}: ours 0x${hex(a)}, host 0x${hex(b)}`);
  }

  private describeSignal(i: number, lines: string[]): void {
    const at = i * RESULT_WORDS;
    let same = true;
    for (let w = 0; w < RESULT.CHANGES_AT; w++) same &&= this.ours[at + w] === this.theirs[at + w];
    if (same) return;
    const text = (words: Int32Array) =>
      words[at] === 0
        ? "no signal"
        : `signal ${words[at]} code ${words[at + RESULT.CODE]} address ${hex64(words, at + RESULT.ADDRESS)}`;
    const vector = this.ours[at + RESULT.VECTOR]!;
    const why = vector < 0 ? "" : ` (exception ${vector}: ${this.batch.why[i]})`;
    lines.push(`ours ${text(this.ours)}${why}, host ${text(this.theirs)}`);
  }

  private describeMemory(i: number, entry: Entry | undefined, lines: string[]): void {
    const { ours, theirs, batch, outcome } = this;
    const at = i * RESULT_WORDS;
    const collect = (words: Int32Array, list: Uint32Array) => {
      const from = words[at + RESULT.CHANGES_AT]!;
      const changed = list.subarray(from, from + words[at + RESULT.CHANGES_COUNT]!);
      return new Map(Array.from(changed, (change) => [change >>> 8, change & 0xff]));
    };
    const mine = collect(ours, batch.changes);
    const host = collect(theirs, outcome.changes);
    if (entry && writesPartly(entry, ours[at + RESULT.VECTOR]!)) host.clear();
    const foreign = new Map<number, number>();
    for (let f = 0; f < batch.foreignCount[i]!; f++) foreign.set(batch.adopted[batch.foreignAt[i]! + f]! >>> 8, f);
    const bits = entry && foreign.size > 0 ? foreignBytes(entry)[0]!.bits : 0;
    for (const offset of new Set([...mine.keys(), ...host.keys()])) {
      const a = mine.get(offset);
      const b = host.get(offset);
      if (a === b) continue;
      const mark = foreign.get(offset);
      if (mark !== undefined) {
        const now = batch.adopted[batch.foreignAt[i]! + mark]! & 0xff;
        // Unchanged on the host means as it was, which is not known here; a whole byte may differ then.
        if (bits === 0xff || b === undefined || ((now ^ b) & ~bits) === 0) continue;
      }
      const show = (value: number | undefined) => (value === undefined ? "unchanged" : `0x${hex(value)}`);
      lines.push(`data+0x${hex(offset)}: ours ${show(a)}, host ${show(b)}`);
    }
  }

  /** Two singles from word `at` on, as approximations. */
  private close(at: number): boolean {
    words.set([this.ours[at]!, this.ours[at + 1]!, this.theirs[at]!, this.theirs[at + 1]!]);
    return closeEnough(floats[0]!, floats[2]!) && closeEnough(floats[1]!, floats[3]!);
  }

  private describeFloating(state: number, entry: Entry | undefined, lines: string[]): void {
    const conditions = entry ? undefinedConditions(entry) : 0;
    this.describeWord("fcw", state + WORD.FCW, -1, lines);
    this.describeWord("fsw", state + WORD.FSW, ~conditions, lines);
    this.describeWord("ftw", state + WORD.FTW, -1, lines);
    this.describeWord("mxcsr", state + WORD.MXCSR, -1, lines);
    const top = (this.ours[state + WORD.FSW]! >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      const at = state + WORD.X87 + ((top + i) & 7) * 4;
      const a = extended(this.ours, at);
      const b = extended(this.theirs, at);
      if (a === b || (i < 2 && entry && withinOneUlp(entry) && Math.abs(Number(a - b)) <= 1)) continue;
      const show = (words: Int32Array) => `${hex(words[at + 2]!)}:${hex64(words, at)}`;
      lines.push(`st${i}: ours ${show(this.ours)}, host ${show(this.theirs)}`);
    }
    for (let i = 0; i < 16; i++) {
      for (let w = 0; w < 8; w += 2) {
        const at = state + WORD.YMM + i * 8 + w;
        const [a, b] = [hex64(this.ours, at), hex64(this.theirs, at)];
        if (a !== b && !(entry && isApproximate(entry) && this.close(at)))
          lines.push(`ymm${i}[${w >> 1}]: ours ${a}, host ${b}`);
      }
    }
  }
}

const floats = new Float32Array(4);
const words = new Int32Array(floats.buffer);

/** An 80-bit number as an integer that counts units in the last place. */
function extended(words: Int32Array, at: number): bigint {
  const signExponent = words[at + 2]! & 0xffff;
  const mantissa = (BigInt(words[at + 1]! >>> 0) << 32n) | BigInt(words[at]! >>> 0);
  // Unnormal patterns must not coincide with normal ones.
  const value =
    (BigInt(signExponent & 0x7fff) << 63n) + (mantissa & ((1n << 63n) - 1n)) + (mantissa >> 63n ? 0n : 1n << 90n);
  return signExponent & 0x8000 ? -value : value;
}
