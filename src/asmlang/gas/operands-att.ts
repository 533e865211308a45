/** AT&T operands: `%reg`, `$imm`, `%seg:disp(base,index,scale)`, `*target`. */
import { Register } from "../../emu/cpu/iced.ts";
import { SourceError } from "../core/diagnostics.ts";
import { type EvalContext, type Expr, evaluateConstant, number } from "../core/expr.ts";
import { type PlacedOperand, Symbolic } from "../core/instruction.ts";
import { isSegmentName, needs64, REGISTERS } from "../core/registers.ts";
import type { Span } from "../core/source.ts";
import { Cursor } from "./cursor.ts";
import type { ExpressionReader } from "./expressions.ts";

export interface OperandReader {
  readonly expressions: ExpressionReader;
  readonly now: EvalContext;
  readonly bits: 16 | 32 | 64;
  /** Registers need no `%`. */
  readonly nakedRegisters: boolean;
}

export function symbolic(expr: Expr, reader: OperandReader): Symbolic {
  return new Symbolic(expr, evaluateConstant(expr, reader.now), reader.expressions.takeModifier());
}

export function readOperandAtt(cursor: Cursor, reader: OperandReader, branch: boolean): PlacedOperand {
  cursor.skipSpace();
  const start = cursor.at;
  const indirect = branch && cursor.eat("*");
  if (cursor.eat("$")) {
    const expr = reader.expressions.read(cursor);
    return { operand: { kind: "imm", value: symbolic(expr, reader) }, span: cursor.span(start) };
  }
  let segment = 0;
  if (startsRegister(cursor, reader)) {
    const register = readRegister(cursor, reader);
    if (!isSegmentRegister(register) || !cursor.eat(":"))
      return { operand: { kind: "reg", reg: register }, span: cursor.span(start) };
    segment = register;
  }
  return readMemory(cursor, reader, segment, start, branch && !indirect && segment === 0);
}

const isSegmentRegister = (register: number): boolean => register >= Register.ES && register <= Register.GS;

/** Is a register next? */
function startsRegister(cursor: Cursor, { nakedRegisters, bits }: OperandReader): boolean {
  if (cursor.skipSpace().peek() === "%") return true;
  const name = nakedRegisters ? /^[a-z]\w*/i.exec(cursor.text.slice(cursor.at))?.[0].toLowerCase() : undefined;
  return name !== undefined && (name === "st" || (REGISTERS.has(name) && (bits === 64 || !needs64(name))));
}

function readRegister(cursor: Cursor, { bits, nakedRegisters }: OperandReader): number {
  const start = cursor.at;
  if (!cursor.eat("%") && !nakedRegisters) cursor.expect("%");
  const name = (cursor.match(/[A-Za-z][\w]*/y) ?? "").toLowerCase();
  if (name === "st") {
    const index = cursor.match(/\s*\(\s*([0-7])\s*\)/y);
    return Register.ST0 + (index ? Number(index.replace(/\D/g, "")) : 0);
  }
  const alias = /^db(\d+)$/.exec(name);
  const register = REGISTERS.get(alias ? `dr${alias[1]}` : name);
  if (register === undefined || /^st\d$/.test(name))
    throw new SourceError(cursor.span(start), `there is no register %${name}`);
  if (bits !== 64 && /^(r\d|r[a-z]x|r[sd]i|r[sb]p|rip|eip)/.test(name) && !isSegmentName(name))
    throw new SourceError(cursor.span(start), `register %${name} exists in 64-bit mode only`);
  return register;
}

/** Does `(` open a base/index part, rather than an expression? */
function opensAddress(cursor: Cursor, reader: OperandReader): boolean {
  const open = /^\(\s*/.exec(cursor.text.slice(cursor.at, cursor.end));
  if (!open) return false;
  const inside = new Cursor(cursor.line, cursor.at + open[0].length, cursor.end);
  return inside.peek() === "," || startsRegister(inside, reader);
}

function readMemory(
  cursor: Cursor,
  reader: OperandReader,
  segment: number,
  start: number,
  target: boolean,
): PlacedOperand {
  cursor.skipSpace();
  const expr = opensAddress(cursor, reader) ? undefined : reader.expressions.read(cursor);
  const value = expr && symbolic(expr, reader);
  const parts: Parts = { base: 0, index: 0, scale: 1 };
  cursor.skipSpace();
  if (cursor.peek() === "(") readAddress(cursor, reader, parts);
  else if (target && value) return { operand: { kind: "target", value }, span: cursor.span(start) };
  const span = cursor.span(start);
  if (parts.base === Register.DX && !value) return { operand: { kind: "reg", reg: Register.DX }, span };
  const relative = parts.base === Register.RIP || parts.base === Register.EIP;
  return {
    operand: { kind: "mem", segment, ...parts, displacement: value, size: 0, ...(relative && { relative }) },
    span,
  };
}

interface Parts {
  base: number;
  index: number;
  scale: 1 | 2 | 4 | 8;
  noIndex?: 32 | 64;
}

const NO_INDEX_STARTS = ["%", "e", "r", "E", "R"];

/** `%eiz`, `%riz`: an index that is none. */
export function readNoIndex(cursor: Cursor): 32 | 64 | undefined {
  const next = cursor.skipSpace().peek();
  const name = NO_INDEX_STARTS.includes(next) ? cursor.match(/%?[er]iz\b/iy) : undefined;
  return name === undefined ? undefined : /e/i.test(name) ? 32 : 64;
}

function readAddress(cursor: Cursor, reader: OperandReader, parts: Parts): void {
  cursor.expect("(");
  if (startsRegister(cursor, reader)) parts.base = readRegister(cursor, reader);
  if (cursor.eat(",")) {
    const noIndex = readNoIndex(cursor);
    if (noIndex !== undefined || startsRegister(cursor, reader)) {
      if (noIndex !== undefined) parts.noIndex = noIndex;
      else parts.index = readIndex(cursor, reader);
      if (cursor.eat(",") && cursor.skipSpace().peek() !== ")") parts.scale = readScale(cursor, reader);
    } else if (cursor.peek() !== ")") {
      parts.scale = readScale(cursor, reader);
    }
  }
  cursor.expect(")", "after the address");
}

function readIndex(cursor: Cursor, reader: OperandReader): number {
  const start = cursor.skipSpace().at;
  const index = readRegister(cursor, reader);
  if (index === Register.ESP || index === Register.RSP)
    throw new SourceError(cursor.span(start), "the stack pointer cannot be an index");
  return index;
}

function readScale(cursor: Cursor, reader: OperandReader): 1 | 2 | 4 | 8 {
  const expr = reader.expressions.read(cursor);
  return checkScale(evaluateConstant(expr, reader.now), expr.span);
}

export function checkScale(value: bigint | undefined, span: Span): 1 | 2 | 4 | 8 {
  if (value === 1n || value === 2n || value === 4n || value === 8n) return Number(value) as 1 | 2 | 4 | 8;
  throw new SourceError(span, "the scale must be 1, 2, 4 or 8");
}

export const zero = (span: Span): Expr => number(0n, span);
