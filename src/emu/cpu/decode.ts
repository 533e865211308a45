/**
 * Bytes to instructions. iced-x86 decodes; what differs from it (and from mode to mode or vendor to vendor) is the short list in
 * `corrected`. The result (`Insn`) is free of any tie to the library.
 */
import {
  Code,
  Decoder,
  DecoderError,
  DecoderOptions,
  Instruction,
  MemorySizeExt,
  Mnemonic,
  OpKind,
  Register,
} from "./iced.ts";
import { SEG, type SegIndex } from "./layout.ts";
import type { Bits } from "./mode.ts";
import { CURRENT, type ModelFacts } from "./model.ts";
import { opCodes } from "./opcodes.ts";
import type { Insn, Operand } from "./operation.ts";

/** Longest instruction; a longer one is #GP. */
export const MAX_LENGTH = 15;
/** Mnemonic numbers of what iced has no name for. */
export const UPCALL = -1;
export const TOO_LONG = -2;

const LEGACY_PREFIXES: ReadonlySet<number> = new Set([
  0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3,
]);

/** One-byte opcodes that 64-bit mode lacks and that have no ModRM. */
const UNDEFINED_64: ReadonlySet<number> = new Set([
  0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x9a, 0xce, 0xd4, 0xd5, 0xd6, 0xea,
]);
const isPrefix64 = (byte: number): boolean => LEGACY_PREFIXES.has(byte) || byte >> 4 === 4;

export interface DecodeContext {
  readonly bits: Bits;
  readonly stackSize: Bits;
  /** Real or virtual-8086 mode. */
  readonly real: boolean;
  readonly amd: boolean;
  /** The processor's model; a current one unless given. */
  readonly facts?: ModelFacts;
}

type Reg = Extract<Operand, { kind: "reg" | "seg" | "cr" | "xmm" }> | Operand;

/** iced's registers as operands, by Register value. */
const REGISTERS = ((): readonly (Reg | undefined)[] => {
  const table: (Reg | undefined)[] = [];
  for (let i = 0; i < 8; i++) {
    table[Register.AL + i] = { kind: "reg", reg: i < 4 ? i : i - 4, size: 8, high: i >= 4 };
  }
  // iced: AL CL DL BL AH CH DH BH, then SPL BPL SIL DIL R8L..R15L.
  for (let i = 4; i < 16; i++) table[Register.SPL + i - 4] = { kind: "reg", reg: i, size: 8, high: false };
  for (let i = 0; i < 16; i++) {
    table[Register.AX + i] = { kind: "reg", reg: i, size: 16, high: false };
    table[Register.EAX + i] = { kind: "reg", reg: i, size: 32, high: false };
    table[Register.RAX + i] = { kind: "reg", reg: i, size: 64, high: false };
    table[Register.CR0 + i] = { kind: "cr", reg: i };
    table[Register.DR0 + i] = { kind: "dr", reg: i };
  }
  for (let i = 0; i < 6; i++) table[Register.ES + i] = { kind: "seg", seg: i as SegIndex };
  for (let i = 0; i < 8; i++) {
    table[Register.ST0 + i] = { kind: "st", reg: i };
    table[Register.MM0 + i] = { kind: "mm", reg: i };
    table[Register.K0 + i] = { kind: "k", reg: i };
    table[Register.TR0 + i] = { kind: "tr", reg: i };
  }
  for (let i = 0; i < 4; i++) table[Register.BND0 + i] = { kind: "bnd", reg: i };
  for (let i = 0; i < 32; i++) {
    table[Register.XMM0 + i] = { kind: "xmm", reg: i };
    table[Register.YMM0 + i] = { kind: "ymm", reg: i };
  }
  return table;
})();

const gprOf = (register: number): number => {
  const operand = REGISTERS[register];
  return operand?.kind === "reg" ? operand.reg : -1;
};
const gprSize = (register: number): number => {
  const operand = REGISTERS[register];
  return operand?.kind === "reg" ? operand.size : 0;
};

const vectorIndex = (register: number): { vindex?: number } => {
  const operand = REGISTERS[register];
  return operand?.kind === "xmm" || operand?.kind === "ymm" ? { vindex: operand.reg } : {};
};

const featuresOf: (Int32Array | undefined)[] = [];
/** Whether a model has the instruction, and every segment register that it names. */
function exists(x: Instruction, insn: Insn, { instructions, segments }: ModelFacts): boolean {
  if (instructions === undefined) return true;
  featuresOf[insn.code] ??= x.cpuidFeatures();
  return (
    featuresOf[insn.code]!.every((feature) => instructions.has(feature)) &&
    insn.ops.every((op) => op.kind !== "seg" || op.seg < segments)
  );
}

const memorySizes: number[] = [];
const memoryBytes = (size: number): number => (memorySizes[size] ??= MemorySizeExt.size(size));

const low32 = (value: bigint): number => Number(BigInt.asIntN(32, value));
const high32 = (value: bigint): number => Number(BigInt.asIntN(32, value >> 32n));

function immediate(value: bigint, size: 8 | 16 | 32 | 64): Operand {
  const low = low32(value);
  if (size === 64) return { kind: "imm", low, high: high32(value), size };
  return { kind: "imm", low: size === 32 ? low : low & (size === 8 ? 0xff : 0xffff), high: 0, size };
}

/** The implied memory operands of string instructions: base register, and what address size they stand for. */
const STRING_KINDS: Record<number, { base: number; size: 16 | 32 | 64; es: boolean } | undefined> = {
  [OpKind.MemorySegSI]: { base: 6, size: 16, es: false },
  [OpKind.MemorySegESI]: { base: 6, size: 32, es: false },
  [OpKind.MemorySegRSI]: { base: 6, size: 64, es: false },
  [OpKind.MemorySegDI]: { base: 7, size: 16, es: false },
  [OpKind.MemorySegEDI]: { base: 7, size: 32, es: false },
  [OpKind.MemorySegRDI]: { base: 7, size: 64, es: false },
  [OpKind.MemoryESDI]: { base: 7, size: 16, es: true },
  [OpKind.MemoryESEDI]: { base: 7, size: 32, es: true },
  [OpKind.MemoryESRDI]: { base: 7, size: 64, es: true },
};

/** Reads one decoded instruction out of the library. */
class Reader {
  private readonly x: Instruction;
  private readonly bits: Bits;
  addrSize: Bits;

  constructor(x: Instruction, bits: Bits) {
    this.x = x;
    this.bits = bits;
    this.addrSize = bits;
  }

  operand(i: number): Operand {
    const { x } = this;
    const kind = x.opKind(i);
    switch (kind) {
      case OpKind.Register: {
        const operand = REGISTERS[x.opRegister(i)];
        return operand ?? { kind: "bnd", reg: -1 };
      }
      case OpKind.NearBranch16:
      case OpKind.NearBranch32:
      case OpKind.NearBranch64: {
        const target = x.nearBranchTarget;
        return { kind: "near", targetLow: low32(target), targetHigh: high32(target) };
      }
      case OpKind.FarBranch16:
        return { kind: "far", selector: x.farBranchSelector, offset: x.farBranch16 };
      case OpKind.FarBranch32:
        return { kind: "far", selector: x.farBranchSelector, offset: x.farBranch32 };
      case OpKind.Memory:
        return this.memory();
      case OpKind.Immediate8:
      case OpKind.Immediate8_2nd:
        return immediate(x.immediate(i), 8);
      case OpKind.Immediate16:
      case OpKind.Immediate8to16:
        return immediate(x.immediate(i), 16);
      case OpKind.Immediate32:
      case OpKind.Immediate8to32:
        return immediate(x.immediate(i), 32);
      case OpKind.Immediate64:
      case OpKind.Immediate8to64:
      case OpKind.Immediate32to64:
        return immediate(x.immediate(i), 64);
      default:
        return this.stringMemory(kind);
    }
  }

  private stringMemory(kind: number): Operand {
    const shape = STRING_KINDS[kind];
    if (!shape) throw new Error(`operand kind ${kind} is not known`);
    this.addrSize = shape.size;
    const seg = shape.es ? SEG.ES : ((this.x.memorySegment - Register.ES) as SegIndex);
    const size = memoryBytes(this.x.memorySize);
    return { kind: "mem", seg, base: shape.base, index: -1, scale: 1, dispLow: 0, dispHigh: 0, size };
  }

  private memory(): Operand {
    const { x } = this;
    const base = x.memoryBase;
    const index = x.memoryIndex;
    const seg = (x.memorySegment - Register.ES) as SegIndex;
    const size = memoryBytes(x.memorySize);
    if (base === Register.RIP || base === Register.EIP) {
      this.addrSize = base === Register.RIP ? 64 : 32;
      const at = x.ipRelMemoryAddress;
      return { kind: "mem", seg, base: -1, index: -1, scale: 1, dispLow: low32(at), dispHigh: high32(at), size };
    }
    this.addrSize = this.memoryAddressSize(base, index);
    const disp = x.memoryDisplacement;
    const wide = this.addrSize === 64;
    return {
      kind: "mem",
      seg,
      base: gprOf(base),
      // XLAT's index is AL, which its operation adds itself; a vector index is the gather's too.
      index: gprSize(index) === 8 ? -1 : gprOf(index),
      ...vectorIndex(index),
      scale: x.memoryIndexScale as 1 | 2 | 4 | 8,
      dispLow: this.addrSize === 16 ? low32(disp) & 0xffff : low32(disp),
      dispHigh: wide ? high32(disp) : 0,
      size,
    };
  }

  private memoryAddressSize(base: number, index: number): Bits {
    const size = base !== Register.None ? gprSize(base) : gprSize(index);
    if (size === 16 || size === 32 || size === 64) return size;
    const displacement = this.x.memoryDisplSize * 8;
    return displacement === 16 || displacement === 32 || displacement === 64 ? displacement : this.bits;
  }
}

/** An instruction that is nothing but its fault or its up-call. */
function special(
  mnemonic: number,
  ipLow: number,
  ipHigh: number,
  length: number,
  context: DecodeContext,
  ops: readonly Operand[],
): Insn {
  const { bits, stackSize } = context;
  const opSize = bits === 16 ? 16 : 32;
  return {
    code: 0,
    mnemonic,
    ipLow,
    ipHigh,
    length,
    bits,
    opSize,
    addrSize: bits,
    stackSize,
    ops,
    lock: false,
    rep: false,
    repne: false,
  };
}

/**
 * Decodes a run of consecutive instructions. One of these serves one block: the library copies its bytes once.
 * `next` gives undefined when the bytes end inside an instruction.
 */
export class InsnStream {
  private readonly bytes: Uint8Array;
  private readonly context: DecodeContext;
  private readonly facts: ModelFacts;
  private readonly options: number;
  private readonly decoder: Decoder;
  private readonly ipLow: number;
  private readonly ipHigh: number;
  private static readonly scratch = new Instruction();

  /** @param ipLow,ipHigh offset in CS of the first byte. */
  constructor(bytes: Uint8Array, ipLow: number, ipHigh: number, context: DecodeContext) {
    this.bytes = bytes;
    this.context = context;
    this.ipLow = ipLow;
    this.ipHigh = ipHigh;
    this.facts = context.facts ?? CURRENT;
    this.options = (context.amd ? DecoderOptions.AMD : 0) | this.facts.decoderOptions;
    this.decoder = new Decoder(context.bits, bytes, this.options);
    this.decoder.ip = (BigInt(ipHigh >>> 0) << 32n) | BigInt(ipLow >>> 0);
  }

  get position(): number {
    return this.decoder.position;
  }

  free(): void {
    this.decoder.free();
  }

  next(): Insn | undefined {
    const start = this.decoder.position;
    const low = (this.ipLow + start) | 0;
    const high = (this.ipHigh + ((this.ipLow >>> 0) + start > 0xffff_ffff ? 1 : 0)) | 0;
    const fixed = this.corrected(start, low, high);
    if (fixed) return fixed;
    const x = InsnStream.scratch;
    this.decoder.decodeOut(x);
    if (x.code === Code.INVALID) return this.invalid(start, low, high);
    const insn = this.read(x, low, high);
    if (!exists(x, insn, this.facts)) return special(Mnemonic.INVALID, low, high, insn.length, this.context, []);
    return insn.length <= this.facts.maxLength ? insn : special(TOO_LONG, low, high, insn.length, this.context, []);
  }

  /** What must not reach the library, by its first bytes. */
  private corrected(start: number, low: number, high: number): Insn | undefined {
    const first = this.bytes[start];
    const second = this.bytes[start + 1];
    if (first === undefined || second === undefined) return undefined;
    // The up-call: #UD on every processor, and ours at CPL 0 (ops/core.ts).
    if (first === 0x0f && second === 0x3f) {
      if (start + 4 > this.bytes.length) return undefined;
      this.decoder.position = start + 4;
      const id = this.bytes[start + 2]! | (this.bytes[start + 3]! << 8);
      return special(UPCALL, low, high, 4, this.context, [{ kind: "imm", low: id, high: 0, size: 16 }]);
    }
    const old = this.oldPrefixes(start);
    if (old !== undefined) {
      this.decoder.position = start + 1;
      return special(old, low, high, 1, this.context, []);
    }
    // VEX and EVEX do not exist in real and virtual-8086 mode: LES, LDS and BOUND with a register operand, so #UD.
    return this.context.real ? this.vexInRealMode(start, low, high) : undefined;
  }

  /** The 286: 64 to 67 are no prefixes, and it gives up after ten that are, whatever follows. */
  private oldPrefixes(start: number): number | undefined {
    const { widePrefixes, maxLength } = this.facts;
    if (widePrefixes) return undefined;
    for (let at = start; at < start + maxLength; at++) {
      const byte = this.bytes[at];
      if (byte === undefined || !LEGACY_PREFIXES.has(byte)) return undefined;
      if (byte >> 2 === 0x64 >> 2) return Mnemonic.INVALID;
    }
    return TOO_LONG;
  }

  private vexInRealMode(start: number, low: number, high: number): Insn | undefined {
    let at = start;
    while (at - start < MAX_LENGTH && LEGACY_PREFIXES.has(this.bytes[at]!)) at++;
    const opcode = this.bytes[at];
    if (opcode !== 0xc4 && opcode !== 0xc5 && opcode !== 0x62) return undefined;
    const modrm = this.bytes[at + 1];
    if (modrm === undefined || modrm < 0xc0 || at + 2 - start > MAX_LENGTH) return undefined;
    this.decoder.position = at + 2;
    return special(Mnemonic.INVALID, low, high, at + 2 - start, this.context, []);
  }

  private invalid(start: number, low: number, high: number): Insn | undefined {
    if (this.decoder.lastError === DecoderError.NoMoreBytes && !this.lastIsUndefined(start)) {
      this.decoder.position = start;
      return undefined;
    }
    const length = this.decoder.position - start;
    const mnemonic = length >= MAX_LENGTH && this.runsOver(start) ? TOO_LONG : Mnemonic.INVALID;
    return special(mnemonic, low, high, length, this.context, []);
  }

  /** The bytes end with an opcode that 64-bit mode lacks, where the library would read on. */
  private lastIsUndefined(start: number): boolean {
    if (start >= this.bytes.length) return false;
    const last = this.bytes[this.bytes.length - 1]!;
    return this.context.bits === 64 && UNDEFINED_64.has(last) && this.bytes.subarray(start, -1).every(isPrefix64);
  }

  /**
   * An instruction that is undefined after fifteen bytes, or one that needs more? It is decoded again without one of its prefixes, of
   * which it must have two alike.
   */
  private runsOver(start: number): boolean {
    const bytes = this.bytes.slice(start, start + MAX_LENGTH + 1);
    const spare = bytes.findIndex((byte, i) => LEGACY_PREFIXES.has(byte) && bytes.indexOf(byte, i + 1) > 0);
    if (spare < 0) return true;
    const shorter = new Decoder(
      this.context.bits,
      bytes.filter((_, i) => i !== spare),
      this.options,
    );
    const insn = shorter.decode();
    const { length } = insn;
    insn.free();
    shorter.free();
    return length >= MAX_LENGTH;
  }

  private read(x: Instruction, ipLow: number, ipHigh: number): Insn {
    const { bits, stackSize } = this.context;
    const reader = new Reader(x, bits);
    const ops: Operand[] = [];
    for (let i = 0, n = x.opCount; i < n; i++) ops.push(reader.operand(i));
    const { operandSize, addressSize } = opCodes.of(x.code);
    const opSize = (operandSize || (bits === 16 ? 16 : 32)) as Bits;
    const addrSize = (addressSize || reader.addrSize) as Bits;
    const { code, mnemonic, length, hasLockPrefix: lock, hasRepPrefix: rep, hasRepnePrefix: repne } = x;
    return { code, mnemonic, ipLow, ipHigh, length, bits, opSize, addrSize, stackSize, ops, lock, rep, repne };
  }
}
