/** NASM instruction statements: prefixes, hints, mnemonic and operands, into bytes or a fragment for layout. */
import { Register } from "../../emu/cpu/iced.ts";
import { SourceError } from "../core/diagnostics.ts";
import {
  encodeStatement,
  type PlacedOperand,
  pendingFixups,
  reportWarnings,
  type Statement,
  valuesOf,
} from "../core/instruction.ts";
import type { Line } from "../core/source.ts";
import { isNasmPrefix, type Rounding } from "../encode/index.ts";
import type { NasmAssembler } from "./assembler.ts";
import { decorate, readRounding } from "./decorations.ts";
import { TokenCursor } from "./expressions.ts";
import { NasmInstruction } from "./instruction.ts";
import { readOperand, readsTo } from "./operands.ts";
import { repeatStatement } from "./times.ts";
import { parseInteger } from "./tokens.ts";

const PREFIX_BYTES: Readonly<Record<string, number>> = {
  lock: 0xf0,
  rep: 0xf3,
  repe: 0xf3,
  repz: 0xf3,
  repne: 0xf2,
  repnz: 0xf2,
  es: 0x26,
  cs: 0x2e,
  ss: 0x36,
  ds: 0x3e,
  fs: 0x64,
  gs: 0x65,
  wait: 0x9b,
  bnd: 0xf2,
  xacquire: 0xf2,
  xrelease: 0xf3,
};
const BRANCH = /^(j[a-z]+|call|loop[a-z]*|xbegin)$/;

export function assembleInstruction(assembler: NasmAssembler, cursor: TokenCursor): void {
  const { prefixes, hints } = readPrefixes(cursor);
  if (cursor.word() === "times") {
    repeatPrefixed(assembler, cursor, prefixes, hints);
    return;
  }
  const token = cursor.next();
  if (!token) {
    prefixesAlone(assembler, prefixes, cursor);
    return;
  }
  const mnemonic = token.text.toLowerCase();
  if (token.kind !== "id") throw new SourceError(token, `expected an instruction, not '${token.text}'`);
  const { operands, rounding } = readOperands(assembler, cursor, mnemonic);
  cursor.finish();
  const { bits } = assembler.builder;
  if (assembler.defaultBound && BOUND.test(mnemonic) && !prefixes.some((word) => /bnd$|^rep|^x/.test(word)))
    prefixes.push("bnd");
  emit(assembler, cursor.line, {
    request: {
      dialect: "nasm",
      intelMnemonics: true,
      bits,
      mnemonic,
      operands: operands.map((one) => one.operand),
      prefixes,
      hints,
      ...(rounding && { rounding }),
    },
    spans: operands.map((one) => one.span),
    mnemonic: token,
  });
}

/** Branches that `default bnd` is about. */
const BOUND = /^(call|ret[nq]?|j(?!e?cxz|rcxz)[a-z]+)$/;

/** `lock times 4 inc dword [x]`: every one of them has the prefix. */
function repeatPrefixed(
  assembler: NasmAssembler,
  cursor: TokenCursor,
  prefixes: readonly string[],
  hints: readonly string[],
): void {
  if (hints.length > 0) throw new SourceError(cursor.here(), "'times' stands before what is in braces");
  const words = cursor.tokens.slice(0, prefixes.length);
  let at = cursor.at + 1;
  const count = new TokenCursor(cursor.tokens.slice(at), cursor.line);
  assembler.expressions.read(count);
  at += count.at;
  const tokens = [...cursor.tokens.slice(cursor.at, at), ...words, ...cursor.tokens.slice(at)];
  cursor.at = cursor.tokens.length;
  repeatStatement(assembler, new TokenCursor(tokens, cursor.line));
}

/** Prefixes on a line of their own are bytes before whatever comes next. */
function prefixesAlone(assembler: NasmAssembler, prefixes: readonly string[], cursor: TokenCursor): void {
  const bytes = prefixes.map((prefix) => {
    const byte = PREFIX_BYTES[prefix] ?? sizePrefix(prefix);
    if (byte === undefined) throw new SourceError(cursor.here(), `prefix '${prefix}' needs an instruction`);
    return byte;
  });
  assembler.builder.bytes(bytes, cursor.line, [], assembler.bits);
}

function sizePrefix(prefix: string): number | undefined {
  const match = /^([ao])(16|32)$/.exec(prefix);
  if (!match) return undefined;
  return match[1] === "a" ? 0x67 : 0x66;
}

/** `lea rax, x` is `lea rax, [x]`. */
function addressed({ operand, span }: PlacedOperand, { bits, defaultRelative }: NasmAssembler): PlacedOperand {
  if (operand.kind !== "imm") return { operand, span };
  const relative = bits === 64 && defaultRelative && operand.value.known === undefined;
  const address = { segment: 0, base: 0, index: 0, scale: 1, displacement: operand.value, size: 0 } as const;
  return { operand: { kind: "mem", ...address, ...(relative && { relative }) }, span };
}

interface Operands {
  readonly operands: readonly PlacedOperand[];
  readonly rounding: Rounding | undefined;
}

function readOperands(assembler: NasmAssembler, cursor: TokenCursor, mnemonic: string): Operands {
  const operands: PlacedOperand[] = [];
  let rounding: Rounding | undefined;
  if (cursor.done) return { operands, rounding };
  const branch = BRANCH.test(mnemonic);
  do {
    if (cursor.done) throw new SourceError(cursor.here(), "expected an operand after ','");
    const mode = readRounding(cursor);
    if (mode !== undefined) {
      rounding = { mode, after: operands.length };
      continue;
    }
    const to = readsTo(cursor);
    const operand = decorate(cursor, withRegisterSet(cursor, readOperand(cursor, assembler, branch), mnemonic));
    operands.push(mnemonic === "lea" && operands.length === 1 ? addressed(operand, assembler) : operand);
    if (to) operands.push({ operand: { kind: "reg", reg: Register.ST0 }, span: operand.span });
  } while (cursor.eat(","));
  return { operands: /^bnd(ldx|stx)$/.test(mnemonic) ? withIndexInside(operands) : operands, rounding };
}

/** MPX: `bndldx bnd0, [rbx], rax` is `bndldx bnd0, [rbx, rax]`. */
function withIndexInside(operands: readonly PlacedOperand[]): readonly PlacedOperand[] {
  const at = operands.findIndex(({ operand }) => operand.kind === "mem");
  const index = operands.findIndex(({ operand }) => operand.kind === "reg" && isAddressRegister(operand.reg));
  const memory = operands[at]?.operand;
  const register = operands[index]?.operand;
  const after = index > at && operands.length === 3;
  if (!after || memory?.kind !== "mem" || register?.kind !== "reg") return operands;
  const joined = { ...operands[at]!, operand: { ...memory, index: register.reg, scale: 1 as const } };
  return operands.with(at, joined).filter((_, i) => i !== index);
}

const isAddressRegister = (register: number): boolean => register >= Register.EAX && register <= Register.R15;

/** Instructions that read several registers in a row, and how many follow the one that is named. */
const REGISTER_SETS: readonly (readonly [RegExp, number])[] = [
  [/^(v4fn?madd[ps]s|vp?4dpwssds?)$/, 3],
  [/^vp2intersect[dq]$/, 1],
];

/** `zmm4+3`: four registers from this one on. */
function withRegisterSet(cursor: TokenCursor, operand: PlacedOperand, mnemonic: string): PlacedOperand {
  if (operand.operand.kind !== "reg" || !cursor.is("+")) return operand;
  const more = REGISTER_SETS.find(([names]) => names.test(mnemonic))?.[1];
  cursor.next();
  const token = cursor.next();
  if (more === undefined) throw new SourceError(operand.span, `"${mnemonic}" takes no register set`);
  if (token?.kind !== "number" || parseInteger(token.text) !== BigInt(more))
    throw new SourceError(token ?? operand.span, `the register set of "${mnemonic}" is +${more}`);
  return operand;
}

function emit(assembler: NasmAssembler, line: Line, statement: Statement): void {
  const { builder } = assembler;
  const { bits } = builder;
  const open = statement.request.operands.some((operand) =>
    valuesOf(operand).some((value) => value.known === undefined),
  );
  if (!open) {
    const encoded = encodeStatement(statement);
    if (!encoded.long && encoded.best.fixups.length === 0) {
      reportWarnings(encoded.best, statement, builder);
      builder.bytes(encoded.best.bytes, line, pendingFixups(encoded.best, statement), bits);
      return;
    }
  }
  const fragment = builder.add(new NasmInstruction(builder, line, statement));
  builder.row(fragment, 0, line, bits);
}

function readPrefixes(cursor: TokenCursor): { prefixes: string[]; hints: string[] } {
  const prefixes: string[] = [];
  const hints: string[] = [];
  for (;;) {
    const word = cursor.word();
    if (cursor.is("{") && cursor.peek(2)?.text === "}") {
      hints.push(cursor.peek(1)!.text.toLowerCase());
      cursor.at += 3;
    } else if (word !== undefined && isNasmPrefix(word)) {
      prefixes.push(word);
      cursor.next();
    } else return { prefixes, hints };
  }
}
