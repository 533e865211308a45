/** What of a line of assembly is under the pointer: a word, and the memory operand around it. Free of VS Code; what it means the adapter knows. */

/** Columns from 0, `end` behind the last one. */
export interface Part {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** `[rsi+8]` with its size and segment before it, or AT&T's `8(%rsi)`. */
const MEMORY =
  /(?:\b[a-z]+\s+(?:ptr\s+)?)?(?:\b[c-gs]s\s*:\s*)?\[[^[\]]*\]|(?:%[c-gs]s\s*:\s*)?[\w.$+*-]*\(\s*[%,][^()]*\)/gi;
const WORD = /[%$]?[A-Za-z_.][\w.$@]*/g;

const partAt = (line: string, pattern: RegExp, column: number): Part | undefined =>
  [...line.matchAll(pattern)]
    .map(({ index, 0: text }) => ({ start: index, end: index + text.length, text }))
    .find(({ start, end }) => start <= column && column < end);

export const wordAt = (line: string, column: number): Part | undefined => partAt(line, WORD, column);
export const memoryAt = (line: string, column: number): Part | undefined => partAt(line, MEMORY, column);

/** What the adapter says of an operand of the line's instruction. */
export interface Operand {
  readonly kind: "memory" | "register" | "flag";
  readonly expression: string;
}

/** What to show on hover: a register, also one in brackets; the memory operand around anything else in them; or the name that stands there. */
export function pointedAt(line: string, column: number, operands: readonly Operand[]): Part | undefined {
  const [word, memory] = [wordAt(line, column), memoryAt(line, column)];
  const isRegister = ({ kind, expression }: Operand) =>
    kind === "register" && expression === word?.text.replace(/^%/, "").toLowerCase();
  const operand = operands.find(({ kind }) => kind === "memory")?.expression;
  if (memory === undefined || operand === undefined || operands.some(isRegister)) return word;
  return { ...memory, text: operand };
}

const LABEL = /^\s*([A-Za-z_?@][\w$#@~.?]*)\s*:/;

/** NASM's local label in full: behind the last label before it that is none. `lines` gives those down to its own. */
export function inFull(name: string, lines: () => readonly string[]): string {
  if (!name.startsWith(".")) return name;
  const owner = lines().findLast((line) => LABEL.test(line));
  return owner === undefined ? name : LABEL.exec(owner)![1]! + name;
}
