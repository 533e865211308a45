/** `%use`: NASM's standard packages, as the macros that they define. */

const ALTREG = [
  ...["rax rcx rdx rbx rsp rbp rsi rdi", "eax ecx edx ebx esp ebp esi edi", "ax cx dx bx sp bp si di"].map(
    (names, i) => [names, ["", "d", "w"][i]!] as const,
  ),
  ["al cl dl bl spl bpl sil dil r8b r9b r10b r11b r12b r13b r14b r15b", "l"] as const,
  ["al cl dl bl spl bpl sil dil", "b"] as const,
  ["ah ch dh bh", "h"] as const,
].flatMap(([names, suffix]) => names.split(" ").map((name, i) => `%idefine r${i}${suffix} ${name}`));

const FP = [
  ...["float8", "float16", "float32", "float64", "float80m", "float80e", "float128l", "float128h", "bfloat16"].map(
    (name) => `%idefine ${name}(x) __?${name}?__(x)`,
  ),
  "%idefine Inf __?Infinity?__",
  "%idefine NaN __?QNaN?__",
  "%idefine QNaN __?QNaN?__",
  "%idefine SNaN __?SNaN?__",
];

const IFUNC = ["ilog2e", "ilog2w", "ilog2f", "ilog2fw", "ilog2c", "ilog2cw"].map(
  (name) => `%idefine ${name}(x) __?${name}?__(x)`,
);

/** Operands in MASM's manner are the assembler's affair. */
const MASM = [
  "%idefine tbyte tword",
  "%idefine flat",
  "%imacro proc 0-1+",
  "%push proc",
  "%00:",
  "%endmacro",
  "%imacro endp 0",
  "%ifempty %00",
  "%endif",
  "%pop",
  "%endmacro",
  "%imacro ends 0",
  "%endmacro",
  "%imacro end 0-1+",
  "%endmacro",
  "default rel",
];

export const PACKAGES: Readonly<Record<string, string>> = {
  altreg: ALTREG.join("\n"),
  fp: FP.join("\n"),
  ifunc: [...IFUNC, "%idefine ilog2(x) __?ilog2e?__(x)"].join("\n"),
  masm: MASM.join("\n"),
  smartalign: "",
};
