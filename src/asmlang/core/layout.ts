/**
 * Layout: gives every fragment its offset, again and again until nothing moves. Branches start short and grow; what is
 * measured against labels further on uses their place in the pass before, as the tools do.
 */
import type { Budget } from "./budget.ts";
import { FatalError, type Reporter, SourceError } from "./diagnostics.ts";
import { type EvalContext, evaluateConstant } from "./expr.ts";
import { BytesFragment, type Fragment, MAX_SECTION_BYTES } from "./fragment.ts";
import { type Span, wholeLine } from "./source.ts";
import type { AsmSymbol, SectionBuilder } from "./symbols.ts";

/** After this many passes sizes may only grow, so that every source settles. */
const SHRINKING_PASSES = 12;
const MAX_PASSES = 400;
/** Bytes of all sections that hold any: known sizes are paid for when they are written, these are found out here. */
const MAX_BYTES = 4 * MAX_SECTION_BYTES;

export interface LayoutPolicy {
  /** Symbols without definition are external (GNU), or only those declared so (NASM). */
  readonly undefinedIsExternal: boolean;
}

export class Layout {
  readonly policy: LayoutPolicy;
  readonly budget: Budget;
  pass = 0;
  /** Sizes may no longer shrink. */
  growOnly = false;
  /** Offsets are settled; what cannot be computed now is an error. */
  final = false;
  readonly #strict = new LayoutContext(this, true);
  readonly #lenient = new LayoutContext(this, false);

  constructor(policy: LayoutPolicy, budget: Budget) {
    this.policy = policy;
    this.budget = budget;
  }

  /** Runs passes to the fixpoint; false if it gave up (reported). */
  run(fragments: readonly Fragment[], sections: readonly SectionBuilder[], reporter: Reporter): boolean {
    for (this.pass = 0; this.pass < MAX_PASSES; this.pass++) {
      this.growOnly = this.pass >= SHRINKING_PASSES;
      if (!this.#onePass(fragments, sections)) {
        this.final = true;
        return this.#report(fragments, reporter);
      }
    }
    reporter.error(
      wholeLine(fragments[0]!.line),
      "the addresses in this program do not settle: some size depends on itself",
    );
    return false;
  }

  /** True if anything moved. */
  #onePass(fragments: readonly Fragment[], sections: readonly SectionBuilder[]): boolean {
    let moved = this.pass === 0;
    let bytes = 0;
    for (const section of sections) section.size = 0;
    if (fragments[0]) this.budget.charge("steps", fragments.length, wholeLine(fragments[0].line));
    for (const fragment of fragments) {
      const { section } = fragment;
      if (section.absolute && fragment.index === 0) moved = this.#startAbsolute(fragment) || moved;
      fragment.stretch = section.size - fragment.offset;
      fragment.pass = this.pass;
      if (fragment.stretch !== 0) moved = true;
      fragment.offset = section.size;
      let size = this.#measure(fragment);
      if (this.growOnly && size < fragment.size) size = fragment.size;
      if (size !== fragment.size) moved = true;
      fragment.size = size;
      section.size += size;
      fragment.placed = true;
      if (section.flags.nobits || section.absolute) continue;
      bytes += size;
      if (bytes > MAX_BYTES)
        throw new FatalError(wholeLine(fragment.line), `all sections together are larger than ${MAX_BYTES} bytes`);
      if (section.size > MAX_SECTION_BYTES)
        throw new FatalError(
          wholeLine(fragment.line),
          `section ${section.name} is larger than ${MAX_SECTION_BYTES} bytes`,
        );
    }
    return moved;
  }

  #startAbsolute(fragment: Fragment): boolean {
    const { section } = fragment;
    const before = section.base;
    try {
      section.base = evaluateConstant(section.absoluteStart!, this.context()) ?? 0n;
    } catch (error) {
      section.base = notYet(error) ?? 0n;
    }
    return section.base !== before;
  }

  /** Errors wait until the layout is settled: only then are they true. */
  #measure(fragment: Fragment): number {
    try {
      return fragment.measure(this);
    } catch (error) {
      return notYet(error) ?? fragment.size;
    }
  }

  #report(fragments: readonly Fragment[], reporter: Reporter): boolean {
    const check = (fragment: Fragment) => {
      const size = fragment.measure(this);
      if (size > fragment.size)
        throw new SourceError(wholeLine(fragment.line), "the size of this statement does not settle");
    };
    for (const fragment of fragments) if (!(fragment instanceof BytesFragment)) reporter.guard(check, fragment);
    return true;
  }

  /** GNU as takes undefined symbols for zero where their value is needed. */
  get undefinedIsZero(): boolean {
    return this.policy.undefinedIsExternal;
  }

  offsetOf(symbol: AsmSymbol): number {
    const { definition } = symbol;
    return definition?.kind === "label" ? definition.fragment.offset + definition.offset : 0;
  }

  /**
   * Where a label is, or will be in this pass, seen from `from`: GNU lets a label further on move as far as `from` did,
   * unless an alignment between them may absorb it. undefined: it cannot be behind `from`, so it is taken to be near.
   */
  forecast(symbol: AsmSymbol, from: Fragment): number | undefined {
    const { definition } = symbol;
    if (definition?.kind !== "label") return undefined;
    const { fragment } = definition;
    const offset = this.offsetOf(symbol);
    if (fragment.pass === this.pass || from.stretch === 0) return offset;
    if (from.stretch < 0 || fragment.region === from.region) return offset + from.stretch;
    return offset < from.offset ? undefined : offset;
  }

  /** `final`: what cannot be known is an error; by default once layout is settled. */
  context(final = this.final): EvalContext {
    return final ? this.#strict : this.#lenient;
  }

  isKnown(symbol: AsmSymbol): boolean {
    return symbol.definition?.kind === "label" && symbol.definition.fragment.placed;
  }

  /** NASM's first pass does not know labels further on at all. */
  isReached(symbol: AsmSymbol): boolean {
    return symbol.definition?.kind !== "label" || symbol.definition.fragment.placed;
  }

  readonly reachedOffset = (symbol: AsmSymbol): number | undefined =>
    this.isReached(symbol) ? this.offsetOf(symbol) : undefined;
}

/** Passes on what ends the run; anything else waits. */
function notYet(error: unknown): undefined {
  if (error instanceof SourceError && !(error instanceof FatalError)) return undefined;
  throw error;
}

class LayoutContext implements EvalContext {
  readonly #layout: Layout;
  readonly final: boolean;

  constructor(layout: Layout, final: boolean) {
    this.#layout = layout;
    this.final = final;
  }

  get budget(): Budget {
    return this.#layout.budget;
  }

  distance(a: AsmSymbol, b: AsmSymbol): bigint | undefined {
    const layout = this.#layout;
    if (!layout.isKnown(a) || !layout.isKnown(b)) return undefined;
    return BigInt(layout.offsetOf(a) - layout.offsetOf(b));
  }

  absolute(symbol: AsmSymbol): bigint | undefined {
    if (!this.#layout.isKnown(symbol)) return undefined;
    return symbol.section!.base + BigInt(this.#layout.offsetOf(symbol));
  }

  unresolved(symbol: AsmSymbol, span: Span): "external" | undefined {
    if (this.#layout.policy.undefinedIsExternal || symbol.external) return "external";
    if (this.#layout.final) throw new SourceError(span, `symbol '${symbol.name}' is not defined`);
    return undefined;
  }
}
