/**
 * Register sets by their note types (arch/x86/kernel/ptrace.c, fpu/regset.c, tls.c): which there are goes by the mode that the task is in.
 * The FPU's come from the task's own saved image, and its layout is that of FXSAVE and XSAVE.
 */

import { OFF } from "../../cpu/layout.ts";
import { AVX_OFFSET, XFEATURE, xsaveSize } from "../../cpu/system/cpuid-data.ts";
import { E } from "../abi/errno.ts";
import { encodeUserDesc, USER_DESC } from "../abi/ldt.ts";
import { NT } from "../abi/ptrace.ts";
import { FXSAVE_SIZE } from "../abi/sigcontext.ts";
import type { Kernel } from "../kernel.ts";
import { fsaveOfImage, imageOfFsave } from "../signal/fsave.ts";
import type { Task } from "../state.ts";
import { emptyFpu } from "../task/fpu.ts";
import { user64BitMode } from "../x86/descriptors.ts";
import { setTlsDescriptor, unpackTls } from "../x86/tls.ts";
import { USER_AREA, type UserArea } from "./registers.ts";

export interface Regset {
  /** Bytes of a unit: lengths must be multiples. */
  readonly unit: number;
  size(k: Kernel): number;
  get(k: Kernel, task: Task): Uint8Array | number;
  /** Takes the first bytes of the set; 0 or a negative error number. */
  set?(k: Kernel, task: Task, bytes: Uint8Array): number;
}

/** NT_PRSTATUS. */
const general = (area: UserArea): Regset => ({
  unit: area.word,
  size: () => area.registers.length * area.word,
  get: (k, task) => {
    const bytes = new Uint8Array(area.registers.length * area.word);
    const view = new DataView(bytes.buffer);
    area.registers.forEach((name, i) => {
      const value = area.get(k, task, name);
      if (area.word === 8) view.setBigUint64(i * 8, value, true);
      else view.setUint32(i * 4, Number(value), true);
    });
    return bytes;
  },
  set: (k, task, bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; (i + 1) * area.word <= bytes.length; i++) {
      const value = area.word === 8 ? view.getBigUint64(i * 8, true) : BigInt(view.getUint32(i * 4, true));
      const error = area.put(k, task, area.registers[i]!, value);
      if (error !== 0) return error;
    }
    return 0;
  },
});

/** The task's FPU image: FXSAVE's bytes, then the upper halves of the YMM registers. */
const imageOf = (task: Task): Uint8Array => (task.fpu ??= emptyFpu());
const MXCSR = 24;
const MXCSR_MASK = 0xffff;
const reservedMxcsr = (bytes: Uint8Array): boolean => {
  const mxcsr = new DataView(bytes.buffer, bytes.byteOffset).getUint32(MXCSR, true);
  return (mxcsr & ~MXCSR_MASK) !== 0;
};

/** NT_PRFPREG of 64-bit code and NT_PRXFPREG of 32-bit code. */
const fxsave = (unit: 4 | 8): Regset => ({
  unit,
  size: () => FXSAVE_SIZE,
  get: (_k, task) => imageOf(task).slice(0, FXSAVE_SIZE),
  set: (_k, task, bytes) => {
    if (bytes.length !== FXSAVE_SIZE || reservedMxcsr(bytes)) return -E.EINVAL;
    const image = imageOf(task).slice();
    image.set(bytes);
    task.fpu = image;
    return 0;
  },
});

const HEADER = FXSAVE_SIZE;
const HEADER_SIZE = 64;
const SW_BYTES = 464;
const xcr0 = (k: Kernel): number => k.machine.cpus[0]!.get32(OFF.XCR0);

/** NT_X86_XSTATE: the standard form, with XCR0 in the bytes that software may use. */
const xstate: Regset = {
  unit: 8,
  size: (k) => xsaveSize(xcr0(k)),
  get: (k, task) => {
    const image = imageOf(task);
    const bytes = new Uint8Array(xsaveSize(xcr0(k)));
    const view = new DataView(bytes.buffer);
    bytes.set(image.subarray(0, FXSAVE_SIZE));
    bytes.fill(0, SW_BYTES, FXSAVE_SIZE);
    view.setUint32(SW_BYTES, xcr0(k), true);
    const upper = image.subarray(FXSAVE_SIZE);
    const avx = (xcr0(k) & XFEATURE.AVX) !== 0 && upper.some((byte) => byte !== 0);
    view.setUint32(HEADER, XFEATURE.X87 | XFEATURE.SSE | (avx ? XFEATURE.AVX : 0), true);
    if (avx) bytes.set(upper, AVX_OFFSET);
    return bytes;
  },
  set: (k, task, bytes) => {
    if (bytes.length !== xsaveSize(xcr0(k)) || reservedMxcsr(bytes)) return -E.EINVAL;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const present = view.getUint32(HEADER, true);
    const header = bytes.subarray(HEADER + 4, HEADER + HEADER_SIZE);
    if ((present & ~xcr0(k)) !== 0 || header.some((byte) => byte !== 0)) return -E.EINVAL;
    const image = emptyFpu();
    const fresh = image.slice();
    image.set(bytes.subarray(0, FXSAVE_SIZE));
    if ((present & XFEATURE.X87) === 0) restore(image, fresh, X87_PARTS);
    if ((present & XFEATURE.SSE) === 0) restore(image, fresh, [[160, SW_BYTES]]);
    if ((present & XFEATURE.AVX) !== 0)
      image.set(bytes.subarray(AVX_OFFSET, AVX_OFFSET + image.length - FXSAVE_SIZE), FXSAVE_SIZE);
    task.fpu = image;
    return 0;
  },
};
/** Control and status words, pointers; the eight registers. */
const X87_PARTS = [
  [0, MXCSR],
  [32, 160],
] as const;
function restore(image: Uint8Array, from: Uint8Array, parts: readonly (readonly [number, number])[]): void {
  for (const [start, end] of parts) image.set(from.subarray(start, end), start);
}

const USER_I387_32 = 108;
/** NT_PRFPREG of 32-bit code: FSAVE's image. */
const fsave: Regset = {
  unit: 4,
  size: () => USER_I387_32,
  get: (k, task) => fsaveOfImage(imageOf(task), k.userRegs(task).cs),
  set: (k, task, bytes) => {
    const whole = fsaveOfImage(imageOf(task), k.userRegs(task).cs);
    whole.set(bytes);
    task.fpu = imageOfFsave(imageOf(task), whole);
    return 0;
  },
};

/** NT_386_TLS: three user_desc. */
const tls: Regset = {
  unit: USER_DESC.size,
  size: () => 3 * USER_DESC.size,
  get: (k, task) => {
    const bytes = new Uint8Array(3 * USER_DESC.size);
    task.tls.forEach((descriptor, i) => {
      bytes.set(encodeUserDesc(unpackTls(k.layout.gdt.TLS_MIN! + i, descriptor)), i * USER_DESC.size);
    });
    return bytes;
  },
  set: (k, task, bytes) => {
    for (let i = 0; (i + 1) * USER_DESC.size <= bytes.length; i++) {
      const index = k.layout.gdt.TLS_MIN! + i;
      const error = setTlsDescriptor(k, task, index, bytes.subarray(i * USER_DESC.size, (i + 1) * USER_DESC.size));
      if (error < 0) return error;
    }
    return 0;
  },
};

const IO_BITMAP_BYTES = 8192;
/** NT_386_IOPERM: read only. */
const ioperm = (unit: 4 | 8): Regset => ({
  unit,
  size: () => IO_BITMAP_BYTES,
  get: (_k, task) => task.io?.bitmap ?? -E.ENXIO,
});

type View = Readonly<Record<number, Regset>>;
const VIEW_64: View = {
  [NT.PRSTATUS]: general(USER_AREA[64]),
  [NT.PRFPREG]: fxsave(8),
  [NT.X86_XSTATE]: xstate,
  [NT.X86_IOPERM]: ioperm(8),
};
const VIEW_32: View = {
  [NT.PRSTATUS]: general(USER_AREA[32]),
  [NT.PRFPREG]: fsave,
  [NT.PRXFPREG]: fxsave(4),
  [NT.X86_XSTATE]: xstate,
  [NT.X86_TLS]: tls,
  [NT.X86_IOPERM]: ioperm(4),
};
export const VIEWS = { 64: VIEW_64, 32: VIEW_32 } as const;

/** task_user_regset_view(): by the code segment that the task is in. */
export const viewOf = (k: Kernel, task: Task): View => (user64BitMode(k, k.userRegs(task)) ? VIEW_64 : VIEW_32);
