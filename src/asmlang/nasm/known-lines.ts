/**
 * Lines that have been read before, in this run or in another one: a label, and behind it a statement whose outcome is known;
 * or at least the statement's tokens. The preprocessor does not read them again, if their words mean the same to it.
 */
import { type KnownLabel, KnownRun, type RunScope } from "../core/known-run.ts";
import { holds, type KnownStatement, replay } from "../core/known-statement.ts";
import { Mentions } from "../core/mentions.ts";
import type { Line, Span } from "../core/source.ts";
import type { BlockLines } from "../core/source-blocks.ts";
import { ownText, StatementCache, StatementWatch } from "../core/statement-cache.ts";
import type { AsmSymbol } from "../core/symbols.ts";
import type { SourceText } from "../types.ts";
import type { NasmAssembler } from "./assembler.ts";
import type { Again } from "./directives.ts";
import { TokenCursor } from "./expressions.ts";
import { CallMaker, callHolds, type KnownCall, replayCall } from "./known-calls.ts";
import { type ExpansionOf, joinWords, type KnownWords, knownWords, wordsHold } from "./known-words.ts";
import type { Expansion } from "./multi-line.ts";
import { stateOf } from "./settings.ts";
import type { Token } from "./tokens.ts";

/** What becomes of a line: the outcome of its statement, or the statement, or nothing. */
interface Outcome {
  readonly label: KnownLabel | undefined;
  readonly statement: KnownStatement | undefined;
  /** What a directive does. */
  readonly again: Again | undefined;
  /** What the use of a macro comes to. */
  readonly call: KnownCall | undefined;
  readonly tokens: readonly Omit<Token, "line">[] | undefined;
}

export interface KnownLine extends Outcome {
  readonly state: number;
  readonly words: KnownWords;
}

/** Lines that follow each other: what they come to together, where the state is what it was. */
export interface KnownLinesRun {
  readonly run: KnownRun;
  /** What the directive does that the last line is, or the macro that it uses. */
  readonly again: Again | undefined;
  readonly call: KnownCall | undefined;
  /** undefined: there is no statement in them. */
  readonly state: number | undefined;
  readonly words: KnownWords;
  /** The last label in them that is not local. */
  readonly lastLabel: string | undefined;
}

const NO_OUTCOME: Outcome = {
  label: undefined,
  statement: undefined,
  again: undefined,
  call: undefined,
  tokens: undefined,
};
const KNOWN = new StatementCache<KnownLine>();
const MAX_KNOWN = 120;

/** Bytes that depend on nothing. */
const isPlain = ({ names, instruction }: KnownStatement): boolean => names.length === 0 && !instruction;

export class KnownLines implements RunScope {
  readonly #assembler: NasmAssembler;
  readonly #expansionOf: ExpansionOf = (word) => this.#assembler.preprocessor.expansionOf(word);
  readonly mentions: Mentions;
  /** The last line that is known now, whether it was before or not. */
  #last: { readonly line: Line; readonly known: KnownLine } | undefined;
  /** The last statement that is known now. */
  #lastStatement: { readonly line: Line; readonly statement: KnownStatement } | undefined;

  constructor(assembler: NasmAssembler, source: SourceText) {
    this.#assembler = assembler;
    this.mentions = new Mentions(source);
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

  label(name: string, span: Span): AsmSymbol {
    const symbol = this.#assembler.builder.symbol(this.#assembler.fullName(name));
    symbol.span = span;
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

  get #names(): number {
    return this.#assembler.preprocessor.macros.names.number;
  }

  /** Does the line again; false if it has to be read. `repeated`: it is no line of a file that is read once. */
  replay(line: Line, repeated: boolean): boolean {
    const known = this.#find(line);
    if (!known || !wordsHold(known.words, this.#expansionOf, this.#names)) return false;
    const { label, statement } = known;
    if (statement && !holds(statement, this)) return false;
    if (repeated && !(statement && isPlain(statement)))
      this.#assembler.builder.budget.chargeLine("statements", 1, line);
    if (known.tokens) this.#statement(known.tokens, line);
    if (label && !this.#label(label, line)) return true;
    if (statement) replay(statement, this.#assembler.builder, line, this);
    if (known.again && !this.#again(known.again, line)) return true;
    if (!known.tokens) this.#last = { line, known };
    if (statement && !label) this.#lastStatement = { line, statement };
    return true;
  }

  #statement(known: readonly Omit<Token, "line">[], line: Line): void {
    const tokens = known.map(({ kind, text, start, end }): Token => ({ kind, text, line, start, end }));
    this.#assembler.reporter.guard(() => this.#assembler.statement(new TokenCursor(tokens, line)));
  }

  #label({ name, start, end }: KnownLabel, line: Line): boolean {
    const span = { line, start, end };
    return this.#assembler.reporter.guard(() => this.#assembler.defineLabel(name, span, line));
  }

  #again(act: Again, line: Line): boolean {
    return this.#assembler.reporter.guard(() => act(this.#assembler, line));
  }

  /** Is what becomes of the line worth keeping? */
  isWorth({ text }: Line): boolean {
    return text.length < MAX_KNOWN && (this.mentions.keptAtOnce || KNOWN.isMet(this.#state, text));
  }

  /** And what becomes of a block of lines? */
  isWorthBlock(text: string, blocks: StatementCache<unknown>): boolean {
    return this.mentions.kept && (this.mentions.keptAtOnce || blocks.isMet(0, text));
  }

  watch(): StatementWatch {
    return new StatementWatch(this.#assembler.builder, this.mentions);
  }

  /** The line is done. */
  keep(line: Line, label: KnownLabel | undefined, statement: KnownStatement | undefined): void {
    if (statement && !label) this.#lastStatement = { line, statement };
    // Another line of this text has other places in the line that uses the macro.
    if (statement?.sited) return;
    // What is local to a label that the line itself defines would be looked for in the wrong place.
    const lost = label && statement?.names.some(({ name }) => name.startsWith("."));
    if (!lost && (!label || this.mentions.kept)) this.#keep(line, { ...NO_OUTCOME, label, statement });
  }

  /** The line is done; this does it again. */
  keepAgain({ tokens, line }: TokenCursor, label: KnownLabel | undefined, again: Again): void {
    if (this.mentions.kept && tokens.every((token) => token.line === line))
      this.#keep(line, { ...NO_OUTCOME, label, again });
  }

  /** The line is done; it is not known what came of it. */
  keepTokens({ tokens, line }: TokenCursor): void {
    if (!this.mentions.kept) return;
    if (!this.#find(line)?.tokens && tokens.every((token) => token.line === line)) {
      const own = tokens.map(({ kind, text, start, end }) => ({ kind, text: ownText(text), start, end }));
      this.#keep(line, { ...NO_OUTCOME, tokens: own });
    }
  }

  #find({ text }: Line): KnownLine | undefined {
    return KNOWN.find(this.#state, text);
  }

  #keep(line: Line, outcome: Outcome): void {
    const words = this.wordsOf(line.text);
    if (!words) return;
    const state = this.#state;
    const known = { ...outcome, words, state };
    KNOWN.keep(state, line.text, known);
    if (!outcome.tokens) this.#last = { line, known };
  }

  wordsOf(text: string): KnownWords | undefined {
    return knownWords(text, this.#expansionOf, this.#names);
  }

  /** What the statement that has just been done is known to come to, if there is no more in the line. */
  statementOf(line: Line): KnownStatement | undefined {
    return this.#lastStatement?.line === line ? this.#lastStatement.statement : undefined;
  }

  /** Notes what the use of a macro comes to, if that is worth it. */
  callMaker(line: Line, expansion: Expansion): CallMaker | undefined {
    if (!this.mentions.kept || !this.isWorth(line)) return undefined;
    return new CallMaker(line, expansion, this.#assembler.builder.budget.spent);
  }

  /** The use of a macro is done. Other lines of its text are no uses of the macro where it is in use. */
  keepCall(maker: CallMaker): void {
    const { line } = maker;
    const call = maker.made((before) => this.#assembler.builder.budget.since(before));
    const words =
      call && knownWords(line.text, (word) => (word === call.key ? "" : this.#expansionOf(word)), this.#names);
    if (!words) return;
    const plain = words.plain.filter((word) => word !== call.key);
    const all = joinWords([{ ...words, plain }, ...call.words]);
    this.#last = { line, known: { ...NO_OUTCOME, call, words: all, state: this.#state } };
  }

  /** What the line that has just been done is known to come to. */
  outcomeOf(line: Line): KnownLine | undefined {
    return this.#last?.line === line ? this.#last.known : undefined;
  }

  /** Lines of a block from `from` on, put together. */
  join(lines: readonly (KnownLine | undefined)[], from: number): KnownLinesRun | undefined {
    const run = new KnownRun();
    let state: number | undefined;
    let lastLabel: string | undefined;
    const named = (name: string) => (lastLabel === undefined ? name : fullName(name, lastLabel));
    for (const [i, known] of lines.entries()) {
      if (!known) continue;
      const { label, statement } = known;
      state ??= known.state;
      if (label) {
        const name = named(label.name);
        if (name === "_start" || !run.addLabel({ ...label, name }, from + i)) return undefined;
        if (!label.name.startsWith(".")) lastLabel = fullName(label.name, "");
      }
      if (statement) run.addStatement(statement, from + i, named);
    }
    const { again, call } = lines.at(-1) ?? NO_OUTCOME;
    return {
      run,
      again,
      call,
      state,
      words: joinWords(lines.flatMap((known) => known?.words ?? [])),
      lastLabel,
    };
  }

  /** Does lines of a block again; false if they have to be looked at one by one. */
  replayRun({ run, again, call, state, words, lastLabel }: KnownLinesRun, lines: BlockLines, last: number): boolean {
    const assembler = this.#assembler;
    if ((state !== undefined && state !== this.#state) || !wordsHold(words, this.#expansionOf, this.#names))
      return false;
    if (call && !callHolds(call, assembler, this)) return false;
    if (!run.replay(assembler.builder, lines, this)) return false;
    if (lastLabel !== undefined) assembler.lastLabel = lastLabel;
    if (again) this.#again(again, lines.at(last));
    if (call) replayCall(call, assembler, lines.at(last), this);
    return true;
  }
}

/** What a name is in full behind a label that is not local. */
export function fullName(name: string, lastLabel: string): string {
  const plain = name.startsWith("$") ? name.slice(1) : name;
  return plain.startsWith(".") && !plain.startsWith("..") ? lastLabel + plain : plain;
}
