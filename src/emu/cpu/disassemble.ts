/** Bytes to text, and what a debugger must know of an instruction before it runs: length and how control leaves it. */
import {
  Decoder,
  DecoderOptions,
  FlowControl,
  Formatter,
  FormatterSyntax,
  type Instruction,
  OpKind,
  Register,
} from "./iced.ts";

export type Syntax = "nasm" | "gas" | "intel";

export interface DisassembledLine {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly valid: boolean;
  /** Address of code or data that it names itself, not by a register: a near branch's target, a memory operand's. */
  readonly refersTo: bigint | undefined;
}

/** How control leaves an instruction. */
export type Flow = "next" | "jump" | "conditional" | "call" | "return" | "interrupt" | "stop";

const SYNTAX = { nasm: FormatterSyntax.Nasm, gas: FormatterSyntax.Gas, intel: FormatterSyntax.Intel } as const;

/** Decodes from the first byte to the last; a byte that begins no instruction becomes a line of its own. @param upcalls whether there are any. */
export function disassemble(
  bytes: Uint8Array,
  address: bigint,
  bits: 16 | 32 | 64,
  syntax: Syntax,
  maxLines = Number.POSITIVE_INFINITY,
  upcalls = false,
): DisassembledLine[] {
  const lines: DisassembledLine[] = [];
  const formatter = new Formatter(SYNTAX[syntax]);
  formatter.spaceAfterOperandSeparator = true;
  const decoder = new Decoder(bits, bytes, DecoderOptions.None);
  decoder.ip = address;
  let at = 0;
  while (at < bytes.length && lines.length < maxLines) {
    const upcall = upcalls ? upcallAt(bytes.subarray(at, at + UPCALL_BYTES), address + BigInt(at)) : undefined;
    if (upcall !== undefined) {
      lines.push(upcall);
      at += UPCALL_BYTES;
      continue;
    }
    decoder.position = at;
    decoder.ip = address + BigInt(at);
    const instruction = decoder.decode();
    const valid = instruction.code !== 0;
    const length = valid ? instruction.length : 1;
    const text = valid ? formatter.format(instruction) : byteDirective(bytes[at]!, syntax);
    const refersTo = valid ? addressIn(instruction) : undefined;
    lines.push({ address: address + BigInt(at), bytes: bytes.slice(at, at + length), text, valid, refersTo });
    instruction.free();
    at += length;
  }
  decoder.free();
  formatter.free();
  return lines;
}

const UPCALL_BYTES = 4;

/** `0F 3F iw`, an instruction of ours. */
function upcallAt(bytes: Uint8Array, address: bigint): DisassembledLine | undefined {
  const [first, second, low, high] = bytes;
  if (first !== 0x0f || second !== 0x3f || high === undefined) return undefined;
  const text = `upcall ${low! | (high << 8)}`;
  return { address, bytes: bytes.slice(), text, valid: true, refersTo: undefined };
}

const NEAR_BRANCHES: ReadonlySet<OpKind> = new Set([OpKind.NearBranch16, OpKind.NearBranch32, OpKind.NearBranch64]);

function addressIn(instruction: Instruction): bigint | undefined {
  if (NEAR_BRANCHES.has(instruction.op0Kind)) return instruction.nearBranchTarget;
  if (instruction.isIpRelMemoryOperand) return instruction.ipRelMemoryAddress;
  const kinds = Array.from({ length: instruction.opCount }, (_, i) => instruction.opKind(i));
  const isAbsolute = instruction.memoryBase === Register.None && instruction.memoryIndex === Register.None;
  return isAbsolute && kinds.includes(OpKind.Memory) ? instruction.memoryDisplacement : undefined;
}

const byteDirective = (byte: number, syntax: Syntax) =>
  `${syntax === "gas" ? ".byte" : "db"} 0x${byte.toString(16).padStart(2, "0")}`;

/** The instruction at the start of `bytes`. `isCall`: a CALL, which leaves its return address on the stack. `target`: where a direct near branch goes, counted from there. */
export function instructionAt(
  bytes: Uint8Array,
  bits: 16 | 32 | 64,
): { readonly length: number; readonly flow: Flow; readonly isCall: boolean; readonly target: bigint | undefined } {
  const decoder = new Decoder(bits, bytes, DecoderOptions.None);
  const instruction = decoder.decode();
  const isDirect = instruction.isJccShortOrNear || instruction.isJmpShortOrNear || instruction.isCallNear;
  const target = isDirect ? instruction.nearBranchTarget : undefined;
  const { isCallNear, isCallFar, isCallNearIndirect, isCallFarIndirect } = instruction;
  const isCall = isCallNear || isCallFar || isCallNearIndirect || isCallFarIndirect;
  const result = { length: instruction.length, flow: flowOf(instruction.flowControl), isCall, target };
  instruction.free();
  decoder.free();
  return result;
}

function flowOf(flow: FlowControl): Flow {
  switch (flow) {
    case FlowControl.Next:
      return "next";
    case FlowControl.UnconditionalBranch:
    case FlowControl.IndirectBranch:
      return "jump";
    case FlowControl.ConditionalBranch:
    case FlowControl.XbeginXabortXend:
      return "conditional";
    case FlowControl.Call:
    case FlowControl.IndirectCall:
      return "call";
    case FlowControl.Return:
      return "return";
    case FlowControl.Interrupt:
      return "interrupt";
    default:
      return "stop";
  }
}
