/** PUSHF, POPF, CLI, STI, and the right to touch an I/O port: everything that IOPL, VM, VME and PVI decide. */
import type { Cpu } from "../cpu.ts";
import { gp } from "../fault.ts";
import { CR4, EFLAGS, GPR, OFF, SEG } from "../layout.ts";
import type { Helper } from "../operation.ts";
import { virtualImage } from "./deliver-real.ts";
import { hex } from "./descriptor.ts";
import { checkVirtualImage, virtualFlags } from "./iret.ts";
import { hasCr4, hasVme, iopl, isProtected, isV86, settableFlags } from "./predicates.ts";
import { inhibitInterrupts } from "./shadow.ts";
import { StackReader, type WordSize } from "./stack.ts";
import { ioBitmapBase, tssRead } from "./tss.ts";

const ALWAYS =
  EFLAGS.CF | EFLAGS.PF | EFLAGS.AF | EFLAGS.ZF | EFLAGS.SF | EFLAGS.TF | EFLAGS.DF | EFLAGS.OF | EFLAGS.NT;

/** Virtual-8086 mode below IOPL 3: only 16-bit forms, and only under VME. */
function checkV86(cpu: Cpu, size: number, name: string): boolean {
  if (!isV86(cpu) || iopl(cpu) === 3) return false;
  if (hasVme(cpu) && size === 2) return true;
  throw gp(0, `${name} in virtual-8086 mode with IOPL below 3`);
}

export const pushf: Helper = (cpu, insn) => {
  const size = (insn.opSize >> 3) as WordSize;
  const flags = cpu.getFlags();
  const image = checkV86(cpu, size, "PUSHF") ? virtualImage(flags) : flags;
  cpu.push(size, image & ~(EFLAGS.VM | EFLAGS.RF), 0);
};

function popfMask(cpu: Cpu, size: number): number {
  const wide = size === 2 ? 0 : EFLAGS.AC | EFLAGS.ID;
  if (!isProtected(cpu) || cpu.cpl === 0) return ALWAYS | EFLAGS.IF | EFLAGS.IOPL | wide;
  return ALWAYS | wide | (cpu.cpl <= iopl(cpu) ? EFLAGS.IF : 0);
}

/** RF is cleared by every POPF; VM, VIF and VIP are not touched. */
export const popf: Helper = (cpu, insn) => {
  const size = (insn.opSize >> 3) as WordSize;
  const virtual = checkV86(cpu, size, "POPF");
  const stack = new StackReader(cpu);
  const image = stack.pop(size);
  if (virtual) checkVirtualImage(cpu, image);
  // commit
  stack.commit();
  const mask = (virtual ? ALWAYS | EFLAGS.VIF : popfMask(cpu, size)) | EFLAGS.RF;
  const value = (virtual ? virtualFlags(image) : image) & ~EFLAGS.RF;
  cpu.setFlagsRaw((cpu.getFlags() & ~mask) | (value & mask & settableFlags(cpu)));
};

type FlagInUse = typeof EFLAGS.IF | typeof EFLAGS.VIF;

/** Which flag CLI and STI work on: IF, or VIF under VME (v8086) and PVI (CPL 3). */
function interruptFlag(cpu: Cpu, name: string): FlagInUse {
  if (!isProtected(cpu)) return EFLAGS.IF;
  const v86 = isV86(cpu);
  if (v86 ? iopl(cpu) === 3 : cpu.cpl <= iopl(cpu)) return EFLAGS.IF;
  if (v86 ? hasVme(cpu) : cpu.cpl === 3 && hasCr4(cpu, CR4.PVI)) return EFLAGS.VIF;
  throw gp(0, `${name} at CPL ${cpu.cpl} with IOPL ${iopl(cpu)}`);
}

export const cli: Helper = (cpu) => {
  const flag = interruptFlag(cpu, "CLI");
  cpu.set32(OFF.EFLAGS, cpu.get32(OFF.EFLAGS) & ~flag);
};

export const sti: Helper = (cpu) => {
  const flag = interruptFlag(cpu, "STI");
  const flags = cpu.get32(OFF.EFLAGS);
  if (flag === EFLAGS.VIF && (flags & EFLAGS.VIP) !== 0) throw gp(0, "STI while VIP is set, under VME or PVI");
  cpu.set32(OFF.EFLAGS, flags | flag);
  if (flag === EFLAGS.IF && (flags & EFLAGS.IF) === 0) inhibitInterrupts(cpu, "sti");
};

// ---- ports

/** #GP unless IOPL or the TSS's I/O permission bitmap lets the present code use these ports. */
export function checkPort(cpu: Cpu, port: number, size: number): void {
  if (!isProtected(cpu)) return;
  if (cpu.cpl <= iopl(cpu) && !isV86(cpu)) return;
  const base = ioBitmapBase(cpu);
  if (base === undefined) throw gp(0, `I/O to port ${hex(port)}: the TSS has no I/O permission bitmap`);
  const at = base + (port >> 3);
  if (at + 1 > cpu.segLimit(SEG.TR)) throw gp(0, `I/O to port ${hex(port)}: its permission bits are outside the TSS`);
  const bits = tssRead(cpu, at, 2) >> (port & 7);
  if ((bits & ((1 << size) - 1)) !== 0) throw gp(0, `I/O to port ${hex(port)}: the I/O permission bitmap forbids it`);
}

function portOf(cpu: Cpu, op: { kind: string; low?: number }): number {
  return op.kind === "imm" ? op.low! & 0xff : cpu.gprLow(GPR.RDX) & 0xffff;
}

/** Size in bytes of AL, AX or EAX as an operand. */
function accumulatorSize(op: { kind: string; size?: number }): 1 | 2 | 4 {
  return op.size === 8 ? 1 : op.size === 16 ? 2 : 4;
}

export const portIn: Helper = (cpu, insn) => {
  const size = accumulatorSize(insn.ops[0]!);
  const port = portOf(cpu, insn.ops[1]!);
  checkPort(cpu, port, size);
  cpu.writeOp(insn, 0, cpu.readPort(port, size) | 0, 0);
};

export const portOut: Helper = (cpu, insn) => {
  const size = accumulatorSize(insn.ops[1]!);
  const port = portOf(cpu, insn.ops[0]!);
  checkPort(cpu, port, size);
  cpu.writePort(port, size, cpu.readOp(insn, 1) >>> 0);
};
