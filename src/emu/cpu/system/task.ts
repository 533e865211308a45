/**
 * Hardware task switches between 16- and 32-bit task state segments, by JMP, CALL, IRET, and task gates. The one instruction
 * that commits before all its checks are done: what fails once the new task's state is loaded is a fault of the new task.
 */
import type { Cpu } from "../cpu.ts";
import { Fault, gp, np, ts } from "../fault.ts";
import { CR0, EFLAGS, OFF, SEG, SEG_NULL, type SegIndex } from "../layout.ts";
import { checkCodePresent, checkIp, commitCode, setCpl } from "./code.ts";
import { DR6, debugException, deliverException } from "./deliver.ts";
import {
  type Descriptor,
  dplOf,
  errorOf,
  hex,
  isCode,
  isConforming,
  isNull,
  isPresent,
  isReadable,
  isSystem,
  linear,
  rewriteType,
  rplOf,
  type SegmentValue,
  SYS,
  segmentValueOf,
  typeOf,
} from "./descriptor.ts";
import type { DeliveryEvent } from "./event.ts";
import { isV86 } from "./predicates.ts";
import {
  checkLdt,
  checkStackDescriptor,
  commitSegment,
  fetchDescriptor,
  nullSegment,
  type PendingSegment,
  pendingOf,
  segName,
  setSegmentRaw,
  v86Segment,
} from "./segment.ts";
import { currentStack, probeWrite, StackWriter } from "./stack.ts";
import { type Origin, reportTransfer } from "./transfer.ts";
import { isTss16, tssRead } from "./tss.ts";

export type TaskCause = "jmp" | "call" | "int" | "iret";

/** Where a TSS keeps what. Word is the size of its fields; `cr3` absent: the address space stays. */
interface TssLayout {
  readonly word: 2 | 4;
  readonly minimumLimit: number;
  readonly cr3?: number;
  readonly ip: number;
  readonly flags: number;
  readonly gprs: number;
  /** ES CS SS DS, and FS GS in the 32-bit form. */
  readonly segments: number;
  readonly segmentCount: number;
  readonly ldt: number;
  readonly trap?: number;
  /** First and last byte that a switch away writes. */
  readonly saved: readonly [number, number];
}

const TSS16: TssLayout = {
  word: 2,
  minimumLimit: 0x2b,
  ip: 0x0e,
  flags: 0x10,
  gprs: 0x12,
  segments: 0x22,
  segmentCount: 4,
  ldt: 0x2a,
  saved: [0x0e, 0x29],
};
export const TSS32: TssLayout = {
  word: 4,
  minimumLimit: 0x67,
  cr3: 0x1c,
  ip: 0x20,
  flags: 0x24,
  gprs: 0x28,
  segments: 0x48,
  segmentCount: 6,
  ldt: 0x60,
  trap: 0x64,
  saved: [0x20, 0x5f],
};
const SEGMENTS: readonly SegIndex[] = [SEG.ES, SEG.CS, SEG.SS, SEG.DS, SEG.FS, SEG.GS];
const BUSY = 0x200;
/** Bits of DR7 that a switch clears: L0-L3 and LE. */
const DR7_LOCAL = 0x155;

const layoutOf = (attr: number): TssLayout => ((typeOf(attr) & ~2) === SYS.TSS16 ? TSS16 : TSS32);

/** Type, presence and size of the TSS. Exceptions are the instruction's: #TS for IRET's link, else #GP. */
function checkTss(target: Descriptor, cause: TaskCause, ext: number): TssLayout {
  const { attr, selector } = target;
  const code = errorOf(selector, ext);
  const raise = cause === "iret" ? ts : gp;
  const type = typeOf(attr);
  const wanted =
    cause === "iret" ? type === SYS.TSS_BUSY || type === SYS.TSS16_BUSY : type === SYS.TSS || type === SYS.TSS16;
  if (!isSystem(attr) || !wanted)
    throw raise(code, `selector ${hex(selector)} does not name ${cause === "iret" ? "a busy" : "an available"} TSS`);
  if (!isPresent(attr)) throw np(code, `the TSS named by ${hex(selector)} is not present`);
  const layout = layoutOf(attr);
  const { limit } = segmentValueOf(target);
  if (limit < layout.minimumLimit)
    throw ts(code, `the TSS named by ${hex(selector)} is too small: its limit is ${hex(limit)}`);
  return layout;
}

interface TaskState {
  readonly cr3: number | undefined;
  readonly ip: number;
  readonly flags: number;
  readonly gprs: readonly number[];
  readonly selectors: readonly number[];
  readonly ldt: number;
  readonly trap: boolean;
}

function readState(cpu: Cpu, tss: SegmentValue, layout: TssLayout): TaskState {
  const { word } = layout;
  const read = (offset: number, size: 2 | 4) => cpu.readLinear(linear(cpu, tss.base, offset), size, false);
  const words = (from: number, count: number) => Array.from({ length: count }, (_, i) => read(from + i * word, word));
  return {
    cr3: layout.cr3 === undefined ? undefined : read(layout.cr3, 4),
    ip: read(layout.ip, word),
    flags: read(layout.flags, word),
    // A 16-bit TSS does not keep the upper halves: SDM vol. 3, 16-bit TSS, "modified and not maintained". docs/test386.md: ones.
    gprs: words(layout.gprs, 8).map((value) => (word === 2 ? value | 0xffff_0000 : value)),
    selectors: words(layout.segments, layout.segmentCount).map((s) => s & 0xffff),
    ldt: read(layout.ldt, 2),
    trap: layout.trap !== undefined && (read(layout.trap, 2) & 1) !== 0,
  };
}

function probeSave(cpu: Cpu, layout: TssLayout): void {
  const [first, last] = layout.saved;
  probeWrite(cpu, linear(cpu, cpu.segBase(SEG.TR), first), last - first + 1, false);
}

function saveState(cpu: Cpu, layout: TssLayout, flags: number): void {
  const { word } = layout;
  const base = cpu.segBase(SEG.TR);
  const write = (offset: number, value: number) =>
    cpu.writeLinear(linear(cpu, base, offset), word, word === 2 ? value & 0xffff : value >>> 0, false);
  write(layout.ip, cpu.get32(OFF.RIP));
  write(layout.flags, flags);
  for (let i = 0; i < 8; i++) write(layout.gprs + i * word, cpu.gprLow(i));
  for (let i = 0; i < layout.segmentCount; i++) write(layout.segments + i * word, cpu.selector(SEGMENTS[i]!));
}

/** TR's own descriptor, to clear its busy bit. */
const currentTss = (cpu: Cpu): Descriptor => fetchDescriptor(cpu, cpu.selector(SEG.TR), "TR", ts);

/** New registers, with segment registers naming their selectors but not usable yet. */
function loadState(cpu: Cpu, state: TaskState, flags: number): void {
  if (state.cr3 !== undefined && (cpu.get32(OFF.CR0) & CR0.PG) !== 0) {
    cpu.set32(OFF.CR3, state.cr3);
    cpu.set32(OFF.CR3 + 4, 0);
    cpu.flushTlbNonGlobal();
  }
  for (let i = 0; i < 8; i++) cpu.setGprHalves(i, state.gprs[i]! | 0, 0);
  cpu.setFlagsRaw(flags);
  cpu.setRip(state.ip | 0, 0);
  const unusable = (selector: number): SegmentValue => ({ selector, attr: SEG_NULL, base: 0, limit: 0 });
  SEGMENTS.forEach((seg, i) => void setSegmentRaw(cpu, seg, unusable(state.selectors[i] ?? 0)));
  setSegmentRaw(cpu, SEG.LDTR, unusable(state.ldt));
  setCpl(cpu, isV86(cpu) ? 3 : rplOf(state.selectors[SEG.CS] ?? 0));
  cpu.set32(OFF.CR0, cpu.get32(OFF.CR0) | CR0.TS);
  cpu.set32(OFF.DR + 56, cpu.get32(OFF.DR + 56) & ~DR7_LOCAL);
  cpu.debugRegistersChanged();
}

function taskCode(cpu: Cpu, selector: number): PendingSegment {
  if (isNull(selector)) throw ts(0, "CS in the TSS is null");
  const target = fetchDescriptor(cpu, selector, "CS in the TSS", ts);
  const code = errorOf(selector);
  const rpl = rplOf(selector);
  const dpl = dplOf(target.attr);
  if (!isCode(target.attr)) throw ts(code, `CS ${hex(selector)} in the TSS does not name a code segment`);
  if (isConforming(target.attr) ? dpl > rpl : dpl !== rpl)
    throw ts(code, `CS ${hex(selector)} in the TSS names a code segment of DPL ${dpl}`);
  checkCodePresent(target);
  return pendingOf(cpu, target);
}

function taskData(cpu: Cpu, seg: SegIndex, selector: number, cpl: number): PendingSegment {
  if (isNull(selector)) return { value: nullSegment(cpu, seg, selector) };
  const name = segName(seg);
  const target = fetchDescriptor(cpu, selector, `${name} in the TSS`, ts);
  const code = errorOf(selector);
  if (!isReadable(target.attr))
    throw ts(code, `${name} ${hex(selector)} in the TSS names neither data nor readable code`);
  if (!isConforming(target.attr) && Math.max(cpl, rplOf(selector)) > dplOf(target.attr))
    throw ts(code, `${name} ${hex(selector)} in the TSS names a segment of DPL ${dplOf(target.attr)}`);
  if (!isPresent(target.attr)) throw np(code, `the segment of ${name} ${hex(selector)} in the TSS is not present`);
  return pendingOf(cpu, target);
}

/** LDTR, then the segment registers, each checked as the new task. */
function loadSegments(cpu: Cpu, state: TaskState): void {
  setSegmentRaw(cpu, SEG.LDTR, checkLdt(cpu, state.ldt, ts));
  const selector = (seg: SegIndex) => state.selectors[seg] ?? 0;
  if (isV86(cpu)) {
    for (const seg of SEGMENTS) setSegmentRaw(cpu, seg, v86Segment(selector(seg)));
    return;
  }
  const { cpl } = cpu;
  const code = taskCode(cpu, selector(SEG.CS));
  if (isNull(selector(SEG.SS))) throw ts(0, "SS in the TSS is null");
  commitSegment(cpu, SEG.SS, checkStackDescriptor(cpu, selector(SEG.SS), cpl, ts));
  for (const seg of [SEG.DS, SEG.ES, SEG.FS, SEG.GS] as const)
    commitSegment(cpu, seg, taskData(cpu, seg, selector(seg), cpl));
  commitCode(cpu, code, state.ip | 0, 0, cpl);
  checkIp(cpu, code, state.ip, 0);
}

/** The switch itself. On return the new task's registers are loaded, its segments not. */
function exchange(cpu: Cpu, target: Descriptor, cause: TaskCause, layout: TssLayout): TaskState {
  const tss = segmentValueOf(target);
  const oldLayout = isTss16(cpu) ? TSS16 : TSS32;
  const state = readState(cpu, tss, layout);
  const nests = cause === "call" || cause === "int";
  probeSave(cpu, oldLayout);
  if (nests) probeWrite(cpu, tss.base, 2, false);
  const old = nests ? undefined : currentTss(cpu);
  // commit
  const flags = cpu.getFlags();
  saveState(cpu, oldLayout, cause === "iret" ? flags & ~EFLAGS.NT : flags);
  if (old !== undefined) rewriteType(cpu, old, old.high & ~BUSY);
  if (nests) cpu.writeLinear(tss.base, 2, cpu.selector(SEG.TR), false);
  const busy = cause === "iret" ? target : rewriteType(cpu, target, target.high | BUSY);
  setSegmentRaw(cpu, SEG.TR, { ...tss, attr: busy.attr });
  loadState(cpu, state, nests ? state.flags | EFLAGS.NT : state.flags);
  return state;
}

function enterTask(cpu: Cpu, state: TaskState, word: 2 | 4, errorCode: number | undefined): void {
  loadSegments(cpu, state);
  cpu.updateMode();
  if (errorCode !== undefined) {
    const stack = new StackWriter(cpu, currentStack(cpu));
    stack.push(word, errorCode);
    stack.commit();
  }
  if (state.trap) deliverException(cpu, debugException(DR6.BT, "the new task's TSS has its T bit set"));
}

/** JMP, CALL and IRET: what fails in the new task is delivered there, for the caller knows only the old one. */
function switchAndEnter(cpu: Cpu, target: Descriptor, cause: TaskCause, from?: Origin): void {
  const layout = checkTss(target, cause, 0);
  const state = exchange(cpu, target, cause, layout);
  if (from !== undefined) reportTransfer(cpu, "task-switch", from);
  try {
    enterTask(cpu, state, layout.word, undefined);
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    cpu.updateMode();
    deliverException(cpu, thrown);
  }
}

function checkPrivilege(cpu: Cpu, target: Descriptor, what: string): void {
  const dpl = dplOf(target.attr);
  if (dpl < cpu.cpl || dpl < rplOf(target.selector))
    throw gp(errorOf(target.selector), `${what} ${hex(target.selector)} has DPL ${dpl}, below CPL or RPL`);
}

/** Far JMP or CALL to a TSS descriptor. */
export function switchTask(cpu: Cpu, target: Descriptor, cause: "jmp" | "call", from: Origin): void {
  checkPrivilege(cpu, target, "TSS");
  switchAndEnter(cpu, target, cause, from);
}

function tssOfGate(cpu: Cpu, selector: number, ext: number): Descriptor {
  if ((selector & 4) !== 0 || isNull(selector))
    throw gp(errorOf(selector, ext), `the task gate's TSS selector ${hex(selector)} is null or points into the LDT`);
  return fetchDescriptor(cpu, selector, "the task gate's TSS selector", gp, ext);
}

/** Far JMP or CALL to a task gate. */
export function switchTaskThroughFarGate(cpu: Cpu, gate: Descriptor, cause: "jmp" | "call", from: Origin): void {
  checkPrivilege(cpu, gate, "task gate");
  if (!isPresent(gate.attr)) throw np(errorOf(gate.selector), `task gate ${hex(gate.selector)} is not present`);
  switchAndEnter(cpu, tssOfGate(cpu, gate.low >>> 16, 0), cause, from);
}

/**
 * An event whose IDT entry is a task gate. Faults of the new task during a hardware event are thrown on, for the delivery to
 * make a double fault of them; INT n's are the new task's own.
 */
export function switchTaskThroughGate(cpu: Cpu, selector: number, event: DeliveryEvent): void {
  const target = tssOfGate(cpu, selector, event.ext);
  if (event.kind === "software-int") {
    switchAndEnter(cpu, target, "int");
    return;
  }
  const layout = checkTss(target, "int", event.ext);
  enterTask(cpu, exchange(cpu, target, "int", layout), layout.word, event.errorCode);
}

/** IRET with NT: back to the task whose TSS is the current one's link. */
export function returnFromTask(cpu: Cpu, from: Origin): void {
  const link = tssRead(cpu, 0, 2);
  if ((link & 4) !== 0 || isNull(link))
    throw ts(errorOf(link), `the TSS's link ${hex(link)} is null or points into the LDT`);
  const target = fetchDescriptor(cpu, link, "the TSS's link", ts);
  switchAndEnter(cpu, target, "iret", from);
}
