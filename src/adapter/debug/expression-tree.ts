/** Expressions as trees: the grammar of the expression language. What a tree means is in expression.ts. */
import { lookUp } from "../../asmlang/core/look-up.ts";
import { type Token, tokenize } from "./expression-tokens.ts";
import { ExpressionError } from "./reference.ts";

const BINARY = [
  ["||"],
  ["&&"],
  ["|"],
  ["^"],
  ["&"],
  ["==", "!="],
  ["<", "<=", ">", ">="],
  ["<<", ">>"],
  ["+", "-"],
  ["*", "/", "%"],
] as const;
const UNARY = ["-", "~", "!", "+"] as const;

export type BinaryOperator = (typeof BINARY)[number][number];
export type UnaryOperator = (typeof UNARY)[number];

export const SEGMENT_PREFIXES = ["es", "cs", "ss", "ds", "fs", "gs"] as const;
export type SegmentName = (typeof SEGMENT_PREFIXES)[number];

/** `column` is where a complaint about the node points. */
export type Node =
  | { readonly kind: "number"; readonly value: bigint }
  | { readonly kind: "real"; readonly value: number }
  | { readonly kind: "name"; readonly name: string; readonly column: number }
  | { readonly kind: "element"; readonly of: NodeOf<"name">; readonly index: Node; readonly column: number }
  /** `bytes` undefined: as wide as an address. */
  | {
      readonly kind: "memory";
      readonly segment: SegmentName | undefined;
      readonly offset: Node;
      readonly bytes: number | undefined;
      /** A floating-point number is there. */
      readonly real: boolean;
      /** Whose memory, if not that of whom one looks at. */
      readonly process: number | undefined;
      readonly column: number;
    }
  | {
      readonly kind: "cast";
      readonly bits: number;
      readonly to: "unsigned" | "signed" | "real";
      readonly operand: Node;
    }
  | { readonly kind: "unary"; readonly operator: UnaryOperator; readonly operand: Node }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: Node;
      readonly right: Node;
      readonly column: number;
    }
  | { readonly kind: "assignment"; readonly target: Node; readonly value: Node; readonly column: number };
export type NodeOf<K extends Node["kind"]> = Extract<Node, { kind: K }>;

export interface Expression {
  readonly root: Node;
  /** undefined: nothing was said. */
  readonly format: string | undefined;
  readonly count: number;
  readonly formatColumn: number;
}

const SIZES: Readonly<Record<string, number>> = { byte: 1, word: 2, dword: 4, qword: 8 };
/** Of floating-point numbers in memory. A program may have such names of its own. */
const REAL_SIZES: Readonly<Record<string, number>> = { float: 4, double: 8, tword: 10 };
/** Casts: to the low bits, without or with their sign, or to the nearest number. */
const CASTS: Readonly<Record<string, Pick<NodeOf<"cast">, "bits" | "to">>> = {
  byte: { bits: 8, to: "unsigned" },
  word: { bits: 16, to: "unsigned" },
  dword: { bits: 32, to: "unsigned" },
  qword: { bits: 64, to: "unsigned" },
  int8: { bits: 8, to: "signed" },
  int16: { bits: 16, to: "signed" },
  int32: { bits: 32, to: "signed" },
  int64: { bits: 64, to: "signed" },
  float: { bits: 32, to: "real" },
  double: { bits: 64, to: "real" },
};
/** Names that mean something in every expression. */
export const EXPRESSION_WORDS: readonly string[] = [...Object.keys(CASTS), "tword"];
const MOST_ELEMENTS = 4096;
/** Parentheses, signs and assignments within each other. */
const MOST_NESTED = 100;
const MOST_OPERATORS = 500;
const FORMAT = /^(\d*)([xdubcf]?)$/;

/** Parsed expressions, by text: conditions are asked again and again. */
const known = new Map<string, Expression>();
const MOST_KNOWN = 1000;

/** @throws ExpressionError with the column where it went wrong. */
export function parseExpression(text: string): Expression {
  let expression = known.get(text);
  if (expression === undefined) {
    expression = new Parser(text).whole();
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(text, expression);
  }
  return expression;
}

/** @throws ExpressionError if it is wrongly written, or changes something, which a question that is asked again and again must not. */
export function checkQuestion(text: string): void {
  const column = firstAssignment(parseExpression(text).root);
  if (column !== undefined)
    throw new ExpressionError("this would change what it asks: compare with ==, or assign in the console", column);
}

export const assigns = (text: string): boolean => firstAssignment(parseExpression(text).root) !== undefined;

/** The column of an assignment in it. */
function firstAssignment(node: Node): number | undefined {
  switch (node.kind) {
    case "assignment":
      return node.column;
    case "binary":
      return firstAssignment(node.left) ?? firstAssignment(node.right);
    case "unary":
    case "cast":
      return firstAssignment(node.operand);
    case "memory":
      return firstAssignment(node.offset);
    case "element":
      return firstAssignment(node.index);
    default:
      return undefined;
  }
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #nested = 0;
  #operators = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  whole(): Expression {
    const root = this.#assignment();
    const format = this.#format();
    const token = this.#peek();
    if (token.kind !== "end") throw new ExpressionError(`"${token.text}" was not expected here`, token.column);
    return { root, ...format };
  }

  /** Behind a comma: how many elements, and a letter. */
  #format(): Omit<Expression, "root"> {
    if (!this.#take(",")) return { format: undefined, count: 1, formatColumn: 0 };
    const token = this.#advance();
    const match = FORMAT.exec(token.text);
    if (token.text === "" || match === null)
      throw new ExpressionError("a format is one of x d u b c f, a count, or both: 4x", token.column);
    const count = match[1] === "" ? 1 : Number(match[1]);
    if (count < 1 || count > MOST_ELEMENTS)
      throw new ExpressionError(`a count is between 1 and ${MOST_ELEMENTS}`, token.column);
    return { format: match[2] || undefined, count, formatColumn: token.column };
  }

  #deeper(parse: () => Node): Node {
    if (++this.#nested > MOST_NESTED)
      throw new ExpressionError("the expression is nested too deeply", this.#peek().column);
    const node = parse();
    this.#nested--;
    return node;
  }

  #assignment(): Node {
    const { column } = this.#peek();
    const target = this.#binary(0);
    if (!this.#take("=")) return target;
    return { kind: "assignment", target, value: this.#deeper(() => this.#assignment()), column };
  }

  #binary(level: number): Node {
    const operators: readonly BinaryOperator[] | undefined = BINARY[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const { kind, text, column } = this.#peek();
      const operator = operators.find((each) => kind === "operator" && each === text);
      if (operator === undefined) return left;
      this.#advance();
      if (++this.#operators > MOST_OPERATORS) throw new ExpressionError("the expression is too long", column);
      left = { kind: "binary", operator, left, right: this.#binary(level + 1), column };
    }
  }

  #unary(): Node {
    for (const operator of UNARY)
      if (this.#take(operator)) return { kind: "unary", operator, operand: this.#deeper(() => this.#unary()) };
    return this.#primary();
  }

  #primary(): Node {
    const token = this.#advance();
    if (token.kind === "number" || token.kind === "real") return { kind: token.kind, value: token.value } as Node;
    if (token.text === "(") return this.#closed(")");
    if (token.text === "[") return this.#memory(undefined, false, token.column);
    if (token.kind === "name") return this.#named(token);
    throw new ExpressionError(
      token.kind === "end" ? "the expression ends too early" : `"${token.text}" was not expected here`,
      token.column,
    );
  }

  /** An expression up to a closing token. */
  #closed(by: string): Node {
    const inner = this.#deeper(() => this.#assignment());
    this.#expect(by);
    return inner;
  }

  #named({ text, column }: Token): Node {
    const word = text.toLowerCase();
    const cast = lookUp(CASTS, word);
    if (cast !== undefined && this.#take("(")) return { kind: "cast", ...cast, operand: this.#closed(")") };
    const real = lookUp(REAL_SIZES, word);
    if (real !== undefined && this.#take("[")) return this.#memory(real, true, column);
    const bytes = lookUp(SIZES, word);
    if (bytes === undefined) return this.#nameOrElement({ kind: "name", name: text, column });
    if (this.#peek().text.toLowerCase() === "ptr") this.#advance();
    this.#expect("[");
    return this.#memory(bytes, false, column);
  }

  #nameOrElement(of: NodeOf<"name">): Node {
    const { column } = this.#peek();
    return this.#take("[") ? { kind: "element", of, index: this.#closed("]"), column } : of;
  }

  /** After "[": an optional segment and colon, an offset, an optional "@1001", "]". */
  #memory(bytes: number | undefined, real: boolean, column: number): Node {
    const segment = this.#segmentPrefix();
    const offset = this.#deeper(() => this.#assignment());
    const process = /^@(\d+)$/.exec(this.#peek().text)?.[1];
    if (process !== undefined) this.#advance();
    this.#expect("]");
    return {
      kind: "memory",
      segment,
      offset,
      bytes,
      real,
      process: process === undefined ? undefined : Number(process),
      column,
    };
  }

  #segmentPrefix(): SegmentName | undefined {
    const [name, colon] = [this.#tokens[this.#next], this.#tokens[this.#next + 1]];
    if (colon?.text !== ":" || name === undefined) return undefined;
    const segment = SEGMENT_PREFIXES.find((each) => each === name.text.toLowerCase());
    if (segment === undefined)
      throw new ExpressionError(`"${name.text}" is none of ${SEGMENT_PREFIXES.join(" ")}`, name.column);
    this.#next += 2;
    return segment;
  }

  #peek(): Token {
    return this.#tokens[this.#next]!;
  }
  #advance(): Token {
    const token = this.#peek();
    if (token.kind !== "end") this.#next++;
    return token;
  }
  #take(text: string): boolean {
    if (this.#peek().text !== text || this.#peek().kind !== "operator") return false;
    this.#next++;
    return true;
  }
  #expect(text: string): void {
    const token = this.#peek();
    if (!this.#take(text)) throw new ExpressionError(`"${text}" is missing`, token.column);
  }
}
