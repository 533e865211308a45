/**
 * The small typed IR between an operation's one body and its readers (tier 0, tier 1, later: what does it write). Values are 32- or
 * 64-bit; narrower ones are 32-bit and zero-extended. Values are pure: they may be evaluated late or twice, or not at all.
 */
import type { Condition, LazyKind, OpSize } from "../flags.ts";
import type { SegIndex } from "../layout.ts";
import type { Helper, Insn } from "../operation.ts";

export type Type = 32 | 64;
export type BinaryOp = "add" | "sub" | "mul" | "and" | "or" | "xor" | "shl" | "shr" | "sar" | "rol" | "ror";
export type UnaryOp = "not" | "neg" | "clz" | "ctz" | "popcnt";
export type Relation = "eq" | "ne" | "ltu" | "geu" | "leu" | "gtu" | "lts" | "ges" | "les" | "gts";

export type Value =
  | { readonly op: "const"; readonly type: Type; readonly low: number; readonly high: number }
  /** A general register's part as it is before the instruction's own writes. */
  | { readonly op: "reg"; readonly type: Type; readonly reg: number; readonly size: OpSize; readonly highByte: boolean }
  /** What a `let` or `load` of the same instruction made. */
  | { readonly op: "temp"; readonly type: Type; readonly index: number }
  /** The base of a segment, 64-bit. */
  | { readonly op: "segbase"; readonly type: 64; readonly seg: SegIndex }
  /** Shift and rotate counts are 32-bit and taken modulo the type's width. */
  | { readonly op: BinaryOp; readonly type: Type; readonly a: Value; readonly b: Value }
  | { readonly op: UnaryOp; readonly type: Type; readonly a: Value }
  /** 0 or 1. */
  | { readonly op: "compare"; readonly type: 32; readonly relation: Relation; readonly a: Value; readonly b: Value }
  /** `test` is 32-bit: not zero gives a. Both sides are pure, so either may be evaluated. */
  | { readonly op: "select"; readonly type: Type; readonly test: Value; readonly a: Value; readonly b: Value }
  /** 32 to 64 bits. */
  | { readonly op: "extend"; readonly type: 64; readonly signed: boolean; readonly a: Value }
  /** Low or high 32 bits of a 64-bit value. */
  | { readonly op: "low" | "high"; readonly type: 32; readonly a: Value }
  /** Upper 64 bits of a 64 by 64 product are left to helpers. */
  /** A condition on the flags as they are before the instruction: 0 or 1. */
  | { readonly op: "condition"; readonly type: 32; readonly cc: Condition }
  /** EFLAGS before the instruction, those bits of it that are in `mask`. */
  | { readonly op: "eflags"; readonly type: 32; readonly mask: number };

/** Where an access goes: a linear address (64-bit, or 32-bit through a flat segment), or an offset to be checked against a segment. */
export type Space =
  | { readonly kind: "linear"; readonly type: Type; readonly seg: SegIndex }
  | { readonly kind: "segment"; readonly seg: SegIndex };
export type MemSize = 1 | 2 | 4 | 8;

export interface Load {
  readonly op: "load";
  readonly temp: number;
  readonly size: MemSize;
  readonly space: Space;
  readonly address: Value;
  /** The same instruction stores there: checked as a write, so that the store cannot fault. */
  readonly forWrite: boolean;
}
export interface Store {
  readonly op: "store";
  readonly size: MemSize;
  readonly space: Space;
  readonly address: Value;
  readonly value: Value;
}
export interface SetFlags {
  readonly op: "flags";
  readonly kind: LazyKind;
  readonly size: OpSize;
  /** Result and inputs, zero-extended from the operation's size. */
  readonly result: Value;
  readonly a: Value;
  readonly b: Value;
  /** Which flags change. */
  readonly mask: number;
  /** 32-bit: nothing changes when it is zero (a shift by zero). */
  readonly when: Value | undefined;
}

export type Statement =
  | { readonly op: "let"; readonly temp: number; readonly value: Value }
  | Load
  | Store
  | SetFlags
  /** EFLAGS bits in `mask` become those of `value`. */
  | { readonly op: "flagbits"; readonly mask: number; readonly value: Value; readonly when: Value | undefined }
  | {
      readonly op: "setreg";
      readonly reg: number;
      readonly size: OpSize;
      readonly highByte: boolean;
      readonly value: Value;
    }
  /** #GP unless a near target lies inside CS (or is canonical). */
  | { readonly op: "checktarget"; readonly target: Value }
  /** Ends the instruction: RIP becomes `target`, if `test` (32-bit) is given and zero the next instruction's. */
  | { readonly op: "jump"; readonly target: Value; readonly test: Value | undefined }
  | { readonly op: "helper"; readonly helper: Helper; readonly ends: boolean };

/** A load for a look from outside: without faults or any other effect. Where it is not to be had, the test that it is for gives up. */
export interface Peek {
  readonly op: "peek";
  readonly temp: number;
  readonly size: MemSize;
  /** Linear, 64-bit. */
  readonly address: Value;
}

/** A debugger's question to the state before an instruction, for compiled code: zero (32-bit) is a no; anything else, or giving up, is a perhaps. */
export interface Test {
  readonly peeks: readonly Peek[];
  readonly temps: readonly Type[];
  readonly value: Value;
}

/** One instruction as both tiers read it. */
export interface IrInsn {
  readonly insn: Insn;
  readonly statements: readonly Statement[];
  readonly temps: readonly Type[];
}
