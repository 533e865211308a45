/**
 * Lines that have been read before, in this run or in another one: what has been found out about their text is not found out
 * again. A label, and behind it a statement whose outcome is known, or at least its directive.
 */
import type { EvalContext } from "../core/expr.ts";
import { holds, type KnownStatement, type NameScope, replay } from "../core/known-statement.ts";
import type { Line, Span } from "../core/source.ts";
import { StatementCache, StatementWatch } from "../core/statement-cache.ts";
import type { AsmSymbol } from "../core/symbols.ts";
import type { GasAssembler, Label } from "./assembler.ts";
import { Cursor } from "./cursor.ts";
import type { Directive } from "./directives.ts";

/** What a line says before it is done. */
interface ReadLine {
  readonly label: Label | undefined;
  /** First word of the statement, in lower case: it must not have become a macro. "" if there is none. */
  readonly word: string;
  /** Where the statement starts. */
  readonly at: number;
  readonly directive: Directive | undefined;
}

interface KnownLine extends ReadLine {
  readonly statement: KnownStatement | undefined;
}

const KNOWN = new StatementCache<KnownLine>();
const MAX_KNOWN = 120;

/** Directives that make the same bytes of the same text. */
const DATA =
  /^\.(byte|2byte|4byte|8byte|word|value|short|hword|long|int|quad|octa|ascii|asciz|string\d*|float|single|double|tfloat|zero)$/;

export class KnownLines implements NameScope {
  readonly #assembler: GasAssembler;
  readonly now: EvalContext;

  constructor(assembler: GasAssembler) {
    this.#assembler = assembler;
    this.now = assembler.now;
  }

  find(name: string): AsmSymbol | null | undefined {
    const { values, builder } = this.#assembler;
    return values.isAlias(name) ? undefined : (builder.symbols.get(name) ?? null);
  }

  use(name: string, span: Span): AsmSymbol {
    return this.#assembler.values.use(name, span);
  }

  /** What lines mean depends on this, and on their text. */
  get #state(): number {
    const { intel, nakedRegisters, wideStack, bits, objectBits, machine } = this.#assembler;
    const flags = Number(intel) | (Number(nakedRegisters) << 1) | (Number(wideStack) << 2) | (machine.state << 3);
    return (bits << 8) | (objectBits << 16) | flags;
  }

  #find({ text }: Line): KnownLine | undefined {
    return KNOWN.find(this.#state, text);
  }

  /** Does the line again; false if it has to be read. */
  replay(line: Line): boolean {
    const assembler = this.#assembler;
    const known = this.#find(line);
    if (!known || assembler.particular || !assembler.conditions.active || assembler.macros.has(known.word))
      return false;
    const { label, statement } = known;
    if (label && !this.#label(label, line)) return true;
    if (known.word === "") return true;
    if (!statement || !holds(statement, this)) return this.#read(line, known);
    if (statement.code && assembler.locations.waiting) assembler.locations.emit(new Cursor(line));
    replay(statement, assembler.builder, line, this);
    return true;
  }

  #label(label: Label, line: Line): boolean {
    return this.#assembler.reporter.guard(() => this.#assembler.placeLabel(label, line));
  }

  /** What stands behind the label. */
  #read(line: Line, { label, word, at, directive }: KnownLine): boolean {
    if (!directive && !label) return false;
    const assembler = this.#assembler;
    assembler.expressions.takeModifier();
    const cursor = new Cursor(line, at);
    assembler.reporter.guard(() => {
      if (directive) this.directive({ label, word, at, directive }, cursor);
      else assembler.statement(cursor, label);
    });
    return true;
  }

  /** Does a directive and keeps it. */
  directive(known: ReadLine & { readonly directive: Directive }, cursor: Cursor): void {
    const { word, at, directive } = known;
    cursor.at = at + word.length;
    const watch = DATA.test(word) ? this.watch(cursor.line) : undefined;
    this.#assembler.directive(directive, word, cursor);
    if (watch || !this.#find(cursor.line)) this.keep(cursor.line, watch, known);
  }

  /** The line has this label and nothing else. */
  keepLabel(line: Line, label: Label): void {
    this.keep(line, undefined, { label, word: "", at: 0, directive: undefined });
  }

  watch({ text }: Line): StatementWatch | undefined {
    const { builder, values, particular } = this.#assembler;
    if (particular) return undefined;
    const { mentions } = values;
    const worth = text.length < MAX_KNOWN && (mentions.keptAtOnce || KNOWN.isMet(this.#state, text));
    return worth ? new StatementWatch(builder, mentions) : undefined;
  }

  /** The statement has been done. */
  keep(line: Line, watch: StatementWatch | undefined, known: ReadLine): void {
    if (!this.#assembler.values.mentions.kept && (!watch || known.label || known.directive)) return;
    const statement = watch?.noted(line, this.now);
    if (line.text.length < MAX_KNOWN && (statement || known.directive || known.word === ""))
      KNOWN.keep(this.#state, line.text, { ...known, statement });
  }
}
