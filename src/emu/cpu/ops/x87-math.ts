/**
 * x87 operations on ST(0) and ST(1) beyond plain arithmetic: square root, scaling, remainders, extraction, rounding, examination.
 * The transcendental functions are in x87-transcendental.ts.
 */
import type { Cpu } from "../cpu.ts";
import { EXTENDED } from "../fpu/formats.ts";
import * as soft from "../fpu/soft.ts";
import type { OperationTable } from "../operation.ts";
import { plain, push } from "./x87-load.ts";
import {
  CONDITIONS,
  chooseNaN,
  FSW,
  finish,
  isEmpty,
  isSpecial,
  precisionOf,
  readBits,
  readSt,
  setConditions,
  setTop,
  stackFault,
  status,
  top,
  writeSt,
  x87Environment,
} from "./x87-state.ts";

export type Unary = (cpu: Cpu, env: soft.Environment, a: soft.Unpacked) => soft.Unpacked;

/** ST(0) = f(ST(0)), NaNs passed on. */
export const unary = (fn: Unary) =>
  plain((cpu) => {
    if (isEmpty(cpu, 0)) {
      if (stackFault(cpu, false)) writeSt(cpu, 0, soft.DEFAULT_NAN);
      return;
    }
    const env = x87Environment(cpu);
    const a = readSt(cpu, 0);
    const result = isSpecial(a) ? chooseNaN(env, a, a) : fn(cpu, env, a);
    if (finish(cpu, env)) writeSt(cpu, 0, result);
  });

function binaryOperands(cpu: Cpu): [soft.Unpacked, soft.Unpacked] | undefined {
  if (!isEmpty(cpu, 0) && !isEmpty(cpu, 1)) return [readSt(cpu, 0), readSt(cpu, 1)];
  if (stackFault(cpu, false)) writeSt(cpu, 0, soft.DEFAULT_NAN);
  return undefined;
}

export const invalid = (env: soft.Environment): soft.Unpacked => {
  env.flags |= soft.FE.I;
  return soft.DEFAULT_NAN;
};
export const denormalOperands = (env: soft.Environment, ...values: soft.Unpacked[]): void => {
  if (values.some((value) => value.denormal)) env.flags |= soft.FE.D;
};

/** ST(0) * 2^trunc(ST(1)). */
function scale(env: soft.Environment, a: soft.Unpacked, b: soft.Unpacked): soft.Unpacked {
  if (isSpecial(a) || isSpecial(b)) return chooseNaN(env, a, b);
  if (b.kind === soft.INF) {
    if ((a.kind === soft.ZERO && b.sign === 0) || (a.kind === soft.INF && b.sign === 1)) return invalid(env);
    denormalOperands(env, a);
    return b.sign ? soft.zero(a.sign) : soft.infinity(a.sign);
  }
  denormalOperands(env, a, b);
  if (a.kind !== soft.FINITE || b.kind === soft.ZERO) return a;
  const exponent = soft.exponentOf(b);
  // Beyond these bounds every operand over- or underflows.
  const amount = exponent > 17 ? (b.sign ? -0x20000 : 0x20000) : Number(soft.toInteger(truncating, b, 32) ?? 0n);
  return withinBias(env, soft.roundTo(env, EXTENDED, soft.finite(a.sign, a.mant, a.exp + amount)));
}
/** Unmasked, further away than the bias reaches: infinity or zero whatever the rounding, and inexact (measured). */
function withinBias(env: soft.Environment, result: soft.Unpacked): soft.Unpacked {
  const unmasked = env.flags & ~env.masks;
  if (result.kind !== soft.FINITE || !(unmasked & (soft.FE.O | soft.FE.U))) return result;
  const exponent = soft.exponentOf(result);
  if (exponent >= EXTENDED.minExponent && exponent <= EXTENDED.maxExponent) return result;
  env.flags |= soft.FE.P;
  env.roundedUp = (unmasked & soft.FE.O) !== 0;
  return env.roundedUp ? soft.infinity(result.sign) : soft.zero(result.sign);
}
const truncating = new soft.Environment();
truncating.rounding = soft.RC.ZERO;

/** Reduction steps: an exponent difference of 64 and more is reduced by at most 63 bits at a time. */
const FULL_REDUCTION = 64;

/** FPREM (truncating) and FPREM1 (to nearest). Exact: no rounding ever. */
const remainder = (nearest: boolean) =>
  plain((cpu) => {
    setConditions(cpu, 0, FSW.C2);
    const operands = binaryOperands(cpu);
    if (!operands) return;
    const [a, b] = operands;
    const env = x87Environment(cpu);
    // Without an answer C0 and C3 keep what they had.
    let conditions = status(cpu) & (FSW.C0 | FSW.C3);
    let result: soft.Unpacked;
    if (isSpecial(a) || isSpecial(b)) result = chooseNaN(env, a, b);
    else if (a.kind === soft.INF || b.kind === soft.ZERO) result = invalid(env);
    else {
      denormalOperands(env, a, b);
      if (a.kind === soft.ZERO || b.kind === soft.INF) [result, conditions] = [a, 0];
      else [result, conditions] = reduce(a, b, nearest);
    }
    // Exact, but it can be tiny; what an infinity divides stays as it is, and is not reported (measured).
    const unchanged = b.kind === soft.INF && a.kind === soft.FINITE;
    const rounded = soft.roundTo(unchanged ? truncating : env, EXTENDED, result);
    // An unmasked exception of the operands leaves no answer either.
    if (!finish(cpu, env)) return;
    setConditions(cpu, conditions, CONDITIONS);
    writeSt(cpu, 0, rounded);
  });

function reduce(a: soft.Unpacked, b: soft.Unpacked, nearest: boolean): [soft.Unpacked, number] {
  const distance = soft.exponentOf(a) - soft.exponentOf(b);
  if (distance < 0 && (!nearest || distance < -1)) return [a, 0];
  if (distance >= FULL_REDUCTION) {
    // Partial: the quotient's top bits only. How many is the processor's choice, 32 to 63.
    const step = distance - ((distance & 31) + 32);
    const exp = Math.min(a.exp, b.exp + step);
    const divisor = b.mant << BigInt(b.exp + step - exp);
    return [soft.finite(a.sign, (a.mant << BigInt(a.exp - exp)) % divisor, exp), FSW.C2];
  }
  const exp = Math.min(a.exp, b.exp);
  const dividend = a.mant << BigInt(a.exp - exp);
  const divisor = b.mant << BigInt(b.exp - exp);
  let quotient = dividend / divisor;
  let rest = dividend - quotient * divisor;
  let sign = a.sign;
  if (nearest && (rest * 2n > divisor || (rest * 2n === divisor && (quotient & 1n) === 1n))) {
    quotient += 1n;
    rest = divisor - rest;
    sign ^= 1;
  }
  const bits = Number(quotient & 7n);
  const conditions = (bits & 1 ? FSW.C1 : 0) | (bits & 2 ? FSW.C3 : 0) | (bits & 4 ? FSW.C0 : 0);
  return [rest === 0n ? soft.zero(a.sign) : soft.finite(sign, rest, exp), conditions];
}

/** FXTRACT: exponent into ST(0)'s place, then the significand on top. */
function extract(cpu: Cpu): void {
  if (isEmpty(cpu, 0) || !isEmpty(cpu, 7)) {
    if (!stackFault(cpu, !isEmpty(cpu, 0))) return;
    writeSt(cpu, 0, soft.DEFAULT_NAN);
    setTop(cpu, top(cpu) - 1);
    writeSt(cpu, 0, soft.DEFAULT_NAN);
    return;
  }
  const a = readSt(cpu, 0);
  const env = x87Environment(cpu);
  let exponent: soft.Unpacked;
  let significand = a;
  if (isSpecial(a)) exponent = significand = chooseNaN(env, a, a);
  else if (a.kind === soft.INF) exponent = soft.infinity(0);
  else if (a.kind === soft.ZERO) {
    env.flags |= soft.FE.Z;
    exponent = soft.infinity(1);
  } else {
    denormalOperands(env, a);
    const top = soft.exponentOf(a);
    exponent = soft.fromInteger(BigInt(top));
    significand = soft.finite(a.sign, a.mant, a.exp - top);
  }
  if (!finish(cpu, env)) return;
  writeSt(cpu, 0, exponent);
  push(cpu, significand);
}

/** FXAM's class of ST(0) in C3 C2 C0, its sign in C1. */
function examine(cpu: Cpu): void {
  const { signExponent } = readBits(cpu, 0);
  setConditions(cpu, classOf(cpu) | (signExponent & 0x8000 ? FSW.C1 : 0), CONDITIONS);
}

function classOf(cpu: Cpu): number {
  if (isEmpty(cpu, 0)) return FSW.C3 | FSW.C0;
  const a = readSt(cpu, 0);
  switch (a.kind) {
    case soft.ZERO:
      return FSW.C3;
    case soft.INF:
      return FSW.C2 | FSW.C0;
    case soft.NAN:
      return FSW.C0;
    case soft.UNSUPPORTED:
      return 0;
    default:
      return a.denormal ? FSW.C3 | FSW.C2 : FSW.C2;
  }
}

export const x87MathOperations: OperationTable = {
  Fsqrt: unary((cpu, env, a) => soft.roundTo(env, EXTENDED, soft.squareRoot(env, a), precisionOf(cpu))),
  Frndint: unary((_cpu, env, a) => {
    denormalOperands(env, a);
    return soft.roundToIntegral(env, a);
  }),
  Fscale: plain((cpu) => {
    const operands = binaryOperands(cpu);
    if (!operands) return;
    const env = x87Environment(cpu);
    const result = scale(env, ...operands);
    if (finish(cpu, env)) writeSt(cpu, 0, result);
  }),
  Fprem: remainder(false),
  Fprem1: remainder(true),
  Fxtract: plain(extract),
  Fxam: plain(examine),
};
