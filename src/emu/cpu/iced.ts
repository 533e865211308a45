/**
 * The only import of iced-x86. It is a CommonJS package whose names appear when its WebAssembly is instantiated, so it is
 * taken as one object; its classes' types are exported beside it.
 */
import iced from "iced-x86";

export { iced };
export type { Decoder, Encoder, Formatter, Instruction, InstructionInfo, OpCodeInfo } from "iced-x86";
