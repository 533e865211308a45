/** Packed integer and float rearrangement: unpack, pack, shuffle, insert and extract, blend, horizontal adds, extension. */
import { computed, type OperationTable } from "../operation.ts";
import { type Packed, packed } from "./sse-integer.ts";
import {
  checkVector,
  commitMmx,
  DST,
  DST_UP,
  immediate,
  Lanes,
  loadLanes,
  loadPair,
  loadWide,
  SRC,
  SRC_UP,
  sourceBytes,
  storeLanes,
  usesMmx,
  xmmIndex,
} from "./sse-lanes.ts";
import { firstIndex, sourceIndex, vexBytes } from "./vex.ts";

/** The destination as it was, for functions that need both while writing. */
const OLD = new Lanes();

/** Interleaves units of `unit` bytes from the low or the high halves. */
const interleave = (unit: number, high: boolean): Packed => {
  return (d, s, bytes) => {
    OLD.u64.set(d.u64);
    const from = high ? bytes / 2 : 0;
    for (let i = 0; i < bytes / 2; i += unit) {
      for (let b = 0; b < unit; b++) {
        d.u8[i * 2 + b] = OLD.u8[from + i + b]!;
        d.u8[i * 2 + unit + b] = s.u8[from + i + b]!;
      }
    }
  };
};

const saturate = (x: number, low: number, high: number) => Math.max(low, Math.min(x, high));

const packWords =
  (low: number, high: number): Packed =>
  (d, s, bytes) => {
    const count = bytes / 2;
    for (let i = 0; i < count; i++) OLD.u8[i] = saturate(d.i16[i]!, low, high);
    for (let i = 0; i < count; i++) OLD.u8[count + i] = saturate(s.i16[i]!, low, high);
    d.u64.set(OLD.u64);
  };

const packDwords =
  (low: number, high: number): Packed =>
  (d, s, bytes) => {
    const count = bytes / 4;
    for (let i = 0; i < count; i++) OLD.u16[i] = saturate(d.i32[i]!, low, high);
    for (let i = 0; i < count; i++) OLD.u16[count + i] = saturate(s.i32[i]!, low, high);
    d.u64.set(OLD.u64);
  };

/** Four words of a quadword picked by the immediate; the other quadword is copied. */
const shuffleWords =
  (at: number): Packed =>
  (d, s, _bytes, imm) => {
    OLD.u64.set(s.u64);
    d.u64.set(s.u64);
    for (let i = 0; i < 4; i++) d.u16[at + i] = OLD.u16[at + ((imm >> (i * 2)) & 3)]!;
  };

/** (left, right) pairs within each operand, results of dst first. */
const horizontal16 =
  (fn: (a: number, b: number) => number): Packed =>
  (d, s, bytes) => {
    const half = bytes / 4;
    for (let i = 0; i < half; i++) OLD.i16[i] = fn(d.i16[i * 2]!, d.i16[i * 2 + 1]!);
    for (let i = 0; i < half; i++) OLD.i16[half + i] = fn(s.i16[i * 2]!, s.i16[i * 2 + 1]!);
    d.u64.set(OLD.u64);
  };
const horizontal32 =
  (fn: (a: number, b: number) => number): Packed =>
  (d, s, bytes) => {
    const half = bytes / 8;
    for (let i = 0; i < half; i++) OLD.i32[i] = fn(d.i32[i * 2]!, d.i32[i * 2 + 1]!);
    for (let i = 0; i < half; i++) OLD.i32[half + i] = fn(s.i32[i * 2]!, s.i32[i * 2 + 1]!);
    d.u64.set(OLD.u64);
  };
const word = (x: number) => saturate(x, -32768, 32767);

const alignRight: Packed = (d, s, bytes, imm) => {
  OLD.u64.set(d.u64);
  for (let i = 0; i < bytes; i++) {
    const at = i + imm;
    d.u8[i] = at < bytes ? s.u8[at]! : at < bytes * 2 ? OLD.u8[at - bytes]! : 0;
  }
};

const shuffleBytes: Packed = (d, s, bytes) => {
  OLD.u64.set(d.u64);
  for (let i = 0; i < bytes; i++) d.u8[i] = s.u8[i]! & 0x80 ? 0 : OLD.u8[s.u8[i]! & (bytes - 1)]!;
};

const rearranging: OperationTable = {
  Punpcklbw: packed(interleave(1, false)),
  Punpcklwd: packed(interleave(2, false)),
  Punpckldq: packed(interleave(4, false)),
  Punpcklqdq: packed(interleave(8, false)),
  Punpckhbw: packed(interleave(1, true)),
  Punpckhwd: packed(interleave(2, true)),
  Punpckhdq: packed(interleave(4, true)),
  Punpckhqdq: packed(interleave(8, true)),
  Unpcklps: packed(interleave(4, false)),
  Unpcklpd: packed(interleave(8, false)),
  Unpckhps: packed(interleave(4, true)),
  Unpckhpd: packed(interleave(8, true)),
  Packsswb: packed(packWords(-128, 127)),
  Packuswb: packed(packWords(0, 255)),
  Packssdw: packed(packDwords(-32768, 32767)),
  Packusdw: packed(packDwords(0, 65535)),
  Pshufw: packed(shuffleWords(0)),
  Pshuflw: packed(shuffleWords(0)),
  Pshufhw: packed(shuffleWords(4)),
  Pshufd: packed((d, s, _bytes, imm) => {
    OLD.u64.set(s.u64);
    for (let i = 0; i < 4; i++) d.i32[i] = OLD.i32[(imm >> (i * 2)) & 3]!;
  }),
  Shufps: packed((d, s, _bytes, imm) => {
    OLD.u64.set(d.u64);
    for (let i = 0; i < 4; i++) d.i32[i] = (i < 2 ? OLD : s).i32[(imm >> (i * 2)) & 3]!;
  }),
  Shufpd: packed((d, s, _bytes, imm) => {
    const low = d.u64[imm & 1]!;
    d.u64[1] = s.u64[(imm >> 1) & 1]!;
    d.u64[0] = low;
  }, 2),
  Pshufb: packed(shuffleBytes),
  Palignr: packed(alignRight),
  Phaddw: packed(horizontal16((a, b) => a + b)),
  Phaddsw: packed(horizontal16((a, b) => word(a + b))),
  Phaddd: packed(horizontal32((a, b) => a + b)),
  Phsubw: packed(horizontal16((a, b) => a - b)),
  Phsubsw: packed(horizontal16((a, b) => word(a - b))),
  Phsubd: packed(horizontal32((a, b) => a - b)),
};

/** Byte masks of the blends: which bytes come from the source. */
const blend = (takes: (byte: number, imm: number) => boolean, immShift = 0) =>
  packed((d, s, bytes, imm) => {
    for (let i = 0; i < bytes; i++) if (takes(i, imm)) d.u8[i] = s.u8[i]!;
  }, immShift);

/** Blends by the sign bits of lanes of `unit` bytes in a mask. */
function blendBySigns(d: Lanes, s: Lanes, mask: Uint8Array, at: number, unit: number): void {
  for (let i = 0; i < 16; i++) if (mask[at + (i | (unit - 1))]! & 0x80) d.u8[i] = s.u8[i]!;
}

/** The mask is XMM0 in legacy forms, the last operand in VEX ones. */
const variableBlend = (unit: number) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    const halves = loadPair(cpu, insn, 16, true);
    const mask = insn.ops[3];
    const at = xmmIndex(cpu, mask?.kind === "xmm" || mask?.kind === "ymm" ? mask.reg : 0) * 4;
    blendBySigns(DST, SRC, cpu.core.u8, at, unit);
    if (halves === 2) blendBySigns(DST_UP, SRC_UP, cpu.core.u8, at + 16, unit);
    storeLanes(cpu, insn, 0, DST, 16);
  });

type Narrow = "i8" | "u8" | "i16" | "u16" | "i32" | "u32";
type Widened = "i16" | "i32" | "u64";
const BYTES: Readonly<Record<Narrow | Widened, number>> = { i8: 1, u8: 1, i16: 2, u16: 2, i32: 4, u32: 4, u64: 8 };

/** Lanes of the source from the one numbered `first` on, widened. */
function widen(d: Lanes, s: Lanes, from: Narrow, to: Widened, first: number): void {
  const count = 16 / BYTES[to];
  if (to === "u64") for (let i = 0; i < count; i++) d.u64[i] = BigInt.asUintN(64, BigInt(s[from][first + i]!));
  else for (let i = 0; i < count; i++) d[to][i] = s[from][first + i]!;
}

/** PMOVSX and PMOVZX. */
const extend = (from: Narrow, to: Widened) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    loadLanes(cpu, insn, 1, SRC, sourceBytes(insn, 1), false);
    widen(DST, SRC, from, to, 0);
    if (vexBytes(insn) === 32) widen(DST_UP, SRC, from, to, 16 / BYTES[to]);
    storeLanes(cpu, insn, 0, DST, 16);
  });

const extending: OperationTable = {
  Pmovsxbw: extend("i8", "i16"),
  Pmovsxbd: extend("i8", "i32"),
  Pmovsxbq: extend("i8", "u64"),
  Pmovsxwd: extend("i16", "i32"),
  Pmovsxwq: extend("i16", "u64"),
  Pmovsxdq: extend("i32", "u64"),
  Pmovzxbw: extend("u8", "i16"),
  Pmovzxbd: extend("u8", "i32"),
  Pmovzxbq: extend("u8", "u64"),
  Pmovzxwd: extend("u16", "i32"),
  Pmovzxwq: extend("u16", "u64"),
  Pmovzxdq: extend("u32", "u64"),
};

const blending: OperationTable = {
  Pblendw: blend((i, imm) => ((imm >> (i >> 1)) & 1) !== 0),
  Blendps: blend((i, imm) => ((imm >> (i >> 2)) & 1) !== 0, 4),
  Blendpd: blend((i, imm) => ((imm >> (i >> 3)) & 1) !== 0, 2),
  Pblendvb: variableBlend(1),
  Blendvps: variableBlend(4),
  Blendvpd: variableBlend(8),
};

/** PINSRx: the source's low lane into the lane that the immediate names. */
const insert = (unit: 1 | 2 | 4 | 8) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    const bytes = insn.ops[0]!.kind === "mm" ? 8 : 16;
    const source = sourceIndex(insn);
    loadLanes(cpu, insn, source, SRC, insn.ops[source]!.kind === "mem" ? unit : Math.max(unit, 4), false);
    loadLanes(cpu, insn, firstIndex(insn), DST, bytes, false);
    const at = (immediate(insn) % (bytes / unit)) * unit;
    for (let b = 0; b < unit; b++) DST.u8[at + b] = SRC.u8[b]!;
    if (usesMmx(insn)) commitMmx(cpu);
    storeLanes(cpu, insn, 0, DST, bytes);
  });

/** PEXTRx, EXTRACTPS: a lane into memory, or zero-extended into a general register. */
const extract = (unit: 1 | 2 | 4 | 8) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    const bytes = insn.ops[1]!.kind === "mm" ? 8 : 16;
    loadLanes(cpu, insn, 1, SRC, bytes, false);
    const at = (immediate(insn) % (bytes / unit)) * unit;
    DST.u64.fill(0n);
    for (let b = 0; b < unit; b++) DST.u8[b] = SRC.u8[at + b]!;
    storeLanes(cpu, insn, 0, DST, unit);
    if (usesMmx(insn)) commitMmx(cpu);
  });

function signs(lanes: Lanes, bytes: number, unit: number): number {
  let mask = 0;
  for (let i = 0; i < bytes / unit; i++) if (lanes.u8[i * unit + unit - 1]! & 0x80) mask |= 1 << i;
  return mask;
}

/** Sign bits of all lanes into a general register. */
const moveMask = (unit: 1 | 4 | 8) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    const bytes = insn.ops[1]!.kind === "mm" ? 8 : 16;
    loadLanes(cpu, insn, 1, SRC, bytes, false);
    let mask = signs(SRC, bytes, unit);
    if (vexBytes(insn) === 32) {
      loadWide(cpu, insn, 1, SRC);
      mask |= signs(SRC_UP, 16, unit) << (16 / unit);
    }
    if (usesMmx(insn)) commitMmx(cpu);
    cpu.writeOp(insn, 0, mask, 0);
  });

const crossing: OperationTable = {
  Pinsrb: insert(1),
  Pinsrw: insert(2),
  Pinsrd: insert(4),
  Pinsrq: insert(8),
  Pextrb: extract(1),
  Pextrw: extract(2),
  Pextrd: extract(4),
  Pextrq: extract(8),
  Extractps: extract(4),
  Pmovmskb: moveMask(1),
  Movmskps: moveMask(4),
  Movmskpd: moveMask(8),
  Insertps: computed((cpu, insn) => {
    checkVector(cpu, insn);
    const imm = immediate(insn);
    const source = sourceIndex(insn);
    loadLanes(cpu, insn, source, SRC, sourceBytes(insn, source), false);
    loadLanes(cpu, insn, firstIndex(insn), DST, 16, false);
    DST.i32[(imm >> 4) & 3] = SRC.i32[insn.ops[source]!.kind === "mem" ? 0 : imm >> 6]!;
    for (let i = 0; i < 4; i++) if ((imm >> i) & 1) DST.i32[i] = 0;
    storeLanes(cpu, insn, 0, DST, 16);
  }),
};

export const sseShuffleOperations: OperationTable = { ...rearranging, ...extending, ...blending, ...crossing };
