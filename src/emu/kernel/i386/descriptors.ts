/** The 32-bit kernel's descriptors: the GDT as it begins (kernel/cpu/common.c), and gates of 8 bytes (asm/desc_defs.h). */
import type { Addr } from "../../cpu/state.ts";
import { packDescriptor } from "../x86/descriptors.ts";

const FLAT = 0xf_ffff;
/** Descriptor flags: granularity, default operand size. */
const G = 8;
const DB = 4;

export const flatSegment = (access: number): bigint => packDescriptor({ base: 0, limit: FLAT, access, flags: G | DB });
export const ACCESS = {
  KERNEL_CODE: 0x9a,
  DATA: 0x92,
  USER_CODE: 0xfa,
  USER_DATA: 0xf2,
  TSS: 0x89,
  LDT: 0x82,
} as const;

/** The per-CPU segment is page granular and has no D/B bit. */
export const perCpuSegment = (base: Addr): bigint =>
  packDescriptor({ base, limit: FLAT, access: ACCESS.DATA, flags: G });
export const systemSegment = (base: Addr, limit: number, access: number): bigint =>
  packDescriptor({ base, limit, access, flags: 0 });

/** An interrupt gate, reachable by INT n from privilege level `dpl`. */
export const interruptGate = (selector: number, offset: Addr, dpl = 0): bigint =>
  BigInt(offset & 0xffff) |
  (BigInt(selector) << 16n) |
  (BigInt(0x8e | (dpl << 5)) << 40n) |
  (BigInt(offset >>> 16) << 48n);
export const taskGate = (selector: number): bigint => (BigInt(selector) << 16n) | (0x85n << 40n);
