/**
 * Every instruction whose permission depends on mode and privilege, in each of them: the vector, or "-" for none. Operands are in order
 * and present, so that what faults is the permission. After SDM volume 2's "Exceptions" of each instruction; those that the SDM
 * leaves to Linux's settings have CR4.TSD, PCE, UMIP and the like clear.
 */
import { describe, expect, it } from "vitest";
import { CR4 } from "../../../../src/emu/cpu/layout.ts";
import { fromHex } from "../kit.ts";
import { AT, Bench, EFLAGS, GPR, handler, type Mode, OFF, S } from "./kit.ts";

const PLACES = [
  ["real", "real", 0],
  ["v86", "v86", 3],
  ["protected 0", "protected", 0],
  ["protected 3", "protected", 3],
  ["compat 0", "compat", 0],
  ["compat 3", "compat", 3],
  ["64-bit 0", "long", 0],
  ["64-bit 3", "long", 3],
] as const;

const REAL_CODE = 0x1000;
const REAL_HANDLERS = 0x7000;
const MEMORY = 0x6000;

/** IOPL is 0: v8086 and CPL 3 may not do what it guards. */
function machine(mode: Mode, cpl: 0 | 3): Bench {
  const b = new Bench(mode);
  const { cpu } = b;
  cpu.set32(OFF.CR4, cpu.get32(OFF.CR4) | CR4.OSFXSR | CR4.OSXSAVE | CR4.FSGSBASE);
  cpu.set64(OFF.XCR0, 7n);
  cpu.set32(OFF.MXCSR, 0x1f80);
  cpu.set64(OFF.SYSENTER_CS, BigInt(S.CODE0));
  if (mode === "real") for (let v = 0; v < 32; v++) b.write(v * 4, 4, REAL_HANDLERS + v * 16);
  else if (cpl === 3 && mode !== "v86") b.atCpl(3, mode);
  if (mode === "real") cpu.setGpr(GPR.RSP, 0x8000n);
  return b;
}

/** Runs the instruction once; its vector. Registers: DI to memory, AX a data selector, CX and DX 0, BX memory too. */
function vectorOf(mode: Mode, cpl: 0 | 3, hex: string): string {
  const b = machine(mode, cpl);
  const { cpu } = b;
  const start = mode === "real" ? REAL_CODE : mode === "v86" ? 0x20100 : AT.CODE;
  fromHex(hex).forEach((byte, i) => void b.write(start + i, 1, byte));
  // DS of the v8086 task starts at 0x11110.
  const base = mode === "v86" ? 0x11110 : 0;
  cpu.setGpr(GPR.RDI, BigInt(MEMORY));
  cpu.setGpr(GPR.RBX, BigInt(MEMORY));
  cpu.setGpr(GPR.RAX, BigInt(S.DATA3 | 3));
  cpu.setGpr(GPR.RCX, 0n);
  cpu.setGpr(GPR.RDX, 0n);
  for (let i = 0; i < 16; i += 4) b.write(base + MEMORY + i, 4, 0);
  cpu.setRip(mode === "real" ? REAL_CODE : mode === "v86" ? 0x100 : AT.CODE, 0);
  cpu.run(1);
  const first = mode === "real" ? REAL_HANDLERS : handler(0);
  const vector = (b.rip - first) / 16;
  return Number.isInteger(vector) && vector >= 0 && vector < 32 ? String(vector) : "-";
}

/** Columns as in PLACES. */
const TABLE = `
  HLT          f4           -   13  -   13  -   13  -   13
  CLTS         0f06         -   13  -   13  -   13  -   13
  LMSW         0f01f0       -   13  -   13  -   13  -   13
  SMSW         0f01e0       -   -   -   -   -   -   -   -
  LGDT         0f0117       -   13  -   13  -   13  -   13
  LIDT         0f011f       -   13  -   13  -   13  -   13
  SGDT         0f0107       -   -   -   -   -   -   -   -
  SIDT         0f010f       -   -   -   -   -   -   -   -
  LLDT         0f00d1       6   6   -   13  -   13  -   13
  LTR          0f00d8       6   6   13  13  13  13  13  13
  SLDT         0f00c1       6   6   -   -   -   -   -   -
  STR          0f00c9       6   6   -   -   -   -   -   -
  VERR         0f00e0       6   6   -   -   -   -   -   -
  VERW         0f00e8       6   6   -   -   -   -   -   -
  LAR          0f02c8       6   6   -   -   -   -   -   -
  LSL          0f03c8       6   6   -   -   -   -   -   -
  MOV-from-CR0 0f20c0       -   13  -   13  -   13  -   13
  MOV-from-CR4 0f20e0       -   13  -   13  -   13  -   13
  MOV-from-CR1 0f20c8       6   6   6   6   6   6   6   6
  MOV-from-DR7 0f21f8       -   13  -   13  -   13  -   13
  RDMSR        0f32         13  13  13  13  13  13  13  13
  RDTSC        0f31         -   -   -   -   -   -   -   -
  RDPMC        0f33         13  13  13  13  13  13  13  13
  INVD         0f08         -   13  -   13  -   13  -   13
  WBINVD       0f09         -   13  -   13  -   13  -   13
  INVLPG       0f013f       -   13  -   13  -   13  -   13
  INVPCID      660f38820f   -   13  -   13  -   13  -   13
  MONITOR      0f01c8       -   6   -   6   -   6   -   6
  MWAIT        0f01c9       -   6   -   6   -   6   -   6
  CLAC         0f01ca       -   6   -   6   -   6   -   6
  XGETBV       0f01d0       -   -   -   -   -   -   -   -
  XSETBV       0f01d1       13  13  13  13  13  13  13  13
  RSM          0faa         6   6   6   6   6   6   6   6
  SYSCALL      0f05         6   6   6   6   6   6   -   -
  SYSRET       0f07         6   6   6   6   6   6   -   13
  SYSENTER     0f34         13  -   -   -   -   -   -   -
  SYSEXIT      0f35         13  13  -   13  -   13  -   13
  SWAPGS       0f01f8       6   6   6   6   6   6   -   13
  RDFSBASE     f30faec0     6   6   6   6   6   6   -   -
  WRGSBASE     f30faed8     6   6   6   6   6   6   -   -
  CLI          fa           -   13  -   13  -   13  -   13
  STI          fb           -   13  -   13  -   13  -   13
  PUSHF        9c           -   13  -   -   -   -   -   -
  POPF         9d           -   13  -   -   -   -   -   -
  IN           e410         -   13  -   13  -   13  -   13
  OUT          e610         -   13  -   13  -   13  -   13
  INT          cd03         3   13  3   3   3   3   3   3
  INT3         cc           3   3   3   3   3   3   3   3
  INT1         f1           1   1   1   1   1   1   1   1
  ARPL         63c8         6   6   -   -   -   -   -   -
  BOUND-reg    62c0         6   6   6   6   6   6   6   6
  AAM          d40a         -   -   -   -   -   -   6   6
  PUSHA        60           -   -   -   -   -   -   6   6
  PUSH-ES      06           -   -   -   -   -   -   6   6
  SALC         d6           -   -   -   -   -   -   6   6
  LDS-reg      c5c0         6   6   6   6   6   6   6   6
  VEX          c5f857c0     6   6   -   -   -   -   -   -
  VEX-general  c4e278f2c0   6   6   -   -   -   -   -   -
  UD2          0f0b         6   6   6   6   6   6   6   6
  MOV-CS       8ec8         6   6   6   6   6   6   6   6
  CPUID        0fa2         -   -   -   -   -   -   -   -
  RDRAND       0fc7f0       -   -   -   -   -   -   -   -
  SERIALIZE    0f01e8       -   -   -   -   -   -   -   -
  TPAUSE       660faef1     -   -   -   -   -   -   -   -
  XSAVES       0fc72f       -   13  -   13  -   13  -   13
  POPCNT       f30fb8c0     -   -   -   -   -   -   -   -
  RDPKRU       0f01ee       6   6   6   6   6   6   6   6
`;

describe.each(
  TABLE.trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/)),
)("%s (%s)", (_name, hex, ...want) => {
  it("in every mode", () => {
    expect(PLACES.map(([, mode, cpl]) => vectorOf(mode, cpl, hex!))).toEqual(want);
  });
});

describe("the same with what only software enables", () => {
  const guarded = (mode: Mode, cpl: 0 | 3, bit: number, hex: string): string => {
    const b = machine(mode, cpl);
    b.cpu.set32(OFF.CR4, b.cpu.get32(OFF.CR4) | bit);
    fromHex(hex).forEach((byte, i) => void b.write(AT.CODE + i, 1, byte));
    b.cpu.setGpr(GPR.RDI, BigInt(MEMORY));
    b.setFlags(EFLAGS.FIXED);
    b.cpu.run(1);
    const vector = (b.rip - handler(0)) / 16;
    return vector >= 0 && vector < 32 ? String(vector) : "-";
  };
  it.each([
    ["RDTSC under TSD", CR4.TSD, "0f31"],
    ["RDTSCP under TSD", CR4.TSD, "0f01f9"],
    ["TPAUSE under TSD", CR4.TSD, "660faef1"],
    ["SMSW under UMIP", CR4.UMIP, "0f01e0"],
    ["SLDT under UMIP", CR4.UMIP, "0f00c1"],
    ["SGDT under UMIP", CR4.UMIP, "0f0107"],
  ] as const)("%s: CPL 0 only", (_name, bit, hex) => {
    for (const mode of ["protected", "long"] as const)
      expect([guarded(mode, 0, bit, hex), guarded(mode, 3, bit, hex)]).toEqual(["-", "13"]);
  });
});
