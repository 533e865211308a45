/** Where a pt_regs goes on: the code that entered the kernel, and that which asked for v8086 mode. */
import { GPR } from "../../../emu/cpu/layout.ts";
import type { Addr } from "../../../emu/cpu/state.ts";
import { littleEndian, peekValue } from "../guest-memory.ts";
import { kernelReference } from "../kernel-fields.ts";
import { PT_REGS } from "../registers.ts";
import type { KernelAccess, Target } from "../target.ts";
import { behindSystemCall } from "./follow.ts";
import type { Place } from "./place.ts";
import { modeAskedFor } from "./segments.ts";

/** The interrupted code as it will go on: what its system call will give is not known yet, whatever stands in pt_regs meanwhile. */
export function behindEntry({ kernel }: Target, interrupted: Place): Place {
  const place = behindSystemCall(interrupted).copy();
  const number = kernel && kernelReference(kernel, place.cpu, "pt_regs.orig_ax");
  const value = number?.read();
  if (number !== undefined && value !== undefined && BigInt.asIntN(number.bits, value) >= 0n)
    place.regs[GPR.RAX] = undefined;
  return place;
}

/** The interrupted user code. Absent while pt_regs is not yet complete (CS of ring 0 or zero). */
export function userPlace(kernel: KernelAccess, from: Place, regs: Addr): Place | undefined {
  const place = placeFrom(kernel, from, (offset, size) => peekValue(from.cpu, regs + offset, size));
  return place?.mode.cpl === 3 ? place : undefined;
}

/** Of v8086 mode, the 32-bit code that entered it. */
export function outsideVm86(kernel: KernelAccess | undefined, from: Place): Place | undefined {
  const outside = from.mode.v86 ? kernel?.outsideVm86(from.cpu) : undefined;
  return outside && placeFrom(kernel!, from, (offset, size) => littleEndian(outside.subarray(offset, offset + size)));
}

/** The place that a pt_regs stands for. */
function placeFrom(
  { layout }: KernelAccess,
  from: Place,
  readAt: (offset: number, size: number) => bigint | undefined,
): Place | undefined {
  const read = (name: string) => {
    const field = layout.ptRegs[name];
    return field === undefined ? undefined : readAt(field.offset, field.size);
  };
  const [ip, cs, ss, flags] = [read("ip"), read("cs"), read("ss"), read("flags")];
  if (ip === undefined || cs === undefined || flags === undefined) return undefined;
  const mode = modeAskedFor(from, cs, ss, flags);
  if (mode === undefined) return undefined;
  const place = from.at(mode, ip);
  for (const [i, name] of PT_REGS.entries()) place.regs[i] = read(name);
  return place;
}
