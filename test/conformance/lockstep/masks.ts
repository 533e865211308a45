/**
 * What is not compared, beyond the flags that iced's tables call undefined: a line for each, with its reason. Nothing else is excused.
 */
import type { Vendor } from "../../../src/emu/cpu/cpu.ts";
import { VECTOR } from "../../../src/emu/cpu/fault.ts";
import { EFLAGS } from "../../../src/emu/cpu/layout.ts";
import type { Entry } from "./entries.ts";
import { SIGNAL } from "./signals.ts";

const STATUS_FLAGS = EFLAGS.CF | EFLAGS.PF | EFLAGS.AF | EFLAGS.ZF | EFLAGS.SF | EFLAGS.OF;

export const isWord = ({ insn }: Entry): boolean => insn.opSize === 16 && insn.ops[0]?.kind !== "imm";

interface FlagMask {
  readonly names: RegExp;
  readonly when?: (entry: Entry) => boolean;
  readonly flags: number;
  readonly reason: string;
}

const FLAG_MASKS: readonly FlagMask[] = [
  {
    names: /^Sh[lr]d$/,
    when: isWord,
    flags: STATUS_FLAGS,
    reason: "a count above 16 on a 16-bit operand leaves all of them undefined",
  },
  {
    names: /^Rc[lr]$/,
    flags: EFLAGS.OF,
    reason: "defined for a count of one only, and iced counts before the reduction modulo 9 and 17",
  },
];

/** EFLAGS bits that may differ after an instruction that raised nothing. */
export function undefinedFlags(entry: Entry): number {
  let mask = entry.undefinedFlags;
  for (const row of FLAG_MASKS) if (row.names.test(entry.name) && (row.when?.(entry) ?? true)) mask |= row.flags;
  return mask;
}

/** ST(0), ST(1) and C1 of these may differ a little. */
const TRANSCENDENTAL_REASON =
  "within one unit in the last place of the true value is all that is promised, and C1 tells which way that went";
const TRANSCENDENTAL = /^(F2xm1|Fyl2x|Fyl2xp1|Fpatan|Fsin|Fcos|Fptan|Fsincos)$/;
export const withinOneUlp = ({ name }: Entry): boolean => TRANSCENDENTAL.test(name);
const C1 = 0x200;
export const undefinedConditions = (entry: Entry): number => entry.undefinedConditions | (withinOneUlp(entry) ? C1 : 0);

const APPROXIMATE = /^V?R(cp|sqrt)[ps]s$/i;
const APPROXIMATE_REASON =
  "a relative error of at most 1.5 * 2^-12 is all that is promised, and of the smallest normal number not that it is not flushed to zero";
export const isApproximate = ({ name }: Entry): boolean => APPROXIMATE.test(name);
/** Two results that each keep the promise differ by no more. */
const APPROXIMATION = 3 * 2 ** -12;
const SMALLEST_NORMAL = 2 ** -126;
export function closeEnough(ours: number, theirs: number): boolean {
  if (Math.max(Math.abs(ours), Math.abs(theirs)) <= SMALLEST_NORMAL) return true;
  return Object.is(ours, theirs) || Math.abs(ours - theirs) <= Math.abs(ours) * APPROXIMATION;
}

/** Bits of bytes that an instruction writes to its memory operand (or at the stack's top) and that are not compared. */
export interface ForeignBytes {
  /** The memory operand, or what has been pushed. */
  readonly where: "operand" | "stack";
  readonly from: number;
  readonly to: number;
  /** Bits of each byte that may differ. */
  readonly bits: number;
}

interface ForeignRow extends ForeignBytes {
  readonly names: RegExp;
  readonly opSize?: number;
  readonly reason: string;
}

const FOREIGN: readonly ForeignRow[] = [
  { names: /^Pushf/, where: "stack", from: 1, to: 2, bits: 1, reason: "TF is the tracer's" },
  {
    names: /^Fxsave(64)?$/,
    where: "operand",
    from: 28,
    to: 32,
    bits: 0xff,
    reason: "MXCSR_MASK: bits that the model has",
  },
];

export function foreignBytes({ name, insn }: Entry): readonly ForeignBytes[] {
  return FOREIGN.filter(
    (row) => row.names.test(name) && (row.opSize === undefined || row.opSize === (insn.opSize === 16 ? 16 : 32)),
  );
}

/** What one side made of an instruction. */
export interface Result {
  readonly signal: number;
  readonly vector: number;
}

interface Choice {
  readonly when: (entry: Entry, ours: Result, theirs: { readonly signal: number }) => boolean;
  readonly reason: string;
}

const MASKED = /^V?(maskmov|pmaskmov)/i;
const HALVES = /^Vcvtp[hs]2p[hs]$/;
const IMAGES = /^(Fn?save|Frstor|Fn?stenv|Fldenv|Fxsave|Fxrstor)/;
const longOperand = ({ insn }: Entry): boolean =>
  insn.ops.some((op) => op.kind === "mem" && op.size > 8 && op.size !== 16);

/** Where both ways are right; the sequence ends there. */
const CHOICES: readonly Choice[] = [
  {
    when: ({ name }, ours, theirs) => MASKED.test(name) && ours.vector < 0 && theirs.signal === SIGNAL.SEGV,
    reason: "a masked store of which no byte is selected on a page may fault there or not",
  },
  {
    when: (entry, ours, theirs) =>
      ours.signal !== 0 &&
      theirs.signal !== 0 &&
      (longOperand(entry) || IMAGES.test(entry.name) || MASKED.test(entry.name)),
    reason:
      "both fault; of a long operand the processor may have moved what comes before the faulting piece, and which piece that is is its choice",
  },
  {
    when: ({ gathers, name }, ours) =>
      ours.vector === VECTOR.AC && (gathers || MASKED.test(name) || HALVES.test(name) || name === "Movbe"),
    reason:
      "whether accesses by mask, by index, to 16-bit floats or by MOVBE are checked for alignment is the model's choice (Intel's are not)",
  },
  {
    when: ({ name, insn }, ours, theirs) =>
      ours.signal !== 0 && theirs.signal !== 0 && insn.rep && /^(Cmps|Scas)[bwdq]$/.test(name),
    reason:
      "the manual says which flags a fault of CMPS and SCAS leaves under REPNE only; under REPE the host's processor has been seen to restore them and not to",
  },
];

export const isChoice = (entry: Entry, ours: Result, theirs: { readonly signal: number }): boolean =>
  CHOICES.some((choice) => choice.when(entry, ours, theirs));

const PARTIAL = /^(Enter|Pusha|Pushad|Movbe)$/;
const PARTIAL_REASON =
  "they write in several accesses and may fault in the middle; what has been written by then is the processor's choice";
export const writesPartly = ({ name }: Entry, vector: number): boolean => PARTIAL.test(name) && vector >= 0;

const loadsSegment = ({ name, insn }: Entry): boolean => insn.ops[0]?.kind === "seg" || /^L[fg]s$/.test(name);
const POINTER_IMAGES = /^(Fn?stenv|Fn?save|Fxsave(64)?)$/;
const STRING_OPERATION = /^(Movs|Cmps|Scas|Lods|Stos)[bwdq]$/;

interface VendorRow {
  readonly names: RegExp;
  readonly when?: (entry: Entry) => boolean;
  readonly reason: string;
}

/** Left out where our processor and the host's are of different vendors: docs/vendors.md. What decodes differently is left out too. */
const VENDORS_DIFFER: readonly VendorRow[] = [
  {
    names: POINTER_IMAGES,
    reason: "Intel's keep opcode and operand pointer of the last exception, AMD's of the last instruction",
  },
  {
    names: /^Push$/,
    when: ({ insn }) => insn.ops[0]?.kind === "seg",
    reason: "Intel leaves the upper half of the stack slot, AMD writes it",
  },
  {
    names: /^(Mov|Pop|Lfs|Lgs)$/,
    when: loadsSegment,
    reason: "Intel clears base and limit when a null selector is loaded, AMD (before Zen 3) keeps them",
  },
  {
    names: STRING_OPERATION,
    when: ({ insn }) => insn.bits === 64 && insn.addrSize === 32,
    reason: "Intel's repeats begin by cutting counter and pointers to 32 bits",
  },
];
export const vendorsDiffer = (entry: Entry): boolean =>
  VENDORS_DIFFER.some((row) => row.names.test(entry.name) && (row.when?.(entry) ?? true));

/** Left out on hosts of a vendor whose undefined results nobody has measured. */
const UNMEASURED: Readonly<Record<Vendor, readonly VendorRow[]>> = {
  intel: [],
  amd: [
    { names: /^Sh[lr]d$/, when: isWord, reason: "the result, too, is undefined for a count above 16" },
    {
      names: /^(Mov|Pop|Lfs|Lgs)$/,
      when: loadsSegment,
      reason: "whether a null selector clears the base depends on the generation",
    },
    { names: POINTER_IMAGES, reason: "which pointers FXSAVE stores, and when, depends on the generation" },
    { names: /^V?Dpp[ds]$/, reason: "which of several NaNs survives is the model's choice" },
    { names: /^Bs[fr]$/, reason: "the destination is undefined for a source of zero in Intel's manual" },
  ],
};
export const unmeasured = (entry: Entry, host: Vendor): boolean =>
  UNMEASURED[host].some((row) => row.names.test(entry.name) && (row.when?.(entry) ?? true));

/** Every exemption's reason, for the page that lists them. */
export const REASONS: readonly string[] = [
  ...[...FLAG_MASKS, ...FOREIGN, ...CHOICES, ...VENDORS_DIFFER, ...UNMEASURED.amd].map((row) => row.reason),
  TRANSCENDENTAL_REASON,
  APPROXIMATE_REASON,
  PARTIAL_REASON,
];
