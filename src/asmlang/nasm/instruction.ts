/** NASM instructions whose encoding depends on addresses: encoded anew in every layout pass, as NASM's own passes do. */
import type { ObjectBuilder } from "../core/builder.ts";
import { evaluate } from "../core/expr.ts";
import { Fragment } from "../core/fragment.ts";
import {
  branchReaches,
  encodeStatement,
  pendingFixups,
  reportWarnings,
  type Statement,
  valuesOf,
} from "../core/instruction.ts";
import type { Detaching, KnownInstruction, MakeFragment } from "../core/known-statement.ts";
import type { Layout } from "../core/layout.ts";
import type { Line } from "../core/source.ts";
import type { AsmSymbol } from "../core/symbols.ts";
import type { SectionWriter } from "../core/writer.ts";
import type { Encoding } from "../encode/types.ts";

const never = () => false;
const make: MakeFragment = (builder, line, statement) => new NasmInstruction(builder, line, statement);

export class NasmInstruction extends Fragment {
  readonly statement: Statement;
  readonly #builder: ObjectBuilder;
  #chosen: Encoding | undefined;
  /** Values that the last encoding was made for. */
  #key: string | undefined;
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
    const encoded = this.#encode(layout);
    const place = (symbol: AsmSymbol) => (layout.isReached(symbol) ? layout.offsetOf(symbol) : undefined);
    const short = encoded.long === undefined || branchReaches(this, encoded.best, this.statement, layout, never, place);
    const now = short ? encoded.best : encoded.long!;
    const keeps = layout.growOnly && this.#chosen !== undefined && now.bytes.length < this.#chosen.bytes.length;
    if (!keeps) this.#chosen = now;
    return this.#chosen!.bytes.length;
  }

  #encode(layout: Layout): { best: Encoding; long?: Encoding } {
    const context = layout.context(this, false);
    let key = "";
    for (const operand of this.statement.request.operands)
      for (const value of valuesOf(operand)) {
        const known = evaluate(value.expr, context);
        // In its first pass NASM takes an immediate that it does not know yet to be small.
        const open = !known || known.terms.some((term) => !layout.isReached(term.symbol));
        if (open && layout.pass === 0 && operand.kind === "imm") value.known = 0n;
        else value.known = known?.terms.length === 0 ? known.constant : undefined;
        key += `${value.known} `;
      }
    if (!this.#encoded || key !== this.#key) {
      this.#encoded = encodeStatement(this.statement);
      this.#key = key;
    }
    return this.#encoded;
  }

  write(out: SectionWriter): void {
    const encoding = this.#chosen;
    if (!encoding) return; // there is no encoding, and layout has said so
    reportWarnings(encoding, this.statement, this.#builder);
    out.put(this, 0, encoding.bytes);
    for (const fixup of pendingFixups(encoding, this.statement)) out.fixup(this, fixup);
  }
}
