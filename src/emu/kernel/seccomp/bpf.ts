/**
 * Classic BPF over struct seccomp_data (net/core/filter.c as seccomp uses it): which programs are accepted, and what they return. All
 * values are unsigned 32-bit numbers.
 */
import { BPF, BPF_MEMWORDS, SECCOMP_DATA_SIZE } from "../abi/seccomp.ts";
import type { SockFilter } from "./types.ts";

type Program = readonly SockFilter[];

const { LD, LDX, ST, STX, ALU, JMP, RET, MISC, K, X } = BPF;
const OPERATIONS = [BPF.ADD, BPF.SUB, BPF.MUL, BPF.DIV, BPF.OR, BPF.AND, BPF.LSH, BPF.RSH, BPF.XOR];
const CONDITIONS = [BPF.JEQ, BPF.JGT, BPF.JGE, BPF.JSET];
/** The instructions that seccomp_check_filter() lets pass. */
const KNOWN: ReadonlySet<number> = new Set([
  ...OPERATIONS.flatMap((op) => [ALU | op | K, ALU | op | X]),
  ...CONDITIONS.flatMap((op) => [JMP | op | K, JMP | op | X]),
  ...[LD | BPF.ABS, LD | BPF.LEN, LDX | BPF.LEN, LD | BPF.IMM, LDX | BPF.IMM, LD | BPF.MEM, LDX | BPF.MEM, ST, STX],
  ...[ALU | BPF.NEG, JMP | BPF.JA, RET | K, RET | BPF.A, MISC | BPF.TAX, MISC | BPF.TXA],
]);

const classOf = (code: number): number => code & 7;
const isMemory = (code: number): boolean => [LD | BPF.MEM, LDX | BPF.MEM, ST, STX].includes(code);

/** bpf_check_classic() and seccomp_check_filter(): false = EINVAL. */
export function checkFilter(program: Program): boolean {
  const last = program.at(-1);
  if (last === undefined || classOf(last.code) !== RET) return false;
  return program.every((insn, pc) => checkInsn(insn, program.length - pc - 1)) && checkMemory(program);
}

/** `left`: instructions after this one. */
function checkInsn({ code, jt, jf, k }: SockFilter, left: number): boolean {
  if (!KNOWN.has(code)) return false;
  if (isMemory(code)) return k < BPF_MEMWORDS;
  if (code === (LD | BPF.ABS)) return k < SECCOMP_DATA_SIZE && (k & 3) === 0;
  if (code === (ALU | BPF.DIV | K)) return k !== 0;
  if (code === (ALU | BPF.LSH | K) || code === (ALU | BPF.RSH | K)) return k < 32;
  if (code === (JMP | BPF.JA)) return k < left;
  return classOf(code) !== JMP || (jt < left && jf < left);
}

/** check_load_and_stores(): nothing is read from the scratch memory that may not have been written. Jumps only go forwards. */
function checkMemory(program: Program): boolean {
  const ALL = 2 ** BPF_MEMWORDS - 1;
  const masks = program.map(() => ALL);
  let written = 0;
  for (const [pc, { code, jt, jf, k }] of program.entries()) {
    written &= masks[pc]!;
    if (code === ST || code === STX) written |= 1 << k;
    else if (isMemory(code)) {
      if ((written & (1 << k)) === 0) return false;
    } else if (classOf(code) === JMP) {
      for (const target of code === (JMP | BPF.JA) ? [k] : [jt, jf]) masks[pc + 1 + target]! &= written;
      written = ALL;
    }
  }
  return true;
}

/** Three instructions clear A and X and keep the pointer to the data. */
const PROLOGUE = 3;
/** prog->len: how long Linux's own form of a program is (bpf_convert_filter()), which is what its limits count. */
export const convertedLength = (program: Program): number =>
  program.reduce((sum, insn) => sum + convertedInsn(insn), PROLOGUE);

function convertedInsn({ code, jt, jf, k }: SockFilter): number {
  if (code === (RET | K)) return 2;
  // with a test of the divisor
  if (code === (ALU | BPF.DIV | X)) return 5;
  if (classOf(code) !== JMP || code === (JMP | BPF.JA)) return 1;
  const constant = (code & X) === 0 && k >= 2 ** 31 ? 1 : 0;
  const oneWay = jf === 0 || (jt === 0 && (code & 0xf0) !== BPF.JSET);
  return constant + (oneWay ? 1 : 2);
}

/** Runs a program that was checked. `data` is a struct seccomp_data. */
export function runFilter(program: Program, data: DataView): number {
  const memory = new Uint32Array(BPF_MEMWORDS);
  let [a, x, pc] = [0, 0, 0];
  for (;;) {
    const { code, jt, jf, k } = program[pc++]!;
    const operand = (code & X) === 0 ? k : x;
    switch (classOf(code)) {
      case LD:
        a = load(code, k, memory, data);
        break;
      case LDX:
        x = load(code, k, memory, data);
        break;
      case ST:
        memory[k] = a;
        break;
      case STX:
        memory[k] = x;
        break;
      case ALU:
        // a division by zero ends the filter, with the strictest result of all
        if ((code & 0xf0) === BPF.DIV && operand === 0) return 0;
        a = operate(code & 0xf0, a, operand) >>> 0;
        break;
      case JMP:
        pc += code === (JMP | BPF.JA) ? k : holds(code & 0xf0, a, operand) ? jt : jf;
        break;
      case MISC:
        if (code === (MISC | BPF.TAX)) x = a;
        else a = x;
        break;
      default:
        return code === (RET | BPF.A) ? a : k;
    }
  }
}

function load(code: number, k: number, memory: Uint32Array, data: DataView): number {
  switch (code & 0xe0) {
    case BPF.ABS:
      return data.getUint32(k, true);
    case BPF.MEM:
      return memory[k]!;
    case BPF.LEN:
      return SECCOMP_DATA_SIZE;
    default:
      return k;
  }
}

function operate(operation: number, a: number, operand: number): number {
  switch (operation) {
    case BPF.ADD:
      return a + operand;
    case BPF.SUB:
      return a - operand;
    case BPF.MUL:
      return Math.imul(a, operand);
    case BPF.DIV:
      return Math.floor(a / operand);
    case BPF.OR:
      return a | operand;
    case BPF.AND:
      return a & operand;
    // a register's value counts modulo 32
    case BPF.LSH:
      return a << (operand & 31);
    case BPF.RSH:
      return a >>> (operand & 31);
    case BPF.XOR:
      return a ^ operand;
    default:
      return -a;
  }
}

function holds(condition: number, a: number, operand: number): boolean {
  switch (condition) {
    case BPF.JEQ:
      return a === operand;
    case BPF.JGT:
      return a > operand;
    case BPF.JGE:
      return a >= operand;
    default:
      return (a & operand) !== 0;
  }
}
