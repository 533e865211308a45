/** Code segments as the targets of gates, far jumps, calls and returns; and writing CS:RIP. */
import type { Cpu } from "../cpu.ts";
import { gp, np } from "../fault.ts";
import { OFF, SEG } from "../layout.ts";
import { isCanonical } from "../state.ts";
import { ATTR, type Descriptor, dplOf, errorOf, hex, isCode, isConforming, isPresent, rplOf } from "./descriptor.ts";
import { isLongMode } from "./predicates.ts";
import { commitSegment, type PendingSegment, withinLimit } from "./segment.ts";

export const is64BitCode = (cpu: Cpu, attr: number): boolean => isLongMode(cpu) && (attr & ATTR.L) !== 0;

/** L and D together are reserved in long mode. */
export function checkCodeWidth(cpu: Cpu, target: Descriptor, ext = 0): void {
  const both = ATTR.L | ATTR.DB;
  if (isLongMode(cpu) && (target.attr & both) === both)
    throw gp(errorOf(target.selector, ext), `code segment ${hex(target.selector)} has both L and D set`);
}

export function checkIsCode(target: Descriptor, ext = 0): void {
  if (!isCode(target.attr))
    throw gp(errorOf(target.selector, ext), `selector ${hex(target.selector)} does not name a code segment`);
}

export function checkCodePresent(target: Descriptor, ext = 0): void {
  if (!isPresent(target.attr))
    throw np(errorOf(target.selector, ext), `the code segment named by ${hex(target.selector)} is not present`);
}

/** Target of a direct far JMP or CALL: the privilege level may not change. */
export function checkDirectTarget(cpu: Cpu, target: Descriptor): void {
  const { attr, selector } = target;
  const dpl = dplOf(attr);
  const code = errorOf(selector);
  checkCodeWidth(cpu, target);
  if (isConforming(attr)) {
    if (dpl > cpu.cpl) throw gp(code, `conforming code segment ${hex(selector)} has DPL ${dpl} above CPL ${cpu.cpl}`);
  } else {
    if (rplOf(selector) > cpu.cpl) throw gp(code, `the RPL of ${hex(selector)} is above CPL ${cpu.cpl}`);
    if (dpl !== cpu.cpl) throw gp(code, `code segment ${hex(selector)} has DPL ${dpl}, not CPL ${cpu.cpl}`);
  }
  checkCodePresent(target);
}

/** Code segment that IRET or RETF goes back to; RPL is the privilege level after it. */
export function checkReturnTarget(cpu: Cpu, target: Descriptor): void {
  const { attr, selector } = target;
  const code = errorOf(selector);
  const rpl = rplOf(selector);
  const dpl = dplOf(attr);
  checkIsCode(target);
  checkCodeWidth(cpu, target);
  if (rpl < cpu.cpl)
    throw gp(code, `return to ${hex(selector)}, whose RPL ${rpl} is more privileged than CPL ${cpu.cpl}`);
  if (isConforming(attr)) {
    if (dpl > rpl) throw gp(code, `conforming code segment ${hex(selector)} has DPL ${dpl} above its RPL ${rpl}`);
  } else if (dpl !== rpl) throw gp(code, `code segment ${hex(selector)} has DPL ${dpl}, not its selector's RPL ${rpl}`);
  checkCodePresent(target);
}

/** New instruction pointer: canonical in 64-bit code, within the limit elsewhere. */
export function checkIp(cpu: Cpu, segment: PendingSegment, low: number, high: number, ext = 0): void {
  if (is64BitCode(cpu, segment.value.attr)) {
    if (!isCanonical(high)) throw gp(ext, "the new RIP is not canonical");
  } else if (low >>> 0 > segment.value.limit) {
    throw gp(ext, `the new instruction pointer ${hex(low)} is outside the code segment's limit`);
  }
}

/** Paragraph modes: CS keeps its limit. */
export function checkIpLimit(segment: PendingSegment, low: number): void {
  if (!withinLimit(segment.value, low >>> 0, 1))
    throw gp(0, `the new instruction pointer ${hex(low)} is outside the code segment's limit`);
}

export function setCpl(cpu: Cpu, cpl: number): void {
  cpu.set32(OFF.CPL, cpl);
}

/** Commit phase of every change of CS: segment, RIP and CPL. */
export function commitCode(cpu: Cpu, segment: PendingSegment, low: number, high: number, cpl: number): void {
  commitSegment(cpu, SEG.CS, segment);
  setCpl(cpu, cpl);
  if (is64BitCode(cpu, segment.value.attr)) cpu.setRip(low, high);
  else cpu.setRip(low, 0);
}
