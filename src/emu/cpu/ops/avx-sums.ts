/** AVX-VNNI, AVX-VNNI-INT8, AVX-VNNI-INT16 and AVX-IFMA: products of small integers, summed onto the destination. */
import type { Operation, OperationTable } from "../operation.ts";
import { three } from "./vex-three.ts";

type View = "u8" | "i8" | "u16" | "i16";

const clamp = (low: number, high: number) => (x: number) => Math.max(low, Math.min(x, high));
const saturateSigned = clamp(-0x8000_0000, 0x7fff_ffff);
const saturateUnsigned = clamp(0, 0xffff_ffff);
const wrap = (x: number): number => x | 0;

/** Onto every dword, the products of the four bytes or two words in its place. */
function dot(a: View, b: View, saturates: boolean): Operation {
  const unsigned = a[0] === "u" && b[0] === "u";
  const count = a.endsWith("8") ? 4 : 2;
  const bound = saturates ? (unsigned ? saturateUnsigned : saturateSigned) : wrap;
  const target = unsigned ? "u32" : "i32";
  return three((d, x, y) => {
    for (let i = 0; i < 4; i++) {
      let total = d[target][i]!;
      for (let k = i * count; k < (i + 1) * count; k++) total += x[a][k]! * y[b][k]!;
      d[target][i] = bound(total);
    }
  });
}

/** Stem, and how the first and the second source are read. */
const DOTS: Readonly<Record<string, readonly [View, View]>> = {
  Vpdpbus: ["u8", "i8"],
  Vpdpwss: ["i16", "i16"],
  Vpdpbss: ["i8", "i8"],
  Vpdpbsu: ["i8", "u8"],
  Vpdpbuu: ["u8", "u8"],
  Vpdpwsu: ["i16", "u16"],
  Vpdpwus: ["u16", "i16"],
  Vpdpwuu: ["u16", "u16"],
};

const dots: OperationTable = Object.fromEntries(
  Object.entries(DOTS).flatMap(([stem, [a, b]]) => [
    [`${stem}d`, dot(a, b, false)],
    [`${stem}ds`, dot(a, b, true)],
  ]),
);

/** Onto every quadword, the low or high 52 bits of the product of two numbers of 52 bits. */
const product52 = (high: boolean): Operation =>
  three((d, x, y) => {
    for (let i = 0; i < 2; i++) {
      const product = BigInt.asUintN(52, x.u64[i]!) * BigInt.asUintN(52, y.u64[i]!);
      d.u64[i] = BigInt.asUintN(64, d.u64[i]! + (high ? product >> 52n : BigInt.asUintN(52, product)));
    }
  });

export const avxSumOperations: OperationTable = {
  ...dots,
  Vpmadd52luq: product52(false),
  Vpmadd52huq: product52(true),
};
