/** SSE4.2's string comparisons: every character of one text against every character of the other, aggregated as the immediate says. */
import type { Cpu } from "../cpu.ts";
import { Mnemonic } from "../iced.ts";
import { EFLAGS, GPR } from "../layout.ts";
import { computed, type Insn, type OperationTable } from "../operation.ts";
import { checkVector, DST, immediate, type Lanes, loadLanes, SRC, writeVex, writeXmm } from "./sse-lanes.ts";
import { vexBytes } from "./vex.ts";

/** Fields of the immediate. */
const WORDS = 1;
const SIGNED = 2;
const NEGATE = 0x10;
const ONLY_VALID = 0x20;
/** The index of the last match rather than the first; for the mask, lanes rather than bits. */
const LAST_OR_LANES = 0x40;

interface Text {
  readonly at: (i: number) => number;
  readonly length: number;
}

function text(lanes: Lanes, imm: number, length: number): Text {
  const view = imm & WORDS ? (imm & SIGNED ? lanes.i16 : lanes.u16) : imm & SIGNED ? lanes.i8 : lanes.u8;
  return { at: (i) => view[i]!, length };
}

/** With REX.W or VEX.W the lengths are 64 bits wide. */
const WIDE_LENGTHS: ReadonlySet<number> = new Set([
  Mnemonic.Pcmpestri64,
  Mnemonic.Pcmpestrm64,
  Mnemonic.Vpcmpestri64,
  Mnemonic.Vpcmpestrm64,
]);

/** The explicit length in rAX or rDX: its magnitude, at most a whole register's characters. */
function explicitLength(cpu: Cpu, insn: Insn, reg: number, count: number): number {
  if (WIDE_LENGTHS.has(insn.mnemonic)) {
    const value = BigInt.asIntN(64, cpu.gpr(reg));
    const magnitude = value < 0n ? -value : value;
    return magnitude > BigInt(count) ? count : Number(magnitude);
  }
  return Math.min(Math.abs(cpu.gprLow(reg)), count);
}

/** Characters before the first zero. */
function implicitLength(lanes: Lanes, imm: number, count: number): number {
  const view = imm & WORDS ? lanes.u16 : lanes.u8;
  for (let i = 0; i < count; i++) if (view[i] === 0) return i;
  return count;
}

type Aggregate = (a: Text, b: Text, j: number, count: number) => boolean;

/** By imm[3:2], for character j of the second text: it is any of the first's, within its ranges, equal, or starts an occurrence. */
const AGGREGATES: readonly Aggregate[] = [
  (a, b, j) => {
    for (let i = 0; j < b.length && i < a.length; i++) if (a.at(i) === b.at(j)) return true;
    return false;
  },
  (a, b, j) => {
    for (let i = 0; j < b.length && i + 1 < a.length; i += 2)
      if (b.at(j) >= a.at(i) && b.at(j) <= a.at(i + 1)) return true;
    return false;
  },
  (a, b, j) => (j < a.length && j < b.length ? a.at(j) === b.at(j) : j >= a.length && j >= b.length),
  (a, b, j, count) => {
    for (let i = 0; i < a.length && i + j < count; i++) if (i + j >= b.length || a.at(i) !== b.at(i + j)) return false;
    return true;
  },
];

interface Match {
  readonly bits: number;
  readonly count: number;
}

/** Compares, sets the flags and gives the result bits (IntRes2). */
function compare(cpu: Cpu, insn: Insn, explicit: boolean): Match {
  checkVector(cpu, insn);
  const imm = immediate(insn);
  const count = imm & WORDS ? 8 : 16;
  loadLanes(cpu, insn, 1, SRC, 16, false);
  loadLanes(cpu, insn, 0, DST, 16, false);
  const length = (lanes: Lanes, reg: number) =>
    explicit ? explicitLength(cpu, insn, reg, count) : implicitLength(lanes, imm, count);
  const a = text(DST, imm, length(DST, GPR.RAX));
  const b = text(SRC, imm, length(SRC, GPR.RDX));
  const aggregate = AGGREGATES[(imm >> 2) & 3]!;
  let bits = 0;
  for (let j = 0; j < count; j++) if (aggregate(a, b, j, count)) bits |= 1 << j;
  if (imm & NEGATE) bits ^= imm & ONLY_VALID ? (1 << b.length) - 1 : (1 << count) - 1;
  cpu.setArithFlags(
    (bits ? EFLAGS.CF : 0) |
      (b.length < count ? EFLAGS.ZF : 0) |
      (a.length < count ? EFLAGS.SF : 0) |
      (bits & 1 ? EFLAGS.OF : 0),
  );
  return { bits, count };
}

const toIndex = (explicit: boolean) =>
  computed((cpu, insn) => {
    const { bits, count } = compare(cpu, insn, explicit);
    const last = (immediate(insn) & LAST_OR_LANES) !== 0;
    const index = bits === 0 ? count : 31 - Math.clz32(last ? bits : bits & -bits);
    cpu.setGprHalves(GPR.RCX, index, 0);
  });

const toMask = (explicit: boolean) =>
  computed((cpu, insn) => {
    const { bits, count } = compare(cpu, insn, explicit);
    DST.u64.fill(0n);
    if (!(immediate(insn) & LAST_OR_LANES)) DST.i32[0] = bits;
    else {
      const lanes = count === 8 ? DST.i16 : DST.i8;
      for (let i = 0; i < count; i++) lanes[i] = (bits >> i) & 1 ? -1 : 0;
    }
    if (vexBytes(insn) === 0) writeXmm(cpu, 0, DST, 16);
    else writeVex(cpu, 0, DST, undefined);
  });

export const sseTextOperations: OperationTable = {
  Pcmpestri: toIndex(true),
  Pcmpestri64: toIndex(true),
  Pcmpestrm: toMask(true),
  Pcmpestrm64: toMask(true),
  Pcmpistri: toIndex(false),
  Pcmpistrm: toMask(false),
};
