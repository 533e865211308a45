/** boot_cpu_has(): what CPUID announces, by the features' names. */
import type { Cpu } from "../../cpu/cpu.ts";
import { leafOf } from "../../cpu/system/cpuid.ts";
import { FEATURES } from "../../cpu/system/cpuid-data.ts";

export const hasFeature = (cpu: Cpu, name: string): boolean => {
  const row = FEATURES.find((f) => f.name === name);
  return row !== undefined && ((leafOf(cpu, row.leaf, 0)[row.register] >>> row.bit) & 1) === 1;
};
