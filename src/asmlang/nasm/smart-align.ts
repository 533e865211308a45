/** The `smartalign` package: padding that processors of a kind run through fast. */
import type { Bits } from "../types.ts";

export type AlignMode = "generic" | "nop" | "p6" | "k7" | "k8";

export interface SmartAlign {
  readonly mode: AlignMode;
  /** Longer padding is jumped over; negative: never. */
  readonly threshold: number;
}

const P6 = "90 6690 0f1f00 0f1f4000 0f1f440000 660f1f440000 0f1f8000000000 0f1f840000000000";
const K8 = "90 6690 666690 66666690 6666669090 666666906690 66666690666690 6666669066666690";
const UNITS: Readonly<Record<Exclude<AlignMode, "nop">, Readonly<Record<Bits, string>>>> = {
  generic: {
    16: "90 89f6 8d7400 8db40000 8db4000090 8db4000089ff 8db400008d7d00 8db400008dbd0000",
    32: "90 89f6 8d7600 8d742600 908d742600 8db600000000 8db42600000000 8db4260000000090",
    64: K8,
  },
  p6: { 16: "90 6690 0f1f00 0f1f4000", 32: P6, 64: P6 },
  k7: {
    16: "90 6690 666690 66666690 8db4000090 8db4000089ff 8db400008d7d00 8db400008dbd0000",
    32: "90 8bc0 8d0420 8d442000 8d44200090 8d8000000000 8d040500000000",
    64: K8,
  },
  k8: { 16: K8, 32: K8, 64: K8 },
};

export const isAlignMode = (name: string): name is AlignMode => ["generic", "nop", "p6", "k7", "k8"].includes(name);
export const defaultThreshold = (mode: AlignMode): number => (mode === "generic" ? 8 : 16);

const bytesOf = (hex: string): number[] => (hex.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));

/** `size` bytes of padding. */
export function smartPadding(size: number, { mode, threshold }: SmartAlign, bits: Bits): Uint8Array {
  const out = new Uint8Array(size).fill(0x90);
  if (threshold >= 0 && size > threshold) out.set(jumpOver(size, bits));
  else if (mode !== "nop") fill(out, UNITS[mode][bits]);
  return out;
}

function fill(out: Uint8Array, list: string): void {
  const units = list.split(" ").map(bytesOf);
  for (let at = 0; at < out.length; ) {
    const unit = units[Math.min(units.length, out.length - at) - 1]!;
    out.set(unit, at);
    at += unit.length;
  }
}

function jumpOver(size: number, bits: Bits): number[] {
  if (size - 2 < 128) return [0xeb, size - 2];
  const width = bits === 16 ? 2 : 4;
  const distance = size - 1 - width;
  return [0xe9, ...[0, 8, 16, 24].slice(0, width).map((shift) => (distance >> shift) & 0xff)];
}
