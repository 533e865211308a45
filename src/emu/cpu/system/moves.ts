/** MOV, PUSH and POP of segment registers, and LDS, LES, LSS, LFS, LGS. */
import type { Cpu } from "../cpu.ts";
import { ud } from "../fault.ts";
import { SEG, type SegIndex } from "../layout.ts";
import type { Helper, Insn } from "../operation.ts";
import { farPointer } from "./far.ts";
import { checkSegmentLoad, commitSegment } from "./segment.ts";
import { inhibitInterrupts } from "./shadow.ts";
import { StackReader, type WordSize } from "./stack.ts";

function segOperand(insn: Insn, index: number): SegIndex {
  const op = insn.ops[index]!;
  if (op.kind !== "seg") throw new Error("not a segment register");
  return op.seg;
}

/** A register gets the selector zero-extended to the operand size, memory always 16 bits. */
export const movFromSeg: Helper = (cpu, insn) => {
  cpu.writeOp(insn, 0, cpu.selector(segOperand(insn, 1)), 0);
};

export const movToSeg: Helper = (cpu, insn) => {
  const seg = segOperand(insn, 0);
  if (seg === SEG.CS) throw ud("MOV to CS");
  const pending = checkSegmentLoad(cpu, seg, cpu.readOp(insn, 1) & 0xffff);
  commitSegment(cpu, seg, pending);
  if (seg === SEG.SS) inhibitInterrupts(cpu, "mov-ss");
};

/** A 32-bit push writes only the selector's 16 bits on Intel, and 32 on AMD. */
export const pushSeg: Helper = (cpu, insn) => {
  const selector = cpu.selector(segOperand(insn, 0));
  const size = (insn.opSize >> 3) as WordSize;
  if (size === 4 && cpu.model.vendor === "intel") pushNarrow(cpu, selector);
  else cpu.push(size, selector, 0);
};

function pushNarrow(cpu: Cpu, selector: number): void {
  const low = cpu.stackOffset(-4);
  const { high } = cpu;
  cpu.storeSeg(SEG.SS, low, high, 2, selector);
  cpu.setStackPointer(low, high);
}

/** However wide the pop, only the selector's 16 bits are read (measured). */
export const popSeg: Helper = (cpu, insn) => {
  const seg = segOperand(insn, 0);
  const stack = new StackReader(cpu);
  const pending = checkSegmentLoad(cpu, seg, stack.popSelector(2));
  stack.skip((insn.opSize >> 3) - 2);
  // commit
  stack.commit();
  commitSegment(cpu, seg, pending);
  if (seg === SEG.SS) inhibitInterrupts(cpu, "mov-ss");
};

export const loadFarPointer =
  (seg: SegIndex): Helper =>
  (cpu, insn) => {
    const far = farPointer(cpu, insn, 1);
    const pending = checkSegmentLoad(cpu, seg, far.selector);
    // commit
    commitSegment(cpu, seg, pending);
    cpu.writeOp(insn, 0, far.offset.low, far.offset.high);
  };
