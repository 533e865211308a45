/**
 * What `--model` means: one line for each fact in which an older processor differs from a current one. The code asks this table and
 * never for a model by name; operations that work differently are in ops/i286.ts.
 */
import type { CpuModel } from "./cpu.ts";
import { CpuidFeature, DecoderOptions } from "./iced.ts";
import { CR0, EFLAGS } from "./layout.ts";

export interface ModelFacts {
  /** Bytes of the longest instruction; a longer one is #GP. */
  readonly maxLength: number;
  /** iced's names for the instructions that there are; others raise #UD. Undefined: all that have an operation. */
  readonly instructions: ReadonlySet<number> | undefined;
  /** How iced is to read bytes that were given a meaning later. */
  readonly decoderOptions: number;
  /** 64 to 67 are prefixes: FS, GS, operand size, address size. */
  readonly widePrefixes: boolean;
  /** Segment registers, counted from ES. */
  readonly segments: 4 | 6;
  /** EFLAGS bits that exist, and those that software can set in real mode. */
  readonly flags: number;
  readonly realFlags: number;
  /** CR0 bits that exist; those that always read as ones. */
  readonly cr0: number;
  readonly cr0Fixed: number;
  readonly hasCr4: boolean;
  /** What SGDT and SIDT store above a base of 24 bits. */
  readonly tableBaseFill: number;
  /** An access across the end of the stack segment in real mode is exception 13, as for any other segment. */
  readonly stackOverrunIs13: boolean;
  /** EDX after RESET; undefined: the vendor's signature. */
  readonly signature: number | undefined;
}

const ARITH = EFLAGS.CF | EFLAGS.PF | EFLAGS.AF | EFLAGS.ZF | EFLAGS.SF | EFLAGS.OF;
const FLAGS_8086 = ARITH | EFLAGS.TF | EFLAGS.IF | EFLAGS.DF;
const FLAGS_286 = FLAGS_8086 | EFLAGS.IOPL | EFLAGS.NT;
const FLAGS_386 = FLAGS_286 | EFLAGS.RF | EFLAGS.VM;
const MSW = CR0.PE | CR0.MP | CR0.EM | CR0.TS;

const { INTEL8086, INTEL186, INTEL286, INTEL386, FPU, FPU287, FPU387 } = CpuidFeature;
const ISA_286 = [INTEL8086, INTEL186, INTEL286, FPU, FPU287];
/** F3 90 is NOP, F3 0F BC and F3 0F BD are BSF and BSR, F3 0F 09 does not exist. */
const OLD_MEANINGS =
  DecoderOptions.NoPause | DecoderOptions.NoWbnoinvd | DecoderOptions.NoMPFX_0FBC | DecoderOptions.NoMPFX_0FBD;

export const CURRENT: ModelFacts = {
  maxLength: 15,
  instructions: undefined,
  decoderOptions: DecoderOptions.None,
  widePrefixes: true,
  segments: 6,
  flags: -1,
  realFlags: -1,
  cr0: MSW | CR0.ET | CR0.NE | CR0.WP | CR0.AM | CR0.NW | CR0.CD | CR0.PG,
  cr0Fixed: CR0.ET,
  hasCr4: true,
  tableBaseFill: 0,
  stackOverrunIs13: false,
  signature: undefined,
};

const I386: ModelFacts = {
  ...CURRENT,
  instructions: new Set([...ISA_286, INTEL386, FPU387]),
  decoderOptions: OLD_MEANINGS,
  flags: FLAGS_386,
  realFlags: FLAGS_386,
  cr0: MSW | CR0.ET | CR0.PG,
  hasCr4: false,
  // 80386DX, D stepping
  signature: 0x308,
};

const I286: ModelFacts = {
  ...I386,
  maxLength: 10,
  instructions: new Set(ISA_286),
  // LOCK before an instruction that needs none is ignored: the #UD came with the 386.
  decoderOptions: OLD_MEANINGS | DecoderOptions.NoInvalidCheck,
  widePrefixes: false,
  segments: 4,
  flags: FLAGS_286,
  realFlags: FLAGS_8086,
  cr0: MSW,
  // The upper bits of the machine status word.
  cr0Fixed: 0xfff0,
  tableBaseFill: 0xff00_0000 | 0,
  stackOverrunIs13: true,
  signature: 0,
};

const MODELS: Readonly<Record<CpuModel["model"], ModelFacts>> = { "286": I286, "386": I386, current: CURRENT };

export const factsOf = (cpu: { readonly model: CpuModel }): ModelFacts => MODELS[cpu.model.model];
