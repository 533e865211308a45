/** Segment descriptors as the kernel looks at them: by selector, in the GDT of a CPU or the LDT of the current address space. */
import type { Cpu } from "../../cpu/cpu.ts";
import { OFF } from "../../cpu/layout.ts";
import type { Kernel } from "../kernel.ts";
import { PAGE_SIZE } from "../layout/linux-6.1.ts";
import type { PtRegs } from "../ptregs.ts";
import type { Task } from "../state.ts";

/** An entry of the task's LDT, through the direct map: where the processor finds it need not be mapped for every task. */
export function ldtDescriptor(k: Kernel, task: Task, index: number): bigint | undefined {
  const ldt = k.mmOf(task)?.context.ldt;
  if (ldt === undefined || index >= ldt.entries) return undefined;
  const page = ldt.pages[Math.floor((index * 8) / PAGE_SIZE)]!;
  return k.memory.readScalar(k.memory.virt(page) + ((index * 8) % PAGE_SIZE), 8);
}

/** A descriptor's first 8 bytes; undefined where the selector names none. */
export function descriptorAt(k: Kernel, cpu: Cpu, task: Task, selector: number): bigint | undefined {
  const index = selector >> 3;
  if ((selector & ~3) === 0) return undefined;
  if ((selector & 4) !== 0) return ldtDescriptor(k, task, index);
  if (index * 8 + 7 > cpu.get32(OFF.GDTR_LIMIT)) return undefined;
  return k.memory.readScalar(cpu.getAddr(OFF.GDTR_BASE) + index * 8, 8);
}

/** user_64bit_mode(): by the selector, as Linux without paravirtualisation does. */
export const user64BitMode = (k: Kernel, regs: PtRegs): boolean =>
  k.layout.wordSize === 8 && regs.cs === k.layout.selectors.__USER_CS;

export interface SegmentParts {
  readonly base: number;
  readonly limit: number;
  /** Access byte: type, S, DPL, P. */
  readonly access: number;
  /** G, D/B, L, AVL. */
  readonly flags: number;
}

/** Packs a code, data or system segment descriptor; limit in the descriptor's own unit. */
export function packDescriptor({ base, limit, access, flags }: SegmentParts): bigint {
  const low = (BigInt(base & 0xffff) << 16n) | BigInt(limit & 0xffff);
  const high =
    BigInt((base >>> 16) & 0xff) |
    (BigInt(access) << 8n) |
    (BigInt((limit >>> 16) & 0xf) << 16n) |
    (BigInt(flags) << 20n) |
    (BigInt(base >>> 24) << 24n);
  return low | (high << 32n);
}

/** The second 8 bytes of a 16-byte system descriptor: the base's upper half. */
export const upperDescriptor = (base: number): bigint => BigInt.asUintN(64, BigInt(base)) >> 32n;

/** A 64-bit interrupt gate, as its two halves. */
export function packGate64(offset: number, selector: number, ist: number, dpl: number): [bigint, bigint] {
  const target = BigInt.asUintN(64, BigInt(offset));
  const low =
    (target & 0xffffn) |
    (BigInt(selector) << 16n) |
    (BigInt(ist) << 32n) |
    (BigInt(0x8e | (dpl << 5)) << 40n) |
    (((target >> 16n) & 0xffffn) << 48n);
  return [low, target >> 32n];
}
