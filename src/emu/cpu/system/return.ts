/**
 * The part that IRET and far RET share: back to code of the same or an outer privilege level, through CS and SS popped from
 * the stack. Assumes protected mode, and not virtual-8086 mode.
 */
import type { Cpu } from "../cpu.ts";
import { gp } from "../fault.ts";
import { GPR, SEG } from "../layout.ts";
import { checkIp, checkReturnTarget, commitCode, is64BitCode } from "./code.ts";
import { ATTR, isNull, rplOf } from "./descriptor.ts";
import {
  checkNullStack,
  checkStackDescriptor,
  commitSegment,
  dropPrivilegedSegments,
  fetchDescriptor,
  type PendingSegment,
  pendingOf,
} from "./segment.ts";
import type { StackReader, WordSize } from "./stack.ts";

/** A word from the stack as halves. */
export interface Word {
  readonly low: number;
  readonly high: number;
}

export function popWord(stack: StackReader, size: WordSize): Word {
  const low = stack.pop(size);
  return { low, high: stack.high };
}

export interface OuterStack {
  readonly pointer: Word;
  readonly selector: number;
}

export function popOuterStack(stack: StackReader, size: WordSize): OuterStack {
  stack.touch(size, size);
  const pointer = popWord(stack, size);
  return { pointer, selector: stack.popSelector(size) };
}

export interface ReturnPlan {
  readonly code: PendingSegment;
  readonly ip: Word;
  readonly cpl: number;
  /** Absent: SS stays, and the stack pointer moves past the frame. */
  readonly stack?: { readonly segment: PendingSegment; readonly pointer: Word };
}

function checkOuterSs(cpu: Cpu, selector: number, cpl: number, to64: boolean): PendingSegment {
  if (isNull(selector)) return checkNullStack(cpu, selector, cpl, to64, gp);
  return checkStackDescriptor(cpu, selector, cpl, gp);
}

/**
 * Check phase. `popOuter` reads SS:SP when the frame must have them: it is called at most once, and `always` says that the
 * frame has them whatever the privilege (IRET in 64-bit mode).
 */
export function checkReturn(
  cpu: Cpu,
  selector: number,
  ip: Word,
  popOuter: () => OuterStack,
  always: boolean,
): ReturnPlan {
  const early = always ? popOuter() : undefined;
  if (isNull(selector)) throw gp(0, "return to a null code selector");
  const target = fetchDescriptor(cpu, selector, "the return's code selector", gp);
  checkReturnTarget(cpu, target);
  const cpl = rplOf(selector);
  const to64 = is64BitCode(cpu, target.attr);
  const outer = early ?? (cpl > cpu.cpl ? popOuter() : undefined);
  const segment = outer === undefined ? undefined : checkOuterSs(cpu, outer.selector, cpl, to64);
  const code = pendingOf(cpu, target);
  checkIp(cpu, code, ip.low, ip.high);
  if (outer === undefined || segment === undefined) return { code, ip, cpl };
  return { code, ip, cpl, stack: { segment, pointer: outer.pointer } };
}

/**
 * The stack pointer after a return that loaded SS. To 64-bit code the whole of it is restored, whatever SS.B says. Elsewhere
 * SS.B decides: with a 32-bit stack ESP, zero-extended; with a 16-bit stack only SP, so that bits 31:16 keep what the
 * returning code had there (what Linux's espfix hides), and bits 63:32 become zero on Intel and stay on AMD.
 */
export function restoreStackPointer(cpu: Cpu, to64: boolean, ssAttr: number, pointer: Word): void {
  if (to64) cpu.setGprHalves(GPR.RSP, pointer.low | 0, pointer.high | 0);
  else if ((ssAttr & ATTR.DB) !== 0) cpu.setGprHalves(GPR.RSP, pointer.low | 0, 0);
  else {
    const low = (cpu.gprLow(GPR.RSP) & ~0xffff) | (pointer.low & 0xffff);
    cpu.setGprHalves(GPR.RSP, low, cpu.model.vendor === "amd" ? cpu.gprHigh(GPR.RSP) : 0);
  }
}

/** Commit phase; `reader` is the stack that the frame was read from. */
export function commitReturn(cpu: Cpu, plan: ReturnPlan, reader: StackReader): void {
  const { code, ip, cpl, stack } = plan;
  const outward = cpl > cpu.cpl;
  const to64 = is64BitCode(cpu, code.value.attr);
  if (stack === undefined) reader.commit();
  commitCode(cpu, code, ip.low, ip.high, cpl);
  if (stack !== undefined) {
    commitSegment(cpu, SEG.SS, stack.segment);
    restoreStackPointer(cpu, to64, stack.segment.value.attr, stack.pointer);
  }
  if (outward) dropPrivilegedSegments(cpu, cpl);
}
