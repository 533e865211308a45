/** The table of GNU directives, and those that belong to no other group. */
import { SourceError } from "../core/diagnostics.ts";
import { number } from "../core/expr.ts";
import { lookUp } from "../core/look-up.ts";
import { ownName, relocationSize } from "../core/relocations.ts";
import { wholeLine } from "../core/source.ts";
import type { GasAssembler } from "./assembler.ts";
import { CFI } from "./cfi.ts";
import type { Cursor } from "./cursor.ts";
import { DATA } from "./data.ts";
import { readText } from "./expressions.ts";
import { LOCATIONS } from "./loc.ts";
import { NOTES } from "./notes.ts";
import { REPEATS } from "./repeats.ts";
import { SECTIONS } from "./sections.ts";
import { SYMBOLS } from "./symbols.ts";

export type Directive = (assembler: GasAssembler, cursor: Cursor, name: string) => void;

const ignore: Directive = (_, cursor) => void cursor.rest();

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
  ".fail": (_, cursor) => {
    throw new SourceError(wholeLine(cursor.line), `'.fail ${cursor.rest()}' encountered`);
  },
  ".warning": (assembler, cursor) => {
    assembler.reporter.warning(wholeLine(cursor.line), message(cursor, "'.warning' directive"));
  },
  ".altmacro": (assembler) => void (assembler.alternate = true),
  ".noaltmacro": (assembler) => void (assembler.alternate = false),
  ".reloc": reloc,
  ".print": (_, cursor) => void readText(cursor),
  ".end": (assembler, cursor) => {
    cursor.rest();
    assembler.input.stop();
  },
};

/** About listings, debug information and versions: accepted, without effect here. */
const IGNORED =
  ".loc_mark_labels .func .endfunc .mri .vtable_entry .vtable_inherit .debug .arch .list .nolist .title .sbttl .psize .eject .line .ln .lflags .addrsig .addrsig_sym .att_mnemonic .intel_mnemonic .sse_check .operand_check .allow_index_reg .disallow_index_reg .bundle_align_mode .linkonce".split(
    " ",
  );

export const DIRECTIVES: ReadonlyMap<string, Directive> = new Map([
  ...IGNORED.map((name) => [name, ignore] as const),
  ...Object.entries({ ...OTHER, ...NOTES, ...DATA, ...SECTIONS, ...SYMBOLS, ...REPEATS, ...CFI, ...LOCATIONS }),
]);
