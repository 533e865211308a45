/** NASM's structures: `struc` and its members, `istruc`, `at`, `iend`. */
import { SourceError } from "../core/diagnostics.ts";
import { binary, type Expr, number, symbolExpr } from "../core/expr.ts";
import { FillFragment } from "../core/fragment.ts";
import type { Span } from "../core/source.ts";
import type { NasmAssembler } from "./assembler.ts";
import type { NasmDirective } from "./directives.ts";
import type { TokenCursor } from "./expressions.ts";
import { enterAbsolute } from "./sections.ts";

export const struc: NasmDirective = (assembler, cursor, span) => {
  const token = cursor.next();
  if (token?.kind !== "id") throw new SourceError(token ?? span, "expected the name of the structure");
  if (assembler.structure) throw new SourceError(span, "structures cannot be nested");
  const start = cursor.eat(",") ? assembler.expressions.read(cursor) : number(0n, token);
  assembler.structure = { name: token.text, section: assembler.builder.section, span };
  enterAbsolute(assembler, start);
  assembler.defineLabel(token.text, token, cursor.line);
  return undefined;
};

export const endstruc: NasmDirective = (assembler, cursor, span) => {
  const open = assembler.structure;
  if (!open) throw new SourceError(span, "'endstruc' without 'struc'");
  const end = assembler.builder.here(cursor.line);
  const first = assembler.builder.section.fragments[0]!.start;
  const size = assembler.builder.symbol(`${open.name}_size`);
  assembler.checkFree(size, span);
  size.span = span;
  size.definition = { kind: "equate", expr: binary("-", symbolExpr(end, span), symbolExpr(first, span)) };
  assembler.structure = undefined;
  assembler.enter(open.section);
  return undefined;
};

export const istruc: NasmDirective = (assembler, cursor, span) => {
  const token = cursor.next();
  if (token?.kind !== "id") throw new SourceError(token ?? span, "expected the name of a structure");
  assembler.instance = { name: token.text, start: assembler.builder.here(cursor.line) };
  if (assembler.lastId !== undefined) assembler.placeMacroLabel(assembler.lastId, "strucstart", cursor.line);
  return undefined;
};

/** Space up to `offset` bytes from the instance's start. */
function fillTo(assembler: NasmAssembler, offset: Expr, cursor: TokenCursor, span: Span): void {
  const { builder } = assembler;
  const start = assembler.instance!.start;
  const used = binary("-", symbolExpr(builder.here(cursor.line), span), symbolExpr(start, span));
  const count: Expr = { ...binary("-", offset, used), span };
  builder.add(new FillFragment(builder.section, cursor.line, count, new Uint8Array(1), "the space before this member"));
}

export const at: NasmDirective = (assembler, cursor, span) => {
  const open = assembler.instance;
  if (!open) throw new SourceError(span, "'at' without 'istruc'");
  const local = cursor.peek()?.kind === "id" && /^\.[^.]/.test(cursor.peek()!.text);
  const saved = assembler.lastLabel;
  if (local) assembler.lastLabel = open.name;
  const member = assembler.expressions.read(cursor);
  assembler.lastLabel = saved;
  fillTo(assembler, binary("-", member, symbolExpr(assembler.builder.symbol(open.name), span)), cursor, span);
  if (cursor.eat(",") || cursor.eat(":")) assembler.statementRest(cursor);
  return undefined;
};

export const iend: NasmDirective = (assembler, cursor, span) => {
  const open = assembler.instance;
  if (!open) throw new SourceError(span, "'iend' without 'istruc'");
  fillTo(assembler, symbolExpr(assembler.builder.symbol(`${open.name}_size`), span), cursor, span);
  assembler.instance = undefined;
  return undefined;
};
