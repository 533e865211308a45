/** The table of GNU directives, and those that belong to no other group. */
import { littleEndian } from "../core/buffer.ts";
import { SourceError } from "../core/diagnostics.ts";
import { number } from "../core/expr.ts";
import { relocationSize } from "../core/relocations.ts";
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

/** `.reloc place, name[, value]`: a relocation by its ELF name, beside what the bytes there ask for. */
const reloc: Directive = (assembler, cursor) => {
  const offset = assembler.expressions.read(cursor);
  cursor.expect(",");
  const { name, span } = cursor.name("the name of a relocation");
  const wide = assembler.objectBits === 64;
  const type = name.replace(wide ? /^R_X86_64_/ : /^R_386_/, "");
  const size = relocationSize(type, wide);
  if (type === name || size === undefined) throw new SourceError(span, `unknown relocation '${name}'`);
  const expr = cursor.eat(",") ? assembler.expressions.read(cursor) : number(0n, span);
  assembler.builder.section.relocations.push({
    offset,
    fixup: { offset: 0, size, kind: "abs", signed: false, addend: 0, expr, code: false, modifier: type },
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

/** `.version "text"`: a note with that name and nothing else. */
const version: Directive = (assembler, cursor) => {
  const { builder } = assembler;
  const text = readString(cursor);
  const now = builder.section;
  builder.section = builder.getSection(".note", { alloc: false, write: false, exec: false, nobits: false });
  builder.section.align = Math.max(builder.section.align, 4);
  const name = new Uint8Array((text.length + 4) & ~3);
  name.set(text);
  builder.bytes([...littleEndian(4, BigInt(text.length + 1)), 0, 0, 0, 0, 1, 0, 0, 0, ...name], cursor.line);
  builder.section = now;
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
  ".ident": ident,
  ".version": version,
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
  ".loc_mark_labels .func .endfunc .mri .vtable_entry .vtable_inherit .debug .arch .list .nolist .title .sbttl .psize .eject .line .ln .lflags .gnu_attribute .addrsig .addrsig_sym .att_mnemonic .intel_mnemonic .sse_check .operand_check .allow_index_reg .disallow_index_reg .bundle_align_mode .linkonce .attach_to_group".split(
    " ",
  );

export const DIRECTIVES: ReadonlyMap<string, Directive> = new Map([
  ...IGNORED.map((name) => [name, ignore] as const),
  ...Object.entries({ ...OTHER, ...DATA, ...SECTIONS, ...REPEATS, ...CFI, ...LOCATIONS }),
]);
