/** x87 loads, stores, constants, register moves and conversions between the stack and memory. */
import type { Cpu } from "../cpu.ts";
import { conditionHolds } from "../flags.ts";
import { DOUBLE, EXTENDED, type Format, pack32, pack64, SINGLE } from "../fpu/formats.ts";
import * as soft from "../fpu/soft.ts";
import { OFF } from "../layout.ts";
import { computed, type Insn, type Operation, type OperationTable } from "../operation.ts";
import { checkBlock, loadAt, loadBig, storeNumber } from "./block-memory.ts";
import { readMemory, stOf } from "./x87-arith.ts";
import { notePointer } from "./x87-pointers.ts";
import {
  checkX87,
  FSW,
  finish,
  free,
  isEmpty,
  isSpecial,
  pop,
  readBits,
  readSt,
  setConditions,
  setTop,
  stackFault,
  top,
  writeBits,
  writeSt,
  x87Environment,
} from "./x87-state.ts";

/** Pushes a value; overflow pushes the default NaN. */
export function push(cpu: Cpu, value: soft.Unpacked): void {
  if (!isEmpty(cpu, 7)) {
    if (!stackFault(cpu, true)) return;
    value = soft.DEFAULT_NAN;
  } else setConditions(cpu, 0, FSW.C1);
  setTop(cpu, top(cpu) - 1);
  writeSt(cpu, 0, value);
}

/** An x87 instruction without memory operand: checks, pointer, body. */
export const plain = (body: (cpu: Cpu, insn: Insn) => void): Operation =>
  computed((cpu, insn) => {
    checkX87(cpu, insn);
    notePointer(cpu, insn);
    body(cpu, insn);
  });

/** FLD from memory: singles and doubles are converted, so a signaling NaN is quieted and a denormal noted; m80 is copied. */
function fld(cpu: Cpu, insn: Insn): void {
  const op = insn.ops[0]!;
  if (op.kind === "st") {
    if (isEmpty(cpu, op.reg)) {
      if (!stackFault(cpu, false)) return;
      setTop(cpu, top(cpu) - 1);
      writeSt(cpu, 0, soft.DEFAULT_NAN);
      return;
    }
    const bits = readBits(cpu, op.reg);
    if (!isEmpty(cpu, 7)) {
      push(cpu, soft.DEFAULT_NAN);
      return;
    }
    setConditions(cpu, 0, FSW.C1);
    setTop(cpu, top(cpu) - 1);
    writeBits(cpu, 0, bits);
    return;
  }
  if (op.kind === "mem" && op.size === 10) {
    checkBlock(cpu, insn, 0, 10, false, 8);
    const mant = loadBig(cpu, insn, 0);
    const signExponent = loadAt(cpu, insn, 8, 2);
    notePointer(cpu, insn);
    if (!isEmpty(cpu, 7)) {
      push(cpu, soft.DEFAULT_NAN);
      return;
    }
    setConditions(cpu, 0, FSW.C1);
    setTop(cpu, top(cpu) - 1);
    writeBits(cpu, 0, { mant, signExponent });
    return;
  }
  const value = readMemory(cpu, insn, false);
  notePointer(cpu, insn);
  if (!isEmpty(cpu, 7)) {
    push(cpu, soft.DEFAULT_NAN);
    return;
  }
  const env = x87Environment(cpu);
  let loaded = value;
  if (soft.isSignaling(value)) {
    env.flags |= soft.FE.I;
    loaded = { ...value, mant: value.mant | soft.QUIET_BIT };
  }
  if (value.denormal) env.flags |= soft.FE.D;
  // An unmasked denormal is reported, and loaded all the same.
  finish(cpu, env);
  if (!(env.flags & ~env.masks & soft.FE.I)) push(cpu, loaded);
}

/** The bits that FST writes for a value in a narrower format; undefined when an unmasked exception keeps it from memory. */
function narrowed(cpu: Cpu, format: Format): bigint | undefined {
  const env = x87Environment(cpu);
  let value = readSt(cpu, 0);
  if (isSpecial(value)) {
    if (value.kind === soft.UNSUPPORTED) {
      env.flags |= soft.FE.I;
      value = soft.DEFAULT_NAN;
    } else if (soft.isSignaling(value)) env.flags |= soft.FE.I;
    value = { ...value, mant: value.mant | soft.QUIET_BIT };
  } else value = soft.roundTo(env, format, value);
  const unmasked = env.flags & ~env.masks & (soft.FE.I | soft.FE.O | soft.FE.U);
  return commitStore(cpu, env, unmasked !== 0, format === SINGLE ? BigInt(pack32(value)) : pack64(value));
}

function commitStore(cpu: Cpu, env: soft.Environment, refused: boolean, bits: bigint): bigint | undefined {
  if (refused) env.flags &= ~soft.FE.P;
  finish(cpu, env);
  return refused ? undefined : bits;
}

/** The integer that FIST writes. */
function integral(cpu: Cpu, bits: number, truncates: boolean): bigint | undefined {
  const env = x87Environment(cpu);
  if (truncates) env.rounding = soft.RC.ZERO;
  const value = soft.toInteger(env, readSt(cpu, 0), bits) ?? -(1n << BigInt(bits - 1));
  return commitStore(cpu, env, (env.flags & ~env.masks & soft.FE.I) !== 0, value);
}

/** What raising an exception changes. */
const EXCEPTION_STATE = [OFF.FSW, OFF.FOP, OFF.FDP, OFF.FDP + 4, OFF.FDS];

/** An unmasked exception keeps the store from happening, its faults included; a fault takes the exceptions back. */
function storing(
  bytesOf: (insn: Insn) => number,
  convert: (cpu: Cpu, insn: Insn) => bigint | undefined,
  indefinite: (insn: Insn) => bigint,
  pops: boolean,
): Operation {
  return computed((cpu, insn) => {
    checkX87(cpu, insn);
    const before = EXCEPTION_STATE.map((field) => cpu.get32(field));
    const bits = isEmpty(cpu, 0) ? (stackFault(cpu, false) ? indefinite(insn) : undefined) : convert(cpu, insn);
    if (bits !== undefined) {
      try {
        checkBlock(cpu, insn, 0, bytesOf(insn), true, Math.min(bytesOf(insn), 8));
        storeNumber(cpu, insn, bytesOf(insn), bits);
      } catch (fault) {
        EXCEPTION_STATE.forEach((field, i) => void cpu.set32(field, before[i]!));
        throw fault;
      }
      if (pops) pop(cpu);
    }
    notePointer(cpu, insn);
  });
}

const memorySize = (insn: Insn): number => {
  const op = insn.ops[0]!;
  return op.kind === "mem" ? op.size : 0;
};
const INDEFINITE_32 = 0xffc0_0000n;
const INDEFINITE_64 = 0xfff8_0000_0000_0000n;
const INDEFINITE_80 = (0xffffn << 64n) | 0xc000_0000_0000_0000n;

const realStore = (pops: boolean): Operation => {
  const toMemory = storing(
    memorySize,
    (cpu, insn) => {
      const size = memorySize(insn);
      if (size !== 10) return narrowed(cpu, size === 4 ? SINGLE : DOUBLE);
      setConditions(cpu, 0, FSW.C1);
      const { mant, signExponent } = readBits(cpu, 0);
      return (BigInt(signExponent) << 64n) | mant;
    },
    (insn) => (memorySize(insn) === 4 ? INDEFINITE_32 : memorySize(insn) === 8 ? INDEFINITE_64 : INDEFINITE_80),
    pops,
  );
  const toRegister = plain((cpu, insn) => {
    const target = stOf(insn, 0);
    if (isEmpty(cpu, 0)) {
      if (!stackFault(cpu, false)) return;
      writeSt(cpu, target, soft.DEFAULT_NAN);
    } else {
      setConditions(cpu, 0, FSW.C1);
      writeBits(cpu, target, readBits(cpu, 0));
    }
    if (pops) pop(cpu);
  });
  if (!("helper" in toMemory && "helper" in toRegister)) throw new Error("x87 stores are helpers");
  const inMemory = toMemory.helper;
  const inRegister = toRegister.helper;
  return computed((cpu, insn) => (insn.ops[0]!.kind === "mem" ? inMemory : inRegister)(cpu, insn));
};

const integerStore = (pops: boolean, truncates: boolean): Operation =>
  storing(
    memorySize,
    (cpu, insn) => integral(cpu, memorySize(insn) * 8, truncates),
    (insn) => -(1n << BigInt(memorySize(insn) * 8 - 1)),
    pops,
  );

/** Constants with 80 bits and a sticky one, rounded as the control word says. */
const constant = (mant: bigint, exp: number): Operation =>
  plain((cpu) => {
    const env = x87Environment(cpu);
    const value = soft.roundTo(env, EXTENDED, soft.finite(0, mant, exp));
    push(cpu, value);
  });

/** FCMOVcc by Jcc's condition. */
const conditionalMove = (condition: number): Operation =>
  plain((cpu, insn) => {
    const source = stOf(insn, 1);
    if (isEmpty(cpu, 0) || isEmpty(cpu, source)) {
      if (stackFault(cpu, false)) writeSt(cpu, 0, soft.DEFAULT_NAN);
      return;
    }
    if (conditionHolds(condition, cpu.getFlags())) writeBits(cpu, 0, readBits(cpu, source));
  });

/** ST(0)'s sign, whatever it holds. */
const signChange = (fn: (signExponent: number) => number): Operation =>
  plain((cpu) => {
    if (isEmpty(cpu, 0)) {
      if (stackFault(cpu, false)) writeSt(cpu, 0, soft.DEFAULT_NAN);
      return;
    }
    setConditions(cpu, 0, FSW.C1);
    const { mant, signExponent } = readBits(cpu, 0);
    writeBits(cpu, 0, { mant, signExponent: fn(signExponent) });
  });

function exchange(cpu: Cpu, insn: Insn): void {
  const other = stOf(insn, 1);
  if (isEmpty(cpu, 0) || isEmpty(cpu, other)) {
    if (!stackFault(cpu, false)) return;
    for (const i of [0, other]) if (isEmpty(cpu, i)) writeSt(cpu, i, soft.DEFAULT_NAN);
  } else setConditions(cpu, 0, FSW.C1);
  const left = readBits(cpu, 0);
  writeBits(cpu, 0, readBits(cpu, other));
  writeBits(cpu, other, left);
}

/** Packed decimal: 18 digits, two a byte, and a sign byte. */
function loadDecimal(cpu: Cpu, insn: Insn): void {
  checkX87(cpu, insn);
  checkBlock(cpu, insn, 0, 10, false, 8);
  const digits = loadBig(cpu, insn, 0);
  const last = loadAt(cpu, insn, 8, 2);
  notePointer(cpu, insn);
  let value = BigInt(((last >> 4) & 15) * 10 + (last & 15));
  for (let i = 15; i >= 0; i--) value = value * 10n + ((digits >> BigInt(i * 4)) & 15n);
  const sign = last >> 15;
  push(cpu, value === 0n ? soft.zero(sign) : soft.finite(sign, value, 0));
}

function decimal(cpu: Cpu): bigint | undefined {
  const env = x87Environment(cpu);
  const a = readSt(cpu, 0);
  const value = soft.toInteger(env, a, 64);
  const magnitude = value === undefined ? undefined : value < 0n ? -value : value;
  if (magnitude === undefined || magnitude >= 10n ** 18n) {
    env.flags = soft.FE.I;
    return commitStore(cpu, env, (env.masks & soft.FE.I) === 0, DECIMAL_INDEFINITE);
  }
  const digits = BigInt(`0x${magnitude}`);
  return commitStore(cpu, env, false, digits | (BigInt(a.sign) << 79n));
}
const DECIMAL_INDEFINITE = (0xffffn << 64n) | 0xc000_0000_0000_0000n;

export const x87LoadOperations: OperationTable = {
  Fld: computed((cpu, insn) => {
    checkX87(cpu, insn);
    if (insn.ops[0]!.kind === "st") notePointer(cpu, insn);
    fld(cpu, insn);
  }),
  Fild: computed((cpu, insn) => {
    checkX87(cpu, insn);
    const value = readMemory(cpu, insn, true);
    notePointer(cpu, insn);
    push(cpu, value);
  }),
  Fst: realStore(false),
  Fstp: realStore(true),
  Fist: integerStore(false, false),
  Fistp: integerStore(true, false),
  Fisttp: integerStore(true, true),
  Fbld: computed(loadDecimal),
  Fbstp: storing(
    () => 10,
    decimal,
    () => DECIMAL_INDEFINITE,
    true,
  ),
  Fld1: plain((cpu) => push(cpu, soft.finite(0, 1n, 0))),
  Fldz: plain((cpu) => push(cpu, soft.zero(0))),
  Fldpi: constant(0xc90f_daa2_2168_c234_c4c7n, -78),
  Fldl2t: constant(0xd49a_784b_cd1b_8afe_492bn, -78),
  Fldl2e: constant(0xb8aa_3b29_5c17_f0bb_be87n, -79),
  Fldlg2: constant(0x9a20_9a84_fbcf_f798_8f89n, -81),
  Fldln2: constant(0xb172_17f7_d1cf_79ab_c9e3n, -80),
  Fcmovb: conditionalMove(2),
  Fcmovnb: conditionalMove(3),
  Fcmove: conditionalMove(4),
  Fcmovne: conditionalMove(5),
  Fcmovbe: conditionalMove(6),
  Fcmovnbe: conditionalMove(7),
  Fcmovu: conditionalMove(10),
  Fcmovnu: conditionalMove(11),
  Fchs: signChange((signExponent) => signExponent ^ 0x8000),
  Fabs: signChange((signExponent) => signExponent & 0x7fff),
  Fxch: plain(exchange),
  // D9 D8+i, another FSTP that does not mind an empty stack: nothing is stored then (measured).
  Fstpnce: plain((cpu, insn) => {
    setConditions(cpu, 0, FSW.C1);
    if (!isEmpty(cpu, 0)) writeBits(cpu, stOf(insn, 0), readBits(cpu, 0));
    pop(cpu);
  }),
  Ffree: plain((cpu, insn) => free(cpu, stOf(insn, 0))),
  Ffreep: plain((cpu, insn) => {
    free(cpu, stOf(insn, 0));
    pop(cpu);
  }),
  Fincstp: plain((cpu) => {
    setConditions(cpu, 0, FSW.C1);
    setTop(cpu, top(cpu) + 1);
  }),
  Fdecstp: plain((cpu) => {
    setConditions(cpu, 0, FSW.C1);
    setTop(cpu, top(cpu) - 1);
  }),
};
