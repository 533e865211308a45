/**
 * Values that the text itself depends on (`%if`, `%assign`, `times`) but that only layout settles. NASM reads its source
 * again in every pass; here such a value is guessed, and the source read again until all guesses hold.
 */
import { type EvalContext, type Expr, evaluate } from "../core/expr.ts";
import type { AsmSymbol } from "../core/symbols.ts";

const MAX_ROUNDS = 16;

export class Guesses {
  readonly round: number;
  readonly #guessed: readonly bigint[];
  readonly #asked: Expr[] = [];
  #settled: bigint[] | undefined;

  constructor(guessed: readonly bigint[] = [], round = 0) {
    this.#guessed = guessed;
    this.round = round;
  }

  /** What the value is taken to be in this round. */
  guess(expr: Expr): bigint {
    this.#asked.push(expr);
    const before = this.#guessed[this.#asked.length - 1];
    if (before !== undefined) return before;
    const value = evaluate(expr, FIRST);
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
    return holds ? undefined : new Guesses(found, this.round + 1);
  }

  /** The first value that came out otherwise than it was guessed in the last round that is tried. */
  get unsettled(): Expr | undefined {
    if (this.round < MAX_ROUNDS) return undefined;
    return this.#asked.find((_, i) => this.#settled?.[i] !== this.#guessed[i]);
  }
}

/** A first idea of distances: what has no fixed size takes no room. */
function roughDistance(a: AsmSymbol, b: AsmSymbol): bigint | undefined {
  if (a.definition?.kind !== "label" || b.definition?.kind !== "label") return undefined;
  const [x, y] = [a.definition, b.definition];
  if (x.fragment.section !== y.fragment.section) return undefined;
  const [first, last, sign] = x.fragment.index < y.fragment.index ? [x, y, -1] : [y, x, 1];
  let distance = last.offset - first.offset;
  const { fragments } = first.fragment.section;
  for (let i = first.fragment.index; i < last.fragment.index; i++) distance += fragments[i]!.fixedSize() ?? 0;
  return BigInt(distance * sign);
}

const FIRST: EvalContext = {
  final: false,
  here: undefined,
  distance: roughDistance,
  absolute: () => undefined,
  unresolved: () => undefined,
  at: () => FIRST,
};
