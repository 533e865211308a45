/** GNU instruction statements: prefixes, hints, mnemonic, operands in either syntax. */
import { SourceError } from "../core/diagnostics.ts";
import type { PendingFixup } from "../core/fragment.ts";
import {
  BranchFragment,
  encodeStatement,
  type PlacedOperand,
  pendingFixups,
  reportWarnings,
  type Statement,
  type Symbolic,
  valuesOf,
} from "../core/instruction.ts";
import type { Span } from "../core/source.ts";
import type { AsmSymbol } from "../core/symbols.ts";
import { rexBits } from "../encode/prefixes.ts";
import { regInfo } from "../encode/registers.ts";
import type { Rounding } from "../encode/types.ts";
import type { GasAssembler } from "./assembler.ts";
import type { Cursor } from "./cursor.ts";
import { decorate, type RoundingSeen, readRounding } from "./decorations.ts";
import { readOperandAtt } from "./operands-att.ts";
import { IntelOperand, readRegisterAlone } from "./operands-intel.ts";
import { relaxable } from "./relocations.ts";

/** Prefix words, and the byte of those that may stand alone. */
const PREFIXES: ReadonlyMap<string, number> = new Map(
  Object.entries({
    lock: 0xf0,
    wait: 0x9b,
    rep: 0xf3,
    repe: 0xf3,
    repz: 0xf3,
    repne: 0xf2,
    repnz: 0xf2,
    xacquire: 0xf2,
    xrelease: 0xf3,
    bnd: 0xf2,
    notrack: 0x3e,
    ht: 0x3e,
    hnt: 0x2e,
    cs: 0x2e,
    ds: 0x3e,
    es: 0x26,
    fs: 0x64,
    gs: 0x65,
    ss: 0x36,
    data16: 0x66,
    data32: 0x66,
    addr16: 0x67,
    addr32: 0x67,
    aword: 0x67,
    adword: 0x67,
    word: 0x66,
    dword: 0x66,
    rex: 0x40,
    "rex.b": 0x41,
    "rex.x": 0x42,
    "rex.xb": 0x43,
    "rex.r": 0x44,
    "rex.rb": 0x45,
    "rex.rx": 0x46,
    "rex.rxb": 0x47,
    "rex.w": 0x48,
    "rex.wb": 0x49,
    "rex.wx": 0x4a,
    "rex.wxb": 0x4b,
    "rex.wr": 0x4c,
    "rex.wrb": 0x4d,
    "rex.wrx": 0x4e,
    "rex.wrxb": 0x4f,
    rex64: 0x48,
  }),
);
const BRANCH = /^(j[a-z]+|call[wldq]?|loop[a-z]*|xbegin|jmp[wldq]?|l(call|jmp)[wldq]?)$/;
const SHORT_ONLY = /^(loop|j[er]?cxz)/;
/** Their operands stand in Intel order in AT&T syntax too. */
const UNREVERSED = /^(bound[wl]?|invlpg[ab]|monitorx?|mwaitx?|pvalidate|rmp\w+|tpause|umwait)$/;

export function assembleInstruction(assembler: GasAssembler, cursor: Cursor): void {
  const { prefixes, hints, mnemonic, span } = readHead(cursor);
  if (mnemonic === "") {
    emitAlone(assembler, cursor, prefixes, span);
    return;
  }
  const { operands, rounding } = readOperands(assembler, cursor, mnemonic);
  cursor.finish();
  if (mnemonic.startsWith("movabs") && assembler.bits !== 64)
    throw new SourceError(span, "'movabs' is for 64-bit code");
  checkBranch(assembler, mnemonic, operands, span);
  const marks = withoutCallMarks(operands, cursor);
  const statement: Statement = {
    request: {
      dialect: "gas",
      intelMnemonics: assembler.intel,
      ...(assembler.machine.intelMnemonics && { uncrossed: true }),
      bits: assembler.builder.bits,
      ...(assembler.machine.architecture && { architecture: assembler.machine.architecture }),
      mnemonic: assembler.wideStack ? onWideStack(mnemonic, operands) : mnemonic,
      operands: operands.map((one) => one.operand),
      prefixes,
      hints,
      ...(rounding && { rounding }),
    },
    spans: operands.map((one) => one.span),
    mnemonic: span,
    relaxable,
  };
  emit(assembler, cursor, statement, marks);
}

/** `call *x@TLSCALL(%rax)`: the name makes no displacement, only a relocation that marks the instruction. */
function withoutCallMarks(operands: PlacedOperand[], { line }: Cursor): PendingFixup[] {
  const marks: PendingFixup[] = [];
  for (let i = 0; i < operands.length; i++) {
    const { operand, span } = operands[i]!;
    const value = operand.kind === "mem" ? (operand.displacement as Symbolic | undefined) : undefined;
    if (operand.kind !== "mem" || value?.modifier !== "TLSCALL") continue;
    if (operand.base === 0) throw new SourceError(span, "'@TLSCALL' needs the register that holds the descriptor");
    operands[i] = { operand: { ...operand, displacement: undefined }, span };
    const field = { offset: 0, size: 4, kind: "abs", signed: false, addend: 0, code: true } as const;
    marks.push({
      ...field,
      expr: { ...value.expr, span: { line, start: span.start, end: span.end } },
      modifier: "TLSCALL",
    });
  }
  return marks;
}

/** A branch goes to a place, not to a `$number`, and in 64-bit code never to 16 bits. */
function checkBranch(assembler: GasAssembler, mnemonic: string, operands: readonly PlacedOperand[], span: Span): void {
  const [first] = operands;
  if (operands.length !== 1 || !first || !BRANCH.test(mnemonic)) return;
  if (first.operand.kind === "imm")
    throw new SourceError(first.span, "a branch needs a target without '$', or '*' and what holds its address");
  const short = first.operand.kind === "target" && SHORT_ONLY.test(mnemonic);
  const number = short ? first.operand.value.known : undefined;
  if (assembler.intel) {
    if (number !== undefined) throw new SourceError(first.span, `"${mnemonic}" takes a label, not a number`);
  } else if (number !== undefined && BigInt.asIntN(8, number) !== number) {
    throw new SourceError(first.span, `"${mnemonic}" takes a label, or a number of 8 bits`);
  } else if (first.operand.kind === "target" && /^jmp[wq]$/.test(mnemonic) && assembler.bits !== 16)
    throw new SourceError(span, "invalid instruction suffix for 'jmp'");
}

function readHead(cursor: Cursor): { prefixes: string[]; hints: string[]; mnemonic: string; span: Span } {
  const prefixes: string[] = [];
  const hints: string[] = [];
  for (;;) {
    cursor.skipSpace();
    const start = cursor.at;
    const hint = cursor.peek() === "{" ? cursor.match(/\{\s*\w+\s*\}/y) : undefined;
    if (hint) {
      hints.push(hint.slice(1, -1).trim().toLowerCase());
      continue;
    }
    const word = cursor.match(/[\w.]+/y)?.toLowerCase();
    const span = cursor.span(start);
    if (word === undefined) {
      if (prefixes.length > 0 && cursor.done) return { prefixes, hints, mnemonic: "", span: cursor.span(0) };
      throw cursor.error("expected an instruction or directive");
    }
    const last = word === "wait" && cursor.done;
    if (last || (!PREFIXES.has(word) && !(word.startsWith("rex") && /^rex(64)?x?y?z?$/.test(word)))) {
      // `jne,pt`: a branch hint is the old way to write a segment prefix.
      const predicted = cursor.peek() === "," ? cursor.match(/,p[nt]\b/y) : undefined;
      if (predicted) prefixes.push(predicted === ",pt" ? "ds" : "cs");
      return { prefixes, hints, mnemonic: word, span };
    }
    prefixes.push(word);
    cursor.eat("/"); // `rep/movsb`
  }
}

/** `.code16gcc`: without a size of their own these push and pop 32 bits. */
function onWideStack(mnemonic: string, operands: readonly PlacedOperand[]): string {
  const stack = /^(push|pop|pushf|popf|pusha|popa|call|lcall|ret|lret|leave|enter)$/.test(mnemonic);
  const word = operands.some(({ operand }) => operand.kind === "reg" && regInfo(operand.reg)?.class === "r16");
  return stack && !word ? `${mnemonic}l` : mnemonic;
}

/** Prefixes on a line of their own are bytes before whatever comes next. */
function emitAlone(assembler: GasAssembler, cursor: Cursor, prefixes: readonly string[], span: Span): void {
  for (const prefix of prefixes) {
    const { bits } = assembler.builder;
    const wrong =
      (prefix.startsWith("rex") && bits !== 64) ||
      (/^([es]s|aword|dword)$/.test(prefix) && bits === 64) ||
      (prefix === "data16" && bits === 16) ||
      (prefix === "data32" && bits !== 16);
    if (wrong || (prefix === "addr16" && bits !== 32) || (prefix === "addr32" && bits === 32))
      throw new SourceError(span, `prefix '${prefix}' has no meaning in ${bits}-bit code`);
  }
  const bytes = prefixes.map((prefix) => PREFIXES.get(prefix) ?? 0x40 | rexBits(prefix)!);
  assembler.locations.emit(cursor);
  assembler.builder.bytes(bytes, cursor.line, [], assembler.builder.bits);
}

interface Operands {
  readonly operands: PlacedOperand[];
  readonly rounding: Rounding | undefined;
}

function readOperands(assembler: GasAssembler, cursor: Cursor, mnemonic: string): Operands {
  const branch = BRANCH.test(mnemonic.includes(".") ? mnemonic.replace(/\.(d8|d32)$/, "") : mnemonic);
  const operands: PlacedOperand[] = [];
  const seen: RoundingSeen = { rounding: undefined };
  if (cursor.done) return { operands, rounding: undefined };
  do {
    if (cursor.done) throw cursor.error("expected an operand after ','");
    if (readRounding(cursor, operands.length, seen)) continue;
    const operand = assembler.intel
      ? (readRegisterAlone(cursor, assembler) ??
        new IntelOperand(cursor, assembler, assembler.nakedRegisters).read(branch))
      : readOperandAtt(cursor, assembler, branch);
    const port = operand.operand.kind === "reg" && cursor.text[operand.span.start] === "(";
    if (port && !/^(in|out)/.test(mnemonic)) throw new SourceError(operand.span, `"${mnemonic}" does not take a port`);
    operands.push(
      cursor.skipSpace().peek() === "{" ? decorate(cursor, assembler, operand, operands.length, seen) : operand,
    );
  } while (cursor.eat(","));
  const { rounding } = seen;
  if (assembler.intel)
    return { operands: branch ? readFrom(farPair(operands), mnemonic, INTEL_INDIRECT) : operands, rounding };
  return {
    operands: reorder(operands, mnemonic),
    rounding: rounding && { ...rounding, after: operands.length - rounding.after },
  };
}

/** `call 0x10,0x1000`: selector and offset. */
function farPair(operands: PlacedOperand[]): PlacedOperand[] {
  const [first, second] = operands;
  if (first?.operand.kind !== "target" || second?.operand.kind !== "target" || operands.length !== 2) return operands;
  const span = { ...first.span, end: second.span.end };
  const { value: selector } = first.operand;
  return [{ operand: { kind: "far", selector, offset: second.operand.value, apart: true }, span }];
}

/** AT&T order to Intel order. */
function reorder(operands: PlacedOperand[], mnemonic: string): PlacedOperand[] {
  const [first, second] = operands;
  if (first?.operand.kind === "imm" && second?.operand.kind === "imm" && operands.length === 2) {
    if (!/^l?(call|jmp)[wlq]?$/.test(mnemonic)) return operands;
    const span = { ...first.span, end: second.span.end };
    return [{ operand: { kind: "far", selector: first.operand.value, offset: second.operand.value }, span }];
  }
  return UNREVERSED.test(mnemonic) ? operands : readFrom(operands.toReversed(), mnemonic, FAR);
}

const FAR = /^l(call|jmp)[wlq]?$/;
/** In Intel syntax a size letter makes of JMP's target a place that holds it. */
const INTEL_INDIRECT = /^(l(call|jmp)[wdq]?|jmp[wdq])$/;

/** `lcall place` is `lcall *place`: the address is read there. */
function readFrom(operands: PlacedOperand[], mnemonic: string, indirect: RegExp): PlacedOperand[] {
  const [first] = operands;
  if (first?.operand.kind !== "target" || operands.length !== 1 || !indirect.test(mnemonic)) return operands;
  const memory = { kind: "mem", segment: 0, base: 0, index: 0, scale: 1, size: 0 } as const;
  return [{ ...first, operand: { ...memory, displacement: first.operand.value } }];
}

/** Is a branch to this symbol left to the linker? */
const keeps = (symbol: AsmSymbol): boolean => symbol.binding === "weak" || symbol.particular === "ifunc";
const keepsPlt = (symbol: AsmSymbol): boolean => keeps(symbol) || symbol.binding === "global";

function emit(assembler: GasAssembler, cursor: Cursor, statement: Statement, marks: readonly PendingFixup[]): void {
  const { builder } = assembler;
  const { bits } = builder;
  const encoded = encodeStatement(statement);
  assembler.locations.emit(cursor);
  reportWarnings(assembler.machine.judged(encoded.best, statement), statement, builder);
  if (encoded.long) {
    const { best, long } = encoded;
    const asksPlt = statement.request.operands.some((one) => valuesOf(one).some(({ modifier }) => modifier === "PLT"));
    const fragment = new BranchFragment(
      builder.section,
      cursor.line,
      statement,
      { best, long },
      asksPlt ? keepsPlt : keeps,
    );
    builder.add(fragment);
    builder.row(fragment, 0, cursor.line, bits);
    return;
  }
  const fixups = pendingFixups(encoded.best, statement);
  builder.bytes(encoded.best.bytes, cursor.line, marks.length > 0 ? [...marks, ...fixups] : fixups, bits);
}
