/** Makes steps: random bytes that decode to a wanted form, and registers that bring its operands into the mapped windows. */

import type { CpuModel } from "../../../src/emu/cpu/cpu.ts";
import { type DecodeContext, InsnStream } from "../../../src/emu/cpu/decode.ts";
import { Decoder, DecoderOptions, type Instruction, Mnemonic, RflagsBits } from "../../../src/emu/cpu/iced.ts";
import { EFLAGS, SEG } from "../../../src/emu/cpu/layout.ts";
import { factsOf } from "../../../src/emu/cpu/model.ts";
import type { Insn, Operand } from "../../../src/emu/cpu/operation.ts";
import type { Bits, Form } from "./forms.ts";
import { GPR_NAMES, SEGMENTS } from "./machine.ts";
import { CODE, DATA, DATA_SIZE, READ_ONLY, type Registers } from "./native.ts";
import type { Random } from "./random.ts";

export interface Candidate {
  readonly form: Form;
  readonly bytes: Uint8Array;
  readonly insn: Insn;
  readonly text: string;
  /** EFLAGS bits that the manuals leave undefined after it, and the same for C0..C3 of the status word. */
  readonly undefinedFlags: number;
  readonly undefinedConditions: number;
}

const FLAG_OF: readonly (readonly [number, number])[] = [
  [RflagsBits.OF, EFLAGS.OF],
  [RflagsBits.SF, EFLAGS.SF],
  [RflagsBits.ZF, EFLAGS.ZF],
  [RflagsBits.AF, EFLAGS.AF],
  [RflagsBits.CF, EFLAGS.CF],
  [RflagsBits.PF, EFLAGS.PF],
];
const CONDITION_OF: readonly (readonly [number, number])[] = [
  [RflagsBits.C0, 0x100],
  [RflagsBits.C1, 0x200],
  [RflagsBits.C2, 0x400],
  [RflagsBits.C3, 0x4000],
];
const translate = (bits: number, table: readonly (readonly [number, number])[]): number =>
  table.reduce((mask, [from, to]) => (bits & from ? mask | to : mask), 0);

const STRINGS = /^(Movs|Cmps|Scas|Lods|Stos)[bwdq]$/;
export const isString = (insn: Insn): boolean =>
  STRINGS.test(Mnemonic[insn.mnemonic]!) && insn.ops.every((op) => op.kind === "mem" || op.kind === "reg");

/** Operands that lie outside what a program of this oracle can have. */
function refused(insn: Insn): boolean {
  const [first] = insn.ops;
  const name = Mnemonic[insn.mnemonic];
  if (
    insn.ops.some(
      (op) => op.kind === "cr" || op.kind === "dr" || op.kind === "tr" || op.kind === "far" || op.kind === "bnd",
    )
  )
    return true;
  if (first?.kind === "seg" && name !== "Push") return true;
  // Far transfers through memory.
  if ((name === "Jmp" || name === "Call") && first?.kind === "mem" && first.size !== insn.opSize / 8) return true;
  return insn.ops.some((op) => (op.kind === "xmm" || op.kind === "ymm") && op.reg > 15);
}

const MODEL: CpuModel = { vendor: "intel", model: "current", quirks: [] };

export class Generator {
  private readonly random: Random;
  private readonly bits: Bits;
  private readonly forms: readonly Form[];
  private readonly context: DecodeContext;

  constructor(random: Random, bits: Bits, forms: readonly Form[]) {
    this.random = random;
    this.bits = bits;
    this.forms = forms;
    this.context = { bits, stackSize: bits, real: false, amd: false, facts: factsOf({ model: MODEL }) };
  }

  /** A random instruction of a random form, as it would be at `ip`. */
  candidate(ip: number): Candidate {
    for (;;) {
      const form = this.random.pick(this.forms);
      for (let attempt = 0; attempt < 40; attempt++) {
        const found = this.decode(form, this.bytesOf(form), ip);
        if (found) return found;
      }
    }
  }

  private bytesOf(form: Form): Uint8Array {
    const { random } = this;
    const bytes: number[] = [];
    if (random.chance(0.08)) bytes.push(random.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]));
    if (random.chance(0.12)) bytes.push(0x67);
    if (form.vex) this.pushVex(form.vex, bytes);
    else this.pushPrefixes(form, bytes);
    bytes.push(...(form.vex ? form.opcode.slice(-1) : form.opcode));
    if (random.chance(0.3)) bytes[bytes.length - 1]! ^= random.below(8);
    const modrm = random.next() & 0xff;
    bytes.push(form.group >= 0 ? (modrm & 0xc7) | (form.group << 3) : modrm);
    while (bytes.length < 15)
      bytes.push(random.chance(0.2) ? random.pick([0, 1, 0x7f, 0x80, 0xff]) : random.next() & 0xff);
    return Uint8Array.from(bytes.slice(0, 15));
  }

  private pushPrefixes(form: Form, bytes: number[]): void {
    const { random } = this;
    if (random.chance(0.3)) bytes.push(0x66);
    if (random.chance(0.06)) bytes.push(0xf0);
    else if (random.chance(0.15)) bytes.push(random.pick([0xf2, 0xf3]));
    if (form.prefix !== undefined) bytes.push(form.prefix);
    if (this.bits === 64 && random.chance(0.5)) bytes.push(0x40 | random.below(16));
  }

  /** Two or three bytes; register bits only where there are sixteen registers. */
  private pushVex({ map, w, l, pp }: NonNullable<Form["vex"]>, bytes: number[]): void {
    const { random } = this;
    const extend = this.bits === 64 ? random.below(8) : 7;
    const unused = random.chance(0.4);
    const vvvv = unused ? 15 : this.bits === 64 ? random.below(16) : 8 + random.below(8);
    const low = (vvvv << 3) | ((l ?? random.below(2)) << 2) | pp;
    const wide = w ?? random.below(2);
    if (map === 1 && wide === 0 && random.chance(0.5)) bytes.push(0xc5, ((extend & 4) << 5) | low);
    else bytes.push(0xc4, (extend << 5) | map, (wide << 7) | low);
  }

  private decode(form: Form, bytes: Uint8Array, ip: number): Candidate | undefined {
    const decoder = new Decoder(this.bits, bytes, DecoderOptions.None);
    decoder.ip = BigInt(ip);
    const x = decoder.decode();
    try {
      if (x.code !== form.code) return undefined;
      const exact = bytes.slice(0, x.length);
      if (this.patchDisplacement(decoder, x, exact, ip)) return this.decode(form, exact, ip);
      const stream = new InsnStream(exact, ip, 0, this.context);
      const insn = stream.next();
      stream.free();
      if (!insn || insn.mnemonic !== x.mnemonic || refused(insn)) return undefined;
      return {
        form,
        bytes: exact,
        insn,
        text: describe(x),
        undefinedFlags: translate(x.rflagsUndefined, FLAG_OF),
        undefinedConditions: translate(x.rflagsUndefined, CONDITION_OF),
      };
    } finally {
      x.free();
      decoder.free();
    }
  }

  /** An address without base register is brought into the data window by its displacement; true if bytes changed. */
  private patchDisplacement(decoder: Decoder, x: Instruction, bytes: Uint8Array, ip: number): boolean {
    const offsets = decoder.getConstantOffsets(x);
    const at = offsets.displacementOffset;
    const size = offsets.displacementSize;
    const absolute = x.memoryBase === 0 && offsets.hasDisplacement;
    const relative = x.isIpRelMemoryOperand;
    offsets.free();
    if (!(absolute || relative) || size < 4 || (this.bits === 16 && size === 4)) return false;
    const view = new DataView(bytes.buffer);
    const old = view.getUint32(at, true);
    const value = relative ? (old + ip + x.length) >>> 0 : old;
    if (value >= READ_ONLY && value < READ_ONLY + 0x1000) return false;
    if (value >= DATA && value < DATA + DATA_SIZE) return false;
    const target = this.target();
    view.setUint32(at, relative ? (target - ip - x.length) >>> 0 : target, true);
    if (size === 8) view.setUint32(at + 4, 0, true);
    return true;
  }

  /** Linear address for an operand: in the data window, often aligned; at its edges; on the read-only page; elsewhere. */
  target(): number {
    const { random } = this;
    const kind = random.below(40);
    if (kind === 0) return READ_ONLY + random.below(0x1000);
    if (kind === 1) return DATA + DATA_SIZE - random.below(40);
    if (kind === 2) return DATA + random.below(20) - 10;
    if (kind === 3) return random.next();
    if (kind < 8) return DATA + (1 + random.below(15)) * 0x1000 - random.below(20);
    const at = 0x800 + random.below(DATA_SIZE - 0x1000);
    return DATA + (kind < 28 ? at & ~15 : at);
  }

  private segmentBase(op: Operand & { kind: "mem" }, registers: Registers): bigint {
    const name = (["es", "cs", "ss", "ds", "fs", "gs"] as const)[op.seg as 0]!;
    if (this.bits !== 64) return BigInt(SEGMENTS[this.bits][name].base);
    return op.seg === SEG.FS ? registers.fs_base : op.seg === SEG.GS ? registers.gs_base : 0n;
  }

  /** Changes registers so that the instruction's memory operands, stack and counts make sense. */
  aim(candidate: Candidate, registers: Registers): void {
    const { insn } = candidate;
    const { random } = this;
    const name = Mnemonic[insn.mnemonic]!;
    this.keepStack(registers);
    if (isString(insn) || name === "Maskmovq" || name === "Maskmovdqu") {
      this.aimString(insn, registers);
      return;
    }
    if (name === "Leave" || name === "Enter") registers.rbp = BigInt(this.stackTarget());
    if (name === "Xlatb") registers.rbx = BigInt(this.target());
    const bitOffset = insn.ops[1];
    if (/^Bt[crs]?$/.test(name) && insn.ops[0]?.kind === "mem" && bitOffset?.kind === "reg") {
      registers[GPR_NAMES[bitOffset.reg]!] = BigInt.asUintN(64, BigInt(random.below(4000) - 2000));
    }
    if (random.chance(0.15)) registers.rcx = (registers.rcx & ~0xffn) | BigInt(random.below(70));
    for (const op of insn.ops) if (op.kind === "mem") this.aimOperand(op, insn, registers);
  }

  private stackTarget(): number {
    const at = DATA + 0x1000 + this.random.below(DATA_SIZE - 0x2000);
    const linear = this.random.chance(0.7) ? at & ~7 : at;
    return this.bits === 16 ? linear - DATA : linear;
  }

  private keepStack(registers: Registers): void {
    const base = this.bits === 16 ? 0n : BigInt(DATA);
    const offset = registers.rsp - base;
    if (offset < 0x800n || offset > BigInt(DATA_SIZE - 0x800)) registers.rsp = BigInt(this.stackTarget());
  }

  private aimString(insn: Insn, registers: Registers): void {
    const { random } = this;
    const offset = (seg: "ds" | "es") =>
      BigInt(this.target()) - (this.bits === 64 ? 0n : BigInt(SEGMENTS[this.bits][seg].base));
    registers.rsi = BigInt.asUintN(64, offset("ds"));
    registers.rdi = BigInt.asUintN(
      64,
      random.chance(0.2) ? registers.rsi + BigInt(random.below(64) - 32) : offset("es"),
    );
    const count = random.below(10);
    registers.rcx = BigInt(count === 0 ? 0 : count === 1 ? random.below(3000) : random.below(40));
    if (insn.addrSize === 64 || random.chance(0.5)) return;
    for (const name of ["rcx", "rsi", "rdi"] as const) {
      if (this.bits === 64 && insn.addrSize === 32) registers[name] |= BigInt(random.next()) << 32n;
      if (this.bits !== 64 && insn.addrSize === 16) registers[name] |= BigInt(random.next() & 0xffff) << 16n;
    }
  }

  private aimOperand(op: Operand & { kind: "mem" }, insn: Insn, registers: Registers): void {
    if (op.base < 0 || op.base === op.index) {
      if (op.index >= 0) registers[GPR_NAMES[op.index]!] = BigInt(this.random.below(64));
      return;
    }
    const target = BigInt(this.target()) - this.segmentBase(op, registers);
    const index = op.index < 0 ? 0n : registers[GPR_NAMES[op.index]!] * BigInt(op.scale);
    const disp = (BigInt(op.dispHigh) << 32n) + BigInt(op.dispLow >>> 0);
    const value = BigInt.asUintN(insn.addrSize, target - index - disp);
    const name = GPR_NAMES[op.base]!;
    const keep = this.random.chance(0.5) ? registers[name] : 0n;
    const high = (keep >> BigInt(insn.addrSize)) << BigInt(insn.addrSize);
    registers[name] = BigInt.asUintN(this.bits === 64 ? 64 : 32, high | value);
  }
}

function describe(x: Instruction): string {
  return x.toString();
}

export const ipOf = (bits: Bits, offset: number): number => (bits === 16 ? offset : CODE + offset);
