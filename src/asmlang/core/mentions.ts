/**
 * The names that the statement at hand has used. What a statement means depends on its text, on the assembler's state, and
 * on what these names stand for, as far as it shows before layout.
 */
import type { SourceText } from "../types.ts";
import type { EvalContext } from "./expr.ts";
import type { Span } from "./source.ts";
import type { AsmSymbol } from "./symbols.ts";

export interface Mention {
  /** As the statement has it: the dialect knows which symbol that is at a place. */
  readonly name: string;
  readonly symbol: AsmSymbol;
  readonly span: Span;
}

/** In a source of more characters than this what is met once is likely never met again: keeping it costs more than it saves. */
const SHORT = 200_000;
/** And this one has more lines than are worth remembering. */
const LONG = 1_000_000;

export class Mentions {
  /** Is more kept than what depends on no name? */
  readonly kept: boolean;
  /** Is a statement kept when it is met for the first time? */
  readonly keptAtOnce: boolean;
  list: Mention[] = [];
  /** Something else was used, too: the present place, the offset table, a name with a meaning of its own. */
  special = false;

  constructor(source: SourceText) {
    this.kept = source.text.length <= LONG;
    this.keptAtOnce = source.text.length <= SHORT;
  }

  clear(): void {
    if (this.list.length > 0) this.list = [];
    this.special = false;
  }

  /** Nothing was used. */
  get isEmpty(): boolean {
    return this.list.length === 0 && !this.special;
  }

  note(name: string, symbol: AsmSymbol, span: Span): void {
    this.list.push({ name, symbol, span });
  }
}

/** A number; "place": an address, or what is not known yet; undefined: anything more complicated. */
export type Meaning = bigint | "place" | undefined;

export function meaningOf(symbol: AsmSymbol | undefined, now: EvalContext): Meaning {
  const definition = symbol?.definition;
  if (!definition) return "place";
  if (definition.kind === "equate") return definition.expr.op === "number" ? definition.expr.value : undefined;
  return symbol.section?.absolute ? now.absolute(symbol) : "place";
}
