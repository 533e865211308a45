/** Instructions that exist where this processor's CPUID reports them, and raise #UD elsewhere. */
import type { Cpu } from "../cpu.ts";
import { ud } from "../fault.ts";
import type { Helper } from "../operation.ts";
import { type CpuidRegister, FEATURES } from "./cpuid-data.ts";

const reported: Readonly<Record<"intel" | "amd", ReadonlySet<string>>> = {
  intel: new Set(FEATURES.filter(({ vendor }) => vendor !== "amd").map(({ name }) => name)),
  amd: new Set(FEATURES.filter(({ vendor }) => vendor !== "intel").map(({ name }) => name)),
};

/** Older models have no CPUID, and none of what it reports. */
export const hasFeature = (cpu: Cpu, name: string): boolean =>
  cpu.model.model === "current" && reported[cpu.model.vendor].has(name);

const where = (name: string): string => {
  const feature = FEATURES.find((each) => each.name === name);
  if (feature === undefined) throw new Error(`no feature is called ${name}`);
  const register: CpuidRegister = feature.register;
  return `CPUID leaf 0x${feature.leaf.toString(16)} ${register.toUpperCase()} bit ${feature.bit}`;
};

export function announced(name: string, helper: Helper): Helper {
  const bit = where(name);
  return (cpu, insn) => {
    if (!hasFeature(cpu, name)) throw ud(`this processor does not report it: ${bit} is clear`);
    helper(cpu, insn);
  };
}
