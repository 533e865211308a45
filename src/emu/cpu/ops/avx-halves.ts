/** AVX-NE-CONVERT: singles from and to half-width floats (FP16, BF16) without a look at MXCSR: nothing is raised, ties go to even. */
import { pack32, unpack16 } from "../fpu/formats.ts";
import * as soft from "../fpu/soft.ts";
import { computed, type Operation, type OperationTable } from "../operation.ts";
import { quiet } from "./sse-arith.ts";
import { checkAvx, DST, type Lanes, loadLanes, loadWide, SRC, storeLanes } from "./sse-lanes.ts";
import { vexBytes } from "./vex.ts";

type Widen = (half: number) => number;

const fromBf16: Widen = (half) => half << 16;
/** Exact; denormals are numbers here, whatever MXCSR.DAZ says. */
const fromFp16: Widen = (half) => {
  const value = unpack16(half);
  return pack32(value.kind === soft.NAN ? quiet(value) : value);
};

/** All even or all odd words of memory. */
const everySecond = (widen: Widen, first: 0 | 1): Operation =>
  computed((cpu, insn) => {
    checkAvx(cpu);
    const wide = vexBytes(insn) === 32;
    if (wide) loadWide(cpu, insn, 1, SRC);
    else loadLanes(cpu, insn, 1, SRC, 16, false);
    const one = (d: Lanes, s: Lanes) => {
      for (let i = 0; i < 4; i++) d.i32[i] = widen(s.u16[i * 2 + first]!);
    };
    one(DST, SRC);
    if (wide) one(DST.upper!, SRC.upper!);
    storeLanes(cpu, insn, 0, DST, 16);
  });

const broadcast = (widen: Widen): Operation =>
  computed((cpu, insn) => {
    checkAvx(cpu);
    loadLanes(cpu, insn, 1, SRC, 2, false);
    DST.i32.fill(widen(SRC.u16[0]!));
    DST.upper!.i32.set(DST.i32);
    storeLanes(cpu, insn, 0, DST, 16);
  });

/** To the nearest BF16; denormals become zero, NaNs quiet. */
function toBf16(bits: number): number {
  const exponent = (bits >>> 23) & 0xff;
  if (exponent === 0) return (bits >>> 16) & 0x8000;
  if (exponent === 0xff) return (bits >>> 16) | (bits & 0x7f_ffff ? 0x40 : 0);
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

const narrow = computed((cpu, insn) => {
  checkAvx(cpu);
  const source = insn.ops[1]!;
  const wide = source.kind === "ymm" || (source.kind === "mem" && source.size === 32);
  if (wide) loadWide(cpu, insn, 1, SRC);
  else loadLanes(cpu, insn, 1, SRC, 16, false);
  DST.u64.fill(0n);
  for (let i = 0; i < (wide ? 8 : 4); i++) DST.u16[i] = toBf16((i < 4 ? SRC : SRC.upper!).u32[i & 3]!);
  storeLanes(cpu, insn, 0, DST, 16);
});

export const avxHalfOperations: OperationTable = {
  Vbcstnebf162ps: broadcast(fromBf16),
  Vbcstnesh2ps: broadcast(fromFp16),
  Vcvtneebf162ps: everySecond(fromBf16, 0),
  Vcvtneobf162ps: everySecond(fromBf16, 1),
  Vcvtneeph2ps: everySecond(fromFp16, 0),
  Vcvtneoph2ps: everySecond(fromFp16, 1),
  Vcvtneps2bf16: narrow,
};
