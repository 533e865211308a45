/** CPUID promises nothing that the emulator does not do: every instruction of a reported feature has an operation. */
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import type { Insn } from "../../../../src/emu/cpu/operation.ts";
import { UNIMPLEMENTED } from "../../../../src/emu/cpu/ops/core.ts";
import { operationOf } from "../../../../src/emu/cpu/ops/index.ts";
import { FEATURES } from "../../../../src/emu/cpu/system/cpuid-data.ts";

const { Code, CpuidFeature, Instruction, Mnemonic } = createRequire(import.meta.url)(
  "iced-x86",
) as typeof import("iced-x86");

/** Features with instructions of their own, by iced's name. */
const INSTRUCTIONS: Readonly<Record<string, string>> = {
  tsc: "TSC",
  msr: "MSR",
  cx8: "CX8",
  cmov: "CMOV",
  mmx: "MMX",
  fxsr: "FXSR",
  sep: "SEP",
  clfsh: "CLFSH",
  sse: "SSE",
  sse2: "SSE2",
  sse3: "SSE3",
  ssse3: "SSSE3",
  cx16: "CMPXCHG16B",
  movbe: "MOVBE",
  popcnt: "POPCNT",
  rdrand: "RDRAND",
  fsgsbase: "FSGSBASE",
  bmi1: "BMI1",
  bmi2: "BMI2",
  adx: "ADX",
  invpcid: "INVPCID",
  rdseed: "RDSEED",
  smap: "SMAP",
  clflushopt: "CLFLUSHOPT",
  rdpid: "RDPID",
  serialize: "SERIALIZE",
  abm: "LZCNT",
  prefetchw: "PREFETCHW",
  syscall: "SYSCALL",
  rdtscp: "RDTSCP",
  pclmulqdq: "PCLMULQDQ",
  aes: "AES",
  xsave: "XSAVE",
  avx: "AVX",
  avx2: "AVX2",
  fma: "FMA",
  f16c: "F16C",
  sha: "SHA",
  sse41: "SSE4_1",
  sse42: "SSE4_2",
};
/** Control bits, page-table bits and modes: nothing to decode. `fpu` has its own tests. */
const WITHOUT = new Set([
  "fpu",
  "vme",
  "de",
  "pse",
  "pae",
  "mce",
  "pge",
  "pat",
  "pse36",
  "smep",
  "erms",
  "umip",
  "fsrm",
  "lahf64",
  "nx",
  "pdpe1gb",
  "lm",
]);

/** An instruction that needs several features is there only with all of them. */
const reported = new Set(FEATURES.map((f) => INSTRUCTIONS[f.name]));
const byFeature = new Map<string, Set<string>>();
const x = new Instruction();
for (const code of Object.values(Code)) {
  if (typeof code !== "number") continue;
  x.code = code;
  const operation = operationOf({ mnemonic: x.mnemonic, code, ops: [] } as unknown as Insn);
  const features = [...x.cpuidFeatures()].map((feature) => CpuidFeature[feature]!);
  if (features.length > 1 && !features.every((feature) => reported.has(feature))) continue;
  for (const feature of features) {
    const missing = byFeature.get(feature) ?? new Set();
    if (operation === UNIMPLEMENTED) missing.add(Mnemonic[x.mnemonic]!);
    byFeature.set(feature, missing);
  }
}

describe("CPUID", () => {
  it.each([...new Set(FEATURES.map((f) => f.name))].filter((name) => !WITHOUT.has(name)))("%s", (name) => {
    const feature = INSTRUCTIONS[name];
    expect(feature, "a feature of the table must be listed here").toBeDefined();
    expect([...(byFeature.get(feature!) ?? ["unknown to the decoder"])]).toEqual([]);
  });
});
