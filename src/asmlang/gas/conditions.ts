/** `.if` and its family: which statements count. */
import { SourceError } from "../core/diagnostics.ts";
import { lookUp } from "../core/look-up.ts";
import { type Span, wholeLine } from "../core/source.ts";
import type { GasAssembler } from "./assembler.ts";
import type { Cursor } from "./cursor.ts";
import { readText } from "./expressions.ts";
import { skipQuoted } from "./text.ts";

interface Level {
  active: boolean;
  taken: boolean;
  readonly outer: boolean;
  sawElse: boolean;
  readonly span: Span;
}

type Test = (assembler: GasAssembler, cursor: Cursor) => boolean;

/** The value, with nothing behind it. */
function alone<T>(cursor: Cursor, value: T): T {
  cursor.finish();
  return value;
}

const compared =
  (test: (value: bigint) => boolean): Test =>
  (assembler, cursor) => {
    if (cursor.done) throw cursor.error("expected an expression");
    return test(alone(cursor, assembler.constant(cursor, "a condition")));
  };

const defined =
  (wanted: boolean): Test =>
  (assembler, cursor) =>
    assembler.isDefined(alone(cursor, cursor.name("a symbol name")).name) === wanted;

const blank =
  (wanted: boolean): Test =>
  (_, cursor) =>
    (cursor.rest() === "") === wanted;

/** The first comma that is not in quotes. */
function commaOf(text: string): number {
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"' || text[at] === "'") at = skipQuoted(text, at) - 1;
    else if (text[at] === ",") return at;
  }
  return -1;
}

const sameText =
  (wanted: boolean): Test =>
  (_, cursor) => {
    const text = cursor.rest();
    const comma = commaOf(text);
    if (comma < 0) throw new SourceError(wholeLine(cursor.line), "expected two texts with a comma between them");
    const plain = (part: string) => part.trim().replace(/[ \t]+/g, " ");
    return (plain(text.slice(0, comma)) === plain(text.slice(comma + 1))) === wanted;
  };

const sameStrings =
  (wanted: boolean): Test =>
  (_, cursor) => {
    const a = readText(cursor);
    cursor.expect(",");
    const b = readText(cursor);
    return alone(cursor, a === b) === wanted;
  };

const TESTS: Readonly<Record<string, Test>> = {
  ".if": compared((value) => value !== 0n),
  ".ifne": compared((value) => value !== 0n),
  ".ifeq": compared((value) => value === 0n),
  ".ifge": compared((value) => value >= 0n),
  ".ifgt": compared((value) => value > 0n),
  ".ifle": compared((value) => value <= 0n),
  ".iflt": compared((value) => value < 0n),
  ".ifdef": defined(true),
  ".ifndef": defined(false),
  ".ifnotdef": defined(false),
  ".ifb": blank(true),
  ".ifnb": blank(false),
  ".ifc": sameText(true),
  ".ifnc": sameText(false),
  ".ifeqs": sameStrings(true),
  ".ifnes": sameStrings(false),
};

const OTHERS = /^\.(else|elsec|elseif|elseifdef|elseifndef|endif|endc)$/;

/** One of the family? */
export const isCondition = (name: string): boolean => lookUp(TESTS, name) !== undefined || OTHERS.test(name);

export class Conditions {
  readonly #levels: Level[] = [];
  readonly #assembler: GasAssembler;

  constructor(assembler: GasAssembler) {
    this.#assembler = assembler;
  }

  get active(): boolean {
    return this.#levels.at(-1)?.active ?? true;
  }

  get depth(): number {
    return this.#levels.length;
  }

  /** Drops conditions opened since. */
  unwind(depth: number): void {
    this.#levels.length = Math.min(this.#levels.length, depth);
  }

  /** Handles a conditional directive; false if `name` is none. */
  handle(name: string, cursor: Cursor): boolean {
    const test = TESTS[name];
    if (test) this.#open(test, cursor);
    else if (name === ".else" || name === ".elsec") this.#else(cursor);
    else if (name === ".elseif" || name === ".elseifdef" || name === ".elseifndef") this.#elseIf(name, cursor);
    else if (name === ".endif" || name === ".endc") {
      if (!this.#levels.pop()) throw new SourceError(wholeLine(cursor.line), "'.endif' without '.if'");
    } else return false;
    return true;
  }

  #open(test: Test, cursor: Cursor): void {
    const outer = this.active;
    const level = { active: false, taken: true, outer, sawElse: false, span: wholeLine(cursor.line) };
    this.#levels.push(level);
    if (!outer) return;
    level.active = test(this.#assembler, cursor);
    level.taken = level.active;
  }

  #top(cursor: Cursor, name: string): Level {
    const top = this.#levels.at(-1);
    if (!top) throw new SourceError(wholeLine(cursor.line), `'${name}' without '.if'`);
    if (top.sawElse) throw new SourceError(wholeLine(cursor.line), `'${name}' after '.else'`);
    return top;
  }

  #else(cursor: Cursor): void {
    const top = this.#top(cursor, ".else");
    top.sawElse = true;
    top.active = top.outer && !top.taken;
    top.taken = true;
  }

  #elseIf(name: string, cursor: Cursor): void {
    const top = this.#top(cursor, name);
    top.active = false;
    if (!top.outer || top.taken) return;
    top.active = TESTS[`.${name.slice(5)}`]!(this.#assembler, cursor);
    top.taken = top.active;
  }

  /** Reports what is still open at the end. */
  close(): void {
    for (const level of this.#levels) this.#assembler.reporter.error(level.span, "this '.if' has no '.endif'");
  }
}
