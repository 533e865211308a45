/** Delivery through the 16-byte gates of long mode: always to 64-bit code, always SS:RSP in the frame, IST. */
import type { Cpu } from "../cpu.ts";
import { gp, np } from "../fault.ts";
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
  SYS,
  typeOf,
} from "./descriptor.ts";
import { type DeliveryEvent, flagsImage, gateFlags } from "./event.ts";
import { currentSegment, fetchDescriptor, nullSegment, pendingOf, setSegmentRaw, withRpl } from "./segment.ts";
import { newStack, StackWriter, stackPointer } from "./stack.ts";
import { longStackPointer } from "./tss.ts";

interface Gate {
  readonly selector: number;
  readonly offsetLow: number;
  readonly offsetHigh: number;
  readonly type: number;
  readonly ist: number;
}

function readGate(cpu: Cpu, event: DeliveryEvent): Gate {
  const { vector } = event;
  const code = vector * 8 + 2 + event.ext;
  const limit = cpu.get32(OFF.IDTR_LIMIT) & 0xffff;
  if (vector * 16 + 15 > limit) throw gp(code, `IDT entry ${vector} is outside the IDT, whose limit is ${hex(limit)}`);
  const address = cpu.getAddr(OFF.IDTR_BASE) + vector * 16;
  const low = cpu.readLinear(address, 4, false);
  const high = cpu.readLinear(address + 4, 4, false);
  const offsetHigh = cpu.readLinear(address + 8, 4, false) | 0;
  const attr = attrOf(high);
  const type = typeOf(attr);
  if (!isSystem(attr) || (type !== SYS.INT && type !== SYS.TRAP))
    throw gp(code, `IDT entry ${vector} is not a 64-bit interrupt or trap gate`);
  if (event.checkDpl && dplOf(attr) < cpu.cpl)
    throw gp(code, `IDT entry ${vector} has DPL ${dplOf(attr)}, below CPL ${cpu.cpl}`);
  if (!isPresent(attr)) throw np(code, `IDT entry ${vector} is not present`);
  const offsetLow = (low & 0xffff) | (high & 0xffff0000);
  return { selector: low >>> 16, offsetLow, offsetHigh, type, ist: high & 7 };
}

function checkHandler(cpu: Cpu, selector: number, ext: number): Descriptor {
  const code = errorOf(selector, ext);
  if (isNull(selector)) throw gp(ext, "the gate's code selector is null");
  const target = fetchDescriptor(cpu, selector, "the gate's code selector", gp, ext);
  const dpl = dplOf(target.attr);
  checkIsCode(target, ext);
  if (dpl > cpu.cpl) throw gp(code, `the handler's code segment ${hex(selector)} has DPL ${dpl}, above CPL ${cpu.cpl}`);
  if ((target.attr & (ATTR.L | ATTR.DB)) !== ATTR.L)
    throw gp(code, `the handler's code segment ${hex(selector)} is not a 64-bit one (L=1, D=0)`);
  checkCodePresent(target, ext);
  return target;
}

/** The frame's stack, aligned to 16 bytes: IST, the inner level's RSP, or the present one. */
function handlerStack(cpu: Cpu, cpl: number, ist: number, ext: number): StackWriter {
  const switches = ist !== 0 || cpl < cpu.cpl;
  const top = switches ? longStackPointer(cpu, cpl, ist, ext) : stackPointer(cpu);
  const aligned = Math.floor(top / 16) * 16;
  return new StackWriter(cpu, newStack(currentSegment(cpu, SEG.SS), 64, aligned, cpl, ext));
}

function pushFrame(cpu: Cpu, stack: StackWriter, event: DeliveryEvent): void {
  stack.push(8, cpu.selector(SEG.SS));
  stack.push(8, cpu.gprLow(GPR.RSP), cpu.gprHigh(GPR.RSP));
  stack.push(8, flagsImage(cpu, event));
  stack.push(8, cpu.selector(SEG.CS));
  stack.push(8, cpu.get32(OFF.RIP), cpu.get32(OFF.RIP + 4));
  if (event.errorCode !== undefined) stack.push(8, event.errorCode);
}

export function deliverLong(cpu: Cpu, event: DeliveryEvent): void {
  const { ext } = event;
  const gate = readGate(cpu, event);
  const target = checkHandler(cpu, gate.selector, ext);
  const cpl = isConforming(target.attr) ? cpu.cpl : dplOf(target.attr);
  const code = withRpl(pendingOf(cpu, target), cpl);
  const stack = handlerStack(cpu, cpl, gate.ist, ext);
  pushFrame(cpu, stack, event);
  checkIp(cpu, code, gate.offsetLow, gate.offsetHigh, ext);
  // commit
  const flags = cpu.getFlags();
  if (cpl < cpu.cpl) setSegmentRaw(cpu, SEG.SS, nullSegment(cpu, SEG.SS, cpl));
  stack.commit();
  cpu.setFlagsRaw(gateFlags(flags, gate.type === SYS.INT));
  commitCode(cpu, code, gate.offsetLow, gate.offsetHigh, cpl);
}
