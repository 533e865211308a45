/**
 * What the x87 remembers of its last instruction. The Intel values are those that a Xeon with CPUID.7.EBX bits 6 and 13 gave for the
 * same sequences; AMD's and the 386's follow their manuals: always remembered, selectors too.
 */
import { beforeEach, describe, expect, it } from "vitest";
import type { CpuModel } from "../../../src/emu/cpu/contract.ts";
import { CR4, OFF } from "../../../src/emu/cpu/layout.ts";
import { AMD, CODE, INTEL, TestMachine } from "./kit.ts";

const ONE = 0x40000;
const ZERO = 0x40004;
const UNMASK = 0x40008;
const IMAGE = 0x41000;

let machine: TestMachine;
function start(model: CpuModel, bits: 16 | 32 | 64 = 64): void {
  machine = new TestMachine({ bits, model });
  const { cpu } = machine;
  if (bits === 64) cpu.set32(OFF.CR4, cpu.get32(OFF.CR4) | CR4.OSFXSR);
  cpu.physWrite(ONE, 4, 0x3f80_0000);
  cpu.physWrite(ZERO, 4, 0);
  cpu.physWrite(UNMASK, 2, 0x0300);
  machine.set("RDI", ONE);
}
beforeEach(() => start(INTEL));

/** FNINIT, perhaps all exceptions unmasked, then the code: the pointers, FIP from the code's start. */
function pointers(code: string, unmasked: boolean, steps: number) {
  const prefix = `dbe3${unmasked ? "d96f08" : ""}`;
  machine.load(prefix + code).run(steps + (unmasked ? 2 : 1));
  const { cpu } = machine;
  const [fip, fop, fdp] = [OFF.FIP, OFF.FOP, OFF.FDP].map((field) => cpu.get32(field)) as [number, number, number];
  return { fip: fip - CODE - prefix.length / 2, fop, fdp };
}

const FLD1 = "d9e8";
const DIVIDE_BY_ZERO = "d87704"; // fdiv dword [rdi+4]
const ADD_ONE = "d807";
const FNCLEX = "dbe2";

describe("Intel: opcode and operand only with an unmasked exception", () => {
  it.each([
    ["FLD1", FLD1, false, 1, { fip: 0, fop: 0, fdp: 0 }],
    ["FADD m", FLD1 + ADD_ONE, false, 2, { fip: 2, fop: 0, fdp: 0 }],
    ["a masked division by zero", FLD1 + DIVIDE_BY_ZERO, false, 2, { fip: 2, fop: 0, fdp: 0 }],
    ["an unmasked one", FLD1 + DIVIDE_BY_ZERO, true, 2, { fip: 2, fop: 0x077, fdp: ZERO }],
    // An instruction without memory operand leaves the data pointer.
    [
      "then one between registers",
      `${FLD1}${DIVIDE_BY_ZERO}${FNCLEX}d9eedef9`,
      true,
      5,
      { fip: 9, fop: 0x6f9, fdp: ZERO },
    ],
    ["then none", FLD1 + DIVIDE_BY_ZERO + FNCLEX + ADD_ONE, true, 4, { fip: 7, fop: 0x077, fdp: ZERO }],
    ["FSTP of an empty register", "d91f", true, 1, { fip: 0, fop: 0x11f, fdp: ONE }],
    ["an inexact store", "d9ebd91f", true, 2, { fip: 2, fop: 0x11f, fdp: ONE }],
    ["prefixes are no part of the opcode", `${FLD1}3e48${DIVIDE_BY_ZERO}`, true, 2, { fip: 2, fop: 0x077, fdp: ZERO }],
    // Control instructions are not remembered, but FNOP is.
    ["FNOP", `${FLD1}d9d0`, false, 2, { fip: 2, fop: 0, fdp: 0 }],
    ["FNSTSW AX", `${FLD1}dfe0`, false, 2, { fip: 0, fop: 0, fdp: 0 }],
    ["FLDCW that unmasks what is pending", `${FLD1}${DIVIDE_BY_ZERO}d96f08`, false, 3, { fip: 2, fop: 0, fdp: 0 }],
    ["FNINIT", `${FLD1}dbe3`, false, 2, { fip: -CODE - 2, fop: 0, fdp: 0 }],
  ] as const)("%s", (_name, code, unmasked, steps, want) => {
    expect(pointers(code, unmasked, steps)).toEqual(want);
  });
  it("FNSTENV has no selectors, FXSAVE64 no more", () => {
    pointers(`${FLD1}${DIVIDE_BY_ZERO}`, true, 2);
    machine.set("RSI", IMAGE).load("d936").run(1);
    expect([machine.read(IMAGE + 12, 4), machine.read(IMAGE + 16, 4), machine.read(IMAGE + 24, 2)]).toEqual([
      CODE + 7,
      0x077_0000,
      0,
    ]);
  });
  it("FXRSTOR64 keeps 48 bits of the instruction pointer and all of the data pointer", () => {
    const { cpu } = machine;
    cpu.physWrite(IMAGE + 8, 8, 0x89abcdef | 0, 0x1234ffff);
    cpu.physWrite(IMAGE + 16, 8, 0x76543210, 0xfedcba98 | 0);
    machine.set("RSI", IMAGE).load("480fae0e").run(1);
    expect([cpu.get64(OFF.FIP), cpu.get64(OFF.FDP)]).toEqual([0xffff_ffff_89ab_cdefn, 0xfedc_ba98_7654_3210n]);
  });
});

describe("AMD: every instruction, and the selectors", () => {
  beforeEach(() => start(AMD));
  it.each([
    ["FLD1", FLD1, 1, { fip: 0, fop: 0x1e8, fdp: 0 }],
    ["FADD m", FLD1 + ADD_ONE, 2, { fip: 2, fop: 0x007, fdp: ONE }],
    ["then FLD1", FLD1 + ADD_ONE + FLD1, 3, { fip: 4, fop: 0x1e8, fdp: ONE }],
  ] as const)("%s", (_name, code, steps, want) => {
    expect(pointers(code, false, steps)).toEqual(want);
  });
  it("in FNSTENV", () => {
    pointers(FLD1 + ADD_ONE, false, 2);
    machine.set("RSI", IMAGE).load("d936").run(1);
    expect([machine.read(IMAGE + 16, 4), machine.read(IMAGE + 24, 2)]).toEqual([0x007_0008, 0x10]);
  });
});

describe("the 386, and real mode", () => {
  it("remembers always", () => {
    start({ vendor: "intel", model: "386", quirks: [] }, 32);
    expect(pointers(FLD1 + ADD_ONE, false, 2)).toEqual({ fip: 2, fop: 0x007, fdp: ONE });
  });
  it.each(["286", "current"] as const)("FNSTENV of a %s in real mode has linear addresses", (model) => {
    start({ vendor: "intel", model, quirks: [] }, 16);
    const { cpu } = machine;
    cpu.physWrite(0x12004, 4, 0);
    cpu.physWrite(0x12008, 2, 0x300);
    // mov ax, 0x1000; mov ds, ax; mov di, 0x2000; fninit; fldcw [di+8]; fld1; fdiv dword [di+4]; fnstenv [di+0x10]
    machine.load("b800108ed8bf0020dbe3d96d08d9e8d87504d97510").run(8);
    const image = [6, 8, 10, 12].map((at) => machine.read(0x12010 + at, 2));
    // FIP 0x100f is in segment 0; the operand's 0x12004 has its bits 19:16 in the last word.
    expect(image).toEqual([0x100f, 0x075, 0x2004, 0x1000]);
  });
});
