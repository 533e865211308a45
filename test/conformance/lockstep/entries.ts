/** Random instructions: bytes of a wanted form that decode to it, with what must be known to run and to compare them. */
import type { CpuModel, Vendor } from "../../../src/emu/cpu/cpu.ts";
import { type DecodeContext, InsnStream } from "../../../src/emu/cpu/decode.ts";
import {
  Code,
  Decoder,
  DecoderError,
  DecoderOptions,
  Instruction,
  Mnemonic,
  RflagsBits,
} from "../../../src/emu/cpu/iced.ts";
import { EFLAGS, SEG } from "../../../src/emu/cpu/layout.ts";
import { factsOf } from "../../../src/emu/cpu/model.ts";
import type { Insn } from "../../../src/emu/cpu/operation.ts";
import { target } from "./aim.ts";
import type { Form } from "./forms.ts";
import { type Bits, CODE } from "./layout.ts";
import type { Random } from "./random.ts";

export interface Entry {
  /** iced's name; "INVALID" for bytes that are no instruction. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly insn: Insn;
  /** EFLAGS bits that the manuals leave undefined after it, and the same for C0..C3 of the status word. */
  readonly undefinedFlags: number;
  readonly undefinedConditions: number;
  /** Where the displacement of a near branch is, and its bytes; where that of an IP-relative operand is. Or -1. */
  readonly branchAt: number;
  readonly branchSize: number;
  readonly ipRelativeAt: number;
  /** Where a 32-bit displacement from registers is, or -1. */
  readonly displacementAt: number;
  readonly isString: boolean;
  readonly gathers: boolean;
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
const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const EDGE_BYTES = [0, 1, 0x7f, 0x80, 0xff];

/** Operands that lie outside what a program of this oracle can have, and ways into the host's kernel. */
function refused(insn: Insn, name: string): boolean {
  const [first] = insn.ops;
  for (const op of insn.ops) {
    if (op.kind === "cr" || op.kind === "dr" || op.kind === "tr" || op.kind === "far" || op.kind === "bnd") return true;
    if ((op.kind === "xmm" || op.kind === "ymm") && op.reg > 15) return true;
  }
  if (name === "Int" && first?.kind === "imm" && first.low === SYSTEM_CALL) return true;
  // The debug trap after a load of SS comes an instruction later.
  if (first?.kind === "seg" && first.seg === SEG.SS && name !== "Push") return true;
  // The limit of the host's last descriptor is the number of its processor.
  if (name === "Lsl" && insn.ops[1]?.kind === "mem") return true;
  // Far transfers through memory.
  return (name === "Jmp" || name === "Call") && first?.kind === "mem" && first.size !== insn.opSize / 8;
}
const SYSTEM_CALL = 0x80;

const BULK = 256;
const SLOT = 16;
const LONGEST = 15;
/** Of the candidates that decode to nothing, so many are run all the same. */
const INVALID_SHARE = 0.03;

export class Supply {
  private readonly random: Random;
  private readonly bits: Bits;
  private readonly forms: readonly Form[];
  private readonly context: DecodeContext;
  /** Take only what decodes to the same for both vendors. */
  private readonly common: boolean;
  private readonly options: number;
  private readonly queue: Entry[] = [];
  private readonly buffer = new Uint8Array(BULK * SLOT);
  private readonly x = new Instruction();

  constructor(random: Random, bits: Bits, forms: readonly Form[], vendor: Vendor, common: boolean) {
    this.random = random;
    this.bits = bits;
    this.forms = forms;
    this.common = common;
    const model: CpuModel = { vendor, model: "current", quirks: [] };
    this.options = vendor === "amd" ? DecoderOptions.AMD : DecoderOptions.None;
    this.context = { bits, stackSize: bits, real: false, amd: vendor === "amd", facts: factsOf({ model }) };
  }

  next(): Entry {
    while (this.queue.length === 0) this.refill();
    return this.queue.pop()!;
  }

  private refill(): void {
    const { buffer, random } = this;
    const forms: Form[] = [];
    for (let i = 0; i < BULK; i++) {
      const form = random.pick(this.forms);
      forms.push(form);
      this.fillSlot(form, i * SLOT);
    }
    const decoder = new Decoder(this.bits, buffer, this.options);
    for (let i = 0; i < BULK; i++) {
      decoder.position = i * SLOT;
      decoder.ip = BigInt(this.bits === 16 ? 0 : CODE);
      decoder.decodeOut(this.x);
      const entry = this.read(decoder, forms[i]!, i * SLOT);
      if (entry) this.queue.push(entry);
    }
    decoder.free();
  }

  /** Prefixes, opcode, ModRM and whatever may follow; 15 bytes. */
  private fillSlot(form: Form, slot: number): void {
    const { random, buffer } = this;
    let at = slot;
    const put = (byte: number) => {
      buffer[at++] = byte;
    };
    if (random.chance(0.08)) put(random.pick(SEGMENT_PREFIXES));
    if (random.chance(0.12)) put(0x67);
    if (form.vex) this.putVex(form.vex, put);
    else this.putPrefixes(form, put);
    const { opcode } = form;
    for (let i = form.vex ? opcode.length - 1 : 0; i < opcode.length; i++) put(opcode[i]!);
    if (form.lowRegister) buffer[at - 1]! ^= random.below(8);
    const modrm = random.next() & 0xff;
    put(form.group >= 0 ? (modrm & 0xc7) | (form.group << 3) : modrm);
    while (at < slot + LONGEST) put(random.chance(0.2) ? random.pick(EDGE_BYTES) : random.next());
    buffer[slot + LONGEST] = 0;
  }

  private putPrefixes(form: Form, put: (byte: number) => void): void {
    const { random } = this;
    if (random.chance(0.3)) put(0x66);
    if (random.chance(0.06)) put(0xf0);
    else if (random.chance(0.15)) put(random.pick([0xf2, 0xf3]));
    if (form.prefix !== undefined) put(form.prefix);
    if (this.bits === 64 && random.chance(0.5)) put(0x40 | random.below(16));
  }

  /** Two or three bytes; register bits only where there are sixteen registers. */
  private putVex({ map, w, l, pp }: NonNullable<Form["vex"]>, put: (byte: number) => void): void {
    const { random } = this;
    const extend = this.bits === 64 ? random.below(8) : 7;
    const unused = random.chance(0.4);
    const vvvv = unused ? 15 : this.bits === 64 ? random.below(16) : 8 + random.below(8);
    const low = (vvvv << 3) | ((l ?? random.below(2)) << 2) | pp;
    const wide = w ?? random.below(2);
    if (map === 1 && wide === 0 && random.chance(0.5)) {
      put(0xc5);
      put(((extend & 4) << 5) | low);
    } else {
      put(0xc4);
      put((extend << 5) | map);
      put((wide << 7) | low);
    }
  }

  private read(decoder: Decoder, form: Form, slot: number): Entry | undefined {
    const { x, buffer } = this;
    if (x.code === Code.INVALID) {
      if (decoder.lastError === DecoderError.NoMoreBytes || !this.random.chance(INVALID_SHARE)) return undefined;
      return this.invalid(buffer.slice(slot, slot + LONGEST));
    }
    if (x.code !== form.code) return undefined;
    const bytes = buffer.slice(slot, slot + x.length);
    const offsets = decoder.getConstantOffsets(x);
    const displacementAt = offsets.hasDisplacement ? offsets.displacementOffset : -1;
    const displacementSize = offsets.displacementSize;
    const immediateAt = offsets.immediateOffset;
    const immediateSize = offsets.immediateSize;
    offsets.free();
    const relative = x.isIpRelMemoryOperand;
    if (!relative && displacementAt >= 0 && displacementSize >= 4 && x.memoryBase === 0 && this.bits !== 16)
      this.makeAbsolute(bytes, displacementAt, displacementSize);
    const insn = this.insnOf(bytes);
    if (!insn || insn.mnemonic !== x.mnemonic || refused(insn, form.mnemonic)) return undefined;
    if (this.common && !this.sameForBoth(bytes)) return undefined;
    const near = insn.ops[0]?.kind === "near";
    return {
      name: form.mnemonic,
      bytes,
      insn,
      undefinedFlags: translate(x.rflagsUndefined, FLAG_OF),
      undefinedConditions: translate(x.rflagsUndefined, CONDITION_OF),
      branchAt: near ? immediateAt : -1,
      branchSize: immediateSize,
      ipRelativeAt: relative ? displacementAt : -1,
      displacementAt: !relative && !near && displacementSize === 4 && x.memoryBase !== 0 ? displacementAt : -1,
      isString: STRINGS.test(form.mnemonic) && insn.ops.every((op) => op.kind === "mem" || op.kind === "reg"),
      gathers: insn.ops.some((op) => op.kind === "mem" && op.vindex !== undefined),
    };
  }

  /** An address without base register is brought into the windows. */
  private makeAbsolute(bytes: Uint8Array, at: number, size: number): void {
    const address = target(this.random);
    for (let i = 0; i < size; i++) bytes[at + i] = i < 4 ? address >> (i * 8) : 0;
  }

  private invalid(bytes: Uint8Array): Entry | undefined {
    const insn = this.insnOf(bytes);
    if (insn?.mnemonic !== Mnemonic.INVALID || !this.sameForBoth(bytes)) return undefined;
    return {
      name: "INVALID",
      bytes,
      insn,
      undefinedFlags: 0,
      undefinedConditions: 0,
      branchAt: -1,
      branchSize: 0,
      ipRelativeAt: -1,
      displacementAt: -1,
      isString: false,
      gathers: false,
    };
  }

  private insnOf(bytes: Uint8Array): Insn | undefined {
    const stream = new InsnStream(bytes, this.bits === 16 ? 0 : CODE, 0, this.context);
    const insn = stream.next();
    stream.free();
    return insn;
  }

  /** Do both vendors' decoders see the same? */
  private sameForBoth(bytes: Uint8Array): boolean {
    const seen = [DecoderOptions.None, DecoderOptions.AMD].map((options) => {
      const decoder = new Decoder(this.bits, bytes, options);
      const x = decoder.decode();
      const result = `${x.code} ${x.length}`;
      x.free();
      decoder.free();
      return result;
    });
    return seen[0] === seen[1];
  }
}

/** Text of an instruction, for reports. */
export function textOf(bytes: Uint8Array, ip: number, bits: Bits): string {
  const decoder = new Decoder(bits, bytes, DecoderOptions.None);
  decoder.ip = BigInt(ip);
  const x = decoder.decode();
  const text = x.code === Code.INVALID ? "(bad)" : x.toString();
  x.free();
  decoder.free();
  return text;
}
