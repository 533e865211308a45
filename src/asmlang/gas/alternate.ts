/** `.altmacro`: parameters by their bare names, `LOCAL`, `<text>` and `%expression` arguments. */
import { type Line, LineBuilder } from "../core/source.ts";
import type { Expansion } from "./macros.ts";

const LOCAL = /^\s*local\s+(.*)$/i;

/** Names that `LOCAL` lines of a body declare, each with a label of its own; and the other lines. */
export function takeLocals(
  body: readonly Line[],
  values: ReadonlyMap<string, string>,
  fresh: () => string,
): { body: Line[]; values: Map<string, string> } {
  const all = new Map(values);
  const kept = body.filter((line) => {
    const names = LOCAL.exec(line.text)?.[1];
    for (const name of names?.split(/[\s,]+/) ?? []) if (name !== "") all.set(name, fresh());
    return names === undefined;
  });
  return { body: kept, values: all };
}

const PIECE = /[&\\]?[A-Za-z_.][\w.$]*&?|\\@|\\\(\)|[^&\\A-Za-z_.]+|./g;

/** One line of a body: words are replaced wherever they stand, also after `&` and `\`. */
export function substituteWords(line: Line, { values, count, call, budget }: Expansion): Line {
  const out = new LineBuilder(budget, call.site);
  for (const { 0: piece, index } of line.text.matchAll(PIECE)) {
    const word = /^[&\\]?([A-Za-z_.][\w.$]*)&?$/.exec(piece);
    const value = word ? values.get(word[1]!) : piece === "\\@" ? String(count) : undefined;
    if (value !== undefined) out.put(value, line, index);
    else if (word && piece[0] !== "&") out.copy(piece.replace(/&$/, ""), line, index);
    else if (piece !== "\\()") out.copy(piece, line, index);
  }
  return { text: out.text, uri: line.uri, line: line.line, columns: out.columns, call };
}

/** The text in angle brackets at `at`, where `!` takes the next character as it is; and where it ends. */
export function bracketed(text: string, at: number): { text: string; end: number } {
  let depth = 0;
  let inside = "";
  for (let i = at; i < text.length; i++) {
    const c = text[i]!;
    if (c === "!") inside += text[++i] ?? "";
    else if (c === "<" && depth++ === 0) continue;
    else if (c === ">" && --depth === 0) return { text: inside, end: i + 1 };
    else inside += c;
  }
  return { text: inside, end: text.length };
}
