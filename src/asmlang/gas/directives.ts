/** The table of GNU directives, and those that belong to no other group. */
import { SourceError } from "../core/diagnostics.ts";
import { binary, type Expr, number, symbolExpr } from "../core/expr.ts";
import { lookUp } from "../core/look-up.ts";
import { ownName, relocationSize } from "../core/relocations.ts";
import { wholeLine } from "../core/source.ts";
import type { GasAssembler } from "./assembler.ts";
import { BUNDLES } from "./bundles.ts";
import { CFI } from "./cfi.ts";
import type { Cursor } from "./cursor.ts";
import { DATA } from "./data.ts";
import { readText } from "./expressions.ts";
import { LOCATIONS } from "./loc.ts";
import { MACHINE } from "./machine.ts";
import { NOTES } from "./notes.ts";
import { REPEATS } from "./repeats.ts";
import { SECTIONS } from "./sections.ts";
import { SYMBOLS } from "./symbols.ts";

export type Directive = (assembler: GasAssembler, cursor: Cursor, name: string) => void;

const ignore: Directive = (_, cursor) => void cursor.rest();

/** Takes no operands, and has no effect. */
const nothing: Directive = () => {};

const mode =
  (bits: 16 | 32 | 64, wideStack = false): Directive =>
  (assembler) => {
    assembler.wideStack = wideStack;
    assembler.setBits(bits);
  };

const syntax =
  (intel: boolean): Directive =>
  (assembler, cursor) => {
    assembler.intel = intel;
    const word = cursor.word();
    if (word !== undefined && word !== "prefix" && word !== "noprefix")
      throw new SourceError(wholeLine(cursor.line), "expected 'prefix' or 'noprefix'");
    assembler.nakedRegisters = word === undefined ? intel : word === "noprefix";
  };

/** What all machines of binutils call some relocations. */
const COMMON_RELOCATIONS: Readonly<Record<string, string>> = {
  BFD_RELOC_NONE: "NONE",
  BFD_RELOC_8: "8",
  BFD_RELOC_16: "16",
  BFD_RELOC_32: "32",
  BFD_RELOC_64: "64",
};

/** `.reloc place, name[, value]`: a relocation by its ELF name, beside what the bytes there ask for. */
const reloc: Directive = (assembler, cursor) => {
  const offset = assembler.expressions.read(cursor);
  cursor.expect(",");
  const { name, span } = cursor.name("the name of a relocation");
  const wide = assembler.objectBits === 64;
  const common = lookUp(COMMON_RELOCATIONS, name);
  const type = common === undefined ? name : `${wide ? "R_X86_64_" : "R_386_"}${common}`;
  const size = relocationSize(type, wide);
  if (size === undefined) throw new SourceError(span, `unknown relocation '${name}'`);
  const expr = cursor.eat(",") ? assembler.expressions.read(cursor) : number(0n, span);
  const plain = /_(PC)?(64|32S?|16|8)$/.exec(type);
  assembler.builder.section.relocations.push({
    offset,
    fixup: {
      offset: 0,
      size,
      kind: plain?.[1] ? "pcrel" : "abs",
      signed: plain?.[2] === "32S",
      addend: 0,
      expr,
      code: false,
      modifier: plain ? undefined : ownName(type, wide),
    },
  });
};

/** A relocation that only marks the place, for the linker's sake. */
function mark(assembler: GasAssembler, offset: Expr, name: string, expr: Expr): void {
  const wide = assembler.objectBits === 64;
  const modifier = `${wide ? "R_X86_64_" : "R_386_"}${name}`;
  const field = { offset: 0, size: 4, kind: "abs", signed: false, addend: 0, code: false } as const;
  assembler.builder.section.relocations.push({ offset, fixup: { ...field, expr, modifier } });
}

/** `.vtable_entry table, offset`: this place uses the table's member. */
const vtableEntry: Directive = (assembler, cursor) => {
  const { name, span } = cursor.name("the name of a table");
  const table = assembler.values.reference(name, span);
  cursor.expect(",");
  const offset = assembler.expressions.read(cursor);
  mark(
    assembler,
    symbolExpr(assembler.builder.here(cursor.line), offset.span),
    "GNU_VTENTRY",
    binary("+", table, offset),
  );
};

/** `.vtable_inherit child, parent`: the child's table is derived from the parent's; 0: from none. */
const vtableInherit: Directive = (assembler, cursor) => {
  const { name, span } = cursor.name("the name of a table");
  const child = assembler.builder.symbol(name);
  if (!child.definition) throw new SourceError(span, `'${name}' must be defined before this`);
  cursor.expect(",");
  mark(assembler, symbolExpr(child, span), "GNU_VTINHERIT", assembler.expressions.read(cursor));
};

/** The width of a listing's pages. */
const psize: Directive = (assembler, cursor) => {
  if (cursor.done) throw cursor.error("expected a number");
  const start = cursor.at;
  if (assembler.constant(cursor, "the size") < 8n)
    assembler.reporter.warning(cursor.span(start), "pages of a listing are not that small");
};

const message = (cursor: Cursor, otherwise: string): string => (cursor.done ? otherwise : readText(cursor));

const include: Directive = (assembler, cursor) => {
  const start = cursor.skipSpace().at;
  const name = readText(cursor);
  const span = cursor.span(start);
  const file = assembler.options.include?.(name, cursor.line.uri);
  if (!file) throw new SourceError(span, `cannot find include file '${name}'`);
  assembler.read(file, { message: "included from here", site: span, hidesBody: false });
};

const OTHER: Readonly<Record<string, Directive>> = {
  ".code16": mode(16),
  ".code16gcc": mode(16, true),
  ".code32": mode(32),
  ".code64": mode(64),
  ".intel_syntax": syntax(true),
  ".att_syntax": syntax(false),
  ".include": include,
  ".error": (_, cursor) => {
    throw new SourceError(wholeLine(cursor.line), message(cursor, "'.error' directive"));
  },
  ".err": (_, cursor) => {
    throw new SourceError(wholeLine(cursor.line), "'.err' encountered");
  },
  ".abort": (_, cursor) => {
    throw new SourceError(wholeLine(cursor.line), "'.abort' encountered");
  },
  ".fail": (assembler, cursor) => {
    const value = assembler.constant(cursor, "the number");
    if (value < 500n) throw new SourceError(wholeLine(cursor.line), `'.fail ${value}' encountered`);
    assembler.reporter.warning(wholeLine(cursor.line), `'.fail ${value}' encountered`);
  },
  ".func": (assembler, cursor) => {
    if (assembler.function) throw new SourceError(wholeLine(cursor.line), "the '.func' before has no '.endfunc'");
    if (!cursor.done) cursor.name("the name of the function");
    if (cursor.eat(",")) cursor.name("the function's label");
    assembler.function = true;
  },
  ".endfunc": (assembler, cursor) => {
    if (!assembler.function) throw new SourceError(wholeLine(cursor.line), "'.endfunc' without '.func'");
    assembler.function = false;
  },
  ".page": nothing,
  ".nopage": nothing,
  ".plen": psize,
  ".llen": psize,
  ".vtable_entry": vtableEntry,
  ".vtable_inherit": vtableInherit,
  ".warning": (assembler, cursor) => {
    assembler.reporter.warning(wholeLine(cursor.line), message(cursor, "'.warning' directive"));
  },
  ".altmacro": (assembler) => void (assembler.alternate = true),
  ".noaltmacro": (assembler) => void (assembler.alternate = false),
  ".allow_index_reg": nothing,
  ".disallow_index_reg": nothing,
  ".reloc": reloc,
  ".print": (_, cursor) => void readText(cursor),
  ".end": (assembler, cursor) => {
    cursor.rest();
    assembler.input.stop();
  },
};

/** About listings, debug information and versions: accepted, without effect here. */
const IGNORED =
  ".loc_mark_labels .mri .debug .list .nolist .title .sbttl .psize .eject .line .linefile .lflags .addrsig .addrsig_sym .linkonce .stabs .stabn .stabd .xstabs .name .format .noformat .noopt .optim .spc .ttl".split(
    " ",
  );

export const DIRECTIVES: ReadonlyMap<string, Directive> = new Map([
  ...IGNORED.map((name) => [name, ignore] as const),
  ...Object.entries({
    ...OTHER,
    ...NOTES,
    ...BUNDLES,
    ...DATA,
    ...SECTIONS,
    ...SYMBOLS,
    ...REPEATS,
    ...MACHINE,
    ...CFI,
    ...LOCATIONS,
  }),
]);
