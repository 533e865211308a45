/**
 * What CPUID says: one row a feature that the emulator implements, in Intel's and AMD's form. A feature that is not here is not
 * reported, and its instructions and control bits do not exist.
 */
import { CR4 } from "../layout.ts";

export type CpuidRegister = "eax" | "ebx" | "ecx" | "edx";

export interface Feature {
  readonly name: string;
  readonly leaf: number;
  /** Absent = 0. */
  readonly subleaf?: number;
  readonly register: CpuidRegister;
  readonly bit: number;
  /** Absent = both. */
  readonly vendor?: "intel" | "amd";
}

const rows = (
  leaf: number,
  register: CpuidRegister,
  bits: Readonly<Record<string, number>>,
  vendor?: "intel" | "amd",
): Feature[] =>
  Object.entries(bits).map(([name, bit]) =>
    vendor === undefined ? { name, leaf, register, bit } : { name, leaf, register, bit, vendor },
  );

/** The part of leaf 1's EDX that AMD repeats in leaf 0x80000001. */
const BASIC_EDX = {
  fpu: 0,
  vme: 1,
  de: 2,
  pse: 3,
  tsc: 4,
  msr: 5,
  pae: 6,
  mce: 7,
  cx8: 8,
  pge: 13,
  cmov: 15,
  pat: 16,
  pse36: 17,
  mmx: 23,
  fxsr: 24,
};

export const FEATURES: readonly Feature[] = [
  ...rows(1, "edx", { ...BASIC_EDX, sep: 11, clfsh: 19, sse: 25, sse2: 26 }),
  ...rows(1, "ecx", {
    sse3: 0,
    pclmulqdq: 1,
    monitor: 3,
    ssse3: 9,
    fma: 12,
    cx16: 13,
    sse41: 19,
    sse42: 20,
    movbe: 22,
    popcnt: 23,
    aes: 25,
    xsave: 26,
    avx: 28,
    f16c: 29,
    rdrand: 30,
  }),
  ...rows(7, "ebx", {
    fsgsbase: 0,
    bmi1: 3,
    avx2: 5,
    smep: 7,
    bmi2: 8,
    erms: 9,
    invpcid: 10,
    rdseed: 18,
    adx: 19,
    smap: 20,
    clflushopt: 23,
    clwb: 24,
    sha: 29,
  }),
  ...rows(7, "ebx", { fdpexcptnonly: 6, nofcsfds: 13 }, "intel"),
  ...rows(7, "ecx", { umip: 2, gfni: 8, vaes: 9, vpclmulqdq: 10, rdpid: 22, cldemote: 25, movdiri: 27, movdir64b: 28 }),
  ...rows(7, "ecx", { waitpkg: 5 }, "intel"),
  ...rows(7, "edx", { fsrm: 4 }),
  ...rows(7, "eax", { sha512: 0, sm3: 1, sm4: 2, avxvnni: 4, avxifma: 23 }).map((row) => ({ ...row, subleaf: 1 })),
  ...rows(7, "edx", { avxvnniint8: 4, avxneconvert: 5, avxvnniint16: 10, prefetchiti: 14 }).map((row) => ({
    ...row,
    subleaf: 1,
  })),
  ...rows(7, "edx", { serialize: 14 }, "intel"),
  ...rows(0x8000_0001, "ecx", { lahf64: 0, abm: 5, prefetchw: 8 }),
  ...rows(0x8000_0001, "ecx", { sse4a: 6, monitorx: 29 }, "amd"),
  ...rows(0x8000_0008, "ebx", { wbnoinvd: 9 }),
  ...rows(0x8000_0008, "ebx", { clzero: 0, xsaveerptr: 2, rdpru: 4, lmsleunsupported: 20 }, "amd"),
  ...rows(0x8000_0001, "edx", { syscall: 11, nx: 20, pdpe1gb: 26, rdtscp: 27, lm: 29 }),
  ...rows(0x8000_0001, "edx", BASIC_EDX, "amd"),
];

/** State components of XCR0. */
export const XFEATURE = { X87: 1, SSE: 2, AVX: 4 } as const;
export const XFEATURES = XFEATURE.X87 | XFEATURE.SSE | XFEATURE.AVX;
/** Offset of the upper YMM halves in the standard XSAVE area. */
export const AVX_OFFSET = 576;
/** Bytes of the area that a set of components needs. */
export const xsaveSize = (components: number): number => (components & XFEATURE.AVX ? AVX_OFFSET + 256 : AVX_OFFSET);
/** Leaf 0xD, subleaf 1, EAX: XSAVEOPT, XSAVEC, XGETBV with ECX = 1, XSAVES. */
export const XSAVE_EXTENSIONS = 15;

/** Control bits of the features above. */
export const CR4_IMPLEMENTED =
  CR4.VME |
  CR4.PVI |
  CR4.TSD |
  CR4.DE |
  CR4.PSE |
  CR4.PAE |
  CR4.MCE |
  CR4.PGE |
  CR4.PCE |
  CR4.OSFXSR |
  CR4.OSXMMEXCPT |
  CR4.UMIP |
  CR4.FSGSBASE |
  CR4.OSXSAVE |
  CR4.SMEP |
  CR4.SMAP;

export interface Identity {
  readonly vendor: string;
  /** Leaf 1 EAX: family, model, stepping. */
  readonly signature: number;
  readonly brand: string;
}

/** The AMD one is a first-generation Zen: null selector loads keep the base there. */
export const IDENTITIES: Readonly<Record<"intel" | "amd", Identity>> = {
  intel: { vendor: "GenuineIntel", signature: 0x000506e3, brand: "Ringside virtual processor, Intel behaviour" },
  amd: { vendor: "AuthenticAMD", signature: 0x00800f12, brand: "Ringside virtual processor, AMD behaviour" },
};

export const MAX_BASIC_LEAF = 0xd;
export const MAX_EXTENDED_LEAF = 0x8000_0008;
/** Highest register of RDPRU. */
export const MAX_RDPRU = 1;
/** Highest subleaf of leaf 7. */
export const MAX_SUBLEAF_7 = 1;
export const LINEAR_BITS = 48;
export const CLFLUSH_QWORDS = 8;
