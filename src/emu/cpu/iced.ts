/**
 * The one import of iced-x86 (CommonJS, with its WebAssembly embedded by scripts/iced-plugin.mjs in bundles). Its enums have the
 * numbers and, in reverse, the names: `Mnemonic[insn.mnemonic]`.
 */
import iced from "iced-x86";

export const {
  BlockEncoder,
  BlockEncoderOptions,
  Code,
  CodeExt,
  CodeSize,
  ConditionCode,
  Decoder,
  DecoderError,
  DecoderOptions,
  EncodingKind,
  Encoder,
  FastFormatter,
  FlowControl,
  Formatter,
  FormatterSyntax,
  Instruction,
  InstructionInfoFactory,
  MemoryOperand,
  MemorySize,
  MemorySizeExt,
  Mnemonic,
  MandatoryPrefix,
  OpAccess,
  OpCodeInfo,
  OpCodeOperandKind,
  OpCodeTableKind,
  OpKind,
  Register,
  RegisterExt,
  RepPrefixKind,
  RflagsBits,
  RoundingControl,
  TupleType,
} = iced;
export type {
  Decoder as IcedDecoder,
  Encoder as IcedEncoder,
  Formatter as IcedFormatter,
  Instruction as IcedInstruction,
  MemoryOperand as IcedMemoryOperand,
  OpCodeInfo as IcedOpCodeInfo,
} from "iced-x86";
