/**
 * NASM's preprocessor: reads lines from files, macro bodies and repetitions, and gives the assembler statements in which
 * every macro is expanded. It runs side by side with the assembler, so `%if` may look at constants defined above.
 */
import type { Budget } from "../core/budget.ts";
import { FatalError, type Reporter, SourceError } from "../core/diagnostics.ts";
import { append } from "../core/lists.ts";
import { lookUp } from "../core/look-up.ts";
import { type Call, type Line, type Span, wholeLine } from "../core/source.ts";
import type { SourceText } from "../types.ts";
import { FileLines, NOTHING } from "./file-lines.ts";
import type { CallMaker } from "./known-calls.ts";
import type { KnownLines } from "./known-lines.ts";
import { LineMarks } from "./line-marks.ts";
import {
  bind,
  definedAt,
  type Expansion,
  instantiate,
  type MultiMacro,
  readMacroHead,
  sameName,
  type TokenLine,
} from "./multi-line.ts";
import { NasmConditions, testOf } from "./pp-conditions.ts";
import { Contexts } from "./pp-contexts.ts";
import { PP_DIRECTIVES } from "./pp-directives.ts";
import { quote } from "./pp-functions.ts";
import { stackModel } from "./pp-stack.ts";
import { SingleMacros } from "./single-line.ts";
import { isSpace, joinTouching, type Token, textOf, tokensFor, trim } from "./tokens.ts";

const MAX_NESTING = 250;
/** As for NASM itself. */
const MAX_REPEATS = 1_000_000n;

interface Frame {
  readonly kind: "file" | "macro" | "rep";
  /** Its lines have been read before, or will be again. */
  readonly again: boolean;
  next(): TokenLine | undefined;
  readonly expansion?: Expansion;
  /** Notes what this use of a macro comes to. */
  readonly maker?: CallMaker | undefined;
  /** Depth of conditions when it began. */
  readonly conditions: number;
}

interface Recording {
  readonly opens: RegExp;
  readonly ends: RegExp;
  readonly lines: TokenLine[];
  readonly span: Span;
  readonly what: string;
  depth: number;
  finish(): void;
}

export interface PreprocessorHost {
  readonly reporter: Reporter;
  readonly budget: Budget;
  /** How often the source has been read before. */
  readonly round: number;
  include(name: string, from: string): SourceText | undefined;
  /** Value of an expression that must be known now. */
  constant(tokens: readonly Token[], span: Span): bigint;
  dynamic(name: string): string | undefined;
  /** `%use` named a standard package. */
  usesPackage(name: string): void;
  /** The words of a `%pragma`. */
  pragma(words: readonly string[]): void;
  statement(tokens: readonly Token[], line: Line): void;
  readonly lines: KnownLines;
}

export class Preprocessor {
  readonly #host: PreprocessorHost;
  readonly reporter: Reporter;
  readonly macros: SingleMacros;
  readonly #conditions = new NasmConditions();
  readonly contexts = new Contexts();
  readonly lineMarks = new LineMarks();
  readonly #multi = new Map<string, MultiMacro[]>();
  readonly #frames: Frame[] = [];
  /** Those that `%use` named. */
  readonly packages = new Set<string>();
  stack = stackModel("flat")!;
  #recording: Recording | undefined;
  /** The last number given to a macro's use or a context. */
  #ids = -1;

  constructor(host: PreprocessorHost) {
    this.#host = host;
    this.reporter = host.reporter;
    this.macros = new SingleMacros(host.budget, (name, at) => this.#dynamic(name, at), {
      expand: (tokens) => this.expand(tokens),
      evaluate: (tokens, span) => this.evaluate(tokens, span),
      test: (kind, tokens, span) => testOf(kind)?.(this, tokens, span),
    });
  }

  #dynamic(name: string, at: Token): string | undefined {
    if (!name.startsWith("__")) return undefined;
    const plain = name.replace(/^__\??/, "").replace(/\??__$/, "");
    if (plain === "LINE") return String(this.lineMarks.placeOf(at.line).number);
    if (plain === "FILE") return quote(this.lineMarks.placeOf(at.line).file);
    return this.#host.dynamic(plain);
  }

  /** A definition from outside: `-DNAME=VALUE`. */
  predefine(name: string, value: string, span: Span): void {
    this.macros.define({ name, parameters: undefined, body: tokensFor(value, span), ignoreCase: false });
  }

  run(source: SourceText): void {
    this.#pushFile(source, undefined);
    const read = (line: TokenLine) => this.#line(line);
    for (let line = this.#next(); line && !this.reporter.full; line = this.#next()) this.reporter.guard(read, line);
    if (this.#recording) this.reporter.error(this.#recording.span, `this '${this.#recording.what}' has no end`);
    const open = this.#conditions.unclosed();
    if (open) this.reporter.error(open, "this '%if' has no '%endif'");
  }

  #next(): TokenLine | undefined {
    for (;;) {
      const frame = this.#frames.at(-1);
      if (!frame) return undefined;
      const line = frame.next();
      if (line) {
        if (frame.again) this.#host.budget.chargeLine("lines", 1, line.line);
        return line;
      }
      this.#leave(frame);
    }
  }

  #leave(frame: Frame): void {
    this.#frames.pop();
    if (frame.kind === "macro") frame.expansion!.macro.busy--;
    if (frame.maker) this.#host.lines.keepCall(frame.maker);
  }

  #push(frame: Frame, span: Span): void {
    if (this.#frames.length >= MAX_NESTING)
      throw new FatalError(span, `macros and includes are nested more than ${MAX_NESTING} deep`);
    this.#frames.push(frame);
  }

  #pushFile(source: SourceText, call: Call | undefined): void {
    const { lines, budget, round } = this.#host;
    const again = round > 0 || !budget.isFresh(source.uri);
    const file = new FileLines(source, call, lines);
    this.#push(
      {
        kind: "file",
        next: () => file.next(!again && !this.#recording && this.#conditions.active),
        again,
        conditions: this.#conditions.depth,
      },
      call?.site ?? wholeLine({ text: "", uri: source.uri, line: 0 }),
    );
  }

  includeFile(name: string, span: Span): void {
    const file = this.#host.include(name, span.line.uri);
    if (!file) throw new SourceError(span, `cannot find include file '${name}'`);
    this.#pushFile(file, { message: "included from here", site: span, hidesBody: false });
  }

  /** `%pragma facility operation ...`: what is not for this assembler is ignored. */
  pragma(tokens: readonly Token[]): void {
    this.#host.pragma(tokens.filter((token) => !isSpace(token)).map(({ text }) => text));
  }

  /** `%use`: the package's macros are read before the next line. */
  usePackage(name: string, text: string): void {
    this.packages.add(name);
    this.#host.usesPackage(name);
    if (text !== "") this.#pushFile({ uri: `nasm:${name}`, text }, undefined);
  }

  /** Parameters are put in when a line is read for good: a repetition's body may rotate them. */
  #line(raw: TokenLine): void {
    if (this.#recording) {
      this.#record(raw, trim(raw.tokens)[0]);
      return;
    }
    if (NOTHING.test(raw.line.text)) return;
    const { expansion, again, maker } = this.#frames.at(-1)!;
    const { lines } = this.#host;
    const call = expansion?.call;
    const own = call ? { ...raw.line, call } : raw.line;
    maker?.read();
    if (this.#conditions.active && lines.replay(own, again)) {
      maker?.add(raw, lines.statementOf(own), lines.outcomeOf(own)?.words);
      return;
    }
    const { tokens, line } = expansion ? instantiate(raw, expansion, this.#host.budget) : raw;
    const text = trim(tokens);
    const [first] = text;
    if (!first) return;
    if (first.kind === "pp" && /^%[a-z]/i.test(first.text)) {
      this.#directive(first, text.slice(1));
      return;
    }
    if (!this.#conditions.active) return;
    const expanded = trim(this.expand(text));
    if (expanded.length === 0 || this.#callMacro(expanded, line)) return;
    if (again) this.#host.budget.chargeLine("statements", 1, line);
    this.#host.statement(joinTouching(expanded), line);
    maker?.add(raw, lines.statementOf(line), lines.wordsOf(textOf(text)));
  }

  /** The macro of that name in lower case, if there is just one. */
  onlyMacro(lower: string): MultiMacro | undefined {
    const macros = this.#multi.get(lower);
    return macros?.length === 1 ? macros[0] : undefined;
  }

  /** What a word in lower case expands to, if that is simple: "" if it is no macro. */
  expansionOf(lower: string): string | undefined {
    return this.#multi.has(lower) ? undefined : this.macros.expansionOf(lower);
  }

  #directive(first: Token, rest: readonly Token[]): void {
    const name = first.text.toLowerCase();
    if (this.#conditions.handle(name, rest, first, this)) return;
    if (!this.#conditions.active) return;
    const directive = lookUp(PP_DIRECTIVES, name);
    if (!directive) throw new SourceError(first, `unknown preprocessor directive '${first.text}'`);
    directive(this, rest, first, name);
  }

  // Expansion

  /** Context-local names and single-line macros replaced. */
  expand(tokens: readonly Token[]): Token[] {
    return this.macros.expand(this.contexts.named(tokens));
  }

  /** Only `%[...]` and context-local names replaced: where a directive wants a name. */
  indirect(tokens: readonly Token[]): readonly Token[] {
    const named = this.contexts.named(tokens);
    if (!named.some((token) => token.text === "%[")) return named;
    const end = named.findIndex((token, i) => i > 0 && isSpace(token));
    const head = end < 0 ? named : named.slice(0, end);
    return head.some((token) => token.text === "%[")
      ? [...this.macros.expand(head), ...(end < 0 ? [] : named.slice(end))]
      : named;
  }

  /** A body as it is kept: `%[...]` counts at once. */
  expandMarked(tokens: readonly Token[]): readonly Token[] {
    return this.macros.expandMarked(this.contexts.named(tokens));
  }

  evaluate(tokens: readonly Token[], span: Span): bigint {
    const expanded = trim(this.expand(tokens));
    if (expanded.length === 0) throw new SourceError(span, "expected an expression");
    return this.#host.constant(expanded, span);
  }

  /** NASM's own directives are macros, too, and push contexts: they take numbers. */
  takeIds(count: number): number {
    this.#ids += count;
    return this.#ids;
  }

  // Multi-line macros

  #record(line: TokenLine, first: Token | undefined): void {
    const recording = this.#recording!;
    const word = first?.kind === "pp" ? first.text : "";
    if (recording.opens.test(word)) recording.depth++;
    if (recording.ends.test(word) && --recording.depth === 0) {
      this.#recording = undefined;
      recording.finish();
      return;
    }
    recording.lines.push(line);
  }

  beginMacro(tokens: readonly Token[], kind: string, span: Span): void {
    const recording: Recording = {
      opens: /^%i?r?macro$/i,
      ends: /^%endm(acro)?$/i,
      lines: [],
      span,
      what: kind,
      depth: 1,
      finish: () => {},
    };
    this.#recording = recording;
    const macro = readMacroHead(this.expand(tokens), kind, span);
    if (macro.defaults.length > macro.most - macro.least)
      this.reporter.warning(span, `macro '${macro.name}' has more defaults than parameters that may be left out`);
    recording.finish = () => {
      append(macro.body, recording.lines);
      const key = macro.name.toLowerCase();
      const before = this.#multi.get(key) ?? [];
      this.#host.budget.charge("steps", before.length, span);
      if (!this.#multi.has(key)) this.macros.names.note(`macro ${key}`);
      const replaced = before.filter(
        (one) => one.least === macro.least && one.most === macro.most && sameName(one, macro.name),
      );
      if (replaced[0]) this.reporter.warning(span, `macro '${macro.name}' is defined anew`, [definedAt(replaced[0])]);
      const others = before.filter((one) => !replaced.includes(one));
      this.#multi.set(key, [...others, macro]);
    };
  }

  removeMacro(tokens: readonly Token[], span: Span): void {
    const { name, least, most } = readMacroHead(this.expand(tokens), "%unmacro", span);
    const key = name.toLowerCase();
    if (!this.#multi.has(key)) this.macros.names.note(`macro ${key}`);
    this.#multi.set(
      key,
      (this.#multi.get(key) ?? []).filter((one) => one.least !== least || one.most !== most || !sameName(one, name)),
    );
  }

  /** `%clear`: no macros of either kind any more. */
  forget(): void {
    this.macros.clear();
    this.#multi.clear();
  }

  hasMacro(tokens: readonly Token[], span: Span): boolean {
    const { name, least, most } = readMacroHead(tokens, "%ifmacro", span);
    const asked = trim(tokens).length > 1;
    return (this.#multi.get(name.toLowerCase()) ?? []).some(
      (one) => sameName(one, name) && (!asked || (one.least <= most && (one.greedy || one.most >= least))),
    );
  }

  /** If the line uses a multi-line macro (after a label or not), its body is read next. */
  #callMacro(tokens: readonly Token[], line: Line): boolean {
    if (this.#multi.size === 0) return false;
    const found = this.#findMacro(tokens, 0) ?? this.#findAfterLabel(tokens);
    if (!found) return false;
    const { macro, args, at, label } = found;
    const site = tokens[at]!;
    const last = tokens.at(-1)!;
    const span = last.line === site.line ? { ...site, end: Math.max(site.end, last.end) } : site;
    if (label.length > 0 && !usesLabel(macro))
      this.#host.statement([...label.filter((token) => token.text !== ":"), ...tokensFor(":", label[0]!)], line);
    const call: Call = { message: `in this use of macro '${macro.name}'`, site: span, hidesBody: true };
    const expansion: Expansion = {
      macro,
      args,
      first: 0,
      label: label.filter((token) => token.text !== ":"),
      id: ++this.#ids,
      call,
      invoked: site.text,
    };
    const before = this.#frames.at(-1)!;
    const maker = before.again || before.expansion ? undefined : this.#host.lines.callMaker(line, expansion);
    macro.busy++;
    let next = 0;
    const frame: Frame = {
      kind: "macro",
      again: true,
      expansion,
      maker,
      conditions: this.#conditions.depth,
      next: () => macro.body[next++],
    };
    this.#push(frame, span);
    return true;
  }

  #findMacro(tokens: readonly Token[], at: number, label: readonly Token[] = []) {
    const name = tokens[at];
    const candidates = name?.kind === "id" ? this.#multi.get(name.text.toLowerCase()) : undefined;
    const usable = candidates?.filter((one) => sameName(one, name!.text) && (one.busy === 0 || one.recursive));
    if (!usable || usable.length === 0) return undefined;
    this.#host.budget.charge("steps", candidates!.length, name!);
    for (const macro of usable) {
      const args = bind(macro, tokens.slice(at + 1));
      if (args) return { macro, args, at, label };
    }
    if (label.length === 0)
      this.reporter.warning(
        name!,
        `macro '${name!.text}' exists, but not with this number of parameters`,
        usable.map(definedAt),
      );
    return undefined;
  }

  #findAfterLabel(tokens: readonly Token[]) {
    if (tokens[0]?.kind !== "id") return undefined;
    let at = 1;
    while (isSpace(tokens[at])) at++;
    if (tokens[at]?.text === ":") at++;
    while (isSpace(tokens[at])) at++;
    return this.#findMacro(tokens, at, trim(tokens.slice(0, at)));
  }

  #expansion(span: Span, what: string): Expansion {
    const frame = this.#frames.findLast((one) => one.expansion);
    if (!frame?.expansion) throw new SourceError(span, `'${what}' outside a macro`);
    return frame.expansion;
  }

  rotate(by: bigint, span: Span): void {
    const expansion = this.#expansion(span, "%rotate");
    const count = expansion.args.length;
    if (count === 0) throw new SourceError(span, "'%rotate' in a macro without parameters");
    const shift = Number(((by % BigInt(count)) + BigInt(count)) % BigInt(count));
    expansion.first = (expansion.first + shift) % count;
  }

  // Repetitions

  beginRepeat(count: bigint, span: Span): void {
    if (count < 0n) this.reporter.warning(span, `a negative number of repetitions (${count}): none are done`);
    if (count > MAX_REPEATS) throw new FatalError(span, `'%rep' of ${count} times; at most ${MAX_REPEATS} are done`);
    const recording: Recording = {
      opens: /^%rep$/i,
      ends: /^%endrep$/i,
      lines: [],
      span,
      what: "%rep",
      depth: 1,
      finish: () => {},
    };
    this.#recording = recording;
    const expansion = this.#frames.at(-1)?.expansion;
    recording.finish = () => {
      const { lines } = recording;
      let round = 0n;
      let at = 0;
      const next = (): TokenLine | undefined => {
        if (at >= lines.length) {
          at = 0;
          round++;
        }
        return round < count && lines.length > 0 ? lines[at++] : undefined;
      };
      this.#push(
        { kind: "rep", next, again: true, conditions: this.#conditions.depth, ...(expansion && { expansion }) },
        span,
      );
    };
  }

  /** `%exitrep`, `%exitmacro`. */
  exit(kind: "rep" | "macro", span: Span): void {
    const at = this.#frames.findLastIndex((frame) => frame.kind === kind);
    if (at < 0) throw new SourceError(span, `'%exit${kind}' outside ${kind === "rep" ? "'%rep'" : "a macro"}`);
    this.#conditions.unwind(this.#frames[at]!.conditions);
    while (this.#frames.length > at) this.#leave(this.#frames.at(-1)!);
  }
}

/** A macro that uses `%00` places its label itself. */
const usesLabel = (macro: MultiMacro): boolean =>
  macro.body.some(({ tokens }) => tokens.some((token) => token.text === "%00" || token.text === "%{00}"));
