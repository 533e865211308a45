/** AES-NI, PCLMULQDQ and the SHA extensions: lane functions on 128 bits, which VAES and VPCLMULQDQ do twice. Tables are computed from the fields they come from. */
import { later } from "../later.ts";
import { computed, type OperationTable } from "../operation.ts";
import { aesInverse, multiply, substituteBytes } from "./galois.ts";
import { type Packed, packed } from "./sse-integer.ts";
import { checkSse, DST, Lanes, loadLanes, SRC, storeLanes, xmmIndex } from "./sse-lanes.ts";

/** The AES substitution: the inverse in the field, then an affine map. */
function substitution(x: number): number {
  const inverse = aesInverse()[x]!;
  let result = 0x63;
  for (let turn = 0; turn < 5; turn++) result ^= ((inverse << turn) | (inverse >> (8 - turn))) & 0xff;
  return result;
}
const substitutions = later(() => Uint8Array.from({ length: 256 }, (_, x) => substitution(x)));
const inverseSubstitutions = later(() => {
  const box = new Uint8Array(256);
  substitutions().forEach((y, x) => {
    box[y] = x;
  });
  return box;
});

const OLD = new Lanes();

/** Rows of the 4 by 4 state turn left by their number (or right), through a substitution. */
function shiftRows(d: Lanes, from: Lanes, box: Uint8Array, step: 1 | -1): void {
  OLD.u64.set(from.u64);
  for (let i = 0; i < 16; i++) {
    const row = i & 3;
    d.u8[i] = box[OLD.u8[(row + 4 * ((i >> 2) + step * row + 4)) & 15]!]!;
  }
}

/** Each column times a circulant matrix. */
function mixColumns(d: Lanes, from: Lanes, row: readonly number[]): void {
  OLD.u64.set(from.u64);
  for (let i = 0; i < 16; i++) {
    let total = 0;
    for (let k = 0; k < 4; k++) total ^= multiply(OLD.u8[(i & 12) + k]!, row[(k - (i & 3) + 4) & 3]!);
    d.u8[i] = total;
  }
}
const MIX = [2, 3, 1, 1];
const UNMIX = [14, 11, 13, 9];

function addKey(d: Lanes, s: Lanes): void {
  for (let i = 0; i < 4; i++) d.i32[i]! ^= s.i32[i]!;
}

const KEY = new Lanes();
const round =
  (box: () => Uint8Array, step: 1 | -1, mix: readonly number[] | undefined): Packed =>
  (d, s) => {
    KEY.u64.set(s.u64);
    shiftRows(d, d, box(), step);
    if (mix) mixColumns(d, d, mix);
    addKey(d, KEY);
  };

const substituteWord = (x: number): number => substituteBytes(substitutions(), x);
const rotate = (x: number, right: number): number => (x >>> right) | (x << (32 - right));

const keyGeneration: Packed = (d, s, _bytes, imm) => {
  const x1 = substituteWord(s.u32[1]!);
  const x3 = substituteWord(s.u32[3]!);
  d.i32[0] = x1;
  d.i32[1] = rotate(x1, 8) ^ imm;
  d.i32[2] = x3;
  d.i32[3] = rotate(x3, 8) ^ imm;
};

/** The product of two polynomials over GF(2). */
const carryless: Packed = (d, s, _bytes, imm) => {
  let a = d.u64[imm & 1]!;
  const b = s.u64[(imm >> 4) & 1]!;
  let product = 0n;
  for (let shift = 0n; a !== 0n; shift++, a >>= 1n) if (a & 1n) product ^= b << shift;
  d.u64[0] = BigInt.asUintN(64, product);
  d.u64[1] = product >> 64n;
};

const choose = (x: number, y: number, z: number): number => (x & y) ^ (~x & z);
const parity = (x: number, y: number, z: number): number => x ^ y ^ z;
const majority = (x: number, y: number, z: number): number => (x & y) ^ (x & z) ^ (y & z);
/** SHA-1: function and constant of each quarter of the rounds. */
const SHA1_ROUNDS = [
  [choose, 0x5a827999],
  [parity, 0x6ed9eba1],
  [majority, 0x8f1bbcdc],
  [parity, 0xca62c1d6],
] as const;

const sha1Rounds: Packed = (d, s, _bytes, imm) => {
  const [f, k] = SHA1_ROUNDS[imm & 3]!;
  let [dd, c, b, a] = [d.i32[0]!, d.i32[1]!, d.i32[2]!, d.i32[3]!];
  let e = 0;
  for (let i = 3; i >= 0; i--) {
    // The first word comes with E added (SHA1NEXTE).
    const next = (f(b, c, dd) + rotate(a, 27) + s.i32[i]! + e + k) | 0;
    [e, dd, c, b, a] = [dd, c, rotate(b, 2), a, next];
  }
  d.i32.set([dd, c, b, a]);
};

const sha1Schedule: Packed = (d, s) => {
  OLD.u64.set(d.u64);
  d.i32[3] = rotate(OLD.i32[3]! ^ s.i32[2]!, 31);
  d.i32[2] = rotate(OLD.i32[2]! ^ s.i32[1]!, 31);
  d.i32[1] = rotate(OLD.i32[1]! ^ s.i32[0]!, 31);
  d.i32[0] = rotate(OLD.i32[0]! ^ d.i32[3]!, 31);
};

const sigma = (x: number, a: number, b: number, shift: number): number => rotate(x, a) ^ rotate(x, b) ^ (x >>> shift);
const bigSigma = (x: number, a: number, b: number, c: number): number => rotate(x, a) ^ rotate(x, b) ^ rotate(x, c);

const sha256Message1: Packed = (d, s) => {
  const next = [d.i32[1]!, d.i32[2]!, d.i32[3]!, s.i32[0]!];
  for (let i = 0; i < 4; i++) d.i32[i] = d.i32[i]! + sigma(next[i]!, 7, 18, 3);
};
const sha256Message2: Packed = (d, s) => {
  d.i32[0] = d.i32[0]! + sigma(s.i32[2]!, 17, 19, 10);
  d.i32[1] = d.i32[1]! + sigma(s.i32[3]!, 17, 19, 10);
  d.i32[2] = d.i32[2]! + sigma(d.i32[0]!, 17, 19, 10);
  d.i32[3] = d.i32[3]! + sigma(d.i32[1]!, 17, 19, 10);
};

/** Two rounds of SHA-256: C D G H in the destination, A B E F in the source, message plus constants in XMM0. */
const sha256Rounds = computed((cpu, insn) => {
  checkSse(cpu);
  loadLanes(cpu, insn, 1, SRC, 16, true);
  loadLanes(cpu, insn, 0, DST, 16, false);
  let [h, g, d, c] = [DST.i32[0]!, DST.i32[1]!, DST.i32[2]!, DST.i32[3]!];
  let [f, e, b, a] = [SRC.i32[0]!, SRC.i32[1]!, SRC.i32[2]!, SRC.i32[3]!];
  for (let i = 0; i < 2; i++) {
    const t = (h + bigSigma(e, 6, 11, 25) + choose(e, f, g) + cpu.i32[xmmIndex(cpu, 0) + i]!) | 0;
    const next = (t + bigSigma(a, 2, 13, 22) + majority(a, b, c)) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t) | 0, c, b, a, next];
  }
  DST.i32.set([f, e, b, a]);
  storeLanes(cpu, insn, 0, DST, 16);
});

export const cryptoOperations: OperationTable = {
  Aesenc: packed(round(substitutions, 1, MIX)),
  Aesenclast: packed(round(substitutions, 1, undefined)),
  Aesdec: packed(round(inverseSubstitutions, -1, UNMIX)),
  Aesdeclast: packed(round(inverseSubstitutions, -1, undefined)),
  Aesimc: packed((d, s) => mixColumns(d, s, UNMIX)),
  Aeskeygenassist: packed(keyGeneration),
  Pclmulqdq: packed(carryless),
};

export const shaOperations: OperationTable = {
  Sha1rnds4: packed(sha1Rounds),
  Sha1nexte: packed((d, s) => {
    const e = rotate(d.i32[3]!, 2);
    d.u64.set(s.u64);
    d.i32[3] = d.i32[3]! + e;
  }),
  Sha1msg1: packed((d, s) => {
    OLD.i32.set([s.i32[2]!, s.i32[3]!, d.i32[0]!, d.i32[1]!]);
    addKey(d, OLD);
  }),
  Sha1msg2: packed(sha1Schedule),
  Sha256msg1: packed(sha256Message1),
  Sha256msg2: packed(sha256Message2),
  Sha256rnds2: sha256Rounds,
};
