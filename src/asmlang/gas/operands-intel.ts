/**
 * Operands of `.intel_syntax`: an expression in which registers, brackets, `ptr` sizes, `offset` and segment prefixes may
 * stand, folded into one operand. A bare symbol is a memory reference, as in MASM.
 */
import { Register } from "../../emu/cpu/iced.ts";
import { SourceError } from "../core/diagnostics.ts";
import { type BinaryOp, binary, type Expr, evaluateConstant, number } from "../core/expr.ts";
import type { PlacedOperand, Symbolic } from "../core/instruction.ts";
import { needs64, REGISTERS } from "../core/registers.ts";
import type { Span } from "../core/source.ts";
import type { Cursor } from "./cursor.ts";
import { checkScale, type OperandReader, readNoIndex, symbolic } from "./operands-att.ts";

const SIZES: ReadonlyMap<string, number> = new Map(
  Object.entries({
    byte: 1,
    word: 2,
    dword: 4,
    fword: 6,
    qword: 8,
    mmword: 8,
    tbyte: 10,
    oword: 16,
    xmmword: 16,
    ymmword: 32,
    zmmword: 64,
  }),
);
const WORD_OPERATORS: ReadonlyMap<string, BinaryOp> = new Map(
  Object.entries<BinaryOp>({
    and: "&",
    or: "|",
    xor: "^",
    mod: "%%",
    shl: "<<",
    shr: ">>",
    eq: "==",
    ne: "!=",
    lt: "<",
    le: "<=",
    gt: ">",
    ge: ">=",
  }),
);
const SYMBOL_OPERATORS = [
  ["<<", "<<"],
  [">>", ">>"],
  ["==", "=="],
  ["!=", "!="],
  ["/", "//"],
  ["%", "%%"],
] as const;
const PRECEDENCE: Readonly<Record<string, number>> = {
  "|": 1,
  "^": 1,
  "&": 2,
  "==": 4,
  "!=": 4,
  "<": 4,
  "<=": 4,
  ">": 4,
  ">=": 4,
  "+": 5,
  "-": 5,
  "*": 6,
  "//": 6,
  "%%": 6,
  "<<": 6,
  ">>": 6,
};

/** EIZ and RIZ among registers. */
const NO_INDEX_32 = -32;
const NO_INDEX_64 = -64;

/** A partial sum: an expression and registers with factors. */
interface Sum {
  expr: Expr | undefined;
  registers: { register: number; scale: number; explicit: boolean; span: Span }[];
}

interface Seen {
  brackets: boolean;
  offset: boolean;
  symbol: boolean;
  size: number;
  segment: number;
  distance: "short" | "near" | "far" | undefined;
  /** `dword bcst [...]`. */
  broadcast: boolean;
}

export class IntelOperand {
  readonly #cursor: Cursor;
  readonly #reader: OperandReader;
  readonly #nakedRegisters: boolean;
  readonly #seen: Seen = {
    brackets: false,
    offset: false,
    symbol: false,
    size: 0,
    segment: 0,
    distance: undefined,
    broadcast: false,
  };
  #depth = 0;

  constructor(cursor: Cursor, reader: OperandReader, nakedRegisters: boolean) {
    this.#cursor = cursor;
    this.#reader = reader;
    this.#nakedRegisters = nakedRegisters;
  }

  read(branch: boolean): PlacedOperand {
    const start = this.#cursor.skipSpace().at;
    const sum = this.#sum(1);
    if (this.#cursor.eat(":")) return this.#far(sum, start);
    return { operand: this.#finish(sum, branch, this.#cursor.span(start)), span: this.#cursor.span(start) };
  }

  /** `selector:offset`, both plain numbers or symbols. */
  #far(selector: Sum, start: number): PlacedOperand {
    const offset = this.#sum(1);
    const span = this.#cursor.span(start);
    if (!selector.expr || !offset.expr) throw new SourceError(span, "a far target is SELECTOR:OFFSET");
    return {
      operand: {
        kind: "far",
        selector: symbolic(selector.expr, this.#reader),
        offset: symbolic(offset.expr, this.#reader),
      },
      span,
    };
  }

  #finish(sum: Sum, branch: boolean, span: Span): PlacedOperand["operand"] {
    const seen = this.#seen;
    const value = sum.expr && symbolic(sum.expr, this.#reader);
    const [only] = sum.registers;
    if (only && sum.registers.length === 1 && !seen.brackets && !value && seen.segment === 0)
      return { kind: "reg", reg: only.register };
    if (sum.registers.length === 0 && !seen.brackets && seen.segment === 0) {
      if (branch && seen.size === 0 && value)
        // Layout chooses between short and near, whatever is asked for.
        return { kind: "target", value, ...(seen.distance === "far" && { distance: "far" }) };
      if ((seen.offset || !seen.symbol) && value && (seen.size === 0 || !seen.symbol)) return { kind: "imm", value };
    }
    return this.#memory(sum, value, span);
  }

  #memory(sum: Sum, value: Symbolic | undefined, span: Span): PlacedOperand["operand"] {
    const { base, index: named, scale } = this.#address(sum, span);
    const index = named < 0 ? 0 : named;
    const relative = base === Register.RIP || base === Register.EIP;
    const { segment, size, distance, broadcast } = this.#seen;
    return {
      kind: "mem",
      segment,
      base,
      index,
      scale,
      displacement: value,
      size,
      ...(relative && { relative }),
      ...(named < 0 && { noIndex: named === NO_INDEX_32 ? (32 as const) : (64 as const) }),
      ...(distance === "far" && { far: true }),
      ...(broadcast && { broadcast: "bcst" as const }),
    };
  }

  #address(sum: Sum, span: Span): { base: number; index: number; scale: 1 | 2 | 4 | 8 } {
    const list = [...sum.registers];
    if (list.length > 2) throw new SourceError(span, "an address has at most a base and an index register");
    const scaled = list.findIndex((one) => one.explicit);
    const index =
      scaled >= 0
        ? list.splice(scaled, 1)[0]
        : list.length === 2
          ? list.splice(this.#swaps(list) ? 0 : 1, 1)[0]
          : list[0] && list[0].register < 0
            ? list.pop()
            : undefined;
    const [base] = list;
    if (base?.explicit) throw new SourceError(base.span, "only one register of an address can have a scale");
    return {
      base: base?.register ?? 0,
      index: index?.register ?? 0,
      scale: index ? checkScale(BigInt(index.scale), index.span) : 1,
    };
  }

  /** `[rcx+rsp]`: the stack pointer cannot be an index, so it is the base; 16-bit BX and BP always are. */
  #swaps(list: Sum["registers"]): boolean {
    const second = list[1]!.register;
    const first = list[0]!.register;
    if (first < 0 || (first >= Register.XMM0 && first <= Register.ZMM31)) return true;
    return (
      second === Register.ESP ||
      second === Register.RSP ||
      ((second === Register.BX || second === Register.BP) &&
        list[0]!.register !== Register.BX &&
        list[0]!.register !== Register.BP)
    );
  }

  #sum(lowest: number): Sum {
    let left = this.#unary();
    for (;;) {
      const start = this.#cursor.skipSpace().at;
      if (this.#cursor.peek() === "[") {
        left = this.#combine("+", left, this.#primary(), this.#cursor.span(start));
        continue;
      }
      const operator = this.#operator();
      const rank = operator ? PRECEDENCE[operator]! : 0;
      if (!operator || rank < lowest) {
        this.#cursor.at = start;
        return left;
      }
      left = this.#combine(operator, left, this.#sum(rank + 1), this.#cursor.span(start));
    }
  }

  #operator(): BinaryOp | undefined {
    const { text, at } = this.#cursor;
    const next = this.#cursor.peek();
    if (next === "" || next === "," || next === "]") return undefined;
    if ("+-*&|^".includes(next)) return this.#take(next, next as BinaryOp);
    for (const [symbol, operator] of SYMBOL_OPERATORS)
      if (text.startsWith(symbol, at)) return this.#take(symbol, operator);
    const word = this.#cursor.word()?.toLowerCase();
    return word === undefined ? undefined : WORD_OPERATORS.get(word);
  }

  #take(text: string, operator: BinaryOp): BinaryOp {
    this.#cursor.at += text.length;
    return operator;
  }

  #combine(operator: BinaryOp, a: Sum, b: Sum, span: Span): Sum {
    if (operator === "+")
      return {
        expr: a.expr && b.expr ? binary("+", a.expr, b.expr) : (a.expr ?? b.expr),
        registers: [...a.registers, ...b.registers],
      };
    if (operator === "*") {
      const [register, factor] = a.registers.length > 0 ? [a, b] : [b, a];
      if (register.registers.length === 1 && !register.expr && factor.expr && factor.registers.length === 0) {
        const scale = evaluateConstant(factor.expr, this.#reader.now);
        if (scale === undefined) throw new SourceError(factor.expr.span, "a scale must be a constant");
        const { register: index } = register.registers[0]!;
        if (index === Register.ESP || index === Register.RSP)
          throw new SourceError(span, "the stack pointer cannot be an index");
        return { expr: undefined, registers: [{ ...register.registers[0]!, scale: Number(scale), explicit: true }] };
      }
    }
    if (b.registers.length > 0 || (a.registers.length > 0 && operator !== "-"))
      throw new SourceError(span, `a register cannot be used with '${operator}' here`);
    const result = b.expr ? binary(operator, a.expr ?? number(0n, span), b.expr) : a.expr;
    // In gas the truth of a comparison is all ones.
    const truth = result && PRECEDENCE[operator] === PRECEDENCE["=="];
    return { expr: truth ? { op: "unary", operator: "-", a: result, span } : result, registers: a.registers };
  }

  #unary(): Sum {
    const cursor = this.#cursor.skipSpace();
    const start = cursor.at;
    const sign = cursor.peek();
    if (sign === "-" || sign === "~" || sign === "+" || sign === "!") {
      cursor.at++;
      return this.#applyUnary(sign, this.#unary(), start);
    }
    const before = cursor.at;
    const word = cursor.word()?.toLowerCase();
    if (word === "not") return this.#applyUnary("~", this.#unary(), start);
    if (word === "offset") {
      this.#seen.offset = true;
      cursor.match(/\s*flat\s*:/iy);
      return this.#unary();
    }
    if (word !== undefined && this.#keyword(word)) return this.#unary();
    cursor.at = before;
    return this.#primary();
  }

  #applyUnary(operator: "-" | "~" | "+" | "!", a: Sum, start: number): Sum {
    if (a.registers.length > 0 || !a.expr)
      throw new SourceError(this.#cursor.span(start), `a register cannot be used with '${operator}'`);
    return { expr: { op: "unary", operator, a: a.expr, span: this.#cursor.span(start) }, registers: [] };
  }

  /** Sizes, distances and segment overrides. */
  #keyword(word: string): boolean {
    const cursor = this.#cursor;
    const after = cursor.at;
    const size = SIZES.get(word);
    if (size !== undefined) {
      const next = cursor.word()?.toLowerCase();
      if (next === "ptr" || next === "bcst" || this.#back(after)) {
        this.#seen.size = size;
        this.#seen.broadcast = next === "bcst";
        return true;
      }
    }
    if (word === "short" || word === "near" || word === "far") {
      this.#seen.distance = word;
      if (cursor.word()?.toLowerCase() !== "ptr") cursor.at = after;
      return true;
    }
    if (word === "flat" && cursor.eat(":")) return true;
    const register = REGISTERS.get(word);
    if (register !== undefined && register >= Register.ES && register <= Register.GS && cursor.eat(":")) {
      this.#seen.segment = register;
      return true;
    }
    cursor.at = after;
    return false;
  }

  #back(at: number): boolean {
    this.#cursor.at = at;
    return this.#cursor.skipSpace().peek() === "[";
  }

  #primary(): Sum {
    const cursor = this.#cursor.skipSpace();
    const start = cursor.at;
    if (++this.#depth > 100) throw cursor.error("this operand is nested too deeply");
    if (cursor.peek() === "[" || cursor.peek() === "(") {
      const bracket = cursor.peek();
      cursor.at++;
      if (bracket === "[") this.#seen.brackets = true;
      const inner = this.#sum(1);
      cursor.expect(bracket === "[" ? "]" : ")");
      this.#depth--;
      return inner;
    }
    this.#depth--;
    return this.#register(start) ?? this.#value();
  }

  #register(start: number): Sum | undefined {
    const cursor = this.#cursor;
    const noIndex = readNoIndex(cursor);
    if (noIndex !== undefined)
      return {
        expr: undefined,
        registers: [
          { register: noIndex === 32 ? NO_INDEX_32 : NO_INDEX_64, scale: 1, explicit: false, span: cursor.span(start) },
        ],
      };
    const percent = cursor.peek() === "%";
    if (percent) cursor.at++;
    else if (!this.#nakedRegisters) return undefined;
    const word = cursor.match(/[A-Za-z]\w*/y)?.toLowerCase();
    const register = word === undefined ? undefined : word === "st" ? this.#stack() : REGISTERS.get(word);
    if (register === undefined || /^st\d$/.test(word!) || (word && this.#reader.bits !== 64 && needs64(word))) {
      cursor.at = start;
      if (percent) throw new SourceError(cursor.here(), "there is no such register");
      return undefined;
    }
    return { expr: undefined, registers: [{ register, scale: 1, explicit: false, span: cursor.span(start) }] };
  }

  #stack(): number {
    const index = this.#cursor.match(/\s*\(\s*([0-7])\s*\)/y);
    return Register.ST0 + (index ? Number(index.replace(/\D/g, "")) : 0);
  }

  #value(): Sum {
    const cursor = this.#cursor;
    if (/[A-Za-z_.$"\u0080-\uffff]/.test(cursor.peek()) || isNumericLabel(cursor)) {
      const expr = this.#reader.expressions.primary(cursor);
      if (!isConstantSymbol(expr)) this.#seen.symbol = true;
      return { expr, registers: [] };
    }
    return { expr: this.#reader.expressions.primary(cursor), registers: [] };
  }
}

const NUMERIC_LABEL = /\d+[fb]\b/y;

function isNumericLabel({ text, at }: Cursor): boolean {
  NUMERIC_LABEL.lastIndex = at;
  return NUMERIC_LABEL.test(text);
}

const ALONE = /[A-Za-z]\w*(?=\s*(?:,|$))/y;

/** A register that is a whole operand, as most are. */
export function readRegisterAlone(cursor: Cursor, reader: OperandReader): PlacedOperand | undefined {
  if (!reader.nakedRegisters) return undefined;
  const start = cursor.skipSpace().at;
  const word = cursor.match(ALONE)?.toLowerCase();
  const register = word === undefined ? undefined : REGISTERS.get(word);
  if (register === undefined || /^st\d$/.test(word!) || (reader.bits !== 64 && needs64(word!))) {
    cursor.at = start;
    return undefined;
  }
  cursor.skipSpace();
  return { operand: { kind: "reg", reg: register }, span: cursor.span(start) };
}

/** A symbol set to a number before is that number. */
function isConstantSymbol(expr: Expr): boolean {
  return expr.op === "number";
}
