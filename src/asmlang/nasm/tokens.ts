/** NASM tokens. Every token knows where it comes from; tokens made by macros point at the macro's use. */
import { ByteBuffer } from "../core/buffer.ts";
import { FatalError } from "../core/diagnostics.ts";
import { append } from "../core/lists.ts";
import type { Line, Span } from "../core/source.ts";

export interface Token extends Span {
  /** "pp": what only the preprocessor understands: `%define`, `%1`, `%%x`, `%$x`, `%{..}`, `%[`, `%+`. */
  readonly kind: "id" | "number" | "string" | "op" | "space" | "pp" | "other";
  readonly text: string;
}

const PATTERNS: readonly (readonly [Token["kind"] | "comment", RegExp])[] = [
  ["space", /[ \t\f\v\r]+/y],
  ["comment", /;.*/y],
  ["string", /"[^"]*"|'[^']*'|`(?:\\.|[^`\\])*`/y],
  ["pp", /%\{[^}]*\}|%\[|%\+(?!\d)|%%[\w.?@$#~]+|%\$+[\w.?@$#~]+|%[+-]?\d+|%\*?\?\??|%![\w]+|%[A-Za-z_]\w*/y],
  [
    "number",
    /0[xXhH][\da-fA-F_.]*(?:[pP][+-]?\d+)?|0[bByYoOqQ][0-7_]*(?:\.[0-7_]*)?(?:[pP][+-]?\d+)(?![\w.])|\$\d[\da-fA-F_]*[hH]?|\d[\d_]*(?:\.[\d_]*)?[eE][+-]\d[\d_]*|\d[\w.]*/y,
  ],
  ["op", /\?(?![\w.?@$#~])/y],
  ["id", /\$[A-Za-z_.?@][\w.?@$#~]*|[A-Za-z_.?@\u0080-\uffff][\w.?@$#~\u0080-\uffff]*/y],
  ["op", /<=>|<<<|>>>|<<|>>|<=|>=|<>|==|!=|&&|\|\||\^\^|\/\/|%%|\$\$|[-+*/%&|^~!<>=()[\],:?{}$]/y],
  ["other", /./suy],
];

/** Classes of ASCII characters: what starts a word, what goes on with one, digits, operators of one character. */
const STARTS = 1;
const GOES_ON = 2;
const DIGIT = 4;
const BLANK = 8;
const ALONE = 16;
const CLASSES = new Uint8Array(128);
const classify = (characters: string, bits: number) => {
  for (const character of characters) CLASSES[character.charCodeAt(0)]! |= bits;
};
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
classify(LETTERS, STARTS | GOES_ON);
classify("_.@", STARTS | GOES_ON);
classify("?$#~", GOES_ON);
classify("0123456789", GOES_ON | DIGIT);
classify(" \t", BLANK);
classify(",[]():+-*", ALONE);

/** The tokens that most lines are made of, without regular expressions: words, decimal numbers, blanks, punctuation. */
function simpleToken(line: Line, start: number): Token | undefined {
  const { text } = line;
  const first = CLASSES[text.charCodeAt(start)] ?? 0;
  let end = start + 1;
  if (first & ALONE) return { kind: "op", text: text[start]!, line, start, end };
  const wanted = first & STARTS ? GOES_ON : first & DIGIT ? DIGIT : first & BLANK;
  if (wanted === 0) return undefined;
  while (end < text.length && ((CLASSES[text.charCodeAt(end)] ?? 0) & wanted) !== 0) end++;
  const after = text.charCodeAt(end);
  // Other alphabets, and numbers that go on with letters, are for the patterns.
  if (after >= 128 || (wanted === DIGIT && (CLASSES[after] ?? 0) & GOES_ON)) return undefined;
  const kind = first & STARTS ? "id" : first & DIGIT ? "number" : "space";
  return { kind, text: text.slice(start, end), line, start, end };
}

/** Tokens of a line, comment left out. */
export function tokenize(line: Line): Token[] {
  const tokens: Token[] = [];
  const { text } = line;
  let at = 0;
  while (at < text.length) {
    const simple = simpleToken(line, at);
    if (simple) {
      tokens.push(simple);
      at = simple.end;
      continue;
    }
    for (const [kind, pattern] of PATTERNS) {
      pattern.lastIndex = at;
      const found = pattern.exec(text);
      if (!found) continue;
      const end = at + found[0].length;
      if (kind !== "comment") tokens.push({ kind, text: found[0], line, start: at, end });
      at = end;
      break;
    }
  }
  return tokens;
}

const MAX_TEXT = 1_000_000;

/** Tokens of a text that stands in for `at`. */
export function tokensFor(text: string, at: Span): Token[] {
  if (text.length > MAX_TEXT) throw new FatalError(at, `a macro makes a text of more than ${MAX_TEXT} characters`);
  return tokenize({ text, uri: "", line: 0 }).map(({ kind, text: own }) => ({
    kind,
    text: own,
    line: at.line,
    start: at.start,
    end: at.end,
  }));
}

export const isSpace = (token: Token | undefined): boolean => token?.kind === "space";

export function trim(tokens: readonly Token[]): Token[] {
  let from = 0;
  let to = tokens.length;
  while (from < to && isSpace(tokens[from])) from++;
  while (to > from && isSpace(tokens[to - 1])) to--;
  return from === 0 && to === tokens.length ? (tokens as Token[]) : tokens.slice(from, to);
}

export const textOf = (tokens: readonly Token[]): string => tokens.map((token) => token.text).join("");

/** The text without blanks around it, each blank in it one space. */
export const spacedText = (tokens: readonly Token[]): string =>
  trim(tokens)
    .map((token) => (token.kind === "space" ? " " : token.text))
    .join("");

const isWord = (token: Token): boolean => token.kind === "id" || token.kind === "number";

/** Words that expansion has put side by side are one word: the assembler reads the text anew. */
export function joinTouching(tokens: readonly Token[]): readonly Token[] {
  if (!tokens.some((token, i) => i > 0 && isWord(token) && isWord(tokens[i - 1]!))) return tokens;
  const out: Token[] = [];
  for (const token of tokens) {
    const last = out.at(-1);
    if (last && isWord(last) && isWord(token)) {
      out.pop();
      append(out, tokensFor(last.text + token.text, last));
    } else out.push(token);
  }
  // A number and a letter of another alphabet touch and stay two words.
  return out.length === tokens.length && out.every(({ text }, i) => text === tokens[i]!.text) ? tokens : out;
}

/** Splits at commas outside parentheses and braces; braces around a whole part are taken off. */
export function splitCommas(tokens: readonly Token[], limit = Number.POSITIVE_INFINITY): Token[][] {
  const parts: Token[][] = [[]];
  let parens = 0;
  let braces = 0;
  for (const token of tokens) {
    if (token.text === "(" || token.text === "[") parens++;
    else if (token.text === ")" || token.text === "]") parens--;
    else if (token.text === "{") braces++;
    else if (token.text === "}") braces--;
    if (token.text === "," && token.kind === "op" && braces <= 0 && parens <= 0 && parts.length < limit) parts.push([]);
    else parts.at(-1)!.push(token);
  }
  return parts.map(trim);
}

/** `{a,b}` as one macro argument is `a,b`. */
export function unbrace(tokens: Token[]): Token[] {
  return tokens[0]?.text === "{" && tokens.at(-1)?.text === "}" ? tokens.slice(1, -1) : tokens;
}

const ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, e: 27 };
const encoder = new TextEncoder();

/** The bytes of a string token: escapes count in backquotes only. */
export function stringBytes(text: string): Uint8Array {
  const inner = text.slice(1, -1);
  if (text[0] !== "`") return encoder.encode(inner);
  const bytes = new ByteBuffer();
  for (const [piece] of inner.matchAll(
    /\\(?:x[\da-fA-F]{1,2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|[0-7]{1,3}|.)|[^\\]+|\\/gsu,
  ))
    bytes.push(piecesBytes(piece));
  return bytes.view();
}

function piecesBytes(piece: string): ArrayLike<number> {
  if (piece[0] !== "\\" || piece.length === 1) return encoder.encode(piece);
  const kind = piece[1]!;
  if (/[0-7]/.test(kind)) return [Number.parseInt(piece.slice(1), 8) & 0xff];
  if (kind === "x" && piece.length > 2) return [Number.parseInt(piece.slice(2), 16)];
  if ((kind === "u" || kind === "U") && piece.length > 2) {
    const code = Number.parseInt(piece.slice(2), 16);
    return encoder.encode(code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd");
  }
  return kind in ESCAPES ? [ESCAPES[kind]!] : encoder.encode(kind);
}

const BASES: readonly (readonly [RegExp, string])[] = [
  [/^0[xh]([\da-f]+)$/, "0x"],
  [/^\$([\da-f]+)h?$/, "0x"],
  [/^0[by]([01]+)$/, "0b"],
  [/^0[oq]([0-7]+)$/, "0o"],
  [/^0[dt](\d+)$/, ""],
  [/^(\d[\da-f]*)[hx]$/, "0x"],
  [/^([01]+)[by]$/, "0b"],
  [/^([0-7]+)[oq]$/, "0o"],
  [/^(\d+)[dt]?$/, ""],
];

/** The value of an integer token, or undefined: `0x1F`, `1Fh`, `$1F`, `101b`, `0b1`, `17o`, `0q7`, `12d`, with `_` anywhere. */
export function parseInteger(token: string): bigint | undefined {
  if (/^\d{1,15}$/.test(token)) return BigInt(Number(token));
  const text = token.replaceAll("_", "").toLowerCase();
  for (const [pattern, prefix] of BASES) {
    const match = pattern.exec(text);
    if (match) return BigInt(prefix + match[1]!);
  }
  return undefined;
}

/** Does a number token mean a floating-point number? */
export function isFloat(token: string): boolean {
  if (/^0[xh]/i.test(token)) return /[.p]/i.test(token);
  if (/^0[byoq][0-7_]*(\.[0-7_]*)?(p[+-]?\d+)?$/i.test(token)) return /[.p]/i.test(token);
  return (
    parseInteger(token) === undefined && /^\d[\d_]*(\.[\d_]*)?(e[+-]?[\d_]+)?$/i.test(token) && /[.e]/i.test(token)
  );
}
