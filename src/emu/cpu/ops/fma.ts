/** FMA: products and sums with one rounding, exact through fpu/soft.ts; and F16C, conversions of half precision. */
import type { Cpu } from "../cpu.ts";
import { HALF, pack16, unpack16 } from "../fpu/formats.ts";
import * as soft from "../fpu/soft.ts";
import { computed, type Insn, type OperationTable } from "../operation.ts";
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
import { checkAvx, DST, DST_UP, immediate, Lanes, loadLanes, loadWide, SRC, SRC_UP, storeLanes } from "./sse-lanes.ts";
import { vexBytes } from "./vex.ts";

type Value = soft.Unpacked;

/** a * b + c, rounded once. NaNs win in the order a, b, c; a quiet c also over an invalid product. */
function fuse(env: soft.Environment, daz: boolean, type: FloatType, signs: Signs, x: Value, y: Value, z: Value): Value {
  const nan = [x, y, z].find((value) => value.kind === soft.NAN);
  if (nan) {
    if ([x, y, z].some(soft.isSignaling)) env.flags |= soft.FE.I;
    return quiet(nan);
  }
  const [a, b, c] = daz ? [flushDenormal(x), flushDenormal(y), flushDenormal(z)] : [x, y, z];
  const before = env.flags;
  const product = soft.multiply(env, a, b);
  if (product.kind === soft.NAN) return product;
  const term = signs.product ? soft.negate(product) : product;
  const sum = soft.add(env, { ...term, denormal: false }, signs.addend ? soft.negate(c) : c);
  // An invalid operation says nothing of denormals.
  if (sum.kind === soft.NAN) env.flags = before | soft.FE.I;
  return soft.roundTo(env, type.format, sum);
}

/** Which of the two terms is negated. */
interface Signs {
  readonly product: boolean;
  readonly addend: boolean;
}
/** Of lane i. */
type SignsOf = (i: number) => Signs;

const THIRD = new Lanes(new Lanes());

/** Operand numbers of the factors and of the addend. */
type Order = readonly [number, number, number];

function load(cpu: Cpu, insn: Insn, bytes: number): Lanes[] {
  const wide = vexBytes(insn) === 32 && bytes === 16;
  const operands = [DST, THIRD, SRC];
  for (const i of [2, 0, 1] as const) {
    if (wide) loadWide(cpu, insn, i, operands[i]!);
    else loadLanes(cpu, insn, i, operands[i]!, insn.ops[i]!.kind === "mem" ? bytes : 16, false);
  }
  return operands;
}

const fused = (type: FloatType, packed: boolean, [a, b, c]: Order, signsOf: SignsOf) =>
  computed((cpu, insn) => {
    checkAvx(cpu);
    const operands = load(cpu, insn, packed ? 16 : type.bytes);
    const env = sseEnvironment(cpu);
    const daz = denormalsAreZero(cpu);
    for (let half = 0; half < (packed ? vexBytes(insn) / 16 : 1); half++) {
      const lanes = operands.map((operand) => (half ? operand.upper! : operand));
      for (let i = 0; i < (packed ? 16 / type.bytes : 1); i++) {
        const value = (n: number) => type.unpack(lanes[n]!, i);
        type.pack(lanes[0]!, i, fuse(env, daz, type, signsOf(i), value(a), value(b), value(c)));
      }
    }
    raiseSse(cpu, env);
    storeLanes(cpu, insn, 0, DST, 16);
  });

const ORDERS: Readonly<Record<string, Order>> = { "132": [0, 2, 1], "213": [1, 0, 2], "231": [1, 2, 0] };
const always =
  (product: boolean, addend: boolean): SignsOf =>
  () => ({ product, addend });
const alternating =
  (subtracts: 0 | 1): SignsOf =>
  (i) => ({ product: false, addend: (i & 1) === subtracts });
const SCALAR_TOO: Readonly<Record<string, SignsOf>> = {
  Vfmadd: always(false, false),
  Vfmsub: always(false, true),
  Vfnmadd: always(true, false),
  Vfnmsub: always(true, true),
};
const PACKED_ONLY: Readonly<Record<string, SignsOf>> = { Vfmaddsub: alternating(0), Vfmsubadd: alternating(1) };

function forms(): OperationTable {
  const table: Record<string, OperationTable[string]> = {};
  for (const [digits, order] of Object.entries(ORDERS)) {
    for (const [stem, signs] of Object.entries({ ...SCALAR_TOO, ...PACKED_ONLY })) {
      table[`${stem}${digits}ps`] = fused(F32, true, order, signs);
      table[`${stem}${digits}pd`] = fused(F64, true, order, signs);
    }
    for (const [stem, signs] of Object.entries(SCALAR_TOO)) {
      table[`${stem}${digits}ss`] = fused(F32, false, order, signs);
      table[`${stem}${digits}sd`] = fused(F64, false, order, signs);
    }
  }
  return table;
}

/** Halves are never denormal operands: DAZ and D do not concern them. */
const fromHalf = computed((cpu, insn) => {
  checkAvx(cpu);
  const wide = vexBytes(insn) === 32;
  loadLanes(cpu, insn, 1, SRC, wide ? 16 : 8, false);
  const env = sseEnvironment(cpu);
  for (let i = 0; i < (wide ? 8 : 4); i++) {
    const value = unpack16(SRC.u16[i]!);
    const target = i < 4 ? DST : DST_UP;
    F32.pack(target, i & 3, value.kind === soft.NAN ? chooseNaN(env, value, value) : value);
  }
  raiseSse(cpu, env);
  storeLanes(cpu, insn, 0, DST, 16);
});

/** The immediate rounds as that of ROUNDPS does; FTZ does not concern the result. */
const toHalf = computed((cpu, insn) => {
  checkAvx(cpu);
  const wide = vexBytes(insn) === 32;
  if (wide) loadWide(cpu, insn, 1, SRC);
  else loadLanes(cpu, insn, 1, SRC, 16, false);
  const env = sseEnvironment(cpu);
  env.flushToZero = false;
  if (!(immediate(insn) & 4)) env.rounding = immediate(insn) & 3;
  DST.u64.fill(0n);
  for (let i = 0; i < (wide ? 8 : 4); i++) {
    const value = F32.unpack(i < 4 ? SRC : SRC_UP, i & 3);
    DST.u16[i] = pack16(narrow(env, denormalsAreZero(cpu) ? flushDenormal(value) : value));
  }
  raiseSse(cpu, env);
  storeLanes(cpu, insn, 0, DST, wide ? 16 : 8);
});

function narrow(env: soft.Environment, value: Value): Value {
  if (value.kind === soft.NAN) return chooseNaN(env, value, value);
  if (value.denormal) env.flags |= soft.FE.D;
  return soft.roundTo(env, HALF, value);
}

export const fmaOperations: OperationTable = { ...forms(), Vcvtph2ps: fromHalf, Vcvtps2ph: toHalf };
