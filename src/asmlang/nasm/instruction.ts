/** NASM instructions whose encoding depends on addresses: encoded anew in every layout pass, as NASM's own passes do. */
import type { ObjectBuilder } from "../core/builder.ts";
import { type Expr, evaluate } from "../core/expr.ts";
import { Fragment } from "../core/fragment.ts";
import {
  bound,
  branchReaches,
  encodeStatement,
  pendingFixup,
  reportWarnings,
  type Statement,
  type Symbolic,
} from "../core/instruction.ts";
import type { Detaching, KnownInstruction, MakeFragment } from "../core/known-statement.ts";
import type { Layout } from "../core/layout.ts";
import type { Line } from "../core/source.ts";
import { isPlace } from "../core/symbols.ts";
import type { SectionWriter } from "../core/writer.ts";
import type { Encoding, Value } from "../encode/types.ts";

const never = () => false;
const make: MakeFragment = (builder, line, statement) => new NasmInstruction(builder, line, statement);

/** What is known of a value in this pass. In its first one NASM takes an immediate that it does not know yet to be small. */
function valueIn(layout: Layout, expr: Expr, immediate: boolean): bigint | undefined {
  const guessed = immediate && layout.pass === 0 ? 0n : undefined;
  if (expr.op === "symbol" && isPlace(expr.symbol)) return layout.isReached(expr.symbol) ? undefined : guessed;
  const value = evaluate(expr, layout.context(false));
  if (!value || value.terms.some(({ symbol }) => !layout.isReached(symbol))) return guessed;
  return value.terms.length === 0 ? value.constant : undefined;
}

/** Will no pass know more of it, or anything else? */
const isSettled = (layout: Layout, expr: Expr, immediate: boolean): boolean =>
  expr.op === "number" ||
  (expr.op === "symbol" && isPlace(expr.symbol) && (!immediate || layout.isReached(expr.symbol)));

export class NasmInstruction extends Fragment {
  readonly statement: Statement;
  readonly #builder: ObjectBuilder;
  /** What was known of the values in its operands in the last pass. */
  #first: bigint | undefined;
  #others: (bigint | undefined)[] | undefined;
  /** Are they the same in all passes from now on? */
  #settled = false;
  #chosen: Encoding | undefined;
  #encoded: { best: Encoding; long?: Encoding } | undefined;

  constructor(builder: ObjectBuilder, line: Line, statement: Statement) {
    super(builder.section, line);
    this.statement = statement;
    this.#builder = builder;
  }

  override detach(detaching: Detaching): KnownInstruction {
    return { statement: detaching.statement(this.statement), make };
  }

  measure(layout: Layout): number {
    if (this.#settled && this.#encoded && !this.#encoded.long) return this.#chosen!.bytes.length;
    const encoded = this.#encode(layout);
    const short = encoded.long === undefined || this.#reaches(encoded.best, layout);
    const now = short ? encoded.best : encoded.long!;
    const keeps = layout.growOnly && this.#chosen !== undefined && now.bytes.length < this.#chosen.bytes.length;
    if (!keeps) this.#chosen = now;
    return this.#chosen!.bytes.length;
  }

  #reaches(encoding: Encoding, layout: Layout): boolean {
    return branchReaches(this, encoding, this.statement, layout, never, layout.reachedOffset);
  }

  /** Encoded anew if a value has changed since. */
  #encode(layout: Layout): { best: Encoding; long?: Encoding } {
    let changes = this.#encoded ? 0 : 1;
    let at = 0;
    this.#settled = true;
    for (const operand of this.statement.request.operands)
      if (operand.kind === "imm") changes += this.#learn(layout, operand.value, true, at++);
      else if (operand.kind === "target") changes += this.#learn(layout, operand.value, false, at++);
      else if (operand.kind === "mem" && operand.displacement)
        changes += this.#learn(layout, operand.displacement, false, at++);
      else if (operand.kind === "far") {
        changes += this.#learn(layout, operand.selector, false, at++);
        changes += this.#learn(layout, operand.offset, false, at++);
      }
    if (changes === 0) return this.#encoded!;
    this.#encoded = undefined;
    return (this.#encoded = encodeStatement(this.statement));
  }

  /** What is known of a value in this pass; 0 if that is what was known in the one before. */
  #learn(layout: Layout, value: Value, immediate: boolean, index: number): 0 | 1 {
    const symbolic = value as Symbolic;
    const expr = bound(this.statement, symbolic.expr);
    const known = valueIn(layout, expr, immediate);
    symbolic.known = known;
    this.#settled &&= isSettled(layout, expr, immediate);
    const before = index === 0 ? this.#first : this.#others?.[index - 1];
    if (known === before) return 0;
    if (index === 0) this.#first = known;
    else (this.#others ??= [])[index - 1] = known;
    return 1;
  }

  write(out: SectionWriter): void {
    const encoding = this.#chosen;
    if (!encoding) return; // there is no encoding, and layout has said so
    reportWarnings(encoding, this.statement, this.#builder);
    out.put(this, 0, encoding.bytes);
    for (const fixup of encoding.fixups) out.fixup(this, pendingFixup(fixup, encoding, this.statement));
  }
}
