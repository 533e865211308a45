/**
 * Statements taken out of the run that they were read in: places are columns, symbols are numbers of names. Put into another
 * run they are what reading the same text there would give, if the names in it mean the same.
 */
import type { AsmOperand } from "../encode/types.ts";
import type { ObjectBuilder } from "./builder.ts";
import type { EvalContext, Expr } from "./expr.ts";
import type { Fragment, PendingFixup } from "./fragment.ts";
import { type EncodingMemo, mapValues, type Statement, Symbolic } from "./instruction.ts";
import { type Meaning, type Mention, meaningOf } from "./mentions.ts";
import type { Line, Span } from "./source.ts";
import { AsmSymbol } from "./symbols.ts";

/** Part of the statement's line, or of another one that stands for the place of a macro's use. */
export interface Part {
  readonly line?: Line;
  readonly start: number;
  readonly end: number;
}

export interface KnownName extends Part {
  readonly name: string;
  readonly meaning: Meaning;
}

export interface KnownStatement {
  /** Bytes at the end of the section, and fields in them. */
  readonly bytes: Uint8Array;
  readonly fixups: readonly PendingFixup[];
  /** Instructions, not data. */
  readonly code: boolean;
  /** Or a fragment whose size layout decides. */
  readonly instruction: KnownInstruction | undefined;
  readonly names: readonly KnownName[];
  /** Part of it stands in the line that uses the macro whose body the statement's line is in. */
  readonly sited: boolean;
}

export type MakeFragment = (builder: ObjectBuilder, line: Line, statement: Statement) => Fragment;

export interface KnownInstruction {
  readonly statement: Statement;
  readonly make: MakeFragment;
}

/** Stands for the symbol of a name. */
class Slot extends AsmSymbol {
  readonly index: number;

  constructor(index: number) {
    super("");
    this.index = index;
  }
}

const SLOTS: Slot[] = [];
const slot = (index: number): Slot => (SLOTS[index] ??= new Slot(index));
/** With more names than this a statement is not kept. */
const MAX_NAMES = 16;
/** Most statements have no names and no fields: they share this. */
export const NOTHING: readonly never[] = [];
const NO_LINE: Line = { text: "", uri: "", line: 0 };
/** Stands for the line that uses the macro. */
const SITE: Line = { text: "", uri: "", line: 0 };

/** Takes the parts of a statement out of its run. */
export class Detaching {
  readonly #line: Line;
  readonly #mentions: readonly Mention[];
  readonly #meanings: readonly Meaning[];
  /** Everything in it stands in its line, and is named by it. */
  #plain = true;
  /** Uses of places. */
  #places = 0;
  sited = false;

  constructor(line: Line, mentions: readonly Mention[], now: EvalContext) {
    this.#line = line;
    this.#mentions = mentions;
    this.#meanings = mentions.length === 0 ? NOTHING : mentions.map(({ symbol }) => meaningOf(symbol, now));
    this.#plain = mentions.length <= MAX_NAMES && !this.#meanings.includes(undefined);
  }

  /** Is it all that its text, its state and the meanings of its names make? Distances between places may be known or not. */
  get complete(): boolean {
    let places = 0;
    for (const meaning of this.#meanings) if (meaning === "place") places++;
    return this.#plain && this.#places === places;
  }

  names(): readonly KnownName[] {
    if (this.#mentions.length === 0) return NOTHING;
    return this.#mentions.map(({ name, span }, i) => ({ name, ...this.span(span), meaning: this.#meanings[i] }));
  }

  span({ line, start, end }: Span): Span {
    if (line === this.#line) return { line: NO_LINE, start, end };
    if (line === this.#line.call?.site.line) this.sited = true;
    else this.#plain = false;
    return { line: SITE, start, end };
  }

  expr(expr: Expr): Expr {
    const before = this.#places;
    const detached = this.#tree(expr);
    if (this.#places > before + 1) this.#plain = false;
    return detached;
  }

  #tree(expr: Expr): Expr {
    const span = this.span(expr.span);
    switch (expr.op) {
      case "number":
        return { ...expr, span };
      case "symbol":
        return { op: "symbol", symbol: this.#slot(expr.symbol), span };
      case "unary":
      case "apply":
        return { ...expr, a: this.#tree(expr.a), span };
      case "binary":
        return { ...expr, a: this.#tree(expr.a), b: this.#tree(expr.b), span };
      case "choose":
        return { ...expr, test: this.#tree(expr.test), a: this.#tree(expr.a), b: this.#tree(expr.b), span };
    }
  }

  #slot(symbol: AsmSymbol): AsmSymbol {
    const index = this.#mentions.findIndex((one) => one.symbol === symbol);
    if (this.#meanings[index] === "place") this.#places++;
    if (index < 0) this.#plain = false;
    return index < 0 ? symbol : slot(index);
  }

  fixup(fixup: PendingFixup, start: number): PendingFixup {
    return { ...fixup, offset: fixup.offset - start, expr: this.expr(fixup.expr) };
  }

  statement({ request, spans, mnemonic, relaxable }: Statement): Statement {
    return {
      request: { ...request, operands: request.operands.map((one) => this.#operand(one)) },
      spans: spans.map((span) => this.span(span)),
      mnemonic: this.span(mnemonic),
      relaxable,
      memo: new Map(),
    };
  }

  #operand(operand: AsmOperand): AsmOperand {
    return mapValues(operand, (value) => new Symbolic(this.expr(value.expr), value.known, value.modifier));
  }
}

/** The statement in a run: the known one's request, whose expressions get the symbols of its names and its line when they are asked for. */
export class Attaching implements Statement {
  readonly #line: Line;
  readonly #symbols: readonly AsmSymbol[];
  readonly #known: Statement;
  /** The expression that was bound last: mostly there is only one. */
  #expr: Expr | undefined;
  #bound: Expr | undefined;

  constructor(known: Statement, symbols: readonly AsmSymbol[], line: Line) {
    this.#line = line;
    this.#symbols = symbols;
    this.#known = known;
  }

  get request(): Statement["request"] {
    return this.#known.request;
  }

  get spans(): readonly Span[] {
    return this.#known.spans.map((span) => placed(span, this.#line));
  }

  get mnemonic(): Span {
    return placed(this.#known.mnemonic, this.#line);
  }

  get memo(): EncodingMemo {
    return this.#known.memo!;
  }

  get relaxable(): Statement["relaxable"] {
    return this.#known.relaxable;
  }

  bind(expr: Expr): Expr {
    if (this.#bound && this.#expr === expr) return this.#bound;
    this.#expr = expr;
    return (this.#bound = attached(expr, this.#symbols, this.#line));
  }
}

const placed = ({ line: own, start, end }: Part, line: Line): Span => ({
  line: own === SITE ? line.call!.site.line : line,
  start,
  end,
});

export function attached(expr: Expr, symbols: readonly AsmSymbol[], line: Line): Expr {
  const span = placed(expr.span, line);
  switch (expr.op) {
    case "number":
      return { op: "number", value: expr.value, span };
    case "symbol":
      return { op: "symbol", symbol: symbols[(expr.symbol as Slot).index]!, span };
    case "unary":
      return { op: "unary", operator: expr.operator, a: attached(expr.a, symbols, line), span };
    case "binary": {
      const a = attached(expr.a, symbols, line);
      return { op: "binary", operator: expr.operator, a, b: attached(expr.b, symbols, line), span };
    }
    case "apply":
      return { ...expr, a: attached(expr.a, symbols, line), span };
    case "choose": {
      const [test, a, b] = [expr.test, expr.a, expr.b].map((part) => attached(part, symbols, line));
      return { op: "choose", test: test!, a: a!, b: b!, span };
    }
  }
}

/** The expression with other numbers for its names. */
export function renumbered(expr: Expr, numbers: readonly number[]): Expr {
  switch (expr.op) {
    case "number":
      return expr;
    case "symbol":
      return { ...expr, symbol: slot(numbers[(expr.symbol as Slot).index]!) };
    case "unary":
    case "apply":
      return { ...expr, a: renumbered(expr.a, numbers) };
    case "binary":
      return { ...expr, a: renumbered(expr.a, numbers), b: renumbered(expr.b, numbers) };
    case "choose": {
      const [test, a, b] = [expr.test, expr.a, expr.b].map((part) => renumbered(part, numbers));
      return { ...expr, test: test!, a: a!, b: b! };
    }
  }
}

export function renumberedStatement(statement: Statement, numbers: readonly number[]): Statement {
  const { request } = statement;
  const value = ({ expr, known, modifier }: Symbolic) => new Symbolic(renumbered(expr, numbers), known, modifier);
  return { ...statement, request: { ...request, operands: request.operands.map((one) => mapValues(one, value)) } };
}

/** What the dialect's names stand for at the present place. */
export interface NameScope {
  /** undefined: the name has a meaning of its own here. null: there is no such symbol yet. */
  find(name: string): AsmSymbol | null | undefined;
  /** The symbol, used at this place. */
  use(name: string, span: Span): AsmSymbol;
  readonly now: EvalContext;
}

/** Do the names mean what they meant? */
export function holds({ names }: KnownStatement, scope: NameScope): boolean {
  for (const { name, meaning } of names) {
    const symbol = scope.find(name);
    if (symbol === undefined || meaningOf(symbol ?? undefined, scope.now) !== meaning) return false;
  }
  return true;
}

/** Puts a statement at the present place. */
export function replay(known: KnownStatement, builder: ObjectBuilder, line: Line, scope: NameScope): void {
  const { names, instruction, bytes, fixups, code } = known;
  const symbols = names.length === 0 ? NOTHING : names.map((part) => scope.use(part.name, placed(part, line)));
  const bits = code ? builder.bits : undefined;
  if (instruction) {
    const statement = new Attaching(instruction.statement, symbols, line);
    builder.row(builder.add(instruction.make(builder, line, statement)), 0, line, bits);
  } else if (fixups.length === 0) builder.bytes(bytes, line, [], bits);
  else {
    const bound = fixups.map((fixup) => ({ ...fixup, expr: attached(fixup.expr, symbols, line) }));
    builder.bytes(bytes, line, bound, bits);
  }
}
