/** LAR, LSL, VERR, VERW, ARPL: questions about selectors, answered in ZF. */
import type { Cpu } from "../cpu.ts";
import { EFLAGS } from "../layout.ts";
import type { Helper } from "../operation.ts";
import {
  type Descriptor,
  dplOf,
  isConforming,
  isNull,
  isReadable,
  isSystem,
  isWritableData,
  limitOf,
  readDescriptor,
  rplOf,
  SYS,
  typeOf,
} from "./descriptor.ts";
import { isLongMode } from "./predicates.ts";
import { requireSelectors } from "./privilege.ts";

const LAR_LEGACY: ReadonlySet<number> = new Set([
  SYS.TSS16,
  SYS.LDT,
  SYS.TSS16_BUSY,
  SYS.CALL16,
  SYS.TASK_GATE,
  SYS.TSS,
  SYS.TSS_BUSY,
  SYS.CALL,
]);
const LAR_LONG: ReadonlySet<number> = new Set([SYS.LDT, SYS.TSS, SYS.TSS_BUSY, SYS.CALL]);
const LSL_LEGACY: ReadonlySet<number> = new Set([SYS.TSS16, SYS.LDT, SYS.TSS16_BUSY, SYS.TSS, SYS.TSS_BUSY]);
const LSL_LONG: ReadonlySet<number> = new Set([SYS.LDT, SYS.TSS, SYS.TSS_BUSY]);

const setZf = (cpu: Cpu, value: boolean): void => cpu.setArithFlags(value ? EFLAGS.ZF : 0, EFLAGS.ZF);

/** The descriptor, if CPL and RPL may see it. */
function visible(cpu: Cpu, selector: number): Descriptor | undefined {
  if (isNull(selector)) return undefined;
  const descriptor = readDescriptor(cpu, selector);
  if (descriptor === undefined || isConforming(descriptor.attr)) return descriptor;
  const dpl = dplOf(descriptor.attr);
  return dpl >= cpu.cpl && dpl >= rplOf(selector) ? descriptor : undefined;
}

function query(
  name: string,
  legacy: ReadonlySet<number>,
  long: ReadonlySet<number>,
  result: (d: Descriptor) => number,
): Helper {
  return (cpu, insn) => {
    requireSelectors(cpu, name);
    const descriptor = visible(cpu, cpu.readOp(insn, 1) & 0xffff);
    const types = isLongMode(cpu) ? long : legacy;
    const found = descriptor !== undefined && (!isSystem(descriptor.attr) || types.has(typeOf(descriptor.attr)));
    if (found) cpu.writeOp(insn, 0, result(descriptor) | 0, 0);
    setZf(cpu, found);
  };
}

export const lar = query("LAR", LAR_LEGACY, LAR_LONG, (d) => d.high & 0x00ffff00);
export const lsl = query("LSL", LSL_LEGACY, LSL_LONG, (d) => limitOf(d.low, d.high));

function verification(name: string, permits: (attr: number) => boolean): Helper {
  return (cpu, insn) => {
    requireSelectors(cpu, name);
    const descriptor = visible(cpu, cpu.readOp(insn, 0) & 0xffff);
    setZf(cpu, descriptor !== undefined && !isSystem(descriptor.attr) && permits(descriptor.attr));
  };
}

export const verr = verification("VERR", isReadable);
export const verw = verification("VERW", isWritableData);

/** Raises the RPL of the first operand, 16 bits whatever the prefixes (measured), to that of the second. */
export const arpl: Helper = (cpu, insn) => {
  requireSelectors(cpu, "ARPL");
  const source = cpu.readOp(insn, 1) & 3;
  const target = cpu.readOp(insn, 0) & 0xffff;
  const raise = rplOf(target) < source;
  const op = insn.ops[0]!;
  if (raise && op.kind === "reg") cpu.writeReg(op.reg, 16, (target & ~3) | source);
  else if (raise) cpu.writeOp(insn, 0, (target & ~3) | source, 0);
  setZf(cpu, raise);
};
