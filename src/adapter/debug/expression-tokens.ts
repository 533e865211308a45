/** Tokens of the expression language. Numbers: 0x1f, 1fh, 0b101, 0o17, 42, 2.5, 1.5e3, 'A', underscores allowed; names may hold . $ @ _; $ and $1 are earlier results. */
import { ExpressionError } from "./reference.ts";

export type Token =
  | { readonly kind: "number"; readonly text: string; readonly column: number; readonly value: bigint }
  | { readonly kind: "real"; readonly text: string; readonly column: number; readonly value: number }
  | { readonly kind: "name" | "operator" | "format" | "end"; readonly text: string; readonly column: number };

const PATTERN =
  /\s*(?:('(?:[^'\\]|\\.)')|(\d+\.\d+(?:e[+-]?\d+)?(?![\w.]))|(\d[\w]*)|(\$\d*(?![\w.])|[%$]?[A-Za-z_.@][\w.$@]*)|(\|\||&&|==|!=|<=|>=|<<|>>|[-+*/%&|^~!<>=()[\]:,]))/y;

/** @throws ExpressionError at the first character that begins no token. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (text.slice(at).trim() !== "") {
    PATTERN.lastIndex = at;
    const match = PATTERN.exec(text);
    const column = at + text.slice(at).search(/\S/);
    if (match === null) throw new ExpressionError(meaningless(text, column), column);
    const [, character, real, number, name, operator] = match;
    if (character !== undefined)
      tokens.push({ kind: "number", text: character, column, value: characterCode(character) });
    else if (real !== undefined) tokens.push({ kind: "real", text: real, column, value: Number(real) });
    else if (number !== undefined && tokens.at(-1)?.text === ",") tokens.push({ kind: "format", text: number, column });
    else if (number !== undefined)
      tokens.push({ kind: "number", text: number, column, value: parseNumber(number, column) });
    else if (name !== undefined)
      tokens.push({ kind: "name", text: /^\$\d*$/.test(name) ? name : name.replace(/^[%$]/, ""), column });
    else tokens.push({ kind: "operator", text: operator!, column });
    at = PATTERN.lastIndex;
  }
  tokens.push({ kind: "end", text: "", column: text.length });
  return tokens;
}

function meaningless(text: string, column: number): string {
  const character = String.fromCodePoint(text.codePointAt(column)!);
  return character === "'" ? "a character is one between quotes: 'A'" : `"${character}" has no meaning here`;
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "0": "\0" };
function characterCode(quoted: string): bigint {
  const inner = quoted.slice(1, -1);
  const character = inner[0] === "\\" ? (ESCAPES[inner[1]!] ?? inner[1]!) : inner;
  return BigInt(character.charCodeAt(0));
}

/** As wide as the widest register. */
const MOST_BITS = 256;

/** @throws ExpressionError if `text` is no number. */
export function parseNumber(text: string, column = 0): bigint {
  const plain = text.replaceAll("_", "").toLowerCase();
  const normal = /^[\da-f]+h$/.test(plain) && !plain.startsWith("0x") ? `0x${plain.slice(0, -1)}` : plain;
  if (!/^(0x[\da-f]+|0b[01]+|0o[0-7]+|\d+)$/.test(normal)) throw new ExpressionError(`"${text}" is no number`, column);
  const value = BigInt(normal);
  if (value !== BigInt.asUintN(MOST_BITS, value))
    throw new ExpressionError(`"${text}" has more than ${MOST_BITS} bits`, column);
  return value;
}
