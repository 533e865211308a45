/** What fits no other group: ENTER, PUSHA and POPA, CMPXCHG8B/16B, direct stores, CRC32, hints and fences. */
import type { Cpu } from "../cpu.ts";
import { gp } from "../fault.ts";
import { EFLAGS, GPR, SEG } from "../layout.ts";
import { computed, type Insn, type Operation, type OperationTable } from "../operation.ts";
import { checkBlock, loadBig, storeBig } from "./block-memory.ts";
import { big, bigHigh, bigLow, sizeOf } from "./implied.ts";

type StackUnit = 2 | 4 | 8;

/** Runs a sequence of stack accesses; a fault puts RSP back. */
function restoringStack(cpu: Cpu, body: () => void): void {
  const low = cpu.gprLow(GPR.RSP);
  const high = cpu.gprHigh(GPR.RSP);
  try {
    body();
  } catch (fault) {
    cpu.setGprHalves(GPR.RSP, low, high);
    throw fault;
  }
}

/** Checks `count` pushes of `unit` bytes without doing them. */
function checkPushes(cpu: Cpu, unit: StackUnit, count: number): void {
  for (let i = 1; i <= count; i++) {
    const low = cpu.stackOffset(-unit * i);
    cpu.checkSeg(SEG.SS, low, cpu.high, unit, true);
  }
}

/** ENTER size, level: copies level - 1 frame pointers from the enclosing frames. */
function enter(cpu: Cpu, insn: Insn): void {
  const size = cpu.readOp(insn, 0) & 0xffff;
  const level = cpu.readOp(insn, 1) & 31;
  const unit = (insn.opSize >> 3) as StackUnit;
  checkPushes(cpu, unit, level === 0 ? 1 : level + 1);
  restoringStack(cpu, () => {
    cpu.push(unit, cpu.gprLow(GPR.RBP), cpu.gprHigh(GPR.RBP));
    const frameLow = cpu.gprLow(GPR.RSP);
    const frameHigh = cpu.gprHigh(GPR.RSP);
    for (let i = 1; i < level; i++) {
      const at = frameOffset(cpu, -unit * i);
      const value = cpu.loadSeg(SEG.SS, at, cpu.high, unit);
      cpu.push(unit, value, unit === 8 ? cpu.high : 0);
    }
    if (level > 0) cpu.push(unit, frameLow, frameHigh);
    const low = cpu.stackOffset(-size);
    const high = cpu.high;
    // The new top of stack must be writable, though nothing is written there.
    cpu.checkSeg(SEG.SS, low, high, unit, true);
    // A 32-bit ENTER on a 16-bit stack copies all of ESP (measured).
    cpu.writeReg(GPR.RBP, insn.opSize === 32 ? 32 : cpu.stackBits(), frameLow, frameHigh);
    cpu.setStackPointer(low, high);
  });
}

/** RBP + delta at the stack's width: low half, cpu.high the second. */
function frameOffset(cpu: Cpu, delta: number): number {
  const bits = cpu.stackBits();
  const low = cpu.gprLow(GPR.RBP);
  const sum = (low + delta) | 0;
  cpu.high = bits === 64 ? (cpu.gprHigh(GPR.RBP) - (sum >>> 0 > low >>> 0 ? 1 : 0)) | 0 : 0;
  return bits === 16 ? sum & 0xffff : sum;
}

const pushAll = (unit: 2 | 4): Operation =>
  computed((cpu) => {
    checkPushes(cpu, unit, 8);
    const original = cpu.gprLow(GPR.RSP);
    for (let reg = 0; reg < 8; reg++) cpu.push(unit, reg === GPR.RSP ? original : cpu.gprLow(reg));
  });

const popAll = (unit: 2 | 4): Operation =>
  computed((cpu) => {
    const values: number[] = [];
    restoringStack(cpu, () => {
      for (let i = 0; i < 8; i++) values.push(cpu.pop(unit));
    });
    values.reverse().forEach((value, reg) => {
      if (reg !== GPR.RSP) cpu.writeReg(reg, (unit * 8) as 16 | 32, value | 0);
    });
  });

const setZero = (cpu: Cpu, zero: boolean): void => cpu.setArithFlags(zero ? EFLAGS.ZF : 0, EFLAGS.ZF);

/** The 64-bit operand is always written: with the old value when the comparison fails. */
function compareExchange8(cpu: Cpu, insn: Insn): void {
  const op = insn.ops[0]!;
  if (op.kind !== "mem") throw new Error("CMPXCHG8B takes memory");
  const at = cpu.effectiveAddress(insn, 0);
  const atHigh = cpu.high;
  const low = cpu.loadSegForWrite(op.seg, at, atHigh, 8);
  const high = cpu.high;
  const equal = low === cpu.gprLow(GPR.RAX) && high === cpu.gprLow(GPR.RDX);
  if (equal) cpu.storeSeg(op.seg, at, atHigh, 8, cpu.gprLow(GPR.RBX), cpu.gprLow(GPR.RCX));
  else {
    cpu.storeSeg(op.seg, at, atHigh, 8, low, high);
    cpu.setGprHalves(GPR.RAX, low, 0);
    cpu.setGprHalves(GPR.RDX, high, 0);
  }
  setZero(cpu, equal);
}

function compareExchange16(cpu: Cpu, insn: Insn): void {
  const op = insn.ops[0]!;
  if (op.kind !== "mem") throw new Error("CMPXCHG16B takes memory");
  const at = cpu.effectiveAddress(insn, 0);
  const atHigh = cpu.high;
  const base = op.seg < SEG.FS ? 0 : cpu.segBase(op.seg);
  if ((at + (base | 0)) & 15) throw gp(0, "CMPXCHG16B operand not on a 16-byte boundary");
  cpu.checkSeg(op.seg, at, atHigh, 16, true);
  const low = loadBig(cpu, insn, 0);
  const high = loadBig(cpu, insn, 8);
  const equal = low === cpu.gpr(GPR.RAX) && high === cpu.gpr(GPR.RDX);
  storeBig(cpu, insn, 0, equal ? cpu.gpr(GPR.RBX) : low);
  storeBig(cpu, insn, 8, equal ? cpu.gpr(GPR.RCX) : high);
  if (!equal) {
    cpu.setGpr(GPR.RAX, low);
    cpu.setGpr(GPR.RDX, high);
  }
  setZero(cpu, equal);
}

/** CRC-32C, bit-reflected. */
const CASTAGNOLI = 0x82f63b78;
function crcByte(crc: number, byte: number): number {
  let value = crc ^ byte;
  for (let i = 0; i < 8; i++) value = (value >>> 1) ^ (value & 1 ? CASTAGNOLI : 0);
  return value;
}

function crc32(cpu: Cpu, insn: Insn): void {
  const bytes = sizeOf(insn, 1) / 8;
  const low = cpu.readOp(insn, 1);
  const source = big(low, cpu.high);
  let crc = cpu.readOp(insn, 0) | 0;
  for (let i = 0; i < bytes; i++) crc = crcByte(crc, Number((source >> BigInt(i * 8)) & 0xffn));
  cpu.writeOp(insn, 0, crc, 0);
}

/** Sixty-four bytes from memory to ES:register, which is a 64-byte boundary. */
function moveDirect64(cpu: Cpu, insn: Insn): void {
  const target = insn.ops[0]!;
  if (target.kind !== "reg") throw new Error("MOVDIR64B names its destination by a register");
  const low = cpu.readReg(target.reg, insn.addrSize);
  const high = cpu.high;
  const base = insn.bits === 64 ? 0 : cpu.segBase(SEG.ES);
  if ((low + (base | 0)) & 63) throw gp(0, "MOVDIR64B destination not on a 64-byte boundary");
  const words: bigint[] = [];
  checkBlock(cpu, insn, 1, 64, false);
  for (let by = 0; by < 64; by += 8) words.push(loadBig(cpu, insn, by, 1));
  cpu.checkSeg(SEG.ES, low, high, 64, true);
  words.forEach((word, i) => void cpu.storeSeg(SEG.ES, (low + i * 8) | 0, high, 8, bigLow(word), bigHigh(word)));
}

const moveDirect = computed((cpu, insn) => {
  const low = cpu.readOp(insn, 1);
  cpu.writeOp(insn, 0, low, cpu.high);
});

const nothing: Operation = computed(() => {});

export const miscOperations: OperationTable = {
  Enter: computed(enter),
  Pusha: pushAll(2),
  Pushad: pushAll(4),
  Popa: popAll(2),
  Popad: popAll(4),
  Cmpxchg8b: computed(compareExchange8),
  Cmpxchg16b: computed(compareExchange16),
  Movnti: moveDirect,
  Movdiri: moveDirect,
  Movdir64b: computed(moveDirect64),
  Crc32: computed(crc32),
  // Hints and orderings: there are no caches, and every access completes in program order.
  Pause: nothing,
  Lfence: nothing,
  Sfence: nothing,
  Mfence: nothing,
  Prefetch: nothing,
  Prefetchw: nothing,
  Prefetchwt1: nothing,
  Prefetchnta: nothing,
  Prefetcht0: nothing,
  Prefetcht1: nothing,
  Prefetcht2: nothing,
  // These two are NOPs where they are no hints.
  Prefetchit0: nothing,
  Prefetchit1: nothing,
  Cldemote: nothing,
  Reservednop: nothing,
  // Without CET they are NOPs.
  Rdsspd: nothing,
  Rdsspq: nothing,
  Endbr32: nothing,
  Endbr64: nothing,
};
