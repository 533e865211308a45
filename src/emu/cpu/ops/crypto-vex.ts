/** SHA-512, SM3 and SM4, which have VEX forms only. Words of a register are numbered from the lowest. */
import { later } from "../later.ts";
import { computed, type OperationTable } from "../operation.ts";
import { inverses, parity, substituteBytes } from "./galois.ts";
import { packed } from "./sse-integer.ts";
import { checkAvx, DST, Lanes, loadLanes, loadWide, SRC, storeWide } from "./sse-lanes.ts";
import { type Three, three } from "./vex-three.ts";

// ---- SHA-512

const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
const right = (x: bigint, by: bigint): bigint => u64((x >> by) | (x << (64n - by)));
const sigma0 = (x: bigint): bigint => right(x, 1n) ^ right(x, 8n) ^ (x >> 7n);
const sigma1 = (x: bigint): bigint => right(x, 19n) ^ right(x, 61n) ^ (x >> 6n);
const sum0 = (x: bigint): bigint => right(x, 28n) ^ right(x, 34n) ^ right(x, 39n);
const sum1 = (x: bigint): bigint => right(x, 14n) ^ right(x, 18n) ^ right(x, 41n);

const quads = (lanes: Lanes): bigint[] => [...lanes.u64, ...lanes.upper!.u64];
function setQuads(lanes: Lanes, words: readonly bigint[]): void {
  words.forEach((word, i) => {
    (i < 2 ? lanes : lanes.upper!).u64[i & 1] = u64(word);
  });
}

/** w[i] + sigma0(w[i + 1]) of four words and the one after them. */
const sha512Message1 = computed((cpu, insn) => {
  checkAvx(cpu);
  loadLanes(cpu, insn, 1, SRC, 16, false);
  loadWide(cpu, insn, 0, DST);
  const w = [...quads(DST), SRC.u64[0]!];
  setQuads(
    DST,
    w.slice(0, 4).map((word, i) => word + sigma0(w[i + 1]!)),
  );
  storeWide(cpu, insn, 0, DST);
});

/** Adds sigma1 of the word two places back, which for the last two are words just made. */
const sha512Message2 = computed((cpu, insn) => {
  checkAvx(cpu);
  loadWide(cpu, insn, 1, SRC);
  loadWide(cpu, insn, 0, DST);
  const w = [...SRC.upper!.u64];
  for (const word of quads(DST)) w.push(u64(word + sigma1(w.at(-2)!)));
  setQuads(DST, w.slice(2));
  storeWide(cpu, insn, 0, DST);
});

const FIRST = new Lanes(new Lanes());

/** Two rounds: H G D C in the destination, F E B A in the second operand, words plus constants in the third. */
const sha512Rounds = computed((cpu, insn) => {
  checkAvx(cpu);
  loadLanes(cpu, insn, 2, SRC, 16, false);
  loadWide(cpu, insn, 1, FIRST);
  loadWide(cpu, insn, 0, DST);
  let [h, g, d, c] = quads(DST) as [bigint, bigint, bigint, bigint];
  let [f, e, b, a] = quads(FIRST) as [bigint, bigint, bigint, bigint];
  for (const word of SRC.u64) {
    const t = h + sum1(e) + ((e & f) ^ (u64(~e) & g)) + word;
    const next = u64(t + sum0(a) + ((a & b) ^ (a & c) ^ (b & c)));
    [h, g, f, e, d, c, b, a] = [g, f, e, u64(d + t), c, b, a, next];
  }
  setQuads(DST, [f, e, b, a]);
  storeWide(cpu, insn, 0, DST);
});

// ---- SM3

const left = (x: number, by: number): number => (x << (by & 31)) | (x >>> (-by & 31));
const permute0 = (x: number): number => x ^ left(x, 9) ^ left(x, 17);
const permute1 = (x: number): number => x ^ left(x, 15) ^ left(x, 23);

/** The part of the next four words that comes through P1. */
const sm3Message1: Three = (d, a, b) => {
  for (let i = 0; i < 4; i++) d.i32[i] = permute1(d.i32[i]! ^ b.i32[i]! ^ (i < 3 ? left(a.i32[i]!, 15) : 0));
};

/** The rest of them; what word 16 gives to word 19 comes through P1 too. */
const sm3Message2: Three = (d, a, b) => {
  for (let i = 0; i < 4; i++) d.i32[i] = left(a.i32[i]!, 7) ^ b.i32[i]! ^ d.i32[i]!;
  d.i32[3] = d.i32[3]! ^ permute1(left(d.i32[0]!, 15));
};

/** Two rounds: H G D C, not yet rotated, in the destination; F E B A; words W[0] W[1] W[4] W[5]; the round's number. */
const sm3Rounds: Three = (target, first, words, imm) => {
  const round = imm & 0x3e;
  const early = round < 16;
  let [h, g, d, c] = [
    left(target.i32[0]!, 19),
    left(target.i32[1]!, 19),
    left(target.i32[2]!, 9),
    left(target.i32[3]!, 9),
  ];
  let [f, e, b, a] = [first.i32[0]!, first.i32[1]!, first.i32[2]!, first.i32[3]!];
  let constant = left(early ? 0x79cc4519 : 0x7a879d8a, round);
  for (let i = 0; i < 2; i++) {
    const ss1 = left((left(a, 12) + e + constant) | 0, 7);
    const ff = early ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
    const gg = early ? e ^ f ^ g : (e & f) | (~e & g);
    const tt1 = (ff + d + (ss1 ^ left(a, 12)) + (words.i32[i]! ^ words.i32[i + 2]!)) | 0;
    const tt2 = (gg + h + ss1 + words.i32[i]!) | 0;
    [h, g, f, e, d, c, b, a] = [g, left(f, 19), e, permute0(tt2), c, left(b, 9), a, tt1];
    constant = left(constant, 1);
  }
  target.i32.set([f, e, b, a]);
};

// ---- SM4

/** An affine map, the inverse modulo x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1, and the same map again. */
const sm4Substitutions = later(() => {
  const inverse = inverses(0x1f5);
  const map = (x: number): number => {
    let y = 0xd3;
    for (let bit = 0; bit < 8; bit++) y ^= parity(((0xa7 << bit) | (0xa7 >> (8 - bit))) & x) << bit;
    return y;
  };
  return Uint8Array.from({ length: 256 }, (_, x) => map(inverse[map(x)]!));
});
const substitute = (x: number): number => substituteBytes(sm4Substitutions(), x);

/** Four rounds: each new word is the oldest, changed by the other three and a word of the last operand. */
const sm4 = (mix: (x: number) => number) =>
  packed((d, s) => {
    const words = [...d.i32];
    for (let i = 0; i < 4; i++) {
      const [x0, x1, x2, x3] = words.slice(i) as [number, number, number, number];
      words.push(x0 ^ mix(substitute(x1 ^ x2 ^ x3 ^ s.i32[i]!)));
    }
    d.i32.set(words.slice(4));
  });

export const vexCryptoOperations: OperationTable = {
  Vsha512msg1: sha512Message1,
  Vsha512msg2: sha512Message2,
  Vsha512rnds2: sha512Rounds,
  Vsm3msg1: three(sm3Message1),
  Vsm3msg2: three(sm3Message2),
  Vsm3rnds2: three(sm3Rounds),
  Vsm4rnds4: sm4((x) => x ^ left(x, 2) ^ left(x, 10) ^ left(x, 18) ^ left(x, 24)),
  Vsm4key4: sm4((x) => x ^ left(x, 13) ^ left(x, 23)),
};
