/** Between the parsers and the encoder: one instruction statement, its operands still possibly symbolic. */
import type { Bits, Dialect } from "../types.ts";

/** A number that is known now, or one that layout will know; then `range` hints say what widths to plan for. */
export interface Value {
  /** undefined = relocatable or a forward reference. */
  readonly known: bigint | undefined;
}

/** EVEX masking, `{k1}{z}`. */
export interface Mask {
  /** iced Register value, 0 none (`{z}` alone). */
  readonly opmask: number;
  readonly zeroing: boolean;
}

/** EVEX rounding, `{rn-sae}`: stands in the operand list without being an operand. */
export interface Rounding {
  readonly mode: "rn-sae" | "rd-sae" | "ru-sae" | "rz-sae" | "sae";
  /** How many operands stand before it, in Intel order. */
  readonly after: number;
}

export type AsmOperand =
  | { readonly kind: "reg"; readonly reg: number; readonly mask?: Mask } // iced Register value
  | { readonly kind: "imm"; readonly value: Value; readonly size?: 8 | 16 | 32 | 64; readonly strict?: boolean }
  | {
      readonly kind: "mem";
      /** iced Register values; 0 = none. base may be RIP/EIP. */
      readonly segment: number;
      readonly base: number;
      readonly index: number;
      readonly scale: 1 | 2 | 4 | 8;
      readonly displacement: Value | undefined;
      /** Bytes named by a size keyword (`dword`, `DWORD PTR`, an AT&T suffix does not count), 0 = unsaid. */
      readonly size: number;
      /** NASM `[byte rbx+8]`, `[dword 0]`: forced displacement width in bits. NASM `[a16 ..]`/`a32`: forced address size. */
      readonly displacementSize?: 8 | 16 | 32 | 64;
      readonly addressSize?: 16 | 32 | 64;
      /** NASM `nosplit`; NASM rel/abs or GNU (%rip): true = RIP-relative, false = absolute. */
      readonly nosplit?: boolean;
      readonly relative?: boolean;
      /** A far pointer is read there: NASM `call far [x]`, `jmp far dword [x]` (size then that of its offset). GNU says it by the mnemonic. */
      readonly far?: boolean;
      /** GNU's %eiz, %riz: there is a SIB byte with `scale` whose index is none; bits of the name's width. */
      readonly noIndex?: 32 | 64;
      readonly mask?: Mask;
      /** Elements of a broadcast: 16 for `{1to16}`; "bcst" where only the element's size is given (`dword bcst [rax]`). */
      readonly broadcast?: number | "bcst";
    }
  | {
      readonly kind: "target";
      readonly value: Value;
      readonly distance?: "short" | "near" | "far";
      readonly size?: 16 | 32 | 64;
      /** NASM: not to be made short. */
      readonly strict?: boolean;
    } // direct branch target, also GNU `jmp label`
  | {
      readonly kind: "far";
      readonly selector: Value;
      readonly offset: Value;
      readonly size?: 16 | 32;
      /** GNU's Intel syntax, `call 0x10,0x1000`: to it these are two displacements. */
      readonly apart?: boolean;
    };

export interface Architecture {
  readonly name: string;
  /** Is a form of iced's not among its instructions? */
  readonly lacks: (code: number) => boolean;
}

export interface EncodeRequest {
  readonly dialect: Dialect;
  /** GNU `.intel_syntax`: operands arrive in Intel order whatever the syntax, but mnemonics differ (suffixes only in AT&T). */
  readonly intelMnemonics: boolean;
  /** GNU `.intel_mnemonic`: FSUB and FSUBR are what they are called in AT&T syntax, too. */
  readonly uncrossed?: boolean;
  readonly bits: Bits;
  /** As written, lower case, without prefixes: "movl", "lcall", "iretq". */
  readonly mnemonic: string;
  /** Always Intel order, destination first. */
  readonly operands: readonly AsmOperand[];
  readonly rounding?: Rounding;
  /** lock rep repe repne a16 a32 o16 o32 o64 xacquire data16 addr32 ... as written, lower case; segment overrides as prefixes too. */
  readonly prefixes: readonly string[];
  /** GNU `.arch`: what instructions there are. */
  readonly architecture?: Architecture;
  /** {evex} {vex} {load} {store} {disp8} ..., without braces. */
  readonly hints: readonly string[];
}

/** A field that layout fills in. */
export interface Fixup {
  /** Offset in the instruction's bytes. */
  readonly offset: number;
  readonly size: 1 | 2 | 4 | 8;
  readonly kind: "abs" | "pcrel";
  readonly signed: boolean;
  /** Which operand's value, and which part of it (mem: displacement; far: selector or offset). */
  readonly operand: number;
  readonly part: "value" | "displacement" | "selector" | "offset";
  /** pcrel: what is added to S-P so that the field is relative to the instruction's end (a negative number of bytes). */
  readonly addend: number;
}

export interface Encoding {
  readonly bytes: readonly number[];
  readonly fixups: readonly Fixup[];
  /** Worth a warning, e.g. "value does not fit". */
  readonly warnings: readonly string[];
}

export type EncodeResult =
  /** Best first (the dialect's own tool would choose it); `long` is there when `best` is a short branch that layout may have to widen. */
  | { readonly ok: true; readonly best: Encoding; readonly long?: Encoding }
  /** operand: index of the guilty operand, -1 the mnemonic. */
  | { readonly ok: false; readonly message: string; readonly operand: number };
