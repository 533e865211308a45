/** `times`: repeats what depends on nothing as one fill, anything else statement by statement. */
import { ByteBuffer } from "../core/buffer.ts";
import { SourceError } from "../core/diagnostics.ts";
import { type Expr, evaluateConstant, number } from "../core/expr.ts";
import { BytesFragment, FillFragment } from "../core/fragment.ts";
import { replay } from "../core/known-statement.ts";
import type { Line } from "../core/source.ts";
import type { SectionBuilder } from "../core/symbols.ts";
import type { NasmAssembler } from "./assembler.ts";
import { dataUnit, reserveUnit } from "./data.ts";
import { type Again, NASM_DIRECTIVES } from "./directives.ts";
import type { TokenCursor } from "./expressions.ts";
import { isDistance } from "./guesses.ts";

/** `times n statement` */
export function repeatStatement(assembler: NasmAssembler, cursor: TokenCursor): Again | undefined {
  const start = cursor.next()!;
  const count = assembler.expressions.read(cursor);
  // As for NASM, of several the last one counts.
  if (cursor.word() === "times") return repeatStatement(assembler, cursor);
  checkRepeated(cursor);
  const known = evaluateConstant(count, assembler.now);
  if (known === undefined && !isDistance(count))
    throw new SourceError(count.span, "'times' needs a number that is known here, or a distance between labels");
  // As for NASM, the count is a number of 32 bits.
  const times = known === undefined ? undefined : BigInt.asIntN(32, known);
  const body = cursor.at;
  if (times !== undefined && times < 0n) throw new SourceError(count.span, `'times' of a negative number (${times})`);
  const unit = tryConstantBytes(assembler, cursor);
  if (unit) {
    const { start: from, end } = count.span;
    const code = dataUnit(cursor.tokens[body]?.text.toLowerCase() ?? "") === undefined;
    fill(assembler, cursor.line, times === undefined ? asCount(count) : number(times, count.span), unit, code);
    if (times === undefined) return undefined;
    return (again, line) => fill(again, line, number(times, { line, start: from, end }), unit, code);
  }
  const rounds = times ?? BigInt.asIntN(32, assembler.countOf(count));
  assembler.builder.budget.charge("statements", Number(rounds), start);
  const again = rounds > 0n ? first(assembler, cursor) : undefined;
  for (let i = 1n; i < rounds; i++) {
    cursor.at = body;
    if (again) again();
    else assembler.statementRest(cursor);
  }
  cursor.at = cursor.tokens.length;
  return undefined;
}

/** Does the statement, and comes to what does it once more without reading it, if there is such a thing. */
function first(assembler: NasmAssembler, cursor: TokenCursor): (() => void) | undefined {
  const { builder, lines, now } = assembler;
  const { line } = cursor;
  const watch = lines.watch();
  assembler.statementRest(cursor);
  const known = watch.noted(line, now);
  return known && (() => replay(known, builder, line, lines));
}

/** Only what makes bytes or reserves them can be repeated. */
function checkRepeated(cursor: TokenCursor): void {
  const word = cursor.word();
  if (cursor.done) throw new SourceError(cursor.here(), "expected an instruction to repeat");
  if (word !== undefined && Object.hasOwn(NASM_DIRECTIVES, word))
    throw new SourceError(cursor.here(), `'times' repeats instructions and data, not '${word}'; '%rep' repeats lines`);
}

function fill({ builder }: NasmAssembler, line: Line, count: Expr, unit: Uint8Array, code: boolean): void {
  if (unit.length === 0) return;
  const fragment = builder.add(new FillFragment(builder.section, line, count, unit, "'times'"));
  builder.row(fragment, 0, line, code ? builder.bits : undefined);
}

const asCount = (a: Expr): Expr => ({ op: "apply", apply: (value) => BigInt.asIntN(32, value), a, span: a.span });

/** The bytes of a statement that depends on nothing; undefined if it does. */
function tryConstantBytes(assembler: NasmAssembler, cursor: TokenCursor): Uint8Array | undefined {
  const word = cursor.word();
  const plain = word !== undefined && word !== "times" && word !== "incbin" && !Object.hasOwn(NASM_DIRECTIVES, word);
  const uses = cursor.tokens.slice(cursor.at).some((token) => token.text === "$" || token.text === "$$");
  if (
    !plain ||
    uses ||
    reserveUnit(word) !== undefined ||
    assembler.builder.section.absolute ||
    assembler.builder.section.flags.nobits
  )
    return undefined;
  const start = cursor.at;
  const scratch = inScratch(assembler, cursor);
  if (!scratch) cursor.at = start;
  return scratch;
}

/** Assembles into a section of its own; its bytes if nothing in them is open. */
function inScratch(assembler: NasmAssembler, cursor: TokenCursor): Uint8Array | undefined {
  const { section, fragments } = assembler.builder;
  const count = fragments.length;
  const start = cursor.at;
  assembler.builder.section = scratchSection(section);
  try {
    assembler.statementRest(cursor);
    const made = fragments.slice(count);
    const [only] = made;
    if (made.length === 0) return new Uint8Array(0);
    if (made.length > 1 || !(only instanceof BytesFragment) || only.fixups.length > 0) {
      cursor.at = start;
      return undefined;
    }
    return only.bytes.view().slice();
  } finally {
    fragments.length = count;
    assembler.builder.section = section;
  }
}

/** The filler of `align`. */
export function constantBytes(assembler: NasmAssembler, cursor: TokenCursor): Uint8Array {
  const bytes = tryConstantBytes(assembler, cursor);
  if (!bytes) throw new SourceError(cursor.here(), "the filler must be a constant");
  return bytes;
}

/** A section like this one that belongs to nothing. */
function scratchSection(section: SectionBuilder): SectionBuilder {
  return Object.assign(Object.create(Object.getPrototypeOf(section)) as SectionBuilder, section, {
    fragments: [],
    bytes: new ByteBuffer(),
  });
}
