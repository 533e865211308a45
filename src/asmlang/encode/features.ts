/** CPUID features that a form needs, as iced has them. */
import { Instruction } from "../../emu/cpu/iced.ts";

const known = new Map<number, readonly number[]>();

export function featuresOf(code: number): readonly number[] {
  let features = known.get(code);
  if (features === undefined) {
    const instruction = new Instruction();
    instruction.code = code;
    features = [...instruction.cpuidFeatures()];
    instruction.free();
    known.set(code, features);
  }
  return features;
}
