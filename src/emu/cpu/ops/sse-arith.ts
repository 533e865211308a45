/**
 * SSE and SSE2 floating-point arithmetic and comparison, scalar and packed.
 *
 * Two ways to the same bits. Where all exceptions are masked, rounding is to nearest, P is already set and operands and result are
 * normal (or zero), the host's doubles give the answer and no flag can change. Everything else goes through fpu/soft.ts, which
 * knows flags, rounding modes, denormals and NaN payloads. So a run has the same bits on every host.
 */
import type { Cpu } from "../cpu.ts";
import { Fault, ud, VECTOR } from "../fault.ts";
import { DOUBLE, type Format, pack32, pack64, SINGLE, unpack32, unpack64 } from "../fpu/formats.ts";
import * as soft from "../fpu/soft.ts";
import { CR4, EFLAGS, OFF } from "../layout.ts";
import { computed, type Helper, type Insn, type OperationTable } from "../operation.ts";
import { checkWide, DST, DST_UP, immediate, Lanes, loadLanes, loadPair, SRC, SRC_UP, storeLanes } from "./sse-lanes.ts";
import { vexBytes } from "./vex.ts";

export const MXCSR_DAZ = 0x40;
/** All masked, to nearest, no DAZ, no FTZ, P already set. */
const EASY_MASK = 0xffe0;
const EASY = 0x1fa0;

const environment = new soft.Environment();

/** The environment of MXCSR, with nothing raised. */
export function sseEnvironment(cpu: Cpu): soft.Environment {
  const mxcsr = cpu.get32(OFF.MXCSR);
  environment.rounding = (mxcsr >> 13) & 3;
  environment.masks = (mxcsr >> 7) & 0x3f;
  environment.flushToZero = (mxcsr & 0x8000) !== 0 && (environment.masks & soft.FE.U) !== 0;
  environment.flags = 0;
  return environment;
}

/** Records what was raised; #XM for the first unmasked. Comes before the result is written. */
export function raiseSse(cpu: Cpu, env: soft.Environment): void {
  let flags = env.flags;
  const early = flags & ~env.masks & (soft.FE.I | soft.FE.D | soft.FE.Z);
  if (early) flags &= soft.FE.I | soft.FE.D | soft.FE.Z;
  cpu.set32(OFF.MXCSR, cpu.get32(OFF.MXCSR) | flags);
  if ((flags & ~env.masks) === 0) return;
  if (!(cpu.get32(OFF.CR4) & CR4.OSXMMEXCPT)) throw ud("unmasked SSE exception with CR4.OSXMMEXCPT clear");
  throw new Fault(VECTOR.XM, 0, "unmasked SIMD floating-point exception");
}

const easy = (cpu: Cpu): boolean => (cpu.get32(OFF.MXCSR) & EASY_MASK) === EASY;
export const denormalsAreZero = (cpu: Cpu): boolean => (cpu.get32(OFF.MXCSR) & MXCSR_DAZ) !== 0;

/** Lane access by format. */
export interface FloatType {
  readonly format: Format;
  readonly bytes: 4 | 8;
  readonly unpack: (lanes: Lanes, i: number) => soft.Unpacked;
  readonly pack: (lanes: Lanes, i: number, value: soft.Unpacked) => void;
}
export const F32: FloatType = {
  format: SINGLE,
  bytes: 4,
  unpack: (lanes, i) => unpack32(lanes.u32[i]!),
  pack: (lanes, i, value) => {
    lanes.i32[i] = pack32(value);
  },
};
export const F64: FloatType = {
  format: DOUBLE,
  bytes: 8,
  unpack: (lanes, i) => unpack64(lanes.u64[i]!),
  pack: (lanes, i, value) => {
    lanes.u64[i] = pack64(value);
  },
};

export const quiet = (a: soft.Unpacked): soft.Unpacked => ({ ...a, mant: a.mant | soft.QUIET_BIT });
export const flushDenormal = (a: soft.Unpacked): soft.Unpacked => (a.denormal ? soft.zero(a.sign) : a);

/** SSE's rule: the first operand if it is a NaN, else the second; quiet; I if either is signaling. */
export function chooseNaN(env: soft.Environment, a: soft.Unpacked, b: soft.Unpacked): soft.Unpacked {
  if (soft.isSignaling(a) || soft.isSignaling(b)) env.flags |= soft.FE.I;
  return quiet(a.kind === soft.NAN ? a : b);
}

type Exact = (env: soft.Environment, a: soft.Unpacked, b: soft.Unpacked) => soft.Unpacked;
interface Arithmetic {
  readonly exact: Exact;
  /** The host's own operation, for the easy case. */
  readonly host: (a: number, b: number) => number;
}

const ADD: Arithmetic = { exact: soft.add, host: (a, b) => a + b };
const SUB: Arithmetic = { exact: (env, a, b) => soft.add(env, a, soft.negate(b)), host: (a, b) => a - b };
const MUL: Arithmetic = { exact: soft.multiply, host: (a, b) => a * b };
const DIV: Arithmetic = { exact: soft.divide, host: (a, b) => a / b };
/** Unary: the source operand is the second. */
const SQRT: Arithmetic = { exact: (env, _a, b) => soft.squareRoot(env, b), host: (_a, b) => Math.sqrt(b) };

function exactLane(
  env: soft.Environment,
  daz: boolean,
  type: FloatType,
  op: Arithmetic,
  d: Lanes,
  s: Lanes,
  i: number,
): void {
  let a = op === SQRT ? type.unpack(s, i) : type.unpack(d, i);
  let b = type.unpack(s, i);
  if (a.kind === soft.NAN || b.kind === soft.NAN) {
    type.pack(d, i, chooseNaN(env, a, b));
    return;
  }
  if (daz) {
    a = flushDenormal(a);
    b = flushDenormal(b);
  }
  type.pack(d, i, soft.roundTo(env, type.format, op.exact(env, a, b)));
}

const MIN_NORMAL_32 = 2 ** -126;
const MAX_32 = 3.4028234663852886e38;
const MIN_NORMAL_64 = 2 ** -1022;

/** Zero or normal, and no infinity or NaN. */
const plain32 = (x: number): boolean => {
  const m = Math.abs(x);
  return m === 0 || (m >= MIN_NORMAL_32 && m <= MAX_32);
};
const plain64 = (x: number): boolean => {
  const m = Math.abs(x);
  return m === 0 || (m >= MIN_NORMAL_64 && m <= Number.MAX_VALUE);
};

/** Tries the host's arithmetic on one lane; false when the result could differ in bits or raise a flag. */
function easyLane(type: FloatType, op: Arithmetic, d: Lanes, s: Lanes, i: number): boolean {
  if (type === F64) {
    const a = d.f64[i]!;
    const b = s.f64[i]!;
    if ((op !== SQRT && !plain64(a)) || !plain64(b)) return false;
    const r = op.host(a, b);
    const m = Math.abs(r);
    if (!(m > MIN_NORMAL_64 && m <= Number.MAX_VALUE)) return false;
    d.f64[i] = r;
    return true;
  }
  const a = d.f32[i]!;
  const b = s.f32[i]!;
  if ((op !== SQRT && !plain32(a)) || !plain32(b)) return false;
  const r = Math.fround(op.host(a, b));
  const m = Math.abs(r);
  if (!(m > MIN_NORMAL_32 && m <= MAX_32)) return false;
  d.f32[i] = r;
  return true;
}

/** Loads dst and src of a float operation and gives the number of 128-bit halves. */
function loadFloat(cpu: Cpu, insn: Insn, type: FloatType, packed: boolean): 1 | 2 {
  checkWide(cpu, insn);
  return loadPair(cpu, insn, packed ? 16 : type.bytes, packed);
}

const lanesOf = (type: FloatType, packed: boolean): number => (packed ? 16 / type.bytes : 1);

type FloatBody = (d: Lanes, s: Lanes, imm: number) => void;

/** One half after the other; what they raised, together; then the result. */
function eachHalf(
  cpu: Cpu,
  insn: Insn,
  type: FloatType,
  packed: boolean,
  env: soft.Environment,
  body: FloatBody,
): void {
  const halves = loadFloat(cpu, insn, type, packed);
  const imm = immediate(insn);
  body(DST, SRC, imm);
  if (halves === 2) body(DST_UP, SRC_UP, imm);
  raiseSse(cpu, env);
  storeLanes(cpu, insn, 0, DST, packed ? 16 : type.bytes);
}

const arithmetic = (type: FloatType, packed: boolean, op: Arithmetic) =>
  computed((cpu, insn) => {
    const quick = easy(cpu);
    const env = sseEnvironment(cpu);
    const daz = denormalsAreZero(cpu);
    const count = lanesOf(type, packed);
    eachHalf(cpu, insn, type, packed, env, (d, s) => {
      for (let i = 0; i < count; i++) {
        if (!quick || !easyLane(type, op, d, s, i)) exactLane(env, daz, type, op, d, s, i);
      }
    });
  });

/** ADDSUB and the horizontal adds: lanes gathered into (a, b) pairs first. */
const gathered = (type: FloatType, gather: (d: Lanes, s: Lanes) => void, opOf: (i: number) => Arithmetic) =>
  computed((cpu, insn) => {
    const env = sseEnvironment(cpu);
    const daz = denormalsAreZero(cpu);
    eachHalf(cpu, insn, type, true, env, (d, s) => {
      gather(d, s);
      for (let i = 0; i < lanesOf(type, true); i++) exactLane(env, daz, type, opOf(i), d, s, i);
    });
  });

/** d becomes the even lanes of d and s, s the odd ones. */
const pairs32 = (d: Lanes, s: Lanes): void => {
  const [d0, d1, d2, d3] = d.i32 as unknown as [number, number, number, number];
  const [s0, s1, s2, s3] = s.i32 as unknown as [number, number, number, number];
  d.i32.set([d0, d2, s0, s2]);
  s.i32.set([d1, d3, s1, s3]);
};
const pairs64 = (d: Lanes, s: Lanes): void => {
  const odd = d.u64[1]!;
  d.u64[1] = s.u64[0]!;
  s.u64[0] = odd;
};
const asIs = (): void => {};

/** MIN and MAX: the second operand unless the first one wins strictly, so also for NaNs and equal zeros. */
const extreme = (type: FloatType, packed: boolean, wins: -1 | 1) =>
  computed((cpu, insn) => {
    const env = sseEnvironment(cpu);
    const daz = denormalsAreZero(cpu);
    eachHalf(cpu, insn, type, packed, env, (d, s) => {
      for (let i = 0; i < lanesOf(type, packed); i++)
        type.pack(d, i, extremeOf(env, daz, type.unpack(d, i), type.unpack(s, i), wins));
    });
  });

function extremeOf(env: soft.Environment, daz: boolean, first: soft.Unpacked, second: soft.Unpacked, wins: number) {
  const a = daz ? flushDenormal(first) : first;
  const b = daz ? flushDenormal(second) : second;
  if (a.kind === soft.NAN || b.kind === soft.NAN) {
    env.flags |= soft.FE.I;
    return b;
  }
  if (a.denormal || b.denormal) env.flags |= soft.FE.D;
  return soft.compareValues(a, b) === wins ? a : b;
}

/** -1, 0, 1, or 2 for unordered. `signalsQuiet`: quiet NaNs raise I as well. */
function order(env: soft.Environment, daz: boolean, a: soft.Unpacked, b: soft.Unpacked, signalsQuiet: boolean): number {
  if (a.kind === soft.NAN || b.kind === soft.NAN) {
    if (signalsQuiet || soft.isSignaling(a) || soft.isSignaling(b)) env.flags |= soft.FE.I;
    return 2;
  }
  if (daz) return soft.compareValues(flushDenormal(a), flushDenormal(b));
  if (a.denormal || b.denormal) env.flags |= soft.FE.D;
  return soft.compareValues(a, b);
}

/** The order of two values that a comparison holds for, as a bit each: less, equal, greater, unordered. */
const LT = 1;
const EQ = 2;
const GT = 4;
const UN = 8;
/** CMPxx predicates, imm[3:0]; imm[4] turns over which of them signal quiet NaNs (EQ, UNORD and their kin do not). */
const PREDICATES = [
  EQ,
  LT,
  LT | EQ,
  UN,
  LT | GT | UN,
  EQ | GT | UN,
  GT | UN,
  LT | EQ | GT,
  EQ | UN,
  LT | UN,
  LT | EQ | UN,
  0,
  LT | GT,
  EQ | GT,
  GT,
  LT | EQ | GT | UN,
];
const SIGNALING_PREDICATES = 0x6666;

const compareMask =
  (type: FloatType, packed: boolean): Helper =>
  (cpu, insn) => {
    const env = sseEnvironment(cpu);
    const daz = denormalsAreZero(cpu);
    const words = type.bytes / 4;
    const vex = vexBytes(insn) !== 0;
    eachHalf(cpu, insn, type, packed, env, (d, s, imm) => {
      const predicate = imm & (vex ? 15 : 7);
      const signals = ((SIGNALING_PREDICATES >> predicate) & 1) !== (vex ? (imm >> 4) & 1 : 0);
      for (let i = 0; i < lanesOf(type, packed); i++) {
        const outcome = order(env, daz, type.unpack(d, i), type.unpack(s, i), signals);
        const holds = (PREDICATES[predicate]! >> (outcome + 1)) & 1;
        d.i32.fill(holds ? -1 : 0, i * words, (i + 1) * words);
      }
    });
  };

export const cmpsd: Helper = compareMask(F64, false);

/** ZF PF CF by order: less, equal, greater, unordered. */
export const ORDER_FLAGS: Readonly<Record<number, number>> = {
  [-1]: EFLAGS.CF,
  0: EFLAGS.ZF,
  1: 0,
  2: EFLAGS.ZF | EFLAGS.PF | EFLAGS.CF,
};

const compareFlags = (type: FloatType, signalsQuiet: boolean) =>
  computed((cpu, insn) => {
    checkWide(cpu, insn);
    loadLanes(cpu, insn, 1, SRC, type.bytes, false);
    loadLanes(cpu, insn, 0, DST, 16, false);
    const env = sseEnvironment(cpu);
    const outcome = order(env, denormalsAreZero(cpu), type.unpack(DST, 0), type.unpack(SRC, 0), signalsQuiet);
    raiseSse(cpu, env);
    cpu.setArithFlags(ORDER_FLAGS[outcome]!);
  });

/** One rounded operation on two values, with SSE's NaN rule. */
function exactValue(
  env: soft.Environment,
  daz: boolean,
  type: FloatType,
  op: Exact,
  a: soft.Unpacked,
  b: soft.Unpacked,
): soft.Unpacked {
  if (a.kind === soft.NAN || b.kind === soft.NAN) return chooseNaN(env, a, b);
  const exact = daz ? op(env, flushDenormal(a), flushDenormal(b)) : op(env, a, b);
  return soft.roundTo(env, type.format, exact);
}

/** DPPS and DPPD: products picked by the upper half of the immediate, summed pairwise, spread by the lower half. */
const dotProduct = (type: FloatType) =>
  computed((cpu, insn) => {
    const halves = loadFloat(cpu, insn, type, true);
    const env = sseEnvironment(cpu);
    const daz = denormalsAreZero(cpu);
    const imm = immediate(insn);
    const count = lanesOf(type, true);
    const pairs = halves === 2 ? [[DST, SRC] as const, [DST_UP, SRC_UP] as const] : [[DST, SRC] as const];
    let terms = pairs.map(([d, s]) => products(env, daz, type, d, s, imm));
    // Each operation is finished before the next, so what it raised unmasked ends the instruction there. Every lane has a sum of its
    // own, which matters among NaNs: in the first step of four its partner's value comes first, else its own (measured on Intel).
    raiseSse(cpu, env);
    for (let distance = 1; distance < count; distance *= 2) {
      terms = terms.map((before) =>
        before.map((own, i) => {
          const other = before[i ^ distance]!;
          const [a, b] = distance === 1 && count === 4 ? [other, own] : [own, other];
          return asOperand(type, exactValue(env, daz, type, soft.add, a, b));
        }),
      );
      raiseSse(cpu, env);
    }
    pairs.forEach(([d], half) => {
      for (let i = 0; i < count; i++) type.pack(d, i, (imm >> i) & 1 ? terms[half]![i]! : soft.zero(0));
    });
    storeLanes(cpu, insn, 0, DST, 16);
  });

const BETWEEN = new Lanes();
/** A result as the next operation reads it: it may be a denormal. */
function asOperand(type: FloatType, value: soft.Unpacked): soft.Unpacked {
  type.pack(BETWEEN, 0, value);
  return type.unpack(BETWEEN, 0);
}

function products(env: soft.Environment, daz: boolean, type: FloatType, d: Lanes, s: Lanes, imm: number) {
  const terms: soft.Unpacked[] = [];
  for (let i = 0; i < lanesOf(type, true); i++) {
    const picked = (imm >> (4 + i)) & 1;
    const term = () => exactValue(env, daz, type, soft.multiply, type.unpack(d, i), type.unpack(s, i));
    terms.push(picked ? asOperand(type, term()) : soft.zero(0));
  }
  return terms;
}

/** The four widths of one operation: PS, PD, SS, SD. */
const widths = (stem: string, make: (type: FloatType, packed: boolean) => OperationTable[string]): OperationTable => ({
  [`${stem}ps`]: make(F32, true),
  [`${stem}pd`]: make(F64, true),
  [`${stem}ss`]: make(F32, false),
  [`${stem}sd`]: make(F64, false),
});

const { Cmpsd: _shared, ...masks } = widths("Cmp", (type, packed) => computed(compareMask(type, packed)));

export const sseArithmeticOperations: OperationTable = {
  ...widths("Add", (type, packed) => arithmetic(type, packed, ADD)),
  ...widths("Sub", (type, packed) => arithmetic(type, packed, SUB)),
  ...widths("Mul", (type, packed) => arithmetic(type, packed, MUL)),
  ...widths("Div", (type, packed) => arithmetic(type, packed, DIV)),
  ...widths("Sqrt", (type, packed) => arithmetic(type, packed, SQRT)),
  ...widths("Min", (type, packed) => extreme(type, packed, -1)),
  ...widths("Max", (type, packed) => extreme(type, packed, 1)),
  ...masks,
  Addsubps: gathered(F32, asIs, (i) => (i & 1 ? ADD : SUB)),
  Addsubpd: gathered(F64, asIs, (i) => (i & 1 ? ADD : SUB)),
  Haddps: gathered(F32, pairs32, () => ADD),
  Haddpd: gathered(F64, pairs64, () => ADD),
  Hsubps: gathered(F32, pairs32, () => SUB),
  Hsubpd: gathered(F64, pairs64, () => SUB),
  Dpps: dotProduct(F32),
  Dppd: dotProduct(F64),
  Comiss: compareFlags(F32, true),
  Comisd: compareFlags(F64, true),
  Ucomiss: compareFlags(F32, false),
  Ucomisd: compareFlags(F64, false),
};
