/**
 * Vector instructions that few hosts have: known ciphers and digests where they are made for one, else the definition written down a
 * second time, on wide integers.
 */
import { createCipheriv, createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { CR4, GPR, OFF } from "../../../src/emu/cpu/layout.ts";
import { TestMachine } from "./kit.ts";
import { Random } from "./soup.ts";

const machine = new TestMachine({ bits: 64 });
machine.cpu.set32(OFF.CR4, machine.cpu.get32(OFF.CR4) | CR4.OSFXSR | CR4.OSXSAVE);
machine.cpu.set64(OFF.XCR0, 7n);

const MEMORY = 0x40000;
const register = (n: number): number => machine.cpu.base + OFF.YMM + n * 32;
function set(n: number, bytes: Uint8Array): void {
  machine.core.u8.fill(0xee, register(n), register(n) + 32);
  machine.core.u8.set(bytes, register(n));
}
const get = (n: number, length = 32): Buffer => Buffer.from(machine.core.u8.slice(register(n), register(n) + length));

/** VEX instruction on registers 1 (destination), 2, 3: three bytes of prefix, opcode, ModRM, perhaps an immediate. */
interface Vex {
  readonly map: 1 | 2 | 3;
  readonly pp: 0 | 1 | 2 | 3;
  readonly w: 0 | 1;
  readonly wide: boolean;
  readonly opcode: number;
  readonly immediate?: number;
  /** Only two operands. */
  readonly two?: boolean;
}
const bytesOf = ({ map, pp, w, wide, opcode, immediate, two }: Vex, rm: number): Uint8Array =>
  Uint8Array.from([
    0xc4,
    0xe0 | map,
    (w << 7) | ((two ? 15 : 15 - 2) << 3) | (wide ? 4 : 0) | pp,
    opcode,
    rm,
    ...(immediate === undefined ? [] : [immediate]),
  ]);
function run(vex: Vex, d: Uint8Array, a: Uint8Array, b: Uint8Array): Buffer {
  [d, a, b].forEach((bytes, i) => void set(i + 1, bytes));
  machine.load(bytesOf(vex, 0xc8 | (vex.two ? 2 : 3))).run(1);
  expect(Number(machine.cpu.rip) - 0x10000, "it faulted").toBe(vex.immediate === undefined ? 5 : 6);
  return get(1);
}

const random = new Random(7);
/** Random bytes with the values at the edges of every width among them. */
function bytes(length: number): Buffer {
  const out = Buffer.alloc(length);
  for (let i = 0; i < length; i++) out[i] = random.pick([random.below(256), 0, 0xff, 0x80, 0x7f]);
  return out;
}
const zeros = (of: Buffer, from: number): boolean => of.subarray(from).every((byte) => byte === 0);

// ---- sums of products

type Reader = (buffer: Buffer, at: number) => number;
const READ: Readonly<Record<string, Reader>> = {
  sb: (b, at) => b.readInt8(at),
  ub: (b, at) => b.readUInt8(at),
  sw: (b, at) => b.readInt16LE(at),
  uw: (b, at) => b.readUInt16LE(at),
};
const clamp = (x: bigint, low: bigint, high: bigint) => (x < low ? low : x > high ? high : x);

/** Name, opcode of the form that wraps, and prefix; the next opcode saturates. */
const DOTS = [
  ["VPDPBUSD", "ub", "sb", 0x50, 1, 0],
  ["VPDPWSSD", "sw", "sw", 0x52, 1, 0],
  ["VPDPBSSD", "sb", "sb", 0x50, 3, 0],
  ["VPDPBSUD", "sb", "ub", 0x50, 2, 0],
  ["VPDPBUUD", "ub", "ub", 0x50, 0, 0],
  ["VPDPWSUD", "sw", "uw", 0xd2, 2, 0],
  ["VPDPWUSD", "uw", "sw", 0xd2, 1, 0],
  ["VPDPWUUD", "uw", "uw", 0xd2, 0, 0],
] as const;

function dot(d: Buffer, a: Buffer, b: Buffer, first: string, second: string, saturates: boolean): Buffer {
  const out = Buffer.alloc(d.length);
  const unsigned = first[0] === "u" && second[0] === "u";
  const size = first[1] === "b" ? 1 : 2;
  for (let at = 0; at < d.length; at += 4) {
    let sum = BigInt(unsigned ? d.readUInt32LE(at) : d.readInt32LE(at));
    for (let k = 0; k < 4; k += size) sum += BigInt(READ[first]!(a, at + k)) * BigInt(READ[second]!(b, at + k));
    if (saturates) sum = unsigned ? clamp(sum, 0n, 0xffffffffn) : clamp(sum, -0x80000000n, 0x7fffffffn);
    out.writeUInt32LE(Number(BigInt.asUintN(32, sum)), at);
  }
  return out;
}

describe.each(DOTS)("%s", (_name, first, second, opcode, pp, w) => {
  it.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])("256 bits: %s, saturating: %s", (wide, saturates) => {
    for (let turn = 0; turn < 50; turn++) {
      const length = wide ? 32 : 16;
      const [d, a, b] = [bytes(length), bytes(length), bytes(length)];
      const made = run({ map: 2, pp, w, wide, opcode: opcode + (saturates ? 1 : 0) }, d, a, b);
      expect(made.subarray(0, length)).toEqual(dot(d, a, b, first, second, saturates));
      expect(zeros(made, length)).toBe(true);
    }
  });
});

it.each([
  ["VPMADD52LUQ", 0xb4, 0n],
  ["VPMADD52HUQ", 0xb5, 52n],
] as const)("%s", (_name, opcode, shift) => {
  for (let turn = 0; turn < 50; turn++) {
    const [d, a, b] = [bytes(32), bytes(32), bytes(32)];
    const made = run({ map: 2, pp: 1, w: 1, wide: true, opcode }, d, a, b);
    for (let at = 0; at < 32; at += 8) {
      const product = BigInt.asUintN(52, a.readBigUInt64LE(at)) * BigInt.asUintN(52, b.readBigUInt64LE(at));
      const want = d.readBigUInt64LE(at) + BigInt.asUintN(52, product >> shift);
      expect(made.readBigUInt64LE(at)).toBe(BigInt.asUintN(64, want));
    }
  }
});

// ---- fields of 256 elements: what AES makes of them

describe("GFNI", () => {
  const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  /** The AES map as a matrix: 0xf1e3c78f1f3e7cf8, the highest byte of which makes bit 0. */
  const MATRIX = Buffer.from("f87c3e1f8fc7e3f1", "hex");
  const matrix = Buffer.concat([MATRIX, MATRIX, MATRIX, MATRIX]);
  /** S-box by the processor itself: the last round of AES with a zero key, its rows turned back. */
  function substitution(block: Buffer): Buffer {
    set(1, block);
    set(2, Buffer.alloc(16));
    machine.load("660f38ddca").run(1);
    const turned = get(1, 16);
    return Buffer.from(Array.from({ length: 16 }, (_, i) => turned[(i + 16 - 4 * (i & 3)) & 15]!));
  }
  it("the affine map of an inverse is AES's substitution", () => {
    for (let at = 0; at < 256; at += 32) {
      const block = every.subarray(at, at + 32);
      const made = run({ map: 3, pp: 1, w: 1, wide: true, opcode: 0xcf, immediate: 0x63 }, block, block, matrix);
      expect(made).toEqual(Buffer.concat([substitution(block.subarray(0, 16)), substitution(block.subarray(16))]));
    }
  });
  it("the map alone, after a product that inverts", () => {
    // x^254 is the inverse: seven squarings and six products.
    for (let at = 0; at < 256; at += 32) {
      const block = every.subarray(at, at + 32);
      const multiply = (a: Buffer, b: Buffer) => run({ map: 2, pp: 1, w: 0, wide: true, opcode: 0xcf }, a, a, b);
      let power = multiply(block, block);
      let inverse: Buffer = power;
      for (let i = 0; i < 6; i++) {
        power = multiply(power, power);
        inverse = multiply(inverse, power);
      }
      const affine = { map: 3, pp: 1, w: 1, wide: true, immediate: 0x63 } as const;
      expect(run({ ...affine, opcode: 0xce }, inverse, inverse, matrix)).toEqual(
        run({ ...affine, opcode: 0xcf }, block, block, matrix),
      );
    }
  });
  it("the legacy forms", () => {
    const [a, b] = [bytes(16), bytes(16)];
    for (const [code, vex] of [
      ["660f38cfca", { map: 2, pp: 1, w: 0, wide: false, opcode: 0xcf }],
      ["660f3aceca5a", { map: 3, pp: 1, w: 1, wide: false, opcode: 0xce, immediate: 0x5a }],
      ["660f3acfca5a", { map: 3, pp: 1, w: 1, wide: false, opcode: 0xcf, immediate: 0x5a }],
    ] as const) {
      const want = run(vex, a, a, b).subarray(0, 16);
      set(1, a);
      set(2, b);
      machine.load(code).run(1);
      expect(get(1, 16)).toEqual(want);
      // A legacy form leaves the upper half.
      expect(get(1)[31]).toBe(0xee);
    }
  });
});

it.each([
  ["VAESENC", { map: 2, opcode: 0xdc }],
  ["VAESENCLAST", { map: 2, opcode: 0xdd }],
  ["VAESDEC", { map: 2, opcode: 0xde }],
  ["VAESDECLAST", { map: 2, opcode: 0xdf }],
  ["VPCLMULQDQ", { map: 3, opcode: 0x44, immediate: 0x10 }],
] as const)("%s of 256 bits does both halves as the 128-bit form does", (_name, form) => {
  const [a, b] = [bytes(32), bytes(32)];
  const vex = { pp: 1, w: 0, ...form } as const;
  const one = (from: number) =>
    run({ ...vex, wide: false }, a, a.subarray(from, from + 16), b.subarray(from, from + 16)).subarray(0, 16);
  const want = Buffer.concat([one(0), one(16)]);
  expect(run({ ...vex, wide: true }, a, a, b)).toEqual(want);
});

// ---- digests

const words = (...values: bigint[]): Buffer => {
  const out = Buffer.alloc(values.length * 8);
  values.forEach((value, i) => void out.writeBigUInt64LE(BigInt.asUintN(64, value), i * 8));
  return out;
};
const quads = (buffer: Buffer): bigint[] =>
  Array.from({ length: buffer.length / 8 }, (_, i) => buffer.readBigUInt64LE(i * 8));

const PRIMES = Array.from({ length: 420 }, (_, n) => n).filter(
  (n) => n > 1 && !Array.from({ length: n }, (_, k) => k).some((k) => k > 1 && n % k === 0),
);
/** First 64 bits of the fraction of the n-th root. */
function fraction(prime: number, n: bigint): bigint {
  const target = BigInt(prime) << (64n * n);
  let root = 0n;
  for (let bit = 1n << 72n; bit > 0n; bit >>= 1n) if ((root + bit) ** n <= target) root += bit;
  return BigInt.asUintN(64, root);
}
const K512 = PRIMES.slice(0, 80).map((p) => fraction(p, 3n));

/** One block; the sequence of libraries. */
function sha512(text: string): string {
  const block = Buffer.alloc(128);
  block.write(text);
  block[text.length] = 0x80;
  block.writeUInt32BE(text.length * 8, 124);
  const start = PRIMES.slice(0, 8).map((p) => fraction(p, 2n));
  const [a, b, c, d, e, f, g, h] = start as [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint];
  let abef = words(f, e, b, a);
  let cdgh = words(h, g, d, c);
  const w = [0, 32, 64, 96].map((at) => words(...[0, 8, 16, 24].map((i) => block.readBigUInt64BE(at + i))));
  const vex = { map: 2, pp: 3, w: 0, wide: true } as const;
  for (let i = 0; i < 20; i++) {
    if (i > 3) {
      const [w16, w12, w8, w4] = w.slice(i - 4) as [Buffer, Buffer, Buffer, Buffer];
      const first = run({ ...vex, opcode: 0xcc, two: true }, w16, w12, w12);
      const seventh = quads(Buffer.concat([w8, w4])).slice(1, 5);
      const sums = words(...quads(first).map((x, k) => x + seventh[k]!));
      w.push(run({ ...vex, opcode: 0xcd, two: true }, sums, w4, w4));
    }
    const wk = words(...quads(w[i]!).map((x, k) => x + K512[i * 4 + k]!));
    const next = run({ ...vex, opcode: 0xcb }, cdgh, abef, wk.subarray(0, 16));
    [cdgh, abef] = [abef, next];
    const after = run({ ...vex, opcode: 0xcb }, cdgh, abef, wk.subarray(16));
    [cdgh, abef] = [abef, after];
  }
  const [ff, ee, bb, aa] = quads(abef) as [bigint, bigint, bigint, bigint];
  const [hh, gg, dd, cc] = quads(cdgh) as [bigint, bigint, bigint, bigint];
  const sums = [aa, bb, cc, dd, ee, ff, gg, hh].map((x, i) => BigInt.asUintN(64, x + start[i]!));
  return sums.map((x) => x.toString(16).padStart(16, "0")).join("");
}

const dwords = (...values: number[]): Buffer => {
  const out = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => void out.writeInt32LE(value | 0, i * 4));
  return out;
};
const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

function sm3(text: string): string {
  const block = Buffer.alloc(64);
  block.write(text);
  block[text.length] = 0x80;
  block.writeUInt32BE(text.length * 8, 60);
  const start = [
    0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
  ] as const;
  const [a, b, c, d, e, f, g, h] = start;
  let abef = dwords(f, e, b, a);
  // The instruction rotates C, D, G and H when it reads them.
  let cdgh = dwords(rotate(h, 13), rotate(g, 13), rotate(d, 23), rotate(c, 23));
  const w = Array.from({ length: 16 }, (_, i) => block.readInt32BE(i * 4));
  const at = (i: number) => dwords(...w.slice(i, i + 4));
  const vex = { map: 2, w: 0, wide: false, opcode: 0xda } as const;
  while (w.length < 68) {
    const i = w.length;
    const first = run({ ...vex, pp: 0 }, at(i - 9), dwords(...w.slice(i - 3), 0), at(i - 16)).subarray(0, 16);
    const next = run({ ...vex, pp: 1 }, first, at(i - 13), at(i - 6));
    for (let k = 0; k < 16; k += 4) w.push(next.readInt32LE(k));
  }
  for (let round = 0; round < 64; round += 2) {
    const input = dwords(w[round]!, w[round + 1]!, w[round + 4]!, w[round + 5]!);
    const next = run({ map: 3, pp: 1, w: 0, wide: false, opcode: 0xde, immediate: round }, cdgh, abef, input);
    [cdgh, abef] = [abef, next.subarray(0, 16)];
  }
  const word = (buffer: Buffer, i: number, by = 0) => rotate(buffer.readInt32LE(i * 4), by);
  const last = [
    ...[word(abef, 3), word(abef, 2), word(cdgh, 3, 9), word(cdgh, 2, 9)],
    ...[word(abef, 1), word(abef, 0), word(cdgh, 1, 19), word(cdgh, 0, 19)],
  ];
  return last.map((x, i) => ((x ^ start[i]!) >>> 0).toString(16).padStart(8, "0")).join("");
}

it.each(["", "abc", "The quick brown fox jumps over the lazy dog"])("digests of %j", (text) => {
  expect(sha512(text)).toBe(createHash("sha512").update(text).digest("hex"));
  expect(sm3(text)).toBe(createHash("sm3").update(text).digest("hex"));
});

it("SM4: keys and blocks, two at a time", () => {
  const key = Buffer.from("0123456789abcdeffedcba9876543210", "hex");
  const plain = bytes(32);
  const FK = [0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc];
  const flipped = (buffer: Buffer) => Buffer.from(buffer).swap32();
  let round: Buffer = dwords(...FK.map((fk, i) => key.readInt32BE(i * 4) ^ fk));
  let state: Buffer = flipped(plain);
  for (let i = 0; i < 32; i += 4) {
    const constants = [0, 1, 2, 3].map((k) =>
      [0, 1, 2, 3].reduce((x, j) => (x << 8) | ((((i + k) * 4 + j) * 7) % 256), 0),
    );
    round = run({ map: 2, pp: 2, w: 0, wide: false, opcode: 0xda }, round, round, dwords(...constants)).subarray(0, 16);
    state = run({ map: 2, pp: 3, w: 0, wide: true, opcode: 0xda }, state, state, Buffer.concat([round, round]));
  }
  // The words come out in reverse.
  const order = [3, 2, 1, 0, 7, 6, 5, 4].map((i) => state.readInt32LE(i * 4));
  const cipher = createCipheriv("sm4-ecb", key, null).setAutoPadding(false);
  expect(flipped(dwords(...order))).toEqual(cipher.update(plain));
});

// ---- half-width floats

describe("AVX-NE-CONVERT", () => {
  const load = (code: Vex, memory: Buffer): Buffer => {
    memory.forEach((byte, i) => void machine.cpu.physWrite(MEMORY + i, 1, byte));
    machine.set("RDI", MEMORY);
    set(1, Buffer.alloc(32, 0xee));
    machine.load(bytesOf(code, 0x0f)).run(1);
    return get(1);
  };
  const floats = (buffer: Buffer) => Array.from({ length: buffer.length / 4 }, (_, i) => buffer.readFloatLE(i * 4));
  const halves = (...values: number[]) => {
    const out = Buffer.alloc(values.length * 2);
    values.forEach((value, i) => void out.writeUInt16LE(value, i * 2));
    return out;
  };
  // 1, -2, smallest denormal, largest, infinity, minus zero, a denormal, 1/3
  const FP16 = [0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000, 0x03ff, 0x3555];
  const VALUES = [1, -2, 2 ** -24, 65504, Number.POSITIVE_INFINITY, -0, 1023 * 2 ** -24, 1365 / 4096];
  const vex = { map: 2, w: 0, two: true } as const;
  it("even and odd elements of FP16, denormals too, whatever MXCSR says", () => {
    machine.cpu.set32(OFF.MXCSR, 0xffff);
    const memory = halves(...FP16, ...FP16);
    const even = VALUES.filter((_, i) => i % 2 === 0);
    const odd = VALUES.filter((_, i) => i % 2 === 1);
    expect(floats(load({ ...vex, pp: 1, wide: true, opcode: 0xb0 }, memory))).toEqual([...even, ...even]);
    expect(floats(load({ ...vex, pp: 0, wide: true, opcode: 0xb0 }, memory))).toEqual([...odd, ...odd]);
    expect(floats(load({ ...vex, pp: 1, wide: false, opcode: 0xb0 }, memory))).toEqual([...even, 0, 0, 0, 0]);
    expect(machine.cpu.get32(OFF.MXCSR)).toBe(0xffff);
  });
  it("a signaling FP16 becomes quiet; BF16 keeps its bits", () => {
    const nan = load({ ...vex, pp: 1, wide: false, opcode: 0xb1 }, halves(0x7d01));
    expect(nan.readUInt32LE(0)).toBe(0x7fe02000);
    const bf16 = load({ ...vex, pp: 2, wide: true, opcode: 0xb1 }, halves(0x7f81));
    expect([0, 4, 28].map((at) => bf16.readUInt32LE(at))).toEqual([0x7f810000, 0x7f810000, 0x7f810000]);
    const pairs = halves(1, 2, 3, 4, 5, 6, 7, 8);
    expect([...load({ ...vex, pp: 2, wide: false, opcode: 0xb0 }, pairs).subarray(0, 16)]).toEqual(
      [1, 3, 5, 7].flatMap((x) => [0, 0, x, 0]),
    );
    expect([...load({ ...vex, pp: 3, wide: false, opcode: 0xb0 }, pairs).subarray(0, 16)]).toEqual(
      [2, 4, 6, 8].flatMap((x) => [0, 0, x, 0]),
    );
  });
  it("to BF16: ties to even, denormals to zero, NaNs quiet", () => {
    const source = dwords(
      0x3f808000,
      0x3f818000,
      0x007fffff,
      0x80000001,
      0x7f800001,
      0xff800000,
      0x7f7fffff,
      0x3f80_7fff,
    );
    const made = run({ ...vex, pp: 2, wide: true, opcode: 0x72 }, source, source, source);
    const words16 = Array.from({ length: 16 }, (_, i) => made.readUInt16LE(i * 2));
    // `two` takes its source from register 2, which has the same bytes.
    expect(words16).toEqual([0x3f80, 0x3f82, 0, 0x8000, 0x7fc0, 0xff80, 0x7f80, 0x3f80, 0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

it("a 32-byte operand in memory that reaches into a missing page leaves the destination", () => {
  set(1, Buffer.alloc(32, 0x55));
  machine.set("RDI", 0x3fff_fff0);
  machine.load(bytesOf({ map: 2, pp: 1, w: 0, wide: true, opcode: 0x50 }, 0x0f)).run(1);
  expect(get(1).every((byte) => byte === 0x55)).toBe(true);
  expect(machine.cpu.gpr(GPR.RDI)).toBe(0x3fff_fff0n);
});
