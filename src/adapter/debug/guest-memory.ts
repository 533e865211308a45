/**
 * The debugger's own view of guest memory: linear addresses through the page tables of the current CPU, without any side effect
 * (no accessed bits, no faults, no demand paging). What is not mapped is simply absent; of the kernel all is seen that the kernel sees.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { OFF } from "../../emu/cpu/layout.ts";
import { PAGE_SIZE } from "../../emu/cpu/memory.ts";
import type { Addr } from "../../emu/cpu/state.ts";

/** The physical address; under page table isolation the kernel's tables know what user mode's do not have. */
export function translate(cpu: Cpu, addr: Addr): number | undefined {
  const { kernelRoot } = cpu.hooks;
  return cpu.peekTranslate(addr) ?? (kernelRoot === undefined ? undefined : throughRoot(cpu, kernelRoot(cpu), addr));
}

function throughRoot(cpu: Cpu, root: number, addr: Addr): number | undefined {
  const active = cpu.get64(OFF.CR3);
  cpu.set64(OFF.CR3, BigInt(root));
  const physical = cpu.peekTranslate(addr);
  cpu.set64(OFF.CR3, active);
  return physical;
}

/** Bytes from `addr` on, as many of `count` as are mapped without a gap. */
export function peekBytes(cpu: Cpu, addr: Addr, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  let done = 0;
  while (done < count) {
    const physical = translate(cpu, addr + done);
    if (physical === undefined || physical >= cpu.core.ramSize) break;
    const here = Math.min(count - done, PAGE_SIZE - (physical % PAGE_SIZE));
    const from = cpu.core.ramBase + physical;
    bytes.set(cpu.core.u8.subarray(from, from + here), done);
    done += here;
  }
  return bytes.subarray(0, done);
}

const NARROW: Readonly<Record<number, (view: DataView, at: number) => number>> = {
  1: (view, at) => view.getUint8(at),
  2: (view, at) => view.getUint16(at, true),
  4: (view, at) => view.getUint32(at, true),
};

/** Little-endian value of 1-8 bytes; undefined if any byte is not mapped. */
export function peekValue(cpu: Cpu, addr: Addr, size: number): bigint | undefined {
  const physical = translate(cpu, addr);
  if (physical !== undefined && physical + size <= cpu.core.ramSize && (physical % PAGE_SIZE) + size <= PAGE_SIZE) {
    const { view, ramBase } = cpu.core;
    const at = ramBase + physical;
    if (size === 8) return view.getBigUint64(at, true);
    const narrow = NARROW[size]?.(view, at);
    // one BigInt() for all sizes: V8 11 dies of code in which several meet (RepresentationChangerError)
    if (narrow !== undefined) return BigInt(narrow);
  }
  const bytes = peekBytes(cpu, addr, size);
  if (bytes.length < size) return undefined;
  return littleEndian(bytes);
}

export const littleEndian = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);

/** As peekValue(), at a physical address. */
export function physicalValue({ core }: Cpu, address: number, size: number): bigint | undefined {
  if (address < 0 || address + size > core.ramSize) return undefined;
  const bytes = core.u8.subarray(core.ramBase + address, core.ramBase + address + size);
  return littleEndian(bytes);
}

/** Writes what is mapped, through the CPU's bookkeeping for decoded code and dirty pages; returns how many bytes went in. */
export function pokeBytes(cpu: Cpu, addr: Addr, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) {
    const physical = translate(cpu, addr + i);
    if (physical === undefined || physical >= cpu.core.ramSize) return i;
    cpu.physWrite(physical, 1, bytes[i]!);
  }
  return bytes.length;
}

export function pokeValue(cpu: Cpu, addr: Addr, size: number, value: bigint): boolean {
  const bytes = Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
  return pokeBytes(cpu, addr, bytes) === size;
}
