/** One line of the comparison: a statement as text, for the tool and for our assembler. */
import type { AsmOperand, EncodeRequest } from "../../../src/asmlang/encode/index.ts";
import type { Bits } from "../../../src/asmlang/types.ts";

export type Syntax = "nasm" | "att" | "intel";

export interface Line {
  readonly syntax: Syntax;
  readonly bits: Bits;
  readonly text: string;
}

export type Memory = Extract<AsmOperand, { kind: "mem" }>;
export type { AsmOperand, EncodeRequest };
