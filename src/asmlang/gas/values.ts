/** What symbols are set to (`=`, `.set`, `.equiv`, `.eqv`, `.weakref`), and what a name in an expression means now. */
import { SourceError } from "../core/diagnostics.ts";
import { type Expr, evaluate, number, symbolExpr } from "../core/expr.ts";
import { BytesFragment } from "../core/fragment.ts";
import { Mentions } from "../core/mentions.ts";
import { GLOBAL_OFFSET_TABLE } from "../core/relocations.ts";
import { rangeOf, type Span } from "../core/source.ts";
import type { AsmSymbol, SectionBuilder } from "../core/symbols.ts";
import type { SourceText } from "../types.ts";
import type { GasAssembler } from "./assembler.ts";

/** Not in the symbol table, unless global. */
export const isLocalName = (name: string): boolean => /^(\.L|\.\.|_\.L_)/.test(name);

export const firstDefinition = (symbol: AsmSymbol) =>
  symbol.span ? [{ message: `'${symbol.name}' is first defined here`, range: rangeOf(symbol.span) }] : [];

export class SymbolValues {
  readonly #assembler: GasAssembler;
  /** Set once and for all. */
  readonly #fixed = new Set<AsmSymbol>();
  /** `.eqv`: what they are is looked up at each use. */
  readonly #lazy = new Set<AsmSymbol>();
  /** `.weakref`: the names that others stand for, and the targets that are used in this way. */
  readonly #aliases = new Map<string, string>();
  readonly #weakUses = new Map<AsmSymbol, Span>();
  /** What the statement at hand has named. */
  readonly mentions: Mentions;
  #asWritten = false;

  constructor(assembler: GasAssembler, source: SourceText) {
    this.#assembler = assembler;
    this.mentions = new Mentions(source);
  }

  get #builder() {
    return this.#assembler.builder;
  }

  checkFree(symbol: AsmSymbol, span: Span): void {
    if (symbol.definition)
      throw new SourceError(span, `symbol '${symbol.name}' is already defined`, firstDefinition(symbol));
  }

  assign(name: string, span: Span, expr: Expr, once: boolean): void {
    const symbol = this.#redefined(name, span, once);
    const value = evaluate(expr, this.#assembler.now);
    this.#define(symbol, span, value?.terms.length === 0 ? number(value.constant, expr.span) : expr);
    if (once) this.#fixed.add(symbol);
  }

  /** `.eqv name, expression`: `read` reads it without looking up what is in it. */
  assignLazily(name: string, span: Span, read: () => Expr): void {
    this.#asWritten = true;
    let expr: Expr;
    try {
      expr = read();
    } finally {
      this.#asWritten = false;
    }
    const symbol = this.#redefined(name, span, true);
    this.#define(symbol, span, expr);
    this.#fixed.add(symbol);
    this.#lazy.add(symbol);
  }

  #define(symbol: AsmSymbol, span: Span, expr: Expr): void {
    symbol.definition = { kind: "equate", expr };
    symbol.span = span;
    symbol.temporary = isLocalName(symbol.name);
    symbol.omittedWhenExternal = true;
  }

  /** What was said before the symbol has another value keeps the one that it had. */
  #redefined(name: string, span: Span, once: boolean): AsmSymbol {
    const symbol = this.#builder.symbol(name);
    const { definition } = symbol;
    if (definition && (once || definition.kind !== "equate" || this.#fixed.has(symbol))) this.checkFree(symbol, span);
    return definition ? this.#builder.replace(symbol) : symbol;
  }

  weakReference(name: string, span: Span, target: string, at: Span): void {
    const symbol = this.#builder.symbols.get(name);
    if (symbol) this.checkFree(symbol, span);
    const before = this.#aliases.get(name);
    if (before !== undefined && before !== target)
      throw new SourceError(span, `'${name}' stands for '${before}' already`);
    let end = target;
    while (this.#aliases.has(end) && end !== name) end = this.#aliases.get(end)!;
    if (end === name) throw new SourceError(at, `'${name}' would stand for itself`);
    this.#aliases.set(name, target);
  }

  isAlias(name: string): boolean {
    return this.#aliases.has(name);
  }

  /** A name in an expression: what it is set to now, or the symbol. */
  reference(name: string, span: Span): Expr {
    if (this.#aliases.has(name)) return this.#weakly(name, span);
    const symbol = this.use(name, span);
    this.mentions.note(name, symbol, span);
    const { definition } = symbol;
    if (definition?.kind !== "equate" || this.#asWritten) return symbolExpr(symbol, span);
    return { ...(this.#lazy.has(symbol) ? this.#current(symbol, definition.expr, span) : definition.expr), span };
  }

  use(name: string, span: Span): AsmSymbol {
    const symbol = this.#builder.symbol(name);
    symbol.firstUse ??= span;
    return symbol;
  }

  #weakly(name: string, span: Span): Expr {
    this.mentions.special = true;
    let end = name;
    while (this.#aliases.has(end)) end = this.#aliases.get(end)!;
    const symbol = this.#builder.symbol(end);
    if (!this.#weakUses.has(symbol)) this.#weakUses.set(symbol, span);
    return symbolExpr(symbol, span);
  }

  /** The tree with what its names mean now. */
  #current(symbol: AsmSymbol, expr: Expr, span: Span): Expr {
    if (symbol.busy) throw new SourceError(span, `'${symbol.name}' is defined in terms of itself`);
    symbol.busy = true;
    try {
      return this.#lookedUp(expr);
    } finally {
      symbol.busy = false;
    }
  }

  #lookedUp(expr: Expr): Expr {
    switch (expr.op) {
      case "symbol":
        return expr.symbol.temporary || expr.symbol.name === "" ? expr : this.reference(expr.symbol.name, expr.span);
      case "unary":
        return { ...expr, a: this.#lookedUp(expr.a) };
      case "binary":
        return { ...expr, a: this.#lookedUp(expr.a), b: this.#lookedUp(expr.b) };
      default:
        return expr;
    }
  }

  /** What is asked for goes through the table. */
  useTable(span: Span): void {
    this.mentions.special = true;
    this.#builder.symbol(GLOBAL_OFFSET_TABLE).firstUse ??= span;
  }

  /** The name of a section is its start, and local. */
  #nameOfSection(symbol: AsmSymbol, section: SectionBuilder): void {
    symbol.temporary = true;
    symbol.binding = "local";
    if (!symbol.firstUse) return;
    const first = section.fragments[0] ?? this.#builder.add(new BytesFragment(section, symbol.firstUse.line));
    symbol.definition = { kind: "label", fragment: first, offset: 0 };
  }

  /** When the source is read: symbols that nothing else has made known. */
  finish(): void {
    for (const [symbol, span] of this.#weakUses) {
      if (!symbol.definition && !symbol.firstUse && symbol.binding === "local") symbol.binding = "weak";
      symbol.firstUse ??= span;
    }
    for (const symbol of this.#builder.symbols.values()) {
      if (isLocalName(symbol.name) && symbol.binding !== "local") symbol.temporary = false;
      const section = symbol.definition ? undefined : this.#builder.sections.get(symbol.name);
      if (section) this.#nameOfSection(symbol, section);
    }
  }
}
