/**
 * Which instructions `.arch` leaves. A processor is a list of extensions; an extension has features of iced's and needs others.
 * A feature that no extension here has is always there.
 */
import { CpuidFeature } from "../../emu/cpu/iced.ts";
import { featuresOf } from "../encode/features.ts";
import type { Architecture } from "../encode/types.ts";

/** name: features of its own < extensions that it needs. Those with a plus are steps between processors, which `.arch` has no names for. */
const EXTENSIONS_TEXT = `
+186: INTEL186
+286: INTEL286
+386: INTEL386 SMM
+486: INTEL486 CPUID
+586: CX8 MSR TSC
+686: RDPMC SEP
8087: FPU
287: FPU287 < 8087
387: FPU387 < 287
687: < 387
cmov: CMOV
fxsr: FXSR
mmx: MMX
sse: SSE < fxsr
sse2: SSE2 < sse
sse3: SSE3 MONITOR < sse2
sse4a: SSE4A < sse3
ssse3: SSSE3 < sse3
sse4.1: SSE4_1 < ssse3
sse4.2: SSE4_2 < sse4.1 popcnt
sse4: < sse4.1 sse4.2
popcnt: POPCNT
xsave: XSAVE
avx: AVX < sse4.2 xsave
avx2: AVX2 < avx
avx512f: AVX512F < avx2
avx512cd: AVX512CD < avx512f
avx512er: AVX512ER < avx512f
avx512pf: AVX512PF < avx512f
avx512dq: AVX512DQ < avx512f
avx512bw: AVX512BW < avx512f
avx512vl: AVX512VL < avx512f
avx512ifma: AVX512_IFMA < avx512f
avx512vbmi: AVX512_VBMI < avx512bw
avx512_4fmaps: AVX512_4FMAPS < avx512f
avx512_4vnniw: AVX512_4VNNIW < avx512f
avx512_vpopcntdq: AVX512_VPOPCNTDQ < avx512f
avx512_vbmi2: AVX512_VBMI2 < avx512bw
avx512_vnni: AVX512_VNNI < avx512f
avx512_bitalg: AVX512_BITALG < avx512bw
avx512_bf16: AVX512_BF16 < avx512bw
avx512_vp2intersect: AVX512_VP2INTERSECT < avx512f
avx512_fp16: AVX512_FP16 < avx512bw
avx_vnni: AVX_VNNI < avx2
avx_ifma: AVX_IFMA < avx2
avx_vnni_int8: AVX_VNNI_INT8 < avx2
avx_ne_convert: AVX_NE_CONVERT < avx2
f16c: F16C < avx
fma: FMA < avx
fma4: FMA4 < avx
xop: XOP < sse4a fma4
vaes: VAES < avx2 aes
vpclmulqdq: VPCLMULQDQ < avx2 pclmul
aes: AES < sse2
pclmul: PCLMULQDQ < sse2
gfni: GFNI < sse2
sha: SHA < sse2
kl: KL AESKLE < sse2
widekl: WIDE_KL < kl
vmx: VMX
vmfunc: VMX < vmx
ept: INVEPT INVVPID < vmx
smx: SMX
xsaveopt: XSAVEOPT < xsave
xsavec: XSAVEC < xsave
xsaves: XSAVES < xsavec
lwp: LWP < xsave
ospke: PKU < xsave
mpx: MPX < xsave
amx_tile: AMX_TILE < xsave
amx_int8: AMX_INT8 < amx_tile
amx_bf16: AMX_BF16 < amx_tile
amx_fp16: AMX_FP16 < amx_tile
fsgsbase: FSGSBASE
rdrnd: RDRAND
bmi: BMI1
bmi2: BMI2
tbm: TBM
adx: ADX
movbe: MOVBE
cx16: CMPXCHG16B
lzcnt: LZCNT
abm: LZCNT < popcnt
hle: HLE_or_RTM
rtm: RTM HLE_or_RTM
tsx: < hle rtm
tsxldtrk: TSXLDTRK < rtm
invpcid: INVPCID
clflush: CLFSH
nop: MULTIBYTENOP
syscall: SYSCALL
rdtscp: RDTSCP
3dnow: D3NOW < mmx
3dnowa: D3NOWEXT < 3dnow
padlock: PADLOCK_PMM PADLOCK_ACE PADLOCK_PHE PADLOCK_RNG
svme: SVM SKINIT_or_SVM
pacifica: < svme
sev_es: SEV_ES < svme
snp: SEV_SNP < sev_es
rmpquery: RMPQUERY < snp
rdseed: RDSEED
smap: SMAP
clflushopt: CLFLUSHOPT
prefetchwt1: PREFETCHWT1
se1: SGX1 OSS
clwb: CLWB
clzero: CLZERO
mwaitx: MONITORX
rdpid: RDPID
ptwrite: PTWRITE
ibt: CET_IBT
shstk: CET_SS
wbnoinvd: WBNOINVD
pconfig: PCONFIG
waitpkg: WAITPKG
cldemote: CLDEMOTE
movdiri: MOVDIRI
movdir64b: MOVDIR64B
tdx: TDX
enqcmd: ENQCMD
serialize: SERIALIZE
rdpru: RDPRU
mcommit: MCOMMIT
uintr: UINTR
hreset: HRESET
prefetchi: PREFETCHITI
cmpccxadd: CMPCCXADD
wrmsrns: WRMSRNS
msrlist: MSRLIST
rao_int: RAO_INT
prfchw: PREFETCHW
invlpgb: INVLPGB
`;

/** name: another processor, and what this one has more (or, with a minus, less). */
const CORES_TEXT = `
i8086:
i186: +186
i286: i186 +286
i386: i286 +386
i486: i386 +486
i586: i486 +586 387
i686: i586 +686 cmov 687 fxsr
iamcu: i486 +586
pentium: i586
pentiumpro: i686 nop
pentiumii: pentiumpro mmx
pentiumiii: pentiumii sse
pentium4: pentiumiii sse2 clflush
prescott: pentium4 sse3 cx16
nocona: prescott syscall
core: prescott
core2: nocona ssse3
corei7: core2 sse4.2 rdtscp
k6: i586 mmx syscall
k6_2: k6 3dnow
athlon: k6_2 +686 687 nop 3dnowa
opteron: athlon sse2 rdtscp
k8: opteron
amdfam10: k8 sse4a abm cx16
bdver1: amdfam10 -3dnow cmov clflush svme aes pclmul avx fma4 xop lwp prfchw
bdver2: bdver1 bmi tbm f16c fma
bdver3: bdver2 xsaveopt fsgsbase
bdver4: bdver3 bmi2 mwaitx movbe rdrnd avx2
znver1: bdver4 -tbm -lwp -fma4 adx smap clflushopt clzero rdseed sha xsaves
znver2: znver1 clwb mcommit rdpid rdpru wbnoinvd
znver3: znver2 invlpgb invpcid snp ospke vaes vpclmulqdq
znver4: znver3 gfni avx512f avx512dq avx512bw avx512vl avx512_bf16 avx512cd avx512_vbmi2 avx512_vnni avx512vbmi avx512ifma avx512_bitalg avx512_vpopcntdq rmpquery
btver1: amdfam10 -3dnow cmov clflush ssse3 svme prfchw
btver2: btver1 aes bmi sse4.2 movbe pclmul avx f16c xsaveopt
generic32: i386
generic64: i686 nop mmx sse2 clflush syscall
`;

interface Extension {
  readonly features: readonly number[];
  readonly needs: readonly string[];
}

const rows = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((row) => row.split(/:\s*/) as [string, string]);
const words = (text: string | undefined): string[] => text?.split(" ").filter((word) => word !== "") ?? [];

const featureNamed = (name: string): number => (CpuidFeature as unknown as Record<string, number>)[name]!;

const EXTENSIONS: ReadonlyMap<string, Extension> = new Map(
  rows(EXTENSIONS_TEXT).map(([name, text]) => {
    const [own, needs] = text.split("<");
    return [name, { features: words(own).map(featureNamed), needs: words(needs) }];
  }),
);
const CORES: ReadonlyMap<string, readonly string[]> = new Map(
  rows(CORES_TEXT).map(([name, text]) => [name, words(text)]),
);
/** Features that depend on what `.arch` says at all. */
const KNOWN = new Set([...EXTENSIONS.values()].flatMap(({ features }) => features));

function add(set: Set<string>, name: string): void {
  if (set.has(name)) return;
  set.add(name);
  for (const needed of EXTENSIONS.get(name)?.needs ?? []) add(set, needed);
}

/** Without an extension there are none of those that need it. */
function remove(set: Set<string>, name: string): void {
  set.delete(name);
  for (const other of set) if (EXTENSIONS.get(other)!.needs.includes(name)) remove(set, other);
}

function ofCore(name: string): Set<string> {
  const set = new Set<string>();
  const inherit = (core: string): void => {
    for (const word of CORES.get(core)!) {
      if (word.startsWith("-")) remove(set, word.slice(1));
      else if (CORES.has(word)) inherit(word);
      else add(set, word);
    }
  };
  inherit(name);
  return set;
}

export const isCore = (name: string): boolean => name === "default" || CORES.has(name);

/** `.noavx` is what `.avx` is, taken away. */
const negated = (name: string): string | undefined =>
  name.startsWith("no") && name !== "nop" ? name.slice(2) : undefined;

export const isExtension = (name: string): boolean =>
  EXTENSIONS.has(name) || name === "no87" || EXTENSIONS.has(negated(name) ?? "");

/** Of `bdver1` and the extensions after it; undefined: every instruction there is. */
export function architecture(core: string | undefined, extensions: readonly string[]): Architecture | undefined {
  if (core === undefined && !extensions.some((name) => negated(name) !== undefined)) return undefined;
  const set = core === undefined ? new Set(EXTENSIONS.keys()) : ofCore(core);
  for (const name of extensions) {
    const removed = name === "no87" ? "8087" : negated(name);
    if (removed === undefined) add(set, name);
    else remove(set, removed);
  }
  const there = new Set([...set].flatMap((name) => EXTENSIONS.get(name)!.features));
  return {
    name: [core ?? "x86_64", ...extensions].join("."),
    lacks: (code) => featuresOf(code).some((feature) => KNOWN.has(feature) && !there.has(feature)),
  };
}
