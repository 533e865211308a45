/**
 * What an operation's body writes to. It hides sizes, segments and modes, and it insists on the project's one rule of bodies:
 * nothing that can fault comes after something that committed. A body that breaks it is a bug, found when it is first lowered.
 */

import type { Condition, LazyKind, OpSize } from "../flags.ts";
import { ARITH_FLAGS, GPR, SEG, type SegIndex } from "../layout.ts";
import { isFlat } from "../mode.ts";
import type { Helper, Insn, Operand } from "../operation.ts";
import { isCanonical } from "../state.ts";
import type { BinaryOp, IrInsn, MemSize, Relation, Space, Statement, Type, UnaryOp, Value } from "./types.ts";

type MemOperand = Extract<Operand, { kind: "mem" }>;

/** A place in memory: address and space, computed once, usable for a load and a store. */
export interface Place {
  readonly address: Value;
  readonly space: Space;
}

const typeOf = (size: OpSize): Type => (size === 64 ? 64 : 32);
const lowMask = (size: OpSize): number => (size === 8 ? 0xff : size === 16 ? 0xffff : -1);

export class IrBuilder {
  readonly insn: Insn;
  readonly mode: number;
  /** CS limit that the code is decoded under. */
  private readonly csLimit: number;
  private readonly statements: Statement[] = [];
  private readonly temps: Type[] = [];
  private committed = false;
  private readonly writable = new Set<string>();
  /** Bit r: register r has been written by this instruction. */
  private writtenRegs = 0;
  private flagsWritten = false;
  private ended = false;

  constructor(insn: Insn, mode: number, csLimit: number) {
    this.insn = insn;
    this.mode = mode;
    this.csLimit = csLimit;
  }

  finish(): IrInsn {
    return { insn: this.insn, statements: this.statements, temps: this.temps };
  }

  private bug(what: string): never {
    throw new Error(`lowering of mnemonic ${this.insn.mnemonic}: ${what}`);
  }

  // --- values

  /** @param low,high halves; 32-bit constants have high = 0. */
  const(size: OpSize, low: number, high = low >> 31): Value {
    if (size === 64) return { op: "const", type: 64, low: low | 0, high: high | 0 };
    return { op: "const", type: 32, low: low & lowMask(size), high: 0 };
  }
  i32(value: number): Value {
    return this.const(32, value);
  }

  reg(reg: number, size: OpSize, highByte = false): Value {
    if (this.writtenRegs & (1 << reg)) this.bug(`reads register ${reg} after writing it`);
    return { op: "reg", type: typeOf(size), reg, size, highByte };
  }

  binary(op: BinaryOp, a: Value, b: Value): Value {
    return { op, type: a.type, a, b };
  }
  unary(op: UnaryOp, a: Value): Value {
    return { op, type: a.type, a };
  }
  add(a: Value, b: Value): Value {
    return this.binary("add", a, b);
  }
  sub(a: Value, b: Value): Value {
    return this.binary("sub", a, b);
  }
  and(a: Value, b: Value): Value {
    return this.binary("and", a, b);
  }
  or(a: Value, b: Value): Value {
    return this.binary("or", a, b);
  }
  xor(a: Value, b: Value): Value {
    return this.binary("xor", a, b);
  }
  shl(a: Value, count: Value): Value {
    return this.binary("shl", a, count);
  }
  shr(a: Value, count: Value): Value {
    return this.binary("shr", a, count);
  }
  sar(a: Value, count: Value): Value {
    return this.binary("sar", a, count);
  }
  not(a: Value): Value {
    return this.unary("not", a);
  }
  compare(relation: Relation, a: Value, b: Value): Value {
    return { op: "compare", type: 32, relation, a, b };
  }
  select(test: Value, a: Value, b: Value): Value {
    return { op: "select", type: a.type, test, a, b };
  }
  isZero(a: Value): Value {
    return this.compare("eq", a, a.type === 64 ? this.const(64, 0) : this.i32(0));
  }
  nonZero(a: Value): Value {
    return this.compare("ne", a, a.type === 64 ? this.const(64, 0) : this.i32(0));
  }
  /** 32-bit value to 64 bits. */
  extend(a: Value, signed: boolean): Value {
    return a.type === 64 ? a : { op: "extend", type: 64, signed, a };
  }
  low(a: Value): Value {
    return a.type === 32 ? a : { op: "low", type: 32, a };
  }
  high(a: Value): Value {
    return { op: "high", type: 32, a };
  }
  /** Cuts a value to `size`, zero-extended in its type. */
  truncate(size: OpSize, a: Value): Value {
    if (size === 64) return a;
    const low = this.low(a);
    return size === 32 ? low : this.and(low, this.i32(lowMask(size)));
  }
  /** A `from`-sized value to `to` bits with its sign. */
  signExtend(from: OpSize, to: OpSize, a: Value): Value {
    let value = this.low(a);
    if (from === 64) return a;
    if (from < 32) value = this.sar(this.shl(value, this.i32(32 - from)), this.i32(32 - from));
    return to === 64 ? this.extend(value, true) : this.truncate(to, value);
  }
  zeroExtend(to: OpSize, a: Value): Value {
    return to === 64 ? this.extend(a, false) : this.low(a);
  }
  /** The top bit of a `size`-sized value, as 0 or 1. */
  signBit(size: OpSize, a: Value): Value {
    if (size === 64) return this.shr(this.high(a), this.i32(31));
    return this.and(this.shr(a, this.i32(size - 1)), this.i32(1));
  }
  condition(cc: Condition): Value {
    if (this.flagsWritten) this.bug("reads flags after writing them");
    return { op: "condition", type: 32, cc };
  }
  /** Bits of EFLAGS as they were before the instruction. */
  eflags(mask: number): Value {
    if (this.flagsWritten) this.bug("reads flags after writing them");
    return { op: "eflags", type: 32, mask };
  }
  carry(): Value {
    return this.eflags(1);
  }

  /** Evaluates a value here and once. */
  let(value: Value): Value {
    if (value.op === "const" || value.op === "temp") return value;
    const temp = this.newTemp(value.type);
    this.push({ op: "let", temp, value });
    return { op: "temp", type: value.type, index: temp };
  }

  private newTemp(type: Type): number {
    this.temps.push(type);
    return this.temps.length - 1;
  }

  private push(statement: Statement): void {
    if (this.ended) this.bug("goes on after its end");
    this.statements.push(statement);
  }

  // --- places

  private space(seg: SegIndex): Space {
    const { bits } = this.insn;
    if (bits === 64) return { kind: "linear", type: 64, seg };
    return isFlat(this.mode, seg) ? { kind: "linear", type: 32, seg } : { kind: "segment", seg };
  }

  /** Offset of a memory operand in its segment, in the address size's type. */
  effectiveAddress(op: MemOperand): Value {
    const wide = this.insn.addrSize === 64;
    const size: OpSize = wide ? 64 : 32;
    let sum: Value | undefined;
    if (op.base >= 0) sum = this.reg(op.base, size);
    if (op.index >= 0) {
      const shift = op.scale === 8 ? 3 : op.scale >> 1;
      const index = this.reg(op.index, size);
      const scaled = shift === 0 ? index : this.shl(index, this.i32(shift));
      sum = sum ? this.add(sum, scaled) : scaled;
    }
    if (!sum) return this.const(size, op.dispLow, op.dispHigh);
    if (op.dispLow !== 0 || op.dispHigh !== 0) sum = this.add(sum, this.const(size, op.dispLow, op.dispHigh));
    return this.insn.addrSize === 16 ? this.and(sum, this.i32(0xffff)) : sum;
  }

  /** A place by segment and offset (of any type). */
  placeAt(seg: SegIndex, offset: Value): Place {
    const space = this.space(seg);
    if (this.insn.bits !== 64) return { address: offset, space };
    const wide = this.extend(offset, false);
    if (seg !== SEG.FS && seg !== SEG.GS) return { address: wide, space };
    return { address: this.add(wide, { op: "segbase", type: 64, seg }), space };
  }

  place(op: MemOperand): Place {
    return this.placeAt(op.seg, this.effectiveAddress(op));
  }

  /** Like `place`, the address evaluated once, for a load and a store. */
  fixedPlace(op: MemOperand): Place {
    const { address, space } = this.place(op);
    return { address: this.let(address), space };
  }

  load(place: Place, size: OpSize, forWrite = false): Value {
    if (this.committed) this.bug("loads after a commit");
    const temp = this.newTemp(typeOf(size));
    const { address, space } = place;
    this.push({ op: "load", temp, size: (size >> 3) as MemSize, space, address, forWrite });
    if (forWrite) {
      if (address.op !== "temp" && address.op !== "const") this.bug("loads for write from a place that is not fixed");
      this.writable.add(placeKey(place, size));
    }
    return { op: "temp", type: typeOf(size), index: temp };
  }

  store(place: Place, size: OpSize, value: Value): void {
    if (this.committed && !this.writable.has(placeKey(place, size))) this.bug("stores after a commit");
    const { address, space } = place;
    this.push({ op: "store", size: (size >> 3) as MemSize, space, address, value });
    this.committed = true;
  }

  // --- operands

  operand(i: number): Operand {
    return this.insn.ops[i] ?? this.bug(`has no operand ${i}`);
  }

  /** Bits of a register, memory or immediate operand. */
  sizeOf(i: number): OpSize {
    const op = this.operand(i);
    if (op.kind === "reg" || op.kind === "imm") return op.size;
    if (op.kind === "mem" && (op.size === 1 || op.size === 2 || op.size === 4 || op.size === 8))
      return (op.size * 8) as OpSize;
    return this.bug(`operand ${i} has no plain size`);
  }

  read(i: number): Value {
    const op = this.operand(i);
    if (op.kind === "reg") return this.reg(op.reg, op.size, op.high);
    if (op.kind === "imm") return this.const(op.size, op.low, op.high);
    if (op.kind === "mem") return this.load(this.place(op), this.sizeOf(i));
    return this.bug(`operand ${i} has no plain value`);
  }

  /** Reads an operand that `write` of the result will change. */
  modify(i: number): { readonly value: Value; write(result: Value): void } {
    const op = this.operand(i);
    const size = this.sizeOf(i);
    if (op.kind === "mem") {
      const place = this.fixedPlace(op);
      const value = this.load(place, size, true);
      return { value, write: (result) => this.store(place, size, result) };
    }
    return { value: this.read(i), write: (result) => this.write(i, result) };
  }

  write(i: number, value: Value): void {
    const op = this.operand(i);
    if (op.kind === "reg") this.setReg(op.reg, op.size, value, op.high);
    else if (op.kind === "mem") this.store(this.place(op), this.sizeOf(i), value);
    else this.bug(`operand ${i} cannot be written`);
  }

  // --- commits

  setReg(reg: number, size: OpSize, value: Value, highByte = false): void {
    this.push({ op: "setreg", reg, size, highByte, value });
    this.writtenRegs |= 1 << reg;
    this.committed = true;
  }

  /** Lazy flags; values zero-extended from `size`. Write them before the registers that they are computed from. */
  setFlags(
    kind: LazyKind,
    size: OpSize,
    result: Value,
    a: Value,
    b: Value,
    mask: number = ARITH_FLAGS,
    when?: Value,
  ): void {
    this.push({ op: "flags", kind, size, result, a, b, mask, when });
    this.flagsWritten = true;
    this.committed = true;
  }

  /** EFLAGS bits by value. */
  setFlagBits(mask: number, value: Value, when?: Value): void {
    this.push({ op: "flagbits", mask, value, when });
    this.flagsWritten = true;
    this.committed = true;
  }

  // --- the stack

  get stackType(): OpSize {
    return this.insn.stackSize === 64 ? 64 : 32;
  }
  /** The stack pointer plus `delta`, wrapped to the stack's width. */
  stackPointer(delta: number): Value {
    const { stackSize } = this.insn;
    const type = this.stackType;
    const old = this.reg(GPR.RSP, type);
    const moved = delta === 0 ? old : this.add(old, this.const(type, delta));
    return stackSize === 16 ? this.and(moved, this.i32(0xffff)) : moved;
  }
  stackPlace(pointer: Value): Place {
    return this.placeAt(SEG.SS, pointer);
  }
  setStackPointer(pointer: Value): void {
    this.setReg(GPR.RSP, this.insn.stackSize, pointer);
  }
  /** A whole push: check and store, then move the pointer. */
  pushValue(size: OpSize, value: Value): void {
    const pointer = this.let(this.stackPointer(-(size >> 3)));
    this.store(this.stackPlace(pointer), size, value);
    this.setStackPointer(pointer);
  }

  // --- control

  /** The address of the next instruction, as halves. */
  nextIp(): { readonly low: number; readonly high: number } {
    const { ipLow, ipHigh, length, bits } = this.insn;
    const sum = (ipLow >>> 0) + length;
    return { low: sum | 0, high: bits === 64 ? (ipHigh + (sum > 0xffff_ffff ? 1 : 0)) | 0 : 0 };
  }
  /** Is a branch target surely inside CS, or canonical? */
  reaches(low: number, high: number): boolean {
    return this.insn.bits === 64 ? isCanonical(high) : low >>> 0 <= this.csLimit;
  }
  /** `pushed`: a call's, which has written its return address. */
  checkTarget(target: Value, pushed = false): void {
    if (this.committed && !pushed) this.bug("checks a target after a commit");
    if (this.insn.bits !== 64 && this.csLimit === 0xffff_ffff) return;
    this.push({ op: "checktarget", target });
  }
  jump(target: Value, test?: Value): void {
    this.push({ op: "jump", target, test });
    this.ended = true;
  }
  helper(helper: Helper, ends: boolean): void {
    if (this.committed) this.bug("calls a helper after a commit");
    this.push({ op: "helper", helper, ends });
    this.committed = true;
  }
}

/** The same place in the same instruction: by identity of its parts. */
function placeKey({ address, space }: Place, size: OpSize): string {
  const where =
    address.op === "temp" ? `t${address.index}` : address.op === "const" ? `c${address.low},${address.high}` : "other";
  return `${where}/${space.kind}${space.seg}/${size}`;
}
