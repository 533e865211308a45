/** NASM operands: registers, immediates with sizes, effective addresses, branch targets. */
import { Register } from "../../emu/cpu/iced.ts";
import { SourceError } from "../core/diagnostics.ts";
import { binary, type EvalContext, type Expr, evaluateConstant, number } from "../core/expr.ts";
import { type PlacedOperand, Symbolic } from "../core/instruction.ts";
import { REGISTERS } from "../core/registers.ts";
import type { Span } from "../core/source.ts";
import type { AsmOperand } from "../encode/types.ts";
import type { Bits } from "../types.ts";
import { type NasmExpressions, TokenCursor } from "./expressions.ts";
import type { Token } from "./tokens.ts";

export const SIZES: Readonly<Record<string, number>> = {
  byte: 1,
  word: 2,
  dword: 4,
  qword: 8,
  tword: 10,
  oword: 16,
  yword: 32,
  zword: 64,
};

export interface OperandContext {
  readonly expressions: NasmExpressions;
  readonly now: EvalContext;
  readonly bits: Bits;
  readonly defaultRelative: boolean;
  /** `offset x`, `dword ptr x` and `x[rax]` mean what they mean to MASM. */
  readonly masm?: boolean;
}

interface Modifiers {
  /** `ptr`: what follows is in memory. */
  pointer: boolean;
  size: number;
  strict: boolean;
  distance: "short" | "near" | "far" | undefined;
}

/** `fadd to st1` is `fadd st1, st0`. */
export function readsTo(cursor: TokenCursor): boolean {
  return cursor.eatWord("to");
}

/** Registers are registers in every mode; the instruction pointer is none here. */
export function registerNamed(name: string): number | undefined {
  const lower = name.toLowerCase();
  return lower === "rip" || lower === "eip" ? undefined : REGISTERS.get(lower);
}

export function readOperand(cursor: TokenCursor, context: OperandContext, branch: boolean): PlacedOperand {
  const start = cursor.at;
  const modifiers = readModifiers(cursor);
  const operand = readBare(cursor, context, branch, modifiers);
  return { operand, span: cursor.spanFrom(start) };
}

function readModifiers(cursor: TokenCursor): Modifiers {
  const modifiers: Modifiers = { size: 0, strict: false, distance: undefined, pointer: false };
  for (;;) {
    const word = cursor.word();
    if (word === undefined) return modifiers;
    if (Object.hasOwn(SIZES, word)) modifiers.size = SIZES[word]!;
    else if (word === "strict") modifiers.strict = true;
    else if (word === "short" || word === "near" || word === "far") modifiers.distance = word;
    else if (word === "ptr") modifiers.pointer = true;
    else return modifiers;
    cursor.next();
  }
}

function readBare(cursor: TokenCursor, context: OperandContext, branch: boolean, modifiers: Modifiers): AsmOperand {
  if (modifiers.distance !== undefined && !branch)
    throw new SourceError(cursor.peek(-1) ?? cursor.here(), misplacedDistance(modifiers));
  if (cursor.is("[")) return readMemory(cursor, context, modifiers);
  const token = cursor.peek();
  const register = token?.kind === "id" ? registerNamed(token.text) : undefined;
  if (register !== undefined) {
    if (modifiers.distance === "short")
      throw new SourceError(token!, "a short branch goes to a place, not to where a register says");
    cursor.next();
    // `fs:[bx]` is `[fs:bx]`.
    if (isSegment(register) && cursor.is(":") && cursor.peek(1)?.text === "[") {
      cursor.next();
      return { ...readMemory(cursor, context, modifiers), segment: register } as AsmOperand;
    }
    return { kind: "reg", reg: register };
  }
  const offset = context.masm === true && cursor.eatWord("offset");
  const first = context.expressions.read(cursor);
  if (context.masm && cursor.is("[")) return displaced(cursor, context, modifiers, first);
  const value = symbolic(first, context);
  if (context.masm && modifiers.pointer && !offset) return atSymbol(value, context, modifiers.size);
  if (cursor.eat(":")) {
    if (modifiers.distance === "far")
      throw new SourceError(token ?? cursor.here(), "'far' is said by the colon already");
    const place = context.expressions.read(cursor);
    const size = modifiers.size === 2 ? 16 : modifiers.size === 4 ? 32 : undefined;
    return { kind: "far", selector: value, offset: symbolic(place, context), ...(size && { size }) };
  }
  if (branch) return branchTarget(value, modifiers, context.bits, token ?? cursor.here());
  const size = ({ 1: 8, 2: 16, 4: 32, 8: 64 } as const)[modifiers.size];
  return { kind: "imm", value, ...(size && { size }), ...(modifiers.strict && { strict: true }) };
}

/** MASM's `x[rax]` is `[x + rax]`. */
function displaced(cursor: TokenCursor, context: OperandContext, modifiers: Modifiers, first: Expr): AsmOperand {
  const memory = readMemory(cursor, context, modifiers) as Extract<AsmOperand, { kind: "mem" }>;
  const inner = memory.displacement as Symbolic | undefined;
  return { ...memory, displacement: symbolic(inner ? binary("+", first, inner.expr) : first, context) };
}

/** MASM's `dword ptr x` is `dword [x]`. */
function atSymbol(displacement: Symbolic, context: OperandContext, size: number): AsmOperand {
  const relative = context.bits === 64 && context.defaultRelative;
  return { kind: "mem", segment: 0, base: 0, index: 0, scale: 1, displacement, size, ...(relative && { relative }) };
}

/** What `short`, `near` and `far` stand in front of without being about it. */
function misplacedDistance({ distance }: Modifiers): string {
  return `'${distance}' belongs to the target of a jump or a call`;
}

function branchTarget(value: Symbolic, { distance, size, strict }: Modifiers, mode: Bits, span: Span): AsmOperand {
  if (size === 1 || size > 8) throw new SourceError(span, "a branch target has no such size: word, dword or qword");
  if (mode === 64 && (size === 2 || size === 4))
    throw new SourceError(span, `there are no branches of ${size * 8} bits in 64-bit mode`);
  const bits = ({ 2: 16, 4: 32, 8: 64 } as const)[size];
  return {
    kind: "target",
    value,
    ...(distance && { distance }),
    ...(bits && { size: bits }),
    ...(strict && { strict }),
  };
}

const isSegment = (register: number): boolean => register >= Register.ES && register <= Register.GS;

function symbolic(expr: Expr, context: OperandContext): Symbolic {
  return new Symbolic(expr, evaluateConstant(expr, context.now), context.expressions.takeModifier());
}

/** What stands inside the brackets before the address. */
interface Inside {
  size: number;
  addressSize: 16 | 32 | 64 | undefined;
  relative: boolean | undefined;
  nosplit: boolean;
  segment: number;
}

function readMemory(cursor: TokenCursor, context: OperandContext, modifiers: Modifiers): AsmOperand {
  const start = cursor.at;
  cursor.expect("[");
  if (modifiers.distance === "short")
    throw new SourceError(cursor.here(), "a short branch goes to a place, not to where memory says");
  const inside = readInside(cursor);
  const split = closingBracket(cursor, true);
  const terms = readTerms(cursor, context, split);
  const second = cursor.is(",") ? readIndexPart(cursor, context) : undefined;
  if (!cursor.eat("]")) throw new SourceError(cursor.here(), "expected ']' at the end of the address");
  const span = cursor.spanFrom(start);
  const { base, index, scale } = second ? separately(terms, second, span) : baseAndIndex(terms, span);
  // Registers that cancel out leave an address of 0.
  const expr = terms.expr ?? (base === 0 && index === 0 ? number(0n, span) : undefined);
  const constant = expr !== undefined && evaluateConstant(expr, context.now) !== undefined;
  const asked = isRelative(inside, context, base | index, span);
  const relative = asked && !constant;
  const displacementSize = inside.size > 0 ? ((inside.size * 8) as 8 | 16 | 32 | 64) : undefined;
  return {
    kind: "mem",
    segment: inside.segment,
    base,
    index,
    scale,
    displacement: expr && symbolic(expr, context),
    size: modifiers.size,
    ...(displacementSize && { displacementSize }),
    ...(inside.addressSize && { addressSize: inside.addressSize }),
    ...(inside.nosplit && { nosplit: true }),
    ...(asked !== undefined && { relative }),
    ...(modifiers.distance === "far" && { far: true }),
  };
}

function isRelative(inside: Inside, context: OperandContext, registers: number, span: Span): boolean | undefined {
  if (registers !== 0) {
    if (inside.relative) throw new SourceError(span, "an address with registers cannot be relative to RIP");
    return undefined;
  }
  if (context.bits !== 64) return undefined;
  if (inside.relative !== undefined) return inside.relative;
  const fsOrGs = inside.segment === Register.FS || inside.segment === Register.GS;
  return context.defaultRelative && !fsOrGs ? true : undefined;
}

function readInside(cursor: TokenCursor): Inside {
  const inside: Inside = { size: 0, addressSize: undefined, relative: undefined, nosplit: false, segment: 0 };
  for (;;) {
    const word = cursor.word();
    if (word === undefined) return inside;
    const register = cursor.peek(1)?.text === ":" ? registerNamed(word) : undefined;
    if (register !== undefined && register >= Register.ES && register <= Register.GS) {
      inside.segment = register;
      cursor.next();
    } else if (Object.hasOwn(SIZES, word)) inside.size = SIZES[word]!;
    else if (word === "rel" || word === "abs") inside.relative = word === "rel";
    else if (word === "nosplit") inside.nosplit = true;
    else if (word === "a16" || word === "a32" || word === "a64")
      inside.addressSize = Number(word.slice(1)) as 16 | 32 | 64;
    else return inside;
    cursor.next();
  }
}

interface Factor {
  readonly register: number;
  factor: bigint;
  /** Written with a multiplication, or added up. */
  scaled: boolean;
  /** Twice the register, as a sum of itself. */
  added?: boolean;
  readonly span: Span;
}

interface AddressSum {
  readonly registers: Factor[];
  expr: Expr | undefined;
  /** Two of its numbers were added up: then NASM forgets which register came first. */
  summed: boolean;
}

/** An address as a sum: registers with factors, and the rest as one expression. */
function readTerms(cursor: TokenCursor, context: OperandContext, end = closingBracket(cursor)): AddressSum {
  const sum: AddressSum = { registers: [], expr: undefined, summed: false };
  if (cursor.at === end) throw new SourceError(cursor.here(), "expected an address");
  addTerms(sum, cursor, end, context, false);
  return sum;
}

/** `[base+8, index*2]`: what stands behind the comma. */
function readIndexPart(cursor: TokenCursor, context: OperandContext): AddressSum {
  cursor.next();
  return readTerms(cursor, context);
}

/** Base and index written apart stay what they are. */
function separately(first: AddressSum, second: AddressSum, span: Span): BaseAndIndex {
  const [base, ...others] = first.registers.filter((one) => one.factor !== 0n);
  const [index, ...more] = second.registers.filter((one) => one.factor !== 0n);
  if (others.length > 0 || more.length > 0 || !index || (base && base.factor !== 1n))
    throw new SourceError(span, "an address in two parts is [base + number, index * scale]");
  if (second.expr) first.expr = first.expr ? binary("+", first.expr, second.expr) : second.expr;
  return { base: base?.register ?? 0, index: index.register, scale: scaleOf(index.factor, index.span) };
}

function addTerms(sum: AddressSum, cursor: TokenCursor, end: number, context: OperandContext, negated: boolean): void {
  while (cursor.at < end) {
    const sign = cursor.is("+") || cursor.is("-") ? cursor.next() : undefined;
    const tokens = termTokens(cursor, end);
    if (tokens.length === 0) throw new SourceError(cursor.here(), "expected an address");
    addTerm(sum, tokens, cursor, context, (sign?.text === "-") !== negated);
  }
}

function addTerm(
  sum: AddressSum,
  tokens: readonly Token[],
  cursor: TokenCursor,
  context: OperandContext,
  negative: boolean,
): void {
  const inner = new TokenCursor(isGroup(tokens) ? tokens.slice(1, -1) : tokens, cursor.line);
  if (!tokens.some(isRegister)) {
    const value = context.expressions.read(inner);
    if (!inner.done) throw new SourceError(inner.here(), "this cannot be part of an address");
    addValue(sum, value, negative, context);
  } else if (isGroup(tokens)) addTerms(sum, inner, inner.tokens.length, context, negative);
  else if (tokens.length === 1) {
    const span = tokens[0]!;
    addRegister(sum, { register: registerNamed(span.text)!, factor: 1n, scaled: false, span }, negative);
  } else addProduct(sum, tokens, context, negative);
}

const isRegister = ({ kind, text }: Token): boolean => kind === "id" && registerNamed(text) !== undefined;

function addValue(sum: AddressSum, value: Expr, negative: boolean, context: OperandContext): void {
  sum.summed ||= addsUp(value, context.now);
  if (sum.expr) {
    sum.expr = binary(negative ? "-" : "+", sum.expr, value);
    sum.summed ||= evaluateConstant(sum.expr, context.now) !== 0n;
  } else sum.expr = negative ? { op: "unary", operator: "-", a: value, span: value.span } : value;
}

/** Does the expression add numbers, and not to zero? */
function addsUp(expr: Expr, now: EvalContext): boolean {
  if (expr.op === "unary" || expr.op === "apply") return addsUp(expr.a, now);
  if (expr.op !== "binary") return false;
  const sum = (expr.operator === "+" || expr.operator === "-") && evaluateConstant(expr, now) !== 0n;
  return sum || addsUp(expr.a, now) || addsUp(expr.b, now);
}

/** `reg*n`, `n*reg`, `(reg+1)*n`: one factor has registers, the others make the scale. */
function addProduct(sum: AddressSum, tokens: readonly Token[], context: OperandContext, negative: boolean): void {
  const factors = splitProduct(tokens);
  const at = factors.findIndex((factor) => factor.some(isRegister));
  const span = factors[at]!.find(isRegister)!;
  if (factors.length === 1)
    throw new SourceError(span, "a register in an address can only be added or multiplied by a constant");
  const scale = factors.reduce((product, factor, i) => {
    if (i === at) return product;
    const cursor = new TokenCursor(factor, span.line);
    const expr = context.expressions.read(cursor);
    const value = evaluateConstant(expr, context.now);
    sum.summed ||= addsUp(expr, context.now);
    if (value === undefined || !cursor.done) throw new SourceError(factor[0] ?? span, "the scale must be a constant");
    return product * value;
  }, 1n);
  const inner: AddressSum = { registers: [], expr: undefined, summed: false };
  addTerm(inner, factors[at]!, new TokenCursor(factors[at]!, span.line), context, false);
  for (const one of inner.registers) addRegister(sum, { ...one, factor: one.factor * scale, scaled: true }, negative);
  sum.summed ||= inner.summed;
  if (inner.expr) addValue(sum, binary("*", inner.expr, number(scale, span)), negative, context);
}

/** The factors of a product; what has any other operator outside parentheses is one factor. */
function splitProduct(tokens: readonly Token[]): Token[][] {
  const factors: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.text === "(") depth++;
    if (token.text === ")") depth--;
    if (depth === 0 && token.kind === "op" && token.text === "*") factors.push([]);
    else if (depth === 0 && token.kind === "op" && !/^[-+()]$/.test(token.text)) return [[...tokens]];
    else factors.at(-1)!.push(token);
  }
  return factors.some((factor) => factor.length === 0) ? [[...tokens]] : factors;
}

/** `( ... )` as a whole. */
function isGroup(tokens: readonly Token[]): boolean {
  if (tokens[0]?.text !== "(" || tokens.length < 3) return false;
  let depth = 0;
  return (
    tokens.findIndex(({ text }) => (text === "(" ? ++depth : text === ")" ? --depth : depth) === 0) ===
    tokens.length - 1
  );
}

/** Where the address ends; `parts`: or its first part, at a comma. */
function closingBracket(cursor: TokenCursor, parts = false): number {
  let depth = 0;
  for (let i = cursor.at; i < cursor.tokens.length; i++) {
    const { text, kind } = cursor.tokens[i]!;
    if (kind !== "op") continue;
    if (text === "[") depth++;
    if (text === "]" && depth-- === 0) return i;
    if (text === "(") depth++;
    if (text === ")") depth--;
    if (parts && text === "," && depth === 0) return i;
  }
  throw new SourceError(cursor.here(), "this address has no ']'");
}

/** Tokens up to the next `+` or `-` that is not inside parentheses. */
function termTokens(cursor: TokenCursor, end: number): Token[] {
  const tokens: Token[] = [];
  let depth = 0;
  let operand = false;
  while (cursor.at < end) {
    const token = cursor.peek()!;
    if (token.kind === "op") {
      if (token.text === "(") depth++;
      if (token.text === ")") depth--;
      // A sign after an operand ends the term; after an operator it belongs to what follows.
      if (depth === 0 && operand && (token.text === "+" || token.text === "-")) return tokens;
    }
    operand = token.kind !== "op" || token.text === ")" || token.text === "$" || token.text === "$$";
    tokens.push(token);
    cursor.next();
  }
  return tokens;
}

function addRegister(sum: AddressSum, term: Factor, negative: boolean): void {
  const factor = negative ? -term.factor : term.factor;
  const same = sum.registers.find((one) => one.register === term.register);
  if (same) {
    same.added = !same.scaled && !term.scaled && same.factor === 1n && factor === 1n;
    same.factor += factor;
    same.scaled = true;
    sum.summed ||= same.factor !== 0n;
  } else sum.registers.push({ ...term, factor });
}

interface BaseAndIndex {
  readonly base: number;
  readonly index: number;
  readonly scale: 1 | 2 | 4 | 8;
}

const NAMES: ReadonlyMap<number, string> = new Map([...REGISTERS].map(([name, register]) => [register, name]));
const isStackPointer = (register: number): boolean =>
  register === Register.ESP || register === Register.RSP || register === Register.SP;
const isVector = (register: number): boolean => register >= Register.XMM0 && register <= Register.ZMM31;

const byName = (a: Factor, b: Factor): number => (NAMES.get(a.register)! < NAMES.get(b.register)! ? -1 : 1);

function baseAndIndex({ registers: all, summed }: AddressSum, span: Span): BaseAndIndex {
  let registers = all.filter((one) => one.factor !== 0n);
  if (summed) registers = registers.map((one) => ({ ...one, scaled: false })).sort(byName);
  const [first, second, third] = registers;
  if (third) throw new SourceError(third.span, "an address has at most two registers");
  if (!first) return { base: 0, index: 0, scale: 1 };
  if (!second && first.added && first.factor === 2n) return { base: first.register, index: first.register, scale: 1 };
  if (!second) return single(first);
  const swap =
    (first.factor !== 1n || first.scaled || isVector(first.register) || isStackPointer(second.register)) &&
    second.factor === 1n &&
    !isVector(second.register);
  const [base, index] =
    swap && !(isStackPointer(first.register) && first.factor === 1n) ? [second, first] : [first, second];
  if (base.factor !== 1n) throw new SourceError(span, "only one register of an address can have a scale");
  return { base: base.register, index: index.register, scale: scaleOf(index.factor, index.span) };
}

function single(one: Factor): BaseAndIndex {
  const { register, factor } = one;
  if (factor === 1n && !isVector(register))
    return one.scaled ? { base: 0, index: register, scale: 1 } : { base: register, index: 0, scale: 1 };
  if (factor === 3n || factor === 5n || factor === 9n)
    return { base: register, index: register, scale: scaleOf(factor - 1n, one.span) };
  return { base: 0, index: register, scale: scaleOf(factor, one.span) };
}

function scaleOf(value: bigint, span: Span): 1 | 2 | 4 | 8 {
  if (value === 1n || value === 2n || value === 4n || value === 8n) return Number(value) as 1 | 2 | 4 | 8;
  throw new SourceError(span, "the scale must be 1, 2, 4 or 8");
}
