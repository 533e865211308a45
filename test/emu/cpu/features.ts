/** Which bit of CPUID announces an instruction: iced's names of features, and ours (system/cpuid-data.ts). */
import { type Code, CodeExt, CpuidFeature, EncodingKind, Instruction } from "../../../src/emu/cpu/iced.ts";
import { FEATURES, XSAVE_EXTENSIONS } from "../../../src/emu/cpu/system/cpuid-data.ts";

/** Every processor of the current model has these, or what has their bytes is a NOP where the feature is absent. */
const ALWAYS: ReadonlySet<string> = new Set(
  [
    "INTEL8086 INTEL186 INTEL286 INTEL386 INTEL486 FPU FPU287 FPU387 CPUID RDPMC",
    "MULTIBYTENOP PAUSE CET_IBT PREFETCHWT1 PREFETCHITI CLDEMOTE",
  ].flatMap((names) => names.split(" ")),
);
/** iced counts these NOPs with a feature whose other instructions raise #UD. */
const NOPS: ReadonlySet<string> = new Set(["CET_SS:Rdsspd_r32", "CET_SS:Rdsspq_r64"]);

const NAMES: Readonly<Record<string, string>> = {
  TSC: "tsc",
  MSR: "msr",
  CX8: "cx8",
  CMOV: "cmov",
  MMX: "mmx",
  FXSR: "fxsr",
  SEP: "sep",
  CLFSH: "clfsh",
  SSE: "sse",
  SSE2: "sse2",
  SSE3: "sse3",
  SSSE3: "ssse3",
  SSE4_1: "sse41",
  SSE4_2: "sse42",
  CMPXCHG16B: "cx16",
  MOVBE: "movbe",
  POPCNT: "popcnt",
  MONITOR: "monitor",
  MONITORX: "monitorx",
  SSE4A: "sse4a",
  CLZERO: "clzero",
  RDPRU: "rdpru",
  RDRAND: "rdrand",
  RDSEED: "rdseed",
  FSGSBASE: "fsgsbase",
  BMI1: "bmi1",
  BMI2: "bmi2",
  ADX: "adx",
  INVPCID: "invpcid",
  SMAP: "smap",
  CLFLUSHOPT: "clflushopt",
  CLWB: "clwb",
  WBNOINVD: "wbnoinvd",
  WAITPKG: "waitpkg",
  MOVDIRI: "movdiri",
  MOVDIR64B: "movdir64b",
  RDPID: "rdpid",
  SERIALIZE: "serialize",
  LZCNT: "abm",
  PREFETCHW: "prefetchw",
  SYSCALL: "syscall",
  RDTSCP: "rdtscp",
  X64: "lm",
  PCLMULQDQ: "pclmulqdq",
  VPCLMULQDQ: "vpclmulqdq",
  AES: "aes",
  VAES: "vaes",
  GFNI: "gfni",
  SHA: "sha",
  SHA512: "sha512",
  SM3: "sm3",
  SM4: "sm4",
  XSAVE: "xsave",
  AVX: "avx",
  AVX2: "avx2",
  FMA: "fma",
  F16C: "f16c",
  AVX_VNNI: "avxvnni",
  AVX_VNNI_INT8: "avxvnniint8",
  AVX_VNNI_INT16: "avxvnniint16",
  AVX_IFMA: "avxifma",
  AVX_NE_CONVERT: "avxneconvert",
};
/** Bits of leaf 0xD, subleaf 1, which has its own table. */
const XSAVE_BITS: Readonly<Record<string, number>> = { XSAVEOPT: 1, XSAVEC: 2, XSAVES: 8 };

export const NAMED_FEATURES: ReadonlySet<string> = new Set(Object.values(NAMES));

/** Vendors whose CPUID reports an iced feature. */
function vendorsOf(feature: string): readonly ("intel" | "amd")[] {
  const both = ["intel", "amd"] as const;
  if (ALWAYS.has(feature)) return both;
  if (XSAVE_EXTENSIONS & (XSAVE_BITS[feature] ?? 0)) return both;
  const rows = FEATURES.filter((row) => row.name === NAMES[feature]);
  return both.filter((vendor) => rows.some((row) => (row.vendor ?? vendor) === vendor));
}

export function featuresOf(code: Code): string[] {
  const instruction = new Instruction();
  instruction.code = code;
  const features = [...instruction.cpuidFeatures()].map((feature) => CpuidFeature[feature]!);
  instruction.free();
  return features;
}

/** Vendors on whose processor an instruction is to be there, by what CPUID says. */
export function announcedOn(code: Code, name: string): readonly ("intel" | "amd")[] {
  const features = featuresOf(code);
  if (NOPS.has(`${features.join()}:${name}`)) return ["intel", "amd"];
  const { encoding } = CodeExt.opCode(code);
  if (encoding !== EncodingKind.Legacy && encoding !== EncodingKind.VEX) return [];
  return (["intel", "amd"] as const).filter((vendor) =>
    features.every((feature) => vendorsOf(feature).includes(vendor)),
  );
}
