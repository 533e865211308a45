/** IRET, IRETD and IRETQ in every mode: to real, virtual-8086, protected, compatibility and 64-bit code, and to a nested task. */
import type { Cpu } from "../cpu.ts";
import { gp } from "../fault.ts";
import { EFLAGS, OFF, SEG } from "../layout.ts";
import type { Helper, Insn } from "../operation.ts";
import { checkIpLimit, commitCode } from "./code.ts";
import { hasVme, iopl, is64Bit, isLongMode, isProtected, isV86, settableFlags } from "./predicates.ts";
import { checkReturn, commitReturn, popOuterStack, popWord, restoreStackPointer, type Word } from "./return.ts";
import { type PendingSegment, realSegment, setSegmentRaw, v86Segment } from "./segment.ts";
import { StackReader, type WordSize } from "./stack.ts";
import { returnFromTask } from "./task.ts";
import { type Origin, originAt, reportTransfer } from "./transfer.ts";

const LOW_FLAGS =
  EFLAGS.CF | EFLAGS.PF | EFLAGS.AF | EFLAGS.ZF | EFLAGS.SF | EFLAGS.TF | EFLAGS.DF | EFLAGS.OF | EFLAGS.NT;
const HIGH_FLAGS = EFLAGS.RF | EFLAGS.AC | EFLAGS.ID;
const VIRTUAL_FLAGS = EFLAGS.VIF | EFLAGS.VIP;

const wordSize = (insn: Insn): WordSize => (insn.opSize >> 3) as WordSize;

/** Flags that IRET loads in protected and long mode, by the privilege level it is executed at. */
export function returnFlagsMask(cpl: number, ioPrivilege: number, size: WordSize): number {
  let mask = LOW_FLAGS;
  if (size !== 2) mask |= HIGH_FLAGS;
  if (cpl <= ioPrivilege) mask |= EFLAGS.IF;
  if (cpl === 0) mask |= EFLAGS.IOPL | (size === 2 ? 0 : VIRTUAL_FLAGS);
  return mask;
}

function loadFlags(cpu: Cpu, image: number, mask: number): void {
  cpu.setFlagsRaw((cpu.getFlags() & ~mask) | (image & mask & settableFlags(cpu)));
}

interface Frame {
  readonly ip: Word;
  readonly selector: number;
  readonly flags: number;
}

function popFrame(stack: StackReader, size: WordSize): Frame {
  stack.touch(2 * size, size);
  stack.touch(size, size);
  const ip = popWord(stack, size);
  return { ip, selector: stack.popSelector(size), flags: stack.pop(size) };
}

/** Real and virtual-8086 mode, staying there. */
function commitParagraph(cpu: Cpu, stack: StackReader, code: PendingSegment, frame: Frame, mask: number): void {
  checkIpLimit(code, frame.ip.low);
  stack.commit();
  loadFlags(cpu, frame.flags, mask);
  commitCode(cpu, code, frame.ip.low, 0, cpu.cpl);
}

function iretReal(cpu: Cpu, size: WordSize): void {
  const stack = new StackReader(cpu);
  const frame = popFrame(stack, size);
  const mask = LOW_FLAGS | EFLAGS.IF | EFLAGS.IOPL | (size === 2 ? 0 : HIGH_FLAGS);
  commitParagraph(cpu, stack, { value: realSegment(cpu, SEG.CS, frame.selector) }, frame, mask);
}

function iretV86(cpu: Cpu, size: WordSize): void {
  if (iopl(cpu) === 3) {
    const stack = new StackReader(cpu);
    const frame = popFrame(stack, size);
    const mask = LOW_FLAGS | EFLAGS.IF | (size === 2 ? 0 : HIGH_FLAGS);
    commitParagraph(cpu, stack, { value: v86Segment(frame.selector) }, frame, mask);
  } else if (hasVme(cpu) && size === 2) iretVme(cpu);
  else throw gp(0, "IRET in virtual-8086 mode with IOPL below 3");
}

/** VME with IOPL below 3: the image's IF goes to VIF. */
function iretVme(cpu: Cpu): void {
  const stack = new StackReader(cpu);
  const frame = popFrame(stack, 2);
  checkVirtualImage(cpu, frame.flags);
  const image = virtualFlags(frame.flags);
  commitParagraph(
    cpu,
    stack,
    { value: v86Segment(frame.selector) },
    { ...frame, flags: image },
    LOW_FLAGS | EFLAGS.VIF,
  );
}

/** POPF and IRET under VME: what the monitor must see for itself. */
export function checkVirtualImage(cpu: Cpu, image: number): void {
  if ((image & EFLAGS.TF) !== 0) throw gp(0, "TF in the flags image, with VME and IOPL below 3");
  if ((image & EFLAGS.IF) !== 0 && (cpu.get32(OFF.EFLAGS) & EFLAGS.VIP) !== 0)
    throw gp(0, "IF in the flags image while VIP is set, with VME and IOPL below 3");
}

export const virtualFlags = (image: number): number =>
  (image & ~EFLAGS.VIF) | ((image & EFLAGS.IF) !== 0 ? EFLAGS.VIF : 0);

/** From CPL 0 with VM in the image: six more dwords, and everything about the new mode follows from VM. */
function iretToV86(cpu: Cpu, stack: StackReader, frame: Frame): void {
  const esp = stack.pop(4);
  const selectors = ([SEG.SS, SEG.ES, SEG.DS, SEG.FS, SEG.GS] as const).map(
    (seg) => [seg, stack.popSelector(4)] as const,
  );
  const code = { value: v86Segment(frame.selector) };
  checkIpLimit(code, frame.ip.low);
  // commit
  const mask = LOW_FLAGS | HIGH_FLAGS | VIRTUAL_FLAGS | EFLAGS.IF | EFLAGS.IOPL | EFLAGS.VM;
  cpu.setFlagsRaw(frame.flags & mask & settableFlags(cpu));
  for (const [seg, selector] of selectors) setSegmentRaw(cpu, seg, v86Segment(selector));
  restoreStackPointer(cpu, true, 0, { low: esp, high: 0 });
  commitCode(cpu, code, frame.ip.low, 0, 3);
}

/** To protected, compatibility or 64-bit code. In 64-bit mode the frame always has SS:RSP. */
function iretSegmented(cpu: Cpu, stack: StackReader, frame: Frame, size: WordSize): void {
  const plan = checkReturn(cpu, frame.selector, frame.ip, () => popOuterStack(stack, size), is64Bit(cpu));
  // commit
  loadFlags(cpu, frame.flags, returnFlagsMask(cpu.cpl, iopl(cpu), size));
  commitReturn(cpu, plan, stack);
}

function iretProtected(cpu: Cpu, size: WordSize, from: Origin): void {
  if ((cpu.get32(OFF.EFLAGS) & EFLAGS.NT) !== 0) {
    if (isLongMode(cpu)) throw gp(0, "IRET with NT set in long mode");
    returnFromTask(cpu, from);
    return;
  }
  const stack = new StackReader(cpu);
  const frame = popFrame(stack, size);
  const toV86 = size === 4 && (frame.flags & EFLAGS.VM) !== 0 && cpu.cpl === 0 && !isLongMode(cpu);
  if (toV86) iretToV86(cpu, stack, frame);
  else iretSegmented(cpu, stack, frame, size);
  reportTransfer(cpu, "iret", from);
}

/** NMIs are let in again even by an IRET that faults; nothing else changes then. */
export const iret: Helper = (cpu, insn) => {
  const from = originAt(cpu, insn.ipLow, insn.ipHigh);
  cpu.set32(OFF.NMI_BLOCKED, 0);
  const size = wordSize(insn);
  if (isProtected(cpu) && !isV86(cpu)) {
    iretProtected(cpu, size, from);
    return;
  }
  if (isV86(cpu)) iretV86(cpu, size);
  else iretReal(cpu, size);
  reportTransfer(cpu, "iret", from);
};
