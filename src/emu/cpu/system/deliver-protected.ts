/** Delivery through the 8-byte gates of legacy protected mode, from virtual-8086 mode too. */
import type { Cpu } from "../cpu.ts";
import { gp, np, ts } from "../fault.ts";
import { GPR, OFF, SEG } from "../layout.ts";
import { checkCodePresent, checkIp, checkIsCode, commitCode } from "./code.ts";
import {
  ATTR,
  attrOf,
  type Descriptor,
  dplOf,
  errorOf,
  hex,
  isConforming,
  isNull,
  isPresent,
  isSystem,
  linear,
  SYS,
  typeOf,
} from "./descriptor.ts";
import { type DeliveryEvent, flagsImage, gateFlags } from "./event.ts";
import { isV86 } from "./predicates.ts";
import {
  checkStackDescriptor,
  commitSegment,
  fetchDescriptor,
  nullSegment,
  type PendingSegment,
  pendingOf,
  setSegmentRaw,
  withRpl,
} from "./segment.ts";
import { currentStack, newStack, StackWriter, type WordSize } from "./stack.ts";
import { switchTaskThroughGate } from "./task.ts";
import { legacyStack } from "./tss.ts";

interface Gate {
  readonly selector: number;
  readonly offset: number;
  readonly attr: number;
  readonly type: number;
}

const GATES: ReadonlySet<number> = new Set([SYS.TASK_GATE, SYS.INT16, SYS.TRAP16, SYS.INT, SYS.TRAP]);

function readGate(cpu: Cpu, event: DeliveryEvent): Gate {
  const at = event.vector * 8;
  const code = at + 2 + event.ext;
  const limit = cpu.get32(OFF.IDTR_LIMIT) & 0xffff;
  if (at + 7 > limit) throw gp(code, `IDT entry ${event.vector} is outside the IDT, whose limit is ${hex(limit)}`);
  const address = linear(cpu, cpu.getAddr(OFF.IDTR_BASE), at);
  const low = cpu.readLinear(address, 4, false);
  const high = cpu.readLinear(linear(cpu, address, 4), 4, false);
  const attr = attrOf(high);
  const type = typeOf(attr);
  if (!isSystem(attr) || !GATES.has(type))
    throw gp(code, `IDT entry ${event.vector} is not an interrupt, trap or task gate`);
  if (event.checkDpl && dplOf(attr) < cpu.cpl)
    throw gp(code, `IDT entry ${event.vector} has DPL ${dplOf(attr)}, below CPL ${cpu.cpl}`);
  if (!isPresent(attr)) throw np(code, `IDT entry ${event.vector} is not present`);
  const wide = type === SYS.INT || type === SYS.TRAP;
  const offset = wide ? ((low & 0xffff) | (high & 0xffff0000)) >>> 0 : low & 0xffff;
  return { selector: low >>> 16, offset, attr, type };
}

/** The handler's code segment, and the privilege level it runs at. */
function checkHandler(cpu: Cpu, gate: Gate, ext: number): { target: Descriptor; cpl: number } {
  const { selector } = gate;
  const code = errorOf(selector, ext);
  if (isNull(selector)) throw gp(ext, "the gate's code selector is null");
  const target = fetchDescriptor(cpu, selector, "the gate's code selector", gp, ext);
  const dpl = dplOf(target.attr);
  checkIsCode(target, ext);
  if (dpl > cpu.cpl) throw gp(code, `the handler's code segment ${hex(selector)} has DPL ${dpl}, above CPL ${cpu.cpl}`);
  checkCodePresent(target, ext);
  const cpl = isConforming(target.attr) ? cpu.cpl : dpl;
  if (isV86(cpu) && cpl !== 0) throw gp(code, "the handler of an event in virtual-8086 mode must run at CPL 0");
  return { target, cpl };
}

interface Frame {
  readonly stack: StackWriter;
  /** The inner stack's segment when privilege changes. */
  readonly segment?: PendingSegment;
}

function innerStack(cpu: Cpu, cpl: number, ext: number): Required<Frame> {
  const { selector, pointer } = legacyStack(cpu, cpl, ext);
  if (isNull(selector)) throw ts(ext, `SS${cpl} in the TSS is null`);
  const segment = checkStackDescriptor(cpu, selector, cpl, ts, ext);
  const bits = (segment.value.attr & ATTR.DB) !== 0 ? 32 : 16;
  return { stack: new StackWriter(cpu, newStack(segment.value, bits, pointer, cpl, ext)), segment };
}

function pushOuterState(cpu: Cpu, stack: StackWriter, size: WordSize): void {
  if (isV86(cpu)) for (const seg of [SEG.GS, SEG.FS, SEG.DS, SEG.ES] as const) stack.push(size, cpu.selector(seg));
  stack.push(size, cpu.selector(SEG.SS));
  stack.push(size, cpu.gprLow(GPR.RSP));
}

function pushReturn(cpu: Cpu, stack: StackWriter, size: WordSize, event: DeliveryEvent): void {
  stack.push(size, flagsImage(cpu, event));
  stack.push(size, cpu.selector(SEG.CS));
  stack.push(size, cpu.get32(OFF.RIP));
  if (event.errorCode !== undefined) stack.push(size, event.errorCode);
}

function leaveV86(cpu: Cpu): void {
  for (const seg of [SEG.GS, SEG.FS, SEG.DS, SEG.ES] as const) setSegmentRaw(cpu, seg, nullSegment(cpu, seg, 0));
}

export function deliverProtected(cpu: Cpu, event: DeliveryEvent): void {
  const { ext } = event;
  const gate = readGate(cpu, event);
  if (gate.type === SYS.TASK_GATE) {
    switchTaskThroughGate(cpu, gate.selector, event);
    return;
  }
  const { target, cpl } = checkHandler(cpu, gate, ext);
  const size = gate.type === SYS.INT || gate.type === SYS.TRAP ? 4 : 2;
  const inner = cpl < cpu.cpl;
  const frame: Frame = inner ? innerStack(cpu, cpl, ext) : { stack: new StackWriter(cpu, currentStack(cpu, ext)) };
  if (inner) pushOuterState(cpu, frame.stack, size);
  pushReturn(cpu, frame.stack, size, event);
  const code = withRpl(pendingOf(cpu, target), cpl);
  checkIp(cpu, code, gate.offset, 0, ext);
  // commit
  const flags = cpu.getFlags();
  const fromV86 = isV86(cpu);
  if (frame.segment !== undefined) commitSegment(cpu, SEG.SS, frame.segment);
  frame.stack.commit();
  if (fromV86) leaveV86(cpu);
  cpu.setFlagsRaw(gateFlags(flags, gate.type === SYS.INT || gate.type === SYS.INT16));
  commitCode(cpu, code, gate.offset, 0, cpl);
}
