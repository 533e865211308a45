/**
 * Conditions of breakpoints as tests for compiled code, so that a false one costs no stop: the tree of the expression, lowered to the
 * processor's IR. What the IR does not say (hidden parts, divisions, assignments, the kernel's fields but those of thread_info) makes
 * no test: then the breakpoint is asked each time. A test may say "perhaps"; only its "no" counts.
 */
import type { BinaryOp, Peek, Relation, Test, Type, Value } from "../../emu/cpu/ir/types.ts";
import { SEG, type SegIndex } from "../../emu/cpu/layout.ts";
import { addrToBig } from "../../emu/cpu/state.ts";
import { isSigned, type Scope } from "./expression.ts";
import { type BinaryOperator, type Node, type NodeOf, parseExpression, type SegmentName } from "./expression-tree.ts";
import { ExpressionError, type Reference } from "./reference.ts";
import { flagsPart, generalPart } from "./registers.ts";

/** A test that one of `conditions` may hold, for code of so many bits; undefined if it cannot be said. */
export function testOf(conditions: readonly string[], scope: Scope, bits: 16 | 32 | 64): Test | undefined {
  const lowering = new Lowering(scope, bits);
  let any: Value | undefined;
  for (const condition of conditions) {
    const value = lowering.condition(condition);
    if (value === undefined) return undefined;
    any = any === undefined ? value : { op: "or", type: 32, a: any, b: value };
  }
  return any && { peeks: lowering.peeks, temps: lowering.temps, value: any };
}

const constant = (value: bigint): Value => ({
  op: "const",
  type: 64,
  low: Number(BigInt.asIntN(32, value)),
  high: Number(BigInt.asIntN(32, value >> 32n)),
});
const ZERO = constant(0n);
const wide = (a: Value): Value => ({ op: "extend", type: 64, signed: false, a });
const compare = (relation: Relation, a: Value, b: Value): Value => ({ op: "compare", type: 32, relation, a, b });
const isNot0 = (a: Value): Value => compare("ne", a, ZERO);
const binary64 = (op: BinaryOp, a: Value, b: Value): Value => ({ op, type: 64, a, b });
const count = (bits: number): Value => ({ op: "const", type: 32, low: bits, high: 0 });

const PLAIN: Partial<Record<BinaryOperator, BinaryOp>> = {
  "|": "or",
  "^": "xor",
  "&": "and",
  "+": "add",
  "-": "sub",
  "*": "mul",
};
/** Unsigned, then signed. */
const RELATIONS: Partial<Record<BinaryOperator, readonly [Relation, Relation]>> = {
  "==": ["eq", "eq"],
  "!=": ["ne", "ne"],
  "<": ["ltu", "lts"],
  "<=": ["leu", "les"],
  ">": ["gtu", "gts"],
  ">=": ["geu", "ges"],
};

class Lowering {
  readonly peeks: Peek[] = [];
  readonly temps: Type[] = [];
  readonly #scope: Scope;
  readonly #bits: 16 | 32 | 64;

  constructor(scope: Scope, bits: 16 | 32 | 64) {
    this.#scope = scope;
    this.#bits = bits;
  }

  /** 32-bit: not zero where the condition holds. */
  condition(text: string): Value | undefined {
    try {
      const value = this.#value(parseExpression(text).root);
      return value && isNot0(value);
    } catch (error) {
      if (error instanceof ExpressionError) return undefined; // said when it is asked
      throw error;
    }
  }

  /** All values are 64-bit, as in expression.ts. */
  #value(node: Node): Value | undefined {
    switch (node.kind) {
      case "number":
        return node.value === BigInt.asUintN(64, node.value) ? constant(node.value) : undefined;
      case "name":
        return this.#named(node.name);
      case "memory":
        return this.#memory(node);
      case "cast":
        return this.#cast(node);
      case "unary":
        return this.#unary(node);
      case "binary":
        return this.#binary(node);
      case "real":
      case "element":
      case "assignment":
        return undefined;
    }
  }

  #named(name: string): Value | undefined {
    const part = generalPart(name.toLowerCase());
    if (part !== undefined) return part.index === "pointer" ? undefined : register(part.index, part.bits, part.shift);
    const flags = flagsPart(name);
    if (flags !== undefined) return wide(flagBits(flags.bit, flags.width));
    const reference = this.#scope.name(name);
    if (reference?.inTask !== undefined) return this.#inTask(reference, reference.inTask);
    const value = reference?.fixed === true ? reference.read() : undefined;
    return value === undefined ? undefined : constant(value);
  }

  #memory({ segment, offset, bytes = this.#bits / 8, real, process }: NodeOf<"memory">): Value | undefined {
    if (real || process !== undefined) return undefined;
    const at = this.#value(offset);
    return at && this.#peek(this.#linear(segment, at), bytes);
  }

  /** The current task is whichever it is when the test is made. */
  #inTask({ bits, within }: Reference, { pointer, pointerBytes, offset }: NonNullable<Reference["inTask"]>) {
    const task = this.#peek(constant(addrToBig(pointer)), pointerBytes);
    const field = task && this.#peek(binary64("add", task, constant(BigInt(offset))), within?.bytes ?? bits / 8);
    if (field === undefined || within === undefined) return field;
    return wide(isNot0(binary64("and", field, constant(within.mask))));
  }

  #peek(address: Value, bytes: number): Value | undefined {
    if (bytes !== 1 && bytes !== 2 && bytes !== 4 && bytes !== 8) return undefined;
    const type = bytes === 8 ? 64 : 32;
    const temp = this.temps.push(type) - 1;
    this.peeks.push({ op: "peek", temp, size: bytes, address });
    const value: Value = { op: "temp", type, index: temp };
    return type === 64 ? value : wide(value);
  }

  #linear(segment: SegmentName | undefined, offset: Value): Value {
    if (segment === undefined) return offset;
    const seg = SEG[segment.toUpperCase() as Uppercase<SegmentName>] as SegIndex;
    const linear = binary64("add", offset, { op: "segbase", type: 64, seg });
    return this.#bits === 64 ? linear : binary64("and", linear, constant(0xffff_ffffn));
  }

  #cast({ bits, to, operand }: NodeOf<"cast">): Value | undefined {
    if (to === "real") return undefined;
    const value = this.#value(operand);
    if (value === undefined || bits === 64) return value;
    if (to === "unsigned") return binary64("and", value, constant((1n << BigInt(bits)) - 1n));
    return binary64("sar", binary64("shl", value, count(64 - bits)), count(64 - bits));
  }

  #unary({ operator, operand }: NodeOf<"unary">): Value | undefined {
    const a = this.#value(operand);
    if (a === undefined || operator === "+") return a;
    if (operator === "!") return wide(compare("eq", a, ZERO));
    return { op: operator === "-" ? "neg" : "not", type: 64, a };
  }

  #binary(node: NodeOf<"binary">): Value | undefined {
    const { operator } = node;
    const [a, b] = [this.#value(node.left), this.#value(node.right)];
    if (a === undefined || b === undefined) return undefined;
    const plain = PLAIN[operator];
    if (plain !== undefined) return binary64(plain, a, b);
    const relation = RELATIONS[operator];
    if (relation !== undefined) return wide(compare(relation[isSigned(node) ? 1 : 0], a, b));
    if (operator === "||") return wide(isNot0(binary64("or", a, b)));
    if (operator === "&&") return wide({ op: "and", type: 32, a: isNot0(a), b: isNot0(b) });
    const by: Value = { op: "low", type: 32, a: b };
    if (operator === "<<") return binary64("shl", a, by);
    if (operator === ">>") return binary64(isSigned(node) ? "sar" : "shr", a, by);
    return undefined;
  }
}

function register(reg: number, bits: 8 | 16 | 32 | 64, shift: number): Value {
  const value: Value = { op: "reg", type: bits === 64 ? 64 : 32, reg, size: bits, highByte: shift === 8 };
  return bits === 64 ? value : wide(value);
}

function flagBits(bit: number, width: number): Value {
  const mask = ((1 << width) - 1) << bit;
  return { op: "shr", type: 32, a: { op: "eflags", type: 32, mask }, b: count(bit) };
}
