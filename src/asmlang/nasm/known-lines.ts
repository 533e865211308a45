/**
 * Lines that have been read before, in this run or in another one: a label, and behind it a statement whose outcome is known;
 * or at least the statement's tokens. The preprocessor does not read them again, if their words mean the same to it.
 */
import { holds, type KnownStatement, type NameScope, replay } from "../core/known-statement.ts";
import { Mentions } from "../core/mentions.ts";
import type { Line, Span } from "../core/source.ts";
import { ownText, StatementCache, StatementWatch } from "../core/statement-cache.ts";
import type { AsmSymbol } from "../core/symbols.ts";
import type { SourceText } from "../types.ts";
import type { NasmAssembler } from "./assembler.ts";
import { TokenCursor } from "./expressions.ts";
import { stateOf } from "./settings.ts";
import type { Token } from "./tokens.ts";

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

/** What becomes of a line: the outcome of its statement, or the statement, or nothing. */
interface Outcome {
  readonly label: Label | undefined;
  readonly statement: KnownStatement | undefined;
  readonly tokens: readonly Omit<Token, "line">[] | undefined;
}

interface KnownLine extends Outcome {
  readonly words: readonly KnownWord[];
}

const KNOWN = new StatementCache<KnownLine>();
const MAX_KNOWN = 120;
/** Words of a line, comments included; the sign of the preprocessor counts as one. */
const WORDS = /[A-Za-z_.?@\u0080-\uffff][\w.?@$#~\u0080-\uffff]*|%/g;

/** Bytes that depend on nothing. */
const isPlain = ({ names, instruction }: KnownStatement): boolean => names.length === 0 && !instruction;

/** What a word expands to, if that is simple; "": it stays. */
export type ExpansionOf = (word: string) => string | undefined;

export class KnownLines implements NameScope {
  readonly #assembler: NasmAssembler;
  readonly #expansionOf: ExpansionOf;
  readonly mentions: Mentions;

  constructor(assembler: NasmAssembler, source: SourceText, expansionOf: ExpansionOf) {
    this.#assembler = assembler;
    this.mentions = new Mentions(source);
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

  /** Does the line again; false if it has to be read. `repeated`: it is no line of a file that is read once. */
  replay(line: Line, repeated: boolean): boolean {
    const known = this.#find(line);
    if (!known) return false;
    for (const { word, expansion } of known.words) if (this.#expansionOf(word) !== expansion) return false;
    const { label, statement } = known;
    if (statement && !holds(statement, this)) return false;
    if (repeated && !(statement && isPlain(statement)))
      this.#assembler.builder.budget.chargeLine("statements", 1, line);
    if (known.tokens) this.#statement(known.tokens, line);
    if (label && !this.#label(label, line)) return true;
    if (statement) replay(statement, this.#assembler.builder, line, this);
    return true;
  }

  #statement(known: readonly Omit<Token, "line">[], line: Line): void {
    const tokens = known.map(({ kind, text, start, end }): Token => ({ kind, text, line, start, end }));
    this.#assembler.reporter.guard(() => this.#assembler.statement(new TokenCursor(tokens, line)));
  }

  #label({ name, start, end }: Label, line: Line): boolean {
    const span = { line, start, end };
    return this.#assembler.reporter.guard(() => this.#assembler.defineLabel(name, span, line));
  }

  /** Is what becomes of the line worth keeping? */
  isWorth({ text }: Line): boolean {
    return text.length < MAX_KNOWN && (this.mentions.keptAtOnce || KNOWN.isMet(this.#state, text));
  }

  watch(): StatementWatch {
    return new StatementWatch(this.#assembler.builder, this.mentions);
  }

  /** The line is done. */
  keep(line: Line, label: Label | undefined, statement: KnownStatement | undefined): void {
    // What is local to a label that the line itself defines would be looked for in the wrong place.
    const lost = label && statement?.names.some(({ name }) => name.startsWith("."));
    if (!lost && (!label || this.mentions.kept)) this.#keep(line, { label, statement, tokens: undefined });
  }

  /** The line is done; it is not known what came of it. */
  keepTokens({ tokens, line }: TokenCursor): void {
    if (!this.mentions.kept) return;
    if (!this.#find(line)?.tokens && tokens.every((token) => token.line === line)) {
      const own = tokens.map(({ kind, text, start, end }) => ({ kind, text: ownText(text), start, end }));
      this.#keep(line, { label: undefined, statement: undefined, tokens: own });
    }
  }

  #find({ text }: Line): KnownLine | undefined {
    return KNOWN.find(this.#state, text);
  }

  #keep(line: Line, outcome: Outcome): void {
    const words: KnownWord[] = [];
    for (const found of new Set(line.text.match(WORDS) ?? [])) {
      const word = ownText(found.toLowerCase());
      const expansion = word === "%" ? undefined : this.#expansionOf(word);
      if (expansion === undefined) return;
      words.push({ word, expansion });
    }
    KNOWN.keep(this.#state, line.text, { ...outcome, words });
  }
}
