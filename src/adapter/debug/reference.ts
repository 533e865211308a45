import type { Addr } from "../../emu/cpu/state.ts";

/** A place that an expression can name: it reads as an unsigned value of `bits` bits, and may be written. */
export interface Reference {
  readonly bits: number;
  /** undefined: there is nothing to read there now (unmapped memory). */
  read(): bigint | undefined;
  readonly write?: (value: bigint) => void;
  /** Where it is in memory, for memory views and data breakpoints. */
  readonly address?: number;
  /** Whose memory, if the expression says it. */
  readonly process?: number;
  /** It holds a floating-point number of its width. */
  readonly real?: true;
  /** Of a vector: each of these is one of its elements, the lowest first. */
  readonly elements?: readonly Reference[];
  /** It always reads the same. */
  readonly fixed?: true;
  /** Of a field of bits: the bytes at `address` that hold it, and which of their bits it is. */
  readonly within?: { readonly bytes: number; readonly mask: bigint };
  /** Of a field of the current task: where the processor's pointer to that task is, and how far from the task the field is. */
  readonly inTask?: { readonly pointer: Addr; readonly pointerBytes: 4 | 8; readonly offset: number };
}

/** A complaint about an expression or value the user wrote; `column` is zero-based in the text. */
export class ExpressionError extends Error {
  readonly column: number;
  constructor(message: string, column: number) {
    super(message);
    this.column = column;
  }
}
