/**
 * Accesses as instructions make them: through a segment register, with limit, type, canonical and alignment checks; operands; the
 * stack. Both tiers' slow paths and all helpers come through here.
 */
import { Fault, gp, ss, VECTOR } from "./fault.ts";
import { GPR, OFF, SEG, SEG_STRIDE, SEGF, type SegIndex } from "./layout.ts";
import { Mmu } from "./mmu.ts";
import { MODE } from "./mode.ts";
import type { Insn, Operand } from "./operation.ts";
import { ACCESS } from "./paging.ts";
import type { AccessSize } from "./phys.ts";
import { isCanonical } from "./state.ts";

const SEG_NAMES = ["ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"];
type MemOperand = Extract<Operand, { kind: "mem" }>;

/** #SS for the stack segment, #GP for the others. */
const segmentFault = (seg: SegIndex, why: string): Fault => (seg === SEG.SS ? ss(0, why) : gp(0, why));

export class SegmentedMemory extends Mmu {
  /** The present mode key (mode.ts); also in the state at OFF.MODE. */
  mode = 0;
  /** Linear address of the last `linear()` call, high half; the low half is its result. */
  protected linearHigh = 0;

  get in64(): boolean {
    return (this.mode & MODE.CODE) === 2;
  }

  protected override wrapsAt4G(): boolean {
    return (this.mode & MODE.CODE) !== 2;
  }

  /** Privilege of an explicit access. */
  protected dataAccess(): number {
    return this.get32(OFF.CPL) === 3 ? ACCESS.USER : 0;
  }

  /**
   * Segment offset to linear address after all checks but paging; `linearHigh` is the second half. `align`: bytes that the address must
   * be a multiple of where alignment is checked.
   */
  protected linear(
    seg: SegIndex,
    offLow: number,
    offHigh: number,
    size: number,
    write: boolean,
    align: number,
  ): number {
    return this.in64 ? this.linear64(seg, offLow, offHigh, align) : this.linear32(seg, offLow, size, write, align);
  }

  private linear64(seg: SegIndex, offLow: number, offHigh: number, align: number): number {
    let low = offLow;
    let high = offHigh;
    if (seg === SEG.FS || seg === SEG.GS) {
      const at = this.base32 + ((OFF.SEG + seg * SEG_STRIDE + SEGF.BASE) >> 2);
      low = (offLow + this.i32[at]!) | 0;
      high = (offHigh + this.i32[at + 1]! + (low >>> 0 < offLow >>> 0 ? 1 : 0)) | 0;
    }
    const sign = high >> 15;
    if (sign !== 0 && sign !== -1) throw segmentFault(seg, "the address is not canonical");
    if (this.mode & MODE.ALIGN) this.checkAlignment(low, align);
    this.linearHigh = high;
    return low;
  }

  private linear32(seg: SegIndex, offset: number, size: number, write: boolean, align: number): number {
    const at = this.base32 + ((OFF.SEG + seg * SEG_STRIDE) >> 2);
    const field = write ? SEGF.WRITE_FIRST >> 2 : SEGF.READ_FIRST >> 2;
    const first = this.u32[at + field]!;
    const last = this.u32[at + field + 1]!;
    const from = offset >>> 0;
    const wraps = first === 0 && last === 0xffff_ffff;
    if (!wraps && (from < first || from + size - 1 > last)) throw this.boundsFault(seg, from, size, write);
    const low = (offset + this.i32[at + (SEGF.BASE >> 2)]!) | 0;
    if (this.mode & MODE.ALIGN) this.checkAlignment(low, align);
    this.linearHigh = 0;
    return low;
  }

  private boundsFault(seg: SegIndex, offset: number, size: number, write: boolean): Fault {
    const what = `${write ? "write of" : "read of"} ${size} byte${size > 1 ? "s" : ""} at offset 0x${offset.toString(16)}`;
    const limit = `limit 0x${this.segLimit(seg).toString(16)}, attributes 0x${this.segAttr(seg).toString(16)}`;
    return segmentFault(
      seg,
      `${what} is outside what ${SEG_NAMES[seg]} permits (selector 0x${this.selector(seg).toString(16)}, ${limit})`,
    );
  }

  protected checkAlignment(low: number, align: number): void {
    if (low & (align - 1))
      throw new Fault(VECTOR.AC, 0, `access not on a ${align}-byte boundary with CR0.AM and EFLAGS.AC set at CPL 3`);
  }

  /** Value at seg:offset: unsigned for 1, 2, 4; for 8 the low half with `high` set. */
  loadSeg(seg: SegIndex, offLow: number, offHigh: number, size: AccessSize, align: number = size): number {
    const low = this.linear(seg, offLow, offHigh, size, false, align);
    return this.readHalves(low, this.linearHigh, size, this.dataAccess());
  }

  storeSeg(
    seg: SegIndex,
    offLow: number,
    offHigh: number,
    size: AccessSize,
    low: number,
    high = 0,
    align: number = size,
  ): void {
    const at = this.linear(seg, offLow, offHigh, size, true, align);
    this.writeHalves(at, this.linearHigh, size, low, high, this.dataAccess());
  }

  /** All checks of an access without doing it. Any size up to a page; blocks of more than eight bytes may lie anywhere. */
  checkSeg(
    seg: SegIndex,
    offLow: number,
    offHigh: number,
    size: number,
    write: boolean,
    align: number = size > 8 ? 1 : size,
  ): void {
    const low = this.linear(seg, offLow, offHigh, size, write, align);
    if (write) this.probeWrite(low, this.linearHigh, size, this.dataAccess());
    else this.probeRead(low, this.linearHigh, size, this.dataAccess());
  }

  /** Load whose bytes will be written back by the same instruction: checked as a write. */
  loadSegForWrite(seg: SegIndex, offLow: number, offHigh: number, size: AccessSize): number {
    const low = this.linear(seg, offLow, offHigh, size, true, size);
    const high = this.linearHigh;
    this.probeWrite(low, high, size, this.dataAccess());
    return this.readHalves(low, high, size, this.dataAccess());
  }

  /** A 64-bit mode access that missed the TLB; the address is linear. */
  slowLoad(seg: SegIndex, low: number, high: number, size: AccessSize, forWrite: boolean): number {
    this.checkLinear(seg, low, high, size);
    if (forWrite) this.probeWrite(low, high, size, this.dataAccess());
    return this.readHalves(low, high, size, this.dataAccess());
  }
  slowStore(seg: SegIndex, low: number, high: number, size: AccessSize, valueLow: number, valueHigh: number): void {
    this.checkLinear(seg, low, high, size);
    this.writeHalves(low, high, size, valueLow, valueHigh, this.dataAccess());
  }
  private checkLinear(seg: SegIndex, low: number, high: number, size: number): void {
    if (!isCanonical(high)) {
      const why = "the address is not canonical";
      throw seg === SEG.SS ? ss(0, why) : gp(0, why);
    }
    if (this.mode & MODE.ALIGN) this.checkAlignment(low, size);
  }

  /** Offset in the segment of a memory operand: low half, `high` the second. Registers as they are now. */
  effectiveAddress(insn: Insn, opIndex: number): number {
    const op = insn.ops[opIndex];
    if (op?.kind !== "mem") throw new Error("operand is not in memory");
    return this.offsetOf(op, insn.addrSize);
  }

  private offsetOf(op: MemOperand, addrSize: 16 | 32 | 64): number {
    const { i32, base32 } = this;
    if (addrSize !== 64) {
      let offset = op.dispLow;
      if (op.base >= 0) offset += i32[base32 + op.base * 2]!;
      if (op.index >= 0) offset += Math.imul(i32[base32 + op.index * 2]!, op.scale);
      this.high = 0;
      return addrSize === 16 ? offset & 0xffff : offset | 0;
    }
    let low = op.dispLow >>> 0;
    let high = op.dispHigh;
    if (op.base >= 0) {
      low += i32[base32 + op.base * 2]! >>> 0;
      high += i32[base32 + op.base * 2 + 1]!;
    }
    if (op.index >= 0) {
      const product = (i32[base32 + op.index * 2]! >>> 0) * op.scale;
      low += product;
      high += Math.imul(i32[base32 + op.index * 2 + 1]!, op.scale);
    }
    this.high = (high + Math.floor(low / 0x1_0000_0000)) | 0;
    return low | 0;
  }

  /** A general register's part: zero-extended; `high` is 0 below 64 bits. */
  readReg(reg: number, size: 8 | 16 | 32 | 64, highByte = false): number {
    const low = this.i32[this.base32 + reg * 2]!;
    this.high = size === 64 ? this.i32[this.base32 + reg * 2 + 1]! : 0;
    if (size === 8) return highByte ? (low >>> 8) & 0xff : low & 0xff;
    return size === 16 ? low & 0xffff : low;
  }

  /** 8- and 16-bit writes keep the rest; 32-bit writes clear the high half. */
  writeReg(reg: number, size: 8 | 16 | 32 | 64, low: number, high = 0, highByte = false): void {
    const { i32 } = this;
    const at = this.base32 + reg * 2;
    if (size === 64 || size === 32) {
      i32[at] = low;
      i32[at + 1] = size === 64 ? high : 0;
    } else if (size === 16) i32[at] = (i32[at]! & ~0xffff) | (low & 0xffff);
    else if (highByte) i32[at] = (i32[at]! & ~0xff00) | ((low & 0xff) << 8);
    else i32[at] = (i32[at]! & ~0xff) | (low & 0xff);
  }

  private memorySize(op: MemOperand, insn: Insn): AccessSize {
    const size = op.size || insn.opSize >> 3;
    if (size !== 1 && size !== 2 && size !== 4 && size !== 8)
      throw new Error(`an operand of ${size} bytes needs its own access`);
    return size;
  }

  /** Any register, memory or immediate operand up to 64 bits: low half, `high` the second. */
  readOp(insn: Insn, i: number): number {
    const op = insn.ops[i]!;
    switch (op.kind) {
      case "reg":
        return this.readReg(op.reg, op.size, op.high);
      case "imm":
        this.high = op.high;
        return op.low;
      case "seg":
        this.high = 0;
        return this.selector(op.seg);
      case "mem": {
        const offset = this.offsetOf(op, insn.addrSize);
        const size = this.memorySize(op, insn);
        const low = this.loadSeg(op.seg, offset, this.high, size);
        if (size !== 8) this.high = 0;
        return low | 0;
      }
      default:
        throw new Error(`operand of kind ${op.kind} has no plain value`);
    }
  }

  writeOp(insn: Insn, i: number, low: number, high = 0): void {
    const op = insn.ops[i]!;
    if (op.kind === "reg") this.writeReg(op.reg, op.size, low, high, op.high);
    else if (op.kind === "mem") {
      const offset = this.offsetOf(op, insn.addrSize);
      this.storeSeg(op.seg, offset, this.high, this.memorySize(op, insn), low, high);
    } else throw new Error(`operand of kind ${op.kind} cannot be written`);
  }

  // --- the stack

  stackBits(): 16 | 32 | 64 {
    const bits = (this.mode & MODE.STACK) >> 2;
    return bits === 2 ? 64 : bits === 1 ? 32 : 16;
  }

  /** Stack pointer plus `delta`, in the stack's width: low half, `high` the second. */
  stackOffset(delta: number): number {
    const at = this.base32 + GPR.RSP * 2;
    const bits = this.stackBits();
    const old = this.i32[at]!;
    this.high = 0;
    if (bits === 16) return (old + delta) & 0xffff;
    const low = (old + delta) | 0;
    if (bits === 64) {
      const carry = delta >= 0 ? (low >>> 0 < old >>> 0 ? 1 : 0) : low >>> 0 > old >>> 0 ? -1 : 0;
      this.high = (this.i32[at + 1]! + carry) | 0;
    }
    return low;
  }

  /** Sets SP, ESP or RSP by the stack's width. */
  setStackPointer(low: number, high: number): void {
    this.writeReg(GPR.RSP, this.stackBits(), low, high);
  }

  /** Checks first: a push that faults changes nothing. */
  push(size: 2 | 4 | 8, low: number, high = 0): void {
    const offLow = this.stackOffset(-size);
    const offHigh = this.high;
    this.storeSeg(SEG.SS, offLow, offHigh, size, low, high);
    this.setStackPointer(offLow, offHigh);
  }

  /** Low half (unsigned below 8 bytes); `high` the second. */
  pop(size: 2 | 4 | 8): number {
    const offLow = this.stackOffset(0);
    const low = this.loadSeg(SEG.SS, offLow, this.high, size);
    const high = size === 8 ? this.high : 0;
    const newLow = this.stackOffset(size);
    this.setStackPointer(newLow, this.high);
    this.high = high;
    return low;
  }
}
