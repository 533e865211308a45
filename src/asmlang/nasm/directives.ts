/**
 * NASM's assembler directives: the table, modes, and what is said of symbols. Sections, alignment and structures have files of
 * their own.
 */
import { SourceError } from "../core/diagnostics.ts";
import type { Line, Span } from "../core/source.ts";
import { ownText } from "../core/statement-cache.ts";
import type { AsmSymbol } from "../core/symbols.ts";
import type { Bits, Visibility } from "../types.ts";
import { align, alignmode, powerOfTwo, sectalign } from "./alignment.ts";
import type { NasmAssembler } from "./assembler.ts";
import type { TokenCursor } from "./expressions.ts";
import { absolute, section } from "./sections.ts";
import { cpu, float } from "./settings.ts";
import { at, endstruc, iend, istruc, struc } from "./structures.ts";

/** Does again what a directive in this line has done, without reading it. */
export type Again = (assembler: NasmAssembler, line: Line) => void;

/** Reads a directive and does it; comes to what it takes to do it again, if that depends on its text alone. */
export type NasmDirective = (assembler: NasmAssembler, cursor: TokenCursor, span: Span) => Again | undefined;

const mode =
  (fixed?: Bits): NasmDirective =>
  (assembler, cursor, span) => {
    const value = fixed ?? Number(assembler.constantHere(cursor));
    if (value !== 16 && value !== 32 && value !== 64) throw new SourceError(span, "'bits' must be 16, 32 or 64");
    assembler.setBits(value);
    return undefined;
  };

const org: NasmDirective = (assembler, cursor, span) => {
  if (assembler.options.output === "object") throw new SourceError(span, "'org' is for flat binaries, not for objects");
  if (assembler.origin) throw new SourceError(span, "there is an 'org' already");
  assembler.origin = assembler.expressions.read(cursor);
  return undefined;
};

const setDefault: NasmDirective = (assembler, cursor) => {
  do {
    const token = cursor.next();
    const word = token?.text.toLowerCase();
    if (word === "rel" || word === "abs") assembler.defaultRelative = word === "rel";
    else if (word === "bnd" || word === "nobnd") assembler.defaultBound = word === "bnd";
    else throw new SourceError(token ?? cursor.here(), "'default' takes 'rel' or 'abs'");
  } while (cursor.eat(",") || !cursor.done);
  return undefined;
};

type SymbolAct = (symbol: AsmSymbol, span: Span, assembler: NasmAssembler) => void;

/** Reads what stands behind each symbol of a list, and does it; `again`: it depends on its text alone. */
const eachSymbol =
  (read: (assembler: NasmAssembler, cursor: TokenCursor) => { act: SymbolAct; again: boolean }): NasmDirective =>
  (assembler, cursor) => {
    const acts: { name: string; start: number; end: number; act: SymbolAct }[] = [];
    let all = true;
    do {
      const token = cursor.next();
      if (token?.kind !== "id") throw new SourceError(token ?? cursor.here(), "expected the name of a symbol");
      const { text, start, end } = token;
      const symbol = assembler.builder.symbol(assembler.fullName(text));
      const { act, again } = read(assembler, cursor);
      act(symbol, token, assembler);
      acts.push({ name: ownText(text), start, end, act });
      all &&= again;
    } while (cursor.eat(","));
    cursor.finish();
    if (!all) return undefined;
    return (again, line) => {
      for (const { name, start, end, act } of acts)
        act(again.builder.symbol(again.fullName(name)), { line, start, end }, again);
    };
  };

const isVisibility = (word: string): word is Visibility =>
  word === "default" || word === "internal" || word === "hidden" || word === "protected";

/** What may stand behind a symbol's name: type, visibility, `weak`. */
function readSymbolWords(cursor: TokenCursor): readonly string[] {
  const words: string[] = [];
  for (let word = cursor.word(); word !== undefined && !cursor.is(","); word = cursor.word()) {
    if (!/^(function|data|object|notype|tls|weak|strong)$/.test(word) && !isVisibility(word)) return words;
    words.push(word);
    cursor.next();
  }
  return words;
}

function describe(symbol: AsmSymbol, words: readonly string[]): void {
  for (const word of words) {
    if (word === "weak") symbol.binding = "weak";
    else if (isVisibility(word)) symbol.visibility = word;
    else if (word !== "strong") symbol.type = word === "function" ? "func" : word === "notype" ? "notype" : "object";
    if (word === "tls") symbol.particular = "tls";
  }
}

const global = eachSymbol((assembler, cursor) => {
  const described = cursor.eat(":");
  const words = described ? readSymbolWords(cursor) : [];
  const size = described && !cursor.done && !cursor.is(",") ? assembler.expressions.read(cursor) : undefined;
  const act: SymbolAct = (symbol, span, { globals, statics }) => {
    if (statics.has(symbol)) throw new SourceError(span, `'${symbol.name}' is static and cannot be global too`);
    symbol.binding = "global";
    globals.push({ symbol, span });
    describe(symbol, words);
    if (size) symbol.size = size;
  };
  return { act, again: !size };
});

const makeStatic: SymbolAct = (symbol, span, { statics }) => {
  if (symbol.binding === "global") throw new SourceError(span, `'${symbol.name}' is global and cannot be static too`);
  statics.add(symbol);
};

/** In the table if it is used; a `required` one always. */
const extern = (required: boolean): NasmDirective =>
  eachSymbol((_, cursor) => {
    const words = cursor.eat(":") ? readSymbolWords(cursor) : [];
    const act: SymbolAct = (symbol, span) => {
      symbol.external = true;
      if (required) symbol.firstUse ??= span;
      describe(symbol, words);
    };
    return { act, again: true };
  });

const common: NasmDirective = (assembler, cursor, span) => {
  const token = cursor.next();
  if (token?.kind !== "id") throw new SourceError(token ?? span, "expected the name of a symbol");
  const symbol = assembler.builder.symbol(token.text);
  const size = assembler.expressions.read(cursor);
  const align =
    cursor.eat(":") && cursor.word() === undefined ? powerOfTwo(assembler, assembler.expressions.read(cursor)) : 0n;
  describe(symbol, readSymbolWords(cursor));
  symbol.type = "notype";
  assembler.checkFree(symbol, token);
  symbol.span = token;
  symbol.binding = "global";
  symbol.definition = { kind: "common", size, align };
  return undefined;
};

/** The bin format's report of its sections. */
const map: NasmDirective = (assembler, cursor, span) => {
  if (assembler.options.output === "object") throw new SourceError(span, "'map' is for flat binaries, not for objects");
  cursor.at = cursor.tokens.length;
  return undefined;
};

const ignore: NasmDirective = (_, cursor) => {
  cursor.at = cursor.tokens.length;
  return undefined;
};

export const NASM_DIRECTIVES: Readonly<Record<string, NasmDirective>> = {
  section,
  segment: section,
  bits: mode(),
  use16: mode(16),
  use32: mode(32),
  use64: mode(64),
  org,
  default: setDefault,
  global,
  static: eachSymbol(() => ({ act: makeStatic, again: true })),
  extern: extern(false),
  required: extern(true),
  common,
  absolute,
  align: align(false),
  alignb: align(true),
  sectalign,
  alignmode,
  struc,
  endstruc,
  istruc,
  at,
  iend,
  cpu,
  float,
  list: ignore,
  map,
  debug: ignore,
  warning: ignore,
  group: ignore,
  uppercase: ignore,
  safeseh: ignore,
  pragma: ignore,
};
