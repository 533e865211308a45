/**
 * Call frame information: what the directives collect, and `.eh_frame` and `.debug_frame` made of it as GNU as makes them.
 * The first rules of a function stand in a CIE, which functions that begin alike share.
 */
import type { ObjectBuilder } from "../core/builder.ts";
import { binary, type Expr, symbolExpr } from "../core/expr.ts";
import { AlignFragment, Fragment, leb128 } from "../core/fragment.ts";
import type { Layout } from "../core/layout.ts";
import { type Line, wholeLine } from "../core/source.ts";
import { AsmSymbol, type SectionBuilder } from "../core/symbols.ts";
import type { SectionWriter } from "../core/writer.ts";
import { FRAME_BASICS } from "./cfi-registers.ts";

/** A rule that is bytes already; `initial`: it may stand in a CIE. */
export type FrameRule =
  | { readonly kind: "bytes"; readonly bytes: readonly number[]; readonly initial: boolean }
  | { readonly kind: "advance"; readonly from: AsmSymbol; readonly to: AsmSymbol }
  | { readonly kind: "values"; readonly bytes: readonly number[]; readonly values: readonly EncodedValue[] }
  | { readonly kind: "label"; readonly symbol: AsmSymbol };

export interface EncodedValue {
  readonly expr: Expr;
  readonly size: number;
  readonly relative: boolean;
}

/** A pointer in one of DWARF's encodings; the key tells equal ones. */
export interface Pointer {
  readonly encoding: number;
  readonly expr: Expr;
  readonly key: string;
}

export interface Frame {
  readonly line: Line;
  readonly start: AsmSymbol;
  end: AsmSymbol | undefined;
  readonly sections: FrameSections;
  readonly rules: FrameRule[];
  returnColumn: number;
  signal: boolean;
  personality: Pointer | undefined;
  lsda: Pointer | undefined;
}

export interface FrameSections {
  readonly eh: boolean;
  readonly debug: boolean;
}

const OMITTED = 0xff;
const PC_RELATIVE = 0x10;

/** Bytes of a pointer in this encoding; undefined: not an encoding that can be written. */
export function encodedSize(encoding: number, bits: 32 | 64): number | undefined {
  if (encoding === OMITTED) return 0;
  return { 0: bits / 8, 2: 2, 3: 4, 4: 8 }[encoding & 7];
}

export const encodedValue = (pointer: Pointer, bits: 32 | 64): EncodedValue => ({
  expr: pointer.expr,
  size: encodedSize(pointer.encoding, bits)!,
  relative: (pointer.encoding & 0x70) === PC_RELATIVE,
});

const DW_CFA = { advance: 0x40, advance1: 2, advance2: 3, advance4: 4 } as const;

/** Moves the place that rules are about; how far is known only with the code's layout. */
class AdvanceFragment extends Fragment {
  readonly #from: AsmSymbol;
  readonly #to: AsmSymbol;

  constructor(section: SectionBuilder, line: Line, from: AsmSymbol, to: AsmSymbol) {
    super(section, line);
    this.#from = from;
    this.#to = to;
  }

  measure(layout: Layout): number {
    return advanceBytes(layout.offsetOf(this.#to) - layout.offsetOf(this.#from)).length;
  }

  write(out: SectionWriter): void {
    out.put(this, 0, Uint8Array.from(advanceBytes(out.offsetOf(this.#to) - out.offsetOf(this.#from))));
  }
}

function advanceBytes(distance: number): number[] {
  if (distance === 0) return [];
  if (distance < 0x40) return [DW_CFA.advance | distance];
  if (distance < 0x100) return [DW_CFA.advance1, distance];
  if (distance < 0x10000) return [DW_CFA.advance2, distance & 0xff, distance >> 8];
  return [DW_CFA.advance4, ...[0, 8, 16, 24].map((shift) => (distance >>> shift) & 0xff)];
}

interface Cie {
  readonly start: AsmSymbol;
  readonly frame: Frame;
  readonly rules: readonly FrameRule[];
}

/** Writes all frames into one section. */
export class FrameWriter {
  readonly #builder: ObjectBuilder;
  readonly #bits: 32 | 64;
  readonly #eh: boolean;
  readonly #cies: Cie[] = [];
  #line: Line;

  constructor(builder: ObjectBuilder, bits: 32 | 64, eh: boolean, line: Line) {
    this.#builder = builder;
    this.#bits = bits;
    this.#eh = eh;
    this.#line = line;
  }

  write(frames: readonly Frame[]): void {
    const { section } = this.#builder;
    const word = this.#bits / 8;
    section.align = Math.max(section.align, word);
    for (const [i, frame] of frames.entries()) {
      if (!(this.#eh ? frame.sections.eh : frame.sections.debug)) continue;
      this.#line = frame.line;
      const align = this.#eh ? 4 : word;
      const cie = this.#cieFor(frame, align);
      this.#fde(frame, cie, this.#eh && i === frames.length - 1 ? word : align);
    }
  }

  #cieFor(frame: Frame, align: number): Cie {
    const shared = this.#cies.find((cie) => this.#serves(cie, frame));
    if (shared) return shared;
    const end = frame.rules.findIndex((rule) => !isInitial(rule));
    const rules = end < 0 ? frame.rules : frame.rules.slice(0, end);
    const cie: Cie = { start: this.#builder.here(this.#line), frame, rules };
    this.#cies.unshift(cie);
    this.#cie(cie, align);
    return cie;
  }

  #serves({ frame: first, rules }: Cie, frame: Frame): boolean {
    const same = (a: Pointer | undefined, b: Pointer | undefined) => a?.encoding === b?.encoding && a?.key === b?.key;
    return (
      first.returnColumn === frame.returnColumn &&
      first.signal === frame.signal &&
      (!this.#eh || (same(first.personality, frame.personality) && first.lsda?.encoding === frame.lsda?.encoding)) &&
      rules.every((rule, i) => sameBytes(rule, frame.rules[i]))
    );
  }

  #cie({ frame, rules }: Cie, align: number): void {
    const personality = this.#eh ? frame.personality : undefined;
    const lsda = this.#eh ? frame.lsda : undefined;
    this.#sized(align, () => {
      const letters = this.#eh ? `z${personality ? "P" : ""}${lsda ? "L" : ""}R` : "";
      this.#raw(this.#eh ? [0, 0, 0, 0] : [0xff, 0xff, 0xff, 0xff]);
      this.#raw([1, ...new TextEncoder().encode(letters + (frame.signal ? "S" : "")), 0]);
      this.#raw([1, ...leb128(BigInt(FRAME_BASICS[this.#bits].factor), true), frame.returnColumn & 0xff]);
      if (this.#eh) {
        const size =
          1 + Number(lsda !== undefined) + (personality ? 1 + encodedSize(personality.encoding, this.#bits)! : 0);
        this.#raw([size]);
        if (personality) {
          this.#raw([personality.encoding]);
          this.#value(encodedValue(personality, this.#bits));
        }
        if (lsda) this.#raw([lsda.encoding]);
        this.#raw([PC_RELATIVE | 0x0b]); // where a function starts: a signed 32-bit distance
      }
      this.#rules(rules);
    });
  }

  #fde(frame: Frame, cie: Cie, align: number): void {
    const span = wholeLine(this.#line);
    const start = symbolExpr(frame.start, span);
    const length = binary("-", symbolExpr(frame.end!, span), start);
    const lsda = this.#eh ? frame.lsda : undefined;
    this.#sized(align, (after) => {
      const cieStart = symbolExpr(cie.start, span);
      const size = this.#eh ? 4 : this.#bits / 8;
      this.#value({
        expr: this.#eh ? binary("-", symbolExpr(after, span), cieStart) : cieStart,
        size: 4,
        relative: false,
      });
      this.#value({ expr: start, size, relative: this.#eh });
      this.#value({ expr: length, size, relative: false });
      if (this.#eh) this.#raw([lsda ? encodedSize(lsda.encoding, this.#bits)! : 0]);
      if (lsda) this.#value(encodedValue(lsda, this.#bits));
      this.#rules(frame.rules.slice(cie.rules.length));
    });
  }

  /** A length field, what it counts, and padding. */
  #sized(align: number, body: (after: AsmSymbol) => void): void {
    const span = wholeLine(this.#line);
    const [after, end] = [temporary(), temporary()];
    const expr = binary("-", symbolExpr(end, span), symbolExpr(after, span));
    this.#value({ expr, size: 4, relative: false });
    this.#builder.place(after, this.#line);
    body(after);
    const { section } = this.#builder;
    const pad = (size: number) => new Uint8Array(size);
    this.#builder.add(new AlignFragment(section, this.#line, BigInt(align), undefined, pad));
    this.#builder.place(end, this.#line);
  }

  #rules(rules: readonly FrameRule[]): void {
    for (const rule of rules) {
      if (rule.kind === "advance")
        this.#builder.add(new AdvanceFragment(this.#builder.section, this.#line, rule.from, rule.to));
      else if (rule.kind === "label") this.#label(rule.symbol);
      else this.#raw(rule.bytes);
      if (rule.kind === "values") for (const value of rule.values) this.#value(value);
    }
  }

  /** A label in the section itself; the first section made has it. */
  #label(symbol: AsmSymbol): void {
    if (symbol.definition === undefined) this.#builder.place(symbol, this.#line);
    else if (symbol.section === undefined || !/^\.(eh|debug)_frame$/.test(symbol.section.name))
      this.#builder.reporter.error(symbol.span!, `symbol '${symbol.name}' is already defined`);
  }

  #raw(bytes: readonly number[]): void {
    this.#builder.open(this.#line).bytes.push(bytes);
  }

  #value({ expr, size, relative }: EncodedValue): void {
    const fragment = this.#builder.open(this.#line);
    const kind = relative ? "pcrel" : "abs";
    fragment.fixups.push({ offset: fragment.bytes.length, size, kind, signed: false, addend: 0, expr, code: false });
    fragment.bytes.push(new Uint8Array(size));
  }
}

const isInitial = (rule: FrameRule): boolean => rule.kind === "bytes" && rule.initial;

function sameBytes(a: FrameRule, b: FrameRule | undefined): boolean {
  return a.kind === "bytes" && b?.kind === "bytes" && a.bytes.join() === b.bytes.join();
}

export function temporary(): AsmSymbol {
  const symbol = new AsmSymbol("");
  symbol.temporary = true;
  return symbol;
}
