/** Segment and gate descriptors as the 32-bit kernel writes them, 8 bytes each. Sources: asm/desc_defs.h, asm/desc.h. */
import type { Addr } from "../../cpu/state.ts";

const bytes = (low: number, high: number): Uint8Array => {
  const result = new Uint8Array(8);
  const view = new DataView(result.buffer);
  view.setUint32(0, low, true);
  view.setUint32(4, high, true);
  return result;
};

/** GDT_ENTRY(): `flags` are access byte and, from bit 12, AVL L D/B G; the limit is in units of G. */
export const segmentDescriptor = (flags: number, base: Addr, limit: number): Uint8Array =>
  bytes(
    (limit & 0xffff) | ((base & 0xffff) << 16),
    ((base >>> 16) & 0xff) | ((flags & 0xf0ff) << 8) | (limit & 0xf0000) | (base & 0xff000000),
  );

export const FLAGS = {
  KERNEL_CODE: 0xc09a,
  KERNEL_DATA: 0xc092,
  USER_CODE: 0xc0fa,
  USER_DATA: 0xc0f2,
  /** The per-CPU segment: page granular, no D/B bit. */
  PERCPU: 0x8092,
  /** Byte granular system segments. */
  TSS: 0x0089,
  LDT: 0x0082,
} as const;

/** Bases 23:16 and 31:24 of a descriptor. */
export const descriptorBase = (d: Uint8Array): number => (d[2]! | (d[3]! << 8) | (d[4]! << 16) | (d[7]! << 24)) >>> 0;

/** An interrupt gate, reachable from privilege level `dpl` by INT n. */
export const interruptGate = (selector: number, offset: Addr, dpl = 0): Uint8Array =>
  bytes((selector << 16) | (offset & 0xffff), (offset & 0xffff0000) | 0x8e00 | (dpl << 13));
export const taskGate = (selector: number): Uint8Array => bytes(selector << 16, 0x8500);
