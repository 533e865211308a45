/** What an instruction looks at, in parts that a debugger can name: registers, memory operands, the flags that it tests. */
import {
  Decoder,
  DecoderOptions,
  type Instruction,
  MemorySizeExt,
  Mnemonic,
  OpKind,
  Register,
  RflagsBits,
} from "./iced.ts";

/** Registers by their lower-case names. */
export interface MemoryUse {
  readonly segment: string;
  readonly base: string | undefined;
  readonly index: string | undefined;
  readonly scale: number;
  /** Signed; the whole address of an operand that counts from RIP. */
  readonly displacement: bigint;
  /** 0: only the address is of interest. */
  readonly bytes: number;
}

export interface Uses {
  /** Those of operands first, then those of addresses; each once. */
  readonly registers: readonly string[];
  readonly memory: readonly MemoryUse[];
  readonly flags: readonly string[];
}

const FLAGS = ["OF", "SF", "ZF", "CF", "PF"] as const;
/** What reads more of them saves them. */
const MOST_TESTED = 3;
/** Operands of string instructions: MemorySegRSI, MemoryESEDI. */
const STRING_OPERAND = /^Memory(?:Seg|ES)([ER]?[SD]I)$/;

const nameOf = (register: Register): string | undefined =>
  register === Register.None ? undefined : Register[register]!.toLowerCase();

/** Of the instruction at the start of `bytes`; undefined if there is none. */
export function usesOf(bytes: Uint8Array, address: bigint, bits: 16 | 32 | 64): Uses | undefined {
  const decoder = new Decoder(bits, bytes, DecoderOptions.None);
  decoder.ip = address;
  const instruction = decoder.decode();
  const uses = instruction.code === 0 ? undefined : read(instruction, bits);
  instruction.free();
  decoder.free();
  return uses;
}

function read(instruction: Instruction, bits: 16 | 32 | 64): Uses {
  const registers: (string | undefined)[] = [];
  const memory: MemoryUse[] = [];
  for (let i = 0; i < instruction.opCount; i++) {
    const kind = instruction.opKind(i);
    if (kind === OpKind.Register) registers.push(nameOf(instruction.opRegister(i)));
    else if (kind === OpKind.Memory) memory.push(explicit(instruction, bits));
    else memory.push(...implicit(instruction, OpKind[kind]!));
  }
  const inAddresses = memory.flatMap(({ base, index }) => [base, index]);
  const named = [...registers, ...inAddresses].filter((name) => name !== undefined);
  const flags = FLAGS.filter((flag) => (instruction.rflagsRead & RflagsBits[flag]) !== 0);
  return { registers: [...new Set(named)], memory, flags: flags.length > MOST_TESTED ? [] : flags };
}

function explicit(instruction: Instruction, bits: 16 | 32 | 64): MemoryUse {
  const fromIp = instruction.isIpRelMemoryOperand;
  return {
    segment: nameOf(instruction.memorySegment)!,
    base: fromIp ? undefined : nameOf(instruction.memoryBase),
    index: nameOf(instruction.memoryIndex),
    scale: instruction.memoryIndexScale,
    displacement: BigInt.asIntN(bits, instruction.memoryDisplacement),
    bytes: instruction.mnemonic === Mnemonic.Lea ? 0 : MemorySizeExt.size(instruction.memorySize),
  };
}

function implicit(instruction: Instruction, kind: string): MemoryUse[] {
  const base = STRING_OPERAND.exec(kind)?.[1]?.toLowerCase();
  if (base === undefined) return [];
  const segment = kind.startsWith("MemoryES") ? "es" : nameOf(instruction.memorySegment)!;
  const bytes = MemorySizeExt.size(instruction.memorySize);
  return [{ segment, base, index: undefined, scale: 1, displacement: 0n, bytes }];
}
