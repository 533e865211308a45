/**
 * The only import of iced-x86 (CommonJS; its WebAssembly is embedded by scripts/iced-plugin.mjs in bundles). Names are values and,
 * for classes, types too. Enums have the numbers and, in reverse, the names: `Mnemonic[insn.mnemonic]`.
 */

import type * as types from "iced-x86";
import iced from "iced-x86";

export const {
  BlockEncoder,
  BlockEncoderOptions,
  Code,
  CodeExt,
  CodeSize,
  CpuidFeature,
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
  MandatoryPrefix,
  MemoryOperand,
  MemorySize,
  MemorySizeExt,
  Mnemonic,
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
export type Decoder = types.Decoder;
export type Encoder = types.Encoder;
export type FastFormatter = types.FastFormatter;
export type Formatter = types.Formatter;
export type Instruction = types.Instruction;
export type InstructionInfo = types.InstructionInfo;
export type MemoryOperand = types.MemoryOperand;
export type OpCodeInfo = types.OpCodeInfo;
export type Code = types.Code;
export type FlowControl = types.FlowControl;
export type Mnemonic = types.Mnemonic;
export type OpCodeOperandKind = types.OpCodeOperandKind;
export type OpKind = types.OpKind;
export type Register = types.Register;
