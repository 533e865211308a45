/** Packed integer arithmetic, logic, comparison and shifts of MMX and SSE2..SSE4.1: one lane function each. */
import type { Cpu } from "../cpu.ts";
import { ARITH_FLAGS, EFLAGS } from "../layout.ts";
import { computed, type Insn, type OperationTable } from "../operation.ts";
import {
  checkVector,
  commitMmx,
  DST,
  DST_UP,
  immediate,
  type Lanes,
  loadLanes,
  loadPair,
  loadWide,
  SRC,
  SRC_UP,
  sourceBytes,
  storeLanes,
  usesMmx,
  widthOf,
} from "./sse-lanes.ts";
import { firstIndex, sourceIndex, vexBytes } from "./vex.ts";

/** Computes d from d and s, both `bytes` wide. */
export type Packed = (d: Lanes, s: Lanes, bytes: number, imm: number) => void;

/**
 * dst = dst op src for MMX, XMM and YMM, register or memory source, an immediate perhaps, of which the upper half of a YMM register
 * sees what is left after `immShift` bits.
 */
export const packed = (fn: Packed, immShift = 0) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    const bytes = widthOf(insn.ops[0]);
    const imm = immediate(insn);
    const halves = loadPair(cpu, insn, sourceBytes(insn, sourceIndex(insn)), true);
    fn(DST, SRC, bytes, imm);
    if (halves === 2) fn(DST_UP, SRC_UP, bytes, imm >> immShift);
    if (usesMmx(insn)) commitMmx(cpu);
    storeLanes(cpu, insn, 0, DST, bytes);
  });

type Lane = (a: number, b: number) => number;
type View = "u8" | "i8" | "u16" | "i16" | "u32" | "i32";
const LANE_BYTES: Readonly<Record<View, number>> = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4 };

/** One number function over all lanes of a view. */
const each = (view: View, fn: Lane) =>
  packed((d, s, bytes) => {
    const a = d[view];
    const b = s[view];
    const count = bytes / LANE_BYTES[view];
    for (let i = 0; i < count; i++) a[i] = fn(a[i]!, b[i]!);
  });

const eachQuad = (fn: (a: bigint, b: bigint) => bigint) =>
  packed((d, s, bytes) => {
    for (let i = 0; i < bytes / 8; i++) d.u64[i] = BigInt.asUintN(64, fn(d.u64[i]!, s.u64[i]!));
  });

const clamp = (low: number, high: number) => (x: number) => Math.max(low, Math.min(x, high));
const i8 = clamp(-128, 127);
const u8 = clamp(0, 255);
const i16 = clamp(-32768, 32767);
const u16 = clamp(0, 65535);
const sum: Lane = (a, b) => a + b;
const difference: Lane = (a, b) => a - b;
const equal: Lane = (a, b) => (a === b ? -1 : 0);
const greater: Lane = (a, b) => (a > b ? -1 : 0);
const min: Lane = Math.min;
const max: Lane = Math.max;
const average: Lane = (a, b) => (a + b + 1) >> 1;
const sign: Lane = (a, b) => (b < 0 ? -a : b === 0 ? 0 : a);

/** MPSADBW: eight sums of four absolute differences each. */
const sumsOfDifferences: Packed = (d, s, _bytes, imm) => {
  const block = (imm & 3) * 4;
  const start = imm & 4;
  const sums: number[] = [];
  for (let i = 0; i < 8; i++) {
    let total = 0;
    for (let b = 0; b < 4; b++) total += Math.abs(d.u8[start + i + b]! - s.u8[block + b]!);
    sums.push(total);
  }
  d.u16.set(sums);
};

const arithmetic: OperationTable = {
  Paddb: each("u8", sum),
  Paddw: each("u16", sum),
  Paddd: each("i32", sum),
  Paddq: eachQuad((a, b) => a + b),
  Psubb: each("u8", difference),
  Psubw: each("u16", difference),
  Psubd: each("i32", difference),
  Psubq: eachQuad((a, b) => a - b),
  Paddsb: each("i8", (a, b) => i8(a + b)),
  Paddsw: each("i16", (a, b) => i16(a + b)),
  Paddusb: each("u8", (a, b) => u8(a + b)),
  Paddusw: each("u16", (a, b) => u16(a + b)),
  Psubsb: each("i8", (a, b) => i8(a - b)),
  Psubsw: each("i16", (a, b) => i16(a - b)),
  Psubusb: each("u8", (a, b) => u8(a - b)),
  Psubusw: each("u16", (a, b) => u16(a - b)),
  Pavgb: each("u8", average),
  Pavgw: each("u16", average),
  Pmullw: each("i16", (a, b) => a * b),
  Pmulhw: each("i16", (a, b) => (a * b) >> 16),
  Pmulhuw: each("u16", (a, b) => (a * b) >>> 16),
  Pmulhrsw: each("i16", (a, b) => ((((a * b) >> 14) + 1) >> 1) | 0),
  Pmulld: each("i32", Math.imul),
  Pabsb: each("i8", (_a, b) => Math.abs(b)),
  Pabsw: each("i16", (_a, b) => Math.abs(b)),
  Pabsd: each("i32", (_a, b) => Math.abs(b)),
  Psignb: each("i8", sign),
  Psignw: each("i16", sign),
  Psignd: each("i32", sign),
  Pmuludq: packed((d, s, bytes) => {
    for (let i = 0; i < bytes / 8; i++) d.u64[i] = BigInt(d.u32[i * 2]!) * BigInt(s.u32[i * 2]!);
  }),
  Pmuldq: packed((d, s, bytes) => {
    for (let i = 0; i < bytes / 8; i++) d.u64[i] = BigInt.asUintN(64, BigInt(d.i32[i * 2]!) * BigInt(s.i32[i * 2]!));
  }),
  Pmaddwd: packed((d, s, bytes) => {
    for (let i = 0; i < bytes / 4; i++)
      d.i32[i] = d.i16[i * 2]! * s.i16[i * 2]! + d.i16[i * 2 + 1]! * s.i16[i * 2 + 1]!;
  }),
  Pmaddubsw: packed((d, s, bytes) => {
    for (let i = 0; i < bytes / 2; i++)
      d.i16[i] = i16(d.u8[i * 2]! * s.i8[i * 2]! + d.u8[i * 2 + 1]! * s.i8[i * 2 + 1]!);
  }),
  Mpsadbw: packed(sumsOfDifferences, 3),
  Psadbw: packed((d, s, bytes) => {
    for (let quad = 0; quad < bytes / 8; quad++) {
      let total = 0;
      for (let i = quad * 8; i < quad * 8 + 8; i++) total += Math.abs(d.u8[i]! - s.u8[i]!);
      d.u32[quad * 2] = total;
      d.u32[quad * 2 + 1] = 0;
    }
  }),
};

type Test = (source: Lanes, destination: Lanes, i: number) => number;
/** ZF: `both` is zero in all dwords; CF: `only` is. */
export const testing = (both: Test, only: Test) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    const wide = vexBytes(insn) === 32;
    if (wide) loadWide(cpu, insn, 1, SRC);
    else loadLanes(cpu, insn, 1, SRC, 16, vexBytes(insn) === 0);
    if (wide) loadWide(cpu, insn, 0, DST);
    else loadLanes(cpu, insn, 0, DST, 16, false);
    let common = 0;
    let rest = 0;
    for (let i = 0; i < (wide ? 8 : 4); i++) {
      common |= i < 4 ? both(SRC, DST, i) : both(SRC_UP, DST_UP, i - 4);
      rest |= i < 4 ? only(SRC, DST, i) : only(SRC_UP, DST_UP, i - 4);
    }
    cpu.setArithFlags((common === 0 ? EFLAGS.ZF : 0) | (rest === 0 ? EFLAGS.CF : 0), ARITH_FLAGS);
  });

const comparison: OperationTable = {
  Pcmpeqb: each("i8", equal),
  Pcmpeqw: each("i16", equal),
  Pcmpeqd: each("i32", equal),
  Pcmpgtb: each("i8", greater),
  Pcmpgtw: each("i16", greater),
  Pcmpgtd: each("i32", greater),
  Pcmpeqq: eachQuad((a, b) => (a === b ? -1n : 0n)),
  Pcmpgtq: eachQuad((a, b) => (BigInt.asIntN(64, a) > BigInt.asIntN(64, b) ? -1n : 0n)),
  Pminub: each("u8", min),
  Pmaxub: each("u8", max),
  Pminsw: each("i16", min),
  Pmaxsw: each("i16", max),
  Pminsb: each("i8", min),
  Pmaxsb: each("i8", max),
  Pminuw: each("u16", min),
  Pmaxuw: each("u16", max),
  Pminsd: each("i32", min),
  Pmaxsd: each("i32", max),
  Pminud: each("u32", min),
  Pmaxud: each("u32", max),
  Phminposuw: packed((d, s) => {
    let best = 0;
    for (let i = 1; i < 8; i++) if (s.u16[i]! < s.u16[best]!) best = i;
    const value = s.u16[best]!;
    d.u64.fill(0n);
    d.u16[0] = value;
    d.u16[1] = best;
  }),
  Ptest: testing(
    (lanes, other, i) => lanes.i32[i]! & other.i32[i]!,
    (lanes, other, i) => lanes.i32[i]! & ~other.i32[i]!,
  ),
};

const and = each("i32", (a, b) => a & b);
const andNot = each("i32", (a, b) => ~a & b);
const or = each("i32", (a, b) => a | b);
const xor = each("i32", (a, b) => a ^ b);

const logic: OperationTable = {
  Pand: and,
  Andps: and,
  Andpd: and,
  Pandn: andNot,
  Andnps: andNot,
  Andnpd: andNot,
  Por: or,
  Orps: or,
  Orpd: or,
  Pxor: xor,
  Xorps: xor,
  Xorpd: xor,
};

/** A shift by one count for all lanes: immediate, or the whole low quadword of the source. */
const shift = (fn: (d: Lanes, count: number, bytes: number) => void) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    const bytes = widthOf(insn.ops[0]);
    const wide = vexBytes(insn) === 32;
    const count = shiftCount(cpu, insn);
    if (wide) loadWide(cpu, insn, 1, DST);
    else loadLanes(cpu, insn, firstIndex(insn), DST, bytes, false);
    fn(DST, count, bytes);
    if (wide) fn(DST_UP, count, bytes);
    if (usesMmx(insn)) commitMmx(cpu);
    storeLanes(cpu, insn, 0, DST, bytes);
  });

function shiftCount(cpu: Cpu, insn: Insn): number {
  const i = firstIndex(insn) + 1;
  const op = insn.ops[i]!;
  if (op.kind === "imm") return op.low & 0xff;
  loadLanes(cpu, insn, i, SRC, sourceBytes(insn, i), vexBytes(insn) === 0);
  return SRC.u32[1] === 0 && SRC.u32[0]! < 256 ? SRC.u32[0]! : 255;
}

const eachShift = (view: View, fn: (a: number, count: number) => number) =>
  shift((d, count, bytes) => {
    const lanes = d[view];
    for (let i = 0; i < bytes / LANE_BYTES[view]; i++) lanes[i] = fn(lanes[i]!, count);
  });

const quadShift = (fn: (a: bigint, count: bigint) => bigint) =>
  shift((d, count, bytes) => {
    for (let i = 0; i < bytes / 8; i++) d.u64[i] = count > 63 ? 0n : BigInt.asUintN(64, fn(d.u64[i]!, BigInt(count)));
  });

const byteShift = (left: boolean) =>
  shift((d, count) => {
    const by = Math.min(count, 16);
    if (left) {
      d.u8.copyWithin(by, 0, 16 - by);
      d.u8.fill(0, 0, by);
    } else {
      d.u8.copyWithin(0, by);
      d.u8.fill(0, 16 - by);
    }
  });

const shifts: OperationTable = {
  Psllw: eachShift("u16", (a, n) => (n > 15 ? 0 : a << n)),
  Pslld: eachShift("i32", (a, n) => (n > 31 ? 0 : a << n)),
  Psllq: quadShift((a, n) => a << n),
  Psrlw: eachShift("u16", (a, n) => (n > 15 ? 0 : a >> n)),
  Psrld: eachShift("u32", (a, n) => (n > 31 ? 0 : a >>> n)),
  Psrlq: quadShift((a, n) => a >> n),
  Psraw: eachShift("i16", (a, n) => a >> Math.min(n, 15)),
  Psrad: eachShift("i32", (a, n) => a >> Math.min(n, 31)),
  Pslldq: byteShift(true),
  Psrldq: byteShift(false),
};

export const sseIntegerOperations: OperationTable = { ...arithmetic, ...comparison, ...logic, ...shifts };
