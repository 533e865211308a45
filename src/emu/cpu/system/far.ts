/** JMP, CALL and RET far: paragraphs, code segments, call gates, task gates and task state segments. */
import type { Cpu } from "../cpu.ts";
import { gp } from "../fault.ts";
import { GPR, OFF, SEG } from "../layout.ts";
import type { Helper, Insn } from "../operation.ts";
import { checkDirectTarget, checkIp, checkIpLimit, commitCode, is64BitCode } from "./code.ts";
import { ATTR, type Descriptor, errorOf, hex, isCode, isNull, isSystem, SYS, typeOf } from "./descriptor.ts";
import { callThroughGate, jumpThroughGate } from "./gate.ts";
import { isLongMode, isParagraphMode, isProtected, stackBits } from "./predicates.ts";
import { checkReturn, commitReturn, popOuterStack, popWord, type Word } from "./return.ts";
import { fetchDescriptor, type PendingSegment, pendingOf, realSegment, v86Segment, withRpl } from "./segment.ts";
import {
  currentStack,
  type Stack,
  StackReader,
  StackWriter,
  setStackPointer,
  stackPointer,
  type WordSize,
} from "./stack.ts";
import { switchTask, switchTaskThroughFarGate } from "./task.ts";
import { type Origin, originAt, reportTransfer } from "./transfer.ts";

interface FarPointer {
  readonly selector: number;
  readonly offset: Word;
  readonly size: WordSize;
}

/** The operand: immediate, or in memory offset first. (AMD ignores REX.W here: the decoder knows.) */
export function farPointer(cpu: Cpu, insn: Insn, index: number): FarPointer {
  const op = insn.ops[index]!;
  const size = (insn.opSize >> 3) as WordSize;
  if (op.kind === "far") return { selector: op.selector, offset: { low: op.offset, high: 0 }, size };
  if (op.kind !== "mem") throw new Error("a far pointer is an immediate or in memory");
  const low = cpu.effectiveAddress(insn, index);
  const { high } = cpu;
  // In this order: where neither can be read, the fault is the offset's (measured).
  const offsetLow = cpu.loadSeg(op.seg, low, high, size);
  const offset = { low: size === 2 ? offsetLow & 0xffff : offsetLow, high: size === 8 ? cpu.high : 0 };
  const selectorAt = offsetPlus(insn, low, high, size);
  const selector = cpu.loadSeg(op.seg, selectorAt.low, selectorAt.high, 2) & 0xffff;
  return { selector, offset, size };
}

/** An address `delta` on, wrapped to the address size. */
export function offsetPlus(insn: Insn, low: number, high: number, delta: number): Word {
  const sum = (low >>> 0) + delta;
  if (insn.addrSize === 16) return { low: sum & 0xffff, high: 0 };
  return { low: sum | 0, high: insn.addrSize === 64 ? (high + (sum > 0xffffffff ? 1 : 0)) | 0 : 0 };
}

function paragraphCode(cpu: Cpu, far: { selector: number; offset: Word }): PendingSegment {
  const value = isProtected(cpu) ? v86Segment(far.selector) : realSegment(cpu, SEG.CS, far.selector);
  checkIpLimit({ value }, far.offset.low);
  return { value };
}

function fetchTarget(cpu: Cpu, selector: number): Descriptor {
  if (isNull(selector)) throw gp(0, "far transfer to a null selector");
  return fetchDescriptor(cpu, selector, "the far transfer's selector", gp);
}

type SystemTarget = "call-gate" | "task-gate" | "tss";

/** What a system descriptor is as a target; long mode knows only 64-bit call gates. */
function systemTarget(cpu: Cpu, target: Descriptor): SystemTarget {
  const type = typeOf(target.attr);
  if (isSystem(target.attr)) {
    if (type === SYS.CALL) return "call-gate";
    if (!isLongMode(cpu)) {
      if (type === SYS.CALL16) return "call-gate";
      if (type === SYS.TASK_GATE) return "task-gate";
      if (type === SYS.TSS || type === SYS.TSS16 || type === SYS.TSS_BUSY || type === SYS.TSS16_BUSY) return "tss";
    }
  }
  throw gp(errorOf(target.selector), `selector ${hex(target.selector)} names no target of a far transfer`);
}

function codeAt(cpu: Cpu, target: Descriptor, offset: Word): PendingSegment {
  const code = withRpl(pendingOf(cpu, target), cpu.cpl);
  checkIp(cpu, code, offset.low, offset.high);
  return code;
}

/** JMP or CALL to a TSS or a task gate, which reports itself. */
function switchTo(cpu: Cpu, target: Descriptor, kind: "task-gate" | "tss", cause: "jmp" | "call", from: Origin): void {
  if (kind === "task-gate") switchTaskThroughFarGate(cpu, target, cause, from);
  else switchTask(cpu, target, cause, from);
}

function jumpSegmented(cpu: Cpu, far: FarPointer, from: Origin): void {
  const target = fetchTarget(cpu, far.selector);
  if (isCode(target.attr)) {
    checkDirectTarget(cpu, target);
    const code = codeAt(cpu, target, far.offset);
    commitCode(cpu, code, far.offset.low, far.offset.high, cpu.cpl);
  } else {
    const kind = systemTarget(cpu, target);
    if (kind !== "call-gate") {
      switchTo(cpu, target, kind, "jmp", from);
      return;
    }
    jumpThroughGate(cpu, target, far.selector);
  }
  reportTransfer(cpu, "far", from);
}

function callSegmented(cpu: Cpu, far: FarPointer, from: Origin): void {
  const target = fetchTarget(cpu, far.selector);
  if (isCode(target.attr)) {
    checkDirectTarget(cpu, target);
    const stack = pushReturn(cpu, far.size, stackFor(cpu, target));
    // What is pushed stays when the target is beyond the limit or not canonical (measured).
    stack.write();
    const code = codeAt(cpu, target, far.offset);
    stack.move();
    commitCode(cpu, code, far.offset.low, far.offset.high, cpu.cpl);
  } else {
    const kind = systemTarget(cpu, target);
    if (kind !== "call-gate") {
      switchTo(cpu, target, kind, "call", from);
      return;
    }
    callThroughGate(cpu, target, far.selector);
  }
  reportTransfer(cpu, "far", from);
}

/** The stack as the code called uses it: a CALL from 64-bit to compatibility code pushes at SS:ESP, the other way at RSP. */
function stackFor(cpu: Cpu, target: Descriptor): Stack {
  const stack = currentStack(cpu);
  if (is64BitCode(cpu, target.attr)) return { ...stack, bits: 64, pointer: stackPointer(cpu) };
  const bits = (stack.segment.attr & ATTR.DB) !== 0 ? 32 : 16;
  return { ...stack, bits, pointer: cpu.gprLow(GPR.RSP) >>> 0 };
}

function pushReturn(cpu: Cpu, size: WordSize, on: Stack): StackWriter {
  const stack = new StackWriter(cpu, on);
  stack.push(size, cpu.selector(SEG.CS));
  stack.push(size, cpu.get32(OFF.RIP), cpu.get32(OFF.RIP + 4));
  return stack;
}

export const jumpFar: Helper = (cpu, insn) => {
  const from = originAt(cpu, insn.ipLow, insn.ipHigh);
  const far = farPointer(cpu, insn, 0);
  if (!isParagraphMode(cpu)) {
    jumpSegmented(cpu, far, from);
    return;
  }
  commitCode(cpu, paragraphCode(cpu, far), far.offset.low, 0, cpu.cpl);
  reportTransfer(cpu, "far", from);
};

export const callFar: Helper = (cpu, insn) => {
  const from = originAt(cpu, insn.ipLow, insn.ipHigh);
  const far = farPointer(cpu, insn, 0);
  if (!isParagraphMode(cpu)) {
    callSegmented(cpu, far, from);
    return;
  }
  const stack = pushReturn(cpu, far.size, currentStack(cpu));
  const code = paragraphCode(cpu, far);
  stack.commit();
  commitCode(cpu, code, far.offset.low, 0, cpu.cpl);
  reportTransfer(cpu, "far", from);
};

/** RET imm16: the parameters that the callee releases, on the stack in use. */
function release(cpu: Cpu, bytes: number): void {
  if (bytes === 0) return;
  const bits = stackBits(cpu);
  const sum = (bits === 64 ? stackPointer(cpu) : cpu.gprLow(GPR.RSP) >>> 0) + bytes;
  setStackPointer(cpu, bits, sum | 0, Math.floor(sum / 0x1_0000_0000));
}

export const returnFar: Helper = (cpu, insn) => {
  const from = originAt(cpu, insn.ipLow, insn.ipHigh);
  const size = (insn.opSize >> 3) as WordSize;
  const op = insn.ops[0];
  const bytes = op?.kind === "imm" ? op.low & 0xffff : 0;
  const stack = new StackReader(cpu);
  stack.touch(size, size);
  const offset = popWord(stack, size);
  const selector = stack.popSelector(size);
  stack.skip(bytes);
  if (isParagraphMode(cpu)) {
    const code = paragraphCode(cpu, { selector, offset });
    stack.commit();
    commitCode(cpu, code, offset.low, 0, cpu.cpl);
  } else {
    const plan = checkReturn(cpu, selector, offset, () => popOuterStack(stack, size), false);
    commitReturn(cpu, plan, stack);
    if (plan.stack !== undefined) release(cpu, bytes);
  }
  reportTransfer(cpu, "far", from);
};
