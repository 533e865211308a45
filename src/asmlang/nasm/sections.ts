/** NASM's sections: `section` with its attributes, and `absolute`. */
import { SourceError } from "../core/diagnostics.ts";
import type { Expr } from "../core/expr.ts";
import { lookUp } from "../core/look-up.ts";
import type { Span } from "../core/source.ts";
import { ownText } from "../core/statement-cache.ts";
import { SectionBuilder, type SectionFlags } from "../core/symbols.ts";
import { powerOfTwo } from "./alignment.ts";
import type { NasmAssembler } from "./assembler.ts";
import type { NasmDirective } from "./directives.ts";
import type { TokenCursor } from "./expressions.ts";
import { isDefinedAbove } from "./guesses.ts";
import { SIZES } from "./operands.ts";

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

export const section: NasmDirective = (assembler, cursor, span) => {
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

function setAlign(assembler: NasmAssembler, target: SectionBuilder, expr: Expr): void {
  const value = Number(powerOfTwo(assembler, expr));
  target.align = Math.max(lookUp(KNOWN, target.name) && target.binAlign === undefined ? value : target.align, value);
  target.binAlign = Math.max(target.binAlign ?? 0, value);
}

/** `absolute address`: labels are numbers from there on. */
export const absolute: NasmDirective = (assembler, cursor) => {
  const start = assembler.expressions.read(cursor);
  if (!isDefinedAbove(start)) throw new SourceError(start.span, "this must be defined before it is used here");
  enterAbsolute(assembler, start);
  return undefined;
};

export function enterAbsolute(assembler: NasmAssembler, start: Expr): void {
  const target = new SectionBuilder("*ABS*", flags("n"));
  target.absolute = true;
  target.absoluteStart = start;
  assembler.enter(target);
}
