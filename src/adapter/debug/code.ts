/** The instruction about to run: where it is, how long, how control leaves it. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { type Flow, instructionAt } from "../../emu/cpu/disassemble.ts";
import { GPR, OFF, SEG } from "../../emu/cpu/layout.ts";
import { type Addr, addrToBig, bigToAddr } from "../../emu/cpu/state.ts";
import { peekBytes } from "./guest-memory.ts";
import { codeBits } from "./registers.ts";

const LONGEST_INSTRUCTION = 15;

/** Offset in a segment to linear address, wrapped as the code's mode wraps. */
export function linear(cpu: Cpu, seg: 1 | 2, offset: bigint, bits: 16 | 32 | 64): Addr {
  if (bits === 64) return bigToAddr(offset);
  const mask = bits === 16 ? 0xffffn : 0xffff_ffffn;
  return Number((addrToBig(cpu.segBase(seg)) + (offset & mask)) & 0xffff_ffffn);
}

export const linearPc = (cpu: Cpu): Addr => linear(cpu, SEG.CS, cpu.rip, codeBits(cpu) === 64 ? 64 : 32);

/** The stack pointer as its segment's size takes it, linear. */
export function linearSp(cpu: Cpu): Addr {
  const bits = codeBits(cpu) === 64 ? 64 : (cpu.segAttr(SEG.SS) & 0x4000) !== 0 ? 32 : 16;
  return linear(cpu, SEG.SS, cpu.get64(OFF.GPR + GPR.RSP * 8), bits);
}

export interface CurrentInstruction {
  readonly address: Addr;
  readonly next: Addr;
  readonly flow: Flow;
}

export function currentInstruction(cpu: Cpu): CurrentInstruction {
  const address = linearPc(cpu);
  const bytes = peekBytes(cpu, address, LONGEST_INSTRUCTION);
  if (bytes.length === 0) return { address, next: address, flow: "stop" };
  const { length, flow } = instructionAt(bytes, codeBits(cpu));
  return { address, next: address + length, flow };
}
