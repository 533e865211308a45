/** One line of the comparison: the same statement as text for the tool and as a request for our encoder. */
import type { AsmOperand, EncodeRequest } from "../../../src/asmlang/encode/index.ts";

export type Syntax = "nasm" | "att" | "intel";

export interface Line {
  readonly syntax: Syntax;
  readonly request: EncodeRequest;
  readonly text: string;
}

export type Memory = Extract<AsmOperand, { kind: "mem" }>;
export type { AsmOperand, EncodeRequest };
