/** DWARF's numbers of the registers, by the object's class: what `.cfi_offset %rbp, -16` writes. */

type Names = readonly (readonly [number, string])[];

/** First number, and names that count up from it. */
const NUMBERS: Readonly<Record<32 | 64, Names>> = {
  32: [
    [0, "eax ecx edx ebx esp ebp esi edi eip eflags"],
    [11, "st st(1) st(2) st(3) st(4) st(5) st(6) st(7)"],
    [11, "st(0)"],
    [21, "xmm0 xmm1 xmm2 xmm3 xmm4 xmm5 xmm6 xmm7 mm0 mm1 mm2 mm3 mm4 mm5 mm6 mm7 fcw fsw mxcsr"],
    [40, "es cs ss ds fs gs"],
    [48, "tr ldtr"],
    [93, "k0 k1 k2 k3 k4 k5 k6 k7 bnd0 bnd1 bnd2 bnd3"],
  ],
  64: [
    [0, "rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip"],
    [17, Array.from({ length: 16 }, (_, i) => `xmm${i}`).join(" ")],
    [33, "st st(1) st(2) st(3) st(4) st(5) st(6) st(7) mm0 mm1 mm2 mm3 mm4 mm5 mm6 mm7 rflags"],
    [33, "st(0)"],
    [49, "eflags"],
    [50, "es cs ss ds fs gs"],
    [58, "fs.base gs.base"],
    [62, "tr ldtr mxcsr fcw fsw"],
    [67, Array.from({ length: 16 }, (_, i) => `xmm${i + 16}`).join(" ")],
    [118, "k0 k1 k2 k3 k4 k5 k6 k7 bnd0 bnd1 bnd2 bnd3"],
  ],
};

function table(names: Names): ReadonlyMap<string, number> {
  return new Map(names.flatMap(([first, list]) => list.split(" ").map((name, i) => [name, first + i] as const)));
}

const TABLES = { 32: table(NUMBERS[32]), 64: table(NUMBERS[64]) };

export const dwarfRegister = (name: string, bits: 32 | 64): number | undefined => TABLES[bits].get(name);

/** Stack pointer, column of the return address, and the factor of offsets. */
export const FRAME_BASICS = {
  32: { stackPointer: 4, returnColumn: 8, factor: -4 },
  64: { stackPointer: 7, returnColumn: 16, factor: -8 },
} as const;
