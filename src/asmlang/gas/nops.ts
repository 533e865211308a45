/** The padding that GNU `as` puts in code: its no-operation sequences for generic processors of each mode. */
import { SourceError } from "../core/diagnostics.ts";
import { type Expr, evaluateConstant } from "../core/expr.ts";
import { checkedSize, Fragment } from "../core/fragment.ts";
import type { Layout } from "../core/layout.ts";
import type { Line } from "../core/source.ts";
import type { SectionBuilder } from "../core/symbols.ts";
import type { SectionWriter } from "../core/writer.ts";
import type { Bits } from "../types.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));

/** Shortest first; the last is the longest single instruction used. */
const SEQUENCES: Readonly<Record<Bits, readonly Uint8Array[]>> = {
  16: ["90", "6690", "8d7400", "8db40000"].map(hex),
  32: ["90", "6690", "8d7600", "8d742600", "8db600000000", "8db42600000000"].map(hex),
  64: [
    "90",
    "6690",
    "0f1f00",
    "0f1f4000",
    "0f1f440000",
    "660f1f440000",
    "0f1f8000000000",
    "0f1f840000000000",
    "660f1f840000000000",
    "662e0f1f840000000000",
    "66662e0f1f840000000000",
  ].map(hex),
};
/** Longest unit, and how many units may follow each other before a jump over the padding is cheaper. */
const LIMITS: Readonly<Record<Bits, { unit: number; count: number }>> = {
  16: { unit: 4, count: 2 },
  32: { unit: 7, count: 2 },
  64: { unit: 11, count: 7 },
};

function fill(bytes: Uint8Array, from: number, bits: Bits, unit = LIMITS[bits].unit): void {
  const sequences = SEQUENCES[bits];
  let at = from;
  while (at < bytes.length) {
    let left = Math.min(unit, bytes.length - at);
    while (left > 0) {
      const sequence = sequences.findLast((one) => one.length <= left)!;
      bytes.set(sequence, at);
      at += sequence.length;
      left -= sequence.length;
    }
  }
}

/** `size` bytes of padding, in instructions of at most `longest` bytes (0: as long as there are). */
export function nops(size: number, bits: Bits, longest = 0): Uint8Array {
  const bytes = new Uint8Array(size);
  const { count } = LIMITS[bits];
  const unit = longest || LIMITS[bits].unit;
  if (Math.floor(size / unit) <= count) {
    fill(bytes, 0, bits, unit);
    return bytes;
  }
  const jump = jumpOver(size, bits);
  bytes.set(jump);
  fill(bytes, jump.length, bits, unit);
  return bytes;
}

function jumpOver(size: number, bits: Bits): number[] {
  if (size - 2 < 128) return [0xeb, size - 2];
  const opcode = bits === 16 ? [0x66, 0xe9] : [0xe9];
  const distance = size - opcode.length - 4;
  return [...opcode, distance & 0xff, (distance >> 8) & 0xff, (distance >> 16) & 0xff, (distance >> 24) & 0xff];
}

export const longestNop = (bits: Bits): number => LIMITS[bits].unit;

/** `.nops`: as many bytes as layout says. */
export class PaddingFragment extends Fragment {
  readonly count: Expr;
  readonly make: (size: number) => Uint8Array;

  constructor(section: SectionBuilder, line: Line, count: Expr, make: (size: number) => Uint8Array) {
    super(section, line);
    this.count = count;
    this.make = make;
  }

  measure(layout: Layout): number {
    const size = evaluateConstant(this.count, layout.context()) ?? 0n;
    if (size >= 0n) return checkedSize(size, this, this.count.span);
    if (layout.final) throw new SourceError(this.count.span, `'.nops' of a negative number (${size})`);
    return 0;
  }

  override fixedSize(): number | undefined {
    return this.count.op === "number" ? Number(this.count.value) : undefined;
  }

  write(out: SectionWriter): void {
    out.put(this, 0, this.make(this.size));
  }
}
