/** MUL, IMUL, DIV, IDIV and MULX: exact at every size, without BigInt wherever 53 bits are enough. */
import type { Cpu } from "../cpu.ts";
import { Fault, VECTOR } from "../fault.ts";
import { parity } from "../flags.ts";
import { ARITH_FLAGS, EFLAGS, GPR } from "../layout.ts";
import { computed, type Insn, type Operation, type OperationTable } from "../operation.ts";
import { big, bigHigh, bigLow, type OpSize, sizeOf } from "./implied.ts";

/** CF and OF say whether the upper half matters. SF and PF follow the low half, ZF and AF are clear: undefined, but constant. */
function setProductFlags(cpu: Cpu, overflow: boolean, low: number, negative: boolean): void {
  cpu.setArithFlags(
    (overflow ? EFLAGS.CF | EFLAGS.OF : 0) | (parity(low) << 2) | (negative ? EFLAGS.SF : 0),
    ARITH_FLAGS,
  );
}

/** Upper 32 bits of an unsigned 32x32 product. */
export function mulHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const mid = ah * bl + ((al * bl) >>> 16);
  const mid2 = (mid % 0x10000) + al * bh;
  return (ah * bh + Math.floor(mid / 0x10000) + Math.floor(mid2 / 0x10000)) | 0;
}

/** Upper 32 bits of a signed 32x32 product. */
const imulHigh = (a: number, b: number): number => (mulHigh(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0)) | 0;

const signed = (value: number, size: OpSize): number =>
  size === 8 ? (value << 24) >> 24 : size === 16 ? (value << 16) >> 16 : value | 0;

/** One-operand product: into AX, DX:AX, EDX:EAX or RDX:RAX. */
function widen(cpu: Cpu, insn: Insn, isSigned: boolean): void {
  const size = sizeOf(insn, 0);
  const low = cpu.readOp(insn, 0);
  if (size === 64) {
    widen64(cpu, big(low, cpu.high), isSigned);
    return;
  }
  if (size === 32) {
    const a = cpu.gprLow(GPR.RAX);
    const result = Math.imul(a, low);
    const high = isSigned ? imulHigh(a, low | 0) : mulHigh(a, low);
    cpu.writeReg(GPR.RAX, 32, result);
    cpu.writeReg(GPR.RDX, 32, high);
    setProductFlags(cpu, isSigned ? high !== result >> 31 : high !== 0, result, result < 0);
    return;
  }
  const a = cpu.readReg(GPR.RAX, size);
  const product = isSigned ? signed(a, size) * signed(low, size) : a * (low & (size === 8 ? 0xff : 0xffff));
  const kept = isSigned ? signed(product, size) : product & (size === 8 ? 0xff : 0xffff);
  if (size === 8) cpu.writeReg(GPR.RAX, 16, product);
  else {
    cpu.writeReg(GPR.RAX, 16, product);
    cpu.writeReg(GPR.RDX, 16, product >> 16);
  }
  setProductFlags(cpu, kept !== product, product, signed(product, size) < 0);
}

function widen64(cpu: Cpu, operand: bigint, isSigned: boolean): void {
  const a = cpu.gpr(GPR.RAX);
  const product = isSigned ? BigInt.asIntN(64, a) * BigInt.asIntN(64, operand) : a * operand;
  const kept = isSigned ? BigInt.asIntN(64, product) : BigInt.asUintN(64, product);
  cpu.setGpr(GPR.RAX, product);
  cpu.setGpr(GPR.RDX, product >> 64n);
  setProductFlags(cpu, kept !== product, bigLow(product), BigInt.asIntN(64, product) < 0n);
}

/** IMUL with a destination operand: ops are (dst, src) or (dst, src, imm). */
function imul(cpu: Cpu, insn: Insn): void {
  if (insn.ops.length === 1) {
    widen(cpu, insn, true);
    return;
  }
  const first = insn.ops.length === 3 ? 1 : 0;
  const size = sizeOf(insn, 0);
  const a = cpu.readOp(insn, first);
  const aHigh = cpu.high;
  const b = cpu.readOp(insn, first + 1);
  if (size === 64) {
    const product = BigInt.asIntN(64, big(a, aHigh)) * BigInt.asIntN(64, big(b, cpu.high));
    const low = bigLow(product);
    const high = bigHigh(product);
    cpu.writeOp(insn, 0, low, high);
    setProductFlags(cpu, BigInt.asIntN(64, product) !== product, low, high < 0);
    return;
  }
  if (size === 32) {
    const low = Math.imul(a, b);
    const high = imulHigh(a | 0, b | 0);
    cpu.writeOp(insn, 0, low, 0);
    setProductFlags(cpu, high !== low >> 31, low, low < 0);
    return;
  }
  const product = signed(a, 16) * signed(b, 16);
  cpu.writeOp(insn, 0, product & 0xffff, 0);
  setProductFlags(cpu, signed(product, 16) !== product, product, signed(product, 16) < 0);
}

/** MULX hi, lo, src: RDX * src without touching flags. Both destinations equal: the upper half stays. */
function mulx(cpu: Cpu, insn: Insn): void {
  const low = cpu.readOp(insn, 2);
  if (sizeOf(insn, 0) === 64) {
    const product = cpu.gpr(GPR.RDX) * big(low, cpu.high);
    cpu.writeOp(insn, 1, bigLow(product), bigHigh(product));
    cpu.writeOp(insn, 0, bigLow(product >> 64n), bigHigh(product >> 64n));
    return;
  }
  const a = cpu.gprLow(GPR.RDX);
  const high = mulHigh(a, low);
  cpu.writeOp(insn, 1, Math.imul(a, low), 0);
  cpu.writeOp(insn, 0, high, 0);
}

const divideByZero = () => new Fault(VECTOR.DE, 0, "division by zero");
const quotientTooLarge = (size: OpSize) => new Fault(VECTOR.DE, 0, `the quotient does not fit in ${size} bits`);

function commit(cpu: Cpu, size: 16 | 32, quotient: number, remainder: number): void {
  cpu.writeReg(GPR.RAX, size, quotient | 0);
  cpu.writeReg(GPR.RDX, size, remainder | 0);
}

function commit8(cpu: Cpu, quotient: number, remainder: number): void {
  cpu.writeReg(GPR.RAX, 16, (quotient & 0xff) | ((remainder & 0xff) << 8));
}

function div(cpu: Cpu, insn: Insn): void {
  const size = sizeOf(insn, 0);
  const operand = cpu.readOp(insn, 0);
  if (size === 64) {
    div64(cpu, big(operand, cpu.high));
    return;
  }
  const divisor = size === 8 ? operand & 0xff : size === 16 ? operand & 0xffff : operand >>> 0;
  if (divisor === 0) throw divideByZero();
  if (size === 32) {
    div32(cpu, divisor);
    return;
  }
  const dividend =
    size === 8 ? cpu.readReg(GPR.RAX, 16) : cpu.readReg(GPR.RDX, 16) * 0x10000 + cpu.readReg(GPR.RAX, 16);
  const quotient = Math.floor(dividend / divisor);
  if (quotient >= 2 ** size) throw quotientTooLarge(size);
  const remainder = dividend - quotient * divisor;
  if (size === 8) commit8(cpu, quotient, remainder);
  else commit(cpu, 16, quotient, remainder);
}

function div32(cpu: Cpu, divisor: number): void {
  const low = cpu.gprLow(GPR.RAX);
  const high = cpu.gprLow(GPR.RDX) >>> 0;
  if (high >= divisor) throw quotientTooLarge(32);
  if (high < 0x200000) {
    const dividend = high * 0x1_0000_0000 + (low >>> 0);
    const quotient = Math.floor(dividend / divisor);
    commit(cpu, 32, quotient, dividend - quotient * divisor);
    return;
  }
  const dividend = big(low, high);
  commit(cpu, 32, bigLow(dividend / BigInt(divisor)), bigLow(dividend % BigInt(divisor)));
}

function div64(cpu: Cpu, divisor: bigint): void {
  if (divisor === 0n) throw divideByZero();
  const high = cpu.gpr(GPR.RDX);
  if (high >= divisor) throw quotientTooLarge(64);
  const dividend = (high << 64n) | cpu.gpr(GPR.RAX);
  cpu.setGpr(GPR.RAX, dividend / divisor);
  cpu.setGpr(GPR.RDX, dividend % divisor);
}

function idiv(cpu: Cpu, insn: Insn): void {
  const size = sizeOf(insn, 0);
  const operand = cpu.readOp(insn, 0);
  if (size === 64) {
    idiv64(cpu, BigInt.asIntN(64, big(operand, cpu.high)));
    return;
  }
  const divisor = signed(operand, size);
  if (divisor === 0) throw divideByZero();
  if (size === 32) {
    idiv32(cpu, divisor);
    return;
  }
  const dividend =
    size === 8 ? signed(cpu.readReg(GPR.RAX, 16), 16) : (cpu.readReg(GPR.RDX, 16) << 16) | cpu.readReg(GPR.RAX, 16);
  const quotient = Math.trunc(dividend / divisor);
  if (quotient !== signed(quotient, size)) throw quotientTooLarge(size);
  const remainder = dividend - quotient * divisor;
  if (size === 8) commit8(cpu, quotient, remainder);
  else commit(cpu, 16, quotient, remainder);
}

function idiv32(cpu: Cpu, divisor: number): void {
  const low = cpu.gprLow(GPR.RAX);
  const high = cpu.gprLow(GPR.RDX);
  if (high >= -0x100000 && high < 0x100000) {
    const dividend = high * 0x1_0000_0000 + (low >>> 0);
    const quotient = Math.trunc(dividend / divisor);
    if (quotient !== (quotient | 0)) throw quotientTooLarge(32);
    commit(cpu, 32, quotient, dividend - quotient * divisor);
    return;
  }
  const dividend = BigInt.asIntN(64, big(low, high));
  const quotient = dividend / BigInt(divisor);
  if (quotient !== BigInt.asIntN(32, quotient)) throw quotientTooLarge(32);
  commit(cpu, 32, Number(quotient), Number(dividend % BigInt(divisor)));
}

function idiv64(cpu: Cpu, divisor: bigint): void {
  if (divisor === 0n) throw divideByZero();
  const dividend = (BigInt.asIntN(64, cpu.gpr(GPR.RDX)) << 64n) | cpu.gpr(GPR.RAX);
  const quotient = dividend / divisor;
  if (quotient !== BigInt.asIntN(64, quotient)) throw quotientTooLarge(64);
  cpu.setGpr(GPR.RAX, quotient);
  cpu.setGpr(GPR.RDX, dividend % divisor);
}

/** ADCX and ADOX: two chains of carries, one in CF and one in OF; no other flag changes. */
const addWithFlag = (flag: number): Operation =>
  computed((cpu, insn) => {
    const low = cpu.readOp(insn, 1);
    const high = cpu.high;
    const target = cpu.readOp(insn, 0);
    const wide = sizeOf(insn, 0) === 64;
    const first = (low >>> 0) + (target >>> 0) + (cpu.getFlags() & flag ? 1 : 0);
    const second = wide ? (high >>> 0) + (cpu.high >>> 0) + (first > 0xffff_ffff ? 1 : 0) : 0;
    cpu.setArithFlags((wide ? second : first) > 0xffff_ffff ? flag : 0, flag);
    cpu.writeOp(insn, 0, first | 0, second | 0);
  });

export const mulDivOperations: OperationTable = {
  Adcx: addWithFlag(EFLAGS.CF),
  Adox: addWithFlag(EFLAGS.OF),
  Mul: computed((cpu, insn) => widen(cpu, insn, false)),
  Imul: computed(imul),
  Mulx: computed(mulx),
  Div: computed(div),
  Idiv: computed(idiv),
};
