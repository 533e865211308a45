/** Symbol directives: binding, visibility, type, size, values, storage. */
import { SourceError } from "../core/diagnostics.ts";
import { number } from "../core/expr.ts";
import { AlignFragment, FillFragment } from "../core/fragment.ts";
import { lookUp } from "../core/look-up.ts";
import { type Span, wholeLine } from "../core/source.ts";
import type { AsmSymbol, SectionFlags } from "../core/symbols.ts";
import type { SymbolParticular, Visibility } from "../types.ts";
import type { GasAssembler } from "./assembler.ts";
import type { Cursor } from "./cursor.ts";
import type { Directive } from "./directives.ts";

const ZEROED: SectionFlags = { alloc: true, write: true, exec: false, nobits: true };

const eachSymbol =
  (apply: (symbol: AsmSymbol, assembler: GasAssembler, span: Span) => void, used = true): Directive =>
  (assembler, cursor) => {
    do {
      const { name, span } = cursor.name("a symbol name");
      const symbol = assembler.builder.symbol(name);
      if (used) symbol.firstUse ??= span;
      apply(symbol, assembler, span);
    } while (cursor.eat(","));
  };

/** Words of `.type`, and the numbers that ELF has for them. */
const TYPES: Readonly<Record<string, readonly [AsmSymbol["type"], SymbolParticular?]>> = {
  function: ["func"],
  STT_FUNC: ["func"],
  "2": ["func"],
  object: ["object"],
  STT_OBJECT: ["object"],
  "1": ["object"],
  tls_object: ["object", "tls"],
  STT_TLS: ["object", "tls"],
  "6": ["object", "tls"],
  common: ["object"],
  STT_COMMON: ["object"],
  "5": ["object"],
  notype: ["notype"],
  STT_NOTYPE: ["notype"],
  "0": ["notype"],
  gnu_indirect_function: ["func", "ifunc"],
  STT_GNU_IFUNC: ["func", "ifunc"],
  "10": ["func", "ifunc"],
  gnu_unique_object: ["object", "unique"],
};

const type: Directive = (assembler, cursor) => {
  const { name } = cursor.name("a symbol name");
  cursor.eat(",");
  const start = cursor.skipSpace().at;
  const kind = cursor.match(/[@%#]?[\w]+|"\w+"/y)?.replace(/[@%#"]/g, "") ?? "";
  const symbol = assembler.builder.symbol(name);
  symbol.firstUse ??= cursor.span(start);
  const found = lookUp(TYPES, kind);
  if (!found) throw new SourceError(cursor.span(start), `unknown symbol type '${kind}'`);
  [symbol.type, symbol.particular] = found;
};

const size: Directive = (assembler, cursor) => {
  const { name, span } = cursor.name("a symbol name");
  cursor.expect(",");
  const symbol = assembler.builder.symbol(name);
  symbol.firstUse ??= span;
  symbol.size = assembler.expressions.read(cursor);
};

interface Common {
  /** `.lcomm`: in .bss at once. */
  readonly local?: boolean;
  readonly particular?: SymbolParticular;
  /** Beyond the first two gigabytes, where there are any. */
  readonly large?: boolean;
}

const comm =
  ({ local = false, particular, large = false }: Common): Directive =>
  (assembler, cursor) => {
    const { name, span } = cursor.name("a symbol name");
    cursor.eat(",");
    if (cursor.done) throw cursor.error("expected the size");
    const bytes = assembler.constant(cursor, "the size");
    const aligned = !local && cursor.eat(",");
    if (aligned && cursor.done) throw cursor.error("expected the alignment");
    const align = aligned ? readAlignment(assembler, cursor) : undefined;
    if (bytes < 0n) {
      assembler.reporter.warning(wholeLine(cursor.line), `a size of ${bytes} bytes: the directive is ignored`);
      return;
    }
    const symbol = assembler.builder.symbol(name);
    symbol.particular ??= particular;
    if (symbol.definition?.kind === "common") {
      const before = symbol.definition.size.op === "number" ? symbol.definition.size.value : bytes;
      if (before !== bytes) assembler.reporter.warning(span, `'${name}' has ${before} bytes already, and keeps them`);
      return;
    }
    assembler.values.checkFree(symbol, span);
    symbol.span = span;
    if (local || assembler.localCommons.has(symbol))
      reserve(assembler, cursor, symbol, bytes, align ?? (local ? largestPower(bytes, 8n) : 1n), span);
    else {
      symbol.definition = { kind: "common", size: number(bytes, span), align: align ?? smallestPower(bytes, 16n) };
      symbol.binding = "global";
      symbol.type = "object";
      if (large && assembler.objectBits === 64) {
        symbol.particular = "large";
        assembler.builder.getSection(".lbss", ZEROED).elf.flags = "l";
      }
    }
  };

/** undefined: by the size. */
function readAlignment(assembler: GasAssembler, cursor: Cursor): bigint | undefined {
  const start = cursor.skipSpace().at;
  const align = assembler.constant(cursor, "the alignment");
  if (align < 0n) throw new SourceError(cursor.span(start), "the alignment must not be negative");
  return align === 0n ? undefined : align;
}

/** The smallest power of two from the size on, up to the limit: how gas aligns common symbols. */
function smallestPower(bytes: bigint, limit: bigint): bigint {
  let power = 1n;
  while (power < bytes && power < limit) power *= 2n;
  return power;
}

/** The largest power of two up to the size and the limit: how gas aligns by itself. */
function largestPower(bytes: bigint, limit: bigint): bigint {
  let power = 1n;
  while (power * 2n <= bytes && power < limit) power *= 2n;
  return power;
}

function reserve(
  assembler: GasAssembler,
  cursor: Cursor,
  symbol: AsmSymbol,
  bytes: bigint,
  align: bigint,
  span: Span,
): void {
  const { builder } = assembler;
  const now = builder.section;
  builder.section = builder.subsection(builder.getSection(".bss", ZEROED), 1);
  builder.section.align = Math.max(builder.section.align, Number(align));
  builder.add(new AlignFragment(builder.section, cursor.line, align, undefined, (n) => new Uint8Array(n)));
  builder.place(symbol, cursor.line);
  symbol.type = "object";
  symbol.size = number(bytes, span);
  builder.add(new FillFragment(builder.section, cursor.line, number(bytes, span), new Uint8Array(1), "space"));
  builder.section = now;
}

const set =
  (once: boolean): Directive =>
  (assembler, cursor) => {
    const { name, span } = cursor.name("a symbol name");
    cursor.expect(",");
    assembler.assign(name, span, assembler.expressions.read(cursor), once);
  };

const eqv: Directive = (assembler, cursor) => {
  const { name, span } = cursor.name("a symbol name");
  cursor.expect(",");
  assembler.values.assignLazily(name, span, () => assembler.expressions.read(cursor));
};

const weakTo: Directive = (assembler, cursor, name) =>
  eachSymbol((symbol) => (symbol.binding = "weak"), false)(assembler, cursor, name);

/** `.weakref alias, target`: the alias is the target, and a target that is named by it alone is weak. */
const weakref: Directive = (assembler, cursor) => {
  const { name, span } = cursor.name("a symbol name");
  cursor.expect(",");
  const { name: target, span: at } = cursor.name("a symbol name");
  assembler.values.weakReference(name, span, target, at);
};

/** `.symver name, name2@VERSION`: another name for the symbol, with its version; `@@@` puts it in the old one's place. */
const symver: Directive = (assembler, cursor) => {
  const { name, span } = cursor.name("a symbol name");
  cursor.expect(",");
  cursor.skipSpace();
  const start = cursor.at;
  const versioned = cursor.match(/[A-Za-z_.][\w.$]*@{1,3}[\w.$]*/y);
  if (versioned === undefined) throw new SourceError(cursor.span(start), "expected a name with '@' and a version");
  const kept = cursor.eat(",") ? readKept(cursor) : undefined;
  assembler.versions.push({ name, span, versioned, kept });
};

/** What becomes of the plain name. */
function readKept(cursor: Cursor): "local" | "hidden" | "remove" {
  const { name, span } = cursor.name("'local', 'hidden' or 'remove'");
  if (name === "local" || name === "hidden" || name === "remove") return name;
  throw new SourceError(span, "expected 'local', 'hidden' or 'remove'");
}

/** Alone it does not bring an undefined symbol into the table, and neither does `.weak`, which it does not undo. */
const globl: Directive = eachSymbol((symbol, { builder, reporter }, span) => {
  if (!symbol.definition && builder.sections.has(symbol.name))
    reporter.warning(span, "the name of a section is never global");
  else if (symbol.binding !== "weak") symbol.binding = "global";
}, false);

const visible = (visibility: Visibility): Directive => eachSymbol((symbol) => (symbol.visibility = visibility));

/** References to external symbols need no announcement. */
const extern: Directive = (_, cursor) => void cursor.rest();

export const SYMBOLS: Readonly<Record<string, Directive>> = {
  ".globl": globl,
  ".global": globl,
  ".xdef": globl,
  ".local": eachSymbol((symbol, assembler) => {
    assembler.localCommons.add(symbol);
    if (symbol.binding === "global") symbol.binding = "local";
  }),
  ".weak": weakTo,
  ".weakref": weakref,
  ".symver": symver,
  ".hidden": visible("hidden"),
  ".internal": visible("internal"),
  ".protected": visible("protected"),
  ".extern": extern,
  ".xref": extern,
  ".type": type,
  ".size": size,
  ".comm": comm({}),
  ".common": comm({}),
  ".common.s": comm({}),
  ".lcomm": comm({ local: true }),
  ".largecomm": comm({ large: true }),
  ".tls_common": comm({ particular: "tls" }),
  ".set": set(false),
  ".equ": set(false),
  ".equiv": set(true),
  ".eqv": eqv,
};
