/** x87 arithmetic and comparison: the forms with memory, with an integer, between registers, and popping. */
import type { Cpu } from "../cpu.ts";
import { EXTENDED, unpack32, unpack64 } from "../fpu/formats.ts";
import * as soft from "../fpu/soft.ts";
import { EFLAGS } from "../layout.ts";
import { computed, type Insn, type Operation, type OperationTable } from "../operation.ts";
import { big } from "./implied.ts";
import { notePointer } from "./x87-pointers.ts";
import {
  CONDITIONS,
  checkX87,
  chooseNaN,
  FSW,
  finish,
  isEmpty,
  isSpecial,
  pop,
  precisionOf,
  readSt,
  setConditions,
  stackFault,
  status,
  writeSt,
  x87Environment,
} from "./x87-state.ts";

type Exact = (env: soft.Environment, a: soft.Unpacked, b: soft.Unpacked) => soft.Unpacked;
const subtract: Exact = (env, a, b) => soft.add(env, a, soft.negate(b));
const reversed =
  (op: Exact): Exact =>
  (env, a, b) =>
    op(env, b, a);

/** The memory operand as a number: real or integer by its mnemonic, at its size. */
export function readMemory(cpu: Cpu, insn: Insn, integer: boolean): soft.Unpacked {
  const op = insn.ops[0]!;
  const size = op.kind === "mem" ? op.size : 0;
  const low = cpu.readOp(insn, 0);
  if (!integer) return size === 4 ? unpack32(low) : unpack64(big(low, cpu.high));
  if (size === 8) return soft.fromInteger(BigInt.asIntN(64, big(low, cpu.high)));
  return soft.fromInteger(BigInt(size === 2 ? (low << 16) >> 16 : low | 0));
}

/** Stack register of operand i. */
export function stOf(insn: Insn, i: number): number {
  const op = insn.ops[i];
  return op?.kind === "st" ? op.reg : 0;
}

function combine(cpu: Cpu, env: soft.Environment, op: Exact, a: soft.Unpacked, b: soft.Unpacked): soft.Unpacked {
  if (isSpecial(a) || isSpecial(b)) return chooseNaN(env, a, b);
  return soft.roundTo(env, EXTENDED, op(env, a, b), precisionOf(cpu));
}

/** ST(target) = ST(target) op operand; true unless an unmasked exception kept the result (and a pop) from happening. */
function apply(cpu: Cpu, target: number, op: Exact, operand: soft.Unpacked | number): boolean {
  if (isEmpty(cpu, target) || (typeof operand === "number" && isEmpty(cpu, operand))) {
    if (!stackFault(cpu, false)) return false;
    writeSt(cpu, target, soft.DEFAULT_NAN);
    return true;
  }
  const env = x87Environment(cpu);
  const right = typeof operand === "number" ? readSt(cpu, operand) : operand;
  const result = combine(cpu, env, op, readSt(cpu, target), right);
  if (!finish(cpu, env)) return false;
  writeSt(cpu, target, result);
  return true;
}

const arithmetic = (op: Exact, pops: boolean, integer = false): Operation =>
  computed((cpu, insn) => {
    checkX87(cpu, insn);
    if (insn.ops[0]!.kind === "mem") {
      const operand = readMemory(cpu, insn, integer);
      notePointer(cpu, insn);
      apply(cpu, 0, op, operand);
      return;
    }
    notePointer(cpu, insn);
    if (apply(cpu, stOf(insn, 0), op, stOf(insn, 1)) && pops) pop(cpu);
  });

const family = (stem: string, op: Exact): OperationTable => ({
  [`F${stem}`]: arithmetic(op, false),
  [`F${stem}p`]: arithmetic(op, true),
  [`Fi${stem}`]: arithmetic(op, false, true),
});

const C_UNORDERED = FSW.C0 | FSW.C2 | FSW.C3;
/** C3 C2 C0 of a comparison's outcome. */
const orderConditions = (order: number): number =>
  order === 2 ? C_UNORDERED : order === 0 ? FSW.C3 : order < 0 ? FSW.C0 : 0;
const orderFlags = (order: number): number =>
  order === 2 ? EFLAGS.ZF | EFLAGS.PF | EFLAGS.CF : order === 0 ? EFLAGS.ZF : order < 0 ? EFLAGS.CF : 0;

/** How ST(0) compares: -1, 0, 1, or 2 for unordered. FCOM signals every NaN, FUCOM only signaling ones. */
function order(env: soft.Environment, a: soft.Unpacked, b: soft.Unpacked, quiet: boolean): number {
  if (isSpecial(a) || isSpecial(b)) {
    const unsupported = a.kind === soft.UNSUPPORTED || b.kind === soft.UNSUPPORTED;
    if (!quiet || unsupported || soft.isSignaling(a) || soft.isSignaling(b)) env.flags |= soft.FE.I;
    return 2;
  }
  if (a.denormal || b.denormal) env.flags |= soft.FE.D;
  return soft.compareValues(a, b);
}

interface Comparison {
  readonly quiet?: boolean;
  readonly pops: 0 | 1 | 2;
  /** FCOMI: the outcome goes to EFLAGS. */
  readonly toFlags?: boolean;
}

const setFlags = (cpu: Cpu, outcome: number, toFlags: boolean): void => {
  if (toFlags) cpu.setArithFlags(orderFlags(outcome));
  else setConditions(cpu, orderConditions(outcome), CONDITIONS);
};

/** Compares ST(0) with a register (number) or a value. */
function compare(
  cpu: Cpu,
  operand: soft.Unpacked | number,
  { quiet = false, pops, toFlags = false }: Comparison,
): void {
  if (isEmpty(cpu, 0) || (typeof operand === "number" && isEmpty(cpu, operand))) {
    const masked = stackFault(cpu, false);
    setFlags(cpu, 2, toFlags);
    if (!masked) return;
  } else {
    const env = x87Environment(cpu);
    const right = typeof operand === "number" ? readSt(cpu, operand) : operand;
    const outcome = order(env, readSt(cpu, 0), right, quiet);
    const conditions = status(cpu) & CONDITIONS;
    const masked = finish(cpu, env);
    // The forms that answer in EFLAGS leave all of C0..C3 alone.
    setConditions(cpu, conditions);
    setFlags(cpu, outcome, toFlags);
    if (!masked) return;
  }
  for (let i = 0; i < pops; i++) pop(cpu);
}

const comparing = (comparison: Comparison, integer = false): Operation =>
  computed((cpu, insn) => {
    checkX87(cpu, insn);
    const memory = insn.ops[0]?.kind === "mem";
    const operand = memory ? readMemory(cpu, insn, integer) : insn.ops.length === 2 ? stOf(insn, 1) : 1;
    notePointer(cpu, insn);
    compare(cpu, operand, comparison);
  });

const ZERO = soft.zero(0);

export const x87ArithmeticOperations: OperationTable = {
  ...family("add", soft.add),
  ...family("mul", soft.multiply),
  ...family("sub", subtract),
  ...family("subr", reversed(subtract)),
  ...family("div", soft.divide),
  ...family("divr", reversed(soft.divide)),
  Fcom: comparing({ pops: 0 }),
  Fcomp: comparing({ pops: 1 }),
  Fcompp: comparing({ pops: 2 }),
  Ficom: comparing({ pops: 0 }, true),
  Ficomp: comparing({ pops: 1 }, true),
  Fucom: comparing({ quiet: true, pops: 0 }),
  Fucomp: comparing({ quiet: true, pops: 1 }),
  Fucompp: comparing({ quiet: true, pops: 2 }),
  Fcomi: comparing({ pops: 0, toFlags: true }),
  Fcomip: comparing({ pops: 1, toFlags: true }),
  Fucomi: comparing({ quiet: true, pops: 0, toFlags: true }),
  Fucomip: comparing({ quiet: true, pops: 1, toFlags: true }),
  Ftst: computed((cpu, insn) => {
    checkX87(cpu, insn);
    notePointer(cpu, insn);
    compare(cpu, ZERO, { pops: 0 });
  }),
};
