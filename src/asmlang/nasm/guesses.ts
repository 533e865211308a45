/**
 * Values that the text itself depends on (`%if`, `%assign`, `times`) but that only layout settles. NASM reads its source
 * again in every pass; here such a value is guessed, and the source read again until all guesses hold.
 */
import type { Budget } from "../core/budget.ts";
import { type EvalContext, type Expr, evaluate } from "../core/expr.ts";
import type { AsmSymbol } from "../core/symbols.ts";

const MAX_ROUNDS = 16;
const MAX_DEPTH = 200;

export class Guesses {
  readonly round: number;
  /** One for all rounds. */
  readonly budget: Budget;
  readonly #first: EvalContext;
  readonly #guessed: readonly bigint[];
  readonly #asked: Expr[] = [];
  #settled: bigint[] | undefined;

  constructor(budget: Budget, guessed: readonly bigint[] = [], round = 0) {
    this.budget = budget;
    this.#first = firstIdea(budget);
    this.#guessed = guessed;
    this.round = round;
  }

  /** What the value is taken to be in this round. */
  guess(expr: Expr): bigint {
    this.#asked.push(expr);
    const before = this.#guessed[this.#asked.length - 1];
    if (before !== undefined) return before;
    const value = evaluate(expr, this.#first);
    return value?.terms.length === 0 ? value.constant : 0n;
  }

  /** Layout is done: what the values are. */
  settle(context: EvalContext): void {
    this.#settled = this.#asked.map((expr) => {
      const value = evaluate(expr, context);
      return value?.terms.length === 0 ? value.constant : 0n;
    });
  }

  /** Guesses for another round; undefined if these hold, or nothing better is known. */
  next(): Guesses | undefined {
    const found = this.#settled;
    if (!found || this.round >= MAX_ROUNDS) return undefined;
    const holds = found.every((value, i) => value === this.#guessed[i]);
    return holds ? undefined : new Guesses(this.budget, found, this.round + 1);
  }

  /** The first value that came out otherwise than it was guessed in the last round that is tried. */
  get unsettled(): Expr | undefined {
    if (this.round < MAX_ROUNDS) return undefined;
    return this.#asked.find((_, i) => this.#settled?.[i] !== this.#guessed[i]);
  }
}

/** Are all labels in it placed already, so that only their distances are open? A lone address is no number. */
export const isPlaced = (expr: Expr): boolean => addressWeight(expr, undefined) === 0;

/** Has everything in it been defined above? */
export const isDefinedAbove = (expr: Expr): boolean => addressWeight(expr, undefined) !== undefined;

/** What symbols that are defined further on weigh: they cancel each other out, and nothing else does. */
const UNPLACED = 1 << 20;

/** Is it a number, as far as one can say where labels further on are all alike? */
export const isDistance = (expr: Expr): boolean => addressWeight(expr, UNPLACED) === 0;

/** How many addresses a value counts for: 0 if it is a number; undefined if it cannot be said. */
function addressWeight(expr: Expr, unplaced: number | undefined, depth = 0): number | undefined {
  if (depth > MAX_DEPTH) return undefined;
  const weigh = (part: Expr) => addressWeight(part, unplaced, depth + 1);
  switch (expr.op) {
    case "number":
      return 0;
    case "symbol": {
      const { definition } = expr.symbol;
      if (definition?.kind === "equate") return weigh(definition.expr);
      return definition?.kind === "label" ? (expr.symbol.section?.absolute ? 0 : 1) : unplaced;
    }
    case "unary": {
      const a = weigh(expr.a);
      return expr.operator === "-" && a !== undefined ? -a : a;
    }
    case "binary": {
      const [a, b] = [weigh(expr.a), weigh(expr.b)];
      if (a === undefined || b === undefined) return undefined;
      if (expr.operator === "+") return a + b;
      return expr.operator === "-" ? a - b : a === b || (a === 0 && b === 0) ? 0 : undefined;
    }
    case "apply":
      return weigh(expr.a);
    default:
      return undefined;
  }
}

/** A first idea of distances: what has no fixed size takes no room. */
function roughDistance(a: AsmSymbol, b: AsmSymbol): bigint | undefined {
  if (a.definition?.kind !== "label" || b.definition?.kind !== "label") return undefined;
  const [x, y] = [a.definition, b.definition];
  if (x.fragment.section !== y.fragment.section) return undefined;
  return BigInt(x.fragment.known + x.offset - y.fragment.known - y.offset);
}

function firstIdea(budget: Budget): EvalContext {
  return {
    budget,
    final: false,
    distance: roughDistance,
    absolute: () => undefined,
    unresolved: () => undefined,
  };
}
