/** NASM's alignment: `align`, `alignb`, `sectalign`, and the package smartalign's `alignmode`. */
import { SourceError } from "../core/diagnostics.ts";
import { type Expr, evaluateConstant } from "../core/expr.ts";
import { AlignFragment } from "../core/fragment.ts";
import type { Line } from "../core/source.ts";
import type { NasmAssembler } from "./assembler.ts";
import { reserveUnit } from "./data.ts";
import type { NasmDirective } from "./directives.ts";
import type { TokenCursor } from "./expressions.ts";
import { defaultThreshold, isAlignMode, smartPadding } from "./smart-align.ts";
import { constantBytes } from "./times.ts";

export function powerOfTwo(assembler: NasmAssembler, expr: Expr): bigint {
  const value = evaluateConstant(expr, assembler.now);
  if (value === undefined || value <= 0n || (value & (value - 1n)) !== 0n || value > 1n << 31n)
    throw new SourceError(expr.span, "the alignment must be a power of two");
  return value;
}

/** `align n[, filler]` pads with NOP or what is given; `alignb` reserves. */
export const align =
  (reserved: boolean): NasmDirective =>
  (assembler, cursor) => {
    const bytes = powerOfTwo(assembler, assembler.expressions.read(cursor));
    // `align n, resb 1` reserves too.
    const room = cursor.is(",") && reserveUnit(cursor.peek(1)?.text.toLowerCase() ?? "") !== undefined;
    if (room) cursor.at = cursor.tokens.length;
    raiseAlignment(assembler, bytes);
    const reserves = reserved || room;
    const filler = !reserves && cursor.eat(",") ? readFiller(assembler, cursor) : undefined;
    if (filler?.length === 0) throw new SourceError(cursor.here(), "the filler makes no bytes");
    padTo(assembler, cursor.line, bytes, reserves, filler);
    return (again, line) => {
      raiseAlignment(again, bytes);
      padTo(again, line, bytes, reserves, filler);
    };
  };

/** Where nothing is stored there is nothing to fill with either. */
function readFiller(assembler: NasmAssembler, cursor: TokenCursor): Uint8Array | undefined {
  if (!assembler.builder.section.flags.nobits) return constantBytes(assembler, cursor);
  assembler.reporter.warning(cursor.here(), `section ${assembler.builder.section.name} stores nothing: no filler`);
  cursor.at = cursor.tokens.length;
  return undefined;
}

function raiseAlignment(assembler: NasmAssembler, bytes: bigint): void {
  if (!assembler.alignsSections && !assembler.smartAlign) return;
  const { section: target } = assembler.builder;
  target.align = Math.max(target.align, Number(bytes));
  target.binAlign = Math.max(target.binAlign ?? 0, Number(bytes));
}

function padTo(
  assembler: NasmAssembler,
  line: Line,
  bytes: bigint,
  reserves: boolean,
  given: Uint8Array | undefined,
): void {
  const { builder } = assembler;
  const { section: target, bits } = builder;
  const empty = reserves || target.flags.nobits;
  const filler = given ?? Uint8Array.of(empty ? 0 : 0x90);
  const smart = empty || given ? undefined : assembler.smartAlign;
  const pad = (size: number) =>
    smart ? smartPadding(size, smart, bits) : Uint8Array.from({ length: size }, (_, i) => filler[i % filler.length]!);
  const fragment = builder.add(new AlignFragment(target, line, bytes, undefined, pad));
  builder.row(fragment, 0, line, filler[0] === 0x90 && target.flags.exec ? bits : undefined);
  if (smart && assembler.lastId !== undefined) assembler.placeMacroLabel(assembler.takeId(), "end", line);
}

/** `alignmode mode[, threshold]` of the package smartalign. */
export const alignmode: NasmDirective = (assembler, cursor, span) => {
  const token = cursor.next();
  const mode = token?.text.toLowerCase() ?? "";
  if (!assembler.smartAlign) throw new SourceError(span, "'alignmode' needs '%use smartalign'");
  if (!isAlignMode(mode)) throw new SourceError(token ?? span, "expected 'generic', 'nop', 'p6', 'k7' or 'k8'");
  let threshold = defaultThreshold(mode);
  if (cursor.eat(",")) threshold = cursor.eatWord("nojmp") ? -1 : Number(assembler.constantHere(cursor));
  assembler.smartAlign = { mode, threshold };
  return undefined;
};

/** `sectalign off`: alignments inside a section say nothing of the section's own. */
export const sectalign: NasmDirective = (assembler, cursor) => {
  const word = cursor.word();
  if (word === "on" || word === "off") {
    assembler.alignsSections = word === "on";
    cursor.next();
    return undefined;
  }
  const { section: target } = assembler.builder;
  const bytes = Number(powerOfTwo(assembler, assembler.expressions.read(cursor)));
  target.align = Math.max(target.align, bytes);
  target.binAlign = Math.max(target.binAlign ?? 0, bytes);
  return undefined;
};
