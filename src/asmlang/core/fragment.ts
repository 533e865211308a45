/**
 * Fragments: the pieces that a section is made of. Each knows how large it is in the present layout and how to write
 * itself when the layout is settled.
 */
import type { Bits } from "../types.ts";
import { BufferPart } from "./buffer.ts";
import { FatalError, SourceError } from "./diagnostics.ts";
import { type Expr, evaluate, evaluateConstant } from "./expr.ts";
import type { Detaching, KnownInstruction } from "./known-statement.ts";
import type { Layout } from "./layout.ts";
import { type Line, type Span, wholeLine } from "./source.ts";
import { AsmSymbol, type SectionBuilder } from "./symbols.ts";
import type { SectionWriter } from "./writer.ts";

/** A field whose value layout decides. */
export interface PendingFixup {
  /** From the start of the statement's bytes, and then of the fragment that they are in. */
  offset: number;
  readonly size: number;
  readonly kind: "abs" | "pcrel";
  readonly signed: boolean;
  readonly addend: number;
  readonly expr: Expr;
  /** A branch or an instruction field, not plain data. */
  readonly code: boolean;
  /** A branch whose width layout chose: GNU settles it even if its target is global. */
  readonly relaxed?: boolean;
  /** What `@` or `wrt` asks for: the name of a relocation. */
  readonly modifier?: string | undefined;
  /** The target of a branch in 64-bit code; the displacement of a memory operand. */
  readonly branch?: boolean;
  readonly memory?: boolean;
  /** A linker may rewrite the instruction. */
  readonly relaxable?: "rex" | "plain" | undefined;
  /** Offset of the field in its instruction. */
  readonly inInstruction?: number;
}

export interface Row {
  readonly offset: number;
  readonly line: Line;
  readonly bits: Bits | undefined;
}

export const MAX_SECTION_BYTES = 64 * 1024 * 1024;

export abstract class Fragment {
  section: SectionBuilder;
  readonly line: Line;
  /** Index in its section. */
  index = 0;
  offset = 0;
  size = 0;
  /** The last layout pass that placed it, and how far it moved then. */
  pass = -1;
  /** Some pass has placed it. */
  placed = false;
  stretch = 0;
  /** Number of fragments before it in its section that may absorb a move: alignments and `.org`. */
  region = 0;
  /** Bytes before it in fragments of fixed size, and how many fragments before it have none. */
  known = 0;
  loose = 0;
  rows: Row[] = [];
  #start: AsmSymbol | undefined;

  constructor(section: SectionBuilder, line: Line) {
    this.section = section;
    this.line = line;
  }

  /** An unnamed label at the fragment's first byte. */
  get start(): AsmSymbol {
    if (!this.#start) {
      this.#start = new AsmSymbol("");
      this.#start.temporary = true;
      this.#start.definition = { kind: "label", fragment: this, offset: 0 };
    }
    return this.#start;
  }

  /** It comes after this one, which is not going to change any more. */
  follow(last: Fragment): void {
    const size = last.fixedSize();
    this.known = last.known + (size ?? 0);
    this.loose = last.loose + Number(size === undefined);
  }

  /** Bytes it takes in the present layout. */
  abstract measure(layout: Layout): number;
  abstract write(out: SectionWriter): void;

  /** How to make it again in another run, if it is an instruction. */
  detach(_detaching: Detaching): KnownInstruction | undefined {
    return undefined;
  }

  /** Its size if no layout can change it. */
  fixedSize(): number | undefined {
    return undefined;
  }
}

/** Bytes that are known, with fields to fill in. */
export class BytesFragment extends Fragment {
  readonly bytes: BufferPart;
  readonly fixups: PendingFixup[] = [];

  constructor(section: SectionBuilder, line: Line) {
    super(section, line);
    this.bytes = new BufferPart(section.bytes);
  }

  measure(): number {
    return this.bytes.length;
  }

  override fixedSize(): number {
    return this.bytes.length;
  }

  write(out: SectionWriter): void {
    out.put(this, 0, this.bytes.view());
    for (const fixup of this.fixups) out.fixup(this, fixup);
  }
}

/** `count` times `unit`; also reserved space. */
export class FillFragment extends Fragment {
  readonly count: Expr;
  readonly unit: Uint8Array;
  readonly what: string;
  /** Counted once and for all, so that labels on both sides have a known distance. */
  readonly #fixed: number | undefined = undefined;

  constructor(section: SectionBuilder, line: Line, count: Expr, unit: Uint8Array, what: string) {
    super(section, line);
    this.count = count;
    this.unit = unit;
    this.what = what;
    if (count.op !== "number") return;
    const bytes = count.value * BigInt(unit.length);
    const problem = oversize(bytes, section);
    if (problem) throw new SourceError(count.span, problem);
    this.#fixed = Number(bytes);
  }

  measure(layout: Layout): number {
    const count = evaluateConstant(this.count, layout.context()) ?? 0n;
    if (count < 0n) {
      if (layout.final) throw new SourceError(this.count.span, `${this.what} of a negative number (${count})`);
      return 0;
    }
    return checkedSize(count * BigInt(this.unit.length), this, this.count.span);
  }

  override fixedSize(): number | undefined {
    return this.#fixed;
  }

  write(out: SectionWriter): void {
    out.repeat(this, this.unit, this.size);
  }
}

function oversize(bytes: bigint, { flags, absolute }: SectionBuilder): string | undefined {
  const limit = flags.nobits || absolute ? 1n << 47n : BigInt(MAX_SECTION_BYTES);
  return bytes > limit ? `this makes ${bytes} bytes; a section may have ${limit}` : undefined;
}

export function checkedSize(bytes: bigint, fragment: Fragment, span: Span): number {
  const problem = oversize(bytes, fragment.section);
  if (problem) throw new FatalError(span, problem);
  return Number(bytes);
}

/** Padding up to a multiple of `align`. */
export class AlignFragment extends Fragment {
  readonly align: bigint;
  /** No padding at all if it would take more bytes than this. */
  readonly max: number | undefined;
  readonly pad: (size: number) => Uint8Array;

  constructor(
    section: SectionBuilder,
    line: Line,
    align: bigint,
    max: number | undefined,
    pad: (size: number) => Uint8Array,
  ) {
    super(section, line);
    this.align = align;
    this.max = max;
    this.pad = pad;
  }

  measure(): number {
    const { absolute, base } = this.section;
    const place = BigInt.asUintN(64, BigInt(this.offset) + (absolute ? base : 0n));
    const size = Number((this.align - (place % this.align)) % this.align);
    return this.max !== undefined && size > this.max ? 0 : checkedSize(BigInt(size), this, wholeLine(this.line));
  }

  write(out: SectionWriter): void {
    if (!out.nobits) out.put(this, 0, this.pad(this.size));
  }
}

/** Moves on to an offset in the section. */
export class OrgFragment extends Fragment {
  readonly target: Expr;
  readonly fill: number;

  constructor(section: SectionBuilder, line: Line, target: Expr, fill: number) {
    super(section, line);
    this.target = target;
    this.fill = fill;
  }

  measure(layout: Layout): number {
    const value = evaluate(this.target, layout.context());
    if (!value) return 0;
    let offset = value.constant;
    for (const term of value.terms) {
      if (layout.undefinedIsZero && !term.symbol.definition) continue;
      if (term.symbol.section !== this.section || value.terms.length > 1)
        throw new SourceError(this.target.span, "'.org' must name a place in its own section");
      offset += BigInt(layout.offsetOf(term.symbol));
    }
    if (offset < BigInt(this.offset)) {
      if (layout.final)
        throw new SourceError(this.target.span, `attempt to move '.org' backwards, from ${this.offset} to ${offset}`);
      return 0;
    }
    return checkedSize(offset - BigInt(this.offset), this, this.target.span);
  }

  write(out: SectionWriter): void {
    const missing = evaluate(this.target, out.context())?.terms.find(({ symbol }) => !symbol.definition)?.symbol;
    if (missing) out.warning(this.target.span, `symbol '${missing.name}' is not defined: it is taken for zero`);
    out.repeat(this, Uint8Array.of(this.fill), this.size);
  }
}

/** LEB128 of a value that may depend on layout. */
export class LebFragment extends Fragment {
  readonly value: Expr;
  readonly signed: boolean;

  constructor(section: SectionBuilder, line: Line, value: Expr, signed: boolean) {
    super(section, line);
    this.value = value;
    this.signed = signed;
  }

  measure(layout: Layout): number {
    const value = evaluateConstant(this.value, layout.context()) ?? 0n;
    return Math.max(this.size, leb128(value, this.signed).length);
  }

  write(out: SectionWriter): void {
    const value = evaluateConstant(this.value, out.context()) ?? 0n;
    const bytes = leb128(value, this.signed);
    while (bytes.length < this.size) {
      bytes[bytes.length - 1]! |= 0x80;
      bytes.push(this.signed && value < 0n ? 0x7f : 0);
    }
    out.put(this, 0, Uint8Array.from(bytes));
  }
}

export function leb128(value: bigint, signed: boolean): number[] {
  let rest = signed ? value : BigInt.asUintN(64, value);
  const bytes: number[] = [];
  for (;;) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    const done = signed ? (rest === 0n && !(byte & 0x40)) || (rest === -1n && (byte & 0x40) !== 0) : rest === 0n;
    bytes.push(done ? byte : byte | 0x80);
    if (done) return bytes;
  }
}
