/**
 * Operations that the 80286 performs in its own way; they replace those of the same name under `--model 286`. 16-bit code only.
 *
 * Shifts and rotations go bit by bit, so that OF is always that of the last step, and AF is what an addition of the value to itself
 * would leave (left) or 1 (right). Later processors leave both undefined.
 *
 * String instructions advance their index registers, and count their repeat down, before the access that faults: Intel's notes on
 * the LOADALL instruction tell what an exception handler has to undo before it can restart one. (LODS, which they leave out, reads
 * as SCAS and OUTS do.)
 */
import type { Cpu } from "../cpu.ts";
import { Fault } from "../fault.ts";
import { arithFlags, LF, lazyOp } from "../flags.ts";
import { EFLAGS, GPR } from "../layout.ts";
import { computed, type Helper, type Insn, type Operation, type OperationTable, system } from "../operation.ts";
import { stringOperations } from "./strings.ts";

// --- shifts and rotations

interface Bits {
  readonly value: number;
  readonly carry: number;
}
/** One bit further; `top` is the number of the highest bit. */
type Step = (bits: Bits, top: number) => Bits;

const left =
  (entering: (bits: Bits, out: number) => number): Step =>
  (bits, top) => {
    const out = (bits.value >> top) & 1;
    return { value: ((bits.value << 1) & ((2 << top) - 1)) | entering(bits, out), carry: out };
  };
const right =
  (entering: (bits: Bits, out: number, top: number) => number): Step =>
  (bits, top) => {
    const out = bits.value & 1;
    return { value: (bits.value >> 1) | (entering(bits, out, top) << top), carry: out };
  };

/** Whether the flags of the result are set, and which AF then goes with them: a constant, or bit 4 of the result. */
type AdjustFlag = "rotation" | "sum" | "one";

function shift(step: Step, goesLeft: boolean, adjust: AdjustFlag): Operation {
  return computed((cpu, insn) => {
    const op = insn.ops[0]!;
    const size = (op.kind === "reg" ? op.size : op.kind === "mem" ? op.size * 8 : 16) as 8 | 16;
    const top = size - 1;
    const value = cpu.readOp(insn, 0) & ((2 << top) - 1);
    const count = cpu.readOp(insn, 1) & 31;
    let bits: Bits = { value, carry: cpu.getFlags() & EFLAGS.CF };
    for (let i = 0; i < count; i++) bits = step(bits, top);
    cpu.writeOp(insn, 0, bits.value);
    if (count > 0) setShiftFlags(cpu, size, bits, goesLeft, adjust);
  });
}

function setShiftFlags(cpu: Cpu, size: 8 | 16, bits: Bits, goesLeft: boolean, adjust: AdjustFlag): void {
  const sign = (bits.value >> (size - 1)) & 1;
  const before = goesLeft ? bits.carry : (bits.value >> (size - 2)) & 1;
  let flags = bits.carry | (sign === before ? 0 : EFLAGS.OF);
  let mask = EFLAGS.CF | EFLAGS.OF;
  if (adjust !== "rotation") {
    mask |= EFLAGS.SF | EFLAGS.ZF | EFLAGS.PF | EFLAGS.AF;
    flags |= arithFlags(lazyOp(LF.LOGIC, size), bits.value, 0, 0, 0, 0, 0);
    flags |= adjust === "one" ? EFLAGS.AF : bits.value & EFLAGS.AF;
  }
  cpu.setArithFlags(flags, mask);
}

const shiftLeft = shift(
  left(() => 0),
  true,
  "sum",
);

// --- string instructions

/** May the element at an index register be accessed? */
function permitted(cpu: Cpu, insn: Insn, reg: number, write: boolean): boolean {
  const op = insn.ops.find((each) => each.kind === "mem" && each.base === reg);
  if (op?.kind !== "mem") throw new Error("a string instruction has its elements in memory");
  try {
    cpu.checkSeg(op.seg, cpu.gprLow(reg) & 0xffff, 0, op.size, write);
    return true;
  } catch (thrown) {
    if (thrown instanceof Fault) return false;
    throw thrown;
  }
}

/** The index registers that have moved when an iteration faults, and how far the count has. */
interface Progress {
  readonly moved: readonly number[];
  readonly counted: 1 | 2;
}
type Aftermath = (cpu: Cpu, insn: Insn) => Progress;

const single =
  (reg: number): Aftermath =>
  () => ({ moved: [reg], counted: 2 });

const double =
  (first: number, second: number): Aftermath =>
  (cpu, insn) =>
    permitted(cpu, insn, first, false) ? { moved: [first, second], counted: 2 } : { moved: [first], counted: 1 };

/** INS faults at the port before it has counted twice. */
const input: Aftermath = (cpu, insn) => ({
  moved: [GPR.RDI],
  counted: permitted(cpu, insn, GPR.RDI, true) ? 1 : 2,
});

function move(cpu: Cpu, insn: Insn, { moved, counted }: Progress): void {
  const element = insn.ops.find((op) => op.kind === "mem");
  const size = element?.kind === "mem" ? element.size : 0;
  const by = cpu.getFlags() & EFLAGS.DF ? -size : size;
  for (const reg of moved) cpu.writeReg(reg, 16, cpu.gprLow(reg) + by);
  if (insn.rep || insn.repne) cpu.writeReg(GPR.RCX, 16, cpu.gprLow(GPR.RCX) - counted);
}

function helperOf(name: string): Helper {
  const operation = stringOperations[name];
  if (operation === undefined || !("helper" in operation)) throw new Error(`${name} is no string instruction`);
  return operation.helper;
}

const strings = (aftermath: Aftermath, ...names: string[]): OperationTable =>
  Object.fromEntries(
    names.map((name) => {
      const helper = helperOf(name);
      return [
        name,
        system((cpu, insn) => {
          try {
            helper(cpu, insn);
          } catch (thrown) {
            if (thrown instanceof Fault) move(cpu, insn, aftermath(cpu, insn));
            throw thrown;
          }
        }),
      ];
    }),
  );

export const i286Operations: OperationTable = {
  Rol: shift(
    left((_, out) => out),
    true,
    "rotation",
  ),
  Ror: shift(
    right((_, out) => out),
    false,
    "rotation",
  ),
  Rcl: shift(
    left(({ carry }) => carry),
    true,
    "rotation",
  ),
  Rcr: shift(
    right(({ carry }) => carry),
    false,
    "rotation",
  ),
  Shl: shiftLeft,
  Sal: shiftLeft,
  Shr: shift(
    right(() => 0),
    false,
    "one",
  ),
  Sar: shift(
    right(({ value }, _, top) => value >> top),
    false,
    "one",
  ),
  ...strings(single(GPR.RDI), "Stosb", "Stosw", "Scasb", "Scasw"),
  ...strings(single(GPR.RSI), "Lodsb", "Lodsw", "Outsb", "Outsw"),
  ...strings(input, "Insb", "Insw"),
  ...strings(double(GPR.RSI, GPR.RDI), "Movsb", "Movsw"),
  ...strings(double(GPR.RDI, GPR.RSI), "Cmpsb", "Cmpsw"),
};
