/** The FPU registers of a task that does not run: their FXSAVE image, and after it the upper halves of the YMM registers. */
import type { Cpu } from "../../cpu/cpu.ts";
import { OFF } from "../../cpu/layout.ts";
import { FXSAVE_SIZE } from "../abi/sigcontext.ts";
import type { Kernel } from "../kernel.ts";
import { clearFpu, fxsaveImage, loadFxsave } from "../signal/fpstate.ts";
import type { Task } from "../state.ts";

const HALF = 16;
const YMMS = 16;
const upperHalf = (cpu: Cpu, i: number): Uint8Array => {
  const start = cpu.base + OFF.YMM + i * 2 * HALF + HALF;
  return cpu.core.u8.subarray(start, start + HALF);
};

export function saveFpu(k: Kernel, cpu: Cpu): Uint8Array {
  const image = new Uint8Array(FXSAVE_SIZE + YMMS * HALF);
  image.set(fxsaveImage(cpu, k.arch.bits));
  for (let i = 0; i < YMMS; i++) image.set(upperHalf(cpu, i), FXSAVE_SIZE + i * HALF);
  return image;
}

function loadFpu(k: Kernel, cpu: Cpu, image: Uint8Array): void {
  loadFxsave(cpu, image.subarray(0, FXSAVE_SIZE), k.arch.bits);
  for (let i = 0; i < YMMS; i++) {
    const at = FXSAVE_SIZE + i * HALF;
    upperHalf(cpu, i).set(image.subarray(at, at + HALF));
  }
}

/** switch_fpu(): the registers of one task to memory, those of another from it. Idle tasks have none. */
export function switchFpu(k: Kernel, cpu: Cpu, previous: Task, next: Task): void {
  if (!previous.idle) previous.fpu = saveFpu(k, cpu);
  if (next.idle) return;
  if (next.fpu === undefined) clearFpu(cpu);
  else loadFpu(k, cpu, next.fpu);
}

const FCW_DEFAULT = 0x37f;
const MXCSR_DEFAULT = 0x1f80;
const MXCSR_MASK = 0xffff;

/** The image of a task that has not used the FPU. */
export function emptyFpu(): Uint8Array {
  const image = new Uint8Array(FXSAVE_SIZE + YMMS * HALF);
  const view = new DataView(image.buffer);
  view.setUint16(0, FCW_DEFAULT, true);
  view.setUint32(24, MXCSR_DEFAULT, true);
  view.setUint32(28, MXCSR_MASK, true);
  return image;
}
