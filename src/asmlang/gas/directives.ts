/** The table of GNU directives, and those that belong to no other group. */
import { SourceError } from "../core/diagnostics.ts";
import { wholeLine } from "../core/source.ts";
import type { GasAssembler } from "./assembler.ts";
import { CFI } from "./cfi.ts";
import type { Cursor } from "./cursor.ts";
import { DATA } from "./data.ts";
import { readString, readText } from "./expressions.ts";
import { LOCATIONS } from "./loc.ts";
import { REPEATS } from "./repeats.ts";
import { SECTIONS } from "./sections.ts";

export type Directive = (assembler: GasAssembler, cursor: Cursor, name: string) => void;

const ignore: Directive = (_, cursor) => void cursor.rest();

const mode =
  (bits: 16 | 32 | 64): Directive =>
  (assembler) => {
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
    if (!intel && assembler.nakedRegisters)
      throw new SourceError(wholeLine(cursor.line), "'.att_syntax noprefix' is not supported");
  };

/** Known to `as`, but what they ask for is not done here: better an error than a wrong program. */
const unsupported: Directive = (_, cursor, name) => {
  throw new SourceError(wholeLine(cursor.line), `'${name}' is not supported`);
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

/** `.ident "text"` collects texts in .comment, after one empty text. */
const ident: Directive = (assembler, cursor) => {
  const { builder } = assembler;
  const text = readString(cursor);
  const now = builder.section;
  const fresh = !builder.sections.has(".comment");
  builder.section = builder.getSection(".comment", { alloc: false, write: false, exec: false, nobits: false });
  Object.assign(builder.section.elf, { flags: "MS", entrySize: 1 });
  builder.bytes([...(fresh ? [0] : []), ...text, 0], cursor.line);
  builder.section = now;
};

const OTHER: Readonly<Record<string, Directive>> = {
  ".code16": mode(16),
  ".code16gcc": mode(16),
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
  ".ident": ident,
  ".subsection": unsupported,
  ".altmacro": unsupported,
  ".reloc": unsupported,
  ".noaltmacro": ignore,
  ".print": (_, cursor) => void readText(cursor),
  ".end": (assembler, cursor) => {
    cursor.rest();
    assembler.input.stop();
  },
};

/** About listings, debug information and versions: accepted, without effect here. */
const IGNORED =
  ".loc_mark_labels .version .arch .list .nolist .title .sbttl .psize .eject .line .ln .lflags .gnu_attribute .addrsig .addrsig_sym .att_mnemonic .intel_mnemonic .sse_check .operand_check .allow_index_reg .disallow_index_reg .bundle_align_mode .symver .linkonce".split(
    " ",
  );

export const DIRECTIVES: ReadonlyMap<string, Directive> = new Map([
  ...IGNORED.map((name) => [name, ignore] as const),
  ...Object.entries({ ...OTHER, ...DATA, ...SECTIONS, ...REPEATS, ...CFI, ...LOCATIONS }),
]);
