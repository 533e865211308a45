/**
 * AVX and AVX2. Most forms are those of SSE under a second name (vex.ts); here are the names, and what only VEX has: broadcasts,
 * moves and permutations across the halves, masked moves, shifts by lane, zeroing.
 */
import type { Cpu } from "../cpu.ts";
import { ud } from "../fault.ts";
import { GPR, OFF, SEG } from "../layout.ts";
import { computed, type Insn, type OperationTable } from "../operation.ts";
import { cryptoOperations } from "./crypto.ts";
import { galoisOperations } from "./galois.ts";
import { cmpsd, sseArithmeticOperations } from "./sse-arith.ts";
import { sseConversionOperations } from "./sse-convert.ts";
import { packed, sseIntegerOperations, testing } from "./sse-integer.ts";
import {
  checkAvx,
  DST,
  immediate,
  Lanes,
  loadLanes,
  loadPair,
  loadWide,
  SRC,
  SRC_UP,
  storeLanes,
  storeWide,
  xmmIndex,
} from "./sse-lanes.ts";
import { movsd, sseMoveOperations } from "./sse-move.ts";
import { sseShuffleOperations } from "./sse-shuffle.ts";
import { sseStateOperations } from "./sse-state.ts";
import { sseTextOperations } from "./sse-text.ts";
import { vexBytes, vexForms } from "./vex.ts";

/** Legacy mnemonics that have no VEX form, or whose name means something else (string instructions). */
const LEGACY_ONLY = [
  ..."Cvtpi2ps Cvtpi2pd Cvtps2pi Cvttps2pi Cvtpd2pi Cvttpd2pi Pshufw Movntq Movq2dq Movdq2q Maskmovq".split(" "),
  ..."Movsd Cmpsd Fxsave Fxsave64 Fxrstor Fxrstor64".split(" "),
];

const sameAsLegacy: OperationTable = vexForms(
  {
    ...sseArithmeticOperations,
    ...sseConversionOperations,
    ...sseIntegerOperations,
    ...sseMoveOperations,
    ...sseShuffleOperations,
    ...sseStateOperations,
    ...sseTextOperations,
    ...cryptoOperations,
    ...galoisOperations,
  },
  LEGACY_ONLY,
);

/** The lowest `bytes` of the source in every place. */
const broadcast = (bytes: 1 | 2 | 4 | 8 | 16) =>
  computed((cpu, insn) => {
    checkAvx(cpu);
    loadLanes(cpu, insn, 1, SRC, insn.ops[1]!.kind === "mem" ? bytes : 16, false);
    for (let i = bytes; i < 16; i++) SRC.u8[i] = SRC.u8[i - bytes]!;
    SRC_UP.u64.set(SRC.u64);
    storeLanes(cpu, insn, 0, SRC, 16);
  });

const half = (lanes: Lanes, which: number): Lanes => (which & 1 ? lanes.upper! : lanes);

const insertHalf = computed((cpu, insn) => {
  checkAvx(cpu);
  loadLanes(cpu, insn, 2, SRC, 16, false);
  loadWide(cpu, insn, 1, DST);
  half(DST, immediate(insn)).u64.set(SRC.u64);
  storeWide(cpu, insn, 0, DST);
});

const extractHalf = computed((cpu, insn) => {
  checkAvx(cpu);
  loadWide(cpu, insn, 1, SRC);
  storeLanes(cpu, insn, 0, half(SRC, immediate(insn)), 16);
});

const RESULT = new Lanes(new Lanes());

/** Each half of the result is any half of the two sources, or zero. */
const permuteHalves = computed((cpu, insn) => {
  checkAvx(cpu);
  loadPair(cpu, insn, 16, false);
  for (const [i, target] of [RESULT, RESULT.upper!].entries()) {
    const control = (immediate(insn) >> (i * 4)) & 15;
    if (control & 8) target.u64.fill(0n);
    else target.u64.set(half(control & 2 ? SRC : DST, control).u64);
  }
  storeWide(cpu, insn, 0, RESULT);
});

/** VPERMQ, VPERMPD: quadwords by the immediate. */
const permuteQuads = computed((cpu, insn) => {
  checkAvx(cpu);
  loadWide(cpu, insn, 1, SRC);
  for (let i = 0; i < 4; i++) {
    const from = (immediate(insn) >> (i * 2)) & 3;
    half(RESULT, i >> 1).u64[i & 1] = half(SRC, from >> 1).u64[from & 1]!;
  }
  storeWide(cpu, insn, 0, RESULT);
});

/** VPERMD, VPERMPS: dwords of the last source by the indices in the first. */
const permuteDwords = computed((cpu, insn) => {
  checkAvx(cpu);
  loadPair(cpu, insn, 16, false);
  for (let i = 0; i < 8; i++) {
    const from = half(DST, i >> 2).u32[i & 3]! & 7;
    half(RESULT, i >> 2).u32[i & 3] = half(SRC, from >> 2).u32[from & 3]!;
  }
  storeWide(cpu, insn, 0, RESULT);
});

/** VPERMILPS and VPERMILPD: within each half, by the immediate or by the bits of a third operand. */
const permuteSingles = (cpu: Cpu, insn: Insn): void => {
  const byImmediate = insn.ops[2]!.kind === "imm";
  const one = (to: Lanes, from: Lanes, control: Lanes) => {
    for (let i = 0; i < 4; i++) to.i32[i] = from.i32[(byImmediate ? immediate(insn) >> (i * 2) : control.i32[i]!) & 3]!;
  };
  inHalves(cpu, insn, byImmediate, one);
};
const permuteDoubles = (cpu: Cpu, insn: Insn): void => {
  const byImmediate = insn.ops[2]!.kind === "imm";
  const one = (to: Lanes, from: Lanes, control: Lanes, shift: number) => {
    for (let i = 0; i < 2; i++)
      to.u64[i] = from.u64[(byImmediate ? immediate(insn) >> (i + shift) : control.i32[i * 2]! >> 1) & 1]!;
  };
  inHalves(cpu, insn, byImmediate, one);
};

function inHalves(
  cpu: Cpu,
  insn: Insn,
  byImmediate: boolean,
  one: (to: Lanes, from: Lanes, control: Lanes, shift: number) => void,
): void {
  checkAvx(cpu);
  const halves = loadPair(cpu, insn, 16, false);
  const from = byImmediate ? SRC : DST;
  one(RESULT, from, SRC, 0);
  if (halves === 2) one(RESULT.upper!, from.upper!, SRC_UP, 2);
  storeLanes(cpu, insn, 0, RESULT, 16);
}

/** Shifts by a count of its own for every lane. */
const shiftDwords = (view: "i32" | "u32", fn: (a: number, count: number) => number) =>
  packed((d, s) => {
    for (let i = 0; i < 4; i++) d[view][i] = fn(d[view][i]!, s.u32[i]!);
  });
const shiftQuads = (fn: (a: bigint, count: bigint) => bigint) =>
  packed((d, s) => {
    for (let i = 0; i < 2; i++) d.u64[i] = s.u64[i]! > 63n ? 0n : BigInt.asUintN(64, fn(d.u64[i]!, s.u64[i]!));
  });

const blendDwords = packed((d, s, _bytes, imm) => {
  for (let i = 0; i < 4; i++) if ((imm >> i) & 1) d.i32[i] = s.i32[i]!;
}, 4);

/** VZEROUPPER (from byte 16 of each register) and VZEROALL (from byte 0); eight registers outside 64-bit mode. */
const zero = (from: 0 | 16) =>
  computed((cpu, insn) => {
    checkAvx(cpu);
    for (let reg = 0; reg < (insn.bits === 64 ? 16 : 8); reg++) {
      const at = cpu.base + OFF.YMM + reg * 32;
      cpu.core.u8.fill(0, at + from, at + 32);
    }
  });

const sign32 = (i: number): number => i & 0x8000_0000;
/** Sign bits of doubles are those of their upper dwords. */
const sign64 = (value: number, i: number): number => (i & 1 ? value & 0x8000_0000 : 0);

/** VMASKMOV, VPMASKMOV: lanes whose mask has its top bit set; the others are not accessed, and load as zero. */
const masked = (unit: 4 | 8) =>
  computed((cpu, insn) => {
    checkAvx(cpu);
    const stores = insn.ops[0]!.kind === "mem";
    const memory = stores ? 0 : 2;
    const op = insn.ops[memory]!;
    if (op.kind !== "mem") throw ud("a masked move takes memory");
    const wide = vexBytes(insn) === 32;
    if (wide) loadWide(cpu, insn, 1, DST);
    else loadLanes(cpu, insn, 1, DST, 16, false);
    const lanes: number[] = [];
    for (let i = 0; i < (wide ? 32 : 16) / unit; i++) if (signOf(DST, i, unit)) lanes.push(i);
    const base = cpu.effectiveAddress(insn, memory);
    const high = cpu.high;
    const place = (i: number): [number, number] => offset(insn, base, high, i * unit);
    for (const i of lanes) cpu.checkSeg(op.seg, ...place(i), unit, stores);
    if (stores) {
      if (wide) loadWide(cpu, insn, 2, SRC);
      else loadLanes(cpu, insn, 2, SRC, 16, false);
      for (const i of lanes) {
        const at = laneAt(i, unit);
        const from = half(SRC, i * unit >= 16 ? 1 : 0).i32;
        cpu.storeSeg(op.seg, ...place(i), unit, from[at]!, unit === 8 ? from[at + 1]! : 0);
      }
      return;
    }
    SRC.u64.fill(0n);
    SRC_UP.u64.fill(0n);
    for (const i of lanes) {
      const at = laneAt(i, unit);
      const to = half(SRC, i * unit >= 16 ? 1 : 0).i32;
      to[at] = cpu.loadSeg(op.seg, ...place(i), unit);
      if (unit === 8) to[at + 1] = cpu.high;
    }
    storeLanes(cpu, insn, 0, SRC, 16);
  });

/** Dword index within its half of lane i. */
const laneAt = (i: number, unit: 4 | 8): number => ((i * unit) & 15) >> 2;
const signOf = (lanes: Lanes, i: number, unit: 4 | 8): boolean =>
  half(lanes, i * unit >= 16 ? 1 : 0).i32[laneAt(i, unit) + (unit === 8 ? 1 : 0)]! < 0;

/** `low:high` plus a small number; an offset of 16 bits runs out of its segment rather than round it. */
function offset(insn: Insn, low: number, high: number, by: number): [number, number] {
  const sum = (low >>> 0) + by;
  return [sum | 0, insn.addrSize === 64 && sum > 0xffff_ffff ? (high + 1) | 0 : high];
}

/** Gathers: `index` and `unit` are the bytes of an index and of an element. Lanes done are taken off the mask as they are loaded. */
const gather = (index: 4 | 8, unit: 4 | 8) =>
  computed((cpu, insn) => {
    checkAvx(cpu);
    const [target, op, mask] = insn.ops;
    if (op?.kind !== "mem" || op.vindex === undefined || target === undefined || mask === undefined)
      throw ud("a gather takes memory with a vector index");
    if (!("reg" in target) || !("reg" in mask)) throw new Error("a gather works on registers");
    if (target.reg === mask.reg || target.reg === op.vindex || mask.reg === op.vindex)
      throw ud("the registers of a gather must differ");
    const lanes = Math.min(vexBytes(insn) / unit, vexBytes(insn) / index);
    const to = xmmIndex(cpu, target.reg);
    const masks = xmmIndex(cpu, mask.reg);
    const base = cpu.effectiveAddress(insn, 1);
    const high = cpu.high;
    const words = unit >> 2;
    // An SS prefix changes nothing in 64-bit mode, not even the exception.
    const seg = insn.bits === 64 && op.seg === SEG.SS && op.base >> 1 !== GPR.RSP >> 1 ? SEG.DS : op.seg;
    // The whole mask is spread over its lanes before the first access.
    for (let at = masks; at < masks + 8; at += words) {
      const within = at < masks + vexBytes(insn) / 4;
      cpu.i32.fill(within && cpu.i32[at + words - 1]! < 0 ? -1 : 0, at, at + words);
    }
    for (let i = 0; i < lanes; i++) {
      if (cpu.i32[masks + i * words]! < 0) {
        const [low, up] = indexed(cpu, insn, base, high, xmmIndex(cpu, op.vindex), i, index, op.scale);
        const value = cpu.loadSeg(seg, low, up, unit);
        const upper = cpu.high;
        cpu.i32.fill(0, to + vexBytes(insn) / 4, to + 8);
        cpu.i32[to + i * words] = value;
        if (unit === 8) cpu.i32[to + i * words + 1] = upper;
      }
      cpu.i32.fill(0, masks + i * words, masks + (i + 1) * words);
    }
    cpu.i32.fill(0, masks, masks + 8);
    cpu.i32.fill(0, to + lanes * words, to + 8);
  });

/** Base plus the sign-extended index of lane i, scaled. */
function indexed(
  cpu: Cpu,
  insn: Insn,
  base: number,
  high: number,
  indices: number,
  i: number,
  size: 4 | 8,
  scale: number,
): [number, number] {
  const at = indices + i * (size >> 2);
  const low = cpu.i32[at]!;
  if (insn.addrSize !== 64) return [(base + Math.imul(low, scale)) | 0, 0];
  const upper = size === 8 ? cpu.i32[at + 1]! : low >> 31;
  const product = (low >>> 0) * scale;
  const sum = (base >>> 0) + product;
  const carry = Math.floor(sum / 0x1_0000_0000);
  return [sum | 0, (high + Math.imul(upper, scale) + carry) | 0];
}

const vexOnly: OperationTable = {
  Vmovsd: computed(movsd),
  Vcmpsd: computed(cmpsd),
  Vbroadcastss: broadcast(4),
  Vbroadcastsd: broadcast(8),
  Vbroadcastf128: broadcast(16),
  Vbroadcasti128: broadcast(16),
  Vpbroadcastb: broadcast(1),
  Vpbroadcastw: broadcast(2),
  Vpbroadcastd: broadcast(4),
  Vpbroadcastq: broadcast(8),
  Vinsertf128: insertHalf,
  Vinserti128: insertHalf,
  Vextractf128: extractHalf,
  Vextracti128: extractHalf,
  Vperm2f128: permuteHalves,
  Vperm2i128: permuteHalves,
  Vpermq: permuteQuads,
  Vpermpd: permuteQuads,
  Vpermd: permuteDwords,
  Vpermps: permuteDwords,
  Vpermilps: computed(permuteSingles),
  Vpermilpd: computed(permuteDoubles),
  Vpsllvd: shiftDwords("i32", (a, n) => (n > 31 ? 0 : a << n)),
  Vpsrlvd: shiftDwords("u32", (a, n) => (n > 31 ? 0 : a >>> n)),
  Vpsravd: shiftDwords("i32", (a, n) => a >> Math.min(n, 31)),
  Vpsllvq: shiftQuads((a, n) => a << n),
  Vpsrlvq: shiftQuads((a, n) => a >> n),
  Vpblendd: blendDwords,
  Vzeroupper: zero(16),
  Vzeroall: zero(0),
  Vtestps: testing(
    (s, d, i) => sign32(s.i32[i]! & d.i32[i]!),
    (s, d, i) => sign32(s.i32[i]! & ~d.i32[i]!),
  ),
  Vtestpd: testing(
    (s, d, i) => sign64(s.i32[i]! & d.i32[i]!, i),
    (s, d, i) => sign64(s.i32[i]! & ~d.i32[i]!, i),
  ),
  Vmaskmovps: masked(4),
  Vmaskmovpd: masked(8),
  Vpmaskmovd: masked(4),
  Vpmaskmovq: masked(8),
  Vpgatherdd: gather(4, 4),
  Vpgatherdq: gather(4, 8),
  Vpgatherqd: gather(8, 4),
  Vpgatherqq: gather(8, 8),
  Vgatherdps: gather(4, 4),
  Vgatherdpd: gather(4, 8),
  Vgatherqps: gather(8, 4),
  Vgatherqpd: gather(8, 8),
};

export const avxOperations: OperationTable = { ...sameAsLegacy, ...vexOnly };
