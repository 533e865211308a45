/** A GNU source file's text made ready: comments blanked (columns stay), lines split into statements at `;`. */
import { columnsOf, type Line, splitLines } from "../core/source.ts";

const CPP_DIRECTIVE = /^\s*#\s*(define|undef|include|if|ifdef|ifndef|elif|else|endif|error|warning|pragma|line)\b/;

export const isCppDirective = (line: string): boolean => CPP_DIRECTIVE.test(line);

/** End of the string or character constant that starts at `at`. */
export function skipQuoted(text: string, at: number): number {
  const quote = text[at];
  if (quote === "'") {
    const end = text[at + 1] === "\\" ? at + 3 : at + 2;
    return text[end] === "'" ? end + 1 : Math.min(end, text.length);
  }
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === '"') return i + 1;
  }
  return text.length;
}

/** Lines with comments replaced by spaces. `#` starts a comment, except (in `cpp` files) preprocessor directives; there `//` does, too. */
export function blankComments(text: string, cpp: boolean): string[] {
  const lines = splitLines(text);
  let inside = false;
  let continues = false;
  return lines.map((line) => {
    const directive = cpp && !inside && (continues || isCppDirective(line));
    continues = directive && line.endsWith("\\");
    if (!inside && !/[#/"']/.test(line)) return line;
    const result = blankLine(line, inside, directive, cpp);
    inside = result.inside;
    return result.text;
  });
}

/** What is no comment, no string and no character constant. */
const PLAIN = /[^"'#/]+/y;

function blankLine(
  line: string,
  startsInside: boolean,
  directive: boolean,
  cpp: boolean,
): { text: string; inside: boolean } {
  let out = "";
  let at = 0;
  let inside = startsInside;
  /** Nothing but blanks and comments so far. */
  let empty = true;
  const blank = (to: number) => {
    out += " ".repeat(to - at);
    at = to;
  };
  const keep = (to: number) => {
    const kept = line.slice(at, to);
    empty &&= kept.trim() === "";
    out += kept;
    at = to;
  };
  while (at < line.length) {
    if (inside) {
      const close = line.indexOf("*/", at);
      inside = close < 0;
      blank(close < 0 ? line.length : close + 2);
    } else if (line.startsWith("/*", at)) {
      inside = true;
      blank(at + 2);
    } else if ((cpp && line.startsWith("//", at)) || (line[at] === "#" && !directive) || (line[at] === "/" && empty)) {
      blank(line.length);
    } else if (line[at] === '"' || line[at] === "'") {
      keep(skipQuoted(line, at));
    } else {
      PLAIN.lastIndex = at;
      keep(PLAIN.test(line) ? PLAIN.lastIndex : at + 1);
    }
  }
  return { text: out, inside };
}

/** Cuts a line at its `;` separators. */
export function statementsOf(line: Line): Line[] {
  const { text } = line;
  if (!text.includes(";")) return [line];
  const statements: Line[] = [];
  let start = 0;
  const cut = (end: number) => {
    if (text.slice(start, end).trim() === "") return;
    statements.push({ ...line, text: text.slice(start, end), columns: columnsOf(line, start, end) });
  };
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"' || text[at] === "'") at = skipQuoted(text, at) - 1;
    else if (text[at] === ";") {
      cut(at);
      start = at + 1;
    }
  }
  cut(text.length);
  return statements;
}
