/** Collects diagnostics: at most 100, each once, with the macro calls that led there as related places. */
import type { AssembleResult, Bits, Diagnostic, Dialect, Range } from "../types.ts";
import { callChain, rangeOf, type Span } from "./source.ts";

export const MAX_DIAGNOSTICS = 100;
/** A message may quote the source, where anything may stand. */
const MAX_MESSAGE = 300;

export type Related = { readonly message: string; readonly range: Range };

/** Ends the statement at hand; whoever reads statements reports it and goes on with the next one. */
export class SourceError {
  readonly span: Span;
  readonly message: string;
  readonly related: readonly Related[];
  readonly fix: Diagnostic["fix"];

  constructor(span: Span, message: string, related: readonly Related[] = [], fix?: Diagnostic["fix"]) {
    this.span = span;
    this.message = message;
    this.related = related;
    this.fix = fix;
  }
}

/** Ends the whole run: a limit was passed and going on would only waste time and memory. */
export class FatalError extends SourceError {}

export class Reporter {
  readonly diagnostics: Diagnostic[] = [];
  #seen = new Set<string>();
  errors = 0;
  /** How often anything was reported, shown or not. */
  reported = 0;

  /** No more diagnostics are taken: the reader may stop. */
  get full(): boolean {
    return this.diagnostics.length > MAX_DIAGNOSTICS;
  }

  error(span: Span, message: string, related: readonly Related[] = [], fix?: Diagnostic["fix"]): void {
    this.#add("error", span, message, related, fix);
  }

  warning(span: Span, message: string, related: readonly Related[] = []): void {
    this.#add("warning", span, message, related);
  }

  report(error: SourceError): void {
    this.error(error.span, error.message, error.related, error.fix);
  }

  /** Runs one statement; reports its error. False if there was one. A FatalError goes on to the caller. */
  guard(statement: () => void): boolean;
  guard<T>(statement: (argument: T) => void, argument: T): boolean;
  guard<T>(statement: (argument?: T) => void, argument?: T): boolean {
    try {
      statement(argument);
      return true;
    } catch (error) {
      if (!(error instanceof SourceError) || error instanceof FatalError) throw error;
      this.report(error);
      return false;
    }
  }

  #add(
    severity: Diagnostic["severity"],
    span: Span,
    message: string,
    related: readonly Related[],
    fix?: Diagnostic["fix"],
  ): void {
    this.reported++;
    if (severity === "error") this.errors++;
    if (this.full) return;
    const range = rangeOf(span);
    const shown = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}...` : message;
    const key = `${severity} ${range.uri} ${range.line} ${range.column} ${shown}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    if (this.diagnostics.length === MAX_DIAGNOSTICS) {
      this.diagnostics.push({
        severity: "error",
        message: `more than ${MAX_DIAGNOSTICS} problems; the rest is not shown`,
        range,
      });
      return;
    }
    const all = [...related, ...callChain(span.line)];
    this.diagnostics.push({
      severity,
      message: shown,
      range,
      ...(all.length > 0 && { related: all }),
      ...(fix && { fix }),
    });
  }
}

/** What comes of a source that could not be read to its end. */
export const onlyDiagnostics = (dialect: Dialect, bits: Bits, diagnostics: readonly Diagnostic[]): AssembleResult => ({
  dialect,
  sections: [],
  symbols: [],
  lines: [],
  bits,
  diagnostics,
});
