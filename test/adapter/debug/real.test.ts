/** Floating-point numbers as text, against what glibc's printf says of the same bits. */
import { expect, it } from "vitest";
import { realBits, realOf, realText } from "../../../src/adapter/debug/real.ts";

it.each([
  // %.19Lg of a long double: sign and exponent, significand
  ["c00afca5bc9284c81f3b", "-4042.358538168600673"],
  ["4024829e36d553e3e37a", "140250035540.9725474"],
  ["403c9a002e98ef3c4e73", "2774230179056128925"],
  ["3ffbcccccccccccccccd", "0.1"],
  ["7ffeffffffffffffffff", "1.189731495357231765e+4932"],
  ["00000000000000000001", "3.645199531882474603e-4951"],
  ["bfff8000000000000000", "-1"],
  ["7fff8000000000000000", "inf"],
  ["ffffc000000000000000", "-nan(0xc000000000000000)"],
  ["40000000000000000001", "unsupported(0x1)"],
])("80 bits %s are %s", (raw, text) => {
  expect(realText(BigInt(`0x${raw}`), 80)).toBe(text);
});

it.each([
  [0x3dcccccd, "0.1"],
  [0x00000001, "1e-45"],
  [0x7f7fffff, "3.4028235e+38"],
  [0x80000000, "-0"],
  [0xffc00001, "-nan(0x400001)"],
  [0xff800000, "-inf"],
])("32 bits 0x%s are %s", (raw, text) => {
  expect(realText(BigInt(raw), 32)).toBe(text);
});

it("goes to the nearest double and back", () => {
  for (const value of [0.1, -1e300, 5e-324, 2 ** -1030, 0, Number.POSITIVE_INFINITY])
    expect(realOf(realBits(value, 80), 80)).toBe(value);
  expect(realOf(BigInt("0x7ffeffffffffffffffff"), 80)).toBe(Number.POSITIVE_INFINITY);
  expect(realOf(1n, 80)).toBe(0);
});
