/**
 * A third reading of the IR: what an instruction would do, on values of which some are unknown. Nothing is executed. The debugger
 * follows code with it, to see where a function would return to.
 */
import { arithFlags, conditionHolds, conditionReads, lazyOp, type OpSize } from "../flags.ts";
import type { SegIndex } from "../layout.ts";
import type { Insn } from "../operation.ts";
import { IrBuilder } from "./builder.ts";
import type { BinaryOp, IrInsn, Relation, SetFlags, Space, Statement, UnaryOp, Value } from "./types.ts";

/** Unsigned, of the value's width; undefined = cannot be told. */
export type Known = bigint | undefined;

export interface Knowledge {
  /** The general registers, 64 bits each. */
  readonly regs: Known[];
  /** EFLAGS, and which of its bits are known. */
  flags: number;
  flagsKnown: number;
  segBase(seg: SegIndex): Known;
  load(address: bigint, bytes: number): Known;
  /** `address` undefined: somewhere. */
  store(address: Known, bytes: number, value: Known): void;
}

/** Where the instruction leads. Targets are offsets in CS; `taken` undefined = may be either. */
export type Foreseen =
  | { readonly kind: "next" | "helper" }
  | { readonly kind: "jump"; readonly target: Known; readonly taken: boolean | undefined };

export function foresee(ir: IrInsn, knowledge: Knowledge): Foreseen {
  const reader = new Reader(knowledge);
  for (const statement of ir.statements) {
    const end = reader.statement(statement);
    if (end !== undefined) return end;
  }
  return { kind: "next" };
}

/** The linear address of the instruction's memory operand, if it has one and that can be told. */
export function foreseeAddress(insn: Insn, mode: number, knowledge: Knowledge): Known {
  const operand = insn.ops.find(({ kind }) => kind === "mem");
  if (operand?.kind !== "mem") return undefined;
  const { space, address } = new IrBuilder(insn, mode, 0).place(operand);
  return new Reader(knowledge).linear(space, address);
}

const ones = (bits: number): bigint => (1n << BigInt(bits)) - 1n;

class Reader {
  readonly #k: Knowledge;
  /** Registers and flags as they are before the instruction's own writes. */
  readonly #regs: readonly Known[];
  readonly #flags: { readonly value: number; readonly known: number };
  readonly #temps: Known[] = [];

  constructor(knowledge: Knowledge) {
    this.#k = knowledge;
    this.#regs = [...knowledge.regs];
    this.#flags = { value: knowledge.flags, known: knowledge.flagsKnown };
  }

  statement(s: Statement): Foreseen | undefined {
    switch (s.op) {
      case "let":
        this.#temps[s.temp] = this.#value(s.value);
        return undefined;
      case "load": {
        const address = this.linear(s.space, s.address);
        this.#temps[s.temp] = address === undefined ? undefined : this.#k.load(address, s.size);
        return undefined;
      }
      case "store":
        this.#k.store(this.linear(s.space, s.address), s.size, cut(this.#value(s.value), s.size * 8));
        return undefined;
      case "setreg":
        this.#k.regs[s.reg] = withPart(this.#k.regs[s.reg], s.size, s.highByte, this.#value(s.value));
        return undefined;
      case "flags":
        this.#setFlags(s);
        return undefined;
      case "flagbits":
        this.#putFlags(s.mask, s.when === undefined ? this.#value(s.value) : undefined);
        return undefined;
      case "jump":
        return this.#jump(this.#value(s.target), s.test === undefined ? 1n : this.#value(s.test));
      case "helper":
        return { kind: "helper" };
      default:
        return undefined;
    }
  }

  #jump(target: Known, test: Known): Foreseen {
    return { kind: "jump", target, taken: test === undefined ? undefined : test !== 0n };
  }

  linear(space: Space, address: Value): Known {
    const offset = this.#value(address);
    if (offset === undefined) return undefined;
    if (space.kind === "linear") return cut(offset, space.type);
    const base = this.#k.segBase(space.seg);
    return base === undefined ? undefined : cut(base + offset, 32);
  }

  #setFlags({ kind, size, result, a, b, mask, when }: SetFlags): void {
    const words = [result, a, b].map((value) => this.#value(value));
    const told = when === undefined && words.every((word) => word !== undefined);
    if (!told) {
      this.#putFlags(mask, undefined);
      return;
    }
    const halves = words.flatMap((word) => [Number(word! & 0xffff_ffffn) | 0, Number(word! >> 32n) | 0]);
    const [rl, rh, al, ah, bl, bh] = halves as [number, number, number, number, number, number];
    this.#putFlags(mask, BigInt(arithFlags(lazyOp(kind, size), rl, rh, al, ah, bl, bh)));
  }

  #putFlags(mask: number, value: Known): void {
    if (value === undefined) this.#k.flagsKnown &= ~mask;
    else {
      this.#k.flags = (this.#k.flags & ~mask) | (Number(value & 0xffff_ffffn) & mask);
      this.#k.flagsKnown |= mask;
    }
  }

  #value(v: Value): Known {
    const value = this.#raw(v);
    return value === undefined ? undefined : cut(value, v.type);
  }

  #raw(v: Value): Known {
    switch (v.op) {
      case "const":
        return (BigInt(v.high >>> 0) << 32n) | BigInt(v.low >>> 0);
      case "temp":
        return this.#temps[v.index];
      case "segbase":
        return this.#k.segBase(v.seg);
      case "reg": {
        const whole = this.#regs[v.reg];
        return whole === undefined ? undefined : cut(v.highByte ? whole >> 8n : whole, v.size);
      }
      case "condition":
        return this.#condition(v.cc);
      case "eflags":
        return (this.#flags.known & v.mask) === v.mask ? BigInt((this.#flags.value & v.mask) >>> 0) : undefined;
      case "select": {
        const test = this.#value(v.test);
        return test === undefined ? undefined : this.#value(test !== 0n ? v.a : v.b);
      }
      default:
        return this.#computed(v);
    }
  }

  #condition(cc: number): Known {
    const { value, known } = this.#flags;
    if ((conditionReads(cc) & ~known) !== 0) return undefined;
    return conditionHolds(cc, value) ? 1n : 0n;
  }

  #computed(v: Extract<Value, { readonly a: Value }>): Known {
    const a = this.#value(v.a);
    if ("b" in v && v.op !== "select") {
      const b = this.#value(v.b);
      // AND with zero is known whatever the rest is
      if (v.op === "and" && (a === 0n || b === 0n)) return 0n;
      if (a === undefined || b === undefined) return undefined;
      return v.op === "compare" ? (compare(v.relation, a, b, v.a.type) ? 1n : 0n) : binary(v.op, a, b, v.type);
    }
    if (a === undefined) return undefined;
    switch (v.op) {
      case "extend":
        return v.signed ? BigInt.asUintN(64, BigInt.asIntN(32, a)) : a;
      case "low":
        return a;
      case "high":
        return a >> 32n;
      default:
        return unary(v.op as UnaryOp, a, v.type);
    }
  }
}

/** A general register after a write of `size` bits. */
export function withPart(old: Known, size: OpSize, highByte: boolean, value: Known): Known {
  if (size >= 32) return cut(value, size);
  if (old === undefined || value === undefined) return undefined;
  const shift = highByte ? 8n : 0n;
  const mask = ones(size) << shift;
  return (old & ~mask) | ((value << shift) & mask);
}

const cut = <K extends Known>(value: K, bits: number): K =>
  (value === undefined ? undefined : BigInt.asUintN(bits, value)) as K;

function binary(op: BinaryOp, a: bigint, b: bigint, bits: number): Known {
  const count = b & BigInt(bits - 1);
  switch (op) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "shl":
      return a << count;
    case "shr":
      return a >> count;
    case "sar":
      return BigInt.asIntN(bits, a) >> count;
    case "rol":
      return (a << count) | (a >> (BigInt(bits) - count));
    case "ror":
      return (a >> count) | (a << (BigInt(bits) - count));
  }
}

/** Bit counts are left unknown: no address comes from them. */
function unary(op: UnaryOp, a: bigint, bits: number): Known {
  if (op === "not") return a ^ ones(bits);
  return op === "neg" ? -a : undefined;
}

function compare(relation: Relation, left: bigint, right: bigint, bits: number): boolean {
  const signed = relation.endsWith("s");
  const a = signed ? BigInt.asIntN(bits, left) : left;
  const b = signed ? BigInt.asIntN(bits, right) : right;
  switch (relation) {
    case "eq":
      return a === b;
    case "ne":
      return a !== b;
    case "ltu":
    case "lts":
      return a < b;
    case "geu":
    case "ges":
      return a >= b;
    case "leu":
    case "les":
      return a <= b;
    case "gtu":
    case "gts":
      return a > b;
  }
}
