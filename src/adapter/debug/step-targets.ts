/** Where a step in from the present instruction could lead, if there is a choice. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { disassemble } from "../../emu/cpu/disassemble.ts";
import { addrToBig } from "../../emu/cpu/state.ts";
import { LONGEST_INSTRUCTION } from "./code.ts";
import { peekBytes } from "./guest-memory.ts";
import { codeBits } from "./registers.ts";
import type { Target } from "./target.ts";

/** Ids of targets; the step is told by them what to follow. */
export const INTO_CALL = 1;
export const OVER_KERNEL = 2;
export const INTO_KERNEL = 3;

export interface StepTarget {
  readonly id: number;
  readonly label: string;
}

const ENTERS_KERNEL = /^(syscall|sysenter|int|int1|int3|into)\b/;

export function stepInTargets({ kernel }: Target, cpu: Cpu): StepTarget[] {
  const address = cpu.linearIp;
  const bytes = peekBytes(cpu, address, LONGEST_INSTRUCTION);
  const [line] = disassemble(bytes, addrToBig(address), codeBits(cpu), "nasm", 1);
  if (line === undefined) return [];
  if (/^call\b/.test(line.text)) return [{ id: INTO_CALL, label: line.text }];
  if (kernel === undefined || cpu.cpl < 3 || !ENTERS_KERNEL.test(line.text)) return [];
  return [
    { id: OVER_KERNEL, label: `${line.text}: to the next instruction of the program` },
    { id: INTO_KERNEL, label: `${line.text}: into the kernel's entry code` },
  ];
}
