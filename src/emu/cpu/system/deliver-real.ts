/** Delivery through an interrupt vector table of 4-byte entries: real mode, and virtual-8086 mode under VME. */
import type { Cpu } from "../cpu.ts";
import { gp, VECTOR } from "../fault.ts";
import { EFLAGS, OFF, SEG } from "../layout.ts";
import { factsOf } from "../model.ts";
import { checkIpLimit, commitCode } from "./code.ts";
import { hex, linear } from "./descriptor.ts";
import type { DeliveryEvent } from "./event.ts";
import { iopl } from "./predicates.ts";
import { realSegment, v86Segment } from "./segment.ts";
import { currentStack, StackWriter } from "./stack.ts";

/** Flags, CS and IP as 16-bit words on the present stack. */
function pushFrame(cpu: Cpu, flags: number): StackWriter {
  const stack = new StackWriter(cpu, currentStack(cpu));
  stack.push(2, flags);
  stack.push(2, cpu.selector(SEG.CS));
  stack.push(2, cpu.get32(OFF.RIP));
  return stack;
}

/** The 286 in real mode has one vector, 13, for an access across the end of any segment, the stack's too. */
const realVector = (cpu: Cpu, { vector, kind }: DeliveryEvent): number =>
  factsOf(cpu).stackOverrunIs13 && kind === "exception" && vector === VECTOR.SS ? VECTOR.GP : vector;

export function deliverReal(cpu: Cpu, event: DeliveryEvent): void {
  const at = realVector(cpu, event) * 4;
  const limit = cpu.get32(OFF.IDTR_LIMIT) & 0xffff;
  if (at + 3 > limit)
    throw gp(at + 2 + event.ext, `vector ${event.vector} is outside the interrupt table, whose limit is ${hex(limit)}`);
  const base = cpu.getAddr(OFF.IDTR_BASE);
  const ip = cpu.readLinear(linear(cpu, base, at), 2, false);
  const selector = cpu.readLinear(linear(cpu, base, at + 2), 2, false);
  const code = { value: realSegment(cpu, SEG.CS, selector) };
  checkIpLimit(code, ip);
  const flags = cpu.getFlags();
  const stack = pushFrame(cpu, flags);
  // commit
  stack.commit();
  cpu.setFlagsRaw(flags & ~(EFLAGS.IF | EFLAGS.TF | EFLAGS.RF | EFLAGS.AC));
  commitCode(cpu, code, ip, 0, 0);
}

/** VME: INT n handled by the virtual-8086 task itself, through the table at linear address 0. */
export function deliverVirtual8086(cpu: Cpu, vector: number): void {
  const ip = cpu.readLinear(vector * 4, 2, true);
  const selector = cpu.readLinear(vector * 4 + 2, 2, true);
  const flags = cpu.getFlags();
  const virtual = iopl(cpu) < 3;
  const image = virtual ? virtualImage(flags) : flags;
  const stack = pushFrame(cpu, image);
  // commit
  stack.commit();
  const cleared = EFLAGS.TF | EFLAGS.RF | (virtual ? EFLAGS.VIF : EFLAGS.IF);
  cpu.setFlagsRaw(flags & ~cleared);
  commitCode(cpu, { value: v86Segment(selector) }, ip, 0, 3);
}

/** FLAGS as a virtual-8086 program under VME sees them: IOPL 3, and VIF in IF's place. */
export const virtualImage = (flags: number): number =>
  (flags & ~EFLAGS.IF) | EFLAGS.IOPL | ((flags & EFLAGS.VIF) !== 0 ? EFLAGS.IF : 0);
