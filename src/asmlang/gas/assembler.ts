/** The GNU dialect: reads statements, keeps what they change, and hands the object to layout. */
import { Budget } from "../core/budget.ts";
import { ObjectBuilder } from "../core/builder.ts";
import { onlyDiagnostics, Reporter, SourceError } from "../core/diagnostics.ts";
import { type EvalContext, type Expr, evaluate, notSimple, number, symbolExpr } from "../core/expr.ts";
import { OrgFragment } from "../core/fragment.ts";
import { type Call, type Line, type Span, wholeLine } from "../core/source.ts";
import { AsmSymbol, type SectionBuilder } from "../core/symbols.ts";
import type { AssembleOptions, AssembleResult, Bits, SourceText } from "../types.ts";
import { Bundles } from "./bundles.ts";
import { CallFrames } from "./cfi.ts";
import { Conditions } from "./conditions.ts";
import { CPreprocessor } from "./cpp.ts";
import { Cursor } from "./cursor.ts";
import { DIRECTIVES, type Directive } from "./directives.ts";
import { ExpressionReader, parseNumber } from "./expressions.ts";
import { Input } from "./input.ts";
import { assembleInstruction } from "./instructions.ts";
import { KnownLines } from "./known-lines.ts";
import { SourceLocations } from "./loc.ts";
import { Machine } from "./machine.ts";
import type { Macro } from "./macros.ts";
import { type Attributes, writeAttributes } from "./notes.ts";
import { beyond32, gasRelocation } from "./relocations.ts";
import { callMacro } from "./repeats.ts";
import { defaultFlags } from "./sections.ts";
import { blankComments } from "./text.ts";
import { isLocalName, SymbolValues } from "./values.ts";
import { addVersions, type Version } from "./versions.ts";

/** Where it stands in its line. */
export interface Label {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

export class GasAssembler {
  readonly options: AssembleOptions;
  readonly reporter = new Reporter();
  readonly builder: ObjectBuilder;
  readonly budget = new Budget();
  readonly input = new Input(this.budget);
  readonly conditions = new Conditions(this);
  readonly expressions: ExpressionReader;
  readonly macros = new Map<string, Macro>();
  readonly now: EvalContext;
  readonly sectionStack: { section: SectionBuilder; previous: SectionBuilder | undefined }[] = [];
  /** What `.symver` asked for. */
  readonly versions: Version[] = [];
  readonly values: SymbolValues;
  /** What `.gnu_attribute` said. */
  readonly attributes: Attributes = new Map();
  /** Sections that others are linked to. */
  readonly #links: { readonly section: SectionBuilder; readonly span: Span }[] = [];
  readonly localCommons = new Set<AsmSymbol>();
  readonly #cpp: CPreprocessor | undefined;
  /** Numeric labels: the last one placed, and the next one if it is already used. */
  readonly #numeric = new Map<string, { last?: AsmSymbol; next?: AsmSymbol }>();
  readonly #forwards = new Set<AsmSymbol>();
  readonly #source: SourceText;
  /** Class of the object: what `as` is told by --32 and --64. */
  readonly objectBits: 32 | 64;
  previous: SectionBuilder | undefined;
  intel = false;
  nakedRegisters = false;
  /** `.altmacro` is in force; labels that its LOCAL has made. */
  alternate = false;
  alternateLabels = 0;
  readonly machine = new Machine();
  readonly bundles = new Bundles(this);
  /** Between `.func` and `.endfunc`. */
  function = false;
  /** `.code16gcc`: the stack is as wide as in 32-bit code. */
  wideStack = false;
  readonly locations = new SourceLocations(this);
  readonly frames = new CallFrames(this);
  /** Number of macro expansions so far: `\@`. */
  expansions = 0;
  readonly #known: KnownLines;
  #entryBits: Bits;

  constructor(source: SourceText, options: AssembleOptions) {
    this.#source = source;
    this.options = options;
    this.values = new SymbolValues(this, source);
    const bits = options.bits ?? 64;
    this.#entryBits = bits;
    this.objectBits = bits === 64 ? 64 : 32;
    this.builder = new ObjectBuilder(this.reporter, this.budget, bits);
    this.now = this.builder.now(true);
    this.#known = new KnownLines(this);
    this.expressions = new ExpressionReader({
      reference: (name, span) => this.values.reference(name, span),
      numeric: (label, forward, span) => this.#numericReference(label, forward, span),
      warn: (span, message) => this.reporter.warning(span, message),
      table: (span) => this.values.useTable(span),
      here: (span) => {
        this.values.mentions.special = true;
        return symbolExpr(this.builder.here(span.line), span);
      },
      wide: this.objectBits === 64,
    });
    for (const name of [".text", ".data", ".bss"]) this.builder.getSection(name, defaultFlags(name));
    this.builder.section = this.builder.sections.get(".text")!;
    if (source.uri.endsWith(".S")) this.#cpp = this.#makePreprocessor(bits);
    this.#predefine();
  }

  /** What lines come to does not depend on their text and the syntax alone. */
  get particular(): boolean {
    return this.machine.architecture !== undefined || this.bundles.active;
  }

  get bits(): Bits {
    return this.builder.bits;
  }

  /** Which padding code gets: `as` writes it at the end, by the mode in force there and the object's class. */
  get paddingBits(): Bits {
    return this.bits === 16 ? 16 : this.machine.longNops(this.objectBits) ? 64 : 32;
  }

  #makePreprocessor(bits: Bits): CPreprocessor {
    const find = (name: string, from: string) => this.options.include?.(name, from);
    return new CPreprocessor(this.reporter, this.budget, find, bits === 64);
  }

  #predefine(): void {
    const line: Line = { text: "", uri: this.#source.uri, line: 0 };
    const version = this.builder.symbol(".gasversion.");
    version.definition = { kind: "equate", expr: number(24_000n, wholeLine(line)) };
    version.temporary = true;
    for (const [name, value] of Object.entries(this.options.defines ?? {})) {
      const text = String(value).trim();
      const constant = typeof value === "string" ? (text === "" ? 1n : parseNumber(text)) : BigInt(value);
      if (constant === undefined) {
        this.#cpp?.define(name, text);
        continue;
      }
      this.#cpp?.defineForConditions(name, String(constant));
      this.builder.symbol(name).definition = { kind: "equate", expr: number(constant, wholeLine(line)) };
    }
  }

  run(): AssembleResult {
    try {
      if (this.#cpp) this.input.push(this.#cpp.run(this.#source), undefined, "file");
      else this.read(this.#source, undefined);
      this.#statements();
      this.conditions.close();
      this.frames.finish();
      this.bundles.finish();
      this.reportMissing();
      writeAttributes(this.builder, this.attributes, { text: "", uri: this.#source.uri, line: 0 });
      this.values.finish();
      addVersions(this.builder, this.versions);
      this.#checkLinks();
      return this.#finish();
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      this.reporter.report(error);
      return onlyDiagnostics("gas", this.#entryBits, this.reporter.diagnostics);
    }
  }

  #finish() {
    return this.builder.finish(
      "gas",
      this.#source.uri,
      { undefinedIsExternal: true },
      {
        overflow: "error",
        branchesLast: true,
        unrepresentable: (fixup, relative) => (this.objectBits === 32 ? beyond32(fixup, relative) : undefined),
        wide: this.objectBits === 64,
        relocationType: (symbol, fixup, _, offset) => gasRelocation(symbol, fixup, offset, this.objectBits === 64),
        tableDistance: (_, fixup) => fixup.inInstruction ?? 0,
        keepRelocation: (symbol, fixup) =>
          symbol.binding === "weak" ||
          symbol.particular === "ifunc" ||
          (symbol.binding === "global" && fixup.kind === "pcrel" && fixup.relaxed === false),
        namesSymbol: (symbol, fixup, relative, offset) =>
          symbol.binding !== "local" ||
          symbol.particular === "ifunc" ||
          (fixup.modifier !== undefined && fixup.memory !== true) ||
          (isMerged(symbol) && ((relative && this.objectBits === 64) || offset !== 0n)),
      },
      this.#entryBits,
    );
  }

  /** Reads a file's lines before whatever comes next. */
  read(source: SourceText, call: Call | undefined): void {
    const { uri } = source;
    const lines = blankComments(source.text, false);
    this.input.push(
      lines.map((text, line) => (call ? { text, uri, line, call } : { text, uri, line })),
      call?.site,
      this.budget.isFresh(source.uri) ? "file" : "again",
    );
  }

  #statements(): void {
    const read = (line: Line) => this.#statement(new Cursor(line));
    for (let line = this.input.next(); line && !this.reporter.full; line = this.input.next())
      if (!this.#known.replay(line)) this.reporter.guard(read, line);
  }

  #statement(cursor: Cursor): void {
    this.expressions.takeModifier();
    if (cursor.done) return;
    if (!this.conditions.active) {
      const word = cursor.word()?.toLowerCase();
      if (word?.startsWith(".")) this.conditions.handle(word, cursor);
      return;
    }
    const label = this.#label(cursor);
    if (label && cursor.done) this.#known.keepLabel(cursor.line, label);
    let labels = Number(label !== undefined);
    while (!cursor.done && this.#label(cursor)) labels++;
    if (!cursor.done) this.statement(cursor, labels <= 1 && label);
  }

  /** What follows the labels; `label`: the only one before it, if any. false: the line is not worth knowing. */
  statement(cursor: Cursor, label: Label | undefined | false): void {
    const start = cursor.at;
    const name = cursor.match(/"[^"]*"|[A-Za-z_.$\u0080-\uffff][\w.$\u0080-\uffff]*/y);
    if (name !== undefined && cursor.skipSpace().peek() === "=" && this.#assignment(cursor, name, start)) return;
    if (name === undefined) cursor.at = start;
    const lower = name?.toLowerCase() ?? "";
    const macro = this.macros.get(lower);
    if (macro) callMacro(this, macro, cursor, cursor.span(start));
    else if (lower.startsWith(".")) this.#directive(lower, cursor, start, label);
    else {
      cursor.at = start;
      const watch = label !== false && lower !== "" && this.#known.watch(cursor.line);
      if (this.bundles.active) this.bundles.instruction(cursor.line, () => assembleInstruction(this, cursor));
      else assembleInstruction(this, cursor);
      if (watch) this.#known.keep(cursor.line, watch, { label, word: lower, at: start, directive: undefined });
    }
  }

  #directive(name: string, cursor: Cursor, start: number, label: Label | undefined | false): void {
    const span = cursor.span(start, start + name.length);
    if (this.conditions.handle(name, cursor)) {
      cursor.rest();
      return;
    }
    const directive = DIRECTIVES.get(name);
    if (!directive) throw new SourceError(span, `unknown directive '${name}'`);
    if (label === false) this.directive(directive, name, cursor);
    else this.#known.directive({ label, word: name, at: start, directive }, cursor);
  }

  directive(directive: Directive, name: string, cursor: Cursor): void {
    directive(this, cursor, name);
    cursor.finish();
  }

  /** `name:` or `1:`, if there is one. */
  #label(cursor: Cursor): Label | undefined {
    cursor.skipSpace();
    const start = cursor.at;
    const name = cursor.match(/\d+(?=\s*:)|"[^"]*"|[A-Za-z_.$\u0080-\uffff][\w.$\u0080-\uffff]*/y);
    const end = cursor.at;
    if (name === undefined || cursor.skipSpace().peek() !== ":") {
      cursor.at = start;
      return undefined;
    }
    cursor.at++;
    const label = { name, start, end };
    this.placeLabel(label, cursor.line);
    return label;
  }

  placeLabel({ name, start, end }: Label, line: Line): void {
    if (/^\d/.test(name)) {
      this.#placeNumeric(name, line);
      return;
    }
    const span = { line, start, end };
    const symbol = this.builder.symbol(name.replaceAll('"', ""));
    symbol.temporary = isLocalName(symbol.name);
    this.values.checkFree(symbol, span);
    symbol.span = span;
    this.builder.place(symbol, line);
    if (symbol.name === "_start" || symbol.name === "start") this.#entryBits = this.builder.bits;
  }

  #placeNumeric(number: string, line: Line): void {
    const entry = this.#numeric.get(number) ?? {};
    const symbol = entry.next ?? newTemporary(number);
    this.builder.place(symbol, line);
    this.#numeric.set(number, { last: symbol });
  }

  #numericReference(label: string, forward: boolean, span: Span): Expr {
    this.values.mentions.special = true;
    const number = label.replace(/^0+(?=\d)/, "");
    const entry = this.#numeric.get(number) ?? {};
    this.#numeric.set(number, entry);
    if (forward) {
      entry.next ??= newTemporary(`${number}f`);
      entry.next.firstUse ??= span;
      this.#forwards.add(entry.next);
      return symbolExpr(entry.next, span);
    }
    if (!entry.last) throw new SourceError(span, `there is no label '${number}:' before this`);
    return symbolExpr(entry.last, span);
  }

  /** `name = expression` and `name == expression`. */
  #assignment(cursor: Cursor, name: string, start: number): boolean {
    const span = cursor.span(start, start + name.length);
    cursor.expect("=");
    const once = cursor.eat("=");
    const expr = this.expressions.read(cursor);
    this.assign(name.replaceAll('"', ""), span, expr, once);
    cursor.finish();
    return true;
  }

  /** Gives a name a value; to "." it moves on. */
  assign(name: string, span: Span, expr: Expr, once: boolean): void {
    if (name === ".") this.builder.add(new OrgFragment(this.builder.section, span.line, expr, 0));
    else this.values.assign(name, span, expr, once);
  }

  isDefined(name: string): boolean {
    return this.builder.symbols.get(name)?.definition !== undefined;
  }

  /** Another section's order follows this name's. */
  noteLink(section: SectionBuilder, span: Span): void {
    if (section.elf.linkedTo) this.#links.push({ section, span });
  }

  #checkLinks(): void {
    for (const { section, span } of this.#links) {
      const name = section.elf.linkedTo!;
      const target = this.builder.sections.get(name) ?? this.builder.symbols.get(name)?.section;
      if (target) section.elf.linkedTo = target.name;
      else this.reporter.error(span, `section ${section.name} is linked to '${name}', which is not defined`);
    }
  }

  /** An expression that must be known at once. */
  constant(cursor: Cursor, what: string): bigint {
    if (cursor.done || cursor.peek() === ",") return 0n; // as does without
    const expr = this.expressions.read(cursor);
    const value = evaluate(expr, this.now);
    if (value?.terms.length === 0) return value.constant;
    const message = `${what} must be a constant that is known here`;
    throw value ? notSimple(value, expr.span, message) : new SourceError(expr.span, message);
  }

  setBits(bits: Bits): void {
    const fresh = this.builder.fragments.length === 0;
    this.builder.bits = bits;
    if (fresh) this.#entryBits = bits;
  }

  /** Forward references to numeric labels that never came. */
  reportMissing(): void {
    for (const symbol of this.#forwards)
      if (!symbol.definition)
        this.reporter.error(symbol.firstUse!, `there is no label '${symbol.name.slice(0, -1)}:' after this`);
  }
}

/** In a mergeable section the linker moves each item by itself, so section plus offset would not do. */
const isMerged = (symbol: AsmSymbol): boolean =>
  symbol.section?.elf.flags?.includes("M") === true && !/^\d/.test(symbol.name);

function newTemporary(name: string): AsmSymbol {
  const symbol = new AsmSymbol(name);
  symbol.temporary = true;
  return symbol;
}

export function assembleGas(source: SourceText, options: AssembleOptions): AssembleResult {
  return new GasAssembler(source, options).run();
}
