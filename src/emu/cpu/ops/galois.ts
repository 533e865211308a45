/** Arithmetic in fields of 256 elements, which AES, SM4 and GFNI share; and GFNI's instructions. */
import { later } from "../later.ts";
import type { OperationTable } from "../operation.ts";
import { type Packed, packed } from "./sse-integer.ts";
import { Lanes } from "./sse-lanes.ts";

/** x^8 + x^4 + x^3 + x + 1: the field of AES and GFNI. */
export const AES_FIELD = 0x11b;

/** Product in GF(2^8) modulo a polynomial. */
export function multiply(a: number, b: number, field = AES_FIELD): number {
  let product = 0;
  for (; b; b >>= 1) {
    if (b & 1) product ^= a;
    a = (a << 1) ^ (a & 0x80 ? field : 0);
  }
  return product;
}

/** By element: its power of 254, which is 2 + 4 + ... + 128; that of 0 is 0. */
export function inverses(field = AES_FIELD): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, x) => {
    let inverse = 1;
    for (let power = multiply(x, x, field), i = 0; i < 7; i++, power = multiply(power, power, field))
      inverse = multiply(inverse, power, field);
    return inverse;
  });
}

export const aesInverse = later(inverses);

/** Each byte of a word by what a table has for it. */
export const substituteBytes = (table: Uint8Array, x: number): number =>
  table[x & 0xff]! | (table[(x >>> 8) & 0xff]! << 8) | (table[(x >>> 16) & 0xff]! << 16) | (table[x >>> 24]! << 24);

/** Sum of the bits, modulo 2. */
export function parity(x: number): number {
  x ^= x >> 4;
  x ^= x >> 2;
  return (x ^ (x >> 1)) & 1;
}

const MATRIX = new Lanes();

/** Every byte times the matrix in its quadword of the source, whose first row is the highest byte, plus the immediate. */
const affine =
  (before: (x: number) => number): Packed =>
  (d, s, _bytes, imm) => {
    MATRIX.u64.set(s.u64);
    for (let i = 0; i < 16; i++) {
      const x = before(d.u8[i]!);
      let y = 0;
      for (let bit = 0; bit < 8; bit++) y |= parity(MATRIX.u8[(i & 8) + 7 - bit]! & x) << bit;
      d.u8[i] = y ^ imm;
    }
  };

export const galoisOperations: OperationTable = {
  Gf2p8mulb: packed((d, s) => {
    for (let i = 0; i < 16; i++) d.u8[i] = multiply(d.u8[i]!, s.u8[i]!);
  }),
  Gf2p8affineqb: packed(affine((x) => x)),
  Gf2p8affineinvqb: packed(affine((x) => aesInverse()[x]!)),
};
