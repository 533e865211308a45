/** Writes a section's fragments into its bytes and turns what is left of the fields into relocations. */
import type { Range, Relocation } from "../types.ts";
import { putLittleEndian } from "./buffer.ts";
import { type Reporter, SourceError } from "./diagnostics.ts";
import { describe, type EvalContext, type Expr, evaluate, type Linear, notSimple } from "./expr.ts";
import type { Fragment, PendingFixup } from "./fragment.ts";
import type { Layout } from "./layout.ts";
import { isMark, relocationNumber } from "./relocations.ts";
import { rangeOf, type Span } from "./source.ts";
import { type AsmSymbol, isPlace, type SectionBuilder } from "./symbols.ts";

/** `forced`: it stays a relocation whatever is known of the symbol. */
export interface RelocationType {
  readonly type: string;
  readonly forced: boolean;
}

export interface WritePolicy {
  /** ELF64 or ELF32: which particular relocations there are. */
  readonly wide: boolean;
  /** The particular relocation for a reference to this symbol, if it is not a plain one. */
  relocationType(symbol: AsmSymbol, fixup: PendingFixup, relative: boolean, offset: bigint): RelocationType | undefined;
  /** A field that is too small for its value: GNU rejects branches and instruction fields, NASM warns. */
  readonly overflow: "error" | "warning";
  /** What the object cannot say of a field that is left to the linker; the text is the error. */
  unrepresentable?(fixup: PendingFixup, relative: boolean): string | undefined;
  /** Relocations of branches whose width layout chose come last. */
  readonly branchesLast?: boolean;
  /** Data in a section without bytes is dropped with a warning, rather than an error. */
  readonly ignoresZeroedData?: boolean;
  /** The distance to a plain number is filled in as if the field stood at 0. */
  readonly ignoresAbsoluteDistance?: boolean;
  /** Must a reference to this symbol of the same section stay a relocation? */
  keepRelocation(symbol: AsmSymbol, fixup: PendingFixup): boolean;
  /** What to add to a value that means the table's address, where the field is at `place` in its section. */
  tableDistance(place: number, fixup: PendingFixup): number;
  /** Does a relocation name this defined symbol, rather than its section plus an offset? */
  namesSymbol(symbol: AsmSymbol, fixup: PendingFixup, relative: boolean, addend: bigint): boolean;
}

/** A field's value: at most one symbol and a number, minus the field's own address or not. */
interface Reduced {
  readonly plus: AsmSymbol | undefined;
  readonly relative: boolean;
  readonly constant: bigint;
}

/** Where it comes from is looked up when somebody asks: mostly nobody does. */
class WrittenRelocation implements Relocation {
  readonly offset: number;
  readonly size: Relocation["size"];
  readonly kind: Relocation["kind"];
  readonly signed: boolean;
  readonly symbol: string;
  readonly addend: bigint;
  readonly type: string | undefined;
  readonly #span: Span;

  constructor(
    offset: number,
    { size, signed, expr }: PendingFixup,
    relative: boolean,
    symbol: string,
    addend: bigint,
    type: string | undefined,
  ) {
    this.offset = offset;
    this.size = size as Relocation["size"];
    this.kind = relative ? "pcrel" : "abs";
    this.signed = signed;
    this.symbol = symbol;
    this.addend = addend;
    this.type = type;
    this.#span = expr.span;
  }

  get range(): Range {
    return rangeOf(this.#span);
  }
}

export class SectionWriter {
  readonly bytes: Uint8Array;
  readonly #relocations: Relocation[] = [];
  /** Of branches whose width layout chose: GNU as writes them behind all others. */
  readonly #late: Relocation[] = [];
  readonly #layout: Layout;
  readonly #policy: WritePolicy;
  readonly #reporter: Reporter;
  readonly #section: SectionBuilder;

  constructor(section: SectionBuilder, layout: Layout, policy: WritePolicy, reporter: Reporter) {
    this.#section = section;
    this.bytes = new Uint8Array(this.nobits ? 0 : section.size);
    this.#layout = layout;
    this.#policy = policy;
    this.#reporter = reporter;
  }

  get relocations(): readonly Relocation[] {
    return [...this.#relocations, ...this.#late];
  }

  get nobits(): boolean {
    return this.#section.flags.nobits || this.#section.absolute;
  }

  context(): EvalContext {
    return this.#layout.context();
  }

  offsetOf(symbol: AsmSymbol): number {
    return this.#layout.offsetOf(symbol);
  }

  put(fragment: Fragment, offset: number, bytes: Uint8Array | readonly number[]): void {
    if (!this.nobits) this.bytes.set(bytes, fragment.offset + offset);
    else if (Array.from(bytes).some((byte) => byte !== 0)) {
      const span = { line: fragment.line, start: 0, end: fragment.line.text.length };
      const message = `section ${this.#section.name} cannot hold data: it takes no space in the file`;
      if (this.#policy.ignoresZeroedData) this.#reporter.warning(span, `${message}; the data is ignored`);
      else this.#reporter.error(span, message);
    }
  }

  warning(span: Span, message: string): void {
    this.#reporter.warning(span, message);
  }

  repeat(fragment: Fragment, unit: Uint8Array, size: number): void {
    if (this.nobits) return;
    const target = this.bytes.subarray(fragment.offset, fragment.offset + size);
    if (unit.length === 1) target.fill(unit[0]!);
    else
      for (let at = 0; at < size; at += unit.length) target.set(unit.subarray(0, Math.min(unit.length, size - at)), at);
  }

  /** A relocation at a place that is given as an expression: a number, or a label of this section. */
  relocationAt(offset: Expr, fixup: PendingFixup): void {
    const place = evaluate(offset, this.context());
    const [term, ...more] = place?.terms ?? [];
    if (!place || more.length > 0 || (term && (term.sign < 0 || term.symbol.section !== this.#section)))
      throw new SourceError(offset.span, "this must be a number or a label of this section");
    const at = place.constant + BigInt(term ? this.#layout.offsetOf(term.symbol) : 0);
    const bytes = isMark(fixup.modifier) ? 0 : fixup.size;
    if (at < 0n || at + BigInt(bytes) > BigInt(this.#section.size))
      throw new SourceError(offset.span, "this place is not in the section");
    const { plus, relative, constant } = this.#valueOf(fixup, Number(at));
    this.#relocate(Number(at), fixup, plus, relative, constant, fixup.modifier, true);
  }

  /** Fills in a field, or leaves a relocation for it. */
  fixup(fragment: Fragment, fixup: PendingFixup): void {
    const place = fragment.offset + fixup.offset;
    const { plus, relative, constant } = this.#valueOf(fixup, place);
    const particular = plus && this.#policy.relocationType(plus, fixup, relative, constant - BigInt(fixup.addend));
    if (fixup.modifier !== undefined && !plus)
      throw new SourceError(fixup.expr.span, `'${fixup.modifier}' needs a symbol`);
    if (particular?.forced) this.#relocate(place, fixup, plus, relative, constant, particular.type);
    else if (!plus && (!relative || this.#policy.ignoresAbsoluteDistance)) this.#fill(place, fixup, constant);
    else if (plus && relative && plus.section === this.#section && !this.#policy.keepRelocation(plus, fixup))
      this.#fill(place, fixup, constant + BigInt(this.#layout.offsetOf(plus) - place));
    else this.#relocate(place, fixup, plus, relative, constant, particular?.type);
  }

  #valueOf(fixup: PendingFixup, place: number): Reduced {
    const { expr, kind, addend } = fixup;
    if (expr.op === "symbol" && isPlace(expr.symbol))
      return { plus: expr.symbol, relative: kind === "pcrel", constant: BigInt(addend) };
    const value = evaluate(expr, this.context());
    if (!value) throw new SourceError(expr.span, "this value is not known");
    return this.#reduce(value, fixup, place);
  }

  /** One symbol at most, minus the field's own address or not. */
  #reduce(value: Linear, fixup: PendingFixup, place: number): Reduced {
    let constant = value.constant + BigInt(fixup.addend);
    let relative = fixup.kind === "pcrel";
    let plus: AsmSymbol | undefined;
    for (const { symbol, sign } of value.terms) {
      if (sign === 1 && !plus) plus = symbol;
      else if (sign === -1 && !relative && symbol.section === this.#section) {
        relative = true;
        constant += BigInt(place - this.#layout.offsetOf(symbol));
      } else {
        const message = `the addresses of ${describe(value)} cannot be combined like this`;
        throw notSimple(value, fixup.expr.span, message);
      }
    }
    return { plus, relative, constant };
  }

  #fill(place: number, fixup: PendingFixup, value: bigint): void {
    const bits = fixup.size * 8;
    const fits =
      BigInt.asIntN(bits, value) === value ||
      ((fixup.kind === "abs" || !fixup.signed) && BigInt.asUintN(bits, value) === value);
    if (!fits) this.#overflow(fixup, value);
    if (!this.nobits) putLittleEndian(this.bytes, place, fixup.size, value);
  }

  #overflow(fixup: PendingFixup, value: bigint): void {
    const message =
      fixup.kind === "pcrel"
        ? `target is out of range: ${value} does not fit in a ${fixup.size * 8}-bit displacement`
        : `value ${value < 0n ? value : `0x${value.toString(16)}`} does not fit in ${fixup.size} byte${fixup.size === 1 ? "" : "s"}`;
    if (this.#policy.overflow === "error" ? fixup.code : fixup.kind === "pcrel")
      throw new SourceError(fixup.expr.span, message);
    this.#reporter.warning(fixup.expr.span, message);
  }

  #relocate(
    place: number,
    fixup: PendingFixup,
    plus: AsmSymbol | undefined,
    relative: boolean,
    constant: bigint,
    type: string | undefined,
    inOrder = false,
  ): void {
    const bad = type === undefined ? this.#policy.unrepresentable?.(fixup, relative) : undefined;
    if (bad !== undefined) throw new SourceError(fixup.expr.span, bad);
    if (type !== undefined && relocationNumber(type, fixup.size, this.#policy.wide) === undefined)
      throw new SourceError(fixup.expr.span, `there is no relocation '${type}' for ${fixup.size} bytes`);
    if (fixup.size === 8 || fixup.size === 4 || fixup.size === 2 || fixup.size === 1) {
      const { symbol, addend } = this.#target(
        plus,
        fixup,
        relative,
        constant - BigInt(fixup.addend),
        type !== undefined && type !== "GOTOFF",
      );
      // The distance to the table counts from the field, the value in the instruction from the instruction.
      const within = type === "GOTPC" && !relative ? this.#policy.tableDistance(place, fixup) : 0;
      const whole = BigInt.asIntN(64, constant + addend + BigInt(within));
      const relocation = new WrittenRelocation(place, fixup, relative, symbol, whole, type);
      const list = this.#policy.branchesLast && fixup.relaxed ? this.#late : this.#relocations;
      const before = inOrder ? list.findIndex((other) => other.offset > place) : -1;
      if (before < 0) list.push(relocation);
      else list.splice(before, 0, relocation);
    } else throw new SourceError(fixup.expr.span, `an address does not fit in ${fixup.size} bytes`);
  }

  #target(
    symbol: AsmSymbol | undefined,
    fixup: PendingFixup,
    relative: boolean,
    offset: bigint,
    particular: boolean,
  ): { symbol: string; addend: bigint } {
    if (!symbol) return { symbol: "*ABS*", addend: 0n };
    const { section } = symbol;
    if (!section || (symbol.name !== "" && (particular || this.#policy.namesSymbol(symbol, fixup, relative, offset)))) {
      symbol.temporary = false; // a relocation needs it in the table
      return { symbol: symbol.name, addend: 0n };
    }
    return { symbol: section.name, addend: BigInt(this.#layout.offsetOf(symbol)) };
  }
}
