/**
 * Lines that have been read before, in this run or in another one: a label, and behind it a statement whose outcome is known.
 * They are not even cut into tokens, if their words mean the same to the preprocessor.
 */
import { holds, type KnownStatement, type NameScope, replay } from "../core/known-statement.ts";
import { Mentions } from "../core/mentions.ts";
import type { Line, Span } from "../core/source.ts";
import { ownText, StatementCache, StatementWatch } from "../core/statement-cache.ts";
import type { AsmSymbol } from "../core/symbols.ts";
import type { NasmAssembler } from "./assembler.ts";
import { stateOf } from "./settings.ts";

export interface Label {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** A word in lower case, and what the preprocessor makes of it. */
interface KnownWord {
  readonly word: string;
  readonly expansion: string;
}

export interface KnownLine {
  readonly words: readonly KnownWord[];
  readonly label: Label | undefined;
  readonly statement: KnownStatement | undefined;
}

const KNOWN = new StatementCache<KnownLine>();
const MAX_KNOWN = 120;
/** Words of a line, comments included; the sign of the preprocessor counts as one. */
const WORDS = /[A-Za-z_.?@\u0080-\uffff][\w.?@$#~\u0080-\uffff]*|%/g;

/** What a word expands to, if that is simple; "": it stays. */
export type ExpansionOf = (word: string) => string | undefined;

export class KnownLines implements NameScope {
  readonly #assembler: NasmAssembler;
  readonly #expansionOf: ExpansionOf;
  readonly mentions = new Mentions();

  constructor(assembler: NasmAssembler, expansionOf: ExpansionOf) {
    this.#assembler = assembler;
    this.#expansionOf = expansionOf;
  }

  get now() {
    return this.#assembler.now;
  }

  find(name: string): AsmSymbol | null {
    const { builder } = this.#assembler;
    return builder.symbols.get(this.#assembler.fullName(name)) ?? null;
  }

  use(name: string, span: Span): AsmSymbol {
    const symbol = this.#assembler.builder.symbol(this.#assembler.fullName(name));
    symbol.firstUse ??= span;
    return symbol;
  }

  /** What lines mean depends on this, and on their text. */
  get #state(): number {
    const { builder, defaultRelative, defaultBound, masm, expressions } = this.#assembler;
    const { absolute, flags } = builder.section;
    const place = Number(absolute) | (Number(flags.nobits) << 1);
    const defaults = Number(defaultRelative) | (Number(defaultBound) << 1) | (Number(masm) << 2);
    return (stateOf(expressions.floatRule) << 16) | (builder.bits << 8) | (place << 4) | defaults;
  }

  /** Does the line again; false if it has to be read. */
  replay(line: Line): boolean {
    const known = KNOWN.find(this.#state, line.text);
    if (!known) return false;
    for (const { word, expansion } of known.words) if (this.#expansionOf(word) !== expansion) return false;
    const { label, statement } = known;
    if (statement && !holds(statement, this)) return false;
    if (label) {
      const span = { line, start: label.start, end: label.end };
      if (!this.#assembler.reporter.guard(() => this.#assembler.defineLabel(label.name, span, line))) return true;
    }
    if (statement) replay(statement, this.#assembler.builder, line, this);
    return true;
  }

  watch({ text }: Line): StatementWatch | undefined {
    return text.length < MAX_KNOWN ? new StatementWatch(this.#assembler.builder, this.mentions) : undefined;
  }

  /** The line is done. */
  keep(line: Line, label: Label | undefined, statement: KnownStatement | undefined): void {
    // What is local to a label that the line itself defines would be looked for in the wrong place.
    if (line.text.length >= MAX_KNOWN || (label && statement?.names.some(({ name }) => name.startsWith(".")))) return;
    const words: KnownWord[] = [];
    for (const found of new Set(line.text.match(WORDS) ?? [])) {
      const word = ownText(found.toLowerCase());
      const expansion = word === "%" ? undefined : this.#expansionOf(word);
      if (expansion === undefined) return;
      words.push({ word, expansion });
    }
    KNOWN.keep(this.#state, line.text, { words, label, statement });
  }
}
