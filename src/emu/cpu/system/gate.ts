/** Call gates in the GDT and LDT, 8 and 16 bytes, and the calls and jumps through them. */
import type { Cpu } from "../cpu.ts";
import { gp, np, ts } from "../fault.ts";
import { GPR, OFF, SEG } from "../layout.ts";
import { checkCodePresent, checkIp, checkIsCode, commitCode } from "./code.ts";
import {
  ATTR,
  type Descriptor,
  dplOf,
  errorOf,
  hex,
  isConforming,
  isNull,
  isPresent,
  readUpperHalf,
  rplOf,
  SYS,
  typeOf,
} from "./descriptor.ts";
import { isLongMode } from "./predicates.ts";
import {
  checkStackDescriptor,
  commitSegment,
  fetchDescriptor,
  nullSegment,
  type PendingSegment,
  pendingOf,
  withRpl,
} from "./segment.ts";
import { currentStack, newStack, type Stack, StackWriter, stackPointer, type WordSize } from "./stack.ts";
import { legacyStack, longStackPointer } from "./tss.ts";

interface CallGate {
  readonly selector: number;
  readonly offsetLow: number;
  readonly offsetHigh: number;
  readonly size: WordSize;
  /** Words of `size` bytes to copy from the caller's stack. */
  readonly parameters: number;
}

/** DPL against CPL and RPL, presence, and the target's selector and offset. */
function readCallGate(cpu: Cpu, gate: Descriptor, selector: number): CallGate {
  const code = errorOf(selector);
  const dpl = dplOf(gate.attr);
  if (dpl < cpu.cpl) throw gp(code, `call gate ${hex(selector)} has DPL ${dpl}, below CPL ${cpu.cpl}`);
  if (dpl < rplOf(selector)) throw gp(code, `call gate ${hex(selector)} has DPL ${dpl}, below the selector's RPL`);
  const upper = isLongMode(cpu) ? readUpperHalf(cpu, gate) : { low: 0, high: 0 };
  if (upper === undefined) throw gp(code, `the 16-byte call gate ${hex(selector)} crosses its table's limit`);
  if ((upper.high & 0x1f00) !== 0) throw gp(code, `the upper half of call gate ${hex(selector)} does not have type 0`);
  if (!isPresent(gate.attr)) throw np(code, `call gate ${hex(selector)} is not present`);
  const narrow = typeOf(gate.attr) === SYS.CALL16;
  const target = gate.low >>> 16;
  if (isNull(target)) throw gp(0, `call gate ${hex(selector)} has a null code selector`);
  return {
    selector: target,
    offsetLow: narrow ? gate.low & 0xffff : (gate.low & 0xffff) | (gate.high & 0xffff0000),
    offsetHigh: upper.low | 0,
    size: isLongMode(cpu) ? 8 : narrow ? 2 : 4,
    parameters: isLongMode(cpu) ? 0 : gate.high & 0x1f,
  };
}

/** Target of a gate: a code segment, of 64 bits in long mode, at most as far out as CPL. */
function readTarget(cpu: Cpu, gate: CallGate): Descriptor {
  const { selector } = gate;
  const code = errorOf(selector);
  const target = fetchDescriptor(cpu, selector, "the gate's code selector", gp);
  const dpl = dplOf(target.attr);
  checkIsCode(target);
  if (dpl > cpu.cpl) throw gp(code, `the gate's code segment ${hex(selector)} has DPL ${dpl}, above CPL ${cpu.cpl}`);
  if (isLongMode(cpu) && (target.attr & (ATTR.L | ATTR.DB)) !== ATTR.L)
    throw gp(code, `the gate's code segment ${hex(selector)} is not a 64-bit one (L=1, D=0)`);
  checkCodePresent(target);
  return target;
}

export function jumpThroughGate(cpu: Cpu, descriptor: Descriptor, selector: number): void {
  const gate = readCallGate(cpu, descriptor, selector);
  const target = readTarget(cpu, gate);
  if (!isConforming(target.attr) && dplOf(target.attr) !== cpu.cpl)
    throw gp(errorOf(gate.selector), `JMP through a gate to DPL ${dplOf(target.attr)} cannot change CPL ${cpu.cpl}`);
  const code = withRpl(pendingOf(cpu, target), cpu.cpl);
  checkIp(cpu, code, gate.offsetLow, gate.offsetHigh);
  // commit
  commitCode(cpu, code, gate.offsetLow, gate.offsetHigh, cpu.cpl);
}

interface Inner {
  readonly writer: StackWriter;
  readonly segment: PendingSegment;
}

function innerStack(cpu: Cpu, cpl: number): Inner {
  if (isLongMode(cpu)) {
    const segment = { value: nullSegment(cpu, SEG.SS, cpl) };
    const stack = newStack(segment.value, 64, longStackPointer(cpu, cpl, 0, 0), cpl, 0);
    return { writer: new StackWriter(cpu, stack), segment };
  }
  const { selector, pointer } = legacyStack(cpu, cpl, 0);
  if (isNull(selector)) throw ts(0, `SS${cpl} in the TSS is null`);
  const segment = checkStackDescriptor(cpu, selector, cpl, ts);
  const bits = (segment.value.attr & ATTR.DB) !== 0 ? 32 : 16;
  return { writer: new StackWriter(cpu, newStack(segment.value, bits, pointer, cpl, 0)), segment };
}

/** A 64-bit gate's words are addressed by the whole of RSP, from compatibility mode too. */
function sameLevelStack(cpu: Cpu): Stack {
  const stack = currentStack(cpu);
  return isLongMode(cpu) ? { ...stack, bits: 64, pointer: stackPointer(cpu) } : stack;
}

/** Parameters from the caller's stack, the one pushed first first. */
function copyParameters(cpu: Cpu, gate: CallGate, writer: StackWriter): void {
  const outer = currentStack(cpu);
  const mask = outer.bits === 16 ? 0xffff : 0xffffffff;
  for (let i = gate.parameters - 1; i >= 0; i--) {
    const offset = (outer.pointer + i * gate.size) & mask;
    writer.push(gate.size, cpu.loadSeg(SEG.SS, offset, 0, gate.size as 2 | 4));
  }
}

function pushReturn(cpu: Cpu, writer: StackWriter, size: WordSize): void {
  writer.push(size, cpu.selector(SEG.CS));
  writer.push(size, cpu.get32(OFF.RIP), cpu.get32(OFF.RIP + 4));
}

export function callThroughGate(cpu: Cpu, descriptor: Descriptor, selector: number): void {
  const gate = readCallGate(cpu, descriptor, selector);
  const target = readTarget(cpu, gate);
  const cpl = isConforming(target.attr) ? cpu.cpl : dplOf(target.attr);
  const inner = cpl < cpu.cpl ? innerStack(cpu, cpl) : undefined;
  const writer = inner?.writer ?? new StackWriter(cpu, sameLevelStack(cpu));
  if (inner !== undefined) {
    writer.push(gate.size, cpu.selector(SEG.SS));
    writer.push(gate.size, cpu.gprLow(GPR.RSP), cpu.gprHigh(GPR.RSP));
    copyParameters(cpu, gate, writer);
  }
  pushReturn(cpu, writer, gate.size);
  const code = withRpl(pendingOf(cpu, target), cpl);
  checkIp(cpu, code, gate.offsetLow, gate.offsetHigh);
  // commit
  if (inner !== undefined) commitSegment(cpu, SEG.SS, inner.segment);
  writer.commit();
  commitCode(cpu, code, gate.offsetLow, gate.offsetHigh, cpl);
}
