/**
 * The only import of iced-x86. It is a CommonJS package whose names appear when its WebAssembly is instantiated, so it is
 * taken as one object; its classes' types are exported beside it. Its enums have the numbers and, in reverse, the names:
 * `Mnemonic[insn.mnemonic]`.
 */
import iced from "iced-x86";

export { iced };
export const { Code, DecoderError, DecoderOptions, MemorySizeExt, Mnemonic, OpKind, Register } = iced;
export type { Decoder, Encoder, Formatter, Instruction, InstructionInfo, OpCodeInfo } from "iced-x86";
