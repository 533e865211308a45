/** Moves of MMX, SSE, SSE2 and SSE3, the non-temporal and masked ones included (memory here has no caches to bypass). */
import type { Cpu } from "../cpu.ts";
import { Fault, VECTOR } from "../fault.ts";
import { GPR, SEG, type SegIndex } from "../layout.ts";
import { MODE } from "../mode.ts";
import { computed, type Helper, type Insn, type OperationTable, system } from "../operation.ts";
import { cmpsd } from "./sse-arith.ts";
import {
  checkVector,
  checkWide,
  commitMmx,
  DST,
  type Lanes,
  loadLanes,
  loadWide,
  resetTop,
  SRC,
  SRC_UP,
  storeLanes,
  storeWide,
  usesMmx,
  xmmIndex,
} from "./sse-lanes.ts";
import { stringCmpsd, stringMovsd } from "./strings.ts";
import { firstIndex, sourceIndex, vexBytes } from "./vex.ts";

/** The whole register, between registers or with memory. */
const whole = (aligned: boolean) =>
  computed((cpu, insn) => {
    checkWide(cpu, insn);
    const [to, from] = insn.ops;
    if (vexBytes(insn) === 32) {
      loadWide(cpu, insn, 1, SRC, aligned);
      return storeWide(cpu, insn, 0, SRC, aligned);
    }
    if (to?.kind === "xmm" && from?.kind === "xmm" && vexBytes(insn) === 0) {
      const at = xmmIndex(cpu, from.reg);
      cpu.i32.copyWithin(xmmIndex(cpu, to.reg), at, at + 4);
      return;
    }
    loadLanes(cpu, insn, 1, SRC, 16, aligned);
    storeLanes(cpu, insn, 0, SRC, 16, aligned);
  });

/** `bytes` from anywhere to anywhere; an XMM destination is zero-extended. */
const part = (bytes: 4 | 8) =>
  computed((cpu, insn) => {
    checkVector(cpu, insn);
    loadLanes(cpu, insn, 1, SRC, bytes, false);
    SRC.u64[1] = 0n;
    if (bytes === 4) SRC.i32[1] = 0;
    const to = insn.ops[0]!;
    if (usesMmx(insn)) resetTop(cpu);
    storeLanes(cpu, insn, 0, SRC, to.kind === "xmm" ? 16 : bytes);
    if (usesMmx(insn)) commitMmx(cpu);
  });

/** MOVSS and MOVSD: a register source leaves the rest of the destination, a memory source clears it. */
const scalar =
  (bytes: 4 | 8): Helper =>
  (cpu, insn) => {
    checkWide(cpu, insn);
    const source = sourceIndex(insn);
    loadLanes(cpu, insn, source, SRC, bytes, false);
    if (source === 2) {
      loadLanes(cpu, insn, 1, DST, 16, false);
      DST.u8.set(SRC.u8.subarray(0, bytes));
      return storeLanes(cpu, insn, 0, DST, 16);
    }
    const clears = insn.ops[1]!.kind === "mem";
    storeLanes(cpu, insn, 0, SRC, clears ? 16 : bytes);
  };

/** One quadword of an XMM register with memory or with a quadword of another; `to`/`from`: which one. */
const quad = (to: 0 | 1, from: 0 | 1) =>
  computed((cpu, insn) => {
    checkWide(cpu, insn);
    const target = insn.ops[0]!;
    if (target.kind === "mem") {
      loadLanes(cpu, insn, 1, SRC, 16, false);
      SRC.u64[0] = SRC.u64[to]!;
      return storeLanes(cpu, insn, 0, SRC, 8);
    }
    const source = sourceIndex(insn);
    const fromMemory = insn.ops[source]!.kind === "mem";
    loadLanes(cpu, insn, source, SRC, fromMemory ? 8 : 16, false);
    loadLanes(cpu, insn, firstIndex(insn), DST, 16, false);
    DST.u64[to] = SRC.u64[fromMemory ? 0 : from]!;
    storeLanes(cpu, insn, 0, DST, 16);
  });

/** Duplicating moves of SSE3. */
const duplicate = (bytes: 8 | 16, fn: (s: Lanes) => void) =>
  computed((cpu, insn) => {
    checkWide(cpu, insn);
    const vex = vexBytes(insn);
    if (vex === 32) {
      loadWide(cpu, insn, 1, SRC);
      fn(SRC_UP);
    } else loadLanes(cpu, insn, 1, SRC, bytes, bytes === 16 && vex === 0);
    fn(SRC);
    storeLanes(cpu, insn, 0, SRC, 16);
  });

/** The bytes of the first operand whose mask byte has its top bit set, to DS:rDI (or the override). */
function maskedStore(cpu: Cpu, insn: Insn): void {
  checkVector(cpu, insn);
  const target = insn.ops[0]!;
  const seg: SegIndex = target.kind === "mem" ? target.seg : SEG.DS;
  const bytes = insn.ops[1]!.kind === "mm" ? 8 : 16;
  loadLanes(cpu, insn, 1, SRC, bytes, false);
  loadLanes(cpu, insn, 2, DST, bytes, false);
  // The registers are in use as MMX ones even if the store then faults.
  if (usesMmx(insn)) commitMmx(cpu);
  const low = cpu.gprLow(GPR.RDI);
  const high = insn.addrSize === 64 ? cpu.gprHigh(GPR.RDI) : 0;
  if (cpu.mode & MODE.ALIGN && low & (bytes - 1)) throw new Fault(VECTOR.AC, 0, "misaligned masked store");
  const selected: number[] = [];
  for (let i = 0; i < bytes; i++) if (DST.u8[i]! & 0x80) selected.push(i);
  const place = (i: number): [number, number] => {
    const sum = (low >>> 0) + i;
    if (insn.addrSize === 16) return [sum & 0xffff, 0];
    return [sum | 0, insn.addrSize === 64 && sum > 0xffff_ffff ? (high + 1) | 0 : high];
  };
  for (const i of selected) cpu.checkSeg(seg, ...place(i), 1, true);
  for (const i of selected) cpu.storeSeg(seg, ...place(i), 1, SRC.u8[i]!, 0);
}

const isString = (insn: Insn): boolean => insn.ops.every((op) => op.kind === "mem");
export const movsd = scalar(8);

export const sseMoveOperations: OperationTable = {
  Movaps: whole(true),
  Movapd: whole(true),
  Movdqa: whole(true),
  Movntps: whole(true),
  Movntpd: whole(true),
  Movntdq: whole(true),
  Movntdqa: whole(true),
  Movups: whole(false),
  Movupd: whole(false),
  Movdqu: whole(false),
  Lddqu: whole(false),
  Movd: part(4),
  Movq: part(8),
  Movntq: part(8),
  Movq2dq: part(8),
  Movdq2q: part(8),
  Movss: computed(scalar(4)),
  Movsd: system((cpu, insn) => (isString(insn) ? stringMovsd : movsd)(cpu, insn)),
  Cmpsd: system((cpu, insn) => (isString(insn) ? stringCmpsd : cmpsd)(cpu, insn)),
  Movlps: quad(0, 0),
  Movlpd: quad(0, 0),
  Movhps: quad(1, 0),
  Movhpd: quad(1, 0),
  Movlhps: quad(1, 0),
  Movhlps: quad(0, 1),
  Movddup: duplicate(8, (s) => {
    s.u64[1] = s.u64[0]!;
  }),
  Movshdup: duplicate(16, (s) => {
    s.i32[0] = s.i32[1]!;
    s.i32[2] = s.i32[3]!;
  }),
  Movsldup: duplicate(16, (s) => {
    s.i32[1] = s.i32[0]!;
    s.i32[3] = s.i32[2]!;
  }),
  Maskmovq: computed(maskedStore),
  Maskmovdqu: computed(maskedStore),
};
