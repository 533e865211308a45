/** The processor that this runs on, as Linux tells of it: vendor, and which extensions programs may use. */
import { readFileSync } from "node:fs";
import type { Vendor } from "../../../src/emu/cpu/cpu.ts";
import { CpuidFeature, Instruction } from "../../../src/emu/cpu/iced.ts";

const info = (): string => {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
};

/** Hygon's are AMD's. */
export const hostVendor = (): Vendor => (/AuthenticAMD|HygonGenuine/.test(info()) ? "amd" : "intel");

/** iced's names of what every x86-64 processor has, or executes as a NOP. */
const ALWAYS = new Set(
  (
    "INTEL8086 INTEL186 INTEL286 INTEL386 INTEL486 X64 FPU FPU287 FPU387 CMOV CX8 MMX SSE SSE2 MULTIBYTENOP " +
    "CET_IBT CET_SS PREFETCHW PREFETCHWT1 PREFETCHITI"
  ).split(" "),
);
/** Linux's names, where they are not iced's in small letters. */
const LINUX: Readonly<Record<string, string>> = { SSE3: "pni", LZCNT: "abm", CMPXCHG16B: "cx16", SHA: "sha_ni" };

/** A test for one of iced's codes: may a program on this host execute it? */
export function hostExecutes(): (code: number) => boolean {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(info())?.[1]?.trim().split(" "));
  const x = new Instruction();
  return (code) => {
    x.code = code;
    return Array.from(x.cpuidFeatures(), (feature) => CpuidFeature[feature]!).every(
      (name) => ALWAYS.has(name) || flags.has(LINUX[name] ?? name.toLowerCase()),
    );
  };
}
