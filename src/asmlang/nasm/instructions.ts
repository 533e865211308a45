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
import { isPrefix, type Rounding } from "../encode/index.ts";
import type { NasmAssembler } from "./assembler.ts";
import { decorate, readRounding } from "./decorations.ts";
import type { TokenCursor } from "./expressions.ts";
import { NasmInstruction } from "./instruction.ts";
import { readOperand, readsTo } from "./operands.ts";

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
    const operand = decorate(cursor, readOperand(cursor, assembler, branch));
    operands.push(operand);
    if (to) operands.push({ operand: { kind: "reg", reg: Register.ST0 }, span: operand.span });
  } while (cursor.eat(","));
  return { operands, rounding };
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
  const fragment = builder.add(
    new NasmInstruction(builder.section, line, statement, (encoding) => reportWarnings(encoding, statement, builder)),
  );
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
    } else if (word !== undefined && isPrefix(word)) {
      prefixes.push(word);
      cursor.next();
    } else return { prefixes, hints };
  }
}
