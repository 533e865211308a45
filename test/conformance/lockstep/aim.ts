/**
 * Set-up moves: before an instruction whose operands would lie nowhere, instructions that bring registers to where its memory operands
 * fall into the mapped windows, its stack is there and its counts are small. They are part of the program, and compared as well.
 */

import { Mnemonic } from "../../../src/emu/cpu/iced.ts";
import { GPR, OFF, SEG, type SegIndex } from "../../../src/emu/cpu/layout.ts";
import type { Insn, Operand } from "../../../src/emu/cpu/operation.ts";
import type { Entry } from "./entries.ts";
import {
  type Bits,
  CODE,
  CODE_SIZE,
  DATA,
  DATA_SIZE,
  IMAGE_SIZE,
  IMAGES,
  INDICES,
  READ_ONLY,
  READ_ONLY_SIZE,
} from "./layout.ts";
import type { Machine } from "./machine.ts";
import type { Random } from "./random.ts";

type Memory = Extract<Operand, { kind: "mem" }>;

/** But not in the code: what is not written yet is there for the host, which starts when all is. */
function anywhere(random: Random): number {
  const address = random.next();
  return address >= CODE - LONGEST_OPERAND && address < CODE + CODE_SIZE ? DATA : address;
}

/** Linear address for an operand: in the data window, often aligned; at its edges; on the read-only page; elsewhere. */
export function target(random: Random): number {
  const kind = random.below(40);
  if (kind === 0) return READ_ONLY + random.below(READ_ONLY_SIZE);
  if (kind === 1) return DATA + DATA_SIZE - random.below(40);
  if (kind === 2) return DATA + random.below(20) - 10;
  if (kind === 3) return random.chance(0.5) ? anywhere(random) : DATA + random.below(DATA_SIZE);
  if (kind < 8) return DATA + (1 + random.below(DATA_SIZE / 0x1000 - 1)) * 0x1000 - random.below(20);
  const at = 0x400 + random.below(DATA_SIZE - 0x800);
  return DATA + (kind < 28 ? at & ~31 : at);
}

const USES_STACK =
  /^(Push|Pop|Call|Ret|Enter|Leave|Pusha|Pushad|Popa|Popad|Pushf|Pushfd|Pushfq|Popf|Popfd|Popfq|Pushaw|Popaw|Leavew)/;
/** FXRSTOR's. */
const LONGEST_OPERAND = 512;
const low32 = (value: bigint): number => Number(BigInt.asIntN(32, value));

export class Aim {
  private readonly random: Random;
  private readonly bits: Bits;
  private readonly machine: Machine;
  /** The displacement that the instruction itself gets, if it was the easiest to change. */
  displacement: number | undefined;
  /** Puts one instruction at RIP and runs it; false if it raised an exception. */
  private readonly emit: (bytes: readonly number[]) => boolean;

  constructor(random: Random, bits: Bits, machine: Machine, emit: (bytes: readonly number[]) => boolean) {
    this.random = random;
    this.bits = bits;
    this.machine = machine;
    this.emit = emit;
  }

  /** Code reads itself through CS or the like; what is not written yet is there for the host, which starts when all is. */
  reaches({ insn, isString, name }: Entry): boolean {
    for (const op of insn.ops) {
      if (op.kind !== "mem" || !this.inCode(op.seg)) continue;
      if (isString || name === "Xlatb" || name.startsWith("Maskmov")) return false;
      if ((op.base < 0 && op.index < 0) || this.written() <= 0) return false;
    }
    return true;
  }
  private inCode(seg: SegIndex): boolean {
    return this.bits !== 64 && this.machine.cpu.segBase(seg) === CODE;
  }

  /** Bytes of code behind which nothing changes any more, but for the longest operand. */
  private written(): number {
    return (this.machine.cpu.get32(OFF.RIP) & 0xffff) - LONGEST_OPERAND;
  }

  /** False if a set-up move raised an exception. */
  at(entry: Entry): boolean {
    const { insn, name } = entry;
    this.displacement = undefined;
    if (USES_STACK.test(name) && !this.prepareStack(entry)) return false;
    if (entry.isString) return this.aimString(insn);
    if (name === "Maskmovq" || name === "Maskmovdqu") return this.pointer(GPR.RDI, insn, "ds");
    if (name === "Xlatb") return this.pointer(GPR.RBX, insn, "ds");
    if (!this.prepareValues(entry)) return false;
    for (const op of insn.ops) {
      if (op.kind !== "mem" || op.size === 0) continue;
      if (op.vindex !== undefined && !this.loadIndices(op.vindex, name)) return false;
      if (!this.aimOperand(op, entry)) return false;
    }
    return true;
  }

  private gpr(reg: number): bigint {
    return this.machine.cpu.gpr(reg);
  }

  /** mov reg, value, in the shortest form. */
  private move(reg: number, value: bigint): boolean {
    const wide = this.bits === 64 && value >> 32n !== 0n;
    const low = low32(value);
    const bytes = [low & 0xff, (low >> 8) & 0xff, (low >> 16) & 0xff, low >>> 24];
    if (wide) {
      const high = low32(value >> 32n);
      bytes.push(high & 0xff, (high >> 8) & 0xff, (high >> 16) & 0xff, high >>> 24);
    }
    const rex = (wide ? 8 : 0) | (reg >> 3);
    const prefixes = this.bits === 16 ? [0x66] : rex !== 0 ? [0x40 | rex] : [];
    return this.emit([...prefixes, 0xb8 | (reg & 7), ...bytes]);
  }

  private base(seg: number): bigint {
    const { cpu } = this.machine;
    return this.bits === 64 && seg < SEG.FS ? 0n : BigInt(cpu.segBase(seg as SegIndex));
  }

  private stackTarget(): bigint {
    const at = 0x800 + this.random.below(DATA_SIZE - 0x1000);
    const offset = this.random.chance(0.7) ? at & ~7 : at;
    return BigInt(this.bits === 16 ? offset : DATA + offset);
  }

  private prepareStack({ name, insn }: Entry): boolean {
    const offset = this.gpr(GPR.RSP) - (this.bits === 16 ? 0n : BigInt(DATA));
    const away = offset < 0x200n || offset > BigInt(DATA_SIZE - 0x200);
    if (away && !this.random.chance(0.05) && !this.move(GPR.RSP, this.stackTarget())) return false;
    if (/^(Leave|Enter)/.test(name)) return this.move(GPR.RBP, this.stackTarget());
    if (insn.ops[0]?.kind === "seg" && name === "Pop") return this.emit([0x6a, this.selector()]);
    // Somewhere for a return to go.
    if (!name.startsWith("Ret") || insn.opSize !== this.bits || this.random.chance(0.1)) return true;
    const next = this.machine.cpu.get32(OFF.RIP) + 16 + this.random.below(16);
    const bytes = [next & 0xff, (next >> 8) & 0xff];
    return this.emit([0x68, ...bytes, ...(this.bits === 16 ? [] : [(next >> 16) & 0xff, next >>> 24])]);
  }

  /** One of the program's, of the kernel's, or null; in registers only what ptrace can write back. */
  private selector(): number {
    return this.random.pick([0, 0x07, 0x0f, 0x17, 0x1f, 0x23, 0x2b, 0x33, 0x27, 0x13, 0x43, 0x5b]);
  }

  private prepareValues({ name, insn }: Entry): boolean {
    const { random } = this;
    const [first, second] = insn.ops;
    if (/^Bt[crs]?$/.test(name) && first?.kind === "mem" && second?.kind === "reg")
      return this.move(second.reg, BigInt.asUintN(this.bits === 64 ? 64 : 32, BigInt(random.below(4000) - 2000)));
    if (/^(R[oc][lr]|S[ah][lr]d?|Sh[lr]d)$/.test(name) && insn.ops.some((op) => op.kind === "reg" && op.reg === 1))
      return random.chance(0.5) || this.move(GPR.RCX, BigInt(random.below(70)));
    if (name === "Div" && random.chance(0.7)) return this.move(GPR.RDX, BigInt(random.below(4)));
    if (name === "Idiv" && random.chance(0.7)) {
      const wide = this.bits === 64 ? 64 : 32;
      return this.move(GPR.RDX, this.gpr(GPR.RAX) & (1n << BigInt(insn.opSize - 1)) ? (1n << BigInt(wide)) - 1n : 0n);
    }
    const selects = first?.kind === "seg" || /^(Lar|Lsl|Verr|Verw)$/.test(name);
    const source = insn.ops[insn.ops.length - 1];
    if (selects && source?.kind === "reg") return this.move(source.reg, BigInt(this.selector()));
    // Bases that ptrace accepts, or not canonical.
    if (/^Wr[fg]sbase$/.test(name) && first?.kind === "reg") {
      const value = DATA + random.below(0x1000);
      return this.move(first.reg, random.chance(0.8) ? BigInt(value) : (1n << 63n) | BigInt(value));
    }
    if (/^(Bextr|Bzhi|Shlx|Shrx|Sarx|Rorx)$/.test(name)) {
      const count = insn.ops[2];
      if (count?.kind === "reg" && random.chance(0.5)) return this.move(count.reg, BigInt(random.next() & 0x3f3f));
    }
    return true;
  }

  /** A register that points by itself. */
  private pointer(reg: number, insn: Insn, seg: "ds" | "es"): boolean {
    const value = BigInt(target(this.random)) - this.base(seg === "es" ? 0 : 3);
    return this.move(reg, this.withHighBits(BigInt.asUintN(insn.addrSize, value), reg, insn.addrSize));
  }

  /** Where the address is shorter than the register, the rest of the register is anything. */
  private withHighBits(value: bigint, reg: number, size: number): bigint {
    const whole = this.bits === 64 ? 64 : 32;
    if (size >= whole || this.random.chance(0.5)) return value;
    return BigInt.asUintN(whole, ((this.gpr(reg) >> BigInt(size)) << BigInt(size)) | value);
  }

  private aimString(insn: Insn): boolean {
    const { random } = this;
    if (!this.pointer(GPR.RSI, insn, "ds")) return false;
    if (random.chance(0.2)) {
      const near = BigInt.asUintN(this.bits === 64 ? 64 : 32, this.gpr(GPR.RSI) + BigInt(random.below(64) - 32));
      if (!this.move(GPR.RDI, near)) return false;
    } else if (!this.pointer(GPR.RDI, insn, "es")) return false;
    if (!insn.rep && !insn.repne) return true;
    const kind = random.below(20);
    const count = kind === 0 ? 0 : kind === 1 ? random.below(1500) : random.below(12);
    return this.move(GPR.RCX, this.withHighBits(BigInt(count), GPR.RCX, insn.addrSize));
  }

  /** Small indices, from the read-only page. */
  private loadIndices(register: number, name: string): boolean {
    const { random, bits } = this;
    if (random.chance(0.1)) return true;
    const quadwords = name.includes("gatherq");
    const address = READ_ONLY + INDICES + (quadwords ? 0x100 : 0) + random.below(8) * 32;
    const displacement = [address & 0xff, (address >> 8) & 0xff, (address >> 16) & 0xff, address >>> 24];
    const reg = (register & 7) << 3;
    const prefixes = bits === 16 ? [0x65, 0x67] : [];
    const modrm = bits === 64 ? [reg | 4, 0x25] : [reg | 5];
    // vmovdqu ymm, [address]
    return this.emit([...prefixes, 0xc5, (register < 8 ? 0x80 : 0) | 0x7e, 0x6f, ...modrm, ...displacement]);
  }

  /** By what is already there, by the displacement, or by a move to a register. FXRSTOR finds images that are no fault. */
  private aimOperand(op: Memory, { insn, displacementAt }: Entry): boolean {
    const { base, index, scale } = op;
    const reg = base >= 0 ? base : index;
    if (reg < 0) return true;
    const { addrSize } = insn;
    const displacement = (BigInt(op.dispHigh) << 32n) + BigInt(op.dispLow >>> 0);
    const registers = (base < 0 ? 0n : this.gpr(base)) + (index < 0 ? 0n : this.gpr(index) * BigInt(scale));
    const start = this.base(op.seg);
    const restores = insn.mnemonic === Mnemonic.Fxrstor || insn.mnemonic === Mnemonic.Fxrstor64;
    const inCode = this.inCode(op.seg);
    const now = BigInt.asUintN(addrSize, registers + displacement) + start - BigInt(DATA);
    if (!inCode && !restores && now >= 0n && now < DATA_SIZE - 64 && this.random.chance(0.9)) return true;
    const image = READ_ONLY + this.random.below(IMAGES) * IMAGE_SIZE;
    const linear = restores && this.random.chance(0.7) ? image : target(this.random);
    const offset = inCode ? BigInt(this.random.below(this.written())) : BigInt(linear) - start;
    if (displacementAt >= 0 && this.random.chance(0.9)) {
      const distance = BigInt.asIntN(addrSize, offset - registers);
      if (addrSize === 32 || distance === BigInt.asIntN(32, distance)) {
        this.displacement = low32(distance);
        return true;
      }
    }
    const wanted = offset - displacement;
    let value: bigint;
    if (base >= 0 && index >= 0 && base !== index) value = wanted - this.gpr(index) * BigInt(scale);
    else if (index < 0) value = wanted;
    else {
      const signed = BigInt.asIntN(addrSize, wanted);
      const unsigned = signed < 0n && addrSize === 64 ? 0n : BigInt.asUintN(addrSize, wanted);
      value = unsigned / BigInt(base >= 0 ? scale + 1 : scale);
    }
    return this.move(reg, this.withHighBits(BigInt.asUintN(addrSize, value), reg, addrSize));
  }
}
