/** The SHA extensions, which not every host has: digests by the instruction sequences that libraries use, against known ones. */
import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { CR4, OFF } from "../../../src/emu/cpu/layout.ts";
import { TestMachine } from "./kit.ts";

type Words = readonly number[];
const machine = new TestMachine({ bits: 64 });
machine.cpu.set32(OFF.CR4, machine.cpu.get32(OFF.CR4) | CR4.OSFXSR);

/** One instruction on xmm1 and xmm2, with xmm0 as implied operand: the new xmm1. Words are lowest first. */
function run(opcode: string, d: Words, s: Words, implied: Words = [0, 0, 0, 0]): number[] {
  [implied, d, s].forEach((words, reg) => {
    for (let i = 0; i < 4; i++) machine.cpu.set32(OFF.YMM + reg * 32 + i * 4, words[i]!);
  });
  machine.load(opcode).run(1);
  return [0, 1, 2, 3].map((i) => machine.cpu.get32(OFF.YMM + 32 + i * 4));
}
const add = (a: Words, b: Words): number[] => a.map((x, i) => (x + b[i]!) | 0);

/** One padded block as big-endian words. */
function block(text: string): number[] {
  const bytes = Buffer.alloc(64);
  bytes.write(text);
  bytes[text.length] = 0x80;
  bytes.writeUInt32BE(text.length * 8, 60);
  return Array.from({ length: 16 }, (_, i) => bytes.readInt32BE(i * 4));
}
const hex = (words: Words): string => words.map((w) => (w >>> 0).toString(16).padStart(8, "0")).join("");

const PRIMES = Array.from({ length: 320 }, (_, n) => n).filter(
  (n) => n > 1 && !Array.from({ length: n }, (_, k) => k).some((k) => k > 1 && n % k === 0),
);
/** First 32 bits of the fraction of the n-th root. */
function fraction(prime: number, n: bigint): number {
  const target = BigInt(prime) << (32n * n);
  let root = 0n;
  for (let bit = 1n << 40n; bit > 0n; bit >>= 1n) if ((root + bit) ** n <= target) root += bit;
  return Number(BigInt.asIntN(32, root));
}

function sha256(text: string): string {
  const k = PRIMES.slice(0, 64).map((p) => fraction(p, 3n));
  const [a, b, c, d, e, f, g, h] = PRIMES.slice(0, 8).map((p) => fraction(p, 2n)) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  let abef = [f, e, b, a];
  let cdgh = [h, g, d, c];
  const [first, second] = [abef, cdgh];
  const input = block(text);
  const w = [0, 4, 8, 12].map((i) => input.slice(i, i + 4));
  for (let i = 0; i < 16; i++) {
    const sum = add(w[i]!, k.slice(i * 4, i * 4 + 4));
    cdgh = run("0f38cbca", cdgh, abef, sum);
    abef = run("0f38cbca", abef, cdgh, [sum[2]!, sum[3]!, 0, 0]);
    if (i < 3) continue;
    const mixed = add(run("0f38ccca", w[i - 3]!, w[i - 2]!), [...w[i - 1]!.slice(1), w[i]![0]!]);
    w.push(run("0f38cdca", mixed, w[i]!));
  }
  const [ff, ee, bb, aa] = add(abef, first) as [number, number, number, number];
  const [hh, gg, dd, cc] = add(cdgh, second) as [number, number, number, number];
  return hex([aa, bb, cc, dd, ee, ff, gg, hh]);
}

function sha1(text: string): string {
  const start = [0x10325476, 0x98badcfe, 0xefcdab89, 0x67452301];
  let abcd: number[] = start;
  let previous: number[] = [];
  const input = block(text);
  const w = [0, 4, 8, 12].map((i) => input.slice(i, i + 4).reverse());
  for (let i = 0; i < 20; i++) {
    if (i > 3) {
      const mixed = run("0f38c9ca", w[i - 4]!, w[i - 3]!).map((x, lane) => x ^ w[i - 2]![lane]!);
      w.push(run("0f38caca", mixed, w[i - 1]!));
    }
    const message = i === 0 ? add(w[0]!, [0, 0, 0, 0xc3d2e1f0]) : run("0f38c8ca", previous, w[i]!);
    previous = abcd;
    abcd = run(
      `0f3accca${Math.floor(i / 5)
        .toString(16)
        .padStart(2, "0")}`,
      abcd,
      message,
    );
  }
  const e = run("0f38c8ca", previous, [0, 0, 0, 0xc3d2e1f0])[3]!;
  return hex([...add(abcd, start).reverse(), e]);
}

it.each(["", "abc", "The quick brown fox jumps over the lazy dog"])("digests of %j", (text) => {
  expect(sha256(text)).toBe(createHash("sha256").update(text).digest("hex"));
  expect(sha1(text)).toBe(createHash("sha1").update(text).digest("hex"));
});
