/** Section directives. */
import { SourceError } from "../core/diagnostics.ts";
import { number } from "../core/expr.ts";
import { wholeLine } from "../core/source.ts";
import { SectionBuilder, type SectionFlags } from "../core/symbols.ts";
import type { GasAssembler } from "./assembler.ts";
import type { Cursor } from "./cursor.ts";
import type { Directive } from "./directives.ts";
import { readText } from "./expressions.ts";
import { type Attributes, noAttributes, readAttributes } from "./section-attributes.ts";
import { entryBytes, type SectionDefaults, sectionDefaults } from "./section-defaults.ts";

const flagsOf = (letters: string, type: string | undefined): SectionFlags => ({
  alloc: letters.includes("a"),
  write: letters.includes("w"),
  exec: letters.includes("x"),
  nobits: type === "nobits",
});

/** Flags of a section that the source does not describe. */
export function defaultFlags(name: string): SectionFlags {
  const known = sectionDefaults(name, true);
  return flagsOf(known?.letters ?? "", known?.type);
}

function enter(assembler: GasAssembler, section: SectionBuilder): void {
  assembler.previous = assembler.builder.section;
  assembler.builder.section = section;
}

const named =
  (name: string): Directive =>
  (assembler, cursor) => {
    const index = cursor.done ? 0 : readIndex(assembler, cursor);
    const { builder } = assembler;
    enter(assembler, builder.subsection(builder.getSection(name, defaultFlags(name)), index));
  };

function readIndex(assembler: GasAssembler, cursor: Cursor): number {
  return Number(BigInt.asIntN(32, assembler.constant(cursor, "the number of the subsection")));
}

const subsection: Directive = (assembler, cursor) => {
  const { builder } = assembler;
  const index = cursor.done ? 0 : readIndex(assembler, cursor);
  enter(assembler, builder.subsection(builder.section, index));
};

/** `.section name[, "flags"[, @type[, ...]]]`; `.pushsection name[, subsection][, ...]`. */
const section: Directive = (assembler, cursor, directive) => {
  cursor.skipSpace();
  const start = cursor.at;
  const name = cursor.peek() === '"' ? readText(cursor) : cursor.match(/[^\s,"]+/y);
  if (!name) throw cursor.error("expected the name of a section");
  const span = cursor.span(start);
  let attributes = noAttributes();
  let index = 0;
  let more = cursor.eat(",");
  if (more && directive === ".pushsection" && cursor.skipSpace().peek() !== '"') {
    index = readIndex(assembler, cursor);
    more = cursor.eat(",");
  }
  if (more) {
    if (cursor.skipSpace().peek() !== '"') throw cursor.error("expected the section's flags in quotes");
    attributes = readAttributes(assembler, cursor);
  }
  const found = findSection(assembler, name, attributes);
  if (found.fresh) describeSection(assembler, cursor, found.section, name, attributes);
  else checkUnchanged(assembler, cursor, found.section, name, attributes);
  assembler.noteLink(found.section, span);
  enter(assembler, assembler.builder.subsection(found.section, index));
};

/** Sections of one name are told apart by their group, their number, and what their order follows. */
function findSection(assembler: GasAssembler, name: string, attributes: Attributes) {
  const { builder } = assembler;
  const { group, unique, linkedTo, letters } = attributes;
  const joined = attributes.joins ? (builder.section.parent ?? builder.section).elf.group : undefined;
  const signature = (group ?? joined)?.signature;
  const key = [
    name,
    ...(signature === undefined ? [] : [`group ${signature}`]),
    ...(unique === undefined ? [] : [`unique ${unique}`]),
    ...(linkedTo ? [`linked to ${linkedTo}`] : []),
    ...(/[Rd]/.test(letters ?? "") ? [letters!.replace(/[^Rd]/g, "")] : []),
  ].join(" ");
  const fresh = !builder.sections.has(key);
  const found = builder.getSection(key, defaultFlags(name));
  if (fresh && (group ?? joined)) found.elf.group = group ?? joined!;
  if (key !== name) found.elf.name = name;
  return { section: found, fresh };
}

function describeSection(
  assembler: GasAssembler,
  cursor: Cursor,
  target: SectionBuilder,
  name: string,
  attributes: Attributes,
): void {
  const wide = assembler.objectBits === 64;
  const known = sectionDefaults(name, wide);
  const letters = chosenLetters(assembler, cursor, name, attributes, known);
  const type = chosenType(assembler, cursor, name, attributes, known);
  const extra = letters.replace(/[awx]/g, "");
  target.flags = flagsOf(letters, type);
  const entries = known?.entries ?? (type?.endsWith("_array") ? "address" : undefined);
  const entrySize = attributes.entrySize ?? entryBytes(entries, wide);
  Object.assign(target.elf, {
    ...(type && { type }),
    ...(extra && { flags: extra }),
    ...(attributes.flagBits && { flagBits: attributes.flagBits }),
    ...(entrySize && { entrySize }),
    ...(attributes.linkedTo !== undefined && { linkedTo: attributes.linkedTo }),
    ...(attributes.info !== undefined && { info: attributes.info }),
  });
}

/** The well-known sections have their usual flags, unless the source gives others that do not belong there. */
function chosenLetters(
  assembler: GasAssembler,
  cursor: Cursor,
  name: string,
  { letters }: Attributes,
  known: SectionDefaults | undefined,
): string {
  if (letters === undefined) return known?.letters ?? "";
  if (!known) return letters;
  const odd = [...letters].some((letter) => !"oRd".includes(letter) && !known.letters.includes(letter));
  if (!odd) return letters + [...known.letters].filter((letter) => !letters.includes(letter)).join("");
  const usual = name.startsWith(".note") && /^[ax]$/.test(letters);
  if (!usual)
    assembler.reporter.warning(wholeLine(cursor.line), `section ${name} usually has the flags "${known.letters}"`);
  return letters;
}

function chosenType(
  assembler: GasAssembler,
  cursor: Cursor,
  name: string,
  { type }: Attributes,
  known: SectionDefaults | undefined,
): string | undefined {
  if (type === undefined || !known || type === known.type) return type ?? known?.type;
  const array = known.entries === "address" && type === "progbits";
  if (!name.startsWith(".note") || name === ".note.GNU-stack")
    assembler.reporter.warning(
      wholeLine(cursor.line),
      `section ${name} usually has the type @${known.type}${array ? ", and keeps it" : ""}`,
    );
  return array ? known.type : type;
}

const COMPARED = /[^awxMSTe]/g;
const sorted = (letters: string): string => [...new Set(letters.replace(COMPARED, ""))].sort().join("");

function checkUnchanged(
  assembler: GasAssembler,
  cursor: Cursor,
  { flags, elf }: SectionBuilder,
  name: string,
  { letters, type, entrySize }: Attributes,
): void {
  const span = wholeLine(cursor.line);
  const { builder } = assembler;
  const standard = /^\.(text|data|bss)$/.test(name);
  const before = `${flags.alloc ? "a" : ""}${flags.write ? "w" : ""}${flags.exec ? "x" : ""}${elf.flags ?? ""}`;
  const known = flags.nobits ? "nobits" : (elf.type ?? "progbits");
  if (type !== undefined && type !== known && !standard)
    throw new SourceError(span, `section ${name} had another type before: @${known}`);
  if (!letters) return;
  if (sorted(letters) !== sorted(before)) {
    const message = `section ${name} had other flags before: "${before}"`;
    if (!standard) throw new SourceError(span, message);
    builder.reporter.warning(span, `${message}, and keeps them`);
  } else if (letters.includes("M") && entrySize !== elf.entrySize)
    throw new SourceError(span, `section ${name} had another entry size before: ${elf.entrySize}`);
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

/** `.struct n` and `.offset n`: labels are numbers from there on. */
const absolute: Directive = (assembler, cursor) => {
  const start = cursor.done ? 0n : assembler.constant(cursor, "where the structure starts");
  const target = new SectionBuilder("*ABS*", flagsOf("", "nobits"));
  target.absolute = true;
  target.absoluteStart = number(start, wholeLine(cursor.line));
  enter(assembler, target);
};

/** `.attach_to_group name`: the present section is in that group. */
const attach: Directive = (assembler, cursor) => {
  const { name, span } = cursor.name("the name of a group");
  const target = assembler.builder.section.parent ?? assembler.builder.section;
  if (target.elf.group) assembler.reporter.warning(span, `section ${target.name} is in a group already`);
  else target.elf.group = { signature: name, comdat: false };
};

export const SECTIONS: Readonly<Record<string, Directive>> = {
  ".text": named(".text"),
  ".data": named(".data"),
  ".bss": named(".bss"),
  ".section": section,
  ".section.s": section,
  ".sect": section,
  ".sect.s": section,
  ".pushsection": push,
  ".popsection": pop,
  ".subsection": subsection,
  ".previous": previous,
  ".struct": absolute,
  ".offset": absolute,
  ".attach_to_group": attach,
};
