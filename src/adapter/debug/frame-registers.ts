/**
 * Registers of a frame that is not running: those that its code will find when it goes on. Of user code behind an entry into the kernel
 * they are pt_regs, where they can be changed too; of others what following the code to its return has shown, as far as that is known.
 */
import { lookUp } from "../../asmlang/core/look-up.ts";
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { kernelReference } from "./kernel-fields.ts";
import type { Reference } from "./reference.ts";
import {
  FLAGS_WIDTH,
  type FlagsPart,
  flagsPart,
  generalReference,
  PT_REGS,
  SEGMENT_NAMES,
  type Word,
} from "./registers.ts";
import type { Frame } from "./stack.ts";
import type { KernelAccess } from "./target.ts";

/** A register of the frame, by any name; undefined for what all frames of a CPU share. */
export function frameReference(
  kernel: KernelAccess | undefined,
  cpu: Cpu,
  frame: Frame,
  name: string,
): Reference | undefined {
  if (frame.current) return undefined;
  const lower = name.toLowerCase();
  const behind = frame.interrupted ? kernel : undefined;
  const savedFlags = behind && kernelReference(behind, cpu, "pt_regs.flags");
  return (
    (behind && fromPtRegs(behind, cpu, lower)) ??
    fromPlace(frame, lower) ??
    segment(cpu, frame, lower) ??
    flags(frame, savedFlags, name)
  );
}

function fromPtRegs(kernel: KernelAccess, cpu: Cpu, name: string): Reference | undefined {
  const field = (short: string): Reference | undefined => kernelReference(kernel, cpu, `pt_regs.${short}`);
  if (Object.hasOwn(FLAGS_WIDTH, name)) return field("flags");
  if ((SEGMENT_NAMES as readonly string[]).includes(name)) return field(name);
  if (!generalReference(name, () => NOWHERE, NOWHERE)) return undefined;
  return generalReference(name, (index) => field(PT_REGS[index]!) ?? NOWHERE, field("ip") ?? NOWHERE);
}

const NOWHERE: Word = { read: () => undefined };

function fromPlace({ place, cpl }: Frame, name: string): Reference | undefined {
  if (name === "cpl") return { bits: 2, read: () => BigInt(cpl) };
  if (name === "gs_base") return { bits: 64, read: () => place.gs.base };
  return generalReference(name, (index) => ({ read: () => place.regs[index] }), { read: () => place.ip });
}

/** Code and stack segment are the frame's own where it runs at another privilege; of their hidden parts the base is known. */
function segment(cpu: Cpu, { place, cpl }: Frame, name: string): Reference | undefined {
  const [register, part] = name.split(".");
  if (register !== "cs" && register !== "ss") return undefined;
  const { code, stack } = place.mode;
  if (part === "base")
    return { bits: 64, read: () => BigInt.asUintN(64, BigInt((register === "cs" ? code : stack).base)) };
  return cpl === cpu.cpl ? undefined : { bits: part === undefined ? 16 : 32, read: () => undefined };
}

/** Flags that the path followed knows, or all of pt_regs'. */
function flags({ place }: Frame, saved: Reference | undefined, name: string): Reference | undefined {
  const field = fieldOf(name);
  if (field === undefined) return undefined;
  const { bit, width } = field;
  const mask = width >= 32 ? -1 : ((1 << width) - 1) << bit;
  const read = () => {
    if (saved === undefined && (place.flagsKnown & mask) !== mask) return undefined;
    const whole = saved === undefined ? BigInt(place.flags >>> 0) : saved.read();
    return whole && BigInt.asUintN(width, whole >> BigInt(bit));
  };
  return { bits: width, read };
}

function fieldOf(name: string): FlagsPart | undefined {
  const whole = lookUp(FLAGS_WIDTH, name.toLowerCase());
  return whole === undefined ? flagsPart(name) : { bit: 0, width: whole };
}
