/** Directives that leave remarks in sections of their own: `.ident`, `.version`, `.gnu_attribute`. */
import { littleEndian } from "../core/buffer.ts";
import type { ObjectBuilder } from "../core/builder.ts";
import { SourceError } from "../core/diagnostics.ts";
import { leb128 } from "../core/fragment.ts";
import type { Line } from "../core/source.ts";
import type { Directive } from "./directives.ts";
import { readString } from "./expressions.ts";

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

/** The value of an attribute: even tags have a number, odd ones a text, tag 32 both. */
export type Attributes = Map<number, { readonly number?: bigint; readonly text?: Uint8Array }>;

const BOTH = 32;

const gnuAttribute: Directive = (assembler, cursor) => {
  const start = cursor.skipSpace().at;
  const tag = assembler.constant(cursor, "the attribute's tag");
  if (tag < 0n || tag > 0xffff_ffffn) throw new SourceError(cursor.span(start), "there is no such tag");
  const index = Number(tag);
  cursor.expect(",");
  const number = index === BOTH || index % 2 === 0 ? assembler.constant(cursor, "the attribute's value") : undefined;
  if (index === BOTH) cursor.expect(",");
  const text = index === BOTH || index % 2 === 1 ? readString(cursor) : undefined;
  assembler.attributes.set(index, { ...(number !== undefined && { number }), ...(text && { text }) });
};

/** The section that a linker compares: one vendor, one list for the whole file, by tags. */
export function writeAttributes(builder: ObjectBuilder, attributes: Attributes, line: Line): void {
  if (attributes.size === 0) return;
  const list: number[] = [];
  for (const [tag, { number, text }] of [...attributes].sort(([a], [b]) => a - b)) {
    list.push(...leb128(BigInt(tag), false));
    if (number !== undefined) list.push(...leb128(number, false));
    if (text) list.push(...text, 0);
  }
  const wholeFile = [1, ...littleEndian(4, BigInt(list.length + 5)), ...list];
  const vendor = [...new TextEncoder().encode("gnu\0"), ...wholeFile];
  const now = builder.section;
  builder.section = builder.getSection(".gnu.attributes", { alloc: false, write: false, exec: false, nobits: false });
  builder.section.elf.type = String(0x6ffffff5);
  builder.bytes([0x41, ...littleEndian(4, BigInt(vendor.length + 4)), ...vendor], line);
  builder.section = now;
}

export const NOTES: Readonly<Record<string, Directive>> = {
  ".ident": ident,
  ".version": version,
  ".gnu_attribute": gnuAttribute,
};
