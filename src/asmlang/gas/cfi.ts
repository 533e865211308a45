/** The `.cfi_*` directives: they collect the rules of each function; cfi-frames.ts makes sections of them. */
import { SourceError } from "../core/diagnostics.ts";
import { type Expr, evaluate } from "../core/expr.ts";
import { leb128 } from "../core/fragment.ts";
import { rangeOf, type Span, wholeLine } from "../core/source.ts";
import type { AsmSymbol, SectionBuilder } from "../core/symbols.ts";
import type { GasAssembler } from "./assembler.ts";
import {
  encodedSize,
  encodedValue,
  type Frame,
  type FrameRule,
  type FrameSections,
  FrameWriter,
  type Pointer,
} from "./cfi-frames.ts";
import { dwarfRegister, FRAME_BASICS } from "./cfi-registers.ts";
import type { Cursor } from "./cursor.ts";
import type { Directive } from "./directives.ts";

const OMITTED = 0xff;
const DW_CFA = {
  offsetExtended: 0x05,
  restoreExtended: 0x06,
  undefined: 0x07,
  sameValue: 0x08,
  register: 0x09,
  rememberState: 0x0a,
  restoreState: 0x0b,
  defCfa: 0x0c,
  defCfaRegister: 0x0d,
  defCfaOffset: 0x0e,
  offsetExtendedSigned: 0x11,
  defCfaSigned: 0x12,
  defCfaOffsetSigned: 0x13,
  valOffset: 0x14,
  valOffsetSigned: 0x15,
  valExpression: 0x16,
  windowSave: 0x2d,
  offset: 0x80,
  restore: 0xc0,
} as const;

/** A function whose `.cfi_endproc` is still to come. */
interface Open {
  readonly frame: Frame;
  /** What the last rule was about. */
  last: AsmSymbol;
  cfaOffset: bigint;
  readonly remembered: bigint[];
}

const unsigned = (value: bigint | number): number[] => leb128(BigInt(value), false);
const signed = (value: bigint): number[] => leb128(value, true);

export class CallFrames {
  readonly #assembler: GasAssembler;
  readonly #frames: Frame[] = [];
  /** One for each section at most. */
  readonly #open = new Map<SectionBuilder, Open>();
  #sections: FrameSections = { eh: true, debug: false };

  constructor(assembler: GasAssembler) {
    this.#assembler = assembler;
  }

  get bits(): 32 | 64 {
    return this.#assembler.objectBits;
  }

  choose(sections: FrameSections): void {
    this.#sections = sections;
  }

  start(cursor: Cursor, simple: boolean): void {
    const { builder } = this.#assembler;
    const before = this.#open.get(builder.section);
    if (before)
      throw new SourceError(wholeLine(cursor.line), "the '.cfi_startproc' before this has no '.cfi_endproc'", [
        { message: "it is here", range: rangeOf(wholeLine(before.frame.line)) },
      ]);
    const start = builder.here(cursor.line);
    const { stackPointer, returnColumn, factor } = FRAME_BASICS[this.bits];
    const frame: Frame = {
      line: cursor.line,
      start,
      end: undefined,
      sections: this.#sections,
      rules: [],
      returnColumn,
      signal: false,
      personality: undefined,
      lsda: undefined,
    };
    const open: Open = { frame, last: start, cfaOffset: 0n, remembered: [] };
    this.#frames.push(frame);
    this.#open.set(builder.section, open);
    if (simple) return;
    this.defineCfa(open, stackPointer, BigInt(-factor));
    this.offset(open, returnColumn, BigInt(factor));
  }

  end(cursor: Cursor): void {
    const { frame } = this.current(cursor, ".cfi_endproc");
    frame.end = this.#assembler.builder.here(cursor.line);
    this.#open.delete(this.#assembler.builder.section);
  }

  current(cursor: Cursor, name: string): Open {
    const open = this.#open.get(this.#assembler.builder.section);
    if (!open) throw new SourceError(wholeLine(cursor.line), `'${name}' without '.cfi_startproc'`);
    return open;
  }

  /** Rules from here on are about the present place. */
  advance(open: Open, cursor: Cursor): void {
    const to = this.#assembler.builder.here(cursor.line);
    const [a, b] = [open.last.definition, to.definition];
    if (a?.kind === "label" && b?.kind === "label" && a.fragment === b.fragment && a.offset === b.offset) return;
    open.frame.rules.push({ kind: "advance", from: open.last, to });
    open.last = to;
  }

  add({ frame }: Open, bytes: readonly number[], initial = true): void {
    frame.rules.push({ kind: "bytes", bytes, initial });
  }

  #factored(offset: bigint): bigint {
    return offset / BigInt(FRAME_BASICS[this.bits].factor);
  }

  offset(open: Open, register: number, offset: bigint): void {
    const factored = this.#factored(offset);
    if (factored < 0n) this.add(open, [DW_CFA.offsetExtendedSigned, ...unsigned(register), ...signed(factored)]);
    else if (register < 0x40) this.add(open, [DW_CFA.offset | register, ...unsigned(factored)]);
    else this.add(open, [DW_CFA.offsetExtended, ...unsigned(register), ...unsigned(factored)]);
  }

  valOffset(open: Open, register: number, offset: bigint): void {
    const factored = this.#factored(offset);
    const [op, value] =
      factored < 0n ? [DW_CFA.valOffsetSigned, signed(factored)] : [DW_CFA.valOffset, unsigned(factored)];
    this.add(open, [op, ...unsigned(register), ...value]);
  }

  defineCfa(open: Open, register: number, offset: bigint): void {
    open.cfaOffset = offset;
    if (offset < 0n) this.add(open, [DW_CFA.defCfaSigned, ...unsigned(register), ...signed(this.#factored(offset))]);
    else this.add(open, [DW_CFA.defCfa, ...unsigned(register), ...unsigned(offset)]);
  }

  defineCfaOffset(open: Open, offset: bigint): void {
    open.cfaOffset = offset;
    if (offset < 0n) this.add(open, [DW_CFA.defCfaOffsetSigned, ...signed(this.#factored(offset))]);
    else this.add(open, [DW_CFA.defCfaOffset, ...unsigned(offset)]);
  }

  restoreState(open: Open, span: Span): void {
    const offset = open.remembered.pop();
    if (offset === undefined) throw new SourceError(span, "'.cfi_restore_state' without '.cfi_remember_state'");
    open.cfaOffset = offset;
    this.add(open, [DW_CFA.restoreState]);
  }

  /** At the end of the source: the sections. */
  finish(): void {
    const { builder, reporter } = this.#assembler;
    for (const { frame } of this.#open.values()) {
      reporter.error(wholeLine(frame.line), "this '.cfi_startproc' has no '.cfi_endproc'");
      frame.end = frame.start;
    }
    const now = builder.section;
    for (const eh of [true, false]) {
      const line = this.#frames.find((frame) => (eh ? frame.sections.eh : frame.sections.debug))?.line;
      if (line === undefined) continue;
      builder.section = builder.getSection(eh ? ".eh_frame" : ".debug_frame", {
        alloc: eh,
        write: false,
        exec: false,
        nobits: false,
      });
      new FrameWriter(builder, this.bits, eh, line).write(this.#frames);
    }
    builder.section = now;
  }
}

// Reading

function readRegister(assembler: GasAssembler, cursor: Cursor): number {
  cursor.skipSpace();
  const start = cursor.at;
  const name = cursor.match(/%?[a-z][\w.]*(?:\(\d\))?/iy);
  if (name === undefined) return Number(assembler.constant(cursor, "a register number"));
  const plain = name.replace("%", "").toLowerCase();
  const found = dwarfRegister(plain, assembler.objectBits);
  if (found !== undefined) return found;
  cursor.at = start;
  if (!name.startsWith("%")) return Number(assembler.constant(cursor, "a register"));
  throw new SourceError(
    cursor.span(start, start + name.length),
    `register ${name} has no number in call frame information`,
  );
}

const readOffset = (assembler: GasAssembler, cursor: Cursor): bigint => {
  cursor.expect(",");
  return assembler.constant(cursor, "the offset");
};

type Rule = (assembler: GasAssembler, open: Open, cursor: Cursor, span: Span) => void;

/** A directive inside a function that is about the present place. */
const rule =
  (apply: Rule): Directive =>
  (assembler, cursor, name) => {
    const open = assembler.frames.current(cursor, name);
    assembler.frames.advance(open, cursor);
    apply(assembler, open, cursor, wholeLine(cursor.line));
  };

const registerOffset = (apply: (frames: CallFrames, open: Open, register: number, offset: bigint) => void): Directive =>
  rule((assembler, open, cursor) => {
    const register = readRegister(assembler, cursor);
    apply(assembler.frames, open, register, readOffset(assembler, cursor));
  });

const eachRegister = (bytes: (register: number) => number[]): Directive =>
  rule((assembler, open, cursor) => {
    do assembler.frames.add(open, bytes(readRegister(assembler, cursor)));
    while (cursor.eat(","));
  });

function readEncoding(assembler: GasAssembler, cursor: Cursor, name: string): number {
  const start = cursor.skipSpace().at;
  const encoding = Number(assembler.constant(cursor, "the encoding"));
  const known =
    encoding === OMITTED ||
    ((encoding & ~0xff) === 0 &&
      [0, 0x10].includes(encoding & 0x70) &&
      encodedSize(encoding, assembler.objectBits) !== undefined);
  if (!known) throw new SourceError(cursor.span(start), `this encoding is not supported in '${name}'`);
  return encoding;
}

function readPointer(assembler: GasAssembler, cursor: Cursor, name: string): Pointer | undefined {
  const encoding = readEncoding(assembler, cursor, name);
  if (encoding === OMITTED) return undefined;
  cursor.expect(",");
  const expr = assembler.expressions.read(cursor);
  return { encoding, expr, key: keyOf(assembler, expr) };
}

/** Equal for expressions of the same symbol and number. */
function keyOf(assembler: GasAssembler, expr: Expr): string {
  const value = evaluate(expr, assembler.now);
  return value
    ? `${value.constant} ${value.terms.map(({ symbol, sign }) => `${sign}${symbol.name}`).join()}`
    : `${expr.span.line.line}`;
}

const pointer =
  (field: "personality" | "lsda"): Directive =>
  (assembler, cursor, name) => {
    assembler.frames.current(cursor, name).frame[field] = readPointer(assembler, cursor, name);
  };

const sections: Directive = (assembler, cursor) => {
  const chosen = { eh: false, debug: false };
  while (!cursor.done) {
    const { name, span } = cursor.name("the name of a section");
    if (name === ".eh_frame") chosen.eh = true;
    else if (name === ".debug_frame") chosen.debug = true;
    else throw new SourceError(span, "'.cfi_sections' takes '.eh_frame' and '.debug_frame'");
    if (!cursor.eat(",")) break;
  }
  assembler.frames.choose(chosen);
};

const startproc: Directive = (assembler, cursor) => {
  const word = cursor.done ? undefined : cursor.name("'simple'");
  if (word && word.name !== "simple") throw new SourceError(word.span, "'.cfi_startproc' takes 'simple' or nothing");
  assembler.frames.start(cursor, word !== undefined);
};

/** Bytes as they are; no CIE has them. */
const rawBytes: Rule = (assembler, open, cursor) => {
  const values: Expr[] = [];
  do values.push(assembler.expressions.read(cursor));
  while (cursor.eat(","));
  open.frame.rules.push({
    kind: "values",
    bytes: [],
    values: values.map((expr) => ({ expr, size: 1, relative: false })),
  });
};

const DW_OP = { addr: 0x03, encodedAddress: 0xf1 } as const;

const valEncodedAddress: Rule = (assembler, open, cursor) => {
  const register = readRegister(assembler, cursor);
  cursor.expect(",");
  const where = readPointer(assembler, cursor, ".cfi_val_encoded_addr");
  if (!where) return;
  const value = encodedValue(where, assembler.objectBits);
  const operator = where.encoding === 0 ? [DW_OP.addr] : [DW_OP.encodedAddress, where.encoding];
  const bytes = [DW_CFA.valExpression, ...unsigned(register), operator.length + value.size, ...operator];
  open.frame.rules.push({ kind: "values", bytes, values: [value] });
};

const label: Rule = (assembler, open, cursor) => {
  const { name, span } = cursor.name("the name of a label");
  const symbol = assembler.builder.symbol(name);
  assembler.values.checkFree(symbol, span);
  symbol.span = span;
  symbol.temporary = name.startsWith(".L");
  open.frame.rules.push({ kind: "label", symbol } satisfies FrameRule);
};

const DIRECTIVES: Readonly<Record<string, Directive>> = {
  sections,
  startproc,
  endproc: (assembler, cursor) => assembler.frames.end(cursor),
  personality: pointer("personality"),
  lsda: pointer("lsda"),
  def_cfa: registerOffset((frames, open, register, offset) => frames.defineCfa(open, register, offset)),
  def_cfa_register: rule((assembler, open, cursor) =>
    assembler.frames.add(open, [DW_CFA.defCfaRegister, ...unsigned(readRegister(assembler, cursor))]),
  ),
  def_cfa_offset: rule((assembler, open, cursor) =>
    assembler.frames.defineCfaOffset(open, assembler.constant(cursor, "the offset")),
  ),
  adjust_cfa_offset: rule((assembler, open, cursor) =>
    assembler.frames.defineCfaOffset(open, open.cfaOffset + assembler.constant(cursor, "the offset")),
  ),
  offset: registerOffset((frames, open, register, offset) => frames.offset(open, register, offset)),
  rel_offset: registerOffset((frames, open, register, offset) =>
    frames.offset(open, register, offset - open.cfaOffset),
  ),
  val_offset: registerOffset((frames, open, register, offset) => frames.valOffset(open, register, offset)),
  register: rule((assembler, open, cursor) => {
    const register = readRegister(assembler, cursor);
    cursor.expect(",");
    assembler.frames.add(open, [DW_CFA.register, ...unsigned(register), ...unsigned(readRegister(assembler, cursor))]);
  }),
  restore: eachRegister((register) =>
    register < 0x40 ? [DW_CFA.restore | register] : [DW_CFA.restoreExtended, ...unsigned(register)],
  ),
  undefined: eachRegister((register) => [DW_CFA.undefined, ...unsigned(register)]),
  same_value: eachRegister((register) => [DW_CFA.sameValue, ...unsigned(register)]),
  remember_state: rule((assembler, open) => {
    open.remembered.push(open.cfaOffset);
    assembler.frames.add(open, [DW_CFA.rememberState], false);
  }),
  restore_state: rule((assembler, open, _, span) => assembler.frames.restoreState(open, span)),
  return_column: rule((assembler, open, cursor) => {
    open.frame.returnColumn = readRegister(assembler, cursor);
  }),
  signal_frame: rule((_, open) => {
    open.frame.signal = true;
  }),
  negate_ra_state: rule((assembler, open) => assembler.frames.add(open, [DW_CFA.windowSave], false)),
  window_save: rule((assembler, open) => assembler.frames.add(open, [DW_CFA.windowSave])),
  escape: rule(rawBytes),
  val_encoded_addr: rule(valEncodedAddress),
  label: rule(label),
};

export const CFI: Readonly<Record<string, Directive>> = Object.fromEntries(
  Object.entries(DIRECTIVES).map(([name, directive]) => [`.cfi_${name}`, directive]),
);
