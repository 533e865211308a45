/**
 * MOVS, CMPS, SCAS, LODS, STOS, INS and OUTS with their repeat prefixes.
 *
 * Each iteration commits its registers before the next begins, so a fault in the middle leaves RCX, RSI and RDI where the
 * hardware would, and RIP at the instruction. A repeat is one instruction however long it takes: one call does at most
 * CHUNK iterations and then asks the processor to come back (`cpu.resumeLater`), and with TF set it stops after each one.
 */
import type { Cpu } from "../cpu.ts";
import { arithFlags, LF, lazyOp } from "../flags.ts";
import { ARITH_FLAGS, EFLAGS, GPR, SEG, type SegIndex } from "../layout.ts";
import { type Helper, type Insn, type OperationTable, system } from "../operation.ts";
import { checkPort } from "../system/flags-io.ts";
import { bulkMove, bulkStore } from "./strings-bulk.ts";

const CHUNK = 4096;

type Element = 1 | 2 | 4 | 8;
interface StringOp {
  /** One iteration: memory and flags; it advances the index registers after its last possible fault. */
  readonly step: (cpu: Cpu, insn: Insn, size: Element) => void;
  /** Many forward iterations at once: how many were done, 0 if it cannot. */
  readonly bulk?: (cpu: Cpu, insn: Insn, size: Element, source: SegIndex, count: number) => number;
  readonly uses: "none" | "in" | "out";
  /** CMPS and SCAS end a repeat by ZF. */
  readonly compares: boolean;
}

/** The segment of the source operand: DS unless overridden. */
function sourceSegment(insn: Insn): SegIndex {
  for (const op of insn.ops) if (op.kind === "mem" && op.base === GPR.RSI) return op.seg;
  return SEG.DS;
}

const offsetLow = (cpu: Cpu, insn: Insn, reg: number): number =>
  insn.addrSize === 16 ? cpu.gprLow(reg) & 0xffff : cpu.gprLow(reg);
const offsetHigh = (cpu: Cpu, insn: Insn, reg: number): number => (insn.addrSize === 64 ? cpu.gprHigh(reg) : 0);

function load(cpu: Cpu, insn: Insn, seg: SegIndex, reg: number, size: Element): number {
  return cpu.loadSeg(seg, offsetLow(cpu, insn, reg), offsetHigh(cpu, insn, reg), size);
}

/** The flags of left - right. */
function compare(cpu: Cpu, size: Element, left: number, leftHigh: number, right: number, rightHigh: number): void {
  const low = (left - right) | 0;
  const borrow = left >>> 0 < right >>> 0 ? 1 : 0;
  const high = (leftHigh - rightHigh - borrow) | 0;
  const op = lazyOp(LF.SUB, (size * 8) as 8);
  cpu.setArithFlags(arithFlags(op, low, high, left, leftHigh, right, rightHigh), ARITH_FLAGS);
}

function store(cpu: Cpu, insn: Insn, size: Element, low: number, high: number): void {
  cpu.storeSeg(SEG.ES, offsetLow(cpu, insn, GPR.RDI), offsetHigh(cpu, insn, GPR.RDI), size, low, high);
}

/** Adds a signed amount to an index or count register at the address size. */
function advance(cpu: Cpu, insn: Insn, reg: number, amount: number): void {
  const low = cpu.gprLow(reg);
  const sum = low + amount;
  if (insn.addrSize !== 64) {
    cpu.writeReg(reg, insn.addrSize, sum | 0);
    return;
  }
  const unsigned = (low >>> 0) + amount;
  const carry = unsigned > 0xffff_ffff ? 1 : unsigned < 0 ? -1 : 0;
  cpu.setGprHalves(reg, sum | 0, (cpu.gprHigh(reg) + carry) | 0);
}

const stride = (cpu: Cpu, size: Element): number => (cpu.getFlags() & EFLAGS.DF ? -size : size);

const movs: StringOp = {
  uses: "none",
  compares: false,
  step(cpu, insn, size) {
    const low = load(cpu, insn, sourceSegment(insn), GPR.RSI, size);
    store(cpu, insn, size, low, cpu.high);
    const by = stride(cpu, size);
    advance(cpu, insn, GPR.RSI, by);
    advance(cpu, insn, GPR.RDI, by);
  },
  bulk: bulkMove,
};

const stos: StringOp = {
  uses: "none",
  compares: false,
  step(cpu, insn, size) {
    store(cpu, insn, size, cpu.gprLow(GPR.RAX), cpu.gprHigh(GPR.RAX));
    advance(cpu, insn, GPR.RDI, stride(cpu, size));
  },
  bulk: bulkStore,
};

const lods: StringOp = {
  uses: "none",
  compares: false,
  step(cpu, insn, size) {
    const low = load(cpu, insn, sourceSegment(insn), GPR.RSI, size);
    cpu.writeReg(GPR.RAX, (size * 8) as 8, low, cpu.high);
    advance(cpu, insn, GPR.RSI, stride(cpu, size));
  },
};

const cmps: StringOp = {
  uses: "none",
  compares: true,
  step(cpu, insn, size) {
    // Where both would fault, the destination's fault is the one that is seen.
    const right = load(cpu, insn, SEG.ES, GPR.RDI, size);
    const rightHigh = cpu.high;
    const left = load(cpu, insn, sourceSegment(insn), GPR.RSI, size);
    compare(cpu, size, left, cpu.high, right, rightHigh);
    const by = stride(cpu, size);
    advance(cpu, insn, GPR.RSI, by);
    advance(cpu, insn, GPR.RDI, by);
  },
};

const scas: StringOp = {
  uses: "none",
  compares: true,
  step(cpu, insn, size) {
    const right = load(cpu, insn, SEG.ES, GPR.RDI, size);
    compare(cpu, size, cpu.gprLow(GPR.RAX), cpu.gprHigh(GPR.RAX), right, cpu.high);
    advance(cpu, insn, GPR.RDI, stride(cpu, size));
  },
};

const ins: StringOp = {
  uses: "in",
  compares: false,
  step(cpu, insn, size) {
    const port = cpu.readReg(GPR.RDX, 16);
    cpu.checkSeg(SEG.ES, offsetLow(cpu, insn, GPR.RDI), offsetHigh(cpu, insn, GPR.RDI), size, true);
    store(cpu, insn, size, cpu.readPort(port, size as 1 | 2 | 4), 0);
    advance(cpu, insn, GPR.RDI, stride(cpu, size));
  },
};

const outs: StringOp = {
  uses: "out",
  compares: false,
  step(cpu, insn, size) {
    const low = load(cpu, insn, sourceSegment(insn), GPR.RSI, size);
    cpu.writePort(cpu.readReg(GPR.RDX, 16), size as 1 | 2 | 4, low);
    advance(cpu, insn, GPR.RSI, stride(cpu, size));
  },
};

/** The count register is zero at the address size. */
function countIsZero(cpu: Cpu, insn: Insn): boolean {
  if (insn.addrSize === 16) return (cpu.gprLow(GPR.RCX) & 0xffff) === 0;
  return cpu.gprLow(GPR.RCX) === 0 && (insn.addrSize === 32 || cpu.gprHigh(GPR.RCX) === 0);
}

/** What is left to do, capped at `limit`. */
function countUpTo(cpu: Cpu, insn: Insn, limit: number): number {
  if (insn.addrSize === 64 && cpu.gprHigh(GPR.RCX) !== 0) return limit;
  const count = insn.addrSize === 16 ? cpu.gprLow(GPR.RCX) & 0xffff : cpu.gprLow(GPR.RCX) >>> 0;
  return Math.min(count, limit);
}

/** True when the compare's ZF ends the repeat. */
function comparisonEnds(cpu: Cpu, insn: Insn): boolean {
  const zero = (cpu.getFlags() & EFLAGS.ZF) !== 0;
  return insn.repne ? zero : !zero;
}

/** Intel's fast strings begin by cutting counter and pointers to 32 bits, even if there is nothing to do or the first access faults. */
function shorten(cpu: Cpu, op: StringOp): void {
  const registers = op === movs ? [GPR.RCX, GPR.RSI, GPR.RDI] : op === stos ? [GPR.RCX, GPR.RDI] : [GPR.RCX];
  for (const reg of registers) cpu.setGprHalves(reg, cpu.gprLow(reg), 0);
}

function repeat(cpu: Cpu, insn: Insn, op: StringOp, size: Element): void {
  const flags = cpu.getFlags();
  if (insn.bits === 64 && insn.addrSize === 32 && cpu.model.vendor === "intel") shorten(cpu, op);
  let left = countUpTo(cpu, insn, flags & EFLAGS.TF ? 1 : CHUNK);
  if (left === 0) return;
  if (op.bulk && left > 4 && !(flags & EFLAGS.DF)) {
    const done = op.bulk(cpu, insn, size, sourceSegment(insn), left);
    if (done > 0) {
      if (op === movs) advance(cpu, insn, GPR.RSI, done * size);
      advance(cpu, insn, GPR.RDI, done * size);
      advance(cpu, insn, GPR.RCX, -done);
      left = 0;
    }
  }
  try {
    for (; left > 0 && !cpu.watches.pending; left--) {
      op.step(cpu, insn, size);
      advance(cpu, insn, GPR.RCX, -1);
      if (op.compares && comparisonEnds(cpu, insn)) return;
    }
  } catch (fault) {
    // SDM: a page fault of CMPS and SCAS under REPNE restores EFLAGS. Under REPE it does not.
    if (insn.repne && op.compares) cpu.setArithFlags(flags);
    throw fault;
  }
  if (!countIsZero(cpu, insn)) cpu.resumeLater(insn);
}

function stringHelper(op: StringOp, size: Element): Helper {
  return (cpu, insn) => {
    if (op.uses !== "none") checkPort(cpu, cpu.readReg(GPR.RDX, 16), size);
    if (insn.rep || insn.repne) repeat(cpu, insn, op, size);
    else op.step(cpu, insn, size);
  };
}

/** RIP may stay at a repeat, hence `system`. */
const table = (op: StringOp, names: Readonly<Record<string, Element>>): OperationTable =>
  Object.fromEntries(Object.entries(names).map(([name, size]) => [name, system(stringHelper(op, size))]));

/** MOVSD and CMPSD are string and SSE2 instructions under one name: the operands tell which. */
export const stringMovsd: Helper = stringHelper(movs, 4);
export const stringCmpsd: Helper = stringHelper(cmps, 4);

export const stringOperations: OperationTable = {
  ...table(movs, { Movsb: 1, Movsw: 2, Movsq: 8 }),
  ...table(cmps, { Cmpsb: 1, Cmpsw: 2, Cmpsq: 8 }),
  ...table(scas, { Scasb: 1, Scasw: 2, Scasd: 4, Scasq: 8 }),
  ...table(lods, { Lodsb: 1, Lodsw: 2, Lodsd: 4, Lodsq: 8 }),
  ...table(stos, { Stosb: 1, Stosw: 2, Stosd: 4, Stosq: 8 }),
  ...table(ins, { Insb: 1, Insw: 2, Insd: 4 }),
  ...table(outs, { Outsb: 1, Outsw: 2, Outsd: 4 }),
};
