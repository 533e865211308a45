/** The NASM dialect: takes preprocessed statements one by one and builds the object. */
import { Budget } from "../core/budget.ts";
import { ObjectBuilder } from "../core/builder.ts";
import { onlyDiagnostics, Reporter, SourceError } from "../core/diagnostics.ts";
import { type EvalContext, type Expr, evaluate, evaluateConstant, number, symbolExpr } from "../core/expr.ts";
import { BytesFragment } from "../core/fragment.ts";
import { type Line, rangeOf, type Span, wholeLine } from "../core/source.ts";
import { ownText } from "../core/statement-cache.ts";
import type { AsmSymbol, SectionBuilder } from "../core/symbols.ts";
import { isNasmMnemonic, isNasmPrefix } from "../encode/index.ts";
import type { AssembleOptions, AssembleResult, Bits, SourceText } from "../types.ts";
import { Affixes } from "./affixes.ts";
import { dataUnit, emitData, emitIncbin, emitReserve, reserveUnit } from "./data.ts";
import { type Again, NASM_DIRECTIVES } from "./directives.ts";
import { NasmExpressions, TokenCursor } from "./expressions.ts";
import { Guesses, isPlaced } from "./guesses.ts";
import { assembleInstruction } from "./instructions.ts";
import { fullName, KnownLines } from "./known-lines.ts";
import { registerNamed } from "./operands.ts";
import { Preprocessor } from "./preprocessor.ts";
import { nasmRelocation } from "./relocations.ts";
import { namedSection } from "./sections.ts";
import type { SmartAlign } from "./smart-align.ts";
import { repeatStatement } from "./times.ts";
import type { Token } from "./tokens.ts";

/** Words looked at so far; labels do not come here in numbers, for they have a colon. */
const KEYWORDS = new Map<string, boolean>();

function isKeyword(word: string): boolean {
  const pseudo = ["equ", "times", "incbin"].includes(word) || dataUnit(word) !== undefined;
  const directive = reserveUnit(word) !== undefined || Object.hasOwn(NASM_DIRECTIVES, word);
  return pseudo || directive || isNasmPrefix(word) || isNasmMnemonic(word);
}

/** Prefixes before data say nothing: `es db 0` is `db 0`. */
function skipDataPrefixes(cursor: TokenCursor): void {
  const wordAt = (ahead: number) => cursor.peek(ahead)?.text.toLowerCase() ?? "";
  let ahead = 0;
  while (cursor.peek(ahead)?.kind === "id" && isNasmPrefix(wordAt(ahead))) ahead++;
  if (ahead > 0 && (dataUnit(wordAt(ahead)) ?? reserveUnit(wordAt(ahead))) !== undefined) cursor.at += ahead;
}

const SECTION_PLACE = /^section\..+\.(start|vstart|length)$/;

/** Their outcome depends on more than their text. */
const UNKNOWN = /^(times|incbin)$/;

/** How many numbers of macros and contexts the standard macros take, if more than one. */
const MACRO_IDS: Readonly<Record<string, number>> = { struc: 2, istruc: 2, align: 2, alignb: 2 };

export class NasmAssembler {
  readonly options: AssembleOptions;
  readonly reporter = new Reporter();
  readonly builder: ObjectBuilder;
  readonly expressions: NasmExpressions;
  readonly now: EvalContext;
  readonly preprocessor: Preprocessor;
  readonly #source: SourceText;
  readonly #guesses: Guesses;
  readonly globals: { symbol: AsmSymbol; span: Span }[] = [];
  readonly statics = new Set<AsmSymbol>();
  /** Names of sections that the source has entered by name. */
  readonly declared = new Set<string>();
  /** The last label that is not local: `.x` after it is `last.x`. */
  lastLabel = "";
  defaultRelative = false;
  /** The last number that the directive at hand took. */
  lastId: number | undefined;
  /** `sectalign off` ends this. */
  alignsSections = true;
  /** `default bnd` */
  defaultBound = false;
  /** The package `smartalign` is in use. */
  smartAlign: SmartAlign | undefined;
  /** The package `masm` is in use: operands may be written in its manner. */
  masm = false;
  readonly #affixes = new Affixes();
  origin: Expr | undefined;
  structure: { name: string; section: SectionBuilder; span: Span } | undefined;
  instance: { name: string; start: AsmSymbol } | undefined;
  #entryBits: Bits;
  readonly lines: KnownLines;
  /** `$`: the start of the statement at hand, with `times` of its first repetition. */
  #here: AsmSymbol | undefined;

  constructor(source: SourceText, options: AssembleOptions, guesses: Guesses) {
    this.#source = source;
    this.#guesses = guesses;
    this.options = options;
    this.#entryBits = options.bits ?? 64;
    this.builder = new ObjectBuilder(this.reporter, guesses.budget, this.#entryBits);
    this.now = this.builder.now(false);
    this.expressions = new NasmExpressions({
      reference: (name, span) => this.#reference(name, span),
      here: (span) => {
        this.lines.mentions.special = true;
        return symbolExpr(this.#here ?? this.builder.here(span.line), span);
      },
      sectionStart: (span) => {
        this.lines.mentions.special = true;
        return symbolExpr(this.#sectionStart(span.line), span);
      },
    });
    this.builder.section = namedSection(this, ".text");
    this.lines = new KnownLines(this, source);
    this.preprocessor = new Preprocessor({
      lines: this.lines,
      reporter: this.reporter,
      budget: guesses.budget,
      round: guesses.round,
      include: (name, from) => options.include?.(name, from),
      constant: (tokens, span) => this.#preprocessorConstant(tokens, span),
      dynamic: (name) => this.#dynamic(name),
      usesPackage: (name) => {
        if (name === "masm") this.masm = true;
        if (name === "smartalign" && !this.smartAlign) this.preprocessor.takeIds(1);
        if (name === "smartalign") this.smartAlign ??= { mode: "generic", threshold: 8 };
      },
      pragma: (words) => this.#affixes.read(words),
      statement: (tokens, line) => this.statement(new TokenCursor(tokens, line)),
    });
  }

  get bits(): Bits {
    return this.builder.bits;
  }

  get #flat(): boolean {
    const { output } = this.options;
    return output === undefined ? this.origin !== undefined : output === "flat";
  }

  #dynamic(name: string): string | undefined {
    switch (name) {
      case "BITS":
        return String(this.bits);
      case "OUTPUT_FORMAT":
        if (this.options.output === "flat") return "bin";
        return (this.options.bits ?? 64) === 64 ? "elf64" : "elf32";
      case "FLOAT_ROUND":
        return this.expressions.floatRule.mode;
      case "FLOAT_DAZ":
        return this.expressions.floatRule.daz ? "daz" : "nodaz";
      case "PASS":
        return "2";
      case "NASM_PATCHLEVEL":
        return "0";
      case "NASM_VER":
        return '"2.16.01"';
      case "NASM_MAJOR":
        return "2";
      case "NASM_MINOR":
        return "16";
      case "NASM_SUBMINOR":
        return "1";
      case "NASM_VERSION_ID":
        return "0x02100100";
      default:
        return undefined;
    }
  }

  #predefine(): void {
    const span = wholeLine({ text: "", uri: this.#source.uri, line: 0 });
    for (const [name, value] of Object.entries(this.options.defines ?? {}))
      this.preprocessor.predefine(name, String(value), span);
  }

  run(): AssembleResult {
    try {
      this.#predefine();
      this.preprocessor.run(this.#source);
      if (this.structure)
        this.reporter.error(this.structure.span, `structure '${this.structure.name}' has no 'endstruc'`);
      this.#checkGlobals();
      this.#placeOrigin();
      this.#affixes.apply(this.builder);
      return this.#finish();
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      this.reporter.report(error);
      return onlyDiagnostics("nasm", this.#entryBits, this.reporter.diagnostics);
    }
  }

  #finish() {
    return this.builder.finish(
      "nasm",
      this.#source.uri,
      { undefinedIsExternal: false },
      {
        overflow: "warning",
        wide: this.#wide,
        relocationType: (symbol, fixup, relative) => nasmRelocation(symbol, fixup, relative, this.#wide),
        tableDistance: (place) => place,
        keepRelocation: (_, fixup) => fixup.modifier === "SYM",
        ignoresZeroedData: true,
        // NASM's ELF output does that.
        ignoresAbsoluteDistance: this.#wide && !this.#flat,
        namesSymbol: (symbol, fixup) => fixup.modifier === "SYM" && symbol.binding !== "local",
      },
      this.#entryBits,
      (context) => this.#settle(context),
    );
  }

  #settle(context: EvalContext): void {
    this.#guesses.settle(context);
    const open = this.#guesses.unsettled;
    if (open) this.reporter.error(open.span, "this value does not settle: it depends on itself");
  }

  get #wide(): boolean {
    return (this.options.bits ?? 64) === 64;
  }

  #checkGlobals(): void {
    for (const { symbol, span } of this.globals)
      if (!symbol.definition && !symbol.external)
        this.reporter.warning(span, `global symbol '${symbol.name}' is not defined`);
  }

  /** `org` counts for the first section that has bytes. */
  #placeOrigin(): void {
    if (!this.origin) return;
    const sections = [...this.builder.sections.values()];
    const first = sections.find((one) => one.fragments.length > 0 && !one.flags.nobits) ?? sections[0]!;
    first.vstart ??= this.origin;
  }

  // Statements

  statement(cursor: TokenCursor): void {
    this.expressions.takeModifier();
    if (cursor.is("[")) {
      this.#bracketed(cursor);
      return;
    }
    this.#markHere(cursor);
    const { reported } = this.reporter;
    const label = this.#label(cursor);
    const { line } = cursor;
    const word = cursor.word() ?? "";
    const alone = label !== undefined && cursor.done;
    const plain =
      alone || (cursor.peek()?.line === line && !Object.hasOwn(NASM_DIRECTIVES, word) && !UNKNOWN.test(word));
    const worth = this.lines.isWorth(line) && (!label || label.line === line);
    const watch = worth ? this.lines.watch() : undefined;
    const again = cursor.done ? undefined : this.statementRest(cursor);
    if (!worth || this.reporter.reported !== reported) return;
    const statement = alone || !plain ? undefined : watch?.noted(line, this.now);
    const known = label && { name: ownText(label.text), start: label.start, end: label.end };
    if (alone || statement) this.lines.keep(line, known, statement);
    else if (again && this.lines.mentions.isEmpty) this.lines.keepAgain(cursor, known, again);
    else this.lines.keepTokens(cursor);
  }

  #markHere(cursor: TokenCursor): void {
    const uses = cursor.tokens.some((token) => token.kind === "op" && token.text === "$");
    this.#here = uses ? this.builder.here(cursor.line) : undefined;
  }

  /** `[bits 64]`: the old way to write a directive. */
  #bracketed(cursor: TokenCursor): void {
    cursor.next();
    const last = cursor.tokens.at(-1)!;
    if (last.text !== "]") throw new SourceError(last, "expected ']' at the end of the directive");
    const inner = new TokenCursor(cursor.tokens.slice(1, -1), cursor.line);
    if (!this.#directive(inner, false))
      throw new SourceError(inner.here(), `unknown directive '${inner.peek()?.text ?? ""}'`);
  }

  /** The label that the statement starts with. */
  #label(cursor: TokenCursor): Token | undefined {
    const first = cursor.peek();
    if (first?.kind !== "id") return undefined;
    const colon = cursor.peek(1)?.text === ":" && cursor.peek(1)!.kind === "op";
    if (!colon && this.#isKeyword(first)) return undefined;
    cursor.next();
    if (colon) cursor.next();
    if (cursor.word() === "equ") {
      this.#equ(cursor, first);
      return undefined;
    }
    const after = cursor.peek();
    if (!colon && after && !(after.kind === "id" && this.#isKeyword(after)))
      throw new SourceError(first, `'${first.text}' is not an instruction, directive or macro`);
    if (!colon && !after)
      this.reporter.warning(first, `label '${first.text}' stands alone without a colon: is it a mistyped instruction?`);
    this.defineLabel(first.text, first, cursor.line);
    return first;
  }

  /** A word that starts an instruction, directive or pseudo-instruction (unless a label of that name is meant). */
  #isKeyword(token: Token): boolean {
    if (token.text.startsWith("$")) return false;
    const word = token.text.toLowerCase();
    let known = KEYWORDS.get(word);
    if (known === undefined) {
      if (KEYWORDS.size > 10_000) KEYWORDS.clear();
      KEYWORDS.set(ownText(word), (known = isKeyword(word)));
    }
    return known;
  }

  /** What follows a label: also the statement of `times` and `at`. Comes to what it takes to do it again, if that is simple. */
  statementRest(cursor: TokenCursor): Again | undefined {
    skipDataPrefixes(cursor);
    const word = cursor.word();
    if (word === "times") return repeatStatement(this, cursor);
    const unit = word === undefined ? undefined : dataUnit(word);
    const reserved = word === undefined ? undefined : reserveUnit(word);
    const directive = unit === undefined && reserved === undefined && word !== "incbin" && this.#directive(cursor);
    if (directive) return directive.again;
    this.#checkPlace(cursor, reserved !== undefined);
    if (reserved !== undefined) {
      cursor.next();
      emitReserve(this, cursor, reserved);
    } else if (unit !== undefined) {
      cursor.next();
      emitData(this, cursor, unit);
      cursor.finish();
    } else if (word === "incbin") {
      cursor.next();
      emitIncbin(this, cursor);
    } else assembleInstruction(this, cursor);
    return undefined;
  }

  #checkPlace(cursor: TokenCursor, reserves: boolean): void {
    const { section } = this.builder;
    if (section.absolute && !reserves)
      throw new SourceError(cursor.here(), "only space can be reserved in an absolute section or a structure");
  }

  /** `asMacro`: not in brackets. Then it is one of NASM's standard macros. */
  #directive(cursor: TokenCursor, asMacro = true): { readonly again: Again | undefined } | undefined {
    const word = cursor.word();
    if (word === undefined || !Object.hasOwn(NASM_DIRECTIVES, word)) return undefined;
    const ids = MACRO_IDS[word] ?? 1;
    this.lastId = asMacro ? this.preprocessor.takeIds(ids) : undefined;
    const span = cursor.next()!;
    const act = NASM_DIRECTIVES[word]!(this, cursor, span);
    cursor.finish();
    if (!act || !asMacro) return { again: undefined };
    return {
      again: (assembler, line) => {
        assembler.lastId = assembler.preprocessor.takeIds(ids);
        act(assembler, line);
      },
    };
  }

  #equ(cursor: TokenCursor, name: Token): void {
    cursor.next();
    const symbol = this.builder.symbol(this.fullName(name.text));
    const expr = this.expressions.read(cursor);
    cursor.finish();
    const value = evaluateConstant(expr, this.now);
    const { definition } = symbol;
    const same = definition?.kind === "equate" && definition.expr.op === "number" && definition.expr.value === value;
    if (!same) this.checkFree(symbol, name);
    symbol.definition = { kind: "equate", expr: value === undefined ? expr : number(value, expr.span) };
    symbol.span = name;
    if (!name.text.startsWith(".")) this.lastLabel = symbol.name;
  }

  // Symbols

  fullName(name: string): string {
    return fullName(name, this.lastLabel);
  }

  defineLabel(name: string, span: Span, line: Line): void {
    if (registerNamed(name) !== undefined) throw new SourceError(span, `register '${name}' cannot be a label`);
    const symbol = this.builder.symbol(this.fullName(name));
    if (!name.startsWith(".")) this.lastLabel = symbol.name;
    if (/^\.\.[^@]/.test(name)) throw new SourceError(span, `'${name}' is no special symbol that can be defined`);
    if (!this.#isHere(symbol, line)) this.checkFree(symbol, span);
    symbol.span = span;
    this.builder.place(symbol, line);
    if (symbol.name === "_start") this.#entryBits = this.bits;
  }

  /** A label may be given again at its own place. */
  takeId(): number {
    return this.preprocessor.takeIds(1);
  }

  /** One of the labels that the standard macros make. */
  placeMacroLabel(id: number, name: string, line: Line): void {
    const symbol = this.builder.symbol(`..@${id}.${name}`);
    symbol.span = wholeLine(line);
    this.builder.place(symbol, line);
  }

  #isHere({ definition }: AsmSymbol, line: Line): boolean {
    if (definition?.kind !== "label") return false;
    const fragment = this.builder.open(line);
    return definition.fragment === fragment && definition.offset === fragment.bytes.length;
  }

  checkFree(symbol: AsmSymbol, span: Span): void {
    if (!symbol.definition) return;
    const related = symbol.span
      ? [{ message: `'${symbol.name}' is first defined here`, range: rangeOf(symbol.span) }]
      : [];
    throw new SourceError(span, `symbol '${symbol.name}' is already defined`, related);
  }

  #reference(name: string, span: Span): Expr {
    const isRegister = registerNamed(name) !== undefined;
    if (isRegister && !this.builder.symbols.get(name)?.definition)
      throw new SourceError(span, `register '${name}' cannot be used in an expression here`);
    const symbol = this.lines.use(name, span);
    const isPlace = SECTION_PLACE.test(name);
    if (isRegister || isPlace) this.lines.mentions.special = true;
    else this.lines.mentions.note(name, symbol, span);
    // In flat files the sections' places have names.
    if (isPlace && !symbol.definition) symbol.external = true;
    return symbolExpr(symbol, span);
  }

  #sectionStart(line: Line): AsmSymbol {
    this.builder.open(line);
    return this.builder.section.fragments[0]!.start;
  }

  enter(section: SectionBuilder): void {
    this.builder.section = section;
  }

  setBits(bits: Bits): void {
    const fresh = this.builder.fragments.every(
      (fragment) => fragment instanceof BytesFragment && fragment.bytes.length === 0,
    );
    this.builder.bits = bits;
    if (fresh) this.#entryBits = bits;
  }

  /** How often something is repeated: it may depend on labels further on. */
  countOf(expr: Expr): bigint {
    return evaluateConstant(expr, this.now) ?? this.#guesses.guess(expr);
  }

  constantHere(cursor: TokenCursor): bigint {
    const expr = this.expressions.read(cursor);
    return this.#known(expr);
  }

  #known(expr: Expr): bigint {
    const value = evaluate(expr, this.now);
    if (value?.terms.length === 0) return value.constant;
    if (isPlaced(expr)) return this.#guesses.guess(expr);
    throw new SourceError(expr.span, "this must be a constant that is known here");
  }

  #preprocessorConstant(tokens: readonly Token[], span: Span): bigint {
    const cursor = new TokenCursor(tokens, span.line);
    const expr = this.expressions.read(cursor);
    if (!cursor.done) this.reporter.warning(cursor.here(), "what follows the expression is ignored");
    return this.#known(expr);
  }
}

export function assembleNasm(source: SourceText, options: AssembleOptions): AssembleResult {
  let guesses: Guesses | undefined = new Guesses(new Budget());
  for (;;) {
    const result = new NasmAssembler(source, options, guesses).run();
    const next = guesses.next();
    if (!next) return result;
    guesses = next;
  }
}
