/**
 * The elementary functions against values found another way: plain Taylor series at 400 bits, and their inverses by Newton's method.
 * Correctly rounded 80-bit results are expected, so within half a unit in the last place.
 */
import { describe, expect, it } from "vitest";
import { EXTENDED } from "../../../../src/emu/cpu/fpu/formats.ts";
import * as soft from "../../../../src/emu/cpu/fpu/soft.ts";
import { angle, exp2m1, log2, log2p1, sinCos, tangent } from "../../../../src/emu/cpu/fpu/transcendental.ts";

const F = 400n;
const ONE = 1n << F;
const mul = (a: bigint, b: bigint): bigint => (a * b) >> F;
const div = (a: bigint, b: bigint): bigint => (a << F) / b;

function taylor(step: (term: bigint, k: bigint) => bigint, first: bigint): bigint {
  let term = first;
  let total = first;
  for (let k = 1n; term !== 0n && term !== -1n; k++) {
    term = step(term, k);
    total += term;
  }
  return total;
}
const exp = (x: bigint) => taylor((t, k) => mul(t, x) / k, ONE);
const sin = (x: bigint) => taylor((t, k) => -mul(mul(t, x), x) / (2n * k * (2n * k + 1n)), x);
const cos = (x: bigint) => taylor((t, k) => -mul(mul(t, x), x) / (2n * k * (2n * k - 1n)), ONE);

/** Halley's iteration for exp(result) = a. */
function ln(a: bigint): bigint {
  let x = 0n;
  for (let i = 0; i < 12; i++) {
    const e = exp(x);
    x += div(2n * (a - e), a + e);
  }
  return x;
}
/** Newton's for tan(result) = a. */
function atan(a: bigint): bigint {
  let x = BigInt(Math.round(Math.atan(Number(a >> (F - 60n)) / 2 ** 60) * 2 ** 50)) << (F - 50n);
  for (let i = 0; i < 5; i++) {
    const s = sin(x);
    const c = cos(x);
    x -= mul(mul(s, c) - mul(a, mul(c, c)), ONE);
  }
  return x;
}
const LN2 = ln(2n * ONE);
const PI = 4n * atan(ONE);

const env = new soft.Environment();
const fixed = (a: soft.Unpacked): bigint => {
  const shift = BigInt(a.exp) + F;
  const magnitude = shift >= 0n ? a.mant << shift : a.mant >> -shift;
  return a.sign ? -magnitude : magnitude;
};
const ofFixed = (value: bigint): soft.Unpacked =>
  soft.finite(value < 0n ? 1 : 0, value < 0n ? -value : value, -Number(F));
const bits = (value: soft.Unpacked) => {
  const { sign, mant, exp: e } = soft.roundTo(env, EXTENDED, value);
  return `${sign ? "-" : ""}${mant.toString(16)}p${e}`;
};

let seed = 12345n;
function random64(): bigint {
  seed = BigInt.asUintN(64, seed * 6364136223846793005n + 1442695040888963407n);
  return seed ^ (seed >> 29n);
}
/** A random number of 64 significant bits with an exponent in [low, high]. */
function number(low: number, high: number): soft.Unpacked {
  const exponent = low + Number(random64() % BigInt(high - low + 1));
  return soft.finite(Number((random64() >> 40n) & 1n), (1n << 63n) | (random64() >> 1n), exponent - 63);
}
const numbers = (low: number, high: number): soft.Unpacked[] => Array.from({ length: 200 }, () => number(low, high));
const positive = (a: soft.Unpacked): soft.Unpacked => ({ ...a, sign: 0 });

describe("elementary functions", () => {
  it("2^x - 1", () => {
    for (const x of numbers(-40, -1)) expect(bits(exp2m1(x))).toBe(bits(ofFixed(exp(mul(fixed(x), LN2)) - ONE)));
  });
  it("log2", () => {
    for (const x of numbers(-4, 4).map(positive)) expect(bits(log2(x))).toBe(bits(ofFixed(div(ln(fixed(x)), LN2))));
  });
  it("log2 of 1 + x", () => {
    for (const x of numbers(-40, -2)) expect(bits(log2p1(x))).toBe(bits(ofFixed(div(ln(ONE + fixed(x)), LN2))));
  });
  it("sine, cosine and tangent below pi/4", () => {
    for (const x of numbers(-40, -2)) {
      const s = sin(fixed(x));
      const c = cos(fixed(x));
      expect(bits(sinCos(x).sin)).toBe(bits(ofFixed(s)));
      expect(bits(sinCos(x).cos)).toBe(bits(ofFixed(c)));
      expect(bits(tangent(x))).toBe(bits(ofFixed(div(s, c))));
    }
  });
  it("sine and cosine of larger arguments subtract multiples of a pi of 66 bits", () => {
    const step = 0xc90fdaa22168c234cn << (F - 67n);
    for (const x of numbers(0, 30)) {
      const turns = (2n * fixed(x) + step) / (2n * step) - (x.sign ? 1n : 0n);
      // The rest, as an angle that is as far from true multiples of pi/2.
      const same = fixed(x) - turns * step + ((turns & 3n) * PI) / 2n;
      expect(bits(sinCos(x).sin)).toBe(bits(ofFixed(sin(same))));
      expect(bits(sinCos(x).cos)).toBe(bits(ofFixed(cos(same))));
    }
  });
  it("the angle of a point, in all quadrants", () => {
    for (const x of numbers(-3, 3)) {
      const y = number(-3, 3);
      const first = atan(div(fixed(positive(y)), fixed(positive(x))));
      const upper = x.sign ? PI - first : first;
      expect(bits(angle(y, x))).toBe(bits(ofFixed(y.sign ? -upper : upper)));
    }
  });
  it("tiny arguments round as the function bends", () => {
    const x = soft.finite(0, 3n, -9000);
    const up = new soft.Environment();
    up.rounding = soft.RC.UP;
    const down = new soft.Environment();
    down.rounding = soft.RC.DOWN;
    const near = (e: soft.Environment, a: soft.Unpacked) => soft.compareValues(soft.roundTo(e, EXTENDED, a), x);
    expect([near(up, sinCos(x).sin), near(down, sinCos(x).sin)]).toEqual([0, -1]);
    expect([near(up, tangent(x)), near(down, tangent(x))]).toEqual([1, 0]);
    expect([near(up, angle(x, soft.finite(0, 1n, 0))), near(down, angle(x, soft.finite(0, 1n, 0)))]).toEqual([0, -1]);
  });
});
