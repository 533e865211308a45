/** `__utf16__('text')` and its kin: a string in a wider encoding. */
import { SourceError } from "../core/diagnostics.ts";
import type { TokenCursor } from "./expressions.ts";
import { stringBytes } from "./tokens.ts";

const NAME = /^__\??utf(16|32)(le|be)?\??__$/i;

/** Its bytes, if one is next. */
export function readWideText(cursor: TokenCursor): Uint8Array | undefined {
  const token = cursor.peek();
  const match = token?.kind === "id" ? NAME.exec(token.text) : null;
  if (!match) return undefined;
  cursor.next();
  const grouped = cursor.eat("(");
  const text = cursor.next();
  if (text?.kind !== "string") throw new SourceError(text ?? cursor.here(), "expected a string");
  if (grouped) cursor.expect(")");
  const characters = new TextDecoder().decode(stringBytes(text.text));
  return encoded(characters, match[1] === "16", match[2]?.toLowerCase() === "be");
}

function encoded(text: string, halves: boolean, bigEndian: boolean): Uint8Array {
  const units = halves
    ? Array.from({ length: text.length }, (_, i) => text.charCodeAt(i))
    : Array.from(text, (character) => character.codePointAt(0)!);
  const size = halves ? 2 : 4;
  const bytes = new Uint8Array(units.length * size);
  const view = new DataView(bytes.buffer);
  for (const [i, unit] of units.entries())
    if (halves) view.setUint16(i * 2, unit, !bigEndian);
    else view.setUint32(i * 4, unit, !bigEndian);
  return bytes;
}
