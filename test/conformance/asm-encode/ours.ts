/** Our assembler on one statement: its bytes, and which of them are relocated. */
import { assemble } from "../../../src/asmlang/index.ts";
import type { Line, Syntax } from "./line.ts";

export interface OurAnswer {
  /** undefined: rejected. */
  readonly bytes: Uint8Array | undefined;
  readonly message: string | undefined;
  /** Fields of relocations: NASM's and GNU as's listings show different things there, symbols being `ext`. */
  readonly fields: readonly { readonly offset: number; readonly size: number }[];
}

const HEADS: Readonly<Record<Syntax, (bits: number) => string>> = {
  nasm: (bits) => `bits ${bits}\nextern ext\n`,
  att: (bits) => `.code${bits}\n`,
  intel: (bits) => `.code${bits}\n.intel_syntax noprefix\n`,
};

export function assembleOurs({ syntax, bits, text }: Line): OurAnswer {
  const source = { uri: "line", text: `${HEADS[syntax](bits)}${text}\n` };
  const result = assemble(source, { dialect: syntax === "nasm" ? "nasm" : "gas", bits: bits === 64 ? 64 : 32 });
  const error = result.diagnostics.find(({ severity }) => severity === "error");
  if (error !== undefined) return { bytes: undefined, message: error.message, fields: [] };
  const section = result.sections.find(({ name }) => name === ".text");
  return { bytes: section?.bytes ?? new Uint8Array(), message: undefined, fields: section?.relocations ?? [] };
}
