/** Section and symbol directives. */
import { SourceError } from "../core/diagnostics.ts";
import { number, symbolExpr } from "../core/expr.ts";
import { AlignFragment, FillFragment } from "../core/fragment.ts";
import { rangeOf, type Span, wholeLine } from "../core/source.ts";
import type { AsmSymbol, SectionBuilder, SectionFlags } from "../core/symbols.ts";
import type { GasAssembler } from "./assembler.ts";
import type { Cursor } from "./cursor.ts";
import type { Directive } from "./directives.ts";
import { readText } from "./expressions.ts";

const CODE: SectionFlags = { alloc: true, write: false, exec: true, nobits: false };
const DATA: SectionFlags = { alloc: true, write: true, exec: false, nobits: false };
const READ_ONLY: SectionFlags = { alloc: true, write: false, exec: false, nobits: false };
const ZEROED: SectionFlags = { alloc: true, write: true, exec: false, nobits: true };
const NONE: SectionFlags = { alloc: false, write: false, exec: false, nobits: false };

const KNOWN: readonly (readonly [RegExp, SectionFlags])[] = [
  [/^\.(text|init|fini)(\..*)?$/, CODE],
  [/^\.(data|tdata|data1|init_array|fini_array|preinit_array)(\..*)?$/, DATA],
  [/^\.(rodata|rodata1|eh_frame)(\..*)?$/, READ_ONLY],
  [/^\.(bss|tbss)(\..*)?$/, ZEROED],
];

export function defaultFlags(name: string): SectionFlags {
  return KNOWN.find(([pattern]) => pattern.test(name))?.[1] ?? NONE;
}

function switchTo(assembler: GasAssembler, name: string, flags = defaultFlags(name)): void {
  assembler.previous = assembler.builder.section;
  assembler.builder.section = assembler.builder.getSection(name, flags);
}

const named =
  (name: string): Directive =>
  (assembler, cursor) => {
    const index = cursor.done ? 0 : readIndex(assembler, cursor);
    switchTo(assembler, name);
    assembler.builder.section = assembler.builder.subsection(assembler.builder.section, index);
  };

function readIndex(assembler: GasAssembler, cursor: Cursor): number {
  const start = cursor.skipSpace().at;
  const index = assembler.constant(cursor, "the number of the subsection");
  if (index < 0n || index > 8192n) throw new SourceError(cursor.span(start), "subsections have numbers from 0 to 8192");
  return Number(index);
}

const subsection: Directive = (assembler, cursor) => {
  const { builder } = assembler;
  const index = cursor.done ? 0 : readIndex(assembler, cursor);
  assembler.previous = builder.section;
  builder.section = builder.subsection(builder.section, index);
};

/** `.section name[, "flags"[, @type[, entsize]]]` */
const section: Directive = (assembler, cursor) => {
  cursor.skipSpace();
  const quoted = cursor.peek() === '"';
  const name = quoted ? readText(cursor) : cursor.match(/[^\s,"]+/y);
  if (!name) throw cursor.error("expected the name of a section");
  const existing = assembler.builder.sections.get(name);
  const flags = { ...(existing?.flags ?? defaultFlags(name)) };
  const elf: SectionBuilder["elf"] = {};
  let index = 0;
  if (cursor.eat(",")) {
    if (cursor.skipSpace().peek() === '"') readFlags(assembler, cursor, flags, elf);
    else index = readIndex(assembler, cursor);
  }
  switchTo(assembler, name, flags);
  Object.assign(assembler.builder.section.elf, elf);
  assembler.builder.section = assembler.builder.subsection(assembler.builder.section, index);
};

function readFlags(assembler: GasAssembler, cursor: Cursor, flags: SectionFlags, elf: SectionBuilder["elf"]): void {
  const start = cursor.at;
  const letters = readText(cursor);
  const bad = /[^awxMSGTeoRl?]/.exec(letters);
  if (bad) throw new SourceError(cursor.span(start), `unknown section flag '${bad[0]}'`);
  flags.alloc = letters.includes("a");
  flags.write = letters.includes("w");
  flags.exec = letters.includes("x");
  const extra = letters.replace(/[awx]/g, "");
  if (extra) elf.flags = extra;
  if (!cursor.eat(",")) return;
  if (cursor.skipSpace().peek() === "@" || cursor.peek() === "%") cursor.at++;
  const type = cursor.skipSpace().peek() === '"' ? readText(cursor) : (cursor.match(/\w+/y) ?? "");
  elf.type = type;
  flags.nobits = type === "nobits";
  if (letters.includes("M") && cursor.eat(",")) elf.entrySize = Number(assembler.constant(cursor, "the entry size"));
  if (letters.includes("G")) elf.group = readGroup(cursor);
  cursor.rest();
}

/** `, signature[, comdat]`: sections that a linker keeps or drops together. */
function readGroup(cursor: Cursor): { readonly signature: string; readonly comdat: boolean } {
  cursor.expect(",", "before the group's signature");
  const { name } = cursor.name("the group's signature");
  return { signature: name, comdat: cursor.eat(",") && cursor.eat("comdat") };
}

const previous: Directive = (assembler, cursor) => {
  const { builder } = assembler;
  if (!assembler.previous) {
    assembler.reporter.warning(wholeLine(cursor.line), "there is no previous section");
    return;
  }
  [builder.section, assembler.previous] = [assembler.previous, builder.section];
};

const push: Directive = (assembler, cursor, name) => {
  assembler.sectionStack.push({ section: assembler.builder.section, previous: assembler.previous });
  section(assembler, cursor, name);
};

const pop: Directive = (assembler, cursor) => {
  const saved = assembler.sectionStack.pop();
  if (!saved) {
    assembler.reporter.warning(wholeLine(cursor.line), "'.popsection' without '.pushsection'");
    return;
  }
  assembler.builder.section = saved.section;
  assembler.previous = saved.previous;
};

const eachSymbol =
  (apply: (symbol: AsmSymbol, assembler: GasAssembler) => void): Directive =>
  (assembler, cursor) => {
    do {
      const { name, span } = cursor.name("a symbol name");
      const symbol = assembler.builder.symbol(name);
      symbol.firstUse ??= span;
      apply(symbol, assembler);
    } while (cursor.eat(","));
  };

const type: Directive = (assembler, cursor) => {
  const { name } = cursor.name("a symbol name");
  cursor.eat(",");
  const start = cursor.skipSpace().at;
  const kind = cursor.match(/[@%#]?[\w]+|"\w+"/y)?.replace(/[@%#"]/g, "") ?? "";
  const symbol = assembler.builder.symbol(name);
  if (/^(function|STT_FUNC|STT_GNU_IFUNC|gnu_indirect_function)$/.test(kind)) symbol.type = "func";
  else if (/^(object|STT_OBJECT|tls_object|common|STT_COMMON)$/.test(kind)) symbol.type = "object";
  else if (/^(notype|STT_NOTYPE)$/.test(kind)) symbol.type = "notype";
  else throw new SourceError(cursor.span(start), `unknown symbol type '${kind}'`);
};

const size: Directive = (assembler, cursor) => {
  const { name } = cursor.name("a symbol name");
  cursor.expect(",");
  assembler.builder.symbol(name).size = assembler.expressions.read(cursor);
};

const comm =
  (local: boolean): Directive =>
  (assembler, cursor) => {
    const { name, span } = cursor.name("a symbol name");
    cursor.expect(",");
    const bytes = assembler.constant(cursor, "the size");
    const align = cursor.eat(",") ? assembler.constant(cursor, "the alignment") : undefined;
    if (bytes < 0n || (align !== undefined && (align <= 0n || (align & (align - 1n)) !== 0n)))
      throw new SourceError(wholeLine(cursor.line), "the size must not be negative, the alignment a power of two");
    const symbol = assembler.builder.symbol(name);
    assembler.checkFree(symbol, span);
    symbol.span = span;
    if (local || assembler.localCommons.has(symbol))
      reserve(assembler, cursor, symbol, bytes, align ?? (local ? largestPower(bytes, 8n) : 1n), span);
    else {
      symbol.definition = { kind: "common", size: number(bytes, span), align: align ?? largestPower(bytes, 16n) };
      symbol.binding = "global";
    }
  };

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

const weakTo: Directive = (assembler, cursor, name) =>
  eachSymbol((symbol) => (symbol.binding = "weak"))(assembler, cursor, name);

/** `.weakref alias, target`: the alias is the target, and uses of it alone leave the target weak. */
const weakref: Directive = (assembler, cursor) => {
  const { name, span } = cursor.name("a symbol name");
  cursor.expect(",");
  const { name: target, span: at } = cursor.name("a symbol name");
  const symbol = assembler.builder.symbol(target);
  symbol.firstUse ??= at;
  if (!symbol.definition && symbol.binding === "local") symbol.binding = "weak";
  assembler.assign(name, span, symbolExpr(symbol, at), true);
  assembler.builder.symbol(name).temporary = true;
};

/** `.symver name, name2@VERSION`: another name for the symbol, with its version; `@@@` puts it in the old one's place. */
const symver: Directive = (assembler, cursor) => {
  const { name, span } = cursor.name("a symbol name");
  cursor.expect(",");
  cursor.skipSpace();
  const start = cursor.at;
  const versioned = cursor.match(/[A-Za-z_.][\w.$]*@{1,3}[\w.$]*/y);
  if (versioned === undefined) throw new SourceError(cursor.span(start), "expected a name with '@' and a version");
  if (cursor.eat(",")) cursor.name("'local', 'hidden' or 'remove'");
  assembler.versions.push({ name, span, versioned });
};

export const SECTIONS: Readonly<Record<string, Directive>> = {
  ".text": named(".text"),
  ".data": named(".data"),
  ".bss": named(".bss"),
  ".section": section,
  ".pushsection": push,
  ".popsection": pop,
  ".subsection": subsection,
  ".previous": previous,
  ".globl": eachSymbol((symbol) => (symbol.binding = symbol.binding === "weak" ? "weak" : "global")),
  ".global": eachSymbol((symbol) => (symbol.binding = symbol.binding === "weak" ? "weak" : "global")),
  ".local": eachSymbol((symbol, assembler) => assembler.localCommons.add(symbol)),
  ".weak": weakTo,
  ".weakref": weakref,
  ".symver": symver,
  ".hidden": eachSymbol((symbol) => (symbol.hidden = true)),
  ".internal": eachSymbol((symbol) => (symbol.hidden = true)),
  ".protected": eachSymbol(() => {}),
  ".extern": eachSymbol(() => {}),
  ".type": type,
  ".size": size,
  ".comm": comm(false),
  ".lcomm": comm(true),
  ".set": set(false),
  ".equ": set(false),
  ".equiv": set(true),
  ".eqv": set(true),
};

export const firstDefinition = (symbol: AsmSymbol) =>
  symbol.span ? [{ message: `'${symbol.name}' is first defined here`, range: rangeOf(symbol.span) }] : [];
