/** What stands behind the name in `.section name[, "flags"[, @type[, ...]]]`. */
import { SourceError } from "../core/diagnostics.ts";
import { wholeLine } from "../core/source.ts";
import type { SectionGroup } from "../types.ts";
import type { GasAssembler } from "./assembler.ts";
import type { Cursor } from "./cursor.ts";
import { parseNumber, readText } from "./expressions.ts";

export interface Attributes {
  /** Flag letters but for G and ?; undefined: none are given. */
  letters: string | undefined;
  flagBits: number;
  type: string | undefined;
  entrySize: number | undefined;
  group: SectionGroup | undefined;
  /** In the group of the section before (`?`). */
  joins: boolean;
  linkedTo: string | undefined;
  info: number | undefined;
  /** `unique, N` tells sections of one name apart. */
  unique: bigint | undefined;
}

export const noAttributes = (): Attributes => ({
  letters: undefined,
  flagBits: 0,
  type: undefined,
  entrySize: undefined,
  group: undefined,
  joins: false,
  linkedTo: undefined,
  info: undefined,
  unique: undefined,
});

const TYPES = /^(progbits|nobits|note|init_array|fini_array|preinit_array|unwind)$/;

export function readAttributes(assembler: GasAssembler, cursor: Cursor): Attributes {
  const found = noAttributes();
  readFlags(cursor, found, assembler.objectBits === 64);
  const asked = new Set(found.letters);
  if (cursor.eat(",")) {
    readType(assembler, cursor, found);
    if (asked.has("M") && follows(cursor)) found.entrySize = entrySize(assembler, cursor);
    if (asked.has("o") && follows(cursor)) found.linkedTo = readLinked(cursor);
    if (asked.has("G") && follows(cursor)) found.group = readGroup(cursor);
    if (asked.has("d") && follows(cursor)) found.info = Number(assembler.constant(cursor, "the section's info"));
    if (cursor.eat(",")) readUnique(assembler, cursor, found);
  }
  return finished(assembler, cursor, found, asked);
}

/** Is there one more argument, other than `unique`? Then the cursor is behind the comma. */
function follows(cursor: Cursor): boolean {
  const start = cursor.at;
  if (!cursor.eat(",")) return false;
  if (!/^\s*(unique\s*,|$)/.test(cursor.text.slice(cursor.at, cursor.end))) return true;
  cursor.at = start;
  return false;
}

function readFlags(cursor: Cursor, found: Attributes, wide: boolean): void {
  const start = cursor.at;
  const text = readText(cursor);
  let letters = "";
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]!;
    const digits = /^(0[xX][\da-fA-F]+|\d+)/.exec(text.slice(at))?.[0];
    if (digits !== undefined) {
      found.flagBits |= Number(parseNumber(digits) ?? 0n);
      at += digits.length - 1;
    } else if (letter === "?") found.joins = true;
    else if ("awxMSGTeodR".includes(letter) || (letter === "l" && wide)) letters += letter;
    else throw new SourceError(cursor.span(start), `unknown section flag '${letter}'`);
  }
  found.letters = letters + lettersOf(found.flagBits);
  found.flagBits &= ~0x437;
}

/** Numbers of flags that have letters. */
const lettersOf = (bits: number): string =>
  `${bits & 1 ? "w" : ""}${bits & 2 ? "a" : ""}${bits & 4 ? "x" : ""}${bits & 0x10 ? "M" : ""}${bits & 0x20 ? "S" : ""}${bits & 0x400 ? "T" : ""}`;

function readType(assembler: GasAssembler, cursor: Cursor, found: Attributes): void {
  cursor.skipSpace();
  const start = cursor.at;
  const quoted = cursor.peek() === '"';
  const marked = cursor.peek() === "@" || cursor.peek() === "%";
  if (!quoted && !marked) {
    // The type may be left out: what follows is the entry size, or the group, ...
    cursor.at = cursor.text.lastIndexOf(",", start);
    return;
  }
  if (marked) cursor.at++;
  const word = quoted ? readText(cursor) : (cursor.match(/\w+/y) ?? "");
  if (TYPES.test(word)) found.type = word === "unwind" ? String(0x70000001) : word;
  else {
    const number = parseNumber(word);
    if (number !== undefined) found.type = String(number);
    else assembler.reporter.warning(cursor.span(start), `unknown section type '${word}' is ignored`);
  }
}

function entrySize(assembler: GasAssembler, cursor: Cursor): number | undefined {
  const start = cursor.skipSpace().at;
  const size = assembler.constant(cursor, "the entry size");
  if (size > 0n) return Number(size);
  assembler.reporter.warning(cursor.span(start), "the entry size of a mergeable section must be positive");
  return undefined;
}

/** `, signature[, comdat]`: sections that a linker keeps or drops together. */
function readGroup(cursor: Cursor): SectionGroup {
  const { name } = cursor.name("the group's signature");
  const at = cursor.at;
  const comdat = cursor.eat(",") && cursor.eat("comdat");
  if (!comdat) cursor.at = at;
  return { signature: name, comdat };
}

function readLinked(cursor: Cursor): string {
  if (cursor.skipSpace().match(/0(?![\w.$])/y)) return "";
  return cursor.name("the section that this one is linked to").name;
}

function readUnique(assembler: GasAssembler, cursor: Cursor, found: Attributes): void {
  if (cursor.done) return;
  if (!cursor.eat("unique")) throw cursor.error("expected 'unique'");
  cursor.expect(",", "before the section's number");
  const start = cursor.skipSpace().at;
  const value = assembler.constant(cursor, "the section's number");
  if (value < 0n || value > 0xffff_ffffn) throw new SourceError(cursor.span(start), "this number must fit in 32 bits");
  found.unique = value;
}

/** Letters that came without what they need have no effect. */
function finished(assembler: GasAssembler, cursor: Cursor, found: Attributes, asked: ReadonlySet<string>): Attributes {
  const drop = (letter: string, what: string) => {
    assembler.reporter.warning(wholeLine(cursor.line), what);
    found.letters = found.letters!.replaceAll(letter, "");
  };
  if (asked.has("M") && found.entrySize === undefined)
    drop("M", "a mergeable section needs an entry size: flag 'M' is ignored");
  if (asked.has("G") && !found.group) drop("G", "flag 'G' needs the name of a group: it is ignored");
  return { ...found, letters: found.letters!.replaceAll("G", "") };
}
