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
  immediate,
  type Lanes,
  loadLanes,
  SRC,
  storeLanes,
  usesMmx,
} from "./sse-lanes.ts";

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
    const source = insn.ops[1]!;
    const wide = source.kind === "mem" ? source.size === 8 : source.kind === "reg" && source.size === 64;
    const low = cpu.readOp(insn, 1);
    loadLanes(cpu, insn, 0, DST, 16, false);
    if (!wide && type === F64) DST.f64[0] = low | 0;
    else {
      const value = wide ? BigInt.asIntN(64, big(low, cpu.high)) : BigInt(low | 0);
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
): void {
  let a = from.unpack(s, i);
  if (a.kind === soft.NAN) {
    to.pack(d, i, chooseNaN(env, a, a));
    return;
  }
  if (denormalsAreZero(cpu)) a = flushDenormal(a);
  if (a.denormal) env.flags |= soft.FE.D;
  to.pack(d, i, soft.roundTo(env, to.format, a));
}

const scalarConvert = (from: FloatType, to: FloatType) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    loadLanes(cpu, insn, 1, SRC, from.bytes, false);
    loadLanes(cpu, insn, 0, DST, 16, false);
    const env = sseEnvironment(cpu);
    convertLane(cpu, env, from, to, SRC, DST, 0);
    raiseSse(cpu, env);
    storeLanes(cpu, insn, 0, DST, to.bytes);
  });

type LaneConversion = (cpu: Cpu, env: soft.Environment, s: Lanes, d: Lanes, i: number) => void;

/** `count` lanes from `sourceBytes` of source into a destination whose other lanes become zero (or stay, for `keeps`). */
function packedConvert(
  count: number,
  sourceBytes: 8 | 16,
  convert: LaneConversion,
  truncates = false,
  keeps = false,
): Operation {
  return computed((cpu: Cpu, insn: Insn) => {
    checkVector(cpu, insn);
    loadLanes(cpu, insn, 1, SRC, sourceBytes, sourceBytes === 16);
    if (keeps) loadLanes(cpu, insn, 0, DST, 16, false);
    else DST.u64.fill(0n);
    const env = sseEnvironment(cpu);
    if (truncates) env.rounding = soft.RC.ZERO;
    for (let i = 0; i < count; i++) convert(cpu, env, SRC, DST, i);
    // Reading an MMX register counts as using the MMX state; a memory source in its place does not.
    if (usesMmx(insn)) commitMmx(cpu);
    raiseSse(cpu, env);
    storeLanes(cpu, insn, 0, DST, 16);
  });
}

const integerFrom =
  (type: FloatType): LaneConversion =>
  (cpu, env, s, d, i) => {
    d.i32[i] = Number(toInteger(cpu, env, type.unpack(s, i), 32));
  };
const floatFrom =
  (type: FloatType): LaneConversion =>
  (_cpu, env, s, d, i) =>
    type.pack(d, i, soft.roundTo(env, type.format, soft.fromInteger(BigInt(s.i32[i]!))));
const widened: LaneConversion = (cpu, env, s, d, i) => convertLane(cpu, env, F32, F64, s, d, i);
const narrowed: LaneConversion = (cpu, env, s, d, i) => convertLane(cpu, env, F64, F32, s, d, i);

/** ROUNDxx: the immediate's bit 2 picks MXCSR's mode, bit 3 suppresses P. */
const rounding = (type: FloatType, packed: boolean) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    const imm = immediate(insn);
    loadLanes(cpu, insn, 1, SRC, packed ? 16 : type.bytes, packed);
    loadLanes(cpu, insn, 0, DST, 16, false);
    const env = sseEnvironment(cpu);
    if (!(imm & 4)) env.rounding = imm & 3;
    for (let i = 0; i < (packed ? 16 / type.bytes : 1); i++) {
      let a = type.unpack(SRC, i);
      if (a.kind === soft.NAN) a = chooseNaN(env, a, a);
      else a = soft.roundToIntegral(env, denormalsAreZero(cpu) ? flushDenormal(a) : a);
      type.pack(DST, i, a);
    }
    if (imm & 8) env.flags &= ~soft.FE.P;
    raiseSse(cpu, env);
    storeLanes(cpu, insn, 0, DST, packed ? 16 : type.bytes);
  });

/** RCPxS and RSQRTxS: processors differ in the bits past the 11th; here the true value rounded to 12 bits. No exceptions. */
const approximation = (packed: boolean, root: boolean) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    loadLanes(cpu, insn, 1, SRC, packed ? 16 : 4, packed);
    loadLanes(cpu, insn, 0, DST, 16, false);
    for (let i = 0; i < (packed ? 4 : 1); i++) F32.pack(DST, i, approximate(F32.unpack(SRC, i), root));
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
  Cvtps2pd: packedConvert(2, 8, widened),
  Cvtpd2ps: packedConvert(2, 16, narrowed),
  Cvtdq2ps: packedConvert(4, 16, floatFrom(F32)),
  Cvtdq2pd: packedConvert(2, 8, floatFrom(F64)),
  Cvtps2dq: packedConvert(4, 16, integerFrom(F32)),
  Cvttps2dq: packedConvert(4, 16, integerFrom(F32), true),
  Cvtpd2dq: packedConvert(2, 16, integerFrom(F64)),
  Cvttpd2dq: packedConvert(2, 16, integerFrom(F64), true),
  Cvtpi2ps: packedConvert(2, 8, floatFrom(F32), false, true),
  Cvtpi2pd: packedConvert(2, 8, floatFrom(F64)),
  Cvtps2pi: packedConvert(2, 8, integerFrom(F32)),
  Cvttps2pi: packedConvert(2, 8, integerFrom(F32), true),
  Cvtpd2pi: packedConvert(2, 16, integerFrom(F64)),
  Cvttpd2pi: packedConvert(2, 16, integerFrom(F64), true),
  Roundps: rounding(F32, true),
  Roundpd: rounding(F64, true),
  Roundss: rounding(F32, false),
  Roundsd: rounding(F64, false),
  Rcpps: approximation(true, false),
  Rcpss: approximation(false, false),
  Rsqrtps: approximation(true, true),
  Rsqrtss: approximation(false, true),
};
