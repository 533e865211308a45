/** NASM's assembler directives: modes, sections, symbols, structures, alignment. */
import { SourceError } from "../core/diagnostics.ts";
import { binary, type Expr, evaluateConstant, number, symbolExpr } from "../core/expr.ts";
import { AlignFragment, FillFragment } from "../core/fragment.ts";
import { lookUp } from "../core/look-up.ts";
import type { Line, Span } from "../core/source.ts";
import { ownText } from "../core/statement-cache.ts";
import { type AsmSymbol, SectionBuilder, type SectionFlags } from "../core/symbols.ts";
import type { Bits, Visibility } from "../types.ts";
import type { NasmAssembler } from "./assembler.ts";
import { reserveUnit } from "./data.ts";
import type { TokenCursor } from "./expressions.ts";
import { isDefinedAbove } from "./guesses.ts";
import { SIZES } from "./operands.ts";
import { cpu, float } from "./settings.ts";
import { defaultThreshold, isAlignMode, smartPadding } from "./smart-align.ts";
import { constantBytes } from "./times.ts";

/** Does again what a directive in this line has done, without reading it. */
export type Again = (assembler: NasmAssembler, line: Line) => void;

/** Reads a directive and does it; comes to what it takes to do it again, if that depends on its text alone. */
export type NasmDirective = (assembler: NasmAssembler, cursor: TokenCursor, span: Span) => Again | undefined;

const flags = (letters: string): SectionFlags => ({
  alloc: letters.includes("a"),
  write: letters.includes("w"),
  exec: letters.includes("x"),
  nobits: letters.includes("n"),
});

/** NASM's own defaults: flags and alignment by name. */
const KNOWN: Readonly<Record<string, readonly [string, number]>> = {
  ".text": ["ax", 16],
  ".rodata": ["a", 4],
  ".lrodata": ["a", 4],
  ".data": ["aw", 4],
  ".ldata": ["aw", 4],
  ".bss": ["awn", 4],
  ".lbss": ["awn", 4],
  ".tdata": ["aw", 4],
  ".tbss": ["awn", 4],
  ".comment": ["", 1],
  ".preinit_array": ["a", 8],
  ".init_array": ["a", 8],
  ".fini_array": ["a", 8],
  ".note": ["", 4],
};

export function namedSection(assembler: NasmAssembler, name: string): SectionBuilder {
  const existing = assembler.builder.sections.get(name);
  if (existing) return existing;
  const [letters, align] = lookUp(KNOWN, name) ?? ["a", 1];
  const section = assembler.builder.getSection(name, flags(letters));
  section.align = align;
  if (name.endsWith("_array") && lookUp(KNOWN, name))
    Object.assign(section.elf, { type: name.slice(1), entrySize: (assembler.options.bits ?? 64) === 64 ? 8 : 4 });
  return section;
}

const section: NasmDirective = (assembler, cursor, span) => {
  const token = cursor.next();
  if (!token) throw new SourceError(span, "expected the name of a section");
  let name = token.kind === "string" ? token.text.slice(1, -1) : token.text;
  // A name such as `.note.GNU-stack` is several tokens side by side.
  for (let last = token; cursor.peek()?.start === last.end && cursor.peek()!.line === last.line; ) {
    last = cursor.next()!;
    name += last.text;
  }
  const own = ownText(name);
  const first = !assembler.declared.has(own);
  const plain = cursor.done;
  const target = enterNamed(assembler, own);
  if (!plain) describeSection(assembler, cursor, target, first);
  return plain ? (again) => enterNamed(again, own) : undefined;
};

function enterNamed(assembler: NasmAssembler, name: string): SectionBuilder {
  const target = namedSection(assembler, name);
  assembler.declared.add(name);
  assembler.enter(target);
  return target;
}

/** With attributes a section has the alignment that they say, or none; later ones cannot change what it is. */
function describeSection(assembler: NasmAssembler, cursor: TokenCursor, target: SectionBuilder, first: boolean): void {
  const flagsBefore = { ...target.flags };
  const span = cursor.here();
  if (first && target.binAlign === undefined) target.align = 1;
  while (!cursor.done) attribute(assembler, cursor, target);
  const changed = Object.entries(flagsBefore).some(
    ([name, value]) => target.flags[name as keyof SectionFlags] !== value,
  );
  if (first || !changed) return;
  target.flags = flagsBefore;
  assembler.reporter.warning(span, `section '${target.name}' has attributes already: these are ignored`);
}

function attribute(assembler: NasmAssembler, cursor: TokenCursor, target: SectionBuilder): void {
  const token = cursor.next()!;
  const word = token.text.toLowerCase();
  if (cursor.eat("=")) {
    valuedAttribute(assembler, cursor, target, word, token);
    return;
  }
  switch (word) {
    case "progbits":
    case "nobits":
      target.flags.nobits = word === "nobits";
      break;
    case "alloc":
    case "noalloc":
      target.flags.alloc = word === "alloc";
      break;
    case "exec":
    case "noexec":
      target.flags.exec = word === "exec";
      break;
    case "write":
    case "nowrite":
      target.flags.write = word === "write";
      break;
    case "note":
    case "init_array":
    case "fini_array":
    case "preinit_array":
      target.elf.type = word;
      break;
    case "byte":
    case "word":
    case "dword":
    case "qword":
    case "tword":
    case "oword":
    case "yword":
    case "zword":
    case "pointer":
      setEntrySize(assembler, target, word);
      break;
    case "tls":
    case "merge":
    case "strings":
      target.elf.flags = (target.elf.flags ?? "") + { tls: "T", merge: "M", strings: "S" }[word];
      break;
    case "class":
    case "private":
    case "public":
    case "stack":
    case "use16":
    case "use32":
    case "use64":
      break;
    default:
      assembler.reporter.warning(token, `unknown section attribute '${token.text}' is ignored`);
  }
}

/** What a mergeable section, or one of pointers, is made of; it is aligned to that. */
function setEntrySize(assembler: NasmAssembler, target: SectionBuilder, word: string): void {
  const size = word === "pointer" ? ((assembler.options.bits ?? 64) === 64 ? 8 : 4) : SIZES[word]!;
  target.elf.entrySize = size;
  if (target.binAlign === undefined) target.align = Math.max(target.align, size & -size);
}

function valuedAttribute(
  assembler: NasmAssembler,
  cursor: TokenCursor,
  target: SectionBuilder,
  word: string,
  span: Span,
): void {
  if (word === "follows" || word === "vfollows") {
    target[word] = cursor.next()?.text;
    return;
  }
  const expr = assembler.expressions.read(cursor);
  if (word === "align") setAlign(assembler, target, expr);
  else if (word === "valign") target.virtualAlign = Number(powerOfTwo(assembler, expr));
  else if (word === "start" || word === "vstart") target[word] = expr;
  else if (word !== "info" && word !== "pointer" && word !== "entsize")
    throw new SourceError(span, `unknown section attribute '${word}='`);
}

function powerOfTwo(assembler: NasmAssembler, expr: Expr): bigint {
  const value = evaluateConstant(expr, assembler.now);
  if (value === undefined || value <= 0n || (value & (value - 1n)) !== 0n || value > 1n << 31n)
    throw new SourceError(expr.span, "the alignment must be a power of two");
  return value;
}

function setAlign(assembler: NasmAssembler, target: SectionBuilder, expr: Expr): void {
  const value = Number(powerOfTwo(assembler, expr));
  target.align = Math.max(lookUp(KNOWN, target.name) && target.binAlign === undefined ? value : target.align, value);
  target.binAlign = Math.max(target.binAlign ?? 0, value);
}

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

/** `absolute address`: labels are numbers from there on. */
const absolute: NasmDirective = (assembler, cursor) => {
  const start = assembler.expressions.read(cursor);
  if (!isDefinedAbove(start)) throw new SourceError(start.span, "this must be defined before it is used here");
  enterAbsolute(assembler, start);
  return undefined;
};

function enterAbsolute(assembler: NasmAssembler, start: Expr): void {
  const target = new SectionBuilder("*ABS*", flags("n"));
  target.absolute = true;
  target.absoluteStart = start;
  assembler.enter(target);
}

/** `align n[, filler]` pads with NOP or what is given; `alignb` reserves. */
const align =
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
const alignmode: NasmDirective = (assembler, cursor, span) => {
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
const sectalign: NasmDirective = (assembler, cursor) => {
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

const struc: NasmDirective = (assembler, cursor, span) => {
  const token = cursor.next();
  if (token?.kind !== "id") throw new SourceError(token ?? span, "expected the name of the structure");
  if (assembler.structure) throw new SourceError(span, "structures cannot be nested");
  const start = cursor.eat(",") ? assembler.expressions.read(cursor) : number(0n, token);
  assembler.structure = { name: token.text, section: assembler.builder.section, span };
  enterAbsolute(assembler, start);
  assembler.defineLabel(token.text, token, cursor.line);
  return undefined;
};

const endstruc: NasmDirective = (assembler, cursor, span) => {
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

const istruc: NasmDirective = (assembler, cursor, span) => {
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

const at: NasmDirective = (assembler, cursor, span) => {
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

const iend: NasmDirective = (assembler, cursor, span) => {
  const open = assembler.instance;
  if (!open) throw new SourceError(span, "'iend' without 'istruc'");
  fillTo(assembler, symbolExpr(assembler.builder.symbol(`${open.name}_size`), span), cursor, span);
  assembler.instance = undefined;
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
