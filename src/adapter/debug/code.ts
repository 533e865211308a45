/** The instruction about to run: where it is, how long, how control leaves it. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { type Flow, instructionAt } from "../../emu/cpu/disassemble.ts";
import { GPR, SEG } from "../../emu/cpu/layout.ts";
import { type Addr, addrToBig, bigToAddr } from "../../emu/cpu/state.ts";
import { stackBits } from "../../emu/cpu/system/predicates.ts";
import { peekBytes } from "./guest-memory.ts";
import { codeBits } from "./registers.ts";

export const LONGEST_INSTRUCTION = 15;

/** The stack pointer as its segment's size takes it, linear. */
export function linearSp(cpu: Cpu): Addr {
  const bits = stackBits(cpu);
  const sp = cpu.gpr(GPR.RSP);
  if (bits === 64) return bigToAddr(sp);
  return Number((addrToBig(cpu.segBase(SEG.SS)) + BigInt.asUintN(bits, sp)) & 0xffff_ffffn);
}

export interface CurrentInstruction {
  readonly address: Addr;
  readonly next: Addr;
  readonly flow: Flow;
}

export function currentInstruction(cpu: Cpu): CurrentInstruction {
  const address = cpu.linearIp;
  const bytes = peekBytes(cpu, address, LONGEST_INSTRUCTION);
  if (bytes.length === 0) return { address, next: address, flow: "stop" };
  const { length, flow } = instructionAt(bytes, codeBits(cpu));
  return { address, next: address + length, flow };
}
