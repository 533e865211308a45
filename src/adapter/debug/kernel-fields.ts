/**
 * Kernel state by its Linux names: `TS_COMPAT`, `TIF_SIGPENDING`, `SYSCALL_WORK_SYSCALL_TRACE`, `thread_info.flags`, `pt_regs.ip`.
 * Bytes in guest memory at the preset's offsets, nothing copied; `mm.vdso` and its like, which Linux keeps where no program looks, read only.
 */
import { lookUp } from "../../asmlang/core/look-up.ts";
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { type Addr, addrToBig } from "../../emu/cpu/state.ts";
import type { FieldMap } from "../../emu/kernel/layout/types.ts";
import { peekValue, pokeValue } from "./guest-memory.ts";
import type { Reference } from "./reference.ts";
import type { KernelAccess } from "./target.ts";

export function kernelReference(kernel: KernelAccess, cpu: Cpu, name: string): Reference | undefined {
  const { layout } = kernel;
  const bit = bitOf(kernel, name);
  if (bit !== undefined) return bitReference(threadInfoReference(kernel, cpu, bit.field)!, bit.mask);
  const [object, field] = name.split(".");
  if (field === undefined) return undefined;
  if (object === "thread_info") return threadInfoReference(kernel, cpu, field);
  if (object === "pt_regs") return fieldReference(cpu, kernel.userRegs(cpu), layout.ptRegs, field);
  if (object === "espfix") return espfixReference(kernel, cpu, field);
  const plain = lookUp(kernel.plainFields(cpu), name);
  return plain === undefined ? undefined : { bits: 64, read: () => BigInt.asUintN(64, BigInt(plain)) };
}

function threadInfoReference(kernel: KernelAccess, cpu: Cpu, name: string): Reference | undefined {
  const { threadInfo, wordSize } = kernel.layout;
  const task = kernel.threadInfo(cpu);
  const field = fieldReference(cpu, task, threadInfo, name);
  const pointer = kernel.currentTaskAt(cpu);
  if (field === undefined || pointer === undefined) return field;
  return { ...field, inTask: { pointer, pointerBytes: wordSize, offset: field.address! - task } };
}

/** `espfix.alias`, `espfix.writable`: where the ministack is; both are values, not memory. */
function espfixReference(kernel: KernelAccess, cpu: Cpu, field: string): Reference | undefined {
  const place = kernel.espfix(cpu);
  const address = place !== undefined && (field === "alias" || field === "writable") ? place[field] : undefined;
  return address === undefined ? undefined : { bits: 64, read: () => addrToBig(address) };
}

/** Every name kernelReference() knows, for completion. */
export function kernelNames(kernel: KernelAccess, cpu: Cpu): string[] {
  const { layout } = kernel;
  const of = (prefix: string, table: object) => Object.keys(table).map((name) => prefix + name);
  return [
    ...of("TS_", layout.status),
    ...of("TIF_", layout.tif),
    ...of("SYSCALL_WORK_", layout.syscallWork),
    ...of("thread_info.", layout.threadInfo),
    ...of("pt_regs.", layout.ptRegs),
    ...(kernel.espfix(cpu) === undefined ? [] : ["espfix.alias", "espfix.writable"]),
    ...of("", kernel.plainFields(cpu)),
  ];
}

/** The word of thread_info and the mask in it that a flag's name stands for. */
function bitOf({ layout }: KernelAccess, name: string): { field: string; mask: bigint } | undefined {
  const status = name.startsWith("TS_") ? lookUp(layout.status, name.slice(3)) : undefined;
  if (status !== undefined) return { field: "status", mask: BigInt(status) };
  const tif = name.startsWith("TIF_") ? lookUp(layout.tif, name.slice(4)) : undefined;
  if (tif !== undefined) return { field: "flags", mask: 1n << BigInt(tif) };
  const work = name.startsWith("SYSCALL_WORK_") ? lookUp(layout.syscallWork, name.slice(13)) : undefined;
  return work === undefined ? undefined : { field: "syscall_work", mask: 1n << BigInt(work) };
}

function fieldReference(cpu: Cpu, base: Addr, fields: FieldMap, name: string): Reference | undefined {
  const field = lookUp(fields, name);
  if (field === undefined) return undefined;
  const address = base + field.offset;
  return {
    bits: field.size * 8,
    read: () => peekValue(cpu, address, field.size),
    write: (value) => void pokeValue(cpu, address, field.size, value),
    address,
  };
}

function bitReference(word: Reference, mask: bigint): Reference {
  return {
    bits: 1,
    read: () => {
      const value = word.read();
      return value === undefined ? undefined : value & mask ? 1n : 0n;
    },
    write: (value) => {
      const old = word.read();
      if (old !== undefined) word.write?.(value & 1n ? old | mask : old & ~mask);
    },
    ...(word.address === undefined ? {} : { address: word.address, within: { bytes: word.bits / 8, mask } }),
    ...(word.inTask === undefined ? {} : { inTask: word.inTask }),
  };
}
