/** The XSAVE family: components asked for, the header's rules, initial states, and what XCR0 permits. */
import { beforeEach, describe, expect, it } from "vitest";
import { CR4, GPR, OFF } from "../../../src/emu/cpu/layout.ts";
import { Bench } from "./system/kit.ts";

const AREA = 0x100000;
const XSAVE = "0fae27"; // [rdi]
const XSAVEOPT = "0fae37";
const XSAVEC = "0fc727";
const XRSTOR = "0fae2f";
const XSETBV = "0f01d1";

let machine: Bench;
beforeEach(() => {
  machine = new Bench("long");
  const { cpu } = machine;
  cpu.set32(OFF.CR4, cpu.get32(OFF.CR4) | CR4.OSFXSR | CR4.OSXSAVE);
  cpu.set64(OFF.XCR0, 7n);
  cpu.set32(OFF.MXCSR, 0x1f80);
  cpu.set32(OFF.FCW, 0x37f);
  cpu.set32(OFF.FTW, 0xffff);
  cpu.setGpr(GPR.RDI, BigInt(AREA));
});

/** Runs one instruction for the components; the vector if it faults. */
function exec(code: string, components = 7): number | undefined {
  machine.cpu.setGpr(GPR.RAX, BigInt(components));
  machine.cpu.setGpr(GPR.RDX, 0n);
  machine.cpu.setGpr(GPR.RCX, 0n);
  return machine.exec(...Buffer.from(code, "hex"))?.vector;
}
const upper = (reg: number): number => OFF.YMM + reg * 32 + 16;
const header = (at: number): number => machine.read(AREA + 512 + at, 4);
const setHeader = (at: number, value: number): void => machine.write(AREA + 512 + at, 4, value);

describe("XSAVE and XRSTOR", () => {
  it("give back every component", () => {
    machine.cpu.set32(OFF.YMM + 32, 11);
    machine.cpu.set32(upper(15), 22);
    machine.cpu.set32(OFF.FCW, 0x27f);
    expect(exec(XSAVE)).toBeUndefined();
    expect([header(0), machine.read(AREA + 576 + 15 * 16, 4), machine.read(AREA, 2)]).toEqual([7, 22, 0x27f]);
    for (const at of [OFF.YMM + 32, upper(15), OFF.FCW]) machine.cpu.set32(at, 0);
    expect(exec(XRSTOR)).toBeUndefined();
    expect([OFF.YMM + 32, upper(15), OFF.FCW].map((at) => machine.cpu.get32(at))).toEqual([11, 22, 0x27f]);
  });
  it("leave alone what is not asked for", () => {
    machine.cpu.set32(upper(3), 5);
    setHeader(0, 3);
    expect(exec(XSAVE, 4)).toBeUndefined();
    expect([header(0), machine.read(AREA, 2)]).toEqual([7, 0]);
    machine.cpu.set32(upper(3), 6);
    expect(exec(XRSTOR, 3)).toBeUndefined();
    expect(machine.cpu.get32(upper(3))).toBe(6);
  });
  it("a component that the header does not name becomes initial", () => {
    exec(XSAVE);
    machine.cpu.set32(upper(3), 6);
    machine.cpu.set32(OFF.FCW, 0x27f);
    setHeader(0, 0);
    expect(exec(XRSTOR)).toBeUndefined();
    expect([machine.cpu.get32(upper(3)), machine.cpu.get32(OFF.FCW)]).toEqual([0, 0x37f]);
  });
  it("XSAVEOPT and XSAVEC write only what is in use; XSAVEC says that it is compacted", () => {
    machine.cpu.set32(upper(0), 9);
    machine.write(AREA, 2, 0x1234);
    expect([exec(XSAVEOPT), header(0), machine.read(AREA, 2)]).toEqual([undefined, 4, 0x1234]);
    expect([exec(XSAVEC), header(0), header(8), header(12) >>> 0]).toEqual([undefined, 4, 7, 0x8000_0000]);
    machine.cpu.set32(upper(0), 0);
    expect([exec(XRSTOR), machine.cpu.get32(upper(0))]).toEqual([undefined, 9]);
  });
  it.each([
    ["a component that is not enabled", 0, 8],
    ["a reserved byte", 16, 1],
    ["XCOMP_BV without its format bit", 8, 1],
  ])("%s in the header is #GP", (_what, at, value) => {
    exec(XSAVE);
    setHeader(at, value);
    expect(exec(XRSTOR)).toBe(13);
  });
  it("needs 64-byte alignment and CR4.OSXSAVE", () => {
    machine.cpu.setGpr(GPR.RDI, BigInt(AREA + 32));
    expect(exec(XSAVE)).toBe(13);
    machine.cpu.set32(OFF.CR4, machine.cpu.get32(OFF.CR4) & ~CR4.OSXSAVE);
    expect(exec(XSAVE)).toBe(6);
  });
});

describe("XSETBV", () => {
  it.each([
    [1, undefined],
    [3, undefined],
    [7, undefined],
    [0, 13],
    [5, 13],
    [0xf, 13],
  ])("of %i", (value, vector) => {
    expect(exec(XSETBV, value)).toBe(vector);
    if (vector === undefined) expect(machine.cpu.get32(OFF.XCR0)).toBe(value);
  });
  it("AVX without its state enabled is #UD", () => {
    expect(exec(XSETBV, 3)).toBeUndefined();
    expect(exec("c5fc58c0")).toBe(6);
    expect(exec(XSETBV, 7)).toBeUndefined();
    expect(exec("c5fc58c0")).toBeUndefined();
  });
});

describe("XSAVES and XRSTORS", () => {
  const XSAVES = "0fc72f";
  const XRSTORS = "0fc71f";
  it("give back every component through the compacted format", () => {
    machine.cpu.set32(OFF.YMM + 32, 11);
    machine.cpu.set32(upper(15), 22);
    expect(exec(XSAVES)).toBeUndefined();
    expect([header(0), header(8), header(12) >>> 0]).toEqual([6, 7, 0x8000_0000]);
    for (const at of [OFF.YMM + 32, upper(15)]) machine.cpu.set32(at, 0);
    machine.cpu.set32(OFF.FCW, 0x27f);
    expect(exec(XRSTORS)).toBeUndefined();
    expect([OFF.YMM + 32, upper(15), OFF.FCW].map((at) => machine.cpu.get32(at))).toEqual([11, 22, 0x37f]);
  });
  it("XRSTORS refuses the standard format", () => {
    exec(XSAVE);
    expect(exec(XRSTORS)).toBe(13);
  });
  it("are for CPL 0, after #UD and #NM, before the area is looked at", () => {
    machine.atCpl(3, "long");
    machine.cpu.setGpr(GPR.RDI, 1n);
    expect([exec(XSAVES), exec(XRSTORS)]).toEqual([13, 13]);
    machine.cpu.set32(OFF.CR0, machine.cpu.get32(OFF.CR0) | 8);
    expect([exec(XSAVES), exec(XRSTORS)]).toEqual([7, 7]);
    machine.cpu.set32(OFF.CR4, machine.cpu.get32(OFF.CR4) & ~CR4.OSXSAVE);
    expect([exec(XSAVES), exec(XRSTORS)]).toEqual([6, 6]);
  });
  it("IA32_XSS holds no component", () => {
    const wrmsr = (value: bigint) => {
      machine.cpu.setGpr(GPR.RCX, 0xda0n);
      machine.cpu.setGpr(GPR.RAX, value);
      machine.cpu.setGpr(GPR.RDX, 0n);
      return machine.exec(0x0f, 0x30)?.vector;
    };
    expect([wrmsr(0n), wrmsr(1n << 8n)]).toEqual([undefined, 13]);
  });
});
