/** SSE and SSE2 conversions between integers and floats, ROUNDxx, and the reciprocal approximations. */
import type { Cpu } from "../cpu.ts";
import * as soft from "../fpu/soft.ts";
import { computed, type Insn, type Operation, type OperationTable } from "../operation.ts";
import { big, bigHigh, bigLow } from "./implied.ts";
import {
  chooseNaN,
  denormalsAreZero,
  F32,
  F64,
  type FloatType,
  flushDenormal,
  quiet,
  raiseSse,
  sseEnvironment,
} from "./sse-arith.ts";
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
  storeLanes,
  usesMmx,
} from "./sse-lanes.ts";
import { firstIndex, sourceIndex, vexBytes } from "./vex.ts";

/** Float to integer of `bits`, or the "integer indefinite" value. */
function toInteger(cpu: Cpu, env: soft.Environment, value: soft.Unpacked, bits: number): bigint {
  const operand = denormalsAreZero(cpu) ? flushDenormal(value) : value;
  return soft.toInteger(env, operand, bits) ?? -(1n << BigInt(bits - 1));
}

/** To a general register. `truncates`: the CVTT forms round toward zero whatever MXCSR says. */
const scalarToInteger = (type: FloatType, truncates: boolean) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    loadLanes(cpu, insn, 1, SRC, type.bytes, false);
    const target = insn.ops[0]!;
    const bits = target.kind === "reg" ? target.size : 32;
    const env = sseEnvironment(cpu);
    if (truncates) env.rounding = soft.RC.ZERO;
    const value = toInteger(cpu, env, type.unpack(SRC, 0), bits);
    raiseSse(cpu, env);
    cpu.writeOp(insn, 0, bigLow(value), bits === 64 ? bigHigh(value) : 0);
  });

const scalarFromInteger = (type: FloatType) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    const at = sourceIndex(insn);
    const source = insn.ops[at]!;
    const wide = source.kind === "mem" ? source.size === 8 : source.kind === "reg" && source.size === 64;
    const low = cpu.readOp(insn, at);
    const high = cpu.high;
    loadLanes(cpu, insn, firstIndex(insn), DST, 16, false);
    if (!wide && type === F64) DST.f64[0] = low | 0;
    else {
      // one BigInt for both widths: V8 11 dies of code in which a 32-bit one meets a signed 64-bit one (RepresentationChangerError)
      const value = BigInt.asIntN(64, big(low, wide ? high : low >> 31));
      const env = sseEnvironment(cpu);
      type.pack(DST, 0, soft.roundTo(env, type.format, soft.fromInteger(value)));
      raiseSse(cpu, env);
    }
    storeLanes(cpu, insn, 0, DST, type.bytes);
  });

/** One float to another format. */
function convertLane(
  cpu: Cpu,
  env: soft.Environment,
  from: FloatType,
  to: FloatType,
  s: Lanes,
  d: Lanes,
  i: number,
  j: number,
): void {
  let a = from.unpack(s, i);
  if (a.kind === soft.NAN) {
    to.pack(d, j, chooseNaN(env, a, a));
    return;
  }
  if (denormalsAreZero(cpu)) a = flushDenormal(a);
  if (a.denormal) env.flags |= soft.FE.D;
  to.pack(d, j, soft.roundTo(env, to.format, a));
}

const scalarConvert = (from: FloatType, to: FloatType) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    loadPair(cpu, insn, from.bytes, false);
    const env = sseEnvironment(cpu);
    convertLane(cpu, env, from, to, SRC, DST, 0, 0);
    raiseSse(cpu, env);
    storeLanes(cpu, insn, 0, DST, to.bytes);
  });

/** Lane i of s into lane j of d. */
type LaneConversion = (cpu: Cpu, env: soft.Environment, s: Lanes, d: Lanes, i: number, j: number) => void;

interface PackedConversion {
  /** Lanes of 128 bits of result; how wide a lane is before and after. */
  readonly count: number;
  readonly from: 4 | 8;
  readonly to: 4 | 8;
  readonly convert: LaneConversion;
  readonly truncates?: boolean;
  /** The rest of the destination stays (from MMX registers); else it becomes zero. */
  readonly keeps?: boolean;
}

/** The lanes of both halves of a YMM operand: twice as many, narrowed into one half or widened from one. */
function convertWide(
  cpu: Cpu,
  insn: Insn,
  env: soft.Environment,
  { count, from, to, convert }: PackedConversion,
): void {
  if (from < to) loadLanes(cpu, insn, 1, SRC, 16, false);
  else loadWide(cpu, insn, 1, SRC);
  for (let i = 0; i < count * 2; i++) {
    const perSource = 16 / from;
    const perTarget = 16 / to;
    const source = from < to || i < perSource ? SRC : SRC_UP;
    const target = i < perTarget ? DST : DST_UP;
    convert(cpu, env, source, target, from < to ? i : i % perSource, i % perTarget);
  }
}

function packedConvert(conversion: PackedConversion): Operation {
  const { count, from, convert, truncates = false, keeps = false } = conversion;
  const bytes = count * from;
  return computed((cpu: Cpu, insn: Insn) => {
    checkVector(cpu, insn);
    const env = sseEnvironment(cpu);
    if (truncates) env.rounding = soft.RC.ZERO;
    if (!keeps) DST.u64.fill(0n);
    if (vexBytes(insn) === 32) convertWide(cpu, insn, env, conversion);
    else {
      loadLanes(cpu, insn, 1, SRC, bytes, bytes === 16 && vexBytes(insn) === 0);
      if (keeps) loadLanes(cpu, insn, 0, DST, 16, false);
      for (let i = 0; i < count; i++) convert(cpu, env, SRC, DST, i, i);
    }
    // Reading an MMX register counts as using the MMX state; a memory source in its place does not.
    if (usesMmx(insn)) commitMmx(cpu);
    raiseSse(cpu, env);
    storeLanes(cpu, insn, 0, DST, 16);
  });
}

const integerFrom =
  (type: FloatType): LaneConversion =>
  (cpu, env, s, d, i, j) => {
    d.i32[j] = Number(toInteger(cpu, env, type.unpack(s, i), 32));
  };
const floatFrom =
  (type: FloatType): LaneConversion =>
  (_cpu, env, s, d, i, j) =>
    type.pack(d, j, soft.roundTo(env, type.format, soft.fromInteger(BigInt(s.i32[i]!))));
const widened: LaneConversion = (cpu, env, s, d, i, j) => convertLane(cpu, env, F32, F64, s, d, i, j);
const narrowed: LaneConversion = (cpu, env, s, d, i, j) => convertLane(cpu, env, F64, F32, s, d, i, j);

function roundLanes(env: soft.Environment, daz: boolean, type: FloatType, d: Lanes, s: Lanes, count: number): void {
  for (let i = 0; i < count; i++) {
    const a = type.unpack(s, i);
    if (a.kind === soft.NAN) type.pack(d, i, chooseNaN(env, a, a));
    else type.pack(d, i, soft.roundToIntegral(env, daz ? flushDenormal(a) : a));
  }
}

/** ROUNDxx: the immediate's bit 2 picks MXCSR's mode, bit 3 suppresses P. */
const rounding = (type: FloatType, packed: boolean) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    const imm = immediate(insn);
    const halves = loadPair(cpu, insn, packed ? 16 : type.bytes, packed);
    const env = sseEnvironment(cpu);
    if (!(imm & 4)) env.rounding = imm & 3;
    const count = packed ? 16 / type.bytes : 1;
    roundLanes(env, denormalsAreZero(cpu), type, DST, SRC, count);
    if (halves === 2) roundLanes(env, denormalsAreZero(cpu), type, DST_UP, SRC_UP, count);
    if (imm & 8) env.flags &= ~soft.FE.P;
    raiseSse(cpu, env);
    storeLanes(cpu, insn, 0, DST, packed ? 16 : type.bytes);
  });

/** RCPxS and RSQRTxS: processors differ in the bits past the 11th; here the true value rounded to 12 bits. No exceptions. */
const approximation = (packed: boolean, root: boolean) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    const halves = loadPair(cpu, insn, packed ? 16 : 4, packed);
    for (let i = 0; i < (packed ? 4 : 1); i++) F32.pack(DST, i, approximate(F32.unpack(SRC, i), root));
    for (let i = 0; i < 4 && halves === 2; i++) F32.pack(DST_UP, i, approximate(F32.unpack(SRC_UP, i), root));
    storeLanes(cpu, insn, 0, DST, packed ? 16 : 4);
  });

const ONE = soft.finite(0, 1n, 0);
function approximate(value: soft.Unpacked, root: boolean): soft.Unpacked {
  if (value.kind === soft.NAN) return quiet(value);
  const a = flushDenormal(value);
  const env = new soft.Environment();
  env.flushToZero = true;
  const operand = root ? soft.squareRoot(env, a) : a;
  if (operand.kind === soft.NAN) return operand;
  return soft.roundTo(env, F32.format, soft.divide(env, ONE, operand), 12);
}

export const sseConversionOperations: OperationTable = {
  Cvtss2si: scalarToInteger(F32, false),
  Cvttss2si: scalarToInteger(F32, true),
  Cvtsd2si: scalarToInteger(F64, false),
  Cvttsd2si: scalarToInteger(F64, true),
  Cvtsi2ss: scalarFromInteger(F32),
  Cvtsi2sd: scalarFromInteger(F64),
  Cvtss2sd: scalarConvert(F32, F64),
  Cvtsd2ss: scalarConvert(F64, F32),
  Cvtps2pd: packedConvert({ count: 2, from: 4, to: 8, convert: widened }),
  Cvtpd2ps: packedConvert({ count: 2, from: 8, to: 4, convert: narrowed }),
  Cvtdq2ps: packedConvert({ count: 4, from: 4, to: 4, convert: floatFrom(F32) }),
  Cvtdq2pd: packedConvert({ count: 2, from: 4, to: 8, convert: floatFrom(F64) }),
  Cvtps2dq: packedConvert({ count: 4, from: 4, to: 4, convert: integerFrom(F32) }),
  Cvttps2dq: packedConvert({ count: 4, from: 4, to: 4, convert: integerFrom(F32), truncates: true }),
  Cvtpd2dq: packedConvert({ count: 2, from: 8, to: 4, convert: integerFrom(F64) }),
  Cvttpd2dq: packedConvert({ count: 2, from: 8, to: 4, convert: integerFrom(F64), truncates: true }),
  Cvtpi2ps: packedConvert({ count: 2, from: 4, to: 4, convert: floatFrom(F32), keeps: true }),
  Cvtpi2pd: packedConvert({ count: 2, from: 4, to: 8, convert: floatFrom(F64) }),
  Cvtps2pi: packedConvert({ count: 2, from: 4, to: 4, convert: integerFrom(F32) }),
  Cvttps2pi: packedConvert({ count: 2, from: 4, to: 4, convert: integerFrom(F32), truncates: true }),
  Cvtpd2pi: packedConvert({ count: 2, from: 8, to: 4, convert: integerFrom(F64) }),
  Cvttpd2pi: packedConvert({ count: 2, from: 8, to: 4, convert: integerFrom(F64), truncates: true }),
  Roundps: rounding(F32, true),
  Roundpd: rounding(F64, true),
  Roundss: rounding(F32, false),
  Roundsd: rounding(F64, false),
  Rcpps: approximation(true, false),
  Rcpss: approximation(false, false),
  Rsqrtps: approximation(true, true),
  Rsqrtss: approximation(false, true),
};
