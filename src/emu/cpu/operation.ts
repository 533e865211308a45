/**
 * The vocabulary between decoding and meaning: a decoded instruction as plain data, and the two ways an operation can be given a
 * body. Every table in ops/ is made of these; nothing else gives an instruction a meaning.
 */
import type { Cpu } from "./cpu.ts";
import type { IrBuilder } from "./ir/builder.ts";
import type { SegIndex } from "./layout.ts";

export type Operand =
  | { kind: "reg"; reg: number; size: 8 | 16 | 32 | 64; high: boolean } // high: AH CH DH BH
  | { kind: "seg"; seg: SegIndex }
  | { kind: "cr" | "dr" | "mm" | "xmm" | "ymm" | "st" | "k" | "tr" | "bnd"; reg: number }
  | { kind: "imm"; low: number; high: number; size: 8 | 16 | 32 | 64 } // already sign-extended to the operation's size, as 32-bit halves
  | {
      kind: "mem";
      seg: SegIndex;
      base: number;
      index: number;
      scale: 1 | 2 | 4 | 8;
      dispLow: number;
      dispHigh: number;
      size: number;
      /** Gathers: number of the vector register that holds the indices. */
      vindex?: number;
    }
  // base/index: 0-15, -1 none; RIP-relative is resolved into disp with base -1. size: bytes accessed, 0 if none (LEA, INVLPG)
  | { kind: "near"; targetLow: number; targetHigh: number } // offset in CS, already truncated to the operand size
  | { kind: "far"; selector: number; offset: number };

/** One decoded instruction. Immutable, and free of any tie to the decoder's library. */
export interface Insn {
  /** iced `Code` and `Mnemonic` values. */
  readonly code: number;
  readonly mnemonic: number;
  readonly ipLow: number;
  readonly ipHigh: number;
  readonly length: number;
  /** Bits: mode of the code segment, effective operand and address size, stack address size. */
  readonly bits: 16 | 32 | 64;
  readonly opSize: 16 | 32 | 64;
  readonly addrSize: 16 | 32 | 64;
  readonly stackSize: 16 | 32 | 64;
  readonly ops: readonly Operand[];
  readonly lock: boolean;
  readonly rep: boolean;
  readonly repne: boolean;
}

/**
 * A hard instruction: one TypeScript function that both tiers call. When it runs, RIP is already that of the next instruction, and
 * flags may be lazy (use cpu.getFlags()). It checks, may throw a Fault, and only then commits; the caller puts RIP back on a fault.
 */
export type Helper = (cpu: Cpu, insn: Insn) => void;

/** A simple instruction: writes IR nodes that both tiers read. Faulting nodes come before committing ones; the builder insists. */
export type Lowering = (b: IrBuilder, insn: Insn) => void;

export type Operation =
  | { readonly lower: Lowering }
  /** ends: the block ends after it, because RIP, mode, privilege, paging or interrupt state may have changed. */
  | { readonly helper: Helper; readonly ends: boolean };

/** Keys are iced mnemonic names, e.g. "Add", "Iretq". */
export type OperationTable = Readonly<Record<string, Operation>>;

export const lowered = (lower: Lowering): Operation => ({ lower });
/** A computing instruction (falls through, changes no mode). */
export const computed = (helper: Helper): Operation => ({ helper, ends: false });
/** A control or system instruction: the block ends after it. */
export const system = (helper: Helper): Operation => ({ helper, ends: true });
