/**
 * The x87's transcendental functions. Finite arguments go to fpu/transcendental.ts and are rounded once; zeros, infinities and NaNs
 * have their tables here (SDM volume 2). Precision control does not apply. Processors differ from each other, and from the correctly
 * rounded value, by up to one unit in the last place.
 */
import type { Cpu } from "../cpu.ts";
import { EXTENDED } from "../fpu/formats.ts";
import * as soft from "../fpu/soft.ts";
import { angle, eighths, exp2m1, log2, log2p1, sinCos, tangent } from "../fpu/transcendental.ts";
import type { OperationTable } from "../operation.ts";
import { plain, push } from "./x87-load.ts";
import { denormalOperands, invalid, unary } from "./x87-math.ts";
import {
  chooseNaN,
  FSW,
  finish,
  isEmpty,
  isSpecial,
  pop,
  readSt,
  setConditions,
  setTop,
  stackFault,
  top,
  writeSt,
  x87Environment,
} from "./x87-state.ts";

type Env = soft.Environment;
type Value = soft.Unpacked;

const ONE = soft.finite(0, 1n, 0);
const round = (env: Env, value: Value): Value => soft.roundTo(env, EXTENDED, value);
const signed = (sign: number, value: Value): Value => ({ ...value, sign });

/** Arguments for which the manual leaves the result undefined: processors give them back. */
function undefinedResult(env: Env, x: Value): Value {
  env.flags |= soft.FE.P;
  return x;
}

/** F2XM1, defined in [-1, 1]. */
function twoToXMinusOne(env: Env, x: Value): Value {
  if (x.kind === soft.ZERO) return x;
  if (x.kind === soft.INF) return x.sign ? soft.finite(1, 1n, 0) : x;
  denormalOperands(env, x);
  const top = soft.exponentOf(x);
  if (top > 0 || (top === 0 && x.mant & (x.mant - 1n))) return undefinedResult(env, x);
  env.flags |= soft.FE.P;
  if (top === 0) return x.sign ? soft.finite(1, 1n, -1) : ONE;
  return round(env, exp2m1(x));
}

/** y * log, where `log` is an exact zero, or an infinity. */
function timesLimit(env: Env, y: Value, log: Value): Value {
  if (log.kind === soft.ZERO ? y.kind === soft.INF : y.kind === soft.ZERO) return invalid(env);
  denormalOperands(env, y);
  return signed(y.sign ^ log.sign, log);
}

/** y * log2(x). */
function yLog2x(env: Env, x: Value, y: Value): Value {
  if (x.kind === soft.ZERO) {
    if (y.kind === soft.ZERO) return invalid(env);
    if (y.kind === soft.FINITE) env.flags |= soft.FE.Z;
    return soft.infinity(y.sign ^ 1);
  }
  if (x.sign) return invalid(env);
  if (x.kind === soft.INF) return timesLimit(env, y, x);
  if (soft.compareValues(x, ONE) === 0) return timesLimit(env, y, soft.zero(0));
  denormalOperands(env, x);
  return timesLog(env, y, log2(x));
}

function timesLog(env: Env, y: Value, log: Value): Value {
  if (y.kind !== soft.FINITE) return signed(y.sign ^ log.sign, y);
  denormalOperands(env, y);
  // Said even of the exact ones, which powers of two give.
  env.flags |= soft.FE.P;
  const result = round(env, soft.finite(y.sign ^ log.sign, y.mant * log.mant, y.exp + log.exp));
  const tiny = result.kind === soft.FINITE && soft.exponentOf(result) < EXTENDED.minExponent;
  if (tiny || result.kind === soft.ZERO) env.flags |= soft.FE.U;
  return result;
}

const MINUS_ONE = soft.finite(1, 1n, 0);

/** y * log2(1 + x). Undefined beyond about -0.29 and 0.41: here right as far as -1. */
function yLog2xPlus1(env: Env, x: Value, y: Value): Value {
  if (x.kind === soft.ZERO) return timesLimit(env, y, x);
  if (x.kind === soft.INF) return x.sign ? invalid(env) : timesLimit(env, y, x);
  denormalOperands(env, x);
  if (soft.compareValues(x, MINUS_ONE) <= 0) {
    denormalOperands(env, y);
    return y.kind === soft.FINITE ? undefinedResult(env, x) : signed(y.sign ^ 1, y);
  }
  return timesLog(env, y, log2p1(x));
}

/** The angle of (x, y) = (ST(0), ST(1)). */
function partialArctangent(env: Env, x: Value, y: Value): Value {
  denormalOperands(env, x, y);
  if (x.kind === soft.FINITE && y.kind === soft.FINITE) return round(env, angle(y, x));
  return round(env, signed(y.sign, limitAngle(x, y)));
}

/** Multiples of pi / 4 where one coordinate is zero or infinite, for y >= 0. */
function limitAngle(x: Value, y: Value): Value {
  if (y.kind === soft.INF) return eighths(x.kind === soft.INF ? (x.sign ? 3 : 1) : 2);
  if (y.kind === soft.ZERO || x.kind === soft.INF) return x.sign ? eighths(4) : soft.zero(0);
  return eighths(2);
}

/** ST(1) = f(ST(0), ST(1)), then a pop. */
const popping = (fn: (env: Env, x: Value, y: Value) => Value) =>
  plain((cpu) => {
    if (isEmpty(cpu, 0) || isEmpty(cpu, 1)) {
      if (!stackFault(cpu, false)) return;
      writeSt(cpu, 1, soft.DEFAULT_NAN);
      pop(cpu);
      return;
    }
    const env = x87Environment(cpu);
    const x = readSt(cpu, 0);
    const y = readSt(cpu, 1);
    const result = isSpecial(x) || isSpecial(y) ? chooseNaN(env, x, y) : fn(env, x, y);
    if (!finish(cpu, env)) return;
    writeSt(cpu, 1, result);
    pop(cpu);
  });

/** Exponent of the first magnitude that the trigonometric functions refuse: C2 is set, nothing else happens. */
const OUT_OF_RANGE = 63;
const outOfRange = (x: Value): boolean => x.kind === soft.FINITE && soft.exponentOf(x) >= OUT_OF_RANGE;

function refuse(cpu: Cpu): void {
  setConditions(cpu, FSW.C2, FSW.C2 | FSW.C1);
}

interface Trigonometric {
  readonly atZero: (x: Value) => Value;
  readonly finite: (x: Value) => Value;
}
const SINE: Trigonometric = { atZero: (x) => x, finite: (x) => sinCos(x).sin };
const COSINE: Trigonometric = { atZero: () => ONE, finite: (x) => sinCos(x).cos };
const TANGENT: Trigonometric = { atZero: (x) => x, finite: tangent };

function evaluate(env: Env, x: Value, { atZero, finite }: Trigonometric): Value {
  if (isSpecial(x)) return chooseNaN(env, x, x);
  if (x.kind === soft.INF) return invalid(env);
  if (x.kind === soft.ZERO) return atZero(x);
  denormalOperands(env, x);
  return round(env, finite(x));
}

const trigonometric = (fn: Trigonometric) => {
  const inRange = unary((_cpu, env, x) => evaluate(env, x, fn));
  return plain((cpu, insn) => {
    setConditions(cpu, 0, FSW.C2);
    if (!isEmpty(cpu, 0) && outOfRange(readSt(cpu, 0))) refuse(cpu);
    else if ("helper" in inRange) inRange.helper(cpu, insn);
  });
};

/** FPTAN and FSINCOS: ST(0) = first(ST(0)), then a push of the second value (a NaN for what has no tangent). */
const pushing = (first: Trigonometric, second: Trigonometric) =>
  plain((cpu) => {
    setConditions(cpu, 0, FSW.C2);
    if (isEmpty(cpu, 0) || !isEmpty(cpu, 7)) {
      if (!stackFault(cpu, !isEmpty(cpu, 0))) return;
      writeSt(cpu, 0, soft.DEFAULT_NAN);
      setTop(cpu, top(cpu) - 1);
      writeSt(cpu, 0, soft.DEFAULT_NAN);
      return;
    }
    const x = readSt(cpu, 0);
    if (outOfRange(x)) return refuse(cpu);
    const env = x87Environment(cpu);
    const below = evaluate(env, x, first);
    const above = evaluate(env, x, second);
    if (!finish(cpu, env)) return;
    const c1 = env.roundedUp;
    writeSt(cpu, 0, below);
    push(cpu, above);
    setConditions(cpu, c1 ? FSW.C1 : 0, FSW.C1);
  });

const UNIT: Trigonometric = { atZero: () => ONE, finite: () => ONE };

export const x87TranscendentalOperations: OperationTable = {
  F2xm1: unary((_cpu, env, x) => twoToXMinusOne(env, x)),
  Fyl2x: popping(yLog2x),
  Fyl2xp1: popping(yLog2xPlus1),
  Fpatan: popping(partialArctangent),
  Fsin: trigonometric(SINE),
  Fcos: trigonometric(COSINE),
  Fptan: pushing(TANGENT, UNIT),
  Fsincos: pushing(SINE, COSINE),
};
